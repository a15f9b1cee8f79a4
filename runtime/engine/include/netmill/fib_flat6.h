/*
 * Lookups by method `flat` for IPv6: mostly two reads that may miss the caches where the trie (netmill/fib.h) has four or five.
 *
 *   lead[2^16] → cell[2^16] → runs of bits 32..47       one block of cells a /16 that has longer prefixes
 *
 * A word of `lead` names a block, in which bits 16..31 of the address choose the cell; or it is a group, for a whole /16,
 * and names a cell of block 0, where cell g is g. A cell is
 *   a group           for the whole /32
 *   MILL_FLAT6_RUNS   8, 16 or 32 sorted starts of runs of equal entries, 16 bits each, then as many entries, those
 *                     behind the last run as that: the size, and where they begin in the area of runs
 *   MILL_FLAT6_NODE   a node of bits 32..39 of the trie, where there are more runs
 * An entry of runs is as one of the trie: a group, or a node of bits 48..55. From a node a lookup goes on in the trie.
 *
 * Sorted runs are dense: those of a full view, of 10,700 /32 with longer prefixes, take half a MB and stay in the
 * second-level cache; 210 others need nodes. Where this is not ready (found no room, or 16 bits do not suffice for the
 * trie), lookups go down the trie.
 */
#pragma once

#define MILL_FLAT6_BLOCK     (1u << 16) /* cells */
#define MILL_FLAT6_BLOCKS    511u       /* with block 0; so `lead` and cells are 128 MB at most */
#define MILL_FLAT6_LED       0x80000000u
#define MILL_FLAT6_RUNS      0x80000000u
#define MILL_FLAT6_NODE      0x40000000u
#define MILL_FLAT6_SIZE(e)   ((e) >> 28 & 3u) /* there are 8 << size starts */
#define MILL_FLAT6_AT        0x0fffffffu      /* of runs, in units; or the number of the node */
#define MILL_FLAT6_UNIT      32u
#define MILL_FLAT6_MOST      32u /* runs of the largest size */
#define MILL_FLAT6_RUN_BYTES (64ull << 20)

#define MILL_FLAT6_CELL_OFFSET (MILL_FIB_FLAT6_OFFSET + MILL_FLAT6_BLOCK * 4ull)
#define MILL_FLAT6_RUN_OFFSET  (MILL_FLAT6_CELL_OFFSET + MILL_FLAT6_BLOCKS * MILL_FLAT6_BLOCK * 4ull)
#define MILL_FLAT6_BYTES       (MILL_FLAT6_RUN_OFFSET + MILL_FLAT6_RUN_BYTES - MILL_FIB_FLAT6_OFFSET)

/* Two ways to do the same: functions of this file take one of these as `how`, a constant. */
struct mill_flat6_how {
	/* Lanes whose word has the bit, in order; returns how many. Writes up to 16 lanes more. */
	unsigned (*list)(uint32_t *lane, const uint32_t *word, unsigned n, uint32_t bit);
	/* The entry of the last run that does not start behind the key. */
	uint32_t (*find)(const uint16_t *start, uint32_t size, uint32_t key);
};

static inline unsigned mill_flat6_list(uint32_t *lane, const uint32_t *word, unsigned n, uint32_t bit)
{
	unsigned listed = 0;
	for (unsigned i = 0; i < n; i++) {
		lane[listed] = i;
		listed += (word[i] & bit) != 0;
	}
	return listed;
}

static inline uint32_t mill_flat6_find(const uint16_t *start, uint32_t size, uint32_t key)
{
	const uint32_t n = 8u << size;
	uint32_t not_behind = 0;
	for (uint32_t i = 0; i < n; i++)
		not_behind += start[i] <= key;
	return start[n - 1 + not_behind];
}

static inline const uint16_t *mill_flat6_runs(const struct mill_fib *fib, uint32_t word)
{
	return (const uint16_t *)(MILL_FIB_AT(fib, uint8_t, MILL_FLAT6_RUN_OFFSET) +
	                          (size_t)(word & MILL_FLAT6_AT) * MILL_FLAT6_UNIT);
}

/* word[] gets the cells of all. */
static inline __attribute__((always_inline)) void
mill_flat6_cells(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *word, unsigned n)
{
	const uint32_t *lead = MILL_FIB_AT(fib, uint32_t, MILL_FIB_FLAT6_OFFSET);
	const uint32_t *cells = MILL_FIB_AT(fib, uint32_t, MILL_FLAT6_CELL_OFFSET);
	const uint32_t *cell[MILL_FIB_BATCH];
	for (unsigned i = 0; i < n; i++) {
		uint32_t address;
		memcpy(&address, dst[i], sizeof(address));
		address = __builtin_bswap32(address);
		const uint32_t led = __atomic_load_n(&lead[address >> 16], __ATOMIC_ACQUIRE);
		cell[i] = cells + ((led & ~MILL_FLAT6_LED) + (address & 0xffff & -(led >> 31)));
		__builtin_prefetch(cell[i]);
	}
	for (unsigned i = 0; i < n; i++)
		word[i] = __atomic_load_n(cell[i], __ATOMIC_ACQUIRE);
}

static inline __attribute__((always_inline)) void mill_flat6_batch(const struct mill_fib *fib,
                                                                   const uint8_t (*dst)[16], uint32_t *group,
                                                                   unsigned n,
                                                                   const struct mill_flat6_how how)
{
	uint32_t word[MILL_FIB_BATCH], lane[MILL_FIB_BATCH + 16];
	struct mill_fib_walk6 walk, deep;
	walk.n = deep.n = 0;
	mill_flat6_cells(fib, dst, word, n);
	memcpy(group, word, n * sizeof(word[0]));
	const unsigned nodes = how.list(lane, word, n, MILL_FLAT6_NODE);
	for (unsigned k = 0; k < nodes; k++)
		mill_fib_go6(&walk, mill_fib_nodes6(fib, 4, false),
		             (word[lane[k]] & MILL_FLAT6_AT) | MILL_FIB_IS_NODE, lane[k], dst[lane[k]][4],
		             false);
	const unsigned runs = how.list(lane, word, n, MILL_FLAT6_RUNS);
	for (unsigned k = 0; k < runs; k++)
		__builtin_prefetch(mill_flat6_runs(fib, word[lane[k]]));
	mill_fib_descend6(fib, &walk, dst, group, 4, 5, false);
	for (unsigned k = 0; k < runs; k++) { /* while the nodes of byte 5 are on their way */
		const unsigned i = lane[k];
		uint16_t key;
		memcpy(&key, dst[i] + 4, sizeof(key));
		const uint32_t entry =
		    how.find(mill_flat6_runs(fib, word[i]), MILL_FLAT6_SIZE(word[i]), __builtin_bswap16(key));
		group[i] = mill_fib_from16(entry);
		if (__builtin_expect(entry & MILL_FIB_IS_NODE16, 0))
			mill_fib_go6(&deep, mill_fib_nodes6(fib, 6, false), group[i], i, dst[i][6], false);
	}
	mill_fib_descend6(fib, &walk, dst, group, 5, 16, false);
	mill_fib_descend6(fib, &deep, dst, group, 6, 16, false);
	mill_fib_fall_back(group, n, __atomic_load_n(&fib->default6, __ATOMIC_RELAXED));
}

#ifdef MILL_FIB_HAS_VECTOR
#define MILL_FLAT6_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,popcnt")))
typedef short mill_words __attribute__((vector_size(64)));

static inline __attribute__((always_inline)) MILL_FLAT6_TARGET unsigned
mill_flat6_list_vector(uint32_t *lane, const uint32_t *word, unsigned n, uint32_t bit)
{
	const mill_lanes none = {0};
	mill_lanes number = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, some;
	unsigned listed = 0;
	for (unsigned i = 0; i < n; i += MILL_FIB_LANES, number += MILL_FIB_LANES) {
		memcpy(&some, word + i, sizeof(some));
		uint16_t has = MILL_LANES_TEST(some, none + bit);
		if (n - i < MILL_FIB_LANES)
			has &= (uint16_t)((1u << (n - i)) - 1);
		some = (mill_lanes)__builtin_ia32_compresssi512_mask((mill_signed_lanes)number,
		                                                     (mill_signed_lanes)none, (short)has);
		memcpy(lane + listed, &some, sizeof(some));
		listed += (unsigned)__builtin_popcount(has);
	}
	return listed;
}

/* All starts at once. */
static inline __attribute__((always_inline)) MILL_FLAT6_TARGET uint32_t
mill_flat6_find_vector(const uint16_t *start, uint32_t size, uint32_t key)
{
	const uint32_t n = 8u << size;
	const int some = (int)(uint32_t)((1ull << n) - 1); /* behind them are others' */
	const mill_words none = {0}, wanted = none + (short)key;
	const mill_words starts = __builtin_ia32_loaddquhi512_mask((const short *)start, none, some);
	const int not_behind = __builtin_ia32_ucmpw512_mask(starts, wanted, 2, some);
	return start[n - 1 + (uint32_t)__builtin_popcount((uint32_t)not_behind)];
}

static __attribute__((noinline, unused)) MILL_FLAT6_TARGET void
mill_flat6_vector(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group, unsigned n)
{
	mill_flat6_batch(fib, dst, group, n,
	                 (struct mill_flat6_how){mill_flat6_list_vector, mill_flat6_find_vector});
}
#endif

/* For processors without AVX-512; a function of its own: gcc takes a tenth less time for the whole. */
static __attribute__((noinline, unused)) void
mill_flat6_plain(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group, unsigned n)
{
	mill_flat6_batch(fib, dst, group, n, (struct mill_flat6_how){mill_flat6_list, mill_flat6_find});
}

static inline void mill_flat6_any(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group,
                                  unsigned n)
{
#ifdef MILL_FIB_HAS_VECTOR
	if (fib->vector) {
		mill_flat6_vector(fib, dst, group, n);
		return;
	}
#endif
	mill_flat6_plain(fib, dst, group, n);
}

/* Addresses in network order → group of the longest matching prefix, 0 for no route. Any n. */
static inline void mill_fib_lookup6(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group,
                                    unsigned n)
{
	const bool ready = __atomic_load_n(&fib->ready[1], __ATOMIC_ACQUIRE) >> MILL_FIB_FLAT & 1;
	if (!ready) {
		mill_fib_trie6(fib, dst, group, n);
		return;
	}
	for (unsigned i = 0, some; i < n; i += some) {
		some = n - i < MILL_FIB_BATCH ? n - i : MILL_FIB_BATCH;
		mill_flat6_any(fib, dst + i, group + i, some);
	}
}
