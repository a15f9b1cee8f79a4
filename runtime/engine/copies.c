/*
 * Copies of packets to mirror ports, and samples of them for the log: of one packet in so many, at random (RFC 5475
 * §5.2.2.2, uniform probabilistic sampling), by a generator of each worker's own (Marsaglia, "Xorshift RNGs", 2003). A
 * copy is written into the worker's way to that port, if more than a burst has room there: copies never take the last
 * slots from packets that are forwarded to that port. Everything runs on its worker.
 */
#include <string.h>
#include "engine.h"

static bool chosen(struct mill_worker_thread *worker, uint32_t one_in)
{
	uint64_t x = worker->random;
	if (one_in <= 1)
		return true;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	worker->random = x;
	return (x >> 32) * one_in >> 32 == 0;
}

bool mill_service_mirror(struct mill_worker *base, uint16_t port, uint32_t one_in, const uint8_t *frame,
                         uint16_t len)
{
	struct netmap_ring *tx = port < MILL_MAX_PORTS ? base->tx[port] : NULL;
	if (!chosen((struct mill_worker_thread *)base, one_in))
		return true;
	if (tx == NULL || mill_ring_space(tx) <= MILL_BURST)
		return false;
	struct netmap_slot *slot = &tx->slot[tx->head];
	if (mill_slot_offset(tx, slot) + len > tx->nr_buf_size)
		return false;
	memcpy(mill_ring_buffer(tx, slot), frame, len);
	slot->len = len;
	slot->flags &= NS_BUF_CHANGED;
	tx->head = tx->cur = mill_ring_next(tx, tx->head);
	base->tx_dirty |= 1ull << port;
	return true;
}

void mill_service_sample(struct mill_worker *base, uint32_t rule_slot, uint32_t one_in, uint16_t iface,
                         const uint8_t *frame, uint16_t len, uint16_t l3)
{
	struct mill_worker_thread *worker = (struct mill_worker_thread *)base;
	if (rule_slot < MILL_MAX_RULES && chosen(worker, one_in))
		mill_write_event(worker, rule_slot, iface, frame, len, l3);
}
