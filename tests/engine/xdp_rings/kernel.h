/*
 * The kernel's side of an AF_XDP socket, in memory: four rings, frames that come in pieces and frames that are taken from
 * the TX ring, whole or not at all, as the kernel's copy mode does. It trusts nothing that it is given: an address that
 * is not the start of a buffer, a buffer that it has already, a piece that leaves its chunk, or a chain that ends in another
 * buffer than it began fails the test at once.
 */
#pragma once
#include "lib/engine_test.h"
#include "port/xdp.h"

#define CHUNK       (1u << MILL_XDP_CHUNK_SHIFT)
#define PIECE       (CHUNK - 256u) /* bytes of a frame that fit behind XDP's headroom */
#define MOST_RING   512u
#define LEAST_FRAME 60u

/* Lies in shared memory: it outlives processes that play the engine. */
struct kernel {
	uint32_t fill_size, tx_size;
	uint32_t producer[4], consumer[4], flags;
	uint64_t fill[MOST_RING], completion[MOST_RING];
	struct xdp_desc rx[MOST_RING], tx[MOST_RING];
	uint64_t on_their_way[MOST_RING]; /* pieces sent, not completed yet */
	uint32_t n_on_their_way;
	uint32_t rx_published;      /* what the engine sees of the RX ring, when `holds_back` */
	bool holds_back;            /* received frames are not published yet */
	uint32_t received, dropped; /* frames, numbered together */
	uint32_t next;              /* number of the next frame that is to be sent */
	bool may_skip;              /* some are lost when an engine dies */
	uint32_t sent;
	uint8_t frame[MILL_BUF_SIZE_LARGE];
};

struct kernel *kernel_make(uint32_t fill_size, uint32_t tx_size);
/* The engine's view of its rings. */
void kernel_rings(struct kernel *, struct mill_xdp_queue *);
/* A numbered frame; false: no room in the rings, it is gone. */
bool kernel_receive(struct kernel *, const struct mill_region *, uint8_t owner, uint32_t length);
/* One piece as it is. */
void kernel_put(struct kernel *, const struct mill_region *, uint64_t address, uint32_t length, bool more);
/* Buffer from the fill ring; 0: there is none. */
uint32_t kernel_take(struct kernel *, const struct mill_region *, uint8_t owner);
/* Publishes what was held back. */
void kernel_publish(struct kernel *);
/* Sends the next frame of the TX ring, if it has one; its pieces are on their way then. */
bool kernel_send(struct kernel *, const struct mill_region *, uint8_t owner);
/* Completes `n` pieces that are on their way, in any order. */
void kernel_complete(struct kernel *, uint32_t n);
/* Counts in `seen`, by buffer, what the kernel has: each once. */
void kernel_holds(const struct kernel *, const struct mill_region *, uint8_t *seen);
void frame_make(uint8_t *frame, uint32_t number, uint32_t length);
