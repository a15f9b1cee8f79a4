/*
 * The netmap ring interface (netmap(4), API 14 and 15) that every port back end and every generated forwarder
 * speaks: rings of slots, each slot naming one packet buffer of the memory region by index, so that a packet
 * moves from one ring to another by exchanging two numbers. Declared here from the published layout, with every
 * offset asserted; a system that has netmap's own headers is given the last word.
 *
 * Ownership inside a ring: slots from head up to (not including) tail belong to the process that reads the RX
 * ring or fills the TX ring; the others belong to the back end. head and cur are the process's, tail the back
 * end's; both change only between syncs, which one thread does for one ring at a time.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

#if __has_include(<net/netmap_user.h>)
#include <net/netmap.h>
#include <net/netmap_user.h>
#else

#define NETMAP_API     14
#define NETMAP_MIN_API 14
#define NETMAP_MAX_API 15
#define NM_CACHE_ALIGN 128

#define NS_BUF_CHANGED 0x0001u /* buf_idx was exchanged: the back end must look at it anew */
#define NS_REPORT      0x0002u
#define NS_FORWARD     0x0004u
#define NS_NO_LEARN    0x0008u
#define NS_INDIRECT    0x0010u
#define NS_MOREFRAG    0x0020u /* the packet goes on in the next slot */

#define NR_TIMESTAMP 0x0002u
#define NR_FORWARD   0x0004u

#define NI_PRIV_MEM 0x1u

struct netmap_slot {
	uint32_t buf_idx;
	uint16_t len; /* of the frame in this slot, without FCS */
	uint16_t flags;
	uint64_t ptr; /* bits of offset_mask: where in the buffer the frame starts */
};

struct netmap_ring {
	int64_t buf_ofs; /* from the ring itself to buffer 0 */
	uint32_t num_slots;
	uint32_t nr_buf_size;
	uint16_t ringid;
	uint16_t dir;
	uint32_t head;
	uint32_t cur;
	uint32_t tail;
	uint32_t flags;
	struct timeval ts;
	uint64_t offset_mask; /* 0: frames start at the buffer's first byte */
	uint64_t buf_align;
	uint8_t sem[128] __attribute__((aligned(NM_CACHE_ALIGN)));
	struct netmap_slot slot[];
};

struct netmap_if {
	char ni_name[16];
	uint32_t ni_version;
	uint32_t ni_flags;
	uint32_t ni_tx_rings;
	uint32_t ni_rx_rings;
	uint32_t ni_bufs_head;
	uint32_t ni_host_tx_rings;
	uint32_t ni_host_rx_rings;
	uint32_t ni_spare1[3];
	int64_t ring_ofs[]; /* TX rings, host TX rings, RX rings, host RX rings */
};

#endif

