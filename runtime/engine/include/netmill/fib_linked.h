/*
 * The lookups of netmill/fib.h as functions that a forwarder is linked with: runtime/engine/forwarder/lookups.c, compiled
 * once, with the engine. They are the same for every policy, and would take half of the time in which a short one compiles;
 * a burst makes one call of each.
 */
#pragma once

#define MILL_LINKED __attribute__((visibility("hidden")))

#define MILL_LINKED_LOOKUPS_OF(method)                                                                       \
	MILL_LINKED void mill_linked_##method##4(const struct mill_fib *fib, const uint32_t *dst,            \
	                                         uint32_t *group, unsigned n);                               \
	MILL_LINKED void mill_linked_##method##6(const struct mill_fib *fib, const uint8_t(*dst)[16],        \
	                                         uint32_t *group, unsigned n);

MILL_LINKED_LOOKUPS_OF(flat)
MILL_LINKED_LOOKUPS_OF(radix)
MILL_LINKED_LOOKUPS_OF(dxr)
