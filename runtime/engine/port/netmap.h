/*
 * Inside of the netmap back end: netmap.c (life of a port), netmap_spec.c (what its spec means), netmap_register.c
 * (descriptors), netmap_bind.c (which rings, and where), netmap_memory.c (mapped memory), netmap_audit.c (buffer numbers after a crash), netmap_rings.c (packets),
 * netmap_sys.c (system calls). Nobody else includes this.
 *
 * The forwarder is given the kernel's own rings. Each pair of rings has a descriptor of its own, because a sync is of all
 * rings of a descriptor, and rings belong to different workers; the host rings have another one.
 *
 *   wire ──► RX ring ──► forwarder ──► TX ring ──► wire
 *              punts: host thread ──► host TX ring ──► kernel ──► host RX ring ──► TX ring 0 (its owner)
 */
#pragma once
#include <net/if.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "port/netdev.h"
#include "port/netmap_request.h"
#include "port/netmap_sys.h"
#include "port/port.h"

#define MILL_NETMAP_SPARES                                                                                   \
	16u /* buffers that mend rings: a crash leaves one worker's swap half done, at most */
#define MILL_NETMAP_FIRST    2u /* buffers 0 and 1 are the kernel's own */
#define MILL_NETMAP_MIN_BUF  2048u
#define MILL_NETMAP_LINK     22u /* bytes of Ethernet and two tags in front of an IP packet */
#define MILL_NETMAP_HOST_MAX 4u
#define MILL_NETMAP_MAX_MTU  16000u
#define MILL_NETMAP_HOST_FD  MILL_MAX_RINGS /* number of its descriptor, behind those of the pairs */
#define MILL_NETMAP_OFFSETS                                                                                  \
	128u /* where frames may start in their buffers, if netmap lets them: a power of two */
#define MILL_NETMAP_OFFSET  64u  /* received ones do: room for tags */
#define MILL_NETMAP_WEIGHTS 256u /* of so many bytes, as text: a device has at most 127 queues */

enum mill_netmap_kind {
	MILL_NETMAP_NIC,      /* all ring pairs of a netdev */
	MILL_NETMAP_ONE_RING, /* one of them */
	MILL_NETMAP_RX_QUEUE, /* one RX ring, everything else is the kernel's */
	MILL_NETMAP_HOST,     /* the host rings of a netdev, in place of a wire */
	MILL_NETMAP_VIRTUAL,  /* a VALE port or the end of a pipe */
	MILL_NETMAP_MONITOR,  /* copies of what another port carries */
};

struct mill_netmap_spec {
	enum mill_netmap_kind kind;
	char name[NETMAP_REQ_IFNAMSIZ]; /* as the kernel wants it, without mode and flags */
	char ifname[IFNAMSIZ];          /* the netdev that the port stands for, empty where there is none */
	char parent[IFNAMSIZ];          /* the netdev that its rings need: also that of a monitor or pipe */
	uint16_t ring;
	uint64_t monitor; /* NR_MONITOR_*, NR_ZCOPY_MON */
	bool is_pipe;
};

/* Memory of a kernel allocator, mapped once for all ports in it, so that they exchange buffers. */
struct mill_netmap_memory {
	uint8_t *base;
	size_t size;
	uint32_t id;
	uint32_t users;
	uint8_t *seen; /* while ports are adopted: buffers that slots have */
	int anchor; /* descriptor that it is mapped by, bound to no port: a mapping keeps its port open. -1: a port's own */
};

/* What an engine that adopts the port must know; a memfd, held by the daemon. */
struct mill_netmap_shared {
	uint64_t memory_size;
	uint32_t magic, abi;
	uint32_t memory_id, shares_memory;
	uint32_t ifindex;
	uint16_t rx_rings, tx_rings;
	uint64_t offset[MILL_MAX_RINGS + 1]; /* of each descriptor's struct netmap_if; last, the host's */
	struct mill_changes changes;
};

/* One pair of rings. Everything but `fd` is its owner's. */
struct mill_netmap_pair {
	int fd;
	uint32_t checked;    /* RX slots up to here have been looked at */
	uint32_t sent;       /* TX slots up to here were the kernel's at the last sync */
	uint32_t returned;   /* RX head at the last sync */
	bool in_chain;       /* the next RX slot goes on with a frame that is dropped */
	atomic_bool stopped; /* the last sync said so: nobody is told twice */
	struct netmap_if *nifp;
};

