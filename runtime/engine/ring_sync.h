/*
 * The two ends of a netmap-shaped ring whose other side is not a driver but another thread or process (pipe peers,
 * handoff between workers): struct mill_ring_sync of shm/pipe.h, in the ring's `sem` area. See there for the rules.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include "netmill/netmap_abi.h"
#include "shm/pipe.h"

_Static_assert(sizeof(struct mill_ring_sync) <= sizeof(((struct netmap_ring *)0)->sem),
               "sync words fit in sem");
_Static_assert(offsetof(struct netmap_ring, sem) % 64 == 0 && offsetof(struct netmap_ring, slot) % 64 == 0 &&
                   offsetof(struct mill_ring_sync, consumed) == 64,
               "what one end writes is in no line of the other's");

static inline struct mill_ring_sync *mill_ring_sync(struct netmap_ring *ring)
{
	return (struct mill_ring_sync *)(void *)ring->sem;
}

static inline uint32_t mill_ring_previous(const struct netmap_ring *ring, uint32_t i)
{
	return i == 0 ? ring->num_slots - 1 : i - 1;
}

/* Number that the other side wrote: never trusted to be in range. */
static inline uint32_t mill_ring_load(const struct netmap_ring *ring, const uint32_t *word)
{
	const uint32_t value = __atomic_load_n(word, __ATOMIC_ACQUIRE);
	return value < ring->num_slots ? value : 0;
}

/* Slots from `from` up to `to`. */
static inline uint32_t mill_ring_distance(const struct netmap_ring *ring, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + ring->num_slots - from;
}

/* Producer: publishes what was filled up to head and takes back what was emptied: a netmap TX sync. */
static inline void mill_ring_produce(struct netmap_ring *ring)
{
	struct mill_ring_sync *sync = mill_ring_sync(ring);
	__atomic_store_n(&sync->produced, ring->head, __ATOMIC_RELEASE);
	ring->tail = mill_ring_previous(ring, mill_ring_load(ring, &sync->consumed));
}

/* Consumer: gives back what was emptied up to head and takes what was filled: a netmap RX sync. */
static inline void mill_ring_consume(struct netmap_ring *ring)
{
	struct mill_ring_sync *sync = mill_ring_sync(ring);
	__atomic_store_n(&sync->consumed, ring->head, __ATOMIC_RELEASE);
	ring->tail = mill_ring_load(ring, &sync->produced);
}

/* The packet of a slot to a free one of another ring: its buffer, or a copy where the ring's memory is another. False: it is larger
 * than that memory's buffers, as a copy for a mirror port may be, and nothing has been done. */
static inline bool mill_ring_pass(const struct netmap_ring *to, struct netmap_slot *slot,
                                  const struct netmap_ring *from, struct netmap_slot *packet)
{
	if (mill_same_memory(to, from)) {
		mill_slot_swap(slot, packet, packet->len);
		return true;
	}
	if (mill_slot_offset(to, slot) + packet->len > to->nr_buf_size)
		return false;
	memcpy(mill_ring_buffer(to, slot), mill_ring_buffer(from, packet), packet->len);
	slot->len = packet->len;
	slot->flags &= NS_BUF_CHANGED;
	return true;
}

/* After produce (consume): does the other side sleep? Clears its flag: one wake-up a sleep. */
static inline bool mill_ring_must_wake(uint32_t *asleep)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(asleep, __ATOMIC_RELAXED) != 0 &&
	       __atomic_exchange_n(asleep, 0, __ATOMIC_ACQ_REL) != 0;
}
