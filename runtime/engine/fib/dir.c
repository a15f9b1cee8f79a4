/*
 * dir.h. Entries are read and written in one form, 32 bits with MILL_FIB_IS_NODE, whatever their width in memory.
 * A table is named by its node number, the root by ROOT.
 */
#include <string.h>
#include "fib/dir.h"
#include "os/memory.h"

#define ROOT        UINT32_MAX
#define ROOT_LENGTH 24u
#define MAX_PATH    14u
#define LENGTH_NODE 255u /* stands where a node does: no prefix of that length replaces it */
#define PART        (MILL_FIB_ROOT / MILL_DIR_PARTS)
#define MANY        1024u
#define EVERY_BYTE  0x0101010101010101ull
/* So many far entries make a look at the near table first a loss; so few make it a gain again. */
#define TOO_FAR  (MILL_FIB_ROOT / 16)
#define NEAR_YET (MILL_FIB_ROOT / 32)

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

/* Where a family's tables lie in the FIB. */
struct tables {
	uint64_t narrow_root, narrow_nodes, root, nodes, narrow_end;
	uint32_t depths, capacity;
};

static struct tables tables_of(int family)
{
	if (family == 4)
		return (struct tables){MILL_FIB_NARROW_ROOT4_OFFSET,
		                       MILL_FIB_NARROW_NODES4_OFFSET,
		                       MILL_FIB_ROOT4_OFFSET,
		                       MILL_FIB_NODES4_OFFSET,
		                       MILL_FIB_NARROW_ROOT6_OFFSET,
		                       1,
		                       MILL_FIB_NODES4};
	return (struct tables){MILL_FIB_NARROW_ROOT6_OFFSET,
	                       MILL_FIB_NARROW_NODES6_OFFSET,
	                       MILL_FIB_ROOT6_OFFSET,
	                       MILL_FIB_NODES6_OFFSET,
	                       MILL_FIB_ROOT6_OFFSET,
	                       MILL_FIB_DEPTHS6,
	                       MILL_FIB_NODES6};
}

_Static_assert(MILL_FIB_DEPTHS6 *MILL_FIB_NARROW_LIMIT <= MILL_FIB_NODES6,
               "narrow numbers are wide ones too");

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

/* Of the nodes that a table's entries name. */
static uint32_t depth_below(uint32_t table)
{
	return table == ROOT ? 0 : table / MILL_FIB_NARROW_LIMIT + 1;
}

static uint32_t get(const struct mill_dir *dir, uint32_t table, uint32_t index)
{
	if (!dir->narrow)
		return *(uint32_t *)entry_of(dir, table, index);
	const uint32_t entry = *(uint16_t *)entry_of(dir, table, index);
	if (!(entry & MILL_FIB_IS_NODE16))
		return entry;
	return (depth_below(table) * MILL_FIB_NARROW_LIMIT + (entry & ~MILL_FIB_IS_NODE16)) |
	       MILL_FIB_IS_NODE;
}

static void put_near(struct mill_dir *dir, uint32_t index, uint32_t entry)
{
	const uint8_t near = entry < MILL_FIB_FAR ? (uint8_t)entry : MILL_FIB_FAR;
	const uint8_t was = dir->near[index];
	__atomic_store_n(&dir->near[index], near, __ATOMIC_RELEASE);
	if ((near == MILL_FIB_FAR) == (was == MILL_FIB_FAR))
		return;
	dir->far += near == MILL_FIB_FAR ? 1u : -1u;
	if (dir->far > TOO_FAR)
		__atomic_store_n(&dir->fib->far4, 1, __ATOMIC_RELAXED);
	else if (dir->far < NEAR_YET)
		__atomic_store_n(&dir->fib->far4, 0, __ATOMIC_RELAXED);
}

static void put_table(const struct mill_dir *dir, uint32_t table, uint32_t index, uint32_t entry)
{
	if (!dir->narrow) {
		__atomic_store_n((uint32_t *)entry_of(dir, table, index), entry, __ATOMIC_RELEASE);
		return;
	}
	const uint16_t narrow =
	    (uint16_t)((entry & MILL_FIB_IS_NODE) ? entry % MILL_FIB_NARROW_LIMIT | MILL_FIB_IS_NODE16
	                                          : entry);
	__atomic_store_n((uint16_t *)entry_of(dir, table, index), narrow, __ATOMIC_RELEASE);
}

static void put(struct mill_dir *dir, uint32_t table, uint32_t index, uint32_t entry)
{
	put_table(dir, table, index, entry);
	if (table == ROOT && dir->near != NULL)
		put_near(dir, index, entry);
}

