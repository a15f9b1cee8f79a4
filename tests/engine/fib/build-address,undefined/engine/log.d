build-address,undefined/engine/log.o: ../../../runtime/engine/log.c \
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
 ../../../runtime/engine/region.h
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
