/* The lookups that forwarders are linked with: netmill/fib_linked.h. */
#include "netmill/fib.h"
#include "netmill/fib_linked.h"

#define LOOKUPS(method, lookup4, lookup6)                                                                    \
	void mill_linked_##method##4(const struct mill_fib *fib, const uint32_t *dst, uint32_t *group,       \
	                             unsigned n)                                                             \
	{                                                                                                    \
		lookup4(fib, dst, group, n);                                                                 \
	}                                                                                                    \
	void mill_linked_##method##6(const struct mill_fib *fib, const uint8_t(*dst)[16], uint32_t *group,   \
	                             unsigned n)                                                             \
	{                                                                                                    \
		lookup6(fib, dst, group, n);                                                                 \
	}

LOOKUPS(flat, mill_fib_lookup4, mill_fib_lookup6)
LOOKUPS(radix, mill_radix_lookup4, mill_radix_lookup6)
LOOKUPS(dxr, mill_dxr_lookup4, mill_dxr_lookup6)