struct mill_netmap {
	struct mill_netmap_spec spec;
	struct mill_netmap_shared *shared;
	int shared_fd;
	struct mill_netmap_memory *memory;
	struct mill_netmap_pair pair[MILL_MAX_RINGS];
	struct mill_netmap_pair host; /* fd -1: this port has no host rings */
	uint32_t n_host_rx;
	struct netmap_ring *host_rx[MILL_NETMAP_HOST_MAX], *host_tx;
	uint64_t host_synced_ns;
	uint32_t parent_index;      /* its number, 0 for none */
	_Atomic uint64_t looked_ns; /* when it was last looked for */
	uint32_t n_bufs;
	bool has_room;      /* its buffers are large enough for offsets, too */
	uint32_t queues;    /* receive rings of the device, whichever of them are ours */
	int event;          /* a bell: `broken` has become true */
	atomic_bool broken; /* the kernel took the rings away, or set them anew: open the port again */
	char why[96];       /* written before `broken` */
	struct mill_netdev device;
};

/* netmap.c: ethtool's commands that bring flows to a single queue, and keep others away (single RX queue mode). */
void mill_netmap_steering(const struct mill_port *, char *text, size_t size);

/* netmap_spec.c */
bool mill_netmap_spec_parse(const struct mill_port_config *, struct mill_netmap_spec *, struct mill_error *);

/* netmap_register.c. What is asked of a descriptor and what came. */
struct mill_netmap_binding {
	uint32_t mode; /* NR_REG_* */
	uint16_t ring;
	uint64_t flags;
	uint32_t extra_bufs; /* wanted; then granted */
	uint64_t offset, memory_size;
	uint32_t memory_id;
	bool
	    offsets; /* wanted; then granted: frames start anywhere in the first MILL_NETMAP_OFFSETS bytes of a buffer */
	bool shareable; /* other ports of this memory may be mapped with it */
};
struct mill_netmap_info {
	uint16_t tx_rings, rx_rings, host_tx_rings, host_rx_rings;
	uint32_t buffer_size; /* bytes, 0: not known before rings are open */
};
/* Both: errno in error->code, the text names the port and what to do. */
bool mill_netmap_info(const struct mill_netmap_spec *, struct mill_netmap_info *, struct mill_error *);
/* A descriptor, or -1. Waits a moment for whoever is just letting go of the port. */
int mill_netmap_register(const struct mill_netmap_spec *, struct mill_netmap_binding *, struct mill_error *);
/* A descriptor of the memory alone, or -1 where the kernel cannot. */
int mill_netmap_anchor(uint32_t memory_id);

/* netmap_bind.c. Fills rx_rings and tx_rings; says whether frames of the device fit into buffers, and into what of them is left
 * by offsets. */
bool mill_netmap_count_rings(struct mill_port *, struct mill_netmap_info *, struct mill_error *);
uint32_t mill_netmap_pairs(const struct mill_port *);
/* Opens all pairs, and the host's rings. */
bool mill_netmap_open_rings(struct mill_port *, bool host, struct mill_error *);
/* Maps them, from descriptors that are open and what `shared` says of them. */
bool mill_netmap_take_rings(struct mill_port *, struct mill_error *);

/* netmap_memory.c. Control thread. */
struct mill_netmap_memory *mill_netmap_memory_get(int fd, uint32_t id, size_t size, bool shareable,
                                                  struct mill_error *);
void mill_netmap_memory_put(struct mill_netmap_memory *);

/* netmap_audit.c: after a crash each slot of the ports' has a buffer of its own again. False: it cannot be mended. */
bool mill_netmap_audit(struct mill_port *, struct mill_error *);
/* A buffer from the port's chain of extra ones, 0 when there is none. */
uint32_t mill_netmap_spare(struct mill_port *);

/* netmap_rings.c */
void mill_netmap_rings_begin(struct mill_port *, uint32_t ring);
void mill_netmap_rx_sync(struct mill_port *, uint32_t ring);
void mill_netmap_tx_sync(struct mill_port *, uint32_t ring);
bool mill_netmap_rx_arm(struct mill_port *, uint32_t ring);
bool mill_netmap_inject(struct mill_port *, const uint8_t *frame, uint16_t len);
bool mill_netmap_pass_up(struct mill_port *, uint32_t ring, struct netmap_slot *);
/* What has come in goes to the kernel by hand, what the kernel has sent goes out. No worker serves the port. */
void mill_netmap_hand_back(struct mill_port *);
