build-address,undefined/engine/fib/id_map.o: \
 ../../../runtime/engine/fib/id_map.c \
 ../../../runtime/engine/fib/id_map.h
../../../runtime/engine/fib/id_map.h:
