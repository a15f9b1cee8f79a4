/* adjacencies.h. The rewrite is what stands before the EtherType: IEEE 802.3 §3.2, tags as in IEEE 802.1Q §9.6. */
#include <string.h>
#include "fib/adjacencies.h"

#define NONE_SLOT 0u

static uint32_t *slot_of(const struct mill_adjacencies *adjacencies, uint32_t id)
{
	return (uint32_t *)((uint8_t *)adjacencies->fib + MILL_FIB_SLOT_OFFSET) + id;
}

static struct mill_adjacency *at(const struct mill_adjacencies *adjacencies, uint32_t slot)
{
	return (struct mill_adjacency *)((uint8_t *)adjacencies->fib + MILL_FIB_ADJACENCY_OFFSET) + slot;
}

bool mill_adjacencies_init(struct mill_adjacencies *adjacencies, struct mill_fib *fib, struct mill_qsbr *qsbr,
                           const struct mill_iface *ifaces)
{
	memset(adjacencies, 0, sizeof(*adjacencies));
	adjacencies->fib = fib;
	adjacencies->qsbr = qsbr;
	adjacencies->ifaces = ifaces;
	adjacencies->session = 1;
	*at(adjacencies, NONE_SLOT) =
	    (struct mill_adjacency){.kind = MILL_ADJ_NONE, .iface = MILL_NONE, .port = MILL_NONE};
	adjacencies->owner = mill_fib_reserve(MILL_FIB_ADJACENCIES * sizeof(*adjacencies->owner));
	const bool ids = mill_slots_init(&adjacencies->ids, 1, MILL_FIB_ADJACENCIES, MILL_FIB_ADJACENCIES);
	const bool slots =
	    mill_slots_init(&adjacencies->slots, 1, MILL_FIB_ADJACENCIES, MILL_FIB_ADJACENCIES);
	if (adjacencies->owner != NULL && ids && slots)
		return true;
	mill_adjacencies_finish(adjacencies);
	return false;
}

void mill_adjacencies_finish(struct mill_adjacencies *adjacencies)
{
	mill_fib_unreserve(adjacencies->owner, MILL_FIB_ADJACENCIES * sizeof(*adjacencies->owner));
	mill_slots_finish(&adjacencies->ids);
	mill_slots_finish(&adjacencies->slots);
	mill_id_map_finish(&adjacencies->map);
	memset(adjacencies, 0, sizeof(*adjacencies));
}

static bool sends(uint8_t kind)
{
	return kind == MILL_ADJ_FORWARD || kind == MILL_ADJ_RESOLVE || kind == MILL_ADJ_GLEAN;
}

/* Everything of the adjacency that comes from its interface. The neighbour's MAC is the first six bytes. */
static void join_iface(struct mill_adjacency *adjacency, const struct mill_iface *ifaces)
{
	adjacency->port = MILL_NONE;
	adjacency->mtu = 0;
	if (ifaces == NULL || !sends(adjacency->kind) || adjacency->iface >= MILL_MAX_IFACES)
		return;
	const struct mill_iface *iface = &ifaces[adjacency->iface];
	adjacency->port = iface->port;
	adjacency->mtu = iface->mtu;
	if (adjacency->kind != MILL_ADJ_FORWARD)
		return;
	const uint8_t n_tags = iface->n_tags > 2 ? 2 : iface->n_tags;
	memcpy(adjacency->rewrite + 6, &iface->mac, 6);
	memcpy(adjacency->rewrite + 12, iface->tags, n_tags * 4u);
	adjacency->rewrite_len = (uint8_t)(12 + n_tags * 4);
}

static struct mill_adjacency from_record(const struct mill_fib_record *record)
{
	struct mill_adjacency adjacency = {
	    .kind = record->kind < MILL_ADJ_KINDS ? record->kind : MILL_ADJ_NONE,
	    .family = record->family,
	    .iface = record->iface < MILL_MAX_IFACES ? record->iface : MILL_NONE,
	    .key = record->id,
	};
	memcpy(adjacency.rewrite, record->mac, 6);
	memcpy(adjacency.address, record->address, sizeof(adjacency.address));
	return adjacency;
}

/* One store makes `adjacency` what the id says; what it said before is freed after a grace period. */
static bool publish(struct mill_adjacencies *adjacencies, uint32_t id, const struct mill_adjacency *adjacency)
{
	const uint32_t slot = mill_slots_take(&adjacencies->slots);
	const uint32_t old = *slot_of(adjacencies, id);
	if (slot == MILL_SLOT_NONE)
		return false;
	*at(adjacencies, slot) = *adjacency;
	__atomic_store_n(slot_of(adjacencies, id), slot, __ATOMIC_RELEASE);
	if (old != NONE_SLOT)
		mill_qsbr_defer(adjacencies->qsbr, mill_slots_give_later, &adjacencies->slots, old);
	return true;
}

static bool same(const struct mill_adjacency *a, const struct mill_adjacency *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static uint32_t new_id(struct mill_adjacencies *adjacencies, uint32_t key)
{
	const uint32_t id = mill_slots_take(&adjacencies->ids);
	if (id == MILL_SLOT_NONE)
		return 0;
	if (!mill_id_map_put(&adjacencies->map, key, id)) {
		mill_slots_give(&adjacencies->ids, id);
		return 0;
	}
	adjacencies->owner[id] = (struct mill_adjacency_owner){0, adjacencies->session};
	adjacencies->n++;
	return id;
}

bool mill_adjacencies_set(struct mill_adjacencies *adjacencies, const struct mill_fib_record *record)
{
	const uint32_t known = mill_id_map_get(&adjacencies->map, record->id);
	const uint32_t id = known ? known : new_id(adjacencies, record->id);
	struct mill_adjacency adjacency = from_record(record);
	if (id == 0)
		return false;
	adjacency.id = id;
	join_iface(&adjacency, adjacencies->ifaces);
	if (known && same(&adjacency, at(adjacencies, *slot_of(adjacencies, id))))
		return true;
	if (publish(adjacencies, id, &adjacency))
		return true;
	if (!known)
		mill_adjacencies_delete(adjacencies, record->id);
	return false;
}

/* As a mill_qsbr_free: no reader can have the id in hand any more. */
static void free_id(void *owner, uint64_t id)
{
	struct mill_adjacencies *adjacencies = owner;
	uint32_t *slot = slot_of(adjacencies, (uint32_t)id);
	if (*slot != NONE_SLOT)
		mill_slots_give(&adjacencies->slots, *slot);
	__atomic_store_n(slot, NONE_SLOT, __ATOMIC_RELEASE);
	mill_slots_give(&adjacencies->ids, (uint32_t)id);
}

/* What nobody refers to keeps its meaning for readers on their way to it; what somebody still does says NONE. */
static void retire(struct mill_adjacencies *adjacencies, uint32_t id)
{
	const uint32_t old = *slot_of(adjacencies, id);
	adjacencies->owner[id].session = 0;
	adjacencies->n--;
	if (adjacencies->owner[id].references == 0) {
		mill_qsbr_defer(adjacencies->qsbr, free_id, adjacencies, id);
		return;
	}
	__atomic_store_n(slot_of(adjacencies, id), NONE_SLOT, __ATOMIC_RELEASE);
	if (old != NONE_SLOT)
		mill_qsbr_defer(adjacencies->qsbr, mill_slots_give_later, &adjacencies->slots, old);
}

void mill_adjacencies_delete(struct mill_adjacencies *adjacencies, uint32_t key)
{
	const uint32_t id = mill_id_map_get(&adjacencies->map, key);
	if (id == 0)
		return;
	mill_id_map_remove(&adjacencies->map, key);
	retire(adjacencies, id);
}

uint32_t mill_adjacencies_id(const struct mill_adjacencies *adjacencies, uint32_t key)
{
	return mill_id_map_get(&adjacencies->map, key);
}

uint32_t mill_adjacency_identity(const struct mill_adjacency *adjacency)
{
	/* a neighbour stays itself when its MAC comes or goes */
	const uint8_t kind = adjacency->kind == MILL_ADJ_RESOLVE ? MILL_ADJ_FORWARD : adjacency->kind;
	uint32_t hash = 2166136261u ^ kind; /* FNV-1a, Fowler, Noll and Vo */
	hash = (hash * 16777619u ^ adjacency->family) * 16777619u ^ adjacency->iface;
	for (uint32_t i = 0; i < sizeof(adjacency->address); i++)
		hash = hash * 16777619u ^ adjacency->address[i];
	return hash | 1;
}

void mill_adjacencies_hold(struct mill_adjacencies *adjacencies, uint32_t id)
{
	if (id != 0)
		adjacencies->owner[id].references++;
}

void mill_adjacencies_drop(struct mill_adjacencies *adjacencies, uint32_t id)
{
	if (id == 0)
		return;
	struct mill_adjacency_owner *owner = &adjacencies->owner[id];
	if (--owner->references == 0 && owner->session == 0)
		mill_qsbr_defer(adjacencies->qsbr, free_id, adjacencies, id);
}

bool mill_adjacencies_rebuild(struct mill_adjacencies *adjacencies, uint16_t iface)
{
	bool all = true;
	for (uint32_t id = 1; id < adjacencies->ids.next; id++) {
		const struct mill_adjacency *now = at(adjacencies, *slot_of(adjacencies, id));
		struct mill_adjacency changed = *now;
		if (adjacencies->owner[id].session == 0 || now->iface != iface)
			continue;
		memset(changed.rewrite + 6, 0, sizeof(changed.rewrite) - 6);
		changed.rewrite_len = 0;
		join_iface(&changed, adjacencies->ifaces);
		if (!same(&changed, now))
			all = publish(adjacencies, id, &changed) && all;
	}
	return all;
}

void mill_adjacencies_new_session(struct mill_adjacencies *adjacencies)
{
	adjacencies->session++;
	mill_id_map_clear(&adjacencies->map);
}

void mill_adjacencies_sweep(struct mill_adjacencies *adjacencies, bool keep_used)
{
	for (uint32_t id = 1; id < adjacencies->ids.next; id++) {
		const uint32_t session = adjacencies->owner[id].session;
		if (session != 0 && session != adjacencies->session &&
		    !(keep_used && adjacencies->owner[id].references != 0))
			retire(adjacencies, id);
	}
}
