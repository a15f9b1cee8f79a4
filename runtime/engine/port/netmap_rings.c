/*
 * Packets of netmap ports. The kernel's rings are what the forwarder works on, so a sync is one system call and a look at
 * what it brought. What the kernel says is believed only within bounds: numbers in pipes and VALE ports are written by other
 * processes. Frames in several slots (NS_MOREFRAG) are dropped whole, and counted: netmill's are of one buffer.
 *
 * What all goes to the kernel stays in its slot, marked (netmap(4), "transparent mode"): at the next sync the kernel takes a copy,
 * and no other ring is needed. So it is with what a closing port leaves, and for who has nothing else to do with packets. What a
 * forwarder punts takes the host TX ring, because between the two stands the host thread, with its classes and rates.
 *
 * Each pair's owner is the worker of its ring; the owner of ring 0 also sends what the kernel hands to the host RX rings.
 * The host TX ring is the host thread's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "port/netmap.h"

#define HOST_INTERVAL_NS 20000ull
#define LOOK_INTERVAL_NS 20000000ull
#define DRAIN_ROUNDS     64
#define ETHERNET         14u /* bytes of a frame, at least */

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* The control thread is told once; it opens the port again, or finds that there is nothing to open. */
static void give_up(struct mill_netmap *netmap, const char *why)
{
	const uint64_t one = 1;
	if (atomic_load(&netmap->broken))
		return;
	snprintf(netmap->why, sizeof(netmap->why), "%s", why);
	atomic_store(&netmap->broken, true);
	const ssize_t n = write(netmap->event, &one, sizeof(one));
	(void)n;
}

/* A device that is being unregistered waits for us, with its rings stopped: it has no name any more. */
static bool is_gone(struct mill_netmap *netmap)
{
	const uint64_t now = now_ns();
	if (netmap->parent_index == 0 || now - atomic_load(&netmap->looked_ns) < LOOK_INTERVAL_NS)
		return false;
	atomic_store(&netmap->looked_ns, now);
	return if_nametoindex(netmap->spec.parent) != netmap->parent_index;
}

/* EIO: the rings are stopped, as they are for a moment after opening, and as long as the device is down. */
static bool sync_ring(struct mill_port *port, struct mill_netmap_pair *pair, unsigned long what)
{
	struct mill_netmap *netmap = port->backend;
	if (atomic_load_explicit(&netmap->broken, memory_order_relaxed))
		return false;
	if (mill_netmap_sys->request(pair->fd, what, NULL) == 0 || errno == EINTR) {
		atomic_store_explicit(&pair->stopped, false, memory_order_relaxed);
		return true;
	}
	if (errno == EIO || errno == EBUSY || errno == EAGAIN) {
		if (is_gone(netmap))
			give_up(netmap, "its device is gone");
		if (!atomic_exchange_explicit(&pair->stopped, true, memory_order_relaxed))
			mill_log("port %s (%s): its rings are stopped", port->config.name, port->config.spec);
		return false;
	}
	give_up(netmap, strerror(errno));
	return false;
}

static uint32_t distance(const struct netmap_ring *ring, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + ring->num_slots - from;
}

/* --- receiving ------------------------------------------------------------------------------------------ */

void mill_netmap_rings_begin(struct mill_port *port, uint32_t r)
{
	struct mill_netmap *netmap = port->backend;
	struct mill_netmap_pair *pair = &netmap->pair[r];
	const struct netmap_ring *rx = port->rx[r], *tx = port->tx[r];
	if (rx != NULL) {
		pair->checked = pair->returned = rx->head;
		/* A chain that is being dropped is known by the flags of the slot before. */
		const uint32_t before = rx->head == 0 ? rx->num_slots - 1 : rx->head - 1;
		pair->in_chain = (rx->slot[before].flags & NS_MOREFRAG) != 0 && rx->slot[before].len == 0;
	}
	if (tx != NULL)
		pair->sent = mill_ring_next(tx, tx->tail);
}

enum verdict { SOUND, GOES_ON, TOO_LONG, SENSELESS };

/* Of a slot that just came: SOUND when its packet may be looked at. */
static enum verdict judge(struct mill_port *port, struct mill_netmap_pair *pair, const struct netmap_ring *rx,
                          struct netmap_slot *slot)
{
	struct mill_netmap *netmap = port->backend;
	const bool goes_on = (slot->flags & NS_MOREFRAG) != 0, ends = pair->in_chain && !goes_on;
	pair->in_chain = goes_on;
	slot->flags &= (uint16_t)~NS_BUF_CHANGED;
	if (slot->buf_idx < MILL_NETMAP_FIRST || slot->buf_idx >= netmap->n_bufs) {
		/* Given back as it is, netmap would take it for buffer 0 and put packets there. */
		give_up(netmap, "a received slot names no buffer");
		return SENSELESS;
	}
	if (goes_on)
		return GOES_ON;
	return ends || slot->len > MILL_BUF_SIZE_LARGE ||
	               mill_slot_offset(rx, slot) + slot->len > rx->nr_buf_size
	           ? TOO_LONG
	           : SOUND;
}

/* What came with the last sync, whoever made it. A packet that is not to be looked at gets length 0. */
static void look_at(struct mill_port *port, uint32_t r)
{
	struct mill_netmap_pair *pair = &((struct mill_netmap *)port->backend)->pair[r];
	struct netmap_ring *rx = port->rx[r];
	uint64_t packets = 0, bytes = 0, dropped = 0, too_long = 0;
	while (pair->checked != rx->tail) {
		struct netmap_slot *slot = &rx->slot[pair->checked];
		const enum verdict verdict = judge(port, pair, rx, slot);
		if (verdict == SOUND) {
			packets++;
			bytes += slot->len;
		} else {
			slot->len = 0;
			dropped += verdict != GOES_ON;
			too_long += verdict == TOO_LONG;
		}
		pair->checked = mill_ring_next(rx, pair->checked);
	}
	if (packets != 0) {
		mill_tally(&port->state->ring[r].rx_packets, packets);
		mill_tally(&port->state->ring[r].rx_bytes, bytes);
	}
	if (dropped != 0)
		mill_tally(&port->state->ring[r].rx_dropped, dropped);
	if (too_long != 0)
		mill_tally(&port->state->ring[r].rx_too_long, too_long);
}

/* Buffers came by exchange from wherever their frames started; those to come start where there is room before them. */
static void restore_offsets(const struct mill_netmap_pair *pair, struct netmap_ring *rx)
{
	for (uint32_t at = pair->returned; at != rx->head; at = mill_ring_next(rx, at))
		mill_slot_set_offset(rx, &rx->slot[at], MILL_NETMAP_OFFSET);
}

/* What goes wrong shows in the numbers: the kernel sets a ring anew that it does not believe. */
static bool sync_rx(struct mill_port *port, struct mill_netmap_pair *pair, struct netmap_ring *rx)
{
	const uint32_t head = rx->head;
	if (rx->offset_mask != 0 && head < rx->num_slots)
		restore_offsets(pair, rx);
	if (!sync_ring(port, pair, NIOCRXSYNC))
		return false;
	pair->returned = head;
	if (rx->head == head && rx->tail < rx->num_slots)
		return true;
	give_up(port->backend, "the kernel has set a receive ring anew");
	return false;
}

static void hide(struct netmap_ring *rx, struct mill_netmap_pair *pair)
{
	if (rx->tail >= rx->num_slots)
		rx->tail = 0; /* whoever looks for it by steps would never find it */
	rx->head = rx->cur = rx->tail;
	pair->checked = rx->head;
}

/* Packets of the kernel's for the wire, by exchange of buffers: host rings have the same memory. */
static bool send_hosts(struct mill_port *port, struct netmap_ring *from)
{
	struct netmap_ring *to = port->tx[0];
	const struct mill_netmap *netmap = port->backend;
	bool any = false;
	if (from->tail >= from->num_slots)
		give_up(port->backend, "the kernel has set a host ring anew");
	while (from->tail < from->num_slots && from->cur != from->tail && to->head != to->tail) {
		struct netmap_slot *slot = &from->slot[from->cur];
		if (slot->buf_idx >= MILL_NETMAP_FIRST && slot->buf_idx < netmap->n_bufs &&
		    slot->len <= to->nr_buf_size && (slot->flags & NS_MOREFRAG) == 0) {
			mill_slot_swap(&to->slot[to->head], slot, slot->len);
			mill_slot_set_offset(to, &to->slot[to->head], 0); /* of the host's: none */
			to->head = to->cur = mill_ring_next(to, to->head);
			any = true;
		}
		from->head = from->cur = mill_ring_next(from, from->cur);
	}
	return any;
}

/* True: something was there. */
static bool serve_host(struct mill_port *port)
{
	struct mill_netmap *netmap = port->backend;
	bool any = false;
	if (!sync_ring(port, &netmap->host, NIOCRXSYNC))
		return false;
	for (uint32_t i = 0; i < netmap->n_host_rx; i++)
		any |= send_hosts(port, netmap->host_rx[i]);
	if (any)
		mill_netmap_tx_sync(port, 0);
	return any;
}

static bool has_host(const struct mill_port *port)
{
	const struct mill_netmap *netmap = port->backend;
	return netmap->n_host_rx != 0 && port->tx[0] != NULL;
}

void mill_netmap_rx_sync(struct mill_port *port, uint32_t r)
{
	struct mill_netmap *netmap = port->backend;
	struct mill_netmap_pair *pair = &netmap->pair[r];
	struct netmap_ring *rx = port->rx[r];
	if (r == 0 && has_host(port)) {
		const uint64_t now = now_ns();
		if (now - netmap->host_synced_ns >= HOST_INTERVAL_NS) {
			netmap->host_synced_ns = now;
			serve_host(port);
		}
	}
	/* A burst is there still, and not much to give back: no need to ask. */
	const bool enough = pair->checked == rx->tail && distance(rx, rx->head, rx->tail) >= MILL_BURST &&
	                    distance(rx, pair->returned, rx->head) < rx->num_slots / 4;
	if (!enough)
		(void)sync_rx(port, pair, rx);
	if (!atomic_load_explicit(&netmap->broken, memory_order_relaxed))
		look_at(port, r);
	if (atomic_load_explicit(&netmap->broken, memory_order_relaxed))
		hide(rx, pair);
}

bool mill_netmap_rx_arm(struct mill_port *port, uint32_t r)
{
	const struct mill_netmap *netmap = port->backend;
	if (atomic_load_explicit(&netmap->broken, memory_order_relaxed))
		return false;
	return (r == 0 && has_host(port) && serve_host(port)) || netmap->pair[r].checked != port->rx[r]->tail;
}

/* --- sending -------------------------------------------------------------------------------------------- */

static uint32_t count_sent(struct mill_port *port, uint32_t r, uint32_t from)
{
	const struct netmap_ring *tx = port->tx[r];
	uint64_t packets = 0, bytes = 0;
	for (uint32_t at = from; at != tx->head; at = mill_ring_next(tx, at)) {
		packets++;
		bytes += tx->slot[at].len;
	}
	if (packets != 0) {
		mill_tally(&port->state->ring[r].tx_packets, packets);
		mill_tally(&port->state->ring[r].tx_bytes, bytes);
	}
	return tx->head;
}

/* Nobody sends any more: as with an unplugged cable. */
static void unplug(struct netmap_ring *tx)
{
	if (tx->head >= tx->num_slots)
		tx->head = 0;
	tx->cur = tx->head;
	tx->tail = tx->head == 0 ? tx->num_slots - 1 : tx->head - 1;
}

void mill_netmap_tx_sync(struct mill_port *port, uint32_t r)
{
	struct mill_netmap *netmap = port->backend;
	struct mill_netmap_pair *pair = &netmap->pair[r];
	struct netmap_ring *tx = port->tx[r];
	const uint32_t head = tx->head;
	if (pair->sent == head && mill_ring_space(tx) == tx->num_slots - 1)
		return;
	if (sync_ring(port, pair, NIOCTXSYNC)) {
		if (tx->head == head && tx->tail < tx->num_slots)
			pair->sent = count_sent(port, r, pair->sent);
		else
			give_up(netmap, "the kernel has set a transmit ring anew");
	}
	if (atomic_load_explicit(&netmap->broken, memory_order_relaxed))
		unplug(tx);
}

/* --- the host's rings ----------------------------------------------------------------------------------- */

bool mill_netmap_inject(struct mill_port *port, const uint8_t *frame, uint16_t len)
{
	struct mill_netmap *netmap = port->backend;
	struct netmap_ring *tx = netmap->host_tx;
	if (tx == NULL || len < ETHERNET || len > tx->nr_buf_size)
		return false;
	if (tx->head == tx->tail && (!sync_ring(port, &netmap->host, NIOCTXSYNC) || tx->head == tx->tail))
		return false;
	struct netmap_slot *slot = &tx->slot[tx->head];
	mill_slot_set_offset(tx, slot, 0);
	memcpy(mill_ring_buffer(tx, slot), frame, len);
	slot->len = len;
	slot->flags &= NS_BUF_CHANGED;
	tx->head = tx->cur = mill_ring_next(tx, tx->head);
	return sync_ring(port, &netmap->host, NIOCTXSYNC);
}

bool mill_netmap_pass_up(struct mill_port *port, uint32_t r, struct netmap_slot *slot)
{
	const struct mill_netmap *netmap = port->backend;
	if (netmap->host_tx == NULL || slot->len < ETHERNET)
		return false;
	port->rx[r]->flags |= NR_FORWARD;
	slot->flags |= NS_FORWARD;
	return true;
}

static bool drain_ring(struct mill_port *port, uint32_t r)
{
	struct mill_netmap *netmap = port->backend;
	struct netmap_ring *rx = port->rx[r];
	if (rx == NULL)
		return false;
	look_at(port, r);
	const bool any = rx->head != rx->tail;
	while (rx->head != rx->tail && !atomic_load(&netmap->broken)) {
		(void)mill_netmap_pass_up(port, r, &rx->slot[rx->head]);
		rx->head = rx->cur = mill_ring_next(rx, rx->head);
	}
	return sync_rx(port, &netmap->pair[r], rx) && (any || rx->head != rx->tail);
}

void mill_netmap_hand_back(struct mill_port *port)
{
	struct mill_netmap *netmap = port->backend;
	for (uint32_t round = 0; round < DRAIN_ROUNDS && !atomic_load(&netmap->broken); round++) {
		bool any = has_host(port) && serve_host(port);
		for (uint32_t r = 0; r < MILL_MAX_RINGS; r++) {
			if (netmap->host_tx != NULL)
				any |= drain_ring(port, r);
			if (port->tx[r] != NULL)
				mill_netmap_tx_sync(port, r);
		}
		if (!any)
			return;
	}
}