/* For port/netmap_request.h, too. */
#define MILL_ASSERT_AT(type, field, offset)                                                                  \
	_Static_assert(offsetof(struct type, field) == (offset),                                             \
	               #type "." #field " is not where netmap has it")

_Static_assert(sizeof(struct netmap_slot) == 16, "netmap_slot has 16 bytes");
MILL_ASSERT_AT(netmap_slot, buf_idx, 0);
MILL_ASSERT_AT(netmap_slot, len, 4);
MILL_ASSERT_AT(netmap_slot, flags, 6);
MILL_ASSERT_AT(netmap_slot, ptr, 8);

_Static_assert(sizeof(struct netmap_ring) == 256, "netmap_ring has 256 bytes before its slots");
_Static_assert(_Alignof(struct netmap_ring) == 128, "netmap_ring is aligned to 128 bytes");
MILL_ASSERT_AT(netmap_ring, buf_ofs, 0);
MILL_ASSERT_AT(netmap_ring, num_slots, 8);
MILL_ASSERT_AT(netmap_ring, nr_buf_size, 12);
MILL_ASSERT_AT(netmap_ring, ringid, 16);
MILL_ASSERT_AT(netmap_ring, dir, 18);
MILL_ASSERT_AT(netmap_ring, head, 20);
MILL_ASSERT_AT(netmap_ring, cur, 24);
MILL_ASSERT_AT(netmap_ring, tail, 28);
MILL_ASSERT_AT(netmap_ring, flags, 32);
MILL_ASSERT_AT(netmap_ring, ts, 40);
MILL_ASSERT_AT(netmap_ring, offset_mask, 56);
MILL_ASSERT_AT(netmap_ring, buf_align, 64);
MILL_ASSERT_AT(netmap_ring, sem, 128);
MILL_ASSERT_AT(netmap_ring, slot, 256);

_Static_assert(sizeof(struct netmap_if) == 56, "netmap_if has 56 bytes before its offsets");
MILL_ASSERT_AT(netmap_if, ni_name, 0);
MILL_ASSERT_AT(netmap_if, ni_version, 16);
MILL_ASSERT_AT(netmap_if, ni_flags, 20);
MILL_ASSERT_AT(netmap_if, ni_tx_rings, 24);
MILL_ASSERT_AT(netmap_if, ni_rx_rings, 28);
MILL_ASSERT_AT(netmap_if, ni_bufs_head, 32);
MILL_ASSERT_AT(netmap_if, ni_host_tx_rings, 36);
MILL_ASSERT_AT(netmap_if, ni_host_rx_rings, 40);
MILL_ASSERT_AT(netmap_if, ni_spare1, 44);
MILL_ASSERT_AT(netmap_if, ring_ofs, 56);

/* The slot after `i`. */
static inline uint32_t mill_ring_next(const struct netmap_ring *ring, uint32_t i)
{
	return i + 1 == ring->num_slots ? 0 : i + 1;
}

/* Slots from cur to tail: packets waiting in an RX ring, free slots of a TX ring. */
static inline uint32_t mill_ring_space(const struct netmap_ring *ring)
{
	return ring->tail >= ring->cur ? ring->tail - ring->cur : ring->tail + ring->num_slots - ring->cur;
}

/* First byte of the frame in `slot`. */
static inline uint8_t *mill_ring_buffer(const struct netmap_ring *ring, const struct netmap_slot *slot)
{
	return (uint8_t *)(uintptr_t)ring + ring->buf_ofs + (size_t)slot->buf_idx * ring->nr_buf_size +
	       (slot->ptr & ring->offset_mask);
}

/* Bytes of its buffer in front of the frame in `slot`. */
static inline uint32_t mill_slot_offset(const struct netmap_ring *ring, const struct netmap_slot *slot)
{
	return (uint32_t)(slot->ptr & ring->offset_mask);
}

/* Moves the start of the frame, e.g. by the length of a tag that was pushed or popped. */
static inline void mill_slot_set_offset(const struct netmap_ring *ring, struct netmap_slot *slot,
                                        uint32_t offset)
{
	slot->ptr = (slot->ptr & ~ring->offset_mask) | (offset & ring->offset_mask);
}

/* Buffer 0 of the memory region that the ring's buffers are of. */
static inline const uint8_t *mill_ring_memory(const struct netmap_ring *ring)
{
	return (const uint8_t *)ring + ring->buf_ofs;
}

/* Rings of one memory region exchange buffers, if frames may begin at the same places in both. */
static inline bool mill_same_memory(const struct netmap_ring *a, const struct netmap_ring *b)
{
	return mill_ring_memory(a) == mill_ring_memory(b) && a->offset_mask == b->offset_mask;
}

/* A slot as one value of 16 bytes: read and written by one instruction each. */
typedef uint16_t mill_slot_words __attribute__((vector_size(16), may_alias));

/* Zero copy: the packet of `from` moves to `to`, as a frame of `len` bytes; `to` gives its free buffer in exchange. */
static inline void mill_slot_swap(struct netmap_slot *to, struct netmap_slot *from, uint16_t len)
{
	mill_slot_words packet = *(const mill_slot_words *)from, freed = *(const mill_slot_words *)to;
	packet[offsetof(struct netmap_slot, len) / 2] = len;
	packet[offsetof(struct netmap_slot, flags) / 2] = NS_BUF_CHANGED;
	freed[offsetof(struct netmap_slot, flags) / 2] = NS_BUF_CHANGED;
	*(mill_slot_words *)to = packet;
	*(mill_slot_words *)from = freed;
}