/* Entries of a table are others than before. */
static void tell_compact(struct mill_dir *dir, uint32_t table, uint32_t first, uint32_t n)
{
	const uint32_t position = table == ROOT ? first : MILL_FIB_ROOT + table * MILL_FIB_NODE + first;
	mill_compact_refresh(&dir->radix, position, n);
	mill_compact_refresh(&dir->dxr, position, n);
}

bool mill_dir_init(struct mill_dir *dir, struct mill_fib *fib, struct mill_qsbr *qsbr, int family)
{
	const struct tables tables = tables_of(family);
	memset(dir, 0, sizeof(*dir));
	dir->fib = fib;
	dir->qsbr = qsbr;
	dir->family = family;
	dir->narrow = true;
	dir->wide = family == 4 ? &fib->wide4 : &fib->wide6;
	dir->root = (uint8_t *)fib + tables.narrow_root;
	dir->nodes = (uint8_t *)fib + tables.narrow_nodes;
	dir->near = family == 4 ? (uint8_t *)fib + MILL_FIB_NEAR4_OFFSET : NULL;
	dir->depths = tables.depths;
	mill_compact_init(&dir->radix, dir, MILL_FIB_RADIX);
	mill_compact_init(&dir->dxr, dir, MILL_FIB_DXR);
	bool slots = mill_slots_init(&dir->slots[0], 0, MILL_FIB_NARROW_LIMIT, tables.capacity);
	for (uint32_t depth = 1; depth < dir->depths; depth++)
		slots =
		    mill_slots_init(&dir->slots[depth], 0, MILL_FIB_NARROW_LIMIT, MILL_FIB_NARROW_LIMIT) &&
		    slots;
	dir->root_length = mill_fib_reserve(MILL_FIB_ROOT);
	dir->node_length = mill_fib_reserve((size_t)tables.capacity * MILL_FIB_NODE);
	dir->node_prefixes = mill_fib_reserve((size_t)tables.capacity * sizeof(uint32_t));
	const bool flat6 = family == 4 || mill_flat6_init(&dir->flat6, dir);
	if (slots && flat6 && dir->root_length != NULL && dir->node_length != NULL &&
	    dir->node_prefixes != NULL)
		return true;
	mill_dir_finish(dir);
	return false;
}

void mill_dir_finish(struct mill_dir *dir)
{
	const uint32_t capacity = dir->slots[0].capacity;
	mill_fib_unreserve(dir->root_length, MILL_FIB_ROOT);
	mill_fib_unreserve(dir->node_length, (size_t)capacity * MILL_FIB_NODE);
	mill_fib_unreserve(dir->node_prefixes, (size_t)capacity * sizeof(uint32_t));
	for (uint32_t depth = 0; depth < dir->depths; depth++)
		mill_slots_finish(&dir->slots[depth]);
	mill_flat6_finish(&dir->flat6);
	memset(dir, 0, sizeof(*dir));
}

uint32_t mill_dir_nodes(const struct mill_dir *dir)
{
	uint32_t n = 0;
	for (uint32_t depth = 0; depth < (dir->narrow ? dir->depths : 1); depth++)
		n += dir->slots[depth].next - dir->slots[depth].n_free;
	return n;
}

static uint32_t take_node(struct mill_dir *dir, uint32_t depth)
{
	if (!dir->narrow)
		return mill_slots_take(&dir->slots[0]);
	return depth * MILL_FIB_NARROW_LIMIT + mill_slots_take(&dir->slots[depth]);
}

/* As a mill_qsbr_free. */
static void give_node(void *owner, uint64_t node)
{
	struct mill_dir *dir = owner;
	mill_compact_forget(&dir->radix, (uint32_t)node);
	mill_compact_forget(&dir->dxr, (uint32_t)node);
	if (dir->narrow)
		mill_slots_give(&dir->slots[node / MILL_FIB_NARROW_LIMIT],
		                (uint32_t)node % MILL_FIB_NARROW_LIMIT);
	else
		mill_slots_give(&dir->slots[0], (uint32_t)node);
}

/* Room for one new node at each of the first n depths. */
static bool room(const struct mill_dir *dir, uint32_t n)
{
	if (!dir->narrow)
		return mill_slots_left(&dir->slots[0]) >= n;
	for (uint32_t depth = 0; depth < n; depth++)
		if (mill_slots_left(&dir->slots[depth]) == 0)
			return false;
	return true;
}

/* The narrow tables, as a value for qsbr: their pages go back to the system. */
static void drop_narrow(void *owner, uint64_t family)
{
	const struct tables tables = tables_of((int)family);
	mill_memory_discard((uint8_t *)owner + tables.narrow_root, tables.narrow_end - tables.narrow_root);
}

