/*
 * Between the kernel's four rings of an AF_XDP socket and the two netmap rings of a queue.
 *
 * Receiving exchanges one for one: the slot at tail gives its free buffer to the fill ring and takes the received one,
 * so neither side ever runs short of the other's buffers. Sending: slots from `posted` to head go to the TX ring; slots
 * behind tail up to `posted` have no buffer of their own until a completion, which may name any buffer, fills the
 * oldest. Slots of length 0 (mended after a crash) and impossible ones are completed at once. Frames larger than a page come and
 * go in several descriptors (xdp_pieces.c).
 *
 * Crash safety: the owner byte changes first, the kernel's index last (of pieces that are counted, the index first). A crash
 * in between costs at most the buffers of one sync, until the port is closed; it never puts a buffer into two hands.
 * Called by the worker that owns the ring; adopt and fill by the control thread while no worker does.
 */
#include "xdp.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "ring_sync.h"

#ifndef SOL_XDP
#define SOL_XDP 283
#endif
#define STUCK 3 /* kicks in a row that moved nothing */

_Static_assert(sizeof(struct mill_xdp_rx_state) <= sizeof(((struct netmap_ring *)0)->sem), "fits sem");

static uint32_t load_index(const uint32_t *index)
{
	return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

static void store_index(uint32_t *index, uint32_t value)
{
	__atomic_store_n(index, value, __ATOMIC_RELEASE);
}

static uint64_t *address_at(const struct mill_xsk_ring *ring, uint32_t i)
{
	return (uint64_t *)ring->entry + (i & ring->mask);
}

static struct xdp_desc *desc_at(const struct mill_xsk_ring *ring, uint32_t i)
{
	return (struct xdp_desc *)ring->entry + (i & ring->mask);
}

static struct mill_xdp_tx_state *tx_state(struct netmap_ring *ring)
{
	return (struct mill_xdp_tx_state *)(void *)ring->sem;
}

static struct mill_xdp_rx_state *rx_state(struct netmap_ring *ring)
{
	return (struct mill_xdp_rx_state *)(void *)ring->sem;
}

static struct mill_xdp_queue *queue_of(struct mill_port *port, uint32_t ring)
{
	return &((struct mill_xdp *)port->backend)->queue[ring];
}

/* Index of the buffer that an address names, if the kernel has it from us as `owner`; else 0. */
static uint32_t take_back(const struct mill_region *region, uint64_t address, uint8_t owner)
{
	const uint64_t index = address >> region->buf_shift;
	return index < region->n_bufs && region->owner[index] == owner ? (uint32_t)index : 0;
}

bool mill_xdp_fill(struct mill_port *port, uint32_t ring, uint32_t n)
{
	struct mill_xsk_ring *fill = &queue_of(port, ring)->fill;
	uint32_t producer = *fill->producer, done = 0;
	for (; done < n; done++) {
		const uint32_t index =
		    mill_region_buf_alloc(port->region, (uint8_t)(MILL_BUF_KERNEL_FILL | port->config.slot));
		if (index == 0)
			break;
		*address_at(fill, producer++) = (uint64_t)index << port->region->buf_shift;
	}
	store_index(fill->producer, producer);
	return done == n;
}

/* --- receiving ------------------------------------------------------------------------------------------ */

/* One received frame into the slot at tail. False: the descriptor is no news (read before a crash). */
static bool receive(struct mill_region *region, struct netmap_slot *slot, const struct xdp_desc *desc,
                    uint8_t owner, struct mill_xdp_filling *filling)
{
	const uint32_t index = take_back(region, desc->addr, owner);
	if (index == 0 && slot->buf_idx != desc->addr >> region->buf_shift)
		return false;
	if (index != 0) {
		region->owner[slot->buf_idx] = owner;
		mill_xdp_give(region, filling, slot->buf_idx);
		slot->buf_idx = index;
		region->owner[index] = MILL_BUF_SLOT;
	}
	slot->ptr = desc->addr & (region->buf_size - 1);
	slot->len = (uint16_t)desc->len;
	slot->flags = NS_BUF_CHANGED;
	return true;
}

/* The frame of several descriptors that begins at `consumer`, into the slot. Returns how many they are, 0: not now; *length is
 * 0 when it was dropped. */
static uint32_t receive_pieces(struct mill_port *port, uint32_t number, uint32_t consumer, uint32_t produced,
                               struct netmap_slot *slot, struct mill_xdp_filling *filling,
                               struct mill_xdp_spent *spent, uint32_t *length)
{
	struct mill_region *region = port->region;
	struct mill_xdp_queue *queue = queue_of(port, number);
	const uint8_t owner = (uint8_t)(MILL_BUF_KERNEL_FILL | port->config.slot);
	const uint32_t n = mill_xdp_measure(&queue->rx, consumer, produced, length);
	if (n == 0 || spent->n + n > MILL_XDP_MOST_SPENT)
		return 0;
	const struct xdp_desc first = *desc_at(&queue->rx, consumer);
	const struct xdp_desc whole = {.addr = first.addr, .len = *length};
	const uint32_t offset = (uint32_t)(first.addr & (region->buf_size - 1));
	if (n > MILL_XDP_MOST_PIECES || offset + *length > region->buf_size) {
		(void)mill_xdp_gather(region, &queue->rx, consumer, n, owner, NULL, spent);
		*length = 0;
		mill_tally(&port->state->ring[number].rx_dropped, 1);
		mill_tally(&port->state->ring[number].rx_too_long, 1);
	} else if (!receive(region, slot, &whole, owner, filling)) {
		(void)mill_xdp_gather(region, &queue->rx, consumer + 1, n - 1, owner, NULL, spent);
		*length = 0;
	} else if (!mill_xdp_gather(region, &queue->rx, consumer + 1, n - 1, owner,
	                            mill_region_buf(region, slot->buf_idx) + offset + first.len, spent)) {
		*length = 0;
		mill_tally(&port->state->ring[number].rx_dropped, 1);
	}
	return n;
}

static void wake(const struct mill_xdp_queue *queue)
{
	(void)recvfrom(queue->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

/* The device's NAPI, by busy polling, unless the next burst is there already: packets wait in the device rather than in
 * a ring that is full. */
static void poll_device(const struct mill_port *port, const struct mill_xdp_queue *queue,
                        const struct netmap_ring *ring)
{
	const struct mill_xdp *xdp = port->backend;
	if (__atomic_load_n(&xdp->shared->busy_poll, __ATOMIC_RELAXED) != 0 &&
	    mill_ring_space(ring) < MILL_BURST)
		wake(queue);
}

void mill_xdp_rx_sync(struct mill_port *port, uint32_t number)
{
	struct mill_xdp_queue *queue = queue_of(port, number);
	struct netmap_ring *ring = port->rx[number];
	const uint8_t owner = (uint8_t)(MILL_BUF_KERNEL_FILL | port->config.slot);
	poll_device(port, queue, ring);
	const uint32_t produced = load_index(queue->rx.producer);
	uint32_t consumer = *queue->rx.consumer, tail = ring->tail;
	uint64_t packets = 0, bytes = 0;
	struct mill_xdp_filling filling = mill_xdp_filling(&queue->fill);
	struct mill_xdp_spent spent;
	spent.n = 0;
	while (consumer != produced && mill_ring_next(ring, tail) != ring->head) {
		const struct xdp_desc *desc = desc_at(&queue->rx, consumer);
		struct netmap_slot *slot = &ring->slot[tail];
		uint32_t n = 1, length = desc->len;
		if (__builtin_expect((desc->options & XDP_PKT_CONTD) != 0, 0)) {
			n = receive_pieces(port, number, consumer, produced, slot, &filling, &spent, &length);
			if (n == 0)
				break;
		} else if (!receive(port->region, slot, desc, owner, &filling)) {
			length = 0;
		}
		consumer += n;
		if (length == 0)
			continue;
		packets++;
		bytes += length;
		tail = mill_ring_next(ring, tail);
	}
	if (consumer != *queue->rx.consumer) {
		store_index(queue->fill.producer, filling.producer);
		ring->tail = tail;
		store_index(queue->rx.consumer, consumer);
		if (spent.n != 0)
			mill_xdp_refill(port->region, &queue->fill, &spent);
		mill_tally(&port->state->ring[number].rx_packets, packets);
		mill_tally(&port->state->ring[number].rx_bytes, bytes);
	}
	if ((__atomic_load_n(queue->fill.flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP) != 0)
		wake(queue);
}

/* --- sending -------------------------------------------------------------------------------------------- */

/* A buffer that is free again: into the oldest slot that has none, else back to the region (it was on its way when
 * a former engine died, and its slot has been mended). */
static void give_back(struct mill_port *port, struct netmap_ring *ring, uint32_t posted, uint32_t index)
{
	const uint32_t oldest = mill_ring_next(ring, ring->tail);
	if (oldest == posted) {
		mill_region_buf_free(port->region, index);
		return;
	}
	port->region->owner[index] = MILL_BUF_SLOT;
	ring->slot[oldest] = (struct netmap_slot){.buf_idx = index, .ptr = MILL_HEADROOM};
	ring->tail = oldest;
}

static void reap(struct mill_port *port, uint32_t number)
{
	struct mill_xsk_ring *completion = &queue_of(port, number)->completion;
	struct netmap_ring *ring = port->tx[number];
	const uint8_t owner = (uint8_t)(MILL_BUF_KERNEL_TX | port->config.slot);
	const uint32_t produced = load_index(completion->producer), posted = tx_state(ring)->posted;
	uint32_t consumer = *completion->consumer;
	if (consumer == produced)
		return;
	for (; consumer != produced; consumer++) {
		const uint32_t index = take_back(port->region, *address_at(completion, consumer), owner);
		if (index == 0)
			continue;
		if (port->region->pieces[index] > 1) {
			/* The index first, here: a piece that is counted twice frees what the device still sends. */
			store_index(completion->consumer, consumer + 1);
			port->region->pieces[index]--;
		} else {
			give_back(port, ring, posted, index);
		}
	}
	store_index(completion->consumer, consumer);
}

static bool sendable(const struct mill_region *region, const struct netmap_ring *ring,
                     const struct netmap_slot *slot)
{
	return slot->buf_idx != 0 && slot->buf_idx < region->n_bufs && slot->len >= 14 &&
	       mill_slot_offset(ring, slot) + slot->len <= region->buf_size &&
	       (slot->flags & NS_MOREFRAG) == 0;
}

/* How many descriptors the frame takes; 0: it cannot be sent. A socket that takes one a frame has those of a page alone, wherever
 * in the buffer they begin. */
static uint32_t pieces_of(struct mill_port *port, uint32_t number, struct netmap_slot *slot)
{
	const struct netmap_ring *ring = port->tx[number];
	const struct mill_xdp *xdp = port->backend;
	if (!sendable(port->region, ring, slot))
		return 0;
	const uint32_t n = mill_xdp_pieces(port->region, mill_slot_offset(ring, slot), slot->len);
	if (n == 1 || xdp->shared->in_pieces != 0)
		return n;
	if (slot->len > (1u << MILL_XDP_CHUNK_SHIFT) - MILL_HEADROOM) {
		mill_tally(&port->state->ring[number].tx_full, 1);
		return 0;
	}
	memmove(mill_region_buf(port->region, slot->buf_idx) + MILL_HEADROOM, mill_ring_buffer(ring, slot),
	        slot->len);
	mill_slot_set_offset(ring, slot, MILL_HEADROOM);
	return 1;
}

static void post(struct mill_port *port, uint32_t number)
{
	struct mill_xsk_ring *tx = &queue_of(port, number)->tx;
	struct netmap_ring *ring = port->tx[number];
	uint32_t posted = tx_state(ring)->posted, producer = *tx->producer;
	uint64_t packets = 0, bytes = 0;
	const uint32_t end = load_index(tx->consumer) + tx->size;
	/* Room first: pieces_of() may move the frame, and must not do that twice. */
	while (posted != ring->head && producer != end) {
		struct netmap_slot slot = ring->slot[posted];
		const uint32_t pieces = pieces_of(port, number, &slot);
		if (pieces > end - producer)
			break;
		posted = mill_ring_next(ring, posted);
		if (pieces == 0) {
			if (slot.buf_idx != 0 && slot.buf_idx < port->region->n_bufs)
				give_back(port, ring, posted, slot.buf_idx);
			continue;
		}
		port->region->pieces[slot.buf_idx] = (uint8_t)pieces;
		port->region->owner[slot.buf_idx] = (uint8_t)(MILL_BUF_KERNEL_TX | port->config.slot);
		const uint64_t address =
		    ((uint64_t)slot.buf_idx << port->region->buf_shift) + mill_slot_offset(ring, &slot);
		if (pieces == 1)
			*desc_at(tx, producer) = (struct xdp_desc){.addr = address, .len = slot.len};
		else
			mill_xdp_scatter(tx, producer, address, slot.len);
		producer += pieces;
		packets++;
		bytes += slot.len;
	}
	store_index(tx->producer, producer);
	tx_state(ring)->posted = posted;
	if (packets > 0) {
		mill_tally(&port->state->ring[number].tx_packets, packets);
		mill_tally(&port->state->ring[number].tx_bytes, bytes);
	}
}

static bool drained(const struct mill_xsk_ring *tx)
{
	return load_index(tx->consumer) == *tx->producer;
}

/* In copy mode one call sends a bounded batch and says EAGAIN; a frame that the device refused is EBUSY and gone. */
static void kick(struct mill_port *port, uint32_t number)
{
	struct mill_xdp_queue *queue = queue_of(port, number);
	uint32_t before = load_index(queue->tx.consumer);
	for (int stuck = 0; stuck < STUCK && !drained(&queue->tx);) {
		if ((__atomic_load_n(queue->tx.flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP) == 0)
			return;
		const int code = sendto(queue->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 ? errno : 0;
		if (code == EBUSY)
			__atomic_store_n(&port->refused, true, __ATOMIC_RELAXED);
		else if (code != 0 && code != EAGAIN && code != ENOBUFS && code != EINTR)
			return; /* ENETDOWN and the like: the ring fills up, and the forwarder counts that */
		reap(port, number);
		const uint32_t now = load_index(queue->tx.consumer);
		stuck = now == before ? stuck + 1 : 0;
		before = now;
	}
}

void mill_xdp_tx_sync(struct mill_port *port, uint32_t number)
{
	reap(port, number);
	post(port, number);
	kick(port, number);
}

bool mill_xdp_rx_arm(struct mill_port *port, uint32_t number)
{
	struct mill_xdp_queue *queue = queue_of(port, number);
	if (port->tx[number] != NULL && !drained(&queue->tx))
		mill_xdp_tx_sync(port, number);
	return load_index(queue->rx.producer) != *queue->rx.consumer;
}

/* --- adoption and statistics ---------------------------------------------------------------------------- */

void mill_xdp_rings_adopt(struct mill_port *port, uint32_t number)
{
	struct mill_xdp_queue *queue = queue_of(port, number);
	struct netmap_ring *tx = port->tx[number];
	/* What the kernel has neither to fill nor filled was lost in a sync that never ended; but it may keep one in its
	 * hand, or, in the midst of a burst, more (mill_xdp_give), and with zero copy the device has many. */
	const uint32_t known = *queue->fill.producer - load_index(queue->fill.consumer) +
	                       load_index(queue->rx.producer) - *queue->rx.consumer + 2;
	if (known < queue->fill.size && !mill_xdp_zero_copy(queue->fd))
		(void)mill_xdp_fill(port, number, queue->fill.size - known);
	if (tx == NULL)
		return;
	/* Reclaim has given every slot a buffer, so all but the unposted ones are free. */
	if (tx_state(tx)->posted >= tx->num_slots)
		tx_state(tx)->posted = tx->head;
	tx->cur = tx->head;
	tx->tail = mill_ring_previous(tx, tx_state(tx)->posted);
	mill_xdp_tx_sync(port, number);
}

/* The kernel answers when no other call for the socket is under way. */
void mill_xdp_count_drops(struct mill_port *port, uint32_t number)
{
	struct xdp_statistics now = {0};
	socklen_t length = sizeof(now);
	struct mill_xdp_rx_state *last = rx_state(port->rx[number]);
	if (getsockopt(queue_of(port, number)->fd, SOL_XDP, XDP_STATISTICS, &now, &length) != 0)
		return;
	uint64_t dropped = now.rx_dropped + now.rx_ring_full;
	/* Where the kernel copies, it counts a frame for which there was no buffer in both. */
	if (mill_xdp_zero_copy(queue_of(port, number)->fd))
		dropped += now.rx_fill_ring_empty_descs;
	if (dropped > last->dropped)
		mill_tally(&port->state->ring[number].rx_dropped, dropped - last->dropped);
	last->dropped = dropped;
}
