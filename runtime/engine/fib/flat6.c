/*
 * flat6.h. Runs are carved from chunks of one size each and kept in lists of free ones, so that those of 64 bytes and
 * more begin with a cache line. A prefix longer than /32 makes only its own keys (bits 32..47) of its cell's runs anew.
 */
#include <string.h>
#include "fib/dir.h"
#include "fib/flat6.h"
#include "os/memory.h"

#define KEYS         65536u
#define CHUNK        32u /* units */
#define NONE         UINT32_MAX
#define UNITS        ((uint32_t)(MILL_FLAT6_RUN_BYTES / MILL_FLAT6_UNIT))
#define EACH_OF_FOUR 0x0001000100010001ull
#define EACH_OF_TWO  0x0000000100000001ull
#define LEADS_ON     (MILL_FLAT6_RUNS | MILL_FLAT6_NODE)

bool mill_flat6_init(struct mill_flat6 *flat, const struct mill_dir *dir)
{
	uint8_t *fib = (uint8_t *)dir->fib;
	*flat = (struct mill_flat6){.qsbr = dir->qsbr, .dir = dir, .ready = &dir->fib->ready[1]};
	flat->lead = (uint32_t *)(fib + MILL_FIB_FLAT6_OFFSET);
	flat->cells = (uint32_t *)(fib + MILL_FLAT6_CELL_OFFSET);
	flat->runs = fib + MILL_FLAT6_RUN_OFFSET;
	flat->longer = mill_fib_reserve(MILL_FLAT6_BLOCK * sizeof(uint32_t));
	return mill_slots_init(&flat->blocks, 1, MILL_FLAT6_BLOCKS, MILL_FLAT6_BLOCKS) &&
	       flat->longer != NULL;
}

void mill_flat6_finish(struct mill_flat6 *flat)
{
	mill_fib_unreserve(flat->longer, MILL_FLAT6_BLOCK * sizeof(uint32_t));
	mill_slots_finish(&flat->blocks);
}

/* ---- memory ---- */

static uint8_t *place_of(const struct mill_flat6 *flat, uint32_t at)
{
	return flat->runs + (size_t)at * MILL_FLAT6_UNIT;
}

static void give(struct mill_flat6 *flat, uint32_t size, uint32_t at)
{
	memcpy(place_of(flat, at), &flat->free[size], sizeof(uint32_t));
	flat->free[size] = at + 1;
}

static uint32_t take(struct mill_flat6 *flat, uint32_t size)
{
	const uint32_t units = 1u << size;
	if (flat->free[size] == 0) {
		if (UNITS - flat->next < CHUNK)
			return NONE;
		for (uint32_t at = CHUNK; at > 0; at -= units)
			give(flat, size, flat->next + at - units);
		flat->next += CHUNK;
	}
	const uint32_t at = flat->free[size] - 1;
	memcpy(&flat->free[size], place_of(flat, at), sizeof(uint32_t));
	return at;
}

/* As mill_qsbr_frees. What was given up meanwhile has no lists. */
static void give_later(void *owner, uint64_t word)
{
	struct mill_flat6 *flat = owner;
	if (flat->on)
		give(flat, MILL_FLAT6_SIZE(word), word & MILL_FLAT6_AT);
}

static void give_block_later(void *owner, uint64_t block)
{
	struct mill_flat6 *flat = owner;
	if (flat->on)
		mill_slots_give(&flat->blocks, (uint32_t)block);
}

static void put(struct mill_flat6 *flat, uint32_t *cell, uint32_t word)
{
	const uint32_t was = *cell;
	if (was == word)
		return;
	__atomic_store_n(cell, word, __ATOMIC_RELEASE);
	if (was & MILL_FLAT6_RUNS)
		mill_qsbr_defer(flat->qsbr, give_later, flat, was);
}

/* ---- runs ---- */

struct runs {
	uint16_t start[MILL_FLAT6_MOST], entry[MILL_FLAT6_MOST];
	uint32_t n; /* more than MILL_FLAT6_MOST: too many */
};

static const uint16_t *node_of(const struct mill_flat6 *flat, uint32_t depth, uint32_t entry)
{
	const size_t number = depth * MILL_FIB_NARROW_LIMIT + (entry & ~MILL_FIB_IS_NODE16);
	return (const uint16_t *)flat->dir->nodes + number * MILL_FIB_NODE;
}

static void add_run(struct runs *runs, uint32_t start, uint16_t entry)
{
	if (runs->n > 0 && runs->n <= MILL_FLAT6_MOST && runs->entry[runs->n - 1] == entry)
		return;
	if (runs->n < MILL_FLAT6_MOST) {
		runs->start[runs->n] = (uint16_t)start;
		runs->entry[runs->n] = entry;
	}
	runs->n++;
}

/* Four entries that go on as the run before them does. */
static bool goes_on(const struct runs *runs, const uint16_t *entry)
{
	uint64_t four;
	memcpy(&four, entry, sizeof(four));
	return runs->n > 0 && four == runs->entry[runs->n - 1] * EACH_OF_FOUR;
}

/* Keys [from, to) of a node of bits 40..47. */
static void add_node(struct runs *runs, const uint16_t *node, uint32_t from, uint32_t to)
{
	for (uint32_t key = from; key < to && runs->n <= MILL_FLAT6_MOST; key++)
		if (key % 4 == 0 && to - key >= 4 && goes_on(runs, node + (key & 0xff)))
			key += 3;
		else
			add_run(runs, key, node[key & 0xff]);
}

/* Keys [from, to) of a node of bits 32..39 and all below it. */
static void add_keys(const struct mill_flat6 *flat, struct runs *runs, const uint16_t *table, uint32_t from,
                     uint32_t to)
{
	for (uint32_t key = from; key < to && runs->n <= MILL_FLAT6_MOST; key = (key | 0xff) + 1) {
		const uint16_t entry = table[key >> 8];
		if (entry & MILL_FIB_IS_NODE16)
			add_node(runs, node_of(flat, 2, entry), key,
			         to < (key | 0xff) + 1 ? to : (key | 0xff) + 1);
		else
			add_run(runs, key, entry);
	}
}

/* What a cell says now of keys [from, to): a group or runs. */
static void add_cell(const struct mill_flat6 *flat, struct runs *runs, uint32_t word, uint32_t from,
                     uint32_t to)
{
	if (!(word & MILL_FLAT6_RUNS)) {
		if (from < to)
			add_run(runs, from, (uint16_t)word);
		return;
	}
	const uint32_t n = 8u << MILL_FLAT6_SIZE(word);
	const uint16_t *start = (const uint16_t *)place_of(flat, word & MILL_FLAT6_AT);
	for (uint32_t i = 0; i < n && start[i] < to; i++) {
		const uint32_t end = i + 1 < n ? start[i + 1] : KEYS;
		if (end > from)
			add_run(runs, start[i] < from ? from : start[i], start[n + i]);
	}
}

/* The word of these runs; `was` if they are still the same. False: no room. */
static bool word_of(struct mill_flat6 *flat, const struct runs *runs, uint32_t was, uint32_t *word)
{
	const uint32_t size = runs->n <= 8 ? 0 : runs->n <= 16 ? 1 : 2, n = 8u << size;
	uint16_t piece[2 * MILL_FLAT6_MOST];
	if (runs->n == 1) {
		*word = runs->entry[0];
		return true;
	}
	for (uint32_t i = 0; i < n; i++) {
		piece[i] = i < runs->n ? runs->start[i] : UINT16_MAX;
		piece[n + i] = runs->entry[i < runs->n ? i : runs->n - 1];
	}
	*word = was;
	if ((was & MILL_FLAT6_RUNS) && MILL_FLAT6_SIZE(was) == size &&
	    memcmp(place_of(flat, was & MILL_FLAT6_AT), piece, 4 * n) == 0)
		return true;
	const uint32_t at = take(flat, size);
	if (at == NONE)
		return false;
	memcpy(place_of(flat, at), piece, 4 * n);
	*word = MILL_FLAT6_RUNS | size << 28 | at;
	return true;
}

/* ---- cells ---- */

