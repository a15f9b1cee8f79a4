/*
 * Is an address in a set that changes at run time? Forwarders include this after defining MILL_SETS. The worker shows the sets
 * as they are during a burst, so that a packet that is asked about twice sees the same ones.
 */
#pragma once
#include "netmill/packet.h"
#include "shm/set.h"

static inline const void *mill_set_part(const struct mill_set_image *set, uint32_t at)
{
	return (const uint8_t *)set + (uint64_t)at * 64;
}

/* How many of `n` ascending numbers are not above `value`. Without branches: addresses cannot be foreseen. */
static inline uint32_t mill_set_rank4(const uint16_t *bound, uint32_t n, uint16_t value)
{
	const uint16_t *at = bound;
	if (n == 0)
		return 0;
	while (n > 1) {
		const uint32_t half = n / 2;
		at += at[half - 1] <= value ? half : 0;
		n -= half;
	}
	return (uint32_t)(at - bound) + (*at <= value);
}

static inline bool mill_set_above6(const struct mill_set_bound6 *bound, const struct mill_address6 *address)
{
	return bound->high > address->high || (bound->high == address->high && bound->low > address->low);
}

static inline uint32_t mill_set_rank6(const struct mill_set_bound6 *bound, uint32_t n,
                                      const struct mill_address6 *address)
{
	const struct mill_set_bound6 *at = bound;
	if (n == 0)
		return 0;
	while (n > 1) {
		const uint32_t half = n / 2;
		at += mill_set_above6(&at[half - 1], address) ? 0 : half;
		n -= half;
	}
	return (uint32_t)(at - bound) + !mill_set_above6(at, address);
}

static inline bool mill_set_holds4(const struct mill_set_image *set, uint32_t address)
{
	const uint32_t *root = (const uint32_t *)mill_set_part(set, set->root4) + (address >> 16);
	const uint16_t *bound = (const uint16_t *)mill_set_part(set, set->bound4) + root[0];
	return ((root[0] + mill_set_rank4(bound, root[1] - root[0], (uint16_t)address)) & 1) != 0;
}

static inline bool mill_set_holds6(const struct mill_set_image *set, const struct mill_address6 *address)
{
	const uint32_t *root = (const uint32_t *)mill_set_part(set, set->root6) + (address->high >> 48);
	const struct mill_set_bound6 *bound =
	    (const struct mill_set_bound6 *)mill_set_part(set, set->bound6) + root[0];
	return ((root[0] + mill_set_rank6(bound, root[1] - root[0], address)) & 1) != 0;
}

#ifdef MILL_SETS
/* `set`: its number in the policy. */
static inline bool mill_in_set4(const struct mill_packet *p, uint16_t set, uint32_t address)
{
	const struct mill_worker *w = p->worker;
	return mill_set_holds4(w->sets[w->bind->set[set]], address);
}

static inline bool mill_in_set6(const struct mill_packet *p, uint16_t set,
                                const struct mill_address6 *address)
{
	const struct mill_worker *w = p->worker;
	return mill_set_holds6(w->sets[w->bind->set[set]], address);
}
#endif
