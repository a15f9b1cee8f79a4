/* A swap forwarder of 4 ports: lib/swap.h. */
#define SWAP_PORTS 4
#include "lib/swap.h"

SWAP_RECEIVE(0)
SWAP_RECEIVE(1)
SWAP_RECEIVE(2)
SWAP_RECEIVE(3)

SWAP_FORWARDER(0, receive_0, receive_1, receive_2, receive_3);
