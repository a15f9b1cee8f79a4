/*
 * Quiescent-state based reclamation (McKenney and Slingwine 1998; Hart et al. 2007). A reader says by its epoch in
 * the state memfd (mill_worker_state.epoch) when it holds nothing: raised by 2 between two bursts; even while it
 * sleeps. What a writer has unlinked is freed once each reader that was awake then has moved on. Nobody waits:
 * frees are queued, and mill_qsbr_poll runs those whose time has come.
 *
 * Threads: the inline functions are for the reader that owns the epoch; everything else for the one writer.
 * Readers' changes are sequentially consistent: a reader's later loads must not be satisfied before its epoch is
 * seen, or the writer would take it for gone while it still finds the old entry.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "shm/state.h"

static inline void mill_qsbr_online(uint64_t *epoch)
{
	__atomic_store_n(epoch, (*epoch + 1) | 1, __ATOMIC_SEQ_CST);
}

/* Between two bursts: nothing of the FIB is held any more. */
static inline void mill_qsbr_quiescent(uint64_t *epoch)
{
	__atomic_store_n(epoch, *epoch + 2, __ATOMIC_SEQ_CST);
}

/* Before it may sleep, and when it ends. */
static inline void mill_qsbr_offline(uint64_t *epoch)
{
	__atomic_store_n(epoch, (*epoch + 1) & ~1ull, __ATOMIC_SEQ_CST);
}

typedef void mill_qsbr_free(void *owner, uint64_t value);

struct mill_qsbr_item {
	mill_qsbr_free *run;
	void *owner;
	uint64_t value;
};

struct mill_qsbr_batch {
	struct mill_qsbr_item *item;
	uint32_t n, capacity;
};

struct mill_qsbr {
	const struct mill_state *state;
	uint64_t snapshot[MILL_MAX_WORKERS];
	struct mill_qsbr_batch waiting; /* unlinked before `snapshot` was taken */
	struct mill_qsbr_batch open;    /* unlinked since */
};

void mill_qsbr_init(struct mill_qsbr *, const struct mill_state *);
/* Calls run(owner, value) after a grace period. Out of memory: waits for it here. */
void mill_qsbr_defer(struct mill_qsbr *, mill_qsbr_free *run, void *owner, uint64_t value);
/* Runs what is due; false when nothing is left to wait for. */
bool mill_qsbr_poll(struct mill_qsbr *);
/* Returns when all that was deferred has run, or at the latest after `timeout_ms`; true when nothing is left. */
bool mill_qsbr_drain(struct mill_qsbr *, uint32_t timeout_ms);
/* Runs everything at once: for when there are no readers any more. */
void mill_qsbr_finish(struct mill_qsbr *);
