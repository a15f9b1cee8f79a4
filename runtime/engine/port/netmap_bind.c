/*
 * The rings of a netmap port: which the spec means, a descriptor for each pair, and where they lie in the mapped memory. No
 * other ring is opened or looked at. What the kernel says of offsets is checked against the mapping. Control thread only.
 */
#include <errno.h>
#include "port/netmap.h"

#define GRANULE 1024u /* network devices are told the size of a buffer in such units */

/* With what they have in front, IP packets of the port's MTU are as long as this. */
static uint32_t longest(const struct mill_port *port)
{
	return port->mtu + MILL_NETMAP_LINK;
}

/* Netmap's parameter: of Linux; FreeBSD has sysctl dev.netmap.buf_size. A new size holds when no netmap port is open. */
static bool frames_fit(const struct mill_port *port, uint32_t buffer_size, struct mill_error *error)
{
	const struct mill_netmap *netmap = port->backend;
	const uint32_t needed = longest(port) > MILL_NETMAP_MIN_BUF ? longest(port) : MILL_NETMAP_MIN_BUF;
	if (buffer_size >= needed)
		return true;
	mill_fail(
	    error, EMSGSIZE,
	    "netmap:%s: netmap's buffers have %u bytes, and with an MTU of %u netmill needs %u: close all "
	    "netmap ports, then echo %u > /sys/module/netmap/parameters/buf_size, or, with buffers of "
	    "%u, ip link set %s mtu 1500",
	    netmap->spec.name, buffer_size, port->mtu, needed, (needed + 63) / 64 * 64, MILL_NETMAP_MIN_BUF,
	    netmap->spec.name);
	return false;
}

/*
 * Is there room in front of frames? Where frames may start further behind in their buffers, a device is given that much less of
 * each, in units of its own: of 2,048 bytes 1,024, and each longer frame would come in pieces.
 */
static bool has_room(const struct mill_port *port, uint32_t buffer_size)
{
	const struct mill_netmap *netmap = port->backend;
	if (netmap->spec.ifname[0] == '\0' || netmap->spec.kind == MILL_NETMAP_HOST ||
	    buffer_size < MILL_NETMAP_OFFSETS)
		return false;
	const uint32_t left = buffer_size - MILL_NETMAP_OFFSETS;
	return left - left % GRANULE >= longest(port);
}

bool mill_netmap_count_rings(struct mill_port *port, struct mill_netmap_info *info, struct mill_error *error)
{
	struct mill_netmap *netmap = port->backend;
	if (!mill_netmap_info(&netmap->spec, info, error) ||
	    (info->buffer_size != 0 && !frames_fit(port, info->buffer_size, error)))
		return false;
	netmap->has_room = has_room(port, info->buffer_size);
	switch (netmap->spec.kind) {
	case MILL_NETMAP_ONE_RING:
		port->rx_rings = netmap->spec.ring < info->rx_rings;
		port->tx_rings = netmap->spec.ring < info->tx_rings;
		break;
	case MILL_NETMAP_RX_QUEUE:
		port->rx_rings = netmap->spec.ring < info->rx_rings;
		port->tx_rings = 0;
		break;
	case MILL_NETMAP_HOST:
		port->rx_rings = port->tx_rings = info->host_rx_rings != 0 && info->host_tx_rings != 0;
		break;
	case MILL_NETMAP_MONITOR:
		port->rx_rings = info->rx_rings > info->tx_rings ? info->rx_rings : info->tx_rings;
		port->tx_rings = 0;
		break;
	case MILL_NETMAP_NIC:
	case MILL_NETMAP_VIRTUAL:
		port->rx_rings = info->rx_rings;
		port->tx_rings = info->tx_rings;
		break;
	}
	if (port->rx_rings == 0) {
		mill_fail(error, EINVAL,
		          "port %s: %s has %u receive and %u host rings, and '%s' asks for another",
		          port->config.name, netmap->spec.name, info->rx_rings, info->host_rx_rings,
		          port->config.spec);
		return false;
	}
	if (port->rx_rings <= MILL_MAX_RINGS && port->tx_rings <= MILL_MAX_RINGS)
		return true;
	mill_fail(error, E2BIG,
	          "netmap:%s: it has %u receive and %u transmit rings, and netmill serves %u: "
	          "ethtool -L %s combined %u",
	          netmap->spec.name, port->rx_rings, port->tx_rings, MILL_MAX_RINGS, netmap->spec.name,
	          MILL_MAX_RINGS);
	return false;
}

