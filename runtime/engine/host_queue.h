/*
 * From workers to the host thread: frames for the host stack, copied, one single-producer single-consumer ring
 * for each worker and class, so that a flood of one class or from one worker never takes another's place.
 *
 * Producer: the worker (services.c): writes frame[head % MILL_HOST_SLOTS], then head with release; a full ring is
 * counted by the worker (MILL_DROP_PUNT_FULL) and never waited for. Consumer: the host thread: reads head with acquire,
 * then writes tail with release. The consumer sets `asleep` (seq_cst) before it waits on `wake`, looks at the rings
 * once more, then sleeps; the producer looks at `asleep` (seq_cst fence before) at the end of a burst that punted
 * and rings the bell if it is set.
 * Rings live in the engine's own memory: frames in them die with the engine.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "shm/limits.h"
#include "shm/state.h"

#define MILL_HOST_SLOTS 256u /* power of two */

struct mill_host_frame {
	uint16_t iface; /* interface slot where it came in */
	uint16_t len;
	uint16_t l3; /* offset of the network header: after all tags */
	uint8_t punt_class;
	uint8_t reserved;
	uint8_t data[MILL_BUF_SIZE_LARGE];
};

struct mill_host_ring {
	_Alignas(64) uint32_t head; /* free running; worker, release */
	_Alignas(64) uint32_t tail; /* free running; host thread, release */
	_Alignas(64) struct mill_host_frame frame[MILL_HOST_SLOTS];
};

_Static_assert(offsetof(struct mill_host_ring, tail) == 64 && sizeof(struct mill_host_ring) % 64 == 0,
               "a worker and the host thread write lines of their own");

struct mill_host_queues {
	int wake;        /* a bell */
	uint32_t asleep; /* host thread: 1 while it waits on `wake` */
	/* by worker number and class; NULL until that worker first starts (published with release), never freed */
	struct mill_host_ring *ring[MILL_MAX_WORKERS][MILL_PUNT_CLASSES];
};