/* Those of a /16 that a change is about, and which keys of each; `afresh`: it may leave fewer runs. */
struct cells {
	uint32_t first, n;
	uint32_t from, to;
	bool afresh;
};

static const struct cells all_cells = {0, MILL_FLAT6_BLOCK, 0, KEYS, true};

/* From the entry of the trie for the same /32. A node does for it until it is made anew `afresh`; of runs only those of
 * the keys are. */
static bool refresh_cell(struct mill_flat6 *flat, uint32_t *cell, uint32_t entry, const struct cells *change)
{
	struct runs runs = {.n = 0};
	uint32_t word = entry;
	if (entry & MILL_FIB_IS_NODE16) {
		const bool was_node = (*cell & LEADS_ON) == MILL_FLAT6_NODE;
		word = MILL_FLAT6_NODE | (entry & ~MILL_FIB_IS_NODE16);
		if (*cell == word && !change->afresh)
			return true;
		const uint32_t from = was_node ? 0 : change->from, to = was_node ? KEYS : change->to;
		add_cell(flat, &runs, *cell, 0, from);
		add_keys(flat, &runs, node_of(flat, 1, entry), from, to);
		add_cell(flat, &runs, *cell, to, KEYS);
		if (runs.n <= MILL_FLAT6_MOST && !word_of(flat, &runs, *cell, &word))
			return false;
	}
	put(flat, cell, word);
	return true;
}

/* Eight cells, from one whose number is a multiple of eight. */
static void fill8(struct mill_flat6 *flat, uint32_t *cell, uint32_t group)
{
	uint64_t *two = (uint64_t *)cell;
	const uint64_t both = group * EACH_OF_TWO;
	const uint64_t other = (two[0] ^ both) | (two[1] ^ both) | (two[2] ^ both) | (two[3] ^ both);
	const uint64_t leads = (two[0] | two[1] | two[2] | two[3]) & LEADS_ON * EACH_OF_TWO;
	for (uint32_t i = 0; other != 0 && leads != 0 && i < 8; i++)
		put(flat, &cell[i], group);
	for (uint32_t i = 0; other != 0 && leads == 0 && i < 4; i++)
		__atomic_store_n(&two[i], both, __ATOMIC_RELEASE);
}

/* Cells [first, first + n) below one entry of the root. */
static bool refresh_some(struct mill_flat6 *flat, uint32_t *cells, uint32_t entry, uint32_t first, uint32_t n,
                         const struct cells *change)
{
	if (!(entry & MILL_FIB_IS_NODE16)) {
		for (uint32_t i = first; n >= 8 && i < first + n; i += 8)
			fill8(flat, &cells[i], entry);
		for (uint32_t i = first; n < 8 && i < first + n; i++)
			put(flat, &cells[i], entry);
		return true;
	}
	const uint16_t *node = node_of(flat, 0, entry);
	for (uint32_t i = first; i < first + n; i++)
		if (cells[i] != node[i] && !refresh_cell(flat, &cells[i], node[i], change))
			return false;
	return true;
}

static bool refresh_cells(struct mill_flat6 *flat, uint32_t block, uint32_t high, const struct cells *change)
{
	const uint16_t *root = (const uint16_t *)flat->dir->root + high * 256;
	uint32_t *cells = flat->cells + block * MILL_FLAT6_BLOCK;
	const uint32_t end = change->first + change->n;
	for (uint32_t i = change->first; i < end; i = (i | 0xff) + 1) {
		const uint32_t n = end - i < 256 ? end - i : 256;
		if (!refresh_some(flat, cells + (i & ~0xffu), root[i >> 8], i & 0xff, n, change))
			return false;
	}
	return true;
}

/* ---- words of `lead` ---- */

/* All of the /16 goes the same way. A root entry of length 0 was never written to: reading would give it its memory. */
static uint32_t whole(struct mill_flat6 *flat, uint32_t high)
{
	const uint32_t first = high * 256;
	const uint32_t group = flat->dir->root_length[first] ? ((const uint16_t *)flat->dir->root)[first] : 0;
	if (flat->cells[group] != group)
		flat->cells[group] = group;
	return group;
}

