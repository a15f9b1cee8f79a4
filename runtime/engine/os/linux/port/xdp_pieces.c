/*
 * Frames that are larger than a page, which AF_XDP hands over and takes in pieces (XDP_PKT_CONTD, Linux 6.6): several
 * descriptors, each of a chunk of its own. Everybody else sees one buffer with the whole frame, because a buffer of the
 * region has several chunks then:
 *
 *   buffer n │ chunk 0 │ chunk 1 │ chunk 2 │ chunk 3 │
 *
 * Receiving: the kernel is given chunk 0 of each buffer, and puts a frame's pieces into as many buffers. The first piece
 * stays where it is, the others are copied behind it, and their buffers go back to the kernel. Sending copies nothing: one
 * descriptor for each chunk that the frame touches; the buffer is free when all of them are completed, in whatever order.
 *
 * Crash safety: buffers of pieces stay the kernel's, by their owner byte, and are given back only when the RX ring's consumer
 * has passed them. So a frame that is read once more after a crash is put together once more.
 * Called by the worker that owns the ring.
 */
#include "xdp.h"
#include <string.h>

static struct xdp_desc *desc_at(const struct mill_xsk_ring *ring, uint32_t i)
{
	return (struct xdp_desc *)ring->entry + (i & ring->mask);
}

uint32_t mill_xdp_measure(const struct mill_xsk_ring *rx, uint32_t consumer, uint32_t produced,
                          uint32_t *length)
{
	*length = 0;
	for (uint32_t at = consumer; at != produced; at++) {
		const struct xdp_desc *desc = desc_at(rx, at);
		*length += desc->len;
		if ((desc->options & XDP_PKT_CONTD) == 0)
			return at + 1 - consumer;
	}
	return 0;
}

bool mill_xdp_gather(const struct mill_region *region, const struct mill_xsk_ring *rx, uint32_t first,
                     uint32_t n, uint8_t owner, uint8_t *to, struct mill_xdp_spent *spent)
{
	bool whole = true;
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *desc = desc_at(rx, first + i);
		const uint64_t index = desc->addr >> region->buf_shift;
		if (index >= region->n_bufs || region->owner[index] != owner) {
			whole = false;
			continue;
		}
		if (to != NULL) {
			memcpy(to, region->buffers + desc->addr, desc->len);
			to += desc->len;
		}
		spent->buffer[spent->n++] = (uint32_t)index;
	}
	return whole;
}

void mill_xdp_refill(struct mill_region *region, struct mill_xsk_ring *fill, struct mill_xdp_spent *spent)
{
	struct mill_xdp_filling filling = mill_xdp_filling(fill);
	for (uint32_t i = 0; i < spent->n; i++)
		mill_xdp_give(region, &filling, spent->buffer[i]);
	__atomic_store_n(fill->producer, filling.producer, __ATOMIC_RELEASE);
	spent->n = 0;
}

void mill_xdp_scatter(struct mill_xsk_ring *tx, uint32_t producer, uint64_t address, uint32_t length)
{
	const uint32_t chunk = 1u << MILL_XDP_CHUNK_SHIFT;
	while (length > 0) {
		const uint32_t room = chunk - (uint32_t)(address & (chunk - 1));
		const uint32_t part = length < room ? length : room;
		*desc_at(tx, producer++) = (struct xdp_desc){
		    .addr = address, .len = part, .options = part < length ? XDP_PKT_CONTD : 0};
		address += part;
		length -= part;
	}
}
