build-address,undefined/engine/fib/dir.o: \
 ../../../runtime/engine/fib/dir.c ../../../runtime/engine/fib/dir.h \
 ../../../runtime/engine/fib/qsbr.h ../../../runtime/shm/state.h \
 ../../../runtime/shm/limits.h ../../../runtime/engine/fib/slots.h \
 ../../../runtime/engine/include/netmill/fib.h \
 ../../../runtime/shm/fib_queue.h \
 ../../../runtime/engine/include/netmill/fib_lookup.h \
 ../../../runtime/engine/include/netmill/fib_vector.h
../../../runtime/engine/fib/dir.h:
../../../runtime/engine/fib/qsbr.h:
../../../runtime/shm/state.h:
../../../runtime/shm/limits.h:
../../../runtime/engine/fib/slots.h:
../../../runtime/engine/include/netmill/fib.h:
../../../runtime/shm/fib_queue.h:
../../../runtime/engine/include/netmill/fib_lookup.h:
../../../runtime/engine/include/netmill/fib_vector.h:
