/*
 * The last step: a new link header in front of the packet and its buffer into a TX ring, by exchange of buffers.
 * The slot is reserved before a byte of the packet changes; a full ring drops and counts, and waits for nobody.
 */
#pragma once
#include "netmill/checks.h"

/* Link headers are 14, 18 or 22 bytes; the last two are the ethertype, which stands before the network header
 * already. Copies of constant length, as the compiler makes them single moves. */
static inline void mill_write_link(uint8_t *to, const struct mill_adjacency *adjacency)
{
	memcpy(to, adjacency->rewrite, 12);
	if (adjacency->rewrite_len == 16)
		memcpy(to + 12, adjacency->rewrite + 12, 4);
	else if (adjacency->rewrite_len == 20)
		memcpy(to + 12, adjacency->rewrite + 12, 8);
}

#ifdef MILL_MARKS
static inline void mill_write_mark(const struct mill_packet *p)
{
	if (p->mark == MILL_NO_MARK)
		return;
	if (p->family == 4)
		mill_ipv4_set_dscp(p->l3, p->mark);
	else
		mill_ipv6_set_dscp(p->l3, p->mark);
}
#endif

/* What changes in the IP header on the way: TTL, and the DSCP where rules set one. */
static inline void mill_lower_ttl(struct mill_packet *p)
{
#ifdef MILL_MARKS
	mill_write_mark(p);
#endif
	if (mill_likely(p->family == 4))
		mill_ipv4_lower_ttl(p->l3);
	else
		p->l3[7]--;
}

/* True: the buffers were exchanged; the frame begins `moved` bytes later than it did. Otherwise it must be copied: other
 * memory, or no room for the header. */
MILL_HOT bool mill_exchange(const struct netmap_ring *rx, const uint8_t *memory, struct netmap_ring *tx,
                            struct netmap_slot *to, struct netmap_slot *from, int32_t moved, uint16_t len)
{
	if (mill_unlikely(mill_ring_memory(tx) != memory || tx->offset_mask != rx->offset_mask))
		return false;
	if (mill_unlikely(moved != 0)) {
		const int64_t offset = (int64_t)mill_slot_offset(rx, from) + moved;
		if (offset < 0 || ((uint64_t)offset & ~rx->offset_mask) != 0)
			return false;
		mill_slot_set_offset(rx, from, (uint32_t)offset);
	}
	mill_slot_swap(to, from, len);
	return true;
}

/* The frame as it will be sent, in a buffer of the TX ring. False: too long for it. */
MILL_COLD bool mill_copy(struct netmap_ring *tx, struct netmap_slot *to, const struct mill_packet *p,
                         const struct mill_adjacency *adjacency)
{
	const uint32_t header = adjacency->rewrite_len + 2u;
	if (mill_slot_offset(tx, to) + header + p->ip_len > tx->nr_buf_size)
		return false;
	uint8_t *frame = mill_ring_buffer(tx, to);
	memcpy(frame + header - 2, p->l3 - 2, p->ip_len + 2);
	mill_write_link(frame, adjacency);
	to->len = (uint16_t)(header + p->ip_len);
	to->flags &= NS_BUF_CHANGED;
	return true;
}

/* By an adjacency of kind FORWARD. `memory`: of the RX ring's buffers. */
MILL_HOT void mill_transmit(struct mill_worker *w, struct netmap_ring *rx, const uint8_t *memory,
                            struct mill_packet *p, const struct mill_adjacency *adjacency)
{
	struct netmap_ring *tx = w->tx[adjacency->port];
	if (mill_unlikely(tx == NULL || !w->ifaces[adjacency->iface].up)) {
		mill_drop(w, p, MILL_DROP_EGRESS_DOWN);
		return;
	}
	const uint32_t head = tx->head;
	if (mill_unlikely(head == tx->tail)) {
		mill_drop(w, p, MILL_DROP_TX_FULL);
		return;
	}
	struct netmap_slot *to = &tx->slot[head];
	const uint32_t header = adjacency->rewrite_len + 2u, len = header + p->ip_len;
	mill_lower_ttl(p);
	if (mill_likely(mill_exchange(rx, memory, tx, to, p->slot, (int32_t)(p->l3 - p->frame - header),
	                              (uint16_t)len))) {
		mill_write_link(p->l3 - header, adjacency);
	} else if (!mill_copy(tx, to, p, adjacency)) {
		mill_drop(w, p, MILL_DROP_TOO_BIG);
		return;
	}
	tx->head = tx->cur = mill_ring_next(tx, head);
	w->tx_dirty |= 1ull << adjacency->port;
	mill_count(&w->if_counters[adjacency->iface].tx, len);
}
