/*
 * The filter of the router's own IPv4 addresses (struct mill_fib, own4) and the list that it is made from: prefixes whose
 * packets are for the router, as their routes are set and removed. Beside host routes there may be whole networks of
 * them (`ip route add local 10.0.0.0/8 dev lo`): while there are any, the filter lets everything through, and each
 * source is looked up. So it does for ever when there is no memory for the list.
 *
 * Threads: the FIB writer's own; readers of the filter look on all the while.
 */
#pragma once
#include "fib/prefixes.h"
#include "netmill/fib.h"

struct mill_own4 {
	struct mill_fib *fib;
	struct mill_prefix *prefix;
	uint32_t n, capacity;
	uint32_t networks; /* of the list, without those of hosts */
	bool incomplete;   /* not all found room */
};

void mill_own4_init(struct mill_own4 *, struct mill_fib *);
void mill_own4_finish(struct mill_own4 *);

/* Packets to the prefix are for the router from now on. */
void mill_own4_add(struct mill_own4 *, const struct mill_prefix *);
/* They are not. Unknown prefixes are allowed. */
void mill_own4_remove(struct mill_own4 *, const struct mill_prefix *);