/* All that the depths had left goes into the first one, which had the lowest numbers. */
static void join_slots(struct mill_dir *dir)
{
	struct mill_slots *all = &dir->slots[0];
	const uint32_t first_next = all->next;
	if (dir->depths > 1) {
		all->next = dir->depths * MILL_FIB_NARROW_LIMIT;
		for (uint32_t depth = dir->depths - 1; depth > 0; depth--) {
			const struct mill_slots *slots = &dir->slots[depth];
			const uint32_t base = depth * MILL_FIB_NARROW_LIMIT;
			for (uint32_t number = MILL_FIB_NARROW_LIMIT; number-- > slots->next;)
				mill_slots_give(all, base + number);
			for (uint32_t i = 0; i < slots->n_free; i++)
				mill_slots_give(all, base + slots->free[i]);
		}
		for (uint32_t number = MILL_FIB_NARROW_LIMIT; number-- > first_next;)
			mill_slots_give(all, number);
	}
	all->limit = all->capacity;
}

static void copy_table(const struct mill_dir *from, const struct mill_dir *to, uint32_t table, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t entry = get(from, table, i);
		if (entry != 0)
			put_table(to, table, i, entry);
	}
}

/* 16 bits do not suffice any more: the same table with 32, beside it, then one flip. */
static void widen(struct mill_dir *dir)
{
	const struct tables tables = tables_of(dir->family);
	mill_compact_drop(&dir->radix);
	mill_compact_drop(&dir->dxr);
	mill_flat6_drop(&dir->flat6);
	struct mill_dir wide = *dir;
	wide.narrow = false;
	wide.root = (uint8_t *)dir->fib + tables.root;
	wide.nodes = (uint8_t *)dir->fib + tables.nodes;
	copy_table(dir, &wide, ROOT, MILL_FIB_ROOT);
	for (uint32_t depth = 0; depth < dir->depths; depth++)
		for (uint32_t number = 0; number < dir->slots[depth].next; number++)
			copy_table(dir, &wide, depth * MILL_FIB_NARROW_LIMIT + number, MILL_FIB_NODE);
	join_slots(&wide);
	*dir = wide;
	__atomic_store_n(dir->wide, 1, __ATOMIC_RELEASE);
	mill_qsbr_defer(dir->qsbr, drop_narrow, dir->fib, (uint64_t)dir->family);
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
	const uint32_t node = take_node(dir, depth_below(place->table));
	const uint32_t entry = get(dir, place->table, place->index);
	for (uint32_t i = 0; i < MILL_FIB_NODE; i++)
		put(dir, node, i, entry);
	memset(length_of(dir, node, 0), *length_of(dir, place->table, place->index), MILL_FIB_NODE);
	*length_of(dir, place->table, place->index) = LENGTH_NODE;
	dir->node_prefixes[node] = 0;
	tell_compact(dir, node, 0, MILL_FIB_NODE);
	put(dir, place->table, place->index, node | MILL_FIB_IS_NODE);
	tell_compact(dir, place->table, place->index, 1);
	return node;
}

static void put_near8(struct mill_dir *dir, uint32_t first, uint32_t entry)
{
	uint64_t *near = (uint64_t *)(dir->near + first);
	const uint64_t was = *near;
	if (entry < MILL_FIB_FAR && was == (was & 0xff) * EVERY_BYTE && (was & 0xff) != MILL_FIB_FAR) {
		__atomic_store_n(near, entry * EVERY_BYTE, __ATOMIC_RELEASE);
		return;
	}
	for (uint32_t i = 0; i < 8; i++)
		put_near(dir, first + i, entry);
}

/* Eight entries from an index that is a multiple of 8, by two stores where entries have 16 bits. */
static void put8(struct mill_dir *dir, uint32_t table, uint32_t first, uint32_t entry)
{
	if (!dir->narrow) {
		for (uint32_t i = 0; i < 8; i++)
			put_table(dir, table, first + i, entry);
	} else {
		uint64_t *four = (uint64_t *)entry_of(dir, table, first);
		__atomic_store_n(&four[0], entry * 0x0001000100010001ull, __ATOMIC_RELEASE);
		__atomic_store_n(&four[1], entry * 0x0001000100010001ull, __ATOMIC_RELEASE);
	}
	if (table == ROOT && dir->near != NULL)
		put_near8(dir, first, entry);
}

