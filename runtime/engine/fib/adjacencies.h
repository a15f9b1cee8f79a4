/*
 * Adjacencies of one struct mill_fib. `id` is ours and stays as long as the daemon keeps its number (`key`); what
 * the id says now lies in some slot of adjacency[], complete before adjacency_slot[id] names it. Id 0 is
 * MILL_ADJ_NONE. Legs of groups hold references: a deleted adjacency says NONE until the last one is gone.
 *
 * Threads: the FIB writer's own.
 */
#pragma once
#include "fib/id_map.h"
#include "fib/qsbr.h"
#include "fib/slots.h"
#include "netmill/fib.h"
#include "netmill/forwarder.h"

struct mill_adjacency_owner {
	uint32_t references;
	uint32_t session; /* replay that set it; 0: deleted or free */
};

struct mill_adjacencies {
	struct mill_fib *fib;
	struct mill_qsbr *qsbr;
	const struct mill_iface *ifaces;
	struct mill_adjacency_owner *owner; /* by id */
	struct mill_slots ids, slots;
	struct mill_id_map map; /* key → id, of this session */
	uint32_t session, n;
};

bool mill_adjacencies_init(struct mill_adjacencies *, struct mill_fib *, struct mill_qsbr *,
                           const struct mill_iface *);
void mill_adjacencies_finish(struct mill_adjacencies *);

/* False: no room, nothing changed. */
bool mill_adjacencies_set(struct mill_adjacencies *, const struct mill_fib_record *);
/* Unknown keys are allowed. */
void mill_adjacencies_delete(struct mill_adjacencies *, uint32_t key);
/* Where it leads, by what it says and not by its number: the same in another session or place. Never 0. */
uint32_t mill_adjacency_identity(const struct mill_adjacency *);
/* 0 (NONE) for an unknown key. */
uint32_t mill_adjacencies_id(const struct mill_adjacencies *, uint32_t key);
void mill_adjacencies_hold(struct mill_adjacencies *, uint32_t id);
void mill_adjacencies_drop(struct mill_adjacencies *, uint32_t id);
/* Makes the rewrites over this interface anew. False: no room for some, which stay as they were. */
bool mill_adjacencies_rebuild(struct mill_adjacencies *, uint16_t iface);

/* The daemon starts its numbers afresh; what it had stays until the sweep. */
void mill_adjacencies_new_session(struct mill_adjacencies *);
/* Those of earlier sessions go; with `keep_used` only those that nothing names. */
void mill_adjacencies_sweep(struct mill_adjacencies *, bool keep_used);
