/*
 * Lookups by the compact structures, a few MB for a full view instead of tens: for machines with small caches, and
 * where packets want the caches for themselves. Both compress the flat tables (netmill/fib.h): a slice of a table is
 * one word of an index, the entry itself where all are equal, else a block with the runs of equal entries.
 *
 *   radix   slices of 64: 64 bits that say where runs start, the runs' entries; found by popcount (the idea of the
 *           Tree Bitmap, Eatherton et al. 2004, and of poptrie, Asai and Ohara 2015, with runs as in SAIL)
 *   dxr     slices of 256: the runs' starts, a byte each and sorted, the runs' entries; found by search (the idea of
 *           Direct/Range routing, Zec et al. 2012: chunks of ranges below a direct table of 2^16)
 *
 * Slices of a table are numbered by the position of their entries: root first, then node by node. An entry that names
 * a node leads on to that node's slices. Where a structure is not ready (it is being built, found no room, or 16 bits
 * do not suffice for the table), the flat tables answer.
 */
#pragma once

/* Index words of a family, and blocks in units of 8 bytes. */
#define MILL_COMPACT_BLOCK  0x80000000u
#define MILL_COMPACT_INDEX  (8ull << 20)
#define MILL_COMPACT_BLOCKS (56ull << 20)
#define MILL_COMPACT_SPARE  64u /* readers load whole vectors */
#define MILL_COMPACT_BYTES  (MILL_COMPACT_INDEX + MILL_COMPACT_BLOCKS)
#define MILL_RADIX_SLICE    6u /* log2 of entries */
#define MILL_DXR_SLICE      8u

/* Where the entries of n runs begin in a block of dxr; before them: n - 1 in a byte, then the starts. */
#define MILL_DXR_VALUES(n) (((n) + 2u) & ~1u)

_Static_assert(((uint64_t)MILL_FIB_ROOT + MILL_FIB_DEPTHS6 * MILL_FIB_NARROW_LIMIT * MILL_FIB_NODE) * 4 >>
                   MILL_RADIX_SLICE <= MILL_COMPACT_INDEX,
               "the index has its place");

static inline uint64_t mill_fib_compact_offset(enum mill_fib_method method, int family)
{
	return MILL_FIB_COMPACT_OFFSET +
	       ((method - MILL_FIB_RADIX) * 2ull + (family == 6)) * MILL_COMPACT_BYTES;
}

/* Lanes of a batch, and what each is looking at: an entry's position, then its slice's index word. */
struct mill_compact_walk {
	uint32_t position[MILL_FIB_BATCH];
	uint32_t word[MILL_FIB_BATCH];
	uint8_t lane[MILL_FIB_BATCH];
	unsigned n;
};

static inline uint32_t mill_radix_find(const uint8_t *block, uint32_t key)
{
	uint64_t starts;
	uint16_t value;
	memcpy(&starts, block, sizeof(starts));
	memcpy(&value, block + 6 + 2 * __builtin_popcountll(starts << (63 - key)), sizeof(value));
	return value;
}

static inline uint32_t mill_dxr_find(const uint8_t *block, uint32_t key)
{
	const uint32_t n = block[0] + 1u;
	const uint8_t *start = block + 1;
	uint16_t value;
	uint32_t first = 0; /* the last start that is not above the key is in [first, first + left) */
	for (uint32_t left = n; left > 1;) {
		const uint32_t half = left / 2;
		first += start[first + half] <= key ? half : 0;
		left -= half;
	}
	memcpy(&value, block + MILL_DXR_VALUES(n) + 2 * first, sizeof(value));
	return value;
}

/* What a slice is taken for whose word is the entry itself, so that all lanes do the same: one run. */
static const struct {
	uint64_t radix, dxr;
	uint8_t spare[MILL_COMPACT_SPARE];
} mill_compact_one = {.radix = 1};

