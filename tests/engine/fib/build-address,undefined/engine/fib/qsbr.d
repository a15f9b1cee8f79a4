build-address,undefined/engine/fib/qsbr.o: \
 ../../../runtime/engine/fib/qsbr.c ../../../runtime/engine/fib/qsbr.h \
 ../../../runtime/shm/state.h ../../../runtime/shm/limits.h
../../../runtime/engine/fib/qsbr.h:
../../../runtime/shm/state.h:
../../../runtime/shm/limits.h:
