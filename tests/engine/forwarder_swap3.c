/* A swap forwarder of 3 ports: lib/swap.h. */
#define SWAP_PORTS 3
#include "lib/swap.h"

SWAP_RECEIVE(0)
SWAP_RECEIVE(1)
SWAP_RECEIVE(2)

SWAP_FORWARDER(0, receive_0, receive_1, receive_2);
