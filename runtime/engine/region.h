/*
 * The memory region: one memfd with all netmap-shaped rings and all packet buffers, so that a packet goes from
 * any port to any other by exchanging buffer indices. Position independent (ring->buf_ofs, indices); it outlives
 * the engine, because the daemon holds a duplicate of the descriptor.
 *
 *   header | owner[n_bufs] | pieces[n_bufs] | ring storage, one fixed place for each (port slot, kind, index) | buffers
 *
 * Ring storage is sparse: a place that no port uses costs no memory. A ring exists when its num_slots is not 0.
 * Free lists are not shared: an adopting engine rebuilds its own from `owner` and the rings (mill_region_reclaim).
 *
 * Threads: rings are made and freed by the control thread; buf_alloc and buf_free may be called by any thread.
 * owner[i] and pieces[i] are written by whoever has the buffer in hand, with plain stores.
 */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "netmill/netmap_abi.h"
#include "shm/limits.h"

struct mill_error;

#define MILL_REGION_MAGIC   0x4e47524c4c494d00ull
#define MILL_RING_MAX_SLOTS 2048u
#define MILL_DEFAULT_BUFS   32768u

/* Whose ring it is, and which way. */
enum mill_ring_kind {
	MILL_RING_RX,
	MILL_RING_TX,
	MILL_RING_HANDOFF, /* index = worker that fills it; its port's TX owner empties it */
	MILL_RING_PEER_RX, /* pipe: what the peer receives */
	MILL_RING_PEER_TX, /* pipe: what the peer sends */
	MILL_RING_KINDS
};

#define MILL_RING_PLACES (MILL_MAX_PORTS * MILL_RING_KINDS * MILL_MAX_RINGS)

/* Values of the owner byte. Swapping between slots of rings does not touch it: the rings tell which slot. */
enum mill_buf_owner {
	MILL_BUF_FREE = 0,
	MILL_BUF_SLOT = 1,           /* in some slot of some ring */
	MILL_BUF_HELD = 2,           /* in a queue of this process: free when the process is gone */
	MILL_BUF_KERNEL_FILL = 0x40, /* | port slot: given to the kernel to receive into */
	MILL_BUF_KERNEL_TX = 0x80,   /* | port slot: given to the kernel to send */
};

struct mill_region_header {
	uint64_t magic;
	uint32_t abi, n_bufs, buf_size, ring_bytes;
	uint64_t owner_offset, pieces_offset, ring_offset, buf_offset, size;
	uint8_t used[MILL_RING_PLACES / 8]; /* bit map: places that hold a ring */
};

struct mill_region {
	int fd;
	size_t size;
	uint8_t *base;
	struct mill_region_header *header;
	uint8_t *owner;   /* by buffer index */
	uint8_t *pieces;  /* by buffer index: into how many it is cut that the kernel has to send */
	uint8_t *buffers; /* buffer 0; n_bufs × buf_size bytes, page-aligned: what a UMEM registers */
	uint32_t n_bufs;  /* index 0 is never handed out */
	uint32_t buf_size, buf_shift; /* one of the sizes in shm/limits.h; its logarithm */
	uint32_t n_free;
	uint32_t *free_list; /* stack */
	pthread_mutex_t lock;
};

/* A new region; huge or locked pages where the system allows. */
bool mill_region_create(struct mill_region *, uint32_t n_bufs, uint32_t buf_size, struct mill_error *);
/* Maps a region that another engine left. Takes the descriptor. The free list stays empty until reclaim. */
bool mill_region_map(struct mill_region *, int fd, struct mill_error *);
void mill_region_unmap(struct mill_region *);

/* A ring whose slots all have a free buffer at offset MILL_HEADROOM, empty (RX kinds: nothing received; TX kinds:
 * everything free, tail = slots - 1). NULL when buffers do not suffice; nothing is taken then. */
struct netmap_ring *mill_region_alloc_ring(struct mill_region *, uint16_t port_slot, enum mill_ring_kind,
                                           uint32_t index, uint32_t slots);
/* The ring at that place as a dead engine left it, NULL when there is none. */
struct netmap_ring *mill_region_find_ring(const struct mill_region *, uint16_t port_slot, enum mill_ring_kind,
                                          uint32_t index);
/* Frees the buffers of all slots and the place. NULL is allowed. */
void mill_region_free_ring(struct mill_region *, struct netmap_ring *);
/* Where it lies, for a process that maps the region elsewhere. */
uint64_t mill_region_offset(const struct mill_region *, const void *);

/* A free buffer, owner set to `owner`; 0 when there is none. */
uint32_t mill_region_buf_alloc(struct mill_region *, uint8_t owner);
void mill_region_buf_free(struct mill_region *, uint32_t index);
uint32_t mill_region_n_free(struct mill_region *);
/* All buffers that the kernel has of one port, e.g. at close, when the socket is gone. Returns how many. */
uint32_t mill_region_free_kernel(struct mill_region *, uint16_t port_slot);

/* Adoption, first step, before any port: makes every ring sane (indices in range, no buffer in two slots: a second
 * occurrence, or one that the owner byte says the kernel has, gets a free one) and builds the free list. */
bool mill_region_reclaim(struct mill_region *, struct mill_error *);

static inline uint8_t *mill_region_buf(const struct mill_region *region, uint32_t index)
{
	return region->buffers + ((size_t)index << region->buf_shift);
}

bool mill_region_has_size(uint32_t buf_size);
/* The smallest buffers that take IP packets of this size; the largest there are, where none do. */
uint32_t mill_region_size_for(uint32_t mtu);

#define MILL_MTU_SMALL 1770u
#define MILL_MTU_JUMBO 3360u
#define MILL_MTU_LARGE 16000u

/* The largest IP packet of a port: with Ethernet and two tags it fits behind the headroom, and (of a page) it is what the
 * kernel takes by BPF_PROG_RUN for its own stack: frames of 3,400 bytes, less 22 of ours in generic mode. */
static inline uint32_t mill_region_mtu(const struct mill_region *region)
{
	if (region->buf_size == MILL_BUF_SIZE)
		return MILL_MTU_SMALL;
	return region->buf_size == MILL_BUF_SIZE_JUMBO ? MILL_MTU_JUMBO : MILL_MTU_LARGE;
}
