/*
 * Packets of dpdk: ports. A received mbuf's buffer goes into the RX ring and the slot's free one to the pool; what is sent goes
 * by the mbuf of its buffer, and the slot has a free one of the pool at once: nothing is copied here. (Devices that are a
 * socket or shared memory copy themselves.) An mbuf that is not one of ours, or is shared, is copied.
 */
#include <string.h>
#include "dpdk/dpdk.h"
#include "ring_sync.h"

#define DRAIN_ROUNDS 1024

static uint32_t index_of(const struct mill_region *region, const struct rte_mbuf *mbuf)
{
	return (uint32_t)(((const uint8_t *)mbuf->buf_addr - region->buffers) >> region->buf_shift);
}

static bool is_ours(const struct rte_mbuf *mbuf)
{
	return mbuf->pool == mill_dpdk_mempool && rte_mbuf_refcnt_read(mbuf) == 1;
}

/* As the pool wants it, and as it is sent. */
static void reset(struct rte_mbuf *mbuf)
{
	mbuf->ol_flags = RTE_MBUF_F_EXTERNAL;
	mbuf->next = NULL;
	mbuf->nb_segs = 1;
	mbuf->tx_offload = 0;
}

/* A tag that the device, or the kernel behind it, has taken out of the frame: of a type that nobody knows any more. */
static void put_tag_back(struct rte_mbuf *mbuf)
{
	const uint16_t tag[2] = {rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN), rte_cpu_to_be_16(mbuf->vlan_tci)};
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *) - MILL_DPDK_TAG;
	memmove(frame, frame + MILL_DPDK_TAG, 2 * RTE_ETHER_ADDR_LEN);
	memcpy(frame + 2 * RTE_ETHER_ADDR_LEN, tag, sizeof(tag));
	mbuf->data_off -= MILL_DPDK_TAG;
	mbuf->data_len += MILL_DPDK_TAG;
	mbuf->pkt_len += MILL_DPDK_TAG;
}

static bool is_frame(struct rte_mbuf *mbuf)
{
	if (mbuf->nb_segs != 1 || mbuf->data_len < RTE_ETHER_HDR_LEN)
		return false;
	if ((mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0) {
		if (mbuf->data_off < MILL_DPDK_TAG)
			return false;
		put_tag_back(mbuf);
	}
	return mbuf->data_off + mbuf->data_len <= mbuf->buf_len;
}

/* The packet into the slot. Returns the mbuf whose buffer is free now. */
static struct rte_mbuf *take(const struct mill_port *port, const struct netmap_ring *rx,
                             struct netmap_slot *slot, struct rte_mbuf *mbuf)
{
	struct rte_mbuf *freed = mbuf;
	slot->len = mbuf->data_len;
	if (is_ours(mbuf)) {
		freed = mill_dpdk_mbuf[slot->buf_idx];
		slot->buf_idx = index_of(port->region, mbuf);
		slot->flags = NS_BUF_CHANGED;
		mill_slot_set_offset(rx, slot, mbuf->data_off);
		return freed;
	}
	slot->flags = 0;
	mill_slot_set_offset(rx, slot, RTE_PKTMBUF_HEADROOM);
	memcpy(mill_ring_buffer(rx, slot), rte_pktmbuf_mtod(mbuf, const void *), slot->len);
	return freed;
}

/* A burst of the device's; returns how many came. */
static uint32_t receive(struct mill_port *port, uint32_t index, struct netmap_ring *rx)
{
	const struct mill_dpdk *dpdk = port->backend;
	struct rte_mbuf *mbuf[MILL_BURST], *freed[MILL_BURST];
	const uint16_t n = rte_eth_rx_burst(dpdk->id, (uint16_t)index, mbuf, MILL_BURST);
	uint32_t n_freed = 0, packets = 0;
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *none = mbuf[i];
		if (is_frame(mbuf[i])) {
			packets++;
			bytes += mbuf[i]->data_len;
			none = take(port, rx, &rx->slot[rx->tail], mbuf[i]);
			rx->tail = mill_ring_next(rx, rx->tail);
		}
		if (none->nb_segs != 1 || !is_ours(none)) {
			rte_pktmbuf_free(none);
			continue;
		}
		reset(none);
		freed[n_freed++] = none;
	}
	if (n_freed != 0)
		rte_mempool_put_bulk(mill_dpdk_mempool, (void *const *)freed, n_freed);
	if (n == 0)
		return 0;
	mill_tally(&port->state->ring[index].rx_packets, packets);
	mill_tally(&port->state->ring[index].rx_bytes, bytes);
	if (packets != n)
		mill_tally(&port->state->ring[index].rx_dropped, n - packets);
	return n;
}

/* No more than is looked at soon: the rest waits with the device, whose queue is there for that. Always asks for a whole burst, since
 * some drivers give nothing to who asks for less. */
void mill_dpdk_rx_sync(struct mill_port *port, uint32_t index)
{
	struct netmap_ring *rx = port->rx[index];
	while (mill_ring_space(rx) < MILL_BURST &&
	       mill_ring_distance(rx, rx->tail, mill_ring_previous(rx, rx->head)) >= MILL_BURST)
		if (receive(port, index, rx) < MILL_BURST)
			return;
}

/* --- sending -------------------------------------------------------------------------------------------- */

/* Free buffers for a burst: as many as there are, if fewer. */
static uint32_t fill_spares(const struct mill_dpdk *dpdk, uint32_t index, struct rte_mbuf **spare, uint32_t n)
{
	if (n == MILL_BURST ||
	    rte_mempool_get_bulk(mill_dpdk_mempool, (void **)spare + n, MILL_BURST - n) == 0)
		return MILL_BURST;
	(void)rte_eth_tx_done_cleanup(dpdk->id, (uint16_t)index, 0);
	while (n < MILL_BURST && rte_mempool_get(mill_dpdk_mempool, (void **)&spare[n]) == 0)
		n++;
	return n;
}

/* The frame of a slot, ready to be sent. */
static struct rte_mbuf *dress(const struct netmap_ring *tx, const struct netmap_slot *slot)
{
	struct rte_mbuf *mbuf = mill_dpdk_mbuf[slot->buf_idx];
	reset(mbuf);
	mbuf->data_off = (uint16_t)mill_slot_offset(tx, slot);
	mbuf->data_len = slot->len;
	mbuf->pkt_len = slot->len;
	return mbuf;
}

/* A kernel takes a frame above the MTU for tagged by this one type alone. */
static bool is_tag(const struct mill_dpdk *dpdk, const uint8_t *type)
{
	return (type[0] == 0x81 && type[1] == 0) ||
	       (dpdk->most_tags > 1 && type[0] == 0x88 && type[1] == 0xa8);
}

static bool carries(const struct mill_dpdk *dpdk, const uint8_t *frame, uint32_t len, uint32_t most)
{
	for (uint32_t tag = 0; len > most; tag++, most += MILL_DPDK_TAG)
		if (tag == dpdk->most_tags ||
		    !is_tag(dpdk, frame + 2 * RTE_ETHER_ADDR_LEN + tag * MILL_DPDK_TAG))
			return false;
	return true;
}

/* What the device does not carry: copies for a mirror, whose packets came by a port that carries more. */
static void drop_long(struct mill_port *port, uint32_t index, struct netmap_slot *slot, uint32_t most)
{
	struct mill_dpdk *dpdk = port->backend;
	mill_tally(&port->state->ring[index].tx_full, 1);
	if (!__atomic_exchange_n(&dpdk->said_too_long, true, __ATOMIC_RELAXED))
		mill_log(
		    "port %s (%s): a frame of %u bytes is dropped, and so is each that is longer than %u, "
		    "which is what the device carries",
		    port->config.name, port->config.spec, slot->len, most);
	slot->len = 0;
}

