/*
 * The back end `xdp:IFNAME`: netmap rings over AF_XDP sockets, on any Ethernet netdev of Linux ≥ 5.18. This file is the
 * life of a port; xdp.h says what the others do.
 *
 * Who keeps the program attached: the bpf_link, which lives as long as anybody has its descriptor (engine, daemon,
 * and for fallback 'drop' the guard), and is never pinned. A program without heartbeat falls back by itself, so
 * opening and closing need no order with the workers: before the first heartbeat a port does what its fallback says.
 * Control thread, but for the syncs (the ring's worker), heartbeat (pulse) and inject (host thread).
 */
#include "xdp.h"
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include "host/guard.h"

#define RX_SLOTS     512u
#define TX_SLOTS     1024u
#define FILL_SIZE    4096u /* what a starved worker may leave waiting: 80 ms at 50,000 packets/s */
#define MAX_SHRINK   2u    /* RX rings of at least 128 slots */
#define DRAIN_ROUNDS 64

static uint64_t fallback_action(const struct mill_port_config *config)
{
	return config->fallback == MILL_FALLBACK_DROP ? XDP_DROP : XDP_PASS;
}

/* Of queues that netmill has not taken. */
static uint64_t elsewhere_action(const struct mill_port_config *config)
{
	return config->n_queues != 0 ? XDP_PASS : fallback_action(config);
}

static uint32_t offloads_of(const struct mill_xdp *xdp, const struct mill_port_config *config)
{
	return config->offloads_off | (xdp->veth ? 0 : MILL_OFF_RXVLAN | MILL_OFF_VLAN_FILTER) |
	       (xdp->shared->generic != 0 ? (uint32_t)(MILL_OFF_GRO | MILL_OFF_LRO) : 0);
}