uint32_t mill_netmap_pairs(const struct mill_port *port)
{
	return port->rx_rings > port->tx_rings ? port->rx_rings : port->tx_rings;
}

/* Asked for a ring that a device has in one direction only, netmap would bind ring 0 in the other. */
static struct mill_netmap_binding binding_of(const struct mill_port *port, uint32_t r)
{
	const struct mill_netmap *netmap = port->backend;
	const bool one =
	    netmap->spec.kind == MILL_NETMAP_ONE_RING || netmap->spec.kind == MILL_NETMAP_RX_QUEUE;
	struct mill_netmap_binding binding = {.mode = NR_REG_ONE_NIC,
	                                      .ring = one ? netmap->spec.ring : (uint16_t)r,
	                                      .flags = NR_NO_TX_POLL | netmap->spec.monitor,
	                                      .offsets = netmap->has_room,
	                                      .extra_bufs = r == 0 ? MILL_NETMAP_SPARES : 0};
	if (netmap->spec.kind == MILL_NETMAP_HOST)
		binding.mode = NR_REG_SW;
	if (netmap->spec.kind == MILL_NETMAP_MONITOR)
		binding.extra_bufs = 0;
	else
		binding.flags |= NR_EXCLUSIVE;
	if (r >= port->tx_rings && netmap->spec.kind != MILL_NETMAP_MONITOR)
		binding.flags |= NR_RX_RINGS_ONLY;
	if (r >= port->rx_rings)
		binding.flags |= NR_TX_RINGS_ONLY;
	return binding;
}

static bool open_pair(struct mill_port *port, uint32_t r, struct mill_error *error)
{
	struct mill_netmap *netmap = port->backend;
	struct mill_netmap_binding binding = binding_of(port, r);
	const uint32_t wanted = binding.extra_bufs;
	netmap->pair[r].fd = mill_netmap_register(&netmap->spec, &binding, error);
	if (netmap->pair[r].fd < 0)
		return false;
	if (binding.extra_bufs < wanted)
		mill_log("port %s (%s): %u extra buffers granted of %u: so many torn exchanges can be mended "
		         "should the engine be killed",
		         port->config.name, port->config.spec, binding.extra_bufs, wanted);
	netmap->shared->offset[r] = binding.offset;
	if (r == 0) {
		netmap->shared->memory_id = binding.memory_id;
		netmap->shared->memory_size = binding.memory_size;
		netmap->shared->shares_memory = binding.shareable;
	}
	return true;
}

/* The way to the kernel, and from it where the wire's TX rings are ours. */
static bool open_host(struct mill_port *port, struct mill_error *error)
{
	struct mill_netmap *netmap = port->backend;
	struct mill_netmap_binding binding = {.mode = NR_REG_SW, .flags = NR_NO_TX_POLL | NR_EXCLUSIVE};
	if (netmap->spec.kind == MILL_NETMAP_RX_QUEUE)
		binding.flags |= NR_TX_RINGS_ONLY;
	netmap->host.fd = mill_netmap_register(&netmap->spec, &binding, error);
	netmap->shared->offset[MILL_NETMAP_HOST_FD] = binding.offset;
	return netmap->host.fd >= 0;
}

bool mill_netmap_open_rings(struct mill_port *port, bool host, struct mill_error *error)
{
	for (uint32_t r = 0; r < mill_netmap_pairs(port); r++)
		if (!open_pair(port, r, error))
			return false;
	return !host || open_host(port, error);
}

/* --- where they lie -------------------------------------------------------------------------------------- */

static struct netmap_if *interface_at(const struct mill_netmap *netmap, uint64_t offset)
{
	if (offset % sizeof(uint64_t) != 0 || offset + sizeof(struct netmap_if) > netmap->memory->size)
		return NULL;
	return (struct netmap_if *)(void *)(netmap->memory->base + offset);
}