/* All lanes of the walk one table down: group[] gets their entries; the walk keeps those that stand on a node. */
static inline __attribute__((always_inline)) void
mill_compact_step(const uint8_t *place, struct mill_compact_walk *walk, uint32_t *group, uint32_t slice_bits,
                  const uint8_t *one, uint32_t (*find)(const uint8_t *, uint32_t))
{
	const uint32_t *index = (const uint32_t *)place;
	const uint8_t *blocks = place + MILL_COMPACT_INDEX;
	const uint8_t *block[MILL_FIB_BATCH];
	unsigned left = 0;
	for (unsigned k = 0; k < walk->n; k++) {
		const uint32_t word =
		    __atomic_load_n(&index[walk->position[k] >> slice_bits], __ATOMIC_ACQUIRE);
		const uint8_t *at = blocks + (size_t)(word & ~MILL_COMPACT_BLOCK) * 8;
		walk->word[k] = word;
		block[k] = word & MILL_COMPACT_BLOCK ? at : one;
		__builtin_prefetch(block[k]);
	}
	for (unsigned k = 0; k < walk->n; k++) {
		const unsigned i = walk->lane[k];
		const uint32_t word = walk->word[k];
		const uint32_t found = find(block[k], walk->position[k] & ((1u << slice_bits) - 1));
		const uint32_t entry = word & MILL_COMPACT_BLOCK ? found : word;
		group[i] = entry;
		walk->lane[left] = (uint8_t)i;
		left += entry >> 15;
	}
	walk->n = left;
}

/* Where in the tables of the next depth the lanes go on. */
static inline __attribute__((always_inline)) void mill_compact_go(const uint8_t *place,
                                                                  struct mill_compact_walk *walk, unsigned k,
                                                                  uint32_t depth, uint32_t entry,
                                                                  uint32_t byte, uint32_t slice_bits)
{
	const uint32_t node = depth * MILL_FIB_NARROW_LIMIT + (entry & ~MILL_FIB_IS_NODE16);
	walk->position[k] = MILL_FIB_ROOT + node * MILL_FIB_NODE + byte;
	__builtin_prefetch((const uint32_t *)place + (walk->position[k] >> slice_bits));
}

static inline __attribute__((always_inline)) void
mill_compact_batch4(const struct mill_fib *fib, const uint32_t *dst, uint32_t *group, unsigned n,
                    enum mill_fib_method method, uint32_t slice_bits, const uint8_t *one,
                    uint32_t (*find)(const uint8_t *, uint32_t))
{
	const uint8_t *place = MILL_FIB_AT(fib, uint8_t, mill_fib_compact_offset(method, 4));
	const uint32_t fallback = __atomic_load_n(&fib->default4, __ATOMIC_RELAXED);
	struct mill_compact_walk walk = {.n = n};
	for (unsigned i = 0; i < n; i++) {
		walk.lane[i] = (uint8_t)i;
		walk.position[i] = dst[i] >> 8;
		__builtin_prefetch((const uint32_t *)place + (walk.position[i] >> slice_bits));
	}
	mill_compact_step(place, &walk, group, slice_bits, one, find);
	for (unsigned k = 0; k < walk.n; k++)
		mill_compact_go(place, &walk, k, 0, group[walk.lane[k]], dst[walk.lane[k]] & 0xff,
		                slice_bits);
	if (walk.n != 0)
		mill_compact_step(place, &walk, group, slice_bits, one, find);
	for (unsigned i = 0; i < n; i++)
		if (group[i] == 0)
			group[i] = fallback;
}

static inline __attribute__((always_inline)) void
mill_compact_batch6(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group, unsigned n,
                    enum mill_fib_method method, uint32_t slice_bits, const uint8_t *one,
                    uint32_t (*find)(const uint8_t *, uint32_t))
{
	const uint8_t *place = MILL_FIB_AT(fib, uint8_t, mill_fib_compact_offset(method, 6));
	const uint32_t fallback = __atomic_load_n(&fib->default6, __ATOMIC_RELAXED);
	struct mill_compact_walk walk = {.n = n};
	for (unsigned i = 0; i < n; i++) {
		walk.lane[i] = (uint8_t)i;
		walk.position[i] = (uint32_t)dst[i][0] << 16 | (uint32_t)dst[i][1] << 8 | dst[i][2];
		__builtin_prefetch((const uint32_t *)place + (walk.position[i] >> slice_bits));
	}
	mill_compact_step(place, &walk, group, slice_bits, one, find);
	for (uint32_t depth = 0; walk.n != 0 && depth < MILL_FIB_DEPTHS6; depth++) {
		for (unsigned k = 0; k < walk.n; k++)
			mill_compact_go(place, &walk, k, depth, group[walk.lane[k]],
			                dst[walk.lane[k]][depth + 3], slice_bits);
		mill_compact_step(place, &walk, group, slice_bits, one, find);
	}
	for (unsigned i = 0; i < n; i++)
		if (group[i] == 0)
			group[i] = fallback;
}