static struct mill_xdp *create(struct mill_port *port, struct mill_error *error)
{
	const char *ifname = port->config.spec + strlen("xdp:");
	struct mill_xdp *xdp = calloc(1, sizeof(*xdp));
	if (xdp == NULL || ifname[0] == '\0' || strlen(ifname) >= IFNAMSIZ) {
		free(xdp);
		mill_fail(error, EINVAL, "%s: expected xdp: and an interface name of 1 to 15 characters",
		          port->config.spec);
		return NULL;
	}
	strcpy(xdp->ifname, ifname);
	xdp->link = xdp->program = xdp->injector = xdp->large_injector = xdp->xskmap = xdp->map = -1;
	for (uint32_t q = 0; q < MILL_MAX_RINGS; q++)
		xdp->queue[q].fd = -1;
	port->backend = xdp;
	return xdp;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Everything but the link, which is detached or left to others. */
static void release(struct mill_port *port)
{
	struct mill_xdp *xdp = port->backend;
	for (uint32_t q = 0; q < MILL_MAX_RINGS; q++)
		mill_xdp_socket_close(&xdp->queue[q]);
	for (uint32_t r = 0; r < MILL_MAX_RINGS; r++) {
		mill_region_free_ring(port->region, port->rx[r]);
		mill_region_free_ring(port->region, port->tx[r]);
		port->rx[r] = port->tx[r] = NULL;
	}
	mill_region_free_kernel(port->region, port->config.slot);
	if (xdp->shared != NULL)
		munmap(xdp->shared, sizeof(*xdp->shared));
	mill_xdp_large_close(xdp);
	close_fd(&xdp->link);
	close_fd(&xdp->program);
	close_fd(&xdp->injector);
	close_fd(&xdp->xskmap);
	close_fd(&xdp->map);
	free(xdp);
	port->backend = NULL;
}

/* Rings and sockets of all queues, in the largest size for which there are buffers. */
static bool open_queues(struct mill_port *port, uint32_t shrink, struct mill_error *error)
{
	struct mill_xdp *xdp = port->backend;
	xdp->shared->fill_size = FILL_SIZE >> shrink;
	xdp->shared->tx_size = TX_SLOTS >> shrink;
	for (uint32_t r = 0; r < port->rx_rings; r++) {
		const bool transmits = r < port->tx_rings;
		port->rx[r] = mill_region_alloc_ring(port->region, port->config.slot, MILL_RING_RX, r,
		                                     RX_SLOTS >> shrink);
		if (transmits)
			port->tx[r] = mill_region_alloc_ring(port->region, port->config.slot, MILL_RING_TX, r,
			                                     TX_SLOTS >> shrink);
		if (port->rx[r] == NULL || (transmits && port->tx[r] == NULL)) {
			mill_fail(
			    error, ENOMEM,
			    "xdp:%s: not enough packet buffers for its %u queues: fewer queues "
			    "(ethtool -L %s "
			    "combined 1), or stop the engine, which takes more when it starts with this "
			    "policy",
			    xdp->ifname, port->rx_rings, xdp->ifname);
			return false;
		}
		if (!mill_xdp_socket_open(port, r, error))
			return false;
	}
	return true;
}

static void close_queues(struct mill_port *port)
{
	struct mill_xdp *xdp = port->backend;
	for (uint32_t r = port->rx_rings; r-- > 0;) {
		mill_xdp_socket_close(&xdp->queue[r]);
		mill_region_free_ring(port->region, port->rx[r]);
		mill_region_free_ring(port->region, port->tx[r]);
		port->rx[r] = port->tx[r] = NULL;
	}
	mill_region_free_kernel(port->region, port->config.slot);
}

static uint32_t buffers_for(const struct mill_port *port, uint32_t shrink)
{
	return port->rx_rings * ((RX_SLOTS + FILL_SIZE) >> shrink) + port->tx_rings * (TX_SLOTS >> shrink);
}

/* The largest size for which its share suffices; the smallest may take more. */
static uint32_t modest_size(const struct mill_port *port)
{
	uint32_t shrink = port->rx_rings > 4 ? 1 : 0;
	while (shrink < MAX_SHRINK && buffers_for(port, shrink) > port->share)
		shrink++;
	return shrink;
}

/* The socket that held the UMEM before lets go of its queue some milliseconds after close, and after the daemon has closed
 * its duplicate, which a busy machine delays: EBUSY is tried again for two seconds. */
static bool open_all_queues(struct mill_port *port, struct mill_error *error)
{
	uint32_t shrink = modest_size(port);
	for (int attempt = 0; attempt < 400; attempt++) {
		if (open_queues(port, shrink, error)) {
			*error = (struct mill_error){0};
			return true;
		}
		close_queues(port);
		if (error->code == ENOMEM && shrink < MAX_SHRINK)
			shrink++;
		else if (error->code == EBUSY)
			usleep(5000);
		else
			return false;
	}
	return false;
}

/* A guard of an engine that died holds the link of this interface, perhaps: then that link goes on with our program,
 * so that the port is never open. */
static void take_from_guard(struct mill_port *port)
{
	struct mill_xdp *xdp = port->backend;
	struct mill_guarded held;
	if (port->rundir == NULL || !mill_guard_take(port->rundir, xdp->ifindex, &held))
		return;
	xdp->link = held.link;
	close(held.program);
	close(held.map);
}

static bool tell_guard(struct mill_port *port, const struct mill_port_config *config,
                       struct mill_error *error)
{
	const struct mill_xdp *xdp = port->backend;
	if (port->rundir == NULL)
		return true;
	if (config->fallback != MILL_FALLBACK_DROP) {
		mill_guard_drop(port->rundir, xdp->ifindex);
		return true;
	}
	const struct mill_guarded hold = {.link = xdp->link, .program = xdp->program, .map = xdp->map};
	return mill_guard_hold(port->rundir, xdp->ifindex, &hold, error);
}

static void put_back(const struct mill_port *port)
{
	const struct mill_netdev device = mill_xdp_netdev(port);
	mill_netdev_restore(&device);
}

static bool open_steps(struct mill_port *port, struct mill_error *error)
{
	struct mill_xdp *xdp = port->backend;
	if (!mill_xdp_device_read(port, error) || !mill_xdp_maps_create(xdp, error))
		return false;
	xdp->shared->fallback = fallback_action(&port->config);
	xdp->shared->elsewhere = elsewhere_action(&port->config);
	mill_xdp_number_queues(port);
	xdp->shared->rx_rings = port->rx_rings;
	xdp->shared->tx_rings = port->tx_rings;
	(void)!getrandom(&xdp->shared->nonce, sizeof(xdp->shared->nonce), 0);
	const struct mill_netdev device = mill_xdp_netdev(port);
	mill_netdev_recall(&device);
	take_from_guard(port);
	if (!mill_offloads_apply(&device, offloads_of(xdp, &port->config), error) ||
	    !mill_xdp_attach(xdp, error) ||
	    !mill_offloads_apply(&device, offloads_of(xdp, &port->config), error) ||
	    !mill_xdp_injector_load(xdp, error) || !mill_xdp_large_load(xdp, error) ||
	    !open_all_queues(port, error))
		return false;
	mill_xdp_busy_poll(port, port->config.busy_poll != 0);
	/* Last: the guard holds whatever it is given, also that of a port that is refused. */
	return mill_flows_apply(&device, &port->config, error) && tell_guard(port, &port->config, error);
}

static bool xdp_open(struct mill_port *port, struct mill_error *error)
{
	struct mill_xdp *xdp = create(port, error);
	if (xdp == NULL)
		return false;
	if (open_steps(port, error)) {
		mill_netdev_warn(port, xdp->ifname);
		mill_xdp_tell_mode(port);
		return true;
	}
	if (xdp->shared != NULL)
		put_back(port);
	if (xdp->link >= 0 && port->config.fallback != MILL_FALLBACK_DROP)
		bpf_link_detach(xdp->link);
	release(port);
	return false;
}

/* --- adoption ------------------------------------------------------------------------------------------- */

static void sort_held(struct mill_xdp *xdp, const struct mill_held_fd *fds, int *sockets)
{
	for (; fds->fd >= 0; fds++) {
		const uint16_t index = fds->hold.index;
		if (fds->hold.kind == MILL_HOLD_PORT_LINK)
			xdp->link = fds->fd;
		else if (fds->hold.kind == MILL_HOLD_PORT_PROGRAM)
			*(index == 0 ? &xdp->program : &xdp->injector) = fds->fd;
		else if (fds->hold.kind == MILL_HOLD_PORT_MAP)
			*(index == 0 ? &xdp->xskmap : &xdp->map) = fds->fd;
		else if (fds->hold.kind == MILL_HOLD_PORT_SOCKET && index < MILL_MAX_RINGS)
			sockets[index] = fds->fd;
	}
}

static bool adopt_queues(struct mill_port *port, const int *sockets, struct mill_error *error)
{
	struct mill_xdp *xdp = port->backend;
	for (uint32_t r = 0; r < port->rx_rings; r++) {
		port->rx[r] = mill_region_find_ring(port->region, port->config.slot, MILL_RING_RX, r);
		if (r < port->tx_rings)
			port->tx[r] = mill_region_find_ring(port->region, port->config.slot, MILL_RING_TX, r);
		if (sockets[r] < 0 || port->rx[r] == NULL || (r < port->tx_rings && port->tx[r] == NULL)) {
			mill_fail(error, EINVAL, "xdp:%s: queue %u to adopt has no socket or no rings",
			          xdp->ifname, r);
			return false;
		}
		if (!mill_xdp_socket_adopt(port, r, sockets[r], error))
			return false;
		mill_xdp_rings_adopt(port, r);
	}
	return true;
}

/* The device of a link; 0 when that has gone. */
static uint32_t attached_to(int link)
{
	struct bpf_link_info info = {0};
	uint32_t size = sizeof(info);
	return bpf_obj_get_info_by_fd(link, &info, &size) == 0 ? info.xdp.ifindex : 0;
}

static bool adopt_steps(struct mill_port *port, const int *sockets, struct mill_error *error)
{
	struct mill_xdp *xdp = port->backend;
	if (xdp->link < 0 || xdp->program < 0 || xdp->injector < 0 || xdp->xskmap < 0 || xdp->map < 0) {
		mill_fail(error, EINVAL, "xdp:%s: a descriptor of the port to adopt is missing", xdp->ifname);
		return false;
	}
	if (!mill_xdp_device_read(port, error) || !mill_xdp_map_shared(xdp, error) ||
	    !mill_xdp_large_load(xdp, error))
		return false;
	if (attached_to(xdp->link) != xdp->ifindex) {
		mill_fail(error, ENODEV, "xdp:%s: the device to adopt is another one now", xdp->ifname);
		return false;
	}
	port->rx_rings = (uint16_t)xdp->shared->rx_rings;
	port->tx_rings = (uint16_t)xdp->shared->tx_rings;
	if (port->rx_rings > MILL_MAX_RINGS || port->tx_rings > port->rx_rings) {
		mill_fail(error, EINVAL, "xdp:%s: the heartbeat map to adopt makes no sense", xdp->ifname);
		return false;
	}
	if (!adopt_queues(port, sockets, error))
		return false;
	const struct mill_netdev device = mill_xdp_netdev(port);
	struct mill_error why = {0};
	if (!mill_flows_apply(&device, &port->config, &why))
		mill_log("port %s (%s): %s", port->config.name, port->config.spec, why.text);
	return true;
}

/* The guard has its link, with which whoever opens it anew goes on. */
static bool is_guarded(const struct mill_port *port)
{
	const struct mill_xdp *xdp = port->backend;
	const uint32_t ifindex = attached_to(xdp->link);
	struct mill_guarded held;
	if (port->config.fallback != MILL_FALLBACK_DROP || port->rundir == NULL ||
	    ifindex != if_nametoindex(xdp->ifname) || !mill_guard_take(port->rundir, ifindex, &held))
		return false;
	close(held.link);
	close(held.program);
	close(held.map);
	return true;
}

/* Takes the descriptors, whatever the outcome. */
static bool xdp_adopt(struct mill_port *port, const struct mill_held_fd *fds, struct mill_error *error)
{
	int sockets[MILL_MAX_RINGS];
	memset(sockets, 0xff, sizeof(sockets));
	struct mill_xdp *xdp = create(port, error);
	if (xdp == NULL)
		return false;
	sort_held(xdp, fds, sockets);
	if (adopt_steps(port, sockets, error)) {
		mill_xdp_tell_mode(port);
		return true;
	}
	for (uint32_t r = 0; r < MILL_MAX_RINGS; r++)
		if (sockets[r] >= 0 && xdp->queue[r].fd < 0)
			close(sockets[r]);
	/* The daemon has a duplicate, and the caller will want to open the port anew. What has to stay closed does, also if
	 * it cannot be opened. */
	if (xdp->link >= 0 && !is_guarded(port))
		bpf_link_detach(xdp->link);
	release(port);
	return false;
}

/* --- closing -------------------------------------------------------------------------------------------- */

static bool drain_ring(struct mill_port *port, uint32_t r)
{
	struct netmap_ring *ring = port->rx[r];
	mill_xdp_rx_sync(port, r);
	const bool any = ring->head != ring->tail;
	while (ring->head != ring->tail) {
		const struct netmap_slot *slot = &ring->slot[ring->head];
		(void)mill_xdp_inject(port, mill_ring_buffer(ring, slot), slot->len);
		ring->head = ring->cur = mill_ring_next(ring, ring->head);
	}
	if (r < port->tx_rings)
		mill_xdp_tx_sync(port, r);
	return any;
}

/* From now on the program passes everything to the kernel; what has come in before goes there by hand. */
static void hand_back(struct mill_port *port)
{
	struct mill_xdp *xdp = port->backend;
	const struct mill_netdev device = mill_xdp_netdev(port);
	mill_flows_restore(&device);
	xdp->shared->fallback = xdp->shared->elsewhere = XDP_PASS;
	memset(xdp->shared->beat, 0, sizeof(xdp->shared->beat));
	for (int round = 0, idle = 0; round < DRAIN_ROUNDS && idle < 2; round++) {
		bool any = false;
		for (uint32_t r = 0; r < port->rx_rings; r++)
			any |= drain_ring(port, r);
		idle = any ? 0 : idle + 1;
		usleep(500); /* a poll of the driver that had read the old word ends */
	}
}

static void xdp_close(struct mill_port *port)
{
	struct mill_xdp *xdp = port->backend;
	hand_back(port);
	if (port->rundir != NULL)
		mill_guard_drop(port->rundir, xdp->ifindex);
	bpf_link_detach(xdp->link); /* others may have duplicates still */
	put_back(port);
	release(port);
}

/* --- while it runs -------------------------------------------------------------------------------------- */

static int xdp_rx_fd(struct mill_port *port, uint32_t ring)
{
	return ((struct mill_xdp *)port->backend)->queue[ring].fd;
}

static bool xdp_configure(struct mill_port *port, const struct mill_port_config *config,
                          struct mill_error *error)
{
	struct mill_xdp *xdp = port->backend;
	struct mill_error ignored;
	const struct mill_netdev device = mill_xdp_netdev(port);
	if (!mill_offloads_apply(&device, offloads_of(xdp, config), error))
		return false;
	if (config->fallback != port->config.fallback && !tell_guard(port, config, error)) {
		mill_offloads_apply(&device, offloads_of(xdp, &port->config), &ignored);
		return false;
	}
	if (!mill_flows_apply(&device, config, error)) {
		mill_offloads_apply(&device, offloads_of(xdp, &port->config), &ignored);
		if (config->fallback != port->config.fallback)
			(void)tell_guard(port, &port->config, &ignored);
		return false;
	}
	xdp->shared->fallback = fallback_action(config);
	xdp->shared->elsewhere = elsewhere_action(config);
	if (config->busy_poll != port->config.busy_poll)
		mill_xdp_busy_poll(port, config->busy_poll != 0);
	mill_xdp_tell_mode(port);
	return true;
}

/* Names outlive devices: an interface may be deleted and made again, or another may take its name. */
static bool xdp_outdated(const struct mill_port *port)
{
	const struct mill_xdp *xdp = port->backend;
	const uint32_t ifindex = if_nametoindex(xdp->ifname);
	return ifindex != 0 && ifindex != xdp->ifindex;
}

static void xdp_untagged_tap(struct mill_port *port, bool has_tap)
{
	struct mill_xdp *xdp = port->backend;
	xdp->shared->has_tap = has_tap;
}

static void xdp_heartbeat(struct mill_port *port, uint32_t ring, uint64_t now_ns)
{
	struct mill_xdp *xdp = port->backend;
	__atomic_store_n(&xdp->shared->beat[ring], now_ns, __ATOMIC_RELAXED);
}

static uint32_t xdp_held_fds(struct mill_port *port, struct mill_held_fd *held, uint32_t max)
{
	const struct mill_xdp *xdp = port->backend;
	const struct {
		uint16_t kind, index;
		int fd;
	} fixed[] = {{MILL_HOLD_PORT_LINK, 0, xdp->link},
	             {MILL_HOLD_PORT_PROGRAM, 0, xdp->program},
	             {MILL_HOLD_PORT_PROGRAM, 1, xdp->injector},
	             {MILL_HOLD_PORT_MAP, 0, xdp->xskmap},
	             {MILL_HOLD_PORT_MAP, 1, xdp->map}};
	const uint32_t n_fixed = sizeof(fixed) / sizeof(fixed[0]);
	uint32_t n = 0;
	for (uint32_t i = 0; i < n_fixed + port->rx_rings && n < max; i++, n++) {
		const bool socket = i >= n_fixed;
		held[n] = (struct mill_held_fd){
		    .hold = {.kind = socket ? (uint16_t)MILL_HOLD_PORT_SOCKET : fixed[i].kind,
		             .slot = port->config.slot,
		             .index = socket ? (uint16_t)(i - n_fixed) : fixed[i].index},
		    .fd = socket ? xdp->queue[i - n_fixed].fd : fixed[i].fd};
	}
	return n;
}

const struct mill_port_ops mill_port_xdp = {
    .kind = "xdp",
    .open = xdp_open,
    .adopt = xdp_adopt,
    .close = xdp_close,
    .rx_sync = mill_xdp_rx_sync,
    .tx_sync = mill_xdp_tx_sync,
    .rx_fd = xdp_rx_fd,
    .rx_arm = mill_xdp_rx_arm,
    .configure = xdp_configure,
    .outdated = xdp_outdated,
    .steer = mill_xdp_steer,
    .heartbeat = xdp_heartbeat,
    .count_drops = mill_xdp_count_drops,
    .untagged_tap = xdp_untagged_tap,
    .inject = mill_xdp_inject,
    .held_fds = xdp_held_fds,
};