static struct netmap_ring *ring_at(const struct mill_netmap *netmap, const struct netmap_if *nifp, uint32_t n)
{
	const struct mill_netmap_memory *memory = netmap->memory;
	const int64_t at = (const uint8_t *)nifp - memory->base;
	const int64_t start = at + nifp->ring_ofs[n];
	if (start < 0 || (uint64_t)start + sizeof(struct netmap_ring) > memory->size)
		return NULL;
	struct netmap_ring *ring = (struct netmap_ring *)(void *)(memory->base + start);
	const int64_t buffers = start + ring->buf_ofs;
	if (ring->num_slots < 2 || buffers <= 0 || (uint64_t)buffers >= memory->size ||
	    (uint64_t)start + sizeof(*ring) + (uint64_t)ring->num_slots * sizeof(struct netmap_slot) >
	        memory->size)
		return NULL;
	return ring;
}

static bool take_ring(struct mill_port *port, const struct netmap_if *nifp, uint32_t n,
                      struct netmap_ring **to, struct mill_error *error)
{
	struct mill_netmap *netmap = port->backend;
	struct netmap_ring *ring = nifp != NULL ? ring_at(netmap, nifp, n) : NULL;
	if (ring == NULL) {
		mill_fail(error, EPROTO, "netmap:%s: ring %u is not in the memory that netmap said",
		          netmap->spec.name, n);
		return false;
	}
	if (!frames_fit(port, ring->nr_buf_size, error))
		return false;
	const uint64_t buffers = (uint64_t)((uint8_t *)ring - netmap->memory->base + ring->buf_ofs);
	netmap->n_bufs = (uint32_t)((netmap->memory->size - buffers) / ring->nr_buf_size);
	*to = ring;
	return true;
}

/* TX rings, host TX rings, RX rings, host RX rings: only what the descriptor is bound to is looked at. */
static bool take_pair(struct mill_port *port, uint32_t r, struct mill_error *error)
{
	struct mill_netmap *netmap = port->backend;
	struct netmap_if *nifp = interface_at(netmap, netmap->shared->offset[r]);
	const struct mill_netmap_binding binding = binding_of(port, r);
	uint32_t tx = binding.ring, rx = binding.ring;
	netmap->pair[r].nifp = nifp;
	if (nifp != NULL && binding.mode == NR_REG_SW) {
		tx = nifp->ni_tx_rings;
		rx = nifp->ni_rx_rings;
	}
	if (nifp != NULL)
		rx += nifp->ni_tx_rings + nifp->ni_host_tx_rings;
	return (r >= port->rx_rings || take_ring(port, nifp, rx, &port->rx[r], error)) &&
	       (r >= port->tx_rings || take_ring(port, nifp, tx, &port->tx[r], error));
}

static bool take_host(struct mill_port *port, struct mill_error *error)
{
	struct mill_netmap *netmap = port->backend;
	const struct netmap_if *nifp = interface_at(netmap, netmap->shared->offset[MILL_NETMAP_HOST_FD]);
	if (nifp == NULL)
		return take_ring(port, NULL, 0, &netmap->host_tx, error);
	const uint32_t rx = nifp->ni_tx_rings + nifp->ni_host_tx_rings + nifp->ni_rx_rings;
	netmap->n_host_rx = port->tx_rings == 0 ? 0 : nifp->ni_host_rx_rings;
	if (netmap->n_host_rx > MILL_NETMAP_HOST_MAX) {
		mill_fail(error, E2BIG, "netmap:%s: it has %u host rings, and netmill serves %u",
		          netmap->spec.name, netmap->n_host_rx, MILL_NETMAP_HOST_MAX);
		return false;
	}
	for (uint32_t i = 0; i < netmap->n_host_rx; i++)
		if (!take_ring(port, nifp, rx + i, &netmap->host_rx[i], error))
			return false;
	return take_ring(port, nifp, nifp->ni_tx_rings, &netmap->host_tx, error);
}

bool mill_netmap_take_rings(struct mill_port *port, struct mill_error *error)
{
	struct mill_netmap *netmap = port->backend;
	const struct mill_netmap_shared *shared = netmap->shared;
	netmap->memory = mill_netmap_memory_get(netmap->pair[0].fd, shared->memory_id, shared->memory_size,
	                                        shared->shares_memory != 0, error);
	if (netmap->memory == NULL)
		return false;
	for (uint32_t r = 0; r < mill_netmap_pairs(port); r++)
		if (!take_pair(port, r, error))
			return false;
	return netmap->host.fd < 0 || take_host(port, error);
}
