build-address,undefined/engine/error.o: ../../../runtime/engine/error.c \
 ../../../runtime/engine/port/port.h \
 ../../../runtime/engine/include/netmill/netmap_abi.h \
 ../../../runtime/shm/config.h ../../../runtime/shm/limits.h \
 ../../../runtime/shm/engine_control.h ../../../runtime/shm/state.h
../../../runtime/engine/port/port.h:
../../../runtime/engine/include/netmill/netmap_abi.h:
../../../runtime/shm/config.h:
../../../runtime/shm/limits.h:
../../../runtime/shm/engine_control.h:
../../../runtime/shm/state.h:
