/*
 * Lookups by the compact structures, a few MB for a full view instead of tens: for machines with small caches, and
 * where packets want the caches for themselves. Both compress the flat tables (netmill/fib.h): a slice of a table is
 * one word of an index, which names a block with the runs of equal entries.
 *
 *   radix   slices of 64: 64 bits that say where runs start, the runs' entries; found by popcount (the idea of the
 *           Tree Bitmap, Eatherton et al. 2004, and of poptrie, Asai and Ohara 2015, with runs as in SAIL)
 *   dxr     slices of 256: the runs' starts, a byte each and sorted, the runs' entries; found by search (the idea of
 *           Direct/Range routing, Zec et al. 2012: chunks of ranges below a direct table of 2^16)
 *
 * Slices whose entries are all equal share the block of that entry, so that no lookup has to ask which kind a slice
 * is. Slices of a table are numbered by the position of their entries: root first, then node by node. An entry that
 * names a node leads on to that node's slices. Where a structure is not ready (it is being built, found no room, or
 * 16 bits do not suffice for the table), the flat tables answer.
 *
 * Lookups by radix are plain loops without gathers: a block is 3 loads that mostly hit the second-level cache, and
 * the processor looks far enough ahead to overlap them.
 */
#pragma once

/* Index words of a family, and blocks in units of 8 bytes. */
#define MILL_COMPACT_INDEX  (8ull << 20)
#define MILL_COMPACT_BLOCKS (56ull << 20)
#define MILL_COMPACT_SPARE  64u /* readers load whole vectors */
#define MILL_COMPACT_BYTES  (MILL_COMPACT_INDEX + MILL_COMPACT_BLOCKS)
#define MILL_RADIX_SLICE    6u /* log2 of entries */
#define MILL_DXR_SLICE      8u

/* The block of slices that are all this entry, a group or 0; the ones of slices with several runs begin behind all
 * of these. */
#define MILL_COMPACT_ONE(entry) ((entry)*2u)
#define MILL_COMPACT_FIRST      MILL_COMPACT_ONE(MILL_FIB_NARROW_LIMIT)

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

/* A structure of one family. */
struct mill_compact_tables {
	const uint32_t *index;
	const uint8_t *blocks;
};

static inline struct mill_compact_tables mill_compact_tables_of(const struct mill_fib *fib,
                                                                enum mill_fib_method method, int family)
{
	const uint8_t *place = MILL_FIB_AT(fib, uint8_t, mill_fib_compact_offset(method, family));
	return (struct mill_compact_tables){(const uint32_t *)place, place + MILL_COMPACT_INDEX};
}

static inline const uint8_t *mill_compact_block(const struct mill_compact_tables *tables, uint32_t slice)
{
	return tables->blocks + (size_t)__atomic_load_n(&tables->index[slice], __ATOMIC_ACQUIRE) * 8;
}

/* Where in the tables below an entry that names a node of that depth a lookup goes on. */
static inline uint32_t mill_compact_below(uint32_t depth, uint32_t entry, uint32_t byte)
{
	const uint32_t node = depth * MILL_FIB_NARROW_LIMIT + (entry & ~MILL_FIB_IS_NODE16);
	return MILL_FIB_ROOT + node * MILL_FIB_NODE + byte;
}

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

/* The lanes of a batch that are not done yet, and where in the tables each of them looks. */
struct mill_compact_walk {
	uint32_t position[MILL_FIB_BATCH];
	uint8_t lane[MILL_FIB_BATCH];
	unsigned n;
};

/* All lanes of the walk one table down: group[] gets their entries, the walk keeps those that stand on a node, at
 * their byte of the address. Misses of the caches overlap: first of the index, then of the blocks. */
static inline __attribute__((always_inline)) void
mill_compact_step(const struct mill_compact_tables *tables, struct mill_compact_walk *walk, uint32_t *group,
                  uint32_t slice_bits, uint32_t (*find)(const uint8_t *, uint32_t))
{
	const uint8_t *block[MILL_FIB_BATCH];
	for (unsigned k = 0; k < walk->n; k++) {
		block[k] = mill_compact_block(tables, walk->position[k] >> slice_bits);
		__builtin_prefetch(block[k]);
	}
	const unsigned n = walk->n;
	walk->n = 0;
	for (unsigned k = 0; k < n; k++) {
		const unsigned i = walk->lane[k];
		const uint32_t entry = find(block[k], walk->position[k] & ((1u << slice_bits) - 1));
		group[i] = entry;
		walk->lane[walk->n] = (uint8_t)i;
		walk->n += entry >> 15;
	}
}

/* Where a lane of the walk goes on. */
static inline __attribute__((always_inline)) void mill_compact_go(const struct mill_compact_tables *tables,
                                                                  struct mill_compact_walk *walk, unsigned k,
                                                                  uint32_t position, uint32_t slice_bits)
{
	walk->position[k] = position;
	__builtin_prefetch(&tables->index[position >> slice_bits]);
}

static inline __attribute__((always_inline)) void
mill_compact_batch4(const struct mill_fib *fib, const uint32_t *dst, uint32_t *group, unsigned n,
                    enum mill_fib_method method, uint32_t slice_bits,
                    uint32_t (*find)(const uint8_t *, uint32_t))
{
	const struct mill_compact_tables tables = mill_compact_tables_of(fib, method, 4);
	const uint8_t *block[MILL_FIB_BATCH];
	for (unsigned i = 0; i < n; i++)
		__builtin_prefetch(&tables.index[dst[i] >> 8 >> slice_bits]);
	for (unsigned i = 0; i < n; i++) {
		block[i] = mill_compact_block(&tables, dst[i] >> 8 >> slice_bits);
		__builtin_prefetch(block[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		const uint32_t in_slice = (1u << slice_bits) - 1;
		uint32_t entry = find(block[i], dst[i] >> 8 & in_slice);
		if (__builtin_expect(entry >> 15, 0)) {
			const uint32_t position = mill_compact_below(0, entry, dst[i] & 0xff);
			entry =
			    find(mill_compact_block(&tables, position >> slice_bits), position & in_slice);
		}
		group[i] = entry;
	}
	mill_fib_fall_back(group, n, __atomic_load_n(&fib->default4, __ATOMIC_RELAXED));
}

/* How deep an address leads is hard to foresee, so each depth is done for all before the next one. */
static inline __attribute__((always_inline)) void
mill_compact_batch6(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group, unsigned n,
                    enum mill_fib_method method, uint32_t slice_bits,
                    uint32_t (*find)(const uint8_t *, uint32_t))
{
	const struct mill_compact_tables tables = mill_compact_tables_of(fib, method, 6);
	struct mill_compact_walk walk = {.n = n};
	for (unsigned i = 0; i < n; i++) {
		walk.lane[i] = (uint8_t)i;
		mill_compact_go(&tables, &walk, i,
		                (uint32_t)dst[i][0] << 16 | (uint32_t)dst[i][1] << 8 | dst[i][2], slice_bits);
	}
	mill_compact_step(&tables, &walk, group, slice_bits, find);
	/* A node of the last byte has no nodes below it: the writer keeps that, the bound makes it safe. */
	for (uint32_t depth = 0; walk.n != 0 && depth < MILL_FIB_DEPTHS6; depth++) {
		for (unsigned k = 0; k < walk.n; k++) {
			const unsigned i = walk.lane[k];
			mill_compact_go(&tables, &walk, k,
			                mill_compact_below(depth, group[i], dst[i][depth + 3]), slice_bits);
		}
		mill_compact_step(&tables, &walk, group, slice_bits, find);
	}
	mill_fib_fall_back(group, n, __atomic_load_n(&fib->default6, __ATOMIC_RELAXED));
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
	mill_compact_batch4(fib, dst, group, n, MILL_FIB_RADIX, MILL_RADIX_SLICE, mill_radix_find);
}

static __attribute__((noinline, unused)) MILL_FIB_POPCNT void
mill_radix_batch6(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group, unsigned n)
{
	mill_compact_batch6(fib, dst, group, n, MILL_FIB_RADIX, MILL_RADIX_SLICE, mill_radix_find);
}

static inline void mill_dxr_batch4(const struct mill_fib *fib, const uint32_t *dst, uint32_t *group,
                                   unsigned n)
{
	mill_compact_batch4(fib, dst, group, n, MILL_FIB_DXR, MILL_DXR_SLICE, mill_dxr_find);
}

static inline void mill_dxr_batch6(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group,
                                   unsigned n)
{
	mill_compact_batch6(fib, dst, group, n, MILL_FIB_DXR, MILL_DXR_SLICE, mill_dxr_find);
}

#ifdef MILL_FIB_HAS_VECTOR
#include "netmill/fib_compact_vector.h"
#else
#define mill_dxr_any4 mill_dxr_batch4
#define mill_dxr_any6 mill_dxr_batch6
#endif

/* The lookups of netmill/fib_lookup.h by another method: the same arguments, the same answers. */
#define MILL_COMPACT_LOOKUP(name, METHOD, family, address_t, batch)                                          \
	static inline void mill_##name##_lookup##family(const struct mill_fib *fib, address_t dst,           \
	                                                uint32_t *group, unsigned n)                         \
	{                                                                                                    \
		if (!(__atomic_load_n(&fib->ready[family == 6], __ATOMIC_ACQUIRE) >> (METHOD)&1)) {          \
			mill_fib_lookup##family(fib, dst, group, n);                                         \
			return;                                                                              \
		}                                                                                            \
		for (unsigned i = 0, some; i < n; i += some) {                                               \
			some = n - i < MILL_FIB_BATCH ? n - i : MILL_FIB_BATCH;                              \
			batch(fib, dst + i, group + i, some);                                                \
		}                                                                                            \
	}

MILL_COMPACT_LOOKUP(radix, MILL_FIB_RADIX, 4, const uint32_t *, mill_radix_batch4)
MILL_COMPACT_LOOKUP(dxr, MILL_FIB_DXR, 4, const uint32_t *, mill_dxr_any4)
typedef const uint8_t (*mill_addresses6)[16];
MILL_COMPACT_LOOKUP(radix, MILL_FIB_RADIX, 6, mill_addresses6, mill_radix_batch6)
MILL_COMPACT_LOOKUP(dxr, MILL_FIB_DXR, 6, mill_addresses6, mill_dxr_any6)
