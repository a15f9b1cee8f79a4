/*
 * Batch lookups of netmill/fib.h, which includes this. Each goes level by level through the whole batch, so that
 * the cache misses of its packets overlap.
 */
#pragma once

#define MILL_FIB_BATCH 64u

#include "netmill/fib_vector.h"

static inline uint32_t mill_fib_narrow4(const struct mill_fib *fib, uint32_t dst)
{
	const uint32_t entry = __atomic_load_n(
	    MILL_FIB_AT(fib, uint16_t, MILL_FIB_NARROW_ROOT4_OFFSET) + (dst >> 8), __ATOMIC_ACQUIRE);
	if (__builtin_expect(!(entry & MILL_FIB_IS_NODE16), 1))
		return entry;
	return __atomic_load_n(MILL_FIB_AT(fib, uint16_t, MILL_FIB_NARROW_NODES4_OFFSET) +
	                           ((entry & ~MILL_FIB_IS_NODE16) << 8 | (dst & 0xff)),
	                       __ATOMIC_RELAXED);
}

static inline uint32_t mill_fib_wide4(const struct mill_fib *fib, uint32_t dst)
{
	const uint32_t entry =
	    __atomic_load_n(MILL_FIB_AT(fib, uint32_t, MILL_FIB_ROOT4_OFFSET) + (dst >> 8), __ATOMIC_ACQUIRE);
	if (__builtin_expect(!(entry & MILL_FIB_IS_NODE), 1))
		return entry;
	return __atomic_load_n(MILL_FIB_AT(fib, uint32_t, MILL_FIB_NODES4_OFFSET) +
	                           ((entry & ~MILL_FIB_IS_NODE) << 8 | (dst & 0xff)),
	                       __ATOMIC_RELAXED);
}

static inline void mill_fib_batch4_wide(const struct mill_fib *fib, const uint32_t *dst, uint32_t *group,
                                        unsigned n)
{
	const uint32_t fallback = __atomic_load_n(&fib->default4, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < n; i++)
		__builtin_prefetch(MILL_FIB_AT(fib, uint32_t, MILL_FIB_ROOT4_OFFSET) + (dst[i] >> 8));
	for (unsigned i = 0; i < n; i++) {
		const uint32_t found = mill_fib_wide4(fib, dst[i]);
		group[i] = found ? found : fallback;
	}
}

static inline void mill_fib_batch4(const struct mill_fib *fib, const uint32_t *dst, uint32_t *group,
                                   unsigned n)
{
	const uint32_t fallback = __atomic_load_n(&fib->default4, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < n; i++)
		__builtin_prefetch(MILL_FIB_AT(fib, uint16_t, MILL_FIB_NARROW_ROOT4_OFFSET) + (dst[i] >> 8));
	for (unsigned i = 0; i < n; i++) {
		const uint32_t found = mill_fib_narrow4(fib, dst[i]);
		group[i] = found ? found : fallback;
	}
}

/* `dst` in host order → group of the longest matching prefix, 0 for no route. Any n. */
static inline void mill_fib_lookup4(const struct mill_fib *fib, const uint32_t *dst, uint32_t *group,
                                    unsigned n)
{
	const bool wide = __atomic_load_n(&fib->wide4, __ATOMIC_ACQUIRE);
#ifdef MILL_FIB_HAS_VECTOR
	if (fib->vector && !wide) {
		const unsigned whole = n & ~(MILL_FIB_LANES - 1);
		mill_fib_vector4(fib, dst, group, whole);
		mill_fib_batch4(fib, dst + whole, group + whole, n - whole);
		return;
	}
#endif
	while (n > 0) {
		const unsigned some = n < MILL_FIB_BATCH ? n : MILL_FIB_BATCH;
		if (wide)
			mill_fib_batch4_wide(fib, dst, group, some);
		else
			mill_fib_batch4(fib, dst, group, some);
		dst += some;
		group += some;
		n -= some;
	}
}

static inline const uint32_t *mill_fib_node6(const struct mill_fib *fib, uint32_t entry, uint8_t byte)
{
	return MILL_FIB_AT(fib, uint32_t, MILL_FIB_NODES6_OFFSET) +
	       ((size_t)(entry & ~MILL_FIB_IS_NODE) << 8 | byte);
}

/* One level down for every lane that still stands on a node; the number of lanes that do so afterwards. */
static inline unsigned mill_fib_step6(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *entry,
                                      unsigned *lane, unsigned n, unsigned byte)
{
	unsigned left = 0;
	for (unsigned k = 0; k < n; k++) {
		const unsigned i = lane[k];
		entry[i] = __atomic_load_n(mill_fib_node6(fib, entry[i], dst[i][byte]), __ATOMIC_ACQUIRE);
		if (entry[i] & MILL_FIB_IS_NODE) {
			lane[left++] = i;
			__builtin_prefetch(mill_fib_node6(fib, entry[i], dst[i][byte + 1]));
		}
	}
	return left;
}

static inline void mill_fib_batch6(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group,
                                   unsigned n)
{
	const uint32_t *root = MILL_FIB_AT(fib, uint32_t, MILL_FIB_ROOT6_OFFSET);
	uint32_t index[MILL_FIB_BATCH];
	unsigned lane[MILL_FIB_BATCH], left = 0;
	for (unsigned i = 0; i < n; i++) {
		index[i] = (uint32_t)dst[i][0] << 16 | (uint32_t)dst[i][1] << 8 | dst[i][2];
		__builtin_prefetch(&root[index[i]]);
	}
	for (unsigned i = 0; i < n; i++) {
		group[i] = __atomic_load_n(&root[index[i]], __ATOMIC_ACQUIRE);
		if (group[i] & MILL_FIB_IS_NODE) {
			lane[left++] = i;
			__builtin_prefetch(mill_fib_node6(fib, group[i], dst[i][3]));
		}
	}
	/* A node of the last byte has no nodes below it: the writer keeps that, the bound makes it safe. */
	for (unsigned byte = 3; left && byte < 15; byte++)
		left = mill_fib_step6(fib, dst, group, lane, left, byte);
	for (unsigned k = 0; k < left; k++)
		group[lane[k]] =
		    __atomic_load_n(mill_fib_node6(fib, group[lane[k]], dst[lane[k]][15]), __ATOMIC_RELAXED);
	const uint32_t fallback = __atomic_load_n(&fib->default6, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < n; i++)
		if (group[i] == 0)
			group[i] = fallback;
}

static inline void mill_fib_batch6_any(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group,
                                       unsigned n)
{
	unsigned whole = 0;
#ifdef MILL_FIB_HAS_VECTOR
	if (fib->vector && n >= MILL_FIB_LANES) {
		whole = n & ~(MILL_FIB_LANES - 1);
		mill_fib_vector6(fib, dst, group, whole);
	}
#endif
	mill_fib_batch6(fib, dst + whole, group + whole, n - whole);
}

/* Addresses in network order → group of the longest matching prefix, 0 for no route. Any n. */
static inline void mill_fib_lookup6(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group,
                                    unsigned n)
{
	while (n > 0) {
		const unsigned some = n < MILL_FIB_BATCH ? n : MILL_FIB_BATCH;
		mill_fib_batch6_any(fib, dst, group, some);
		dst += some;
		group += some;
		n -= some;
	}
}
