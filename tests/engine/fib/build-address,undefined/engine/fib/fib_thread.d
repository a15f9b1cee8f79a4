build-address,undefined/engine/fib/fib_thread.o: \
 ../../../runtime/engine/fib/fib_thread.c \
 ../../../runtime/engine/engine.h \
 ../../../runtime/engine/fib/fib_thread.h \
 ../../../runtime/engine/include/netmill/forwarder.h \
 ../../../runtime/engine/include/netmill/netmap_abi.h \
 ../../../runtime/shm/config.h ../../../runtime/shm/limits.h \
 ../../../runtime/shm/fib_queue.h ../../../runtime/shm/state.h \
 ../../../runtime/engine/port/port.h \
 ../../../runtime/shm/engine_control.h \
 ../../../runtime/engine/host/host.h ../../../runtime/engine/host_queue.h \
 ../../../runtime/engine/include/netmill/fib.h \
 ../../../runtime/engine/include/netmill/fib_lookup.h \
 ../../../runtime/engine/include/netmill/fib_vector.h \
 ../../../runtime/engine/region.h ../../../runtime/engine/fib/explain.h \
 ../../../runtime/engine/fib/fib_writer.h \
 ../../../runtime/engine/fib/adjacencies.h \
 ../../../runtime/engine/fib/id_map.h ../../../runtime/engine/fib/qsbr.h \
 ../../../runtime/engine/fib/slots.h ../../../runtime/engine/fib/dir.h \
 ../../../runtime/engine/fib/groups.h \
 ../../../runtime/engine/fib/prefixes.h \
 ../../../runtime/engine/fib/tables.h
../../../runtime/engine/engine.h:
../../../runtime/engine/fib/fib_thread.h:
../../../runtime/engine/include/netmill/forwarder.h:
../../../runtime/engine/include/netmill/netmap_abi.h:
../../../runtime/shm/config.h:
../../../runtime/shm/limits.h:
../../../runtime/shm/fib_queue.h:
../../../runtime/shm/state.h:
../../../runtime/engine/port/port.h:
../../../runtime/shm/engine_control.h:
../../../runtime/engine/host/host.h:
../../../runtime/engine/host_queue.h:
../../../runtime/engine/include/netmill/fib.h:
../../../runtime/engine/include/netmill/fib_lookup.h:
../../../runtime/engine/include/netmill/fib_vector.h:
../../../runtime/engine/region.h:
../../../runtime/engine/fib/explain.h:
../../../runtime/engine/fib/fib_writer.h:
../../../runtime/engine/fib/adjacencies.h:
../../../runtime/engine/fib/id_map.h:
../../../runtime/engine/fib/qsbr.h:
../../../runtime/engine/fib/slots.h:
../../../runtime/engine/fib/dir.h:
../../../runtime/engine/fib/groups.h:
../../../runtime/engine/fib/prefixes.h:
../../../runtime/engine/fib/tables.h:
