/* One that was compiled for another engine: it must be refused. */
#define SWAP_LAYOUT (MILL_LAYOUT + 1)
#include "forwarder_swap2.c"
