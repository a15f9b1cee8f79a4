/*
 * A dpdk: port's life. Nothing of it outlives the process, so there is nothing to hold and to adopt: an engine that adopts
 * opens the port anew.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dpdk/dpdk.h"
#include "os/events.h"
#include "port/dpdk.h"

#define MTU             1500u
#define LOOK_NS         50000000 /* between two looks at the carrier */
#define FEW_DESCRIPTORS 64u

static void set_carrier(struct mill_port *port)
{
	if (mill_dpdk_has_carrier(port->backend))
		__atomic_fetch_or(&port->state->flags, MILL_PORT_UP, __ATOMIC_ACQ_REL);
	else
		__atomic_fetch_and(&port->state->flags, ~(uint32_t)MILL_PORT_UP, __ATOMIC_ACQ_REL);
}

/* The kernel's device may be given another MTU while it is open. */
static void measure(struct mill_port *port)
{
	struct mill_dpdk *dpdk = port->backend;
	port->most_mtu = mill_dpdk_mtu(dpdk);
	__atomic_store_n(&dpdk->most_frame, port->most_mtu + (uint32_t)RTE_ETHER_HDR_LEN, __ATOMIC_RELAXED);
}

static void describe(struct mill_port *port)
{
	struct mill_dpdk *dpdk = port->backend;
	struct rte_ether_addr mac = {0};
	struct mill_netdev_facts facts;
	port->mtu = MTU;
	if (dpdk->ifindex != 0 && mill_netdev_facts(dpdk->ifname, &facts) && facts.mtu > 0 && facts.mtu < MTU)
		port->mtu = (uint16_t)facts.mtu;
	if (dpdk->spec.keeps_mac && rte_eth_macaddr_get(dpdk->id, &mac) == 0 && !rte_is_zero_ether_addr(&mac))
		memcpy(port->state->mac, mac.addr_bytes, sizeof(port->state->mac));
	else
		mill_name_mac(port->config.spec, port->state->mac);
	port->state->ifindex = 0; /* the port is no device of the kernel's, even where it stands beside one */
	port->state->rx_rings = port->rx_rings;
	port->state->tx_rings = port->tx_rings;
	dpdk->most_tags = mill_dpdk_tags(dpdk);
	set_carrier(port);
	measure(port);
}

/* --- opening -------------------------------------------------------------------------------------------- */

static uint32_t buffers_for(const struct mill_port *port, uint32_t rx, uint32_t tx)
{
	return port->rx_rings * (rx + MILL_BURST) + port->tx_rings * (tx + MILL_BURST);
}

static uint32_t slots_of(const struct mill_port *port)
{
	return port->rx_rings * MILL_DPDK_RX_SLOTS + port->tx_rings * MILL_DPDK_TX_SLOTS;
}

/* Rings, and buffers for the device's queues: smaller queues where others need buffers, too. */
static bool make_rings(struct mill_port *port, struct mill_error *error)
{
	struct mill_dpdk *dpdk = port->backend;
	struct mill_region *region = port->region;
	const uint16_t slot = port->config.slot;
	bool ok = true;
	while (slots_of(port) + buffers_for(port, dpdk->rx_descriptors, dpdk->tx_descriptors) > port->share &&
	       dpdk->rx_descriptors > FEW_DESCRIPTORS && dpdk->tx_descriptors > FEW_DESCRIPTORS) {
		dpdk->rx_descriptors /= 2;
		dpdk->tx_descriptors /= 2;
		if (rte_eth_dev_adjust_nb_rx_tx_desc(dpdk->id, &dpdk->rx_descriptors,
		                                     &dpdk->tx_descriptors) != 0)
			break;
	}
	for (uint32_t i = 0; ok && i < port->rx_rings; i++)
		ok = (port->rx[i] =
		          mill_region_alloc_ring(region, slot, MILL_RING_RX, i, MILL_DPDK_RX_SLOTS)) != NULL;
	for (uint32_t i = 0; ok && i < port->tx_rings; i++)
		ok = (port->tx[i] =
		          mill_region_alloc_ring(region, slot, MILL_RING_TX, i, MILL_DPDK_TX_SLOTS)) != NULL;
	const uint32_t wanted = buffers_for(port, dpdk->rx_descriptors, dpdk->tx_descriptors);
	if (ok && mill_dpdk_lend(region, wanted)) {
		dpdk->lent = wanted;
		return true;
	}
	mill_fail(error, ENOBUFS,
	          "port %s: it needs %u packet buffers and %u are free: start the engine with more than "
	          "--buffers %u",
	          port->config.name, slots_of(port) + wanted, mill_region_n_free(region), region->n_bufs);
	return false;
}

