/*
 * Inside of the AF_XDP back end: xdp.c (life of a port), xdp_program.c (the program in the driver), xdp_socket.c (sockets
 * and their kernel rings), xdp_rings.c (kernel rings ↔ netmap rings), xdp_pieces.c (frames larger than a page), xdp_device.c
 * (what the netdev is and can), xdp_steer.c (where its interrupts run), xdp_inject.c (frames into the host stack). Nobody else includes this.
 *
 * Each RX queue of the netdev, or each of those that the policy takes, has one socket with four kernel rings. The region's
 * buffers are the UMEM: chunk number = buffer index, but where buffers are of several chunks (xdp_pieces.c). A buffer given
 * to the kernel carries the port in its owner byte, so an adopting engine knows what is in use, and a descriptor that
 * names anything else is ignored.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <net/if.h>
#include <linux/if_xdp.h>
#include "port/netdev_linux.h"
#include "port/port.h"
#include "region.h"

#ifndef XDP_USE_SG /* Linux 6.6 */
#define XDP_USE_SG    (1 << 4)
#define XDP_PKT_CONTD (1 << 0)
#endif

#define MILL_XDP_STALE_NS      50000000 /* no heartbeat for that long: the program falls back by itself */
#define MILL_XDP_NOT_OURS      0xffu
#define MILL_XDP_CHUNK_SHIFT   12u /* at most a page: what AF_XDP puts into one descriptor */
#define MILL_XDP_LARGE_START   64u /* bytes that a run of the program for large frames begins with */
#define MILL_XDP_INJECT_HEADER 22u /* generic mode: Ethernet header and nonce in front of an injected frame */

/*
 * The value of the port's one-entry mmapable array map: what the program reads for every frame, and what an engine
 * that adopts the port, or takes it from the guard, must know. `beat[q]` is written by the pulse, the rest by the
 * control thread; all are single aligned words, read without order.
 */
struct mill_xdp_shared {
	uint64_t beat[MILL_MAX_RINGS]; /* the kernel's CLOCK_MONOTONIC, 0: nobody serves this queue */
	uint64_t fallback;             /* XDP_PASS or XDP_DROP */
	uint64_t nonce;                /* generic mode: marks injected frames */
	uint64_t has_tap;              /* a tap answers for untagged frames, not the netdev: all come here */
	uint64_t elsewhere; /* what becomes of frames of other queues: XDP_PASS, or like fallback */
	uint8_t ring_of[MILL_MAX_QUEUES]; /* by the device's queue; MILL_XDP_NOT_OURS */
	uint16_t queue_of[MILL_MAX_RINGS];
	uint32_t generic; /* attached in SKB mode */
	uint32_t rx_rings, tx_rings;
	uint32_t fill_size, tx_size; /* kernel ring sizes; RX = fill, completion = TX */
	uint32_t busy_poll;          /* the workers run the device's NAPI themselves */
	uint32_t in_pieces;          /* the sockets take frames of several descriptors (XDP_USE_SG) */
	struct mill_changes changes;
};

/* For the host stack, of frames larger than a page: what the injecting program reads. */
struct mill_xdp_large {
	uint32_t len, ifindex;
	uint8_t frame[MILL_BUF_SIZE_LARGE + MILL_XDP_INJECT_HEADER];
};

/* A kernel ring: single producer, single consumer, indices run free. */
struct mill_xsk_ring {
	uint32_t *producer, *consumer, *flags;
	void *entry; /* uint64_t (fill, completion) or struct xdp_desc */
	uint32_t size, mask;
	void *map;
	size_t map_size;
};

struct mill_xdp_queue {
	int fd;
	struct mill_xsk_ring rx, fill, tx, completion;
};

/* In the `sem` area of a port's rings, so that it outlives the engine. */
struct mill_xdp_tx_state {
	uint32_t posted; /* slots from here to head are not the kernel's yet */
};
struct mill_xdp_rx_state {
	uint64_t dropped; /* what the kernel's statistics said last */
};

struct mill_xdp {
	char ifname[IFNAMSIZ];
	uint32_t ifindex;
	uint16_t n_queues; /* receive queues of the device, whether netmill takes them or not */
	bool veth, stacked;
	bool wants_pieces; /* packet buffers have room for frames larger than a page */
	bool needs_pieces; /* and the device has them */
	int link, program, injector, xskmap, map;
	int large_injector; /* for frames larger than a page; not held, each engine has its own */
	struct mill_xdp_large *large;
	char unsteered[256]; /* what the log says of interrupts that stay where they are */
	struct mill_xdp_shared *shared;
	struct mill_xdp_queue queue[MILL_MAX_RINGS];
};

/* xdp_program.c. Descriptors of `xdp` are -1 or owned by it. */
bool mill_xdp_maps_create(struct mill_xdp *, struct mill_error *);
bool mill_xdp_map_shared(struct mill_xdp *, struct mill_error *);
/* Loads and attaches: native first, then generic. `link` ≥ 0: replaces the program of that link. */
bool mill_xdp_attach(struct mill_xdp *, struct mill_error *);
bool mill_xdp_injector_load(struct mill_xdp *, struct mill_error *);
/* That for frames larger than a page, where packet buffers are. */
bool mill_xdp_large_load(struct mill_xdp *, struct mill_error *);
void mill_xdp_large_close(struct mill_xdp *);

