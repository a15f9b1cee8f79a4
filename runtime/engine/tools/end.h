/*
 * One end of traffic for a tool: a port that the tool opens itself, by the engine's own back ends (`xdp:`, `pcap:` …),
 * or the peer of a running engine's pipe (`pipe:NAME`). Either way the tool sees netmap rings and two syncs.
 * One thread for each direction; open and close from one thread.
 */
#pragma once
#include "client/pipe_client.h"
#include "port/port.h"
#include "region.h"

struct mill_end {
	const char *spec;
	bool is_peer; /* of a pipe: the rings lie in that engine's region */
	uint32_t rx_rings, tx_rings;
	struct netmap_ring **rx, **tx;
	uint8_t mac[6];
	uint32_t carried; /* largest IP packet that its device sends; UINT16_MAX: whatever a buffer holds */
	uint32_t most;    /* of those, and written here; 0: it only receives */
	struct mill_port port;
	struct mill_port_state state;
	struct mill_pipe_client pipe;
	int wait_fd; /* of rings that only their owner may watch; -1: none */
};

/* Packet memory for the ends of these specs (either may be NULL) and for packets of this size. */
bool mill_end_region(struct mill_region *, const char *one, const char *two, uint32_t packet,
                     struct mill_error *);
/* `slot`: another one for each end of a region. `rundir`: of the engine whose pipes are meant. The port's name is its
 * spec; where it is a netdev, the kernel takes IP back as soon as the tool is gone. */
bool mill_end_open(struct mill_end *, const char *spec, struct mill_region *, uint16_t slot,
                   const char *rundir, struct mill_error *);
/* The port has gone since it was opened: says so. Any thread. */
bool mill_end_lost(const struct mill_end *, struct mill_error *);
/* False: it is a device that has no carrier. */
bool mill_end_carries(const struct mill_end *);
void mill_end_close(struct mill_end *);
void mill_end_rx_sync(struct mill_end *, uint32_t ring);
void mill_end_tx_sync(struct mill_end *, uint32_t ring);
/* False: a piece of a frame that the port dropped whole. */
static inline bool mill_end_is_frame(const struct netmap_slot *slot)
{
	return slot->len != 0;
}
/* Every few milliseconds: the kernel's program hands frames over only while somebody is there. 0: nobody is from now on. */
void mill_end_beat(struct mill_end *, uint64_t now_ns);
/* Waits until a ring has packets, at most so long. */
void mill_end_wait(struct mill_end *, int timeout_ms);
