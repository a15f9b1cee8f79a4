/* What the compiled FIB says of one address, in words for the daemon. Any thread that may read the FIB. */
#pragma once
#include "netmill/fib.h"
#include "shm/engine_control.h"

/* query->family is 4, 6, or 0 for a gateway slot below MILL_MAX_GATEWAYS. Legs in order of first appearance in the buckets, at most 16. */
void mill_fib_explain(const struct mill_fib *, const struct mill_lookup *query, struct mill_lookup_answer *);
/* The same of one group; its number is below MILL_FIB_GROUPS. */
void mill_fib_explain_group(const struct mill_fib *, uint32_t group, struct mill_lookup_answer *);
