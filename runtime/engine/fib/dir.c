/*
 * dir.h. Entries are read and written in one form, 32 bits with MILL_FIB_IS_NODE, whatever their width in memory.
 * A table is named by its node number, the root by ROOT.
 */
#include <string.h>
#include "fib/dir.h"

#define ROOT        UINT32_MAX
#define ROOT_LENGTH 24u
#define MAX_PATH    14u

/* A place in the trie and how many bits of the address have led there. */
struct place {
	uint32_t table, index;
	unsigned bits;
};

/* What to put where: entries whose length is in [at_least, at_most] get group and length. */
struct change {
	uint32_t group;
	uint8_t length, at_least, at_most;
};

static uint8_t *entry_of(const struct mill_dir *dir, uint32_t table, uint32_t index)
{
	const size_t width = dir->narrow ? 2 : 4;
	if (table == ROOT)
		return dir->root + index * width;
	return dir->nodes + ((size_t)table * MILL_FIB_NODE + index) * width;
}

static uint8_t *length_of(const struct mill_dir *dir, uint32_t table, uint32_t index)
{
	return table == ROOT ? dir->root_length + index
	                     : dir->node_length + (size_t)table * MILL_FIB_NODE + index;
}

static uint32_t get(const struct mill_dir *dir, uint32_t table, uint32_t index)
{
	if (!dir->narrow)
		return *(uint32_t *)entry_of(dir, table, index);
	const uint32_t entry = *(uint16_t *)entry_of(dir, table, index);
	return (entry & MILL_FIB_IS_NODE16) ? (entry & ~MILL_FIB_IS_NODE16) | MILL_FIB_IS_NODE : entry;
}

static void put(const struct mill_dir *dir, uint32_t table, uint32_t index, uint32_t entry)
{
	if (!dir->narrow) {
		__atomic_store_n((uint32_t *)entry_of(dir, table, index), entry, __ATOMIC_RELEASE);
		return;
	}
	const uint16_t narrow = (uint16_t)((entry & MILL_FIB_IS_NODE) ? entry | MILL_FIB_IS_NODE16 : entry);
	__atomic_store_n((uint16_t *)entry_of(dir, table, index), narrow, __ATOMIC_RELEASE);
}

bool mill_dir_init(struct mill_dir *dir, struct mill_fib *fib, struct mill_qsbr *qsbr, int family)
{
	uint8_t *base = (uint8_t *)fib;
	memset(dir, 0, sizeof(*dir));
	dir->fib = fib;
	dir->qsbr = qsbr;
	dir->narrow = family == 4;
	dir->root = base + (family == 4 ? MILL_FIB_NARROW_ROOT4_OFFSET : MILL_FIB_ROOT6_OFFSET);
	dir->nodes = base + (family == 4 ? MILL_FIB_NARROW_NODES4_OFFSET : MILL_FIB_NODES6_OFFSET);
	const uint32_t capacity = family == 4 ? MILL_FIB_NODES4 : MILL_FIB_NODES6;
	const bool slots =
	    mill_slots_init(&dir->slots, 0, family == 4 ? MILL_FIB_NARROW_LIMIT : capacity, capacity);
	dir->root_length = mill_fib_reserve(MILL_FIB_ROOT);
	dir->node_length = mill_fib_reserve((size_t)capacity * MILL_FIB_NODE);
	dir->node_prefixes = mill_fib_reserve((size_t)capacity * sizeof(uint32_t));
	if (slots && dir->root_length != NULL && dir->node_length != NULL && dir->node_prefixes != NULL)
		return true;
	mill_dir_finish(dir);
	return false;
}

void mill_dir_finish(struct mill_dir *dir)
{
	const uint32_t capacity = dir->slots.capacity;
	mill_fib_unreserve(dir->root_length, MILL_FIB_ROOT);
	mill_fib_unreserve(dir->node_length, (size_t)capacity * MILL_FIB_NODE);
	mill_fib_unreserve(dir->node_prefixes, (size_t)capacity * sizeof(uint32_t));
	mill_slots_finish(&dir->slots);
	memset(dir, 0, sizeof(*dir));
}

/* The narrow tables, as a value for qsbr: their pages go back to the system. */
static void drop_narrow(void *owner, uint64_t value)
{
	(void)value;
	madvise((uint8_t *)owner + MILL_FIB_NARROW_ROOT4_OFFSET,
	        MILL_FIB_ROOT6_OFFSET - MILL_FIB_NARROW_ROOT4_OFFSET, MADV_REMOVE);
}

