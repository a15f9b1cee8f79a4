build-address,undefined/engine/fib/deal.o: \
 ../../../runtime/engine/fib/deal.c ../../../runtime/engine/fib/deal.h
../../../runtime/engine/fib/deal.h:
