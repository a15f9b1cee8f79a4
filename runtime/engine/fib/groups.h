/*
 * Path groups of one struct mill_fib: a single path is one adjacency id; several are a power of two of buckets,
 * dealt by weight. A change deals anew only the buckets of legs that are gone or have too many, in place, so that
 * the other legs' flows stay where they are (the idea of consistent, "resilient" hashing of switches' ECMP tables);
 * and a leg that comes back gets its own again. A group that takes the place of another is dealt like that one.
 *
 * Slot 0 is no route. Slot 1 (MILL_GROUP_VOID) is a route to nowhere, for routes whose group is not known: they
 * must not fall through to a shorter prefix. Routes and gateways hold references; a deleted group has no path until
 * the last one is gone.
 *
 * Threads: the FIB writer's own.
 */
#pragma once
#include "fib/adjacencies.h"

#define MILL_GROUP_VOID     1u
#define MILL_GROUP_MAX_LEGS 1024u
#define MILL_BUCKET_CLASSES 17u /* log2 of the size */

struct mill_group {
	struct mill_fib_leg *leg; /* ids of adjacencies, each held */
	uint32_t *home;           /* by bucket, while there are buckets: deal.h */
	uint32_t n_legs;
	uint32_t key;
	uint32_t references;
	uint32_t session; /* replay that set it; 0: deleted or free */
};

struct mill_groups {
	struct mill_fib *fib;
	struct mill_qsbr *qsbr;
	struct mill_adjacencies *adjacencies;
	struct mill_group *group; /* by slot */
	struct mill_slots slots;
	struct mill_id_map map;                    /* key → slot, of this session */
	uint32_t bucket_free[MILL_BUCKET_CLASSES]; /* first free block + 1; blocks are chained likewise */
	uint32_t bucket_next;                      /* never used from here on */
	uint32_t session, n;
};

bool mill_groups_init(struct mill_groups *, struct mill_fib *, struct mill_qsbr *, struct mill_adjacencies *);
void mill_groups_finish(struct mill_groups *);

/* Legs in the daemon's numbers. False: no room, nothing changed. */
bool mill_groups_set(struct mill_groups *, uint32_t key, const struct mill_fib_leg *, uint32_t n);
/* Nobody uses it yet, and it has several legs. */
static inline bool mill_groups_may_follow(const struct mill_groups *groups, uint32_t slot)
{
	return groups->group[slot].references == 0 && groups->group[slot].n_legs > 1;
}
/* Such a group takes the place of group `from` of `other`, which may be another FIB: its buckets are dealt so that as
 * few flows as possible move. */
void mill_groups_follow(struct mill_groups *, uint32_t slot, const struct mill_fib *other, uint32_t from);
/* Unknown keys are allowed. */
void mill_groups_delete(struct mill_groups *, uint32_t key);
/* MILL_GROUP_VOID for an unknown key. */
uint32_t mill_groups_slot(const struct mill_groups *, uint32_t key);
/* One of its legs is the router itself. */
bool mill_groups_lead_here(const struct mill_groups *, uint32_t slot);
void mill_groups_hold(struct mill_groups *, uint32_t slot);
void mill_groups_drop(struct mill_groups *, uint32_t slot);

void mill_groups_new_session(struct mill_groups *);
/* Those of earlier sessions go; with `keep_used` only those that nothing names. */
void mill_groups_sweep(struct mill_groups *, bool keep_used);