/* Eight entries of one length that the change is for, so none is a node. */
static bool fill8(struct mill_dir *dir, uint32_t table, uint32_t first, const struct change *change)
{
	uint8_t *length = length_of(dir, table, first);
	uint64_t eight;
	memcpy(&eight, length, sizeof(eight));
	if (eight != *length * EVERY_BYTE || *length < change->at_least || *length > change->at_most)
		return false;
	put8(dir, table, first, change->group);
	memset(length, change->length, 8);
	return true;
}

static void fill(struct mill_dir *dir, uint32_t table, uint32_t first, uint32_t n,
                 const struct change *change)
{
	uint8_t *length = length_of(dir, table, first);
	for (uint32_t i = 0; i < n; i++) {
		if (n - i >= 8 && (first + i) % 8 == 0 && fill8(dir, table, first + i, change)) {
			i += 7;
		} else if (length[i] == LENGTH_NODE) {
			const uint32_t node = get(dir, table, first + i) & ~MILL_FIB_IS_NODE;
			fill(dir, node, 0, MILL_FIB_NODE, change);
		} else if (length[i] >= change->at_least && length[i] <= change->at_most) {
			put(dir, table, first + i, change->group);
			length[i] = change->length;
		}
	}
	tell_compact(dir, table, first, n);
}

static void fill_place(struct mill_dir *dir, const struct place *place, unsigned length,
                       const struct change *change)
{
	const uint32_t n = 1u << (place->bits - length);
	fill(dir, place->table, place->index & ~(n - 1), n, change);
}

/* Many prefixes in this part of the root, so nearly all of its pages will be written to: huge ones at once. */
static void expect_many(struct mill_dir *dir, uint32_t index)
{
	const uint32_t part = index / PART;
	if (++dir->prefixes[part] != MANY || !dir->narrow)
		return;
	mill_fib_enlarge(entry_of(dir, ROOT, part * PART));
	if (dir->near != NULL)
		mill_fib_enlarge(dir->near + part * PART);
	mill_memory_enlarge(dir->root_length, MILL_FIB_ROOT);
}

bool mill_dir_set(struct mill_dir *dir, const uint8_t *address, unsigned length, uint32_t group, bool known)
{
	const uint32_t nodes = known || length <= ROOT_LENGTH ? 0 : (length - ROOT_LENGTH + 7) / 8;
	if (dir->narrow && (group >= MILL_FIB_NARROW_LIMIT || !room(dir, nodes)))
		widen(dir);
	if (!room(dir, nodes))
		return false;
	struct place place = root_place(address);
	if (!known)
		expect_many(dir, place.index);
	while (length > place.bits) {
		const uint32_t entry = get(dir, place.table, place.index);
		const uint32_t node =
		    (entry & MILL_FIB_IS_NODE) ? entry & ~MILL_FIB_IS_NODE : grow_node(dir, &place);
		dir->node_prefixes[node] += !known;
		place = below(&place, node, address);
	}
	const struct change change = {group, (uint8_t)length, 0, (uint8_t)length};
	fill_place(dir, &place, length, &change);
	if (dir->family == 6)
		mill_flat6_follow(&dir->flat6, address, length, !known);
	return true;
}

/* No prefix needs the node below this place any more: all its entries are the same. */
static void collapse(struct mill_dir *dir, const struct place *place, uint32_t node)
{
	*length_of(dir, place->table, place->index) = *length_of(dir, node, 0);
	put(dir, place->table, place->index, get(dir, node, 0));
	tell_compact(dir, place->table, place->index, 1);
}

void mill_dir_clear(struct mill_dir *dir, const uint8_t *address, unsigned length, uint32_t cover_group,
                    unsigned cover_length)
{
	struct place path[MAX_PATH];
	uint32_t unused[MAX_PATH];
	unsigned depth = 0, n_unused = 0;
	path[0] = root_place(address);
	while (length > path[depth].bits) {
		const uint32_t node = get(dir, path[depth].table, path[depth].index) & ~MILL_FIB_IS_NODE;
		path[depth + 1] = below(&path[depth], node, address);
		depth++;
	}
	const struct change change = {cover_group, (uint8_t)cover_length, (uint8_t)length, (uint8_t)length};
	fill_place(dir, &path[depth], length, &change);
	for (; depth > 0; depth--) {
		const uint32_t node = path[depth].table;
		if (--dir->node_prefixes[node] > 0)
			continue;
		collapse(dir, &path[depth - 1], node);
		unused[n_unused++] = node;
	}
	if (dir->family == 6)
		mill_flat6_follow(&dir->flat6, address, length, -1);
	while (n_unused > 0) /* not before: a grace period begins when nothing leads to a node */
		mill_qsbr_defer(dir->qsbr, give_node, dir, unused[--n_unused]);
}
