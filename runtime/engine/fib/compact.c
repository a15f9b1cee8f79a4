/* compact.h. Blocks are immutable: a slice that changes gets another one, and the old one waits for its grace period. */
#include <string.h>
#include "fib/compact.h"
#include "fib/dir.h"
#include "os/memory.h"

#define UNIT      8u
#define MAX_SLICE 256u

static uint32_t slice_bits(const struct mill_compact *compact)
{
	return compact->method == MILL_FIB_RADIX ? MILL_RADIX_SLICE : MILL_DXR_SLICE;
}

void mill_compact_init(struct mill_compact *compact, const struct mill_dir *dir, enum mill_fib_method method)
{
	uint8_t *place = (uint8_t *)dir->fib + mill_fib_compact_offset(method, dir->family);
	*compact = (struct mill_compact){.fib = dir->fib, .qsbr = dir->qsbr, .dir = dir, .method = method};
	compact->index = (uint32_t *)place;
	compact->blocks = place + MILL_COMPACT_INDEX;
	compact->limit = (MILL_COMPACT_BLOCKS - MILL_COMPACT_SPARE) / UNIT;
}

static uint32_t *ready_of(const struct mill_compact *compact)
{
	return &compact->fib->ready[compact->dir->family == 6];
}

/* ---- blocks ---- */

static uint32_t take(struct mill_compact *compact, uint32_t units)
{
	uint32_t at = compact->free[units];
	if (at != 0) {
		memcpy(&compact->free[units], compact->blocks + (size_t)(at - 1) * UNIT, sizeof(uint32_t));
		return at - 1;
	}
	at = compact->next;
	if (compact->limit - at < units)
		return UINT32_MAX;
	compact->next += units;
	return at;
}

static void give(struct mill_compact *compact, uint32_t at, uint32_t units)
{
	memcpy(compact->blocks + (size_t)at * UNIT, &compact->free[units], sizeof(uint32_t));
	compact->free[units] = at + 1;
}

/* As a mill_qsbr_free: units in the low byte. A structure that was given up meanwhile has no free lists. */
static void give_later(void *owner, uint64_t block)
{
	struct mill_compact *compact = owner;
	if (compact->on)
		give(compact, (uint32_t)(block >> 8), (uint32_t)(block & 0xff));
}

static uint32_t units_of(const struct mill_compact *compact, const uint8_t *block)
{
	uint64_t starts;
	memcpy(&starts, block, sizeof(starts));
	const uint32_t bytes = compact->method == MILL_FIB_RADIX
	                           ? 8 + 2 * (uint32_t)__builtin_popcountll(starts)
	                           : MILL_DXR_VALUES(block[0] + 1u) + 2 * (block[0] + 1u);
	return (bytes + UNIT - 1) / UNIT;
}

/* ---- one slice ---- */

/* The block of these entries; 0: all are equal. */
static uint32_t encode(const struct mill_compact *compact, const uint16_t *entry, uint8_t *block)
{
	const uint32_t n = 1u << slice_bits(compact);
	uint8_t start[MAX_SLICE];
	uint16_t value[MAX_SLICE];
	uint64_t starts = 0;
	uint32_t runs = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (i > 0 && entry[i] == entry[i - 1])
			continue;
		starts |= 1ull << (i & 63);
		start[runs] = (uint8_t)i;
		value[runs++] = entry[i];
	}
	if (runs == 1)
		return 0;
	uint32_t values = 8;
	if (compact->method == MILL_FIB_RADIX) {
		memcpy(block, &starts, sizeof(starts));
	} else {
		values = MILL_DXR_VALUES(runs);
		block[0] = (uint8_t)(runs - 1);
		memcpy(block + 1, start, runs);
	}
	memcpy(block + values, value, runs * sizeof(value[0]));
	return units_of(compact, block);
}

static uint8_t *block_at(const struct mill_compact *compact, uint32_t at)
{
	return compact->blocks + (size_t)at * UNIT;
}

/* The block that all slices share whose entries are all this one. */
static uint32_t one_run(const struct mill_compact *compact, uint16_t entry)
{
	const uint32_t at = MILL_COMPACT_ONE((uint32_t)entry);
	uint8_t block[2 * UNIT] = {0};
	if (compact->method == MILL_FIB_RADIX)
		block[0] = 1; /* its one run starts at 0 */
	memcpy(block + (compact->method == MILL_FIB_RADIX ? UNIT : MILL_DXR_VALUES(1)), &entry,
	       sizeof(entry));
	if (memcmp(block_at(compact, at), block, sizeof(block)) != 0)
		memcpy(block_at(compact, at), block, sizeof(block));
	return at;
}