#if defined(__x86_64__) && defined(__GNUC__)
#define MILL_FIB_POPCNT __attribute__((target("popcnt")))
#else
#define MILL_FIB_POPCNT
#endif

/* Popcount is one instruction here: a radix structure is not made ready where the processor has none. */
static __attribute__((noinline, unused)) MILL_FIB_POPCNT void
mill_radix_batch4(const struct mill_fib *fib, const uint32_t *dst, uint32_t *group, unsigned n)
{
	mill_compact_batch4(fib, dst, group, n, MILL_FIB_RADIX, MILL_RADIX_SLICE,
	                    (const uint8_t *)&mill_compact_one.radix, mill_radix_find);
}

static __attribute__((noinline, unused)) MILL_FIB_POPCNT void
mill_radix_batch6(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group, unsigned n)
{
	mill_compact_batch6(fib, dst, group, n, MILL_FIB_RADIX, MILL_RADIX_SLICE,
	                    (const uint8_t *)&mill_compact_one.radix, mill_radix_find);
}

static inline void mill_dxr_batch4(const struct mill_fib *fib, const uint32_t *dst, uint32_t *group,
                                   unsigned n)
{
	mill_compact_batch4(fib, dst, group, n, MILL_FIB_DXR, MILL_DXR_SLICE,
	                    (const uint8_t *)&mill_compact_one.dxr, mill_dxr_find);
}

static inline void mill_dxr_batch6(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group,
                                   unsigned n)
{
	mill_compact_batch6(fib, dst, group, n, MILL_FIB_DXR, MILL_DXR_SLICE,
	                    (const uint8_t *)&mill_compact_one.dxr, mill_dxr_find);
}

#ifdef MILL_FIB_HAS_VECTOR
#include "netmill/fib_compact_vector.h"
#endif

#ifndef MILL_FIB_HAS_VECTOR
#define MILL_COMPACT_WHOLE(name, family, fib, dst, group, n) 0u
#endif

/* The lookups of netmill/fib_lookup.h by another method: the same arguments, the same answers. */
#define MILL_COMPACT_LOOKUP(name, METHOD, family, address_t)                                                 \
	static inline void mill_##name##_lookup##family(const struct mill_fib *fib, address_t dst,           \
	                                                uint32_t *group, unsigned n)                         \
	{                                                                                                    \
		if (!(__atomic_load_n(&fib->ready[family == 6], __ATOMIC_ACQUIRE) >> (METHOD)&1)) {          \
			mill_fib_lookup##family(fib, dst, group, n);                                         \
			return;                                                                              \
		}                                                                                            \
		for (unsigned i = 0, some; i < n; i += some) {                                               \
			some = n - i < MILL_FIB_BATCH ? n - i : MILL_FIB_BATCH;                              \
			const unsigned whole =                                                               \
			    MILL_COMPACT_WHOLE(name, family, fib, dst + i, group + i, some);                 \
			mill_##name##_batch##family(fib, dst + i + whole, group + i + whole, some - whole);  \
		}                                                                                            \
	}

MILL_COMPACT_LOOKUP(radix, MILL_FIB_RADIX, 4, const uint32_t *)
MILL_COMPACT_LOOKUP(dxr, MILL_FIB_DXR, 4, const uint32_t *)
typedef const uint8_t (*mill_addresses6)[16];
MILL_COMPACT_LOOKUP(radix, MILL_FIB_RADIX, 6, mill_addresses6)
MILL_COMPACT_LOOKUP(dxr, MILL_FIB_DXR, 6, mill_addresses6)
