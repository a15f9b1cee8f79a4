build-address,undefined/support.o: support.c support.h \
 ../../../runtime/engine/fib/explain.h \
 ../../../runtime/engine/include/netmill/fib.h \
 ../../../runtime/shm/fib_queue.h ../../../runtime/shm/limits.h \
 ../../../runtime/engine/include/netmill/fib_lookup.h \
 ../../../runtime/engine/include/netmill/fib_vector.h \
 ../../../runtime/shm/engine_control.h \
 ../../../runtime/engine/fib/fib_writer.h \
 ../../../runtime/engine/fib/adjacencies.h \
 ../../../runtime/engine/fib/id_map.h ../../../runtime/engine/fib/qsbr.h \
 ../../../runtime/shm/state.h ../../../runtime/engine/fib/slots.h \
 ../../../runtime/engine/include/netmill/forwarder.h \
 ../../../runtime/engine/include/netmill/netmap_abi.h \
 ../../../runtime/shm/config.h ../../../runtime/engine/fib/dir.h \
 ../../../runtime/engine/fib/groups.h \
 ../../../runtime/engine/fib/prefixes.h
support.h:
../../../runtime/engine/fib/explain.h:
../../../runtime/engine/include/netmill/fib.h:
../../../runtime/shm/fib_queue.h:
../../../runtime/shm/limits.h:
../../../runtime/engine/include/netmill/fib_lookup.h:
../../../runtime/engine/include/netmill/fib_vector.h:
../../../runtime/shm/engine_control.h:
../../../runtime/engine/fib/fib_writer.h:
../../../runtime/engine/fib/adjacencies.h:
../../../runtime/engine/fib/id_map.h:
../../../runtime/engine/fib/qsbr.h:
../../../runtime/shm/state.h:
../../../runtime/engine/fib/slots.h:
../../../runtime/engine/include/netmill/forwarder.h:
../../../runtime/engine/include/netmill/netmap_abi.h:
../../../runtime/shm/config.h:
../../../runtime/engine/fib/dir.h:
../../../runtime/engine/fib/groups.h:
../../../runtime/engine/fib/prefixes.h:
