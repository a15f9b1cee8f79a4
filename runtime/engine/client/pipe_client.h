/*
 * The peer's end of a `pipe:NAME` port (shm/pipe.h): attach, work on netmap-shaped rings, sync. For traffic
 * generators, tests and benchmarks. One thread for each ring; open and close from one thread.
 *
 *   struct mill_pipe_client c;
 *   mill_pipe_open(&c, "/run/netmill/pipe/wan.sock");
 *   fill c.tx[0]->slot[head] …, advance head and cur; mill_pipe_tx_sync(&c, 0);
 *   mill_pipe_rx_sync(&c, 0); read c.rx[0]->slot[cur] … up to tail, advance head and cur
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus /* C11 as C++ calls it; the layouts are the same */
#define _Alignas alignas
#define _Alignof alignof
#define _Static_assert static_assert
#endif
#include "netmill/netmap_abi.h"
#include "shm/pipe.h"

#ifdef __cplusplus
#undef _Alignas
#undef _Alignof
#undef _Static_assert
extern "C" {
#endif

struct mill_pipe_client {
	int fd, region_fd, wake_peer, wake_engine[MILL_MAX_RINGS];
	uint8_t *base;
	size_t size;
	struct mill_pipe_attach attach;
	struct netmap_ring *tx[MILL_MAX_RINGS], *rx[MILL_MAX_RINGS];
};

/* 0, or a negative errno: -EBUSY when another peer is attached, -EPROTO for an engine of another ABI. */
int mill_pipe_open(struct mill_pipe_client *, const char *path);
/* Does nothing to one that is closed, or that could not be opened. */
void mill_pipe_close(struct mill_pipe_client *);
/* Hands over what was filled up to head, takes back what the engine has emptied. */
void mill_pipe_tx_sync(struct mill_pipe_client *, uint32_t ring);
/* Gives back what was read up to head, takes what has arrived. */
void mill_pipe_rx_sync(struct mill_pipe_client *, uint32_t ring);
/* Sleeps until some ring has packets to read (or, with `room`, space to fill), the engine closes the port, or the time
 * is over. 1: something is there; 0: time over; negative errno: -EPIPE when the port is closed. It syncs all rings, of both
 * directions: only where one thread has them all. */
int mill_pipe_wait(struct mill_pipe_client *, int timeout_ms, bool room);

#ifdef __cplusplus
}
#endif