/* 16 bits do not suffice any more: the same table with 32, beside it, then one flip. */
static void widen(struct mill_dir *dir)
{
	struct mill_dir wide = *dir;
	wide.narrow = false;
	wide.root = (uint8_t *)dir->fib + MILL_FIB_ROOT4_OFFSET;
	wide.nodes = (uint8_t *)dir->fib + MILL_FIB_NODES4_OFFSET;
	wide.slots.limit = wide.slots.capacity;
	for (uint32_t i = 0; i < MILL_FIB_ROOT; i++) {
		const uint32_t entry = get(dir, ROOT, i);
		if (entry != 0)
			put(&wide, ROOT, i, entry);
	}
	for (uint32_t node = 0; node < dir->slots.next; node++)
		for (uint32_t i = 0; i < MILL_FIB_NODE; i++)
			put(&wide, node, i, get(dir, node, i));
	*dir = wide;
	__atomic_store_n(&dir->fib->wide4, 1, __ATOMIC_RELEASE);
	mill_qsbr_defer(dir->qsbr, drop_narrow, dir->fib, 0);
}

static struct place root_place(const uint8_t *address)
{
	const uint32_t index = (uint32_t)address[0] << 16 | (uint32_t)address[1] << 8 | address[2];
	return (struct place){ROOT, index, ROOT_LENGTH};
}

static struct place below(const struct place *place, uint32_t node, const uint8_t *address)
{
	return (struct place){node, address[place->bits / 8], place->bits + 8};
}

/* A node that says for all 256 what this entry says now. */
static uint32_t grow_node(struct mill_dir *dir, const struct place *place)
{
	const uint32_t node = mill_slots_take(&dir->slots);
	const uint32_t entry = get(dir, place->table, place->index);
	for (uint32_t i = 0; i < MILL_FIB_NODE; i++)
		put(dir, node, i, entry);
	memset(length_of(dir, node, 0), *length_of(dir, place->table, place->index), MILL_FIB_NODE);
	dir->node_prefixes[node] = 0;
	put(dir, place->table, place->index, node | MILL_FIB_IS_NODE);
	return node;
}

static void fill(struct mill_dir *dir, uint32_t table, uint32_t first, uint32_t n,
                 const struct change *change)
{
	uint8_t *length = length_of(dir, table, first);
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t entry = get(dir, table, first + i);
		if (entry & MILL_FIB_IS_NODE) {
			fill(dir, entry & ~MILL_FIB_IS_NODE, 0, MILL_FIB_NODE, change);
		} else if (length[i] >= change->at_least && length[i] <= change->at_most) {
			put(dir, table, first + i, change->group);
			length[i] = change->length;
		}
	}
}

static void fill_place(struct mill_dir *dir, const struct place *place, unsigned length,
                       const struct change *change)
{
	const uint32_t n = 1u << (place->bits - length);
	fill(dir, place->table, place->index & ~(n - 1), n, change);
}

bool mill_dir_set(struct mill_dir *dir, const uint8_t *address, unsigned length, uint32_t group, bool known)
{
	const uint32_t nodes = known || length <= ROOT_LENGTH ? 0 : (length - ROOT_LENGTH + 7) / 8;
	if (dir->narrow && (group >= MILL_FIB_NARROW_LIMIT || mill_slots_left(&dir->slots) < nodes))
		widen(dir);
	if (mill_slots_left(&dir->slots) < nodes)
		return false;
	struct place place = root_place(address);
	while (length > place.bits) {
		const uint32_t entry = get(dir, place.table, place.index);
		const uint32_t node =
		    (entry & MILL_FIB_IS_NODE) ? entry & ~MILL_FIB_IS_NODE : grow_node(dir, &place);
		dir->node_prefixes[node] += !known;
		place = below(&place, node, address);
	}
	const struct change change = {group, (uint8_t)length, 0, (uint8_t)length};
	fill_place(dir, &place, length, &change);
	return true;
}

/* No prefix needs the node below this place any more: all its entries are the same. */
static void collapse(struct mill_dir *dir, const struct place *place)
{
	const uint32_t node = get(dir, place->table, place->index) & ~MILL_FIB_IS_NODE;
	*length_of(dir, place->table, place->index) = *length_of(dir, node, 0);
	put(dir, place->table, place->index, get(dir, node, 0));
	mill_qsbr_defer(dir->qsbr, mill_slots_give_later, &dir->slots, node);
}

void mill_dir_clear(struct mill_dir *dir, const uint8_t *address, unsigned length, uint32_t cover_group,
                    unsigned cover_length)
{
	struct place path[MAX_PATH];
	unsigned depth = 0;
	path[0] = root_place(address);
	while (length > path[depth].bits) {
		const uint32_t node = get(dir, path[depth].table, path[depth].index) & ~MILL_FIB_IS_NODE;
		path[depth + 1] = below(&path[depth], node, address);
		depth++;
	}
	const struct change change = {cover_group, (uint8_t)cover_length, (uint8_t)length, (uint8_t)length};
	fill_place(dir, &path[depth], length, &change);
	for (; depth > 0; depth--)
		if (--dir->node_prefixes[path[depth].table] == 0)
			collapse(dir, &path[depth - 1]);
}
