/*
 * A model of the kernel's side of netmap, behind struct mill_netmap_sys: the same requests, the same memory with
 * interfaces, rings and buffers, and descriptors that are real enough for epoll. It does what the kernel was seen to do, and
 * writes down each access that a process must not make, which the kernel would punish by packets overwritten much later.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "port/netmap_request.h"
#include "port/netmap_sys.h"

#define MODEL_SLOTS 128u
#define MODEL_BUFS  8192u

extern const struct mill_netmap_sys model_sys;

struct model_options {
	uint16_t api;        /* the one version of NIOCCTRL that is understood; 0: the older requests alone */
	uint32_t extra_most; /* extra buffers that are granted at most */
	uint32_t buffer_size; /* bytes */
	bool offsets;         /* the driver lets frames start further behind in their buffers */
	bool no_null;         /* no port that is memory alone */
	uint32_t slow_us;     /* opening takes as long */
	uint32_t stopped;     /* so many syncs after opening say EIO */
	bool
	    nobody_behind; /* a veth whose peer is not in netmap mode: what is sent lies in the peer's rings */
	uint32_t wild_tail; /* said by every sync, when not 0: somebody else has written to the rings */
};
extern struct model_options model_options;

enum model_side { MODEL_WIRE, MODEL_HOST };

/* Forgets everything: no device, API 14, no violation. */
void model_reset(void);
/* A device, VALE port or end of a pipe in a memory; 1 is the one that netdevs share. */
void model_device(const char *name, uint16_t memory, uint16_t tx_rings, uint16_t rx_rings,
                  uint16_t host_rings);
/* It goes, as an unplugged card: syncs say ENXIO. */
void model_remove(const char *name);
/* How many descriptors have rings of it, mappings counted as the descriptor that they were made by. */
uint32_t model_users(const char *name);
/* Has somebody this ring open? */
bool model_has_ring(const char *name, enum model_side, bool tx, uint16_t ring);
/* Is a device in a switch, by both names ("vale0:ix0"), and how. */
bool model_attached(const char *name, bool *host, bool *polled);

/* A frame arrives at the next sync of that ring: from the wire, or from the host. */
void model_receive(const char *name, enum model_side, uint16_t ring, const void *frame, uint16_t length,
                   uint16_t flags);
/* The oldest frame sent to that side and not yet taken; false: none. `buffer`: its number. */
bool model_sent(const char *name, enum model_side, uint16_t ring, void *frame, uint16_t *length,
                uint32_t *buffer);
/* Buffer that the last frame received on that ring was put into. */
uint32_t model_last_buffer(const char *name, enum model_side, uint16_t ring);

/* The first wrong access since the last call, "" when there was none. */
const char *model_violation(void);
