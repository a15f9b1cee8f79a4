/* What a sync does, and what it finds wrong in rings, slots and buffers. See model.h. */
#include <errno.h>
#include <string.h>
#include "netmap/model_inside.h"

static uint32_t next(uint32_t i)
{
	return i + 1 == MODEL_SLOTS ? 0 : i + 1;
}

static uint32_t previous(uint32_t i)
{
	return i == 0 ? MODEL_SLOTS - 1 : i - 1;
}

static uint32_t span(uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + MODEL_SLOTS - from;
}

/* A buffer is in one slot, of any ring of its memory. */
static void check_twice(const struct memory *memory)
{
	static uint8_t seen[MODEL_BUFS];
	memset(seen, 0, sizeof(seen));
	for (uint32_t d = 0; d < MAX_DEVICES; d++)
		for (uint32_t tx = 0; tx < 2 && model_devices[d].memory == memory; tx++)
			for (uint32_t i = 0; i < (uint32_t)model_devices[d].n[tx] + model_devices[d].host;
			     i++)
				for (uint32_t s = 0; s < MODEL_SLOTS; s++) {
					const uint32_t index =
					    model_devices[d].kring[tx][i].ring->slot[s].buf_idx;
					if (index < MODEL_BUFS && seen[index]++ != 0)
						model_reject("buffer %u is in two slots", index);
				}
}

/* A larger one is cut without a word. */
static uint32_t offset_of(const struct kring *kring, uint32_t at)
{
	const uint32_t offset = mill_slot_offset(kring->ring, &kring->ring->slot[at]);
	if (offset > kring->offset_max)
		model_reject("slot %u: its frame starts at %u, beyond %u", at, offset, kring->offset_max);
	return offset <= kring->offset_max ? offset : kring->offset_max;
}

static void check_handed(const struct memory *memory, const struct kring *kring, uint32_t at)
{
	const struct netmap_slot *slot = &kring->ring->slot[at];
	if (slot->buf_idx < 2 || slot->buf_idx >= MODEL_BUFS)
		model_reject("slot %u names buffer %u, which is taken for buffer 0", at, slot->buf_idx);
	else if (!memory->taken[slot->buf_idx])
		model_reject("slot %u names buffer %u of somebody else", at, slot->buf_idx);
	if (slot->buf_idx != kring->saved[at].buf_idx && (slot->flags & NS_BUF_CHANGED) == 0)
		model_reject("slot %u has another buffer without NS_BUF_CHANGED", at);
	if (offset_of(kring, at) + (kring->tx ? slot->len : 0u) > model_options.buffer_size)
		model_reject("slot %u is longer than its buffer", at);
	if (kring->tx && (slot->flags & ~NS_BUF_CHANGED) != 0)
		model_reject("slot %u is sent with flags %x", at, slot->flags);
}

/* What is between the last sync's head and tail is the process's; true: the ring is to be believed. */
static bool check_ring(const struct memory *memory, const struct kring *kring)
{
	const struct netmap_ring *ring = kring->ring;
	const uint32_t mine = span(kring->hwcur, kring->hwtail);
	for (uint32_t i = mine, at = kring->hwtail; i < MODEL_SLOTS; i++, at = next(at))
		if (memcmp(&ring->slot[at], &kring->saved[at], sizeof(ring->slot[at])) != 0)
			model_reject("slot %u of the kernel's was changed", at);
	if (ring->tail != kring->hwtail)
		model_reject("tail is the kernel's, and was changed");
	if (ring->head >= MODEL_SLOTS || ring->cur >= MODEL_SLOTS || span(kring->hwcur, ring->head) > mine ||
	    span(kring->hwcur, ring->cur) > mine ||
	    span(kring->hwcur, ring->cur) < span(kring->hwcur, ring->head))
		return false;
	for (uint32_t at = kring->hwcur; at != ring->head; at = next(at))
		check_handed(memory, kring, at);
	check_twice(memory);
	return true;
}

static void send(const struct memory *memory, const struct kring *from, uint32_t at, struct queue *to)
{
	const struct netmap_slot *slot = &from->ring->slot[at];
	struct frame *frame = model_append(to);
	const uint8_t *buffer = model_buffer(memory, slot->buf_idx < MODEL_BUFS ? slot->buf_idx : 0);
	memcpy(frame->bytes, buffer + offset_of(from, at), slot->len);
	frame->length = slot->len;
	frame->buffer = slot->buf_idx;
}

static void transmit(const struct memory *memory, struct kring *kring)
{
	for (uint32_t at = kring->hwcur; at != kring->ring->head; at = next(at)) {
		send(memory, kring, at, &kring->queue);
		if (kring->monitor != NULL && !kring->is_taken)
			send(memory, kring, at, &kring->monitor->queue);
		model_take_slot(kring, at);
		kring->ring->slot[at].flags &= (uint16_t)~NS_BUF_CHANGED;
	}
	kring->hwcur = kring->ring->head;
	if (!model_options.nobody_behind)
		kring->hwtail = previous(kring->hwcur);
}

/* What of a buffer a device is told to be its size: with offsets in units of 1,024 bytes. */
static uint16_t piece(const struct kring *kring, uint16_t length)
{
	const uint32_t room = kring->offset_max != 0
	                          ? (model_options.buffer_size - kring->offset_max) / 1024 * 1024
	                          : UINT16_MAX;
	return length < room ? length : (uint16_t)room;
}

static void put(const struct memory *memory, struct kring *kring, const struct frame *frame, uint32_t from,
                uint16_t length)
{
	struct netmap_slot *slot = &kring->ring->slot[kring->hwtail];
	uint8_t *buffer = model_buffer(memory, slot->buf_idx < MODEL_BUFS ? slot->buf_idx : 0) +
	                  offset_of(kring, kring->hwtail);
	if (from < sizeof(frame->bytes))
		memcpy(buffer, frame->bytes + from,
		       from + length < sizeof(frame->bytes) && length < model_options.buffer_size ? length
		                                                                                  : 0u);
	slot->len = length;
	slot->flags = frame->flags;
	if (from + length < frame->length)
		slot->flags |= NS_MOREFRAG;
	kring->last_buffer = slot->buf_idx;
	if (kring->monitor != NULL && !kring->is_taken)
		send(memory, kring, kring->hwtail, &kring->monitor->queue);
	kring->hwtail = next(kring->hwtail);
}

static void receive(const struct memory *memory, struct kring *kring)
{
	for (uint32_t at = kring->hwcur; at != kring->ring->head; at = next(at)) {
		model_take_slot(kring, at);
		kring->ring->slot[at].flags = 0;
	}
	kring->hwcur = kring->ring->head;
	kring->hwtail = (kring->hwtail + kring->ahead) % MODEL_SLOTS;
	kring->ahead = 0;
	while (kring->queue.head != kring->queue.tail && kring->hwtail != previous(kring->hwcur)) {
		const struct frame *frame = &kring->queue.frame[kring->queue.head++ % MAX_FRAMES];
		for (uint16_t from = 0, part; from < frame->length; from = (uint16_t)(from + part)) {
			part = piece(kring, (uint16_t)(frame->length - from));
			put(memory, kring, frame, from, part);
		}
	}
}

/* Transparent mode: a copy of what is marked goes to the host, as it is found in its slot. */
static void forward(struct device *device, struct kring *kring)
{
	struct queue *host = &device->kring[1][device->n[1]].queue;
	for (uint32_t at = kring->hwcur; at != kring->ring->head; at = next(at)) {
		struct netmap_slot *slot = &kring->ring->slot[at];
		if ((slot->flags & NS_FORWARD) == 0)
			continue;
		if ((slot->flags & NS_BUF_CHANGED) != 0)
			model_reject("slot %u goes to the host without its packet", at);
		if ((kring->ring->flags & NR_FORWARD) == 0 || device->host == 0) {
			model_reject("slot %u is marked for the host, and its ring is not", at);
			continue;
		}
		if (slot->len < 14 || slot->len > model_options.buffer_size)
			model_reject("slot %u goes to the host with %u bytes", at, slot->len);
		send(device->memory, kring, at, host);
		slot->flags &= (uint16_t)~NS_FORWARD;
	}
}

static void sync_ring(struct device *device, struct kring *kring)
{
	const struct memory *memory = device->memory;
	struct netmap_ring *ring = kring->ring;
	if (!check_ring(memory, kring)) {
		ring->head = ring->cur = kring->hwcur;
		ring->tail = kring->hwtail;
		return;
	}
	if (kring->tx) {
		transmit(memory, kring);
	} else {
		forward(device, kring);
		receive(memory, kring);
	}
	ring->tail = model_options.wild_tail != 0 ? model_options.wild_tail : kring->hwtail;
	memcpy(kring->saved, ring->slot, sizeof(kring->saved));
}

/* Rings that nobody has opened are nobody's to touch. */
static void check_unbound(const struct device *device)
{
	for (uint32_t tx = 0; tx < 2; tx++)
		for (uint32_t i = 0; i < (uint32_t)device->n[tx] + device->host; i++) {
			const struct kring *kring = &device->kring[tx][i];
			if (kring->users == 0 &&
			    (memcmp(kring->saved, kring->ring->slot, sizeof(kring->saved)) != 0 ||
			     kring->ring->head != kring->hwcur || kring->ring->tail != kring->hwtail))
				model_reject("%s ring %u of %s was touched and is not open", tx ? "TX" : "RX",
				             i, device->name);
		}
}

int model_sync(struct binding *binding, bool tx)
{
	if (binding->device == NULL || binding->device->gone) {
		errno = ENXIO;
		return -1;
	}
	if (binding->syncs++ < model_options.stopped) {
		errno = EIO;
		return -1;
	}
	for (uint32_t i = binding->first[tx]; i < binding->last[tx]; i++)
		sync_ring(binding->device, &binding->device->kring[tx][i]);
	check_unbound(binding->device);
	return 0;
}
