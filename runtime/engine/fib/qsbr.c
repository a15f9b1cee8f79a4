/*
 * Deferred frees in two generations: `open` collects; when nothing waits any more it becomes `waiting` with a
 * snapshot of all epochs, and runs when each epoch of the snapshot was even or is another one now. qsbr.h has the
 * rules and the threads.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "fib/qsbr.h"

void mill_qsbr_init(struct mill_qsbr *qsbr, const struct mill_state *state)
{
	memset(qsbr, 0, sizeof(*qsbr));
	qsbr->state = state;
}

static void take_snapshot(struct mill_qsbr *qsbr)
{
	/* pairs with the readers' sequentially consistent stores: who is awake after this sees the unlinking */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < MILL_MAX_WORKERS; i++)
		qsbr->snapshot[i] = __atomic_load_n(&qsbr->state->worker[i].epoch, __ATOMIC_SEQ_CST);
}

static bool snapshot_passed(const struct mill_qsbr *qsbr)
{
	for (uint32_t i = 0; i < MILL_MAX_WORKERS; i++)
		if ((qsbr->snapshot[i] & 1) &&
		    qsbr->snapshot[i] == __atomic_load_n(&qsbr->state->worker[i].epoch, __ATOMIC_ACQUIRE))
			return false;
	return true;
}

static void run_all(struct mill_qsbr_batch *batch)
{
	for (uint32_t i = 0; i < batch->n; i++)
		batch->item[i].run(batch->item[i].owner, batch->item[i].value);
	batch->n = 0;
}

bool mill_qsbr_poll(struct mill_qsbr *qsbr)
{
	if (qsbr->waiting.n > 0) {
		if (!snapshot_passed(qsbr))
			return true;
		run_all(&qsbr->waiting);
	}
	if (qsbr->open.n == 0)
		return false;
	const struct mill_qsbr_batch empty = qsbr->waiting;
	qsbr->waiting = qsbr->open;
	qsbr->open = empty;
	take_snapshot(qsbr);
	return true;
}

bool mill_qsbr_drain(struct mill_qsbr *qsbr, uint32_t timeout_ms)
{
	const struct timespec nap = {0, 100000};
	for (uint32_t i = 0; mill_qsbr_poll(qsbr); i++) {
		if (i / 10 >= timeout_ms)
			return false;
		nanosleep(&nap, NULL);
	}
	return true;
}

static void wait_and_run(struct mill_qsbr *qsbr, const struct mill_qsbr_item *item)
{
	const struct timespec nap = {0, 100000};
	while (mill_qsbr_poll(qsbr))
		nanosleep(&nap, NULL);
	take_snapshot(qsbr);
	while (!snapshot_passed(qsbr))
		nanosleep(&nap, NULL);
	item->run(item->owner, item->value);
}

void mill_qsbr_defer(struct mill_qsbr *qsbr, mill_qsbr_free *run, void *owner, uint64_t value)
{
	const struct mill_qsbr_item item = {run, owner, value};
	struct mill_qsbr_batch *batch = &qsbr->open;
	if (batch->n == batch->capacity) {
		const uint32_t capacity = batch->capacity ? batch->capacity * 2 : 64;
		void *grown = realloc(batch->item, capacity * sizeof(item));
		if (grown == NULL) {
			wait_and_run(qsbr, &item);
			return;
		}
		batch->item = grown;
		batch->capacity = capacity;
	}
	batch->item[batch->n++] = item;
}

void mill_qsbr_finish(struct mill_qsbr *qsbr)
{
	run_all(&qsbr->waiting);
	run_all(&qsbr->open);
	free(qsbr->waiting.item);
	free(qsbr->open.item);
	memset(&qsbr->waiting, 0, sizeof(qsbr->waiting));
	memset(&qsbr->open, 0, sizeof(qsbr->open));
}