/* Where there is more than one huge page of blocks, each is one at once, instead of 512 faults. */
static uint32_t take_block(struct mill_flat6 *flat)
{
	const uint32_t block = mill_slots_take(&flat->blocks);
	uint32_t *cells = flat->cells + (size_t)block * MILL_FLAT6_BLOCK;
	if (block != MILL_SLOT_NONE && (uintptr_t)cells % MILL_HUGE_PAGE == 0)
		mill_fib_enlarge(cells);
	return block;
}

/* These cells of a /16 are others than before. */
static bool refresh(struct mill_flat6 *flat, uint32_t high, const struct cells *change)
{
	const uint32_t led = flat->lead[high];
	if (led & MILL_FLAT6_LED) {
		const uint32_t block = (led & ~MILL_FLAT6_LED) / MILL_FLAT6_BLOCK;
		if (!refresh_cells(flat, block, high, change))
			return false;
		if (flat->longer[high] == 0) { /* its cells are all groups now */
			__atomic_store_n(&flat->lead[high], whole(flat, high), __ATOMIC_RELEASE);
			mill_qsbr_defer(flat->qsbr, give_block_later, flat, block);
		}
	} else if (flat->longer[high] == 0) {
		__atomic_store_n(&flat->lead[high], whole(flat, high), __ATOMIC_RELEASE);
	} else {
		const uint32_t block = take_block(flat);
		if (block == MILL_SLOT_NONE || !refresh_cells(flat, block, high, &all_cells))
			return false;
		__atomic_store_n(&flat->lead[high], MILL_FLAT6_LED | block * MILL_FLAT6_BLOCK,
		                 __ATOMIC_RELEASE);
	}
	return true;
}

static bool refresh_prefix(struct mill_flat6 *flat, const uint8_t *address, unsigned length, bool afresh)
{
	const uint32_t high = (uint32_t)address[0] << 8 | address[1], low = address[2] << 8 | address[3];
	const uint32_t key = length <= 32 ? 0 : (uint32_t)address[4] << 8 | address[5];
	const uint32_t keys = length <= 32 ? KEYS : length < 48 ? 1u << (48 - length) : 1;
	const struct cells some = {low, length < 32 ? 1u << (32 - length) : 1, key, key + keys, afresh};
	if (length > 16)
		return refresh(flat, high, &some);
	for (uint32_t i = 0; i < 1u << (16 - length); i++)
		if (!refresh(flat, high + i, &all_cells))
			return false;
	return true;
}

void mill_flat6_follow(struct mill_flat6 *flat, const uint8_t *address, unsigned length, int by)
{
	if (length > 16)
		flat->longer[(uint32_t)address[0] << 8 | address[1]] += (uint32_t)by;
	if (flat->on && !refresh_prefix(flat, address, length, by <= 0))
		mill_flat6_drop(flat);
}

/* ---- the whole ---- */

bool mill_flat6_build(struct mill_flat6 *flat)
{
	if (!flat->dir->narrow)
		return false;
	memset(flat->free, 0, sizeof(flat->free));
	flat->next = 0;
	flat->blocks.next = 1;
	flat->blocks.n_free = 0;
	flat->on = true;
	for (uint32_t high = 0; high < MILL_FLAT6_BLOCK; high++)
		if ((flat->longer[high] != 0 || flat->dir->root_length[high * 256] != 0) &&
		    !refresh(flat, high, &all_cells)) {
			mill_flat6_drop(flat);
			return false;
		}
	__atomic_fetch_or(flat->ready, 1u << MILL_FIB_FLAT, __ATOMIC_RELEASE);
	return true;
}

/* As a mill_qsbr_free. */
static void clear(void *owner, uint64_t unused)
{
	struct mill_flat6 *flat = owner;
	(void)unused;
	mill_memory_discard(flat->lead, MILL_FLAT6_BYTES);
	flat->dropping = false;
}

void mill_flat6_drop(struct mill_flat6 *flat)
{
	if (!flat->on)
		return;
	flat->on = false;
	flat->dropping = true;
	__atomic_fetch_and(flat->ready, ~(1u << MILL_FIB_FLAT), __ATOMIC_RELEASE);
	mill_qsbr_defer(flat->qsbr, clear, flat, 0);
}
