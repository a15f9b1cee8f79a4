build-address,undefined/engine/fib/prefixes.o: \
 ../../../runtime/engine/fib/prefixes.c \
 ../../../runtime/engine/fib/prefixes.h
../../../runtime/engine/fib/prefixes.h:
