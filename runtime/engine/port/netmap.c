/*
 * The back end `netmap:`: ports of the kernel's own netmap, API 14 and 15 and the older requests. This file is the life of
 * a port; netmap.h says what the others do.
 *
 * As long as any process has a descriptor of a ring, the ring is in netmap mode: an engine that adopts finds it as it was,
 * and with the last descriptor the device is the kernel's again. There is no program in the driver that could drop what
 * nobody reads, so a device's port cannot have the fallback 'drop'.
 * Control thread, but for the syncs and `watch` (the ring's worker) and inject (host thread).
 */
#include "port/netmap.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "os/events.h"
#include "os/memory.h"

#define SHARED_MAGIC 0x4d4e4d4cu
#define VIRTUAL_MTU  1500u
#define ALWAYS_OFF                                                                                           \
	(MILL_OFF_TXCSUM | MILL_OFF_TSO | MILL_OFF_GSO | MILL_OFF_GRO | MILL_OFF_LRO | MILL_OFF_RXVLAN |     \
	 MILL_OFF_TXVLAN | MILL_OFF_VLAN_FILTER)

static struct mill_netmap *create(struct mill_port *port, struct mill_error *error)
{
	struct mill_netmap *netmap = calloc(1, sizeof(*netmap));
	if (netmap == NULL) {
		mill_fail(error, ENOMEM, "port %s: no memory", port->config.name);
		return NULL;
	}
	netmap->host.fd = netmap->shared_fd = -1;
	for (uint32_t r = 0; r < MILL_MAX_RINGS; r++)
		netmap->pair[r].fd = -1;
	netmap->event = mill_bell_create(false);
	port->backend = netmap;
	return netmap;
}

static void release(struct mill_port *port)
{
	struct mill_netmap *netmap = port->backend;
	mill_netmap_memory_put(netmap->memory);
	for (uint32_t r = 0; r < MILL_MAX_RINGS; r++)
		if (netmap->pair[r].fd >= 0)
			mill_netmap_sys->close(netmap->pair[r].fd);
	if (netmap->host.fd >= 0)
		mill_netmap_sys->close(netmap->host.fd);
	if (netmap->shared != NULL)
		munmap(netmap->shared, sizeof(*netmap->shared));
	if (netmap->shared_fd >= 0)
		close(netmap->shared_fd);
	if (netmap->event >= 0)
		close(netmap->event);
	free(netmap);
	port->backend = NULL;
}

/* --- what stands behind the port ------------------------------------------------------------------------ */

/* The port stands for the device: its address, carrier and kernel interface are the port's. */
static bool is_device(const struct mill_netmap_spec *spec)
{
	return spec->kind == MILL_NETMAP_NIC || spec->kind == MILL_NETMAP_ONE_RING ||
	       spec->kind == MILL_NETMAP_RX_QUEUE;
}

static bool read_device(struct mill_port *port, struct mill_error *error)
{
	const struct mill_netmap *netmap = port->backend;
	const char *ifname = netmap->spec.ifname;
	struct mill_netdev_facts facts;
	if (!mill_netdev_facts(ifname, &facts)) {
		mill_fail(error, ENODEV,
		          "netmap:%s: there is no Ethernet interface of this name here; see 'ip link'",
		          ifname);
		return false;
	}
	if (facts.mtu > MILL_NETMAP_MAX_MTU) {
		mill_fail(error, EMSGSIZE,
		          "netmap:%s: its MTU is %u, and netmill takes at most %u: ip link set %s mtu %u",
		          ifname, facts.mtu, MILL_NETMAP_MAX_MTU, ifname, MILL_NETMAP_MAX_MTU);
		return false;
	}
	memcpy(port->state->mac, facts.mac, 6);
	port->mtu = (uint16_t)facts.mtu;
	port->state->flags = facts.up ? MILL_PORT_UP : 0;
	port->state->ifindex = netmap->shared->ifindex;
	return true;
}

/* The device of `ifname`, 0 where the port has none. */
static bool find_device(const struct mill_netmap *netmap, uint32_t *ifindex, struct mill_error *error)
{
	const char *ifname = netmap->spec.ifname;
	*ifindex = ifname[0] != '\0' ? if_nametoindex(ifname) : 0;
	if (ifname[0] == '\0' || *ifindex != 0)
		return true;
	mill_fail(error, ENODEV, "netmap:%s: there is no interface of this name here; see 'ip link'", ifname);
	return false;
}

static bool describe(struct mill_port *port, struct mill_error *error)
{
	struct mill_netmap *netmap = port->backend;
	netmap->device = (struct mill_netdev){.kind = "netmap",
	                                      .ifname = netmap->spec.ifname,
	                                      .rundir = port->rundir,
	                                      .ifindex = netmap->shared->ifindex,
	                                      .changes = &netmap->shared->changes,
	                                      .tags_may_hide = true};
	if (is_device(&netmap->spec))
		return read_device(port, error);
	port->mtu = VIRTUAL_MTU;
	port->state->flags = MILL_PORT_UP;
	port->state->ifindex = 0;
	mill_name_mac(port->config.spec, port->state->mac);
	return true;
}

static bool switch_offloads(struct mill_port *port, const struct mill_port_config *config,
                            struct mill_error *error)
{
	struct mill_netmap *netmap = port->backend;
	return netmap->spec.ifname[0] == '\0' ||
	       mill_offloads_apply(&netmap->device, config->offloads_off | ALWAYS_OFF, error);
}

static void begin(struct mill_port *port)
{
	struct mill_netmap *netmap = port->backend;
	netmap->parent_index = netmap->spec.parent[0] != '\0' ? if_nametoindex(netmap->spec.parent) : 0;
	for (uint32_t r = 0; r < mill_netmap_pairs(port); r++)
		mill_netmap_rings_begin(port, r);
	port->state->rx_rings = port->rx_rings;
	port->state->tx_rings = port->tx_rings;
}

/* --- open ----------------------------------------------------------------------------------------------- */

static bool share(struct mill_netmap *netmap, int fd, struct mill_error *error)
{
	netmap->shared_fd = fd;
	void *base = fd < 0 ? MAP_FAILED
	                    : mmap(NULL, sizeof(*netmap->shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED) {
		mill_fail(error, errno, "netmap:%s: memory for whoever adopts the port: %s",
		          netmap->spec.name, strerror(errno));
		return false;
	}
	netmap->shared = base;
	return true;
}

static bool may_fall_back(const struct mill_netmap *netmap, const struct mill_port_config *config,
                          struct mill_error *error)
{
	if (config->fallback != MILL_FALLBACK_DROP || !is_device(&netmap->spec))
		return true;
	mill_fail(error, EOPNOTSUPP,
	          "port %s: '%s' cannot have fallback 'drop': with the last process that has a netmap port "
	          "open the "
	          "device is the kernel's again; use xdp:%s, or fallback 'kernel'",
	          config->name, config->spec, netmap->spec.ifname);
	return false;
}

/* "1 1 0 1": all queues but one, for ethtool. */
static void write_weights(char *text, size_t size, uint32_t queues, uint32_t without)
{
	size_t at = 0;
	text[0] = '\0';
	for (uint32_t q = 0; q < queues && at + 3 < size; q++)
		at += (size_t)snprintf(text + at, size - at, q == 0 ? "%d" : " %d", q != without);
}

void mill_netmap_steering(const struct mill_port *port, char *text, size_t size)
{
	const struct mill_netmap *netmap = port->backend;
	const char *ifname = netmap->spec.ifname;
	char weights[MILL_NETMAP_WEIGHTS];
	write_weights(weights, sizeof(weights), netmap->queues, netmap->spec.ring);
	if (netmap->queues < 2)
		snprintf(text, size,
		         "%s has one receive queue, so all that it receives comes to netmill; more of them: "
		         "ethtool -L %s combined 4",
		         ifname, ifname);
	else
		snprintf(text, size,
		         "only receive queue %u comes to netmill. Keep other flows away from it: ethtool -X "
		         "%s weight "
		         "%s; steer flows to it: ethtool -K %s ntuple on; ethtool -N %s flow-type udp4 "
		         "dst-port 53 "
		         "action %u",
		         netmap->spec.ring, ifname, weights, ifname, ifname, netmap->spec.ring);
}

/* What the operator must do so that the right flows come to a single queue, and no others. */
static void tell_steering(const struct mill_port *port)
{
	const struct mill_netmap *netmap = port->backend;
	char text[2 * MILL_NETMAP_WEIGHTS];
	if (netmap->spec.kind != MILL_NETMAP_RX_QUEUE)
		return;
	mill_netmap_steering(port, text, sizeof(text));
	mill_log("port %s (%s): %s", port->config.name, port->config.spec, text);
}

static void tell_emulation(const struct mill_port *port)
{
	const char *ifname = ((const struct mill_netmap *)port->backend)->spec.ifname;
	if (mill_netdev_is_emulated(ifname))
		mill_log("port %s (%s): netmap is not in its driver, so it is emulated: each packet is "
		         "copied, and packets of one flow may pass each other; else xdp:%s",
		         port->config.name, port->config.spec, ifname);
}

static bool open_steps(struct mill_port *port, struct mill_error *error)
{
	struct mill_netmap *netmap = port->backend;
	struct mill_netmap_info info;
	if (!mill_netmap_spec_parse(&port->config, &netmap->spec, error) ||
	    !may_fall_back(netmap, &port->config, error) ||
	    !share(netmap, mill_memory_create("netmill-netmap", sizeof(*netmap->shared)), error) ||
	    !find_device(netmap, &netmap->shared->ifindex, error) || !describe(port, error) ||
	    !mill_netmap_count_rings(port, &info, error))
		return false;
	netmap->queues = info.rx_rings;
	netmap->shared->magic = SHARED_MAGIC;
	netmap->shared->abi = MILL_ABI_VERSION;
	netmap->shared->rx_rings = port->rx_rings;
	netmap->shared->tx_rings = port->tx_rings;
	if (netmap->spec.ifname[0] != '\0')
		mill_netdev_recall(&netmap->device);
	if (!switch_offloads(port, &port->config, error))
		return false;
	const bool host = is_device(&netmap->spec) && info.host_tx_rings != 0;
	return mill_netmap_open_rings(port, host, error) && mill_netmap_take_rings(port, error);
}

static bool netmap_open(struct mill_port *port, struct mill_error *error)
{
	struct mill_netmap *netmap = create(port, error);
	if (netmap == NULL)
		return false;
	if (open_steps(port, error)) {
		begin(port);
		tell_steering(port);
		if (is_device(&netmap->spec)) {
			mill_netdev_warn(port, netmap->spec.ifname);
			tell_emulation(port);
		}
		return true;
	}
	if (netmap->shared != NULL && netmap->device.ifname != NULL && netmap->spec.ifname[0] != '\0')
		mill_netdev_restore(&netmap->device);
	release(port);
	return false;
}

/* --- adoption, closing ---------------------------------------------------------------------------------- */

static bool sort_held(struct mill_netmap *netmap, const struct mill_held_fd *fds, struct mill_error *error)
{
	bool ok = true;
	for (; fds->fd >= 0; fds++) {
		const uint16_t index = fds->hold.index;
		if (fds->hold.kind == MILL_HOLD_PORT_MAP && netmap->shared_fd < 0)
			ok = share(netmap, fds->fd, error) && ok;
		else if (fds->hold.kind == MILL_HOLD_PORT_SOCKET && index < MILL_MAX_RINGS)
			netmap->pair[index].fd = fds->fd;
		else if (fds->hold.kind == MILL_HOLD_PORT_SOCKET && index == MILL_NETMAP_HOST_FD)
			netmap->host.fd = fds->fd;
		else
			close(fds->fd);
	}
	return ok;
}

static bool is_whole(const struct mill_port *port)
{
	const struct mill_netmap *netmap = port->backend;
	const struct mill_netmap_shared *shared = netmap->shared;
	struct stat st;
	if (shared == NULL || fstat(netmap->shared_fd, &st) != 0 || st.st_size != sizeof(*shared) ||
	    shared->magic != SHARED_MAGIC || shared->abi != MILL_ABI_VERSION ||
	    shared->rx_rings > MILL_MAX_RINGS || shared->tx_rings > MILL_MAX_RINGS || shared->rx_rings == 0)
		return false;
	for (uint32_t r = 0; r < shared->rx_rings || r < shared->tx_rings; r++)
		if (netmap->pair[r].fd < 0)
			return false;
	return true;
}

static bool adopt_steps(struct mill_port *port, struct mill_error *error)
{
	struct mill_netmap *netmap = port->backend;
	uint32_t ifindex;
	if (!is_whole(port)) {
		mill_fail(error, EINVAL, "port %s: a descriptor of the port to adopt is missing",
		          port->config.name);
		return false;
	}
	if (!mill_netmap_spec_parse(&port->config, &netmap->spec, error) ||
	    !find_device(netmap, &ifindex, error))
		return false;
	if (ifindex != netmap->shared->ifindex) {
		mill_fail(error, ENODEV, "netmap:%s: the device to adopt is another one now",
		          netmap->spec.name);
		return false;
	}
	port->rx_rings = netmap->shared->rx_rings;
	port->tx_rings = netmap->shared->tx_rings;
	return describe(port, error) && mill_netmap_take_rings(port, error) && mill_netmap_audit(port, error);
}

/* Takes the descriptors, whatever the outcome. */
static bool netmap_adopt(struct mill_port *port, const struct mill_held_fd *fds, struct mill_error *error)
{
	struct mill_netmap *netmap = create(port, error);
	if (netmap == NULL)
		return false;
	if (sort_held(netmap, fds, error) && adopt_steps(port, error)) {
		begin(port);
		return true;
	}
	release(port);
	return false;
}

static void netmap_close(struct mill_port *port)
{
	struct mill_netmap *netmap = port->backend;
	if (is_device(&netmap->spec))
		mill_netmap_hand_back(port);
	if (netmap->spec.ifname[0] != '\0')
		mill_netdev_restore(&netmap->device);
	release(port);
}

/* --- while it runs -------------------------------------------------------------------------------------- */

static int no_fd(struct mill_port *port, uint32_t ring)
{
	(void)port;
	(void)ring;
	return -1;
}

static bool netmap_watch(struct mill_port *port, uint32_t ring, int set)
{
	const struct mill_netmap *netmap = port->backend;
	return mill_netmap_sys->watch(set, netmap->pair[ring].fd) == 0 &&
	       (ring != 0 || netmap->n_host_rx == 0 || mill_netmap_sys->watch(set, netmap->host.fd) == 0);
}

static int netmap_control_fd(struct mill_port *port)
{
	return ((struct mill_netmap *)port->backend)->event;
}

static void netmap_control(struct mill_port *port)
{
	const struct mill_netmap *netmap = port->backend;
	uint64_t value;
	if (read(netmap->event, &value, sizeof(value)) == (ssize_t)sizeof(value))
		mill_log("port %s (%s): %s; it is opened again", port->config.name, port->config.spec,
		         netmap->why);
}

static bool netmap_configure(struct mill_port *port, const struct mill_port_config *config,
                             struct mill_error *error)
{
	return may_fall_back(port->backend, config, error) && switch_offloads(port, config, error);
}

static bool netmap_outdated(const struct mill_port *port)
{
	const struct mill_netmap *netmap = port->backend;
	const char *ifname = netmap->spec.ifname;
	const uint32_t ifindex = ifname[0] != '\0' ? if_nametoindex(ifname) : 0;
	return atomic_load(&netmap->broken) || (ifindex != 0 && ifindex != netmap->shared->ifindex);
}

static uint32_t netmap_held_fds(struct mill_port *port, struct mill_held_fd *held, uint32_t max)
{
	const struct mill_netmap *netmap = port->backend;
	uint32_t n = 0;
	for (uint32_t i = 0; i <= MILL_NETMAP_HOST_FD && n < max; i++) {
		const int fd = i < MILL_NETMAP_HOST_FD ? netmap->pair[i].fd : netmap->host.fd;
		if (fd >= 0)
			held[n++] = (struct mill_held_fd){.hold = {.kind = MILL_HOLD_PORT_SOCKET,
			                                           .slot = port->config.slot,
			                                           .index = (uint16_t)i},
			                                  .fd = fd};
	}
	if (n < max)
		held[n++] = (struct mill_held_fd){
		    .hold = {.kind = MILL_HOLD_PORT_MAP, .slot = port->config.slot}, .fd = netmap->shared_fd};
	return n;
}

const struct mill_port_ops mill_port_netmap = {
    .kind = "netmap",
    .open = netmap_open,
    .adopt = netmap_adopt,
    .close = netmap_close,
    .rx_sync = mill_netmap_rx_sync,
    .tx_sync = mill_netmap_tx_sync,
    .rx_fd = no_fd,
    .rx_arm = mill_netmap_rx_arm,
    .watch = netmap_watch,
    .control_fd = netmap_control_fd,
    .control = netmap_control,
    .configure = netmap_configure,
    .outdated = netmap_outdated,
    .inject = mill_netmap_inject,
    .pass_up = mill_netmap_pass_up,
    .held_fds = netmap_held_fds,
};
