build-address,undefined/engine/fib/explain.o: \
 ../../../runtime/engine/fib/explain.c \
 ../../../runtime/engine/fib/explain.h \
 ../../../runtime/engine/include/netmill/fib.h \
 ../../../runtime/shm/fib_queue.h ../../../runtime/shm/limits.h \
 ../../../runtime/engine/include/netmill/fib_lookup.h \
 ../../../runtime/engine/include/netmill/fib_vector.h \
 ../../../runtime/shm/engine_control.h
../../../runtime/engine/fib/explain.h:
../../../runtime/engine/include/netmill/fib.h:
../../../runtime/shm/fib_queue.h:
../../../runtime/shm/limits.h:
../../../runtime/engine/include/netmill/fib_lookup.h:
../../../runtime/engine/include/netmill/fib_vector.h:
../../../runtime/shm/engine_control.h:
