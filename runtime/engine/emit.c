/*
 * Sending a frame that left the fast path (deferred, fragment): copied into a free TX slot of the calling worker
 * behind the adjacency's rewrite. Worker threads.
 */
#include <string.h>
#include "engine.h"

bool mill_emit(struct mill_worker *worker, const struct mill_adjacency *adjacency, const uint8_t *frame,
               uint16_t len, uint16_t l3, enum mill_drop *why)
{
	*why = MILL_DROP_EGRESS_DOWN;
	if (!mill_fib_egress_up(worker->fib, adjacency) || adjacency->iface >= MILL_MAX_IFACES ||
	    !worker->ifaces[adjacency->iface].up || worker->tx[adjacency->port] == NULL)
		return false;
	struct netmap_ring *tx = worker->tx[adjacency->port];
	const uint32_t payload = len - l3;
	const uint32_t total = adjacency->rewrite_len + 2u + payload;
	*why = MILL_DROP_TX_FULL;
	if (mill_ring_space(tx) == 0)
		return false;
	struct netmap_slot *slot = &tx->slot[tx->head];
	mill_slot_set_offset(tx, slot, MILL_HEADROOM);
	*why = MILL_DROP_TOO_BIG;
	if (mill_slot_offset(tx, slot) + total > tx->nr_buf_size)
		return false;
	uint8_t *to = mill_ring_buffer(tx, slot);
	memcpy(to, adjacency->rewrite, adjacency->rewrite_len);
	memcpy(to + adjacency->rewrite_len, frame + l3 - 2, 2 + payload);
	slot->len = (uint16_t)total;
	slot->flags &= NS_BUF_CHANGED;
	tx->head = tx->cur = mill_ring_next(tx, tx->head);
	worker->tx_dirty |= 1ull << adjacency->port;
	struct mill_counter *counter = &worker->if_counters[adjacency->iface].tx;
	counter->packets++;
	counter->bytes += total;
	return true;
}
