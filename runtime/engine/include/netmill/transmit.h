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
	if (p->family == 4)
		mill_ipv4_lower_ttl(p->l3);
	else
		p->l3[7]--;
}

/* True: the buffers were exchanged. Otherwise the frame must be copied: other memory, or no room for the header. */
static inline bool mill_exchange(struct netmap_ring *rx, struct netmap_ring *tx, struct netmap_slot *to,
                                 struct netmap_slot *from, int32_t offset)
{
	if (!mill_same_memory(rx, tx) || offset < 0 || ((uint64_t)offset & ~tx->offset_mask) != 0)
		return false;
	mill_slot_swap(to, from);
	mill_slot_set_offset(tx, to, (uint32_t)offset);
	return true;
}

MILL_HOT void mill_transmit(struct mill_worker *w, struct netmap_ring *rx, struct mill_packet *p,
                            const struct mill_adjacency *adjacency)
{
	const struct mill_iface *out = &w->ifaces[adjacency->iface];
	struct netmap_ring *tx = w->tx[adjacency->port];
	if (tx == NULL || !out->up) {
		mill_drop(w, p, MILL_DROP_EGRESS_DOWN);
		return;
	}
	if (tx->head == tx->tail) {
		mill_drop(w, p, MILL_DROP_TX_FULL);
		return;
	}
	struct netmap_slot *to = &tx->slot[tx->head];
	uint32_t header = adjacency->rewrite_len + 2u, len = header + p->ip_len;
	int32_t offset =
	    (int32_t)(mill_slot_offset(rx, p->slot) + (uint32_t)(p->l3 - p->frame)) - (int32_t)header;
	mill_lower_ttl(p);
	if (mill_exchange(rx, tx, to, p->slot, offset)) {
		mill_write_link(p->l3 - header, adjacency);
	} else if (mill_slot_offset(tx, to) + len <= tx->nr_buf_size) {
		uint8_t *frame = mill_ring_buffer(tx, to);
		memcpy(frame + header - 2, p->l3 - 2, p->ip_len + 2);
		mill_write_link(frame, adjacency);
		to->flags &= NS_BUF_CHANGED;
	} else {
		mill_drop(w, p, MILL_DROP_TOO_BIG);
		return;
	}
	to->len = (uint16_t)len;
	tx->head = tx->cur = mill_ring_next(tx, tx->head);
	w->tx_dirty |= 1ull << adjacency->port;
	mill_count(&w->if_counters[adjacency->iface].tx, len);
}