static void close_port(struct mill_port *port)
{
	struct mill_dpdk *dpdk = port->backend;
	mill_dpdk_begin();
	mill_dpdk_release(port);
	const uint32_t missing = dpdk->lent != 0 ? mill_dpdk_take_back(port->region, dpdk->lent) : 0;
	if (missing != 0)
		mill_log("port %s (%s): %u packet buffers are still with other DPDK devices",
		         port->config.name, port->config.spec, missing);
	mill_dpdk_end();
	for (uint32_t i = 0; i < MILL_MAX_RINGS; i++) {
		mill_region_free_ring(port->region, port->rx[i]);
		mill_region_free_ring(port->region, port->tx[i]);
	}
	if (dpdk->timer >= 0)
		close(dpdk->timer);
	free(dpdk);
	port->backend = NULL;
}

static bool open_steps(struct mill_port *port, struct mill_error *error)
{
	struct mill_dpdk *dpdk = port->backend;
	if (!mill_dpdk_probe(port, error) || !mill_dpdk_plan(port, error) || !make_rings(port, error) ||
	    !mill_dpdk_run(port, error))
		return false;
	dpdk->timer = mill_timer_create(LOOK_NS);
	if (dpdk->timer >= 0)
		return true;
	mill_fail(error, errno, "port %s: a timer: %s", port->config.name, strerror(errno));
	return false;
}

static bool open_port(struct mill_port *port, struct mill_error *error)
{
	struct mill_dpdk_spec spec;
	if (!mill_dpdk_parse(&port->config, &spec, error) || !mill_dpdk_start(port->region->n_bufs, error) ||
	    mill_dpdk_pool(port->region, error) == NULL)
		return false;
	struct mill_dpdk *dpdk = calloc(1, sizeof(*dpdk));
	if (dpdk == NULL) {
		mill_fail(error, ENOMEM, "port %s: no memory", port->config.name);
		return false;
	}
	dpdk->spec = spec;
	dpdk->timer = -1;
	dpdk->most_frame = UINT32_MAX;
	port->backend = dpdk;
	mill_dpdk_begin();
	const bool ok = open_steps(port, error);
	mill_dpdk_end();
	if (!ok) {
		close_port(port);
		return false;
	}
	describe(port);
	if (spec.beside_kernel)
		mill_log("port %s (%s): the kernel receives what the port receives, too: %s should have no "
		         "address and not be forwarded, or take xdp:%s",
		         port->config.name, port->config.spec, dpdk->ifname, dpdk->ifname);
	return true;
}

/* --- while it is open ----------------------------------------------------------------------------------- */

/* DPDK devices have no descriptor to wait for: workers look for packets. */
static int rx_fd(struct mill_port *port, uint32_t ring)
{
	(void)port;
	(void)ring;
	return -1;
}

static int control_fd(struct mill_port *port)
{
	return ((struct mill_dpdk *)port->backend)->timer;
}

static void control(struct mill_port *port)
{
	uint64_t times;
	if (read(((struct mill_dpdk *)port->backend)->timer, &times, sizeof(times)) > 0) {
		set_carrier(port);
		measure(port);
	}
}

static bool set_mtu(struct mill_port *port, struct mill_error *error)
{
	mill_dpdk_begin();
	const bool ok = mill_dpdk_set_mtu(port, error);
	mill_dpdk_end();
	measure(port);
	return ok;
}

static bool outdated(const struct mill_port *port)
{
	const struct mill_dpdk *dpdk = port->backend;
	const uint32_t ifindex = dpdk->spec.beside_kernel ? if_nametoindex(dpdk->ifname) : 0;
	return ifindex != 0 && ifindex != dpdk->ifindex;
}

static const struct mill_port_ops ops = {
    .kind = "dpdk",
    .most_mtu = MILL_MTU_JUMBO,
    .open = open_port,
    .close = close_port,
    .rx_sync = mill_dpdk_rx_sync,
    .tx_sync = mill_dpdk_tx_sync,
    .rx_fd = rx_fd,
    .control_fd = control_fd,
    .control = control,
    .set_mtu = set_mtu,
    .outdated = outdated,
    .count_drops = mill_dpdk_count_drops,
};

extern const struct mill_dpdk_plugin mill_dpdk_plugin;
const struct mill_dpdk_plugin mill_dpdk_plugin = {
    .abi = MILL_ABI_VERSION,
    .port_size = sizeof(struct mill_port),
    .region_size = sizeof(struct mill_region),
    .ops = &ops,
};
