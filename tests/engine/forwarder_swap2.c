/* A swap forwarder of 2 ports: lib/swap.h. */
#define SWAP_PORTS 2
#include "lib/swap.h"

SWAP_RECEIVE(0)
SWAP_RECEIVE(1)

static void (*const receive[])(struct mill_worker *, struct netmap_ring *) = {
    receive_0,
    receive_1,
};

const struct mill_forwarder mill_forwarder = {
    .abi = MILL_ABI_VERSION,
    .layout = SWAP_LAYOUT,
    .policy_hash = {SWAP_HASH},
    .n_ports = SWAP_PORTS,
    .n_ifaces = SWAP_PORTS,
    .n_rules = SWAP_PORTS,
    .receive = receive,
};
