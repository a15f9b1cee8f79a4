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

/* Addresses that no prefix has go by the default route. No branch: addresses at random make it hard to foresee. */
MILL_HOT uint32_t mill_fib_or(uint32_t group, uint32_t fallback)
{
	return __builtin_expect_with_probability(group == 0, 1, 0.5) ? fallback : group;
}

/* The same for a whole batch, where it would stand in the way of a loop. */
static inline void mill_fib_fall_back(uint32_t *group, unsigned n, uint32_t fallback)
{
	for (unsigned i = 0; fallback != 0 && i < n; i++)
		group[i] = mill_fib_or(group[i], fallback);
}

static inline void mill_fib_batch4_near(const struct mill_fib *fib, const uint32_t *dst, uint32_t *group,
                                        unsigned n, bool wide)
{
	const uint8_t *near = MILL_FIB_AT(fib, uint8_t, MILL_FIB_NEAR4_OFFSET);
	const uint32_t fallback = __atomic_load_n(&fib->default4, __ATOMIC_RELAXED);
#pragma GCC unroll 4
	for (unsigned i = 0; i < n; i++)
		__builtin_prefetch(near + (dst[i] >> 8));
#pragma GCC unroll 4
	for (unsigned i = 0; i < n; i++) {
		uint32_t found = __atomic_load_n(near + (dst[i] >> 8), __ATOMIC_ACQUIRE);
		if (__builtin_expect(found == MILL_FIB_FAR, 0))
			found = wide ? mill_fib_wide4(fib, dst[i]) : mill_fib_narrow4(fib, dst[i]);
		group[i] = mill_fib_or(found, fallback);
	}
}

static inline void mill_fib_batch4_wide(const struct mill_fib *fib, const uint32_t *dst, uint32_t *group,
                                        unsigned n)
{
	const uint32_t fallback = __atomic_load_n(&fib->default4, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < n; i++)
		__builtin_prefetch(MILL_FIB_AT(fib, uint32_t, MILL_FIB_ROOT4_OFFSET) + (dst[i] >> 8));
	for (unsigned i = 0; i < n; i++)
		group[i] = mill_fib_or(mill_fib_wide4(fib, dst[i]), fallback);
}

static inline void mill_fib_batch4(const struct mill_fib *fib, const uint32_t *dst, uint32_t *group,
                                   unsigned n)
{
	const uint32_t fallback = __atomic_load_n(&fib->default4, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < n; i++)
		__builtin_prefetch(MILL_FIB_AT(fib, uint16_t, MILL_FIB_NARROW_ROOT4_OFFSET) + (dst[i] >> 8));
	for (unsigned i = 0; i < n; i++)
		group[i] = mill_fib_or(mill_fib_narrow4(fib, dst[i]), fallback);
}

/* `dst` in host order → group of the longest matching prefix, 0 for no route. Any n. */
static inline void mill_fib_lookup4(const struct mill_fib *fib, const uint32_t *dst, uint32_t *group,
                                    unsigned n)
{
	const bool wide = __atomic_load_n(&fib->wide4, __ATOMIC_ACQUIRE);
	const bool far = __atomic_load_n(&fib->far4, __ATOMIC_RELAXED);
#ifdef MILL_FIB_HAS_VECTOR
	if (far && fib->vector && !wide) {
		const unsigned whole = n & ~(MILL_FIB_LANES - 1);
		mill_fib_vector4(fib, dst, group, whole);
		mill_fib_batch4(fib, dst + whole, group + whole, n - whole);
		return;
	}
#endif
	while (n > 0) {
		const unsigned some = n < MILL_FIB_BATCH ? n : MILL_FIB_BATCH;
		if (!far)
			mill_fib_batch4_near(fib, dst, group, some, wide);
		else if (wide)
			mill_fib_batch4_wide(fib, dst, group, some);
		else
			mill_fib_batch4(fib, dst, group, some);
		dst += some;
		group += some;
		n -= some;
	}
}

static inline uint32_t mill_fib_from16(uint32_t entry)
{
	return (entry & ~MILL_FIB_IS_NODE16) | (entry & MILL_FIB_IS_NODE16) << 16;
}

/* Entry i of a table in the form of 32 bits, whatever its width. */
static inline uint32_t mill_fib_entry6(const uint8_t *table, size_t i, bool wide)
{
	if (wide)
		return __atomic_load_n((const uint32_t *)table + i, __ATOMIC_ACQUIRE);
	return mill_fib_from16(__atomic_load_n((const uint16_t *)table + i, __ATOMIC_ACQUIRE));
}