static bool compress(struct mill_compact *compact, uint32_t slice, const uint16_t *entry)
{
	uint8_t block[MILL_COMPACT_CLASSES * UNIT] = {0};
	const uint32_t units = encode(compact, entry, block);
	const uint32_t was = compact->index[slice];
	uint32_t at;
	if (units == 0) {
		at = one_run(compact, entry[0]);
	} else {
		const uint8_t *old = block_at(compact, was);
		if (was >= MILL_COMPACT_FIRST && units_of(compact, old) == units &&
		    memcmp(old, block, units * UNIT) == 0)
			return true;
		at = take(compact, units);
		if (at == UINT32_MAX)
			return false;
		memcpy(block_at(compact, at), block, units * UNIT);
	}
	__atomic_store_n(&compact->index[slice], at, __ATOMIC_RELEASE);
	if (was >= MILL_COMPACT_FIRST)
		mill_qsbr_defer(compact->qsbr, give_later, compact,
		                (uint64_t)was << 8 | units_of(compact, block_at(compact, was)));
	return true;
}

static const uint16_t *entries(const struct mill_compact *compact, uint32_t position)
{
	const struct mill_dir *dir = compact->dir;
	return position < MILL_FIB_ROOT ? (const uint16_t *)dir->root + position
	                                : (const uint16_t *)dir->nodes + (position - MILL_FIB_ROOT);
}

static bool refresh(struct mill_compact *compact, uint32_t position, uint32_t n)
{
	const uint32_t bits = slice_bits(compact);
	for (uint32_t slice = position >> bits; slice <= (position + n - 1) >> bits; slice++)
		if (!compress(compact, slice, entries(compact, slice << bits)))
			return false;
	return true;
}

void mill_compact_refresh(struct mill_compact *compact, uint32_t position, uint32_t n)
{
	if (compact->on && !refresh(compact, position, n))
		mill_compact_drop(compact);
}

void mill_compact_forget(struct mill_compact *compact, uint32_t node)
{
	const uint32_t bits = slice_bits(compact);
	const uint32_t first = (MILL_FIB_ROOT + node * MILL_FIB_NODE) >> bits;
	for (uint32_t slice = first; compact->on && slice < first + (MILL_FIB_NODE >> bits); slice++) {
		const uint32_t at = compact->index[slice];
		if (at >= MILL_COMPACT_FIRST)
			give(compact, at, units_of(compact, block_at(compact, at)));
		compact->index[slice] = 0;
	}
}

/* ---- the whole ---- */

/* As after an adoption: then there is nothing to read, and reading a sparse root would give it its memory. */
static bool is_untouched(const struct mill_dir *dir)
{
	uint32_t prefixes = 0;
	for (uint32_t part = 0; part < MILL_DIR_PARTS; part++)
		prefixes |= dir->prefixes[part];
	return prefixes == 0;
}

static bool build_all(struct mill_compact *compact)
{
	const struct mill_dir *dir = compact->dir;
	if (!dir->narrow)
		return false;
	if (is_untouched(dir))
		return true;
	for (uint32_t depth = 0; depth < dir->depths; depth++)
		for (uint32_t number = 0; number < dir->slots[depth].next; number++) {
			const uint32_t node = depth * MILL_FIB_NARROW_LIMIT + number;
			if (dir->node_prefixes[node] != 0 &&
			    !refresh(compact, MILL_FIB_ROOT + node * MILL_FIB_NODE, MILL_FIB_NODE))
				return false;
		}
	for (uint32_t i = 0; i < MILL_FIB_ROOT; i += MAX_SLICE) {
		const uint16_t *entry = entries(compact, i);
		uint64_t any = 0, four;
		for (uint32_t k = 0; k < MAX_SLICE; k += 4) {
			memcpy(&four, entry + k, sizeof(four));
			any |= four;
		}
		if (any != 0 && !refresh(compact, i, MAX_SLICE))
			return false;
	}
	return true;
}

static bool has_popcount(void)
{
#ifdef __x86_64__
	return __builtin_cpu_supports("popcnt");
#else
	return true;
#endif
}

bool mill_compact_build(struct mill_compact *compact)
{
	if (compact->method == MILL_FIB_RADIX && !has_popcount())
		return false;
	memset(compact->free, 0, sizeof(compact->free));
	compact->next = MILL_COMPACT_FIRST;
	compact->on = true;
	one_run(compact, 0); /* what no prefix has touched */
	if (!build_all(compact)) {
		mill_compact_drop(compact);
		return false;
	}
	__atomic_fetch_or(ready_of(compact), 1u << compact->method, __ATOMIC_RELEASE);
	return true;
}

static void clear(void *owner, uint64_t value)
{
	struct mill_compact *compact = owner;
	(void)value;
	mill_memory_discard(compact->index, MILL_COMPACT_BYTES);
	compact->dropping = false;
}

void mill_compact_drop(struct mill_compact *compact)
{
	if (!compact->on)
		return;
	compact->on = false;
	compact->dropping = true;
	__atomic_fetch_and(ready_of(compact), ~(1u << compact->method), __ATOMIC_RELEASE);
	mill_qsbr_defer(compact->qsbr, clear, compact, 0);
}
