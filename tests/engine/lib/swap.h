/*
 * The smallest forwarders: what comes in on local port i leaves by local port i ^ 1 (the last of an odd number: by port
 * 0), unchanged, by buffer swap where both have one memory. Local port i counts on rule i. SWAP_PORTS says how many ports.
 */
#pragma once
#include <string.h>
#include "netmill/forwarder.h"

#ifndef SWAP_HASH
#define SWAP_HASH 0
#endif
#ifndef SWAP_LAYOUT
#define SWAP_LAYOUT MILL_LAYOUT
#endif

static inline void swap_burst(struct mill_worker *worker, struct netmap_ring *rx, uint32_t local)
{
	const uint32_t out = (local ^ 1u) < SWAP_PORTS ? local ^ 1u : 0;
	const uint16_t port = worker->bind->port[out];
	struct netmap_ring *tx = worker->tx[port];
	struct mill_iface_counters *counters = &worker->if_counters[worker->bind->iface[local]];
	struct mill_counter *rule = &worker->rule_counters[worker->bind->rule[local]];
	uint32_t n = mill_ring_space(rx), cur = rx->cur;
	n = n < MILL_BURST ? n : MILL_BURST;
	for (uint32_t i = 0; i < n; i++, cur = mill_ring_next(rx, cur)) {
		struct netmap_slot *slot = &rx->slot[cur];
		counters->rx.packets++;
		counters->rx.bytes += slot->len;
		if (tx == NULL || mill_ring_space(tx) == 0) {
			counters->drop[tx == NULL ? MILL_DROP_EGRESS_DOWN : MILL_DROP_TX_FULL]++;
			continue;
		}
		rule->packets++;
		rule->bytes += slot->len;
		if (mill_same_memory(rx, tx)) {
			mill_slot_swap(&tx->slot[tx->head], slot, slot->len);
		} else {
			struct netmap_slot *copy = &tx->slot[tx->head];
			memcpy(mill_ring_buffer(tx, copy), mill_ring_buffer(rx, slot), slot->len);
			copy->len = slot->len;
			copy->flags &= NS_BUF_CHANGED;
		}
		tx->head = tx->cur = mill_ring_next(tx, tx->head);
		worker->tx_dirty |= 1ull << port;
	}
	rx->head = rx->cur = cur;
}

#define SWAP_RECEIVE(n)                                                                                      \
	static void receive_##n(struct mill_worker *worker, struct netmap_ring *rx)                          \
	{                                                                                                    \
		swap_burst(worker, rx, n);                                                                   \
	}

/* All of it, of one function a port; `sets`: how many it asks. */
#define SWAP_FORWARDER(sets, ...)                                                                            \
	static void (*const receive[])(struct mill_worker *, struct netmap_ring *) = {__VA_ARGS__};          \
	_Static_assert(sizeof(receive) == SWAP_PORTS * sizeof(receive[0]), "one function a port");           \
	const struct mill_forwarder mill_forwarder = {                                                       \
	    .abi = MILL_ABI_VERSION,                                                                         \
	    .layout = SWAP_LAYOUT,                                                                           \
	    .policy_hash = {SWAP_HASH},                                                                      \
	    .n_ports = SWAP_PORTS,                                                                           \
	    .n_ifaces = SWAP_PORTS,                                                                          \
	    .n_rules = SWAP_PORTS,                                                                           \
	    .n_sets = (sets),                                                                                \
	    .receive = receive,                                                                              \
	}

extern const struct mill_forwarder mill_forwarder;
