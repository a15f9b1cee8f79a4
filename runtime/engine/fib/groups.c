/*
 * groups.h. Blocks of buckets come from a bump mark and from one free list a size. A block that grows is copied
 * before it is dealt, so that a flow keeps its leg.
 */
#include <stdlib.h>
#include <string.h>
#include "fib/deal.h"
#include "fib/groups.h"
#include "shm/fib_use.h"

#define FEWEST_BUCKETS 64u

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
	for (uint32_t slot = 0; groups->group != NULL && slot < groups->slots.next; slot++) {
		free(groups->group[slot].leg);
		free(groups->group[slot].home);
	}
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

/* Buckets of that size at least, filled as those that are there, or from the one path that is there. Their rights come
 * with them. False: no room, nothing changed. */
static bool grow(struct mill_groups *groups, uint32_t slot, uint32_t size)
{
	struct mill_group *group = &groups->group[slot];
	const uint64_t old = *word_of(groups, slot);
	const uint32_t had = size_of(old);
	if (had >= size)
		return true;
	uint32_t *home = malloc(size * sizeof(*home));
	const uint32_t block = home == NULL ? MILL_SLOT_NONE : take_block(groups, size);
	if (block == MILL_SLOT_NONE) {
		free(home);
		return false;
	}
	uint32_t *bucket = bucket_at(groups, block);
	const bool single = had == 0 && group->n_legs == 1;
	const uint32_t whose =
	    single ? mill_adjacency_identity(mill_fib_adjacency(groups->fib, (uint32_t)old)) : 0;
	for (uint32_t i = 0; i < size; i++) {
		const uint32_t from = i & (had - 1);
		bucket[i] = had == 0 ? (uint32_t)old : *bucket_at(groups, (uint32_t)old + from);
		home[i] = had == 0 ? whose : group->home[from];
	}
	free(group->home);
	group->home = home;
	set_word(groups, slot, (uint64_t)(size - 1) << 32 | block);
	return true;
}

/* The daemon's legs in our numbers, the same adjacency twice as one. Unknown ones become NONE: their part of the
 * traffic has no way, rather than another's. */
static uint32_t collect(const struct mill_groups *groups, const struct mill_fib_leg *from, uint32_t n,
                        struct mill_fib_leg *leg)
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
			leg[count++] = (struct mill_fib_leg){.adjacency = id};
		leg[k].weight += weight;
	}
	return count;
}

static void deal(const struct mill_groups *groups, uint32_t slot)
{
	const struct mill_group *group = &groups->group[slot];
	const uint64_t word = *word_of(groups, slot);
	struct mill_deal_leg leg[MILL_GROUP_MAX_LEGS];
	for (uint32_t i = 0; i < group->n_legs; i++) {
		const uint32_t id = group->leg[i].adjacency;
		leg[i] = (struct mill_deal_leg){
		    .adjacency = id,
		    .identity = mill_adjacency_identity(mill_fib_adjacency(groups->fib, id)),
		    .weight = group->leg[i].weight};
	}
	mill_deal(leg, group->n_legs, bucket_at(groups, (uint32_t)word), group->home, size_of(word));
}

static uint32_t size_for(const struct mill_fib_leg *leg, uint32_t n)
{
	struct mill_deal_leg dealt[MILL_GROUP_MAX_LEGS];
	for (uint32_t i = 0; i < n; i++)
		dealt[i].weight = leg[i].weight;
	return mill_deal_size(dealt, n);
}

static void drop_legs(struct mill_groups *groups, struct mill_fib_leg *leg, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		mill_adjacencies_drop(groups->adjacencies, leg[i].adjacency);
	free(leg);
}

static void forget_legs(struct mill_groups *groups, struct mill_group *group)
{
	drop_legs(groups, group->leg, group->n_legs);
	free(group->home);
	group->leg = NULL;
	group->home = NULL;
	group->n_legs = 0;
}

/* Buckets for these weights; where there are not enough left, fewer, among which weights are honoured less exactly. */
static bool make_room(struct mill_groups *groups, uint32_t slot, const struct mill_fib_leg *leg, uint32_t n)
{
	for (uint32_t size = size_for(leg, n); size >= FEWEST_BUCKETS && size >= n; size /= 2)
		if (grow(groups, slot, size))
			return true;
	return false;
}

/* Buckets stay when only one leg is left: it keeps them for those that may come back. */
static bool set_legs(struct mill_groups *groups, uint32_t slot, const struct mill_fib_leg *leg, uint32_t n)
{
	struct mill_group *group = &groups->group[slot];
	if (n == 0) {
		set_word(groups, slot, 0);
		forget_legs(groups, group);
		return true;
	}
	struct mill_fib_leg *own = malloc(n * sizeof(*own));
	if (own == NULL || (n >= 2 && !make_room(groups, slot, leg, n))) {
		free(own);
		return false;
	}
	memcpy(own, leg, n * sizeof(*own));
	for (uint32_t i = 0; i < n; i++)
		mill_adjacencies_hold(groups->adjacencies, own[i].adjacency);
	struct mill_fib_leg *before = group->leg;
	const uint32_t n_before = group->n_legs;
	group->leg = own;
	group->n_legs = n;
	if (group->home != NULL)
		deal(groups, slot);
	else
		set_word(groups, slot, own[0].adjacency);
	drop_legs(groups, before, n_before);
	return true;
}

/* Owners of buckets as group `from` of the other FIB has them, in our numbers; who is no leg of ours keeps a right. */
static void copy_deal(struct mill_groups *groups, uint32_t slot, const struct mill_fib *other, uint64_t from)
{
	const struct mill_group *group = &groups->group[slot];
	const uint64_t word = *word_of(groups, slot);
	const uint32_t had = size_of(from);
	const uint32_t *theirs = MILL_FIB_AT(other, uint32_t, MILL_FIB_BUCKET_OFFSET) + (uint32_t)from;
	uint32_t identity[MILL_GROUP_MAX_LEGS];
	for (uint32_t k = 0; k < group->n_legs; k++)
		identity[k] =
		    mill_adjacency_identity(mill_fib_adjacency(groups->fib, group->leg[k].adjacency));
	for (uint32_t i = 0; i < size_of(word); i++) {
		const uint32_t id = had == 0 ? (uint32_t)from : theirs[i & (had - 1)];
		uint32_t k = 0;
		group->home[i] = mill_adjacency_identity(mill_fib_adjacency(other, id));
		while (k < group->n_legs && identity[k] != group->home[i])
			k++;
		*bucket_at(groups, (uint32_t)word + i) =
		    k < group->n_legs ? group->leg[k].adjacency : MILL_DEAL_NOBODY;
	}
}

void mill_groups_follow(struct mill_groups *groups, uint32_t slot, const struct mill_fib *other,
                        uint32_t from)
{
	struct mill_group *group = &groups->group[slot];
	const uint64_t theirs = MILL_FIB_AT(other, uint64_t, MILL_FIB_GROUP_OFFSET)[from];
	const struct mill_group *known = other == groups->fib ? &groups->group[from] : NULL;
	if (theirs == 0)
		return;
	/* without room for as many buckets as there were, more flows move */
	grow(groups, slot, size_of(theirs));
	copy_deal(groups, slot, other, theirs);
	for (uint32_t i = 0; known != NULL && known->home != NULL && i < size_of(*word_of(groups, slot)); i++)
		group->home[i] = known->home[i & (size_of(theirs) - 1)];
	deal(groups, slot);
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
	struct mill_fib_leg leg[MILL_GROUP_MAX_LEGS];
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

bool mill_groups_lead_here(const struct mill_groups *groups, uint32_t slot)
{
	const struct mill_group *group = &groups->group[slot];
	uint32_t i = 0;
	while (i < group->n_legs &&
	       mill_fib_adjacency(groups->fib, group->leg[i].adjacency)->kind != MILL_ADJ_LOCAL)
		i++;
	return i < group->n_legs;
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
	forget_legs(groups, group);
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

void mill_groups_sweep(struct mill_groups *groups, bool keep_used)
{
	for (uint32_t slot = MILL_GROUP_VOID + 1; slot < groups->slots.next; slot++) {
		const uint32_t session = groups->group[slot].session;
		if (session != 0 && session != groups->session &&
		    !(keep_used && groups->group[slot].references != 0))
			retire(groups, slot);
	}
}