/* At most a burst from slot *at on, which becomes the first that is not sent. False: the device takes no more now. */
static bool send_burst(struct mill_port *port, uint32_t index, struct netmap_ring *tx, uint32_t *at,
                       uint64_t *packets, uint64_t *bytes)
{
	struct mill_dpdk *dpdk = port->backend;
	struct rte_mbuf *mbuf[MILL_BURST], **spare = dpdk->tx[index].spare;
	uint32_t place[MILL_BURST], n = 0, end = *at;
	const uint32_t longest = __atomic_load_n(&dpdk->most_frame, __ATOMIC_RELAXED);
	const uint32_t most = fill_spares(dpdk, index, spare, dpdk->tx[index].n_spare);
	dpdk->tx[index].n_spare = most;
	for (; end != tx->head && n < most; end = mill_ring_next(tx, end)) {
		struct netmap_slot *slot = &tx->slot[end];
		if (!carries(dpdk, mill_ring_buffer(tx, slot), slot->len, longest))
			drop_long(port, index, slot, longest);
		if (slot->len == 0) /* dropped, or it lost its buffer when an engine died */
			continue;
		place[n] = end;
		mbuf[n++] = dress(tx, slot);
	}
	const uint32_t sent = n == 0 ? 0 : rte_eth_tx_burst(dpdk->id, (uint16_t)index, mbuf, (uint16_t)n);
	for (uint32_t i = 0; i < sent; i++) {
		struct netmap_slot *slot = &tx->slot[place[i]];
		*bytes += slot->len;
		slot->buf_idx = index_of(port->region, spare[--dpdk->tx[index].n_spare]);
		slot->flags = NS_BUF_CHANGED;
		mill_slot_set_offset(tx, slot, MILL_HEADROOM);
	}
	*packets += sent;
	*at = sent == n ? end : place[sent];
	return sent == n && most != 0;
}

void mill_dpdk_tx_sync(struct mill_port *port, uint32_t index)
{
	struct mill_dpdk *dpdk = port->backend;
	struct netmap_ring *tx = port->tx[index];
	uint32_t at = mill_ring_next(tx, tx->tail);
	uint64_t packets = 0, bytes = 0;
	while (at != tx->head && send_burst(port, index, tx, &at, &packets, &bytes))
		;
	tx->tail = mill_ring_previous(tx, at);
	if (packets == 0)
		return;
	__atomic_fetch_add(&dpdk->tx[index].accepted, packets, __ATOMIC_RELAXED);
	mill_tally(&port->state->ring[index].tx_packets, packets);
	mill_tally(&port->state->ring[index].tx_bytes, bytes);
}

/* --- around --------------------------------------------------------------------------------------------- */

/* The device's own numbers, which are of all queues: ring 0 tells them. Some drivers count as errors what they only did not take;
 * such packets wait in the TX ring. Lost is what they took and did not send. */
void mill_dpdk_count_drops(struct mill_port *port, uint32_t ring)
{
	struct mill_dpdk *dpdk = port->backend;
	struct rte_eth_stats stats;
	uint64_t accepted = 0;
	if (ring != 0 || rte_eth_stats_get(dpdk->id, &stats) != 0)
		return;
	for (uint32_t q = 0; q < port->tx_rings; q++)
		accepted += __atomic_load_n(&dpdk->tx[q].accepted, __ATOMIC_RELAXED);
	const uint64_t rx_lost = stats.imissed + stats.ierrors + stats.rx_nombuf;
	const uint64_t missing = accepted > stats.opackets ? accepted - stats.opackets : 0;
	const uint64_t tx_lost = missing < stats.oerrors ? missing : stats.oerrors;
	if (rx_lost > dpdk->rx_lost) {
		mill_tally(&port->state->ring[ring].rx_dropped, rx_lost - dpdk->rx_lost);
		dpdk->rx_lost = rx_lost;
	}
	if (tx_lost > dpdk->tx_lost) {
		mill_tally(&port->state->ring[ring].tx_full, tx_lost - dpdk->tx_lost);
		dpdk->tx_lost = tx_lost;
	}
}

void mill_dpdk_drain(struct mill_port *port)
{
	struct mill_dpdk *dpdk = port->backend;
	struct rte_mbuf *mbuf[MILL_BURST];
	for (uint16_t q = 0; q < port->tx_rings; q++) {
		mill_dpdk_tx_sync(port, q);
		if (dpdk->tx[q].n_spare != 0)
			rte_mempool_put_bulk(mill_dpdk_mempool, (void *const *)dpdk->tx[q].spare,
			                     dpdk->tx[q].n_spare);
		dpdk->tx[q].n_spare = 0;
		(void)rte_eth_tx_done_cleanup(dpdk->id, q, 0);
	}
	for (uint16_t q = 0; q < port->rx_rings; q++)
		for (uint32_t round = 0; round < DRAIN_ROUNDS; round++) {
			const uint16_t n = rte_eth_rx_burst(dpdk->id, q, mbuf, MILL_BURST);
			if (n == 0)
				break;
			rte_pktmbuf_free_bulk(mbuf, n);
		}
}
