/* A swap forwarder of 2 ports: lib/swap.h. */
#define SWAP_PORTS 2
#include "lib/swap.h"

SWAP_RECEIVE(0)
SWAP_RECEIVE(1)

SWAP_FORWARDER(0, receive_0, receive_1);
