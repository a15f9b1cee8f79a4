/* fib_flows.c, for the hash of both directions. */
#define MILL_SYMMETRIC_FLOWS
#include "fib_flows.c"
