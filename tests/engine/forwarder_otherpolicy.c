/* One of another policy than the configuration's: it must be refused. */
#define SWAP_HASH 1
#include "forwarder_swap2.c"