/* Nodes that are indexed by that byte of the address. */
static inline const uint8_t *mill_fib_nodes6(const struct mill_fib *fib, unsigned byte, bool wide)
{
	if (wide)
		return MILL_FIB_AT(fib, uint8_t, MILL_FIB_NODES6_OFFSET);
	return MILL_FIB_AT(fib, uint8_t, MILL_FIB_NARROW_NODES6_OFFSET) + (byte - 3) * MILL_FIB_NARROW_DEPTH;
}

/* The lanes of a batch that still stand on a node, and where in the next table each of them looks. */
struct mill_fib_walk6 {
	uint32_t at[MILL_FIB_BATCH];
	uint8_t lane[MILL_FIB_BATCH];
	unsigned n;
};

/* Lane i has come to this entry; `byte` is the next one of its address. */
static inline void mill_fib_go6(struct mill_fib_walk6 *walk, const uint8_t *nodes, uint32_t entry, unsigned i,
                                uint8_t byte, bool wide)
{
	const uint32_t at = entry << 8 | byte; /* the node's top bit is shifted out */
	walk->at[walk->n] = at;
	walk->lane[walk->n] = (uint8_t)i;
	__builtin_prefetch(nodes + (size_t)at * (wide ? 4 : 2));
	walk->n += entry >> 31;
}

/* Lanes that stand on nodes of byte `from` of the address go on until all are done, or stand on nodes of byte `to`. A
 * node of the last byte has no nodes below it: the writer keeps that, the bound makes it safe. */
static inline __attribute__((always_inline)) void mill_fib_descend6(const struct mill_fib *fib,
                                                                    struct mill_fib_walk6 *walk,
                                                                    const uint8_t (*dst)[16], uint32_t *group,
                                                                    unsigned from, unsigned to, bool wide)
{
	const uint8_t *nodes = mill_fib_nodes6(fib, from, wide);
	for (unsigned byte = from; walk->n && byte < to; byte++) {
		const unsigned left = walk->n, next = byte < 15 ? byte + 1 : 15;
		const uint8_t *below = mill_fib_nodes6(fib, next, wide);
		walk->n = 0;
		for (unsigned k = 0; k < left; k++) {
			const unsigned i = walk->lane[k];
			group[i] = mill_fib_entry6(nodes, walk->at[k], wide);
			mill_fib_go6(walk, below, group[i], i, dst[i][next], wide);
		}
		nodes = below;
	}
}

static inline __attribute__((always_inline)) void
mill_fib_batch6(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group, unsigned n, bool wide)
{
	const uint8_t *root =
	    MILL_FIB_AT(fib, uint8_t, wide ? MILL_FIB_ROOT6_OFFSET : MILL_FIB_NARROW_ROOT6_OFFSET);
	const uint8_t *nodes = mill_fib_nodes6(fib, 3, wide);
	struct mill_fib_walk6 walk = {.n = 0};
	uint32_t index[MILL_FIB_BATCH];
	for (unsigned i = 0; i < n; i++) {
		index[i] = (uint32_t)dst[i][0] << 16 | (uint32_t)dst[i][1] << 8 | dst[i][2];
		__builtin_prefetch(root + (size_t)index[i] * (wide ? 4 : 2));
	}
	for (unsigned i = 0; i < n; i++) {
		group[i] = mill_fib_entry6(root, index[i], wide);
		mill_fib_go6(&walk, nodes, group[i], i, dst[i][3], wide);
	}
	mill_fib_descend6(fib, &walk, dst, group, 3, 16, wide);
	const uint32_t fallback = __atomic_load_n(&fib->default6, __ATOMIC_RELAXED);
	mill_fib_fall_back(group, n, fallback);
}

/* Down the trie from its root: as mill_fib_lookup6 (netmill/fib_flat6.h), for when that has nothing faster. */
MILL_COLD void mill_fib_trie6(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group,
                              unsigned n)
{
	const bool wide = __atomic_load_n(&fib->wide6, __ATOMIC_ACQUIRE);
	while (n > 0) {
		const unsigned some = n < MILL_FIB_BATCH ? n : MILL_FIB_BATCH;
		if (wide)
			mill_fib_batch6(fib, dst, group, some, true);
		else
			mill_fib_batch6(fib, dst, group, some, false);
		dst += some;
		group += some;
		n -= some;
	}
}