/* xdp_socket.c */
bool mill_xdp_socket_open(struct mill_port *, uint32_t queue, struct mill_error *);
bool mill_xdp_socket_adopt(struct mill_port *, uint32_t queue, int fd, struct mill_error *);
/* Preferred busy polling of all queues: whoever asks a socket for packets runs the device's NAPI. Where the kernel or the
 * device will not have it, the log says so, and nothing has changed. */
void mill_xdp_busy_poll(struct mill_port *, bool on);
void mill_xdp_socket_close(struct mill_xdp_queue *);
/* Does the device have the socket's packets without a copy of the kernel's? Where that cannot be told, perhaps. */
bool mill_xdp_zero_copy(int fd);
/* How the port is served, into its state. */
void mill_xdp_tell_mode(struct mill_port *);

/* A fill ring in the hands of a sync, which publishes `producer` at its end. */
struct mill_xdp_filling {
	const struct mill_xsk_ring *ring;
	uint32_t producer, end;
};
static inline struct mill_xdp_filling mill_xdp_filling(const struct mill_xsk_ring *fill)
{
	return (struct mill_xdp_filling){.ring = fill,
	                                 .producer = *fill->producer,
	                                 .end =
	                                     __atomic_load_n(fill->consumer, __ATOMIC_ACQUIRE) + fill->size};
}
/* The kernel may receive into this buffer, which is its own by the owner byte. Where a port was adopted while the kernel had
 * more in its hand than could be seen, there is one too many, and the ring would be overrun: it is free then. */
static inline void mill_xdp_give(struct mill_region *region, struct mill_xdp_filling *filling, uint32_t index)
{
	const struct mill_xsk_ring *ring = filling->ring;
	if (__builtin_expect(filling->producer == filling->end, 0))
		mill_region_buf_free(region, index);
	else
		((uint64_t *)ring->entry)[filling->producer++ & ring->mask] = (uint64_t)index
		                                                              << region->buf_shift;
}

/* xdp_pieces.c */
#define MILL_XDP_MOST_PIECES 18u /* of a frame: the kernel's MAX_SKB_FRAGS + 1 */
#define MILL_XDP_MOST_SPENT  128u

struct mill_xdp_spent {
	uint32_t n;
	uint32_t buffer[MILL_XDP_MOST_SPENT];
};

/* The frame whose first descriptor is the ring's `consumer`: how many it has, and its length. 0: it is not there as a whole. */
uint32_t mill_xdp_measure(const struct mill_xsk_ring *rx, uint32_t consumer, uint32_t produced,
                          uint32_t *length);
/* Copies descriptors from `first` on, `n` of them, behind what `to` ends with; their buffers are spent. */
bool mill_xdp_gather(const struct mill_region *, const struct mill_xsk_ring *rx, uint32_t first, uint32_t n,
                     uint8_t owner, uint8_t *to, struct mill_xdp_spent *);
/* Spent buffers back to the kernel, once the ring's consumer has passed them. */
void mill_xdp_refill(struct mill_region *, struct mill_xsk_ring *fill, struct mill_xdp_spent *);
/* Into how many descriptors a frame is cut that begins at that offset of a buffer. */
static inline uint32_t mill_xdp_pieces(const struct mill_region *region, uint32_t offset, uint32_t length)
{
	if (region->buf_shift <= MILL_XDP_CHUNK_SHIFT)
		return 1;
	return ((offset + length - 1) >> MILL_XDP_CHUNK_SHIFT) - (offset >> MILL_XDP_CHUNK_SHIFT) + 1;
}
/* Writes them from `producer` on. */
void mill_xdp_scatter(struct mill_xsk_ring *tx, uint32_t producer, uint64_t address, uint32_t length);

/* xdp_rings.c */
void mill_xdp_rx_sync(struct mill_port *, uint32_t ring);
void mill_xdp_tx_sync(struct mill_port *, uint32_t ring);
bool mill_xdp_rx_arm(struct mill_port *, uint32_t ring);
/* Gives the kernel up to `n` more buffers to receive into. False: the region has not so many. */
bool mill_xdp_fill(struct mill_port *, uint32_t ring, uint32_t n);
/* Rings as a dead engine left them; the region's reclaim has run. */
void mill_xdp_rings_adopt(struct mill_port *, uint32_t ring);
void mill_xdp_count_drops(struct mill_port *, uint32_t ring);

/* xdp_device.c */
/* Which queue of the device each ring of the port is. */
void mill_xdp_number_queues(const struct mill_port *);
bool mill_xdp_device_read(struct mill_port *, struct mill_error *);
/* As what netdev.h takes it. */
struct mill_netdev mill_xdp_netdev(const struct mill_port *);

/* xdp_steer.c */
void mill_xdp_steer(struct mill_port *, const int32_t *core, bool owners_spin);

/* xdp_inject.c: host thread (and close) */
bool mill_xdp_inject(struct mill_port *, const uint8_t *frame, uint16_t len);
