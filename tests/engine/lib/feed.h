/* Playing the daemon's side of the FIB queue (shm/fib_queue.h): one change, applied when the function returns. */
#pragma once
#include "lib/engine_test.h"
#include "shm/fib_queue.h"

struct feed {
	struct mill_fib_queue *queue;
	int wake_fd;
	uint64_t next, batch;
};

void feed_open(struct feed *, const struct test_engine *);
/* Adjacency on an interface slot; `address` in host order. */
void feed_adjacency(struct feed *, uint32_t id, enum mill_adjacency_kind, uint16_t iface, uint32_t address,
                    const uint8_t mac[6]);
/* Route to one adjacency, by a group of the same number. */
void feed_route(struct feed *, uint32_t address, uint8_t length, uint32_t adjacency);
/* At most four legs of weight 1. */
void feed_group(struct feed *, uint32_t group, const uint32_t *adjacencies, uint32_t n);
void feed_route_by(struct feed *, uint32_t address, uint8_t length, uint32_t group);
/* IPv6, by a group that is there already. */
void feed_route6(struct feed *, const uint8_t address[16], uint8_t length, uint32_t group);
/* MILL_FIB_SYNC_BEGIN or MILL_FIB_SYNC_END. */
void feed_mark(struct feed *, enum mill_fib_op);
void feed_route_delete(struct feed *, uint32_t address, uint8_t length);
