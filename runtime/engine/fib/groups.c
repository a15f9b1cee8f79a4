/*
 * groups.h. Blocks of buckets come from a bump mark and from one free list a size. A block that grows is copied
 * before it is dealt, so that a flow keeps its leg.
 */
#include <stdlib.h>
#include <string.h>
#include "fib/deal.h"
#include "fib/groups.h"
#include "shm/fib_use.h"

static uint64_t *word_of(const struct mill_groups *groups, uint32_t slot)
{
	return (uint64_t *)((uint8_t *)groups->fib + MILL_FIB_GROUP_OFFSET) + slot;
}

static uint32_t *bucket_at(const struct mill_groups *groups, uint32_t bucket)
{
	return (uint32_t *)((uint8_t *)groups->fib + MILL_FIB_BUCKET_OFFSET) + bucket;
}

/* What the daemon sees of a group: shm/fib_use.h. */
static void publish_key(const struct mill_groups *groups, uint32_t slot, uint64_t key)
{
	uint64_t *at = (uint64_t *)((uint8_t *)groups->fib + MILL_FIB_KEY_OFFSET) + slot;
	__atomic_store_n(at, key, __ATOMIC_RELEASE);
}

/* Nobody counts here any more: the slot's grace period is over. */
static void clear_use(const struct mill_groups *groups, uint32_t slot)
{
	for (uint32_t worker = 0; worker < MILL_MAX_WORKERS; worker++) {
		struct mill_counter *use = mill_fib_use(groups->fib, worker) + slot;
		if (__atomic_load_n(&groups->qsbr->state->worker[worker].epoch, __ATOMIC_ACQUIRE) == 0)
			continue; /* it never ran */
		__atomic_store_n(&use->packets, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&use->bytes, 0, __ATOMIC_RELAXED);
	}
}

/* 0 for a word without buckets. */
static uint32_t size_of(uint64_t word)
{
	const uint32_t mask = (uint32_t)(word >> 32);
	return mask == 0 ? 0 : mask + 1;
}

bool mill_groups_init(struct mill_groups *groups, struct mill_fib *fib, struct mill_qsbr *qsbr,
                      struct mill_adjacencies *adjacencies)
{
	memset(groups, 0, sizeof(*groups));
	groups->fib = fib;
	groups->qsbr = qsbr;
	groups->adjacencies = adjacencies;
	groups->session = 1;
	groups->group = mill_fib_reserve(MILL_FIB_GROUPS * sizeof(*groups->group));
	const bool slots =
	    mill_slots_init(&groups->slots, MILL_GROUP_VOID + 1, MILL_FIB_GROUPS, MILL_FIB_GROUPS);
	if (groups->group != NULL && slots)
		return true;
	mill_groups_finish(groups);
	return false;
}

void mill_groups_finish(struct mill_groups *groups)
{
	for (uint32_t slot = 0; groups->group != NULL && slot < groups->slots.next; slot++)
		free(groups->group[slot].leg);
	mill_fib_unreserve(groups->group, MILL_FIB_GROUPS * sizeof(*groups->group));
	mill_slots_finish(&groups->slots);
	mill_id_map_finish(&groups->map);
	memset(groups, 0, sizeof(*groups));
}

static uint32_t take_block(struct mill_groups *groups, uint32_t size)
{
	uint32_t *head = &groups->bucket_free[__builtin_ctz(size)];
	if (*head != 0) {
		const uint32_t block = *head - 1;
		*head = *bucket_at(groups, block);
		return block;
	}
	if (MILL_FIB_BUCKETS - groups->bucket_next < size)
		return MILL_SLOT_NONE;
	groups->bucket_next += size;
	return groups->bucket_next - size;
}

/* As a mill_qsbr_free: value is the word that named the block. */
static void give_block(void *owner, uint64_t word)
{
	struct mill_groups *groups = owner;
	uint32_t *head = &groups->bucket_free[__builtin_ctz(size_of(word))];
	*bucket_at(groups, (uint32_t)word) = *head;
	*head = (uint32_t)word + 1;
}

static void set_word(struct mill_groups *groups, uint32_t slot, uint64_t word)
{
	const uint64_t old = *word_of(groups, slot);
	__atomic_store_n(word_of(groups, slot), word, __ATOMIC_RELEASE);
	if (size_of(old) != 0 && (uint32_t)old != (uint32_t)word)
		mill_qsbr_defer(groups->qsbr, give_block, groups, old);
}

/* Several legs: into the block that is there if it is large enough, else into a larger copy. */
static bool deal(struct mill_groups *groups, uint32_t slot, struct mill_deal_leg *leg, uint32_t n)
{
	const uint64_t old = *word_of(groups, slot);
	const uint32_t had = size_of(old), size = mill_deal_size(leg, n);
	if (had >= size) {
		mill_deal(leg, n, bucket_at(groups, (uint32_t)old), had);
		return true;
	}
	const uint32_t block = take_block(groups, size);
	if (block == MILL_SLOT_NONE)
		return false;
	uint32_t *bucket = bucket_at(groups, block);
	for (uint32_t i = 0; i < size; i++)
		bucket[i] = had == 0 ? (uint32_t)old : *bucket_at(groups, (uint32_t)old + (i & (had - 1)));
	mill_deal(leg, n, bucket, size);
	set_word(groups, slot, (uint64_t)(size - 1) << 32 | block);
	return true;
}

/* The daemon's legs in our numbers, the same adjacency twice as one. Unknown ones become NONE: their part of the
 * traffic has no way, rather than another's. */
static uint32_t collect(const struct mill_groups *groups, const struct mill_fib_leg *from, uint32_t n,
                        struct mill_deal_leg *leg)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t id = mill_adjacencies_id(groups->adjacencies, from[i].adjacency);
		const uint32_t weight = from[i].weight == 0      ? 1
		                        : from[i].weight > 65536 ? 65536
		                                                 : from[i].weight;
		uint32_t k = 0;
		while (k < count && leg[k].adjacency != id)
			k++;
		if (k == count)
			leg[count++] = (struct mill_deal_leg){.adjacency = id};
		leg[k].weight += weight;
	}
	return count;
}

static void drop_legs(struct mill_groups *groups, uint32_t *leg, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		mill_adjacencies_drop(groups->adjacencies, leg[i]);
	free(leg);
}

static bool set_legs(struct mill_groups *groups, uint32_t slot, struct mill_deal_leg *leg, uint32_t n)
{
	struct mill_group *group = &groups->group[slot];
	uint32_t *ids = malloc((n + 1) * sizeof(*ids)); /* never of size 0 */
	if (ids == NULL)
		return false;
	if (n >= 2 && !deal(groups, slot, leg, n)) {
		free(ids);
		return false;
	}
	if (n < 2)
		set_word(groups, slot, n == 0 ? 0 : leg[0].adjacency);
	for (uint32_t i = 0; i < n; i++) {
		ids[i] = leg[i].adjacency;
		mill_adjacencies_hold(groups->adjacencies, ids[i]);
	}
	drop_legs(groups, group->leg, group->n_legs);
	group->leg = ids;
	group->n_legs = n;
	return true;
}

static uint32_t new_slot(struct mill_groups *groups, uint32_t key)
{
	const uint32_t slot = mill_slots_take(&groups->slots);
	if (slot == MILL_SLOT_NONE)
		return 0;
	if (!mill_id_map_put(&groups->map, key, slot)) {
		mill_slots_give(&groups->slots, slot);
		return 0;
	}
	groups->group[slot] = (struct mill_group){.key = key, .session = groups->session};
	groups->n++;
	if (slot < groups->fib->groups_end)
		clear_use(groups, slot);
	publish_key(groups, slot, MILL_FIB_USE_NAMED | key);
	if (slot >= groups->fib->groups_end)
		__atomic_store_n(&groups->fib->groups_end, slot + 1, __ATOMIC_RELEASE);
	return slot;
}

bool mill_groups_set(struct mill_groups *groups, uint32_t key, const struct mill_fib_leg *from, uint32_t n)
{
	struct mill_deal_leg leg[MILL_GROUP_MAX_LEGS];
	const uint32_t known = mill_id_map_get(&groups->map, key);
	const uint32_t slot = known ? known : new_slot(groups, key);
	if (slot == 0)
		return false;
	if (set_legs(groups, slot, leg,
	             collect(groups, from, n < MILL_GROUP_MAX_LEGS ? n : MILL_GROUP_MAX_LEGS, leg)))
		return true;
	if (!known)
		mill_groups_delete(groups, key);
	return false;
}

/* As a mill_qsbr_free: no reader can have the slot in hand any more. */
static void free_slot(void *owner, uint64_t slot)
{
	struct mill_groups *groups = owner;
	const uint64_t word = *word_of(groups, (uint32_t)slot);
	__atomic_store_n(word_of(groups, (uint32_t)slot), 0, __ATOMIC_RELEASE);
	if (size_of(word) != 0)
		give_block(groups, word);
	mill_slots_give(&groups->slots, (uint32_t)slot);
}

/* As in adjacencies.c: readers on their way keep the old meaning, routes that still name it lose their way. */
static void retire(struct mill_groups *groups, uint32_t slot)
{
	struct mill_group *group = &groups->group[slot];
	group->session = 0;
	groups->n--;
	publish_key(groups, slot, 0);
	if (group->references == 0)
		mill_qsbr_defer(groups->qsbr, free_slot, groups, slot);
	else
		set_word(groups, slot, 0);
	drop_legs(groups, group->leg, group->n_legs);
	group->leg = NULL;
	group->n_legs = 0;
}

void mill_groups_delete(struct mill_groups *groups, uint32_t key)
{
	const uint32_t slot = mill_id_map_get(&groups->map, key);
	if (slot == 0)
		return;
	mill_id_map_remove(&groups->map, key);
	retire(groups, slot);
}

uint32_t mill_groups_slot(const struct mill_groups *groups, uint32_t key)
{
	const uint32_t slot = mill_id_map_get(&groups->map, key);
	return slot ? slot : MILL_GROUP_VOID;
}

void mill_groups_hold(struct mill_groups *groups, uint32_t slot)
{
	groups->group[slot].references++;
}

void mill_groups_drop(struct mill_groups *groups, uint32_t slot)
{
	struct mill_group *group = &groups->group[slot];
	if (--group->references == 0 && group->session == 0 && slot > MILL_GROUP_VOID)
		mill_qsbr_defer(groups->qsbr, free_slot, groups, slot);
}

void mill_groups_new_session(struct mill_groups *groups)
{
	groups->session++;
	mill_id_map_clear(&groups->map);
	for (uint32_t slot = MILL_GROUP_VOID + 1; slot < groups->slots.next; slot++)
		publish_key(groups, slot, 0);
}

void mill_groups_sweep(struct mill_groups *groups)
{
	for (uint32_t slot = MILL_GROUP_VOID + 1; slot < groups->slots.next; slot++) {
		const uint32_t session = groups->group[slot].session;
		if (session != 0 && session != groups->session)
			retire(groups, slot);
	}
}
