/*
 * The host stack's side of the engine: the thread `host` that injects what workers punt (host_queue.h), and the
 * taps that are the kernel's face of interfaces without a kernel device.
 *
 * Threads: start, stop, tap_open, tap_close, port_changed and held_fds are the control thread's; tap_receive is called
 * by the one worker that owns the TX ring of the tap's port, when tap_fd is readable.
 */
#pragma once
#include <stdatomic.h>
#include "host_queue.h"
#include "netmill/forwarder.h"
#include "port/port.h"

struct mill_host;

struct mill_host_options {
	struct mill_host_queues *queues;
	struct mill_state *state;
	const struct mill_iface *ifaces;   /* by interface slot */
	const _Atomic uint32_t *punt_rate; /* packets a second, by class */
};

struct mill_host *mill_host_start(const struct mill_host_options *, struct mill_error *);
void mill_host_stop(struct mill_host *);
/* `port` serves that slot from now on; NULL: it is about to be closed. Returns when the host thread has let go
 * of the one before. */
void mill_host_set_port(struct mill_host *, uint16_t port_slot, struct mill_port *port);

/* Opens the tap of an interface with MILL_HOST_TAP, named config->host_name, with this MAC; `held_fd` ≥ 0 is the
 * descriptor of a dead engine's tap, to go on with. */
bool mill_host_tap_open(struct mill_host *, const struct mill_iface_config *config, const uint8_t mac[6],
                        uint16_t mtu, int held_fd, struct mill_error *);
/* Returns when nobody uses it any more; workers have been told before. */
void mill_host_tap_close(struct mill_host *, uint16_t iface_slot);
/* Readable when the kernel sends; -1: that interface has no tap. */
int mill_host_tap_fd(struct mill_host *, uint16_t iface_slot);
/* Sends at most MILL_BURST frames of the kernel out of the interface's port, tags pushed, through worker->tx; sets
 * tx_dirty. Returns how many were read. */
uint32_t mill_host_tap_receive(struct mill_host *, struct mill_worker *, uint16_t iface_slot);
/* Membership in all groups, on a device, as long as the socket lives; -1 for none. */
int mill_host_join_multicast(uint32_t ifindex);
/* MILL_HOLD_TAP descriptors. */
uint32_t mill_host_held_fds(struct mill_host *, struct mill_held_fd *, uint32_t max);
