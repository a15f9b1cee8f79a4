build-address,undefined/engine/fib/groups.o: \
 ../../../runtime/engine/fib/groups.c ../../../runtime/engine/fib/deal.h \
 ../../../runtime/engine/fib/groups.h \
 ../../../runtime/engine/fib/adjacencies.h \
 ../../../runtime/engine/fib/id_map.h ../../../runtime/engine/fib/qsbr.h \
 ../../../runtime/shm/state.h ../../../runtime/shm/limits.h \
 ../../../runtime/engine/fib/slots.h \
 ../../../runtime/engine/include/netmill/fib.h \
 ../../../runtime/shm/fib_queue.h \
 ../../../runtime/engine/include/netmill/fib_lookup.h \
 ../../../runtime/engine/include/netmill/fib_vector.h \
 ../../../runtime/engine/include/netmill/forwarder.h \
 ../../../runtime/engine/include/netmill/netmap_abi.h \
 ../../../runtime/shm/config.h
../../../runtime/engine/fib/deal.h:
../../../runtime/engine/fib/groups.h:
../../../runtime/engine/fib/adjacencies.h:
../../../runtime/engine/fib/id_map.h:
../../../runtime/engine/fib/qsbr.h:
../../../runtime/shm/state.h:
../../../runtime/shm/limits.h:
../../../runtime/engine/fib/slots.h:
../../../runtime/engine/include/netmill/fib.h:
../../../runtime/shm/fib_queue.h:
../../../runtime/engine/include/netmill/fib_lookup.h:
../../../runtime/engine/include/netmill/fib_vector.h:
../../../runtime/engine/include/netmill/forwarder.h:
../../../runtime/engine/include/netmill/netmap_abi.h:
../../../runtime/shm/config.h:
