/*
 * A forwarder for tests of ports with a host stack: two ports; what is for the receiving interface's own MAC, or for many,
 * goes to the host, the rest leaves by the other port unchanged. Interface = port, but tagged frames belong to
 * interface 2 (on port 0) when the configuration has one. The upper two bits of an IPv4 packet's TOS choose the class.
 */
#include <string.h>
#include "netmill/forwarder.h"

static bool is_tagged(const uint8_t *frame)
{
	return (frame[12] == 0x81 && frame[13] == 0x00) || (frame[12] == 0x88 && frame[13] == 0xa8);
}

static bool for_host(const struct mill_worker *worker, uint16_t iface, const uint8_t *frame)
{
	return (frame[0] & 1) != 0 || memcmp(frame, &worker->ifaces[iface].mac, 6) == 0;
}

static uint16_t network_header(const uint8_t *frame)
{
	uint16_t at = 14;
	for (int i = 0; i < 2 && is_tagged(frame + at - 14); i++)
		at += 4;
	return at;
}

static enum mill_punt_class class_of(const uint8_t *frame)
{
	static const enum mill_punt_class classes[] = {MILL_PUNT_LOCAL, MILL_PUNT_BGP, MILL_PUNT_ND,
	                                               MILL_PUNT_EXCEPTION};
	return frame[12] == 0x08 && frame[13] == 0x00 ? classes[frame[15] >> 6] : MILL_PUNT_LOCAL;
}

static void bridge(struct mill_worker *worker, struct netmap_ring *rx, uint32_t local)
{
	const uint16_t port = worker->bind->port[local ^ 1u];
	struct netmap_ring *tx = worker->tx[port];
	uint32_t n = mill_ring_space(rx), cur = rx->cur;
	n = n < MILL_BURST ? n : MILL_BURST;
	for (uint32_t i = 0; i < n; i++, cur = mill_ring_next(rx, cur)) {
		struct netmap_slot *slot = &rx->slot[cur];
		const uint8_t *frame = mill_ring_buffer(rx, slot);
		const bool tagged = is_tagged(frame);
		const uint16_t iface = worker->bind->iface[tagged && local == 0 ? 2 : local];
		struct mill_iface_counters *counters = &worker->if_counters[iface];
		counters->rx.packets++;
		counters->rx.bytes += slot->len;
		if (for_host(worker, iface, frame)) {
			if (!worker->services->punt(worker, iface, class_of(frame), frame, slot->len,
			                            network_header(frame)))
				counters->drop[MILL_DROP_PUNT_FULL]++;
			continue;
		}
		if (tx == NULL || mill_ring_space(tx) == 0) {
			counters->drop[tx == NULL ? MILL_DROP_EGRESS_DOWN : MILL_DROP_TX_FULL]++;
			continue;
		}
		mill_slot_swap(&tx->slot[tx->head], slot, slot->len);
		tx->head = tx->cur = mill_ring_next(tx, tx->head);
		worker->tx_dirty |= 1ull << port;
	}
	rx->head = rx->cur = cur;
}

static void receive_left(struct mill_worker *worker, struct netmap_ring *rx)
{
	bridge(worker, rx, 0);
}

static void receive_right(struct mill_worker *worker, struct netmap_ring *rx)
{
	bridge(worker, rx, 1);
}

static void (*const receive[])(struct mill_worker *, struct netmap_ring *) = {receive_left, receive_right};

const struct mill_forwarder mill_forwarder = {
    .abi = MILL_ABI_VERSION,
    .layout = MILL_LAYOUT,
    .n_ports = 2,
    .n_ifaces = 3,
    .n_rules = 2,
    .receive = receive,
};
