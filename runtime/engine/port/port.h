/*
 * A port and its back end. A back end is one file with one struct mill_port_ops; everything else sees only the
 * netmap rings in `rx` and `tx`. Control calls (open, adopt, close) come from the control thread; rx_sync and tx_sync
 * come from the one worker that owns the ring; heartbeat comes from the pulse, inject from the host thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "netmill/netmap_abi.h"
#include "shm/config.h"
#include "shm/engine_control.h"
#include "shm/state.h"

struct mill_region; /* region.h: memfd with rings and buffers, and its buffer allocator */

/* Text for the operator: what was asked, what came, what to do. */
struct mill_error {
	int code; /* errno, 0 none */
	char text[512];
};

void mill_fail(struct mill_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One line for whoever reads the log. Any thread. */
void mill_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The address of a port that has no device: the same after every start. */
void mill_name_mac(const char *name, uint8_t mac[6]);

struct mill_port {
	const struct mill_port_ops *ops;
	struct mill_port_config config;
	struct mill_port_state *state;
	struct mill_region *region;
	uint32_t share; /* of the free packet buffers: others that are opened with it, or later, want some */
	uint16_t rx_rings, tx_rings;
	struct netmap_ring *rx[MILL_MAX_RINGS];
	struct netmap_ring *tx[MILL_MAX_RINGS];
	uint16_t mtu;        /* largest IP packet that it carries, if the policy does not say */
	uint16_t wanted_mtu; /* what the policy says of its interfaces, the largest; 0: nothing */
	uint16_t
	    most_mtu; /* that its device carries, whatever the policy says; 0: what the packet buffers take */
	bool refused; /* by tx_sync: the device takes no more, perhaps for want of a carrier (monitor.c) */
	const char *rundir;
	void *backend; /* its own */
};

/* Descriptors that a back end wants held by the daemon, or gets back on adoption. Terminated by fd < 0. */
struct mill_held_fd {
	struct mill_hold hold;
	int fd;
};

struct mill_port_ops {
	const char *kind;  /* before the colon of a spec */
	uint16_t most_mtu; /* whatever the packet buffers take; 0: what they take */
	/* Fills rx, tx, rx_rings, tx_rings, mtu, state. On error everything it did is undone. */
	bool (*open)(struct mill_port *, struct mill_error *);
	/* The same from descriptors of a dead engine and rings found in the region; the link never flaps. Takes
	 * every descriptor, also on error (then they are closed and the rings' buffers are left to the caller). */
	bool (*adopt)(struct mill_port *, const struct mill_held_fd *fds, struct mill_error *);
	void (*close)(struct mill_port *);
	/* Moves what has arrived into the RX ring and takes released slots' buffers back. */
	void (*rx_sync)(struct mill_port *, uint32_t ring);
	/* Pushes slots up to head and reclaims completed ones. */
	void (*tx_sync)(struct mill_port *, uint32_t ring);
	/* Descriptor that becomes readable when the ring has packets; -1: poll it by rx_sync only. */
	int (*rx_fd)(struct mill_port *, uint32_t ring);
	/* The ring's owner is about to sleep: arm whatever makes rx_fd readable; true: packets are there after all.
	 * NULL where rx_fd needs nothing. */
	bool (*rx_arm)(struct mill_port *, uint32_t ring);
	/* Ring's owner: its own set (os/events.h) hears when there are packets. NULL: rx_fd is enough. For descriptors that
	 * only the ring's owner may ask for their readiness; rx_fd is not asked then. False: it must look by rx_sync. */
	bool (*watch)(struct mill_port *, uint32_t ring, int set);
	/* Descriptor whose readability makes the control thread call `control`; NULL: none. One call may close a held
	 * descriptor or open one, not both. */
	int (*control_fd)(struct mill_port *);
	void (*control)(struct mill_port *);
	/* Control thread: the same port with another fallback or other offloads (same name, slot and spec). On error
	 * nothing changed. NULL: nothing of that matters to this back end. */
	bool (*configure)(struct mill_port *, const struct mill_port_config *, struct mill_error *);
	/* Control thread: sets the device up for `wanted_mtu`, or as it was made if that is more. On error it carries what it did,
	 * most_mtu. NULL: nothing can be set up. */
	bool (*set_mtu)(struct mill_port *, struct mill_error *);
	/* Control thread: what the spec names is another device than the one that was opened, so the port is to be opened
	 * again. NULL: never. */
	bool (*outdated)(const struct mill_port *);
	/* Control thread: which processor each ring's owner is bound to, below 0 none, and whether owners never sleep: what the
	 * device wakes goes there, as far as it is known and the policy wants it. NULL: nothing wakes. */
	void (*steer)(struct mill_port *, const int32_t *core, bool owners_spin);
	/* Called about every 5 ms while the ring's owner is alive; `now_ns` 0: it is served no more, fall back at once.
	 * Waits for nobody. NULL where nothing needs it. */
	void (*heartbeat)(struct mill_port *, uint32_t ring, uint64_t now_ns);
	/* The ring's owner, a few times a second: adds what the back end dropped. NULL where syncs count that. */
	void (*count_drops)(struct mill_port *, uint32_t ring);
	/* Control thread: a tap answers for what is untagged, or no longer: ARP and the like must come to the worker too.
	 * NULL where everything comes anyway. */
	void (*untagged_tap)(struct mill_port *, bool has_tap);
	/* Frame into the host stack as if received on this port; NULL: there is no host stack behind it. */
	bool (*inject)(struct mill_port *, const uint8_t *frame, uint16_t len);
	/* The ring's owner: the packet in this RX slot, which is released as it is, goes to the host stack with the next
	 * rx_sync, from where it lies. False: it cannot. NULL: there is only `inject`. */
	bool (*pass_up)(struct mill_port *, uint32_t ring, struct netmap_slot *);
	/* Writes descriptors to hold, returns how many; at most `max`. */
	uint32_t (*held_fds)(struct mill_port *, struct mill_held_fd *, uint32_t max);
};

/* The one of a list, which ends with NULL, that a spec names; NULL: none of them. */
static inline const struct mill_port_ops *mill_port_kind(const struct mill_port_ops *const *list,
                                                         const char *spec)
{
	for (; *list != NULL; list++) {
		const size_t n = strlen((*list)->kind);
		if (strncmp(spec, (*list)->kind, n) == 0 && spec[n] == ':')
			return *list;
	}
	return NULL;
}

extern const struct mill_port_ops mill_port_netmap, mill_port_xdp, mill_port_dpdk, mill_port_pipe,
    mill_port_pcap, mill_port_tap;
