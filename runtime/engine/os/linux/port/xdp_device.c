/*
 * What the netdev behind an XDP port is: index, MAC, MTU, queues, driver.
 * Control thread only.
 */
#include "xdp.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct mill_netdev mill_xdp_netdev(const struct mill_port *port)
{
	const struct mill_xdp *xdp = port->backend;
	return (struct mill_netdev){.kind = "xdp",
	                            .ifname = xdp->ifname,
	                            .rundir = port->rundir,
	                            .ifindex = xdp->ifindex,
	                            .changes = &xdp->shared->changes,
	                            .tags_may_hide = xdp->veth};
}

static uint16_t count_queues(const char *ifname, uint16_t *tx)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	uint32_t rx = 1;
	*tx = 1;
	if (mill_netdev_ethtool(ifname, &channels) == 0 && channels.rx_count + channels.combined_count > 0) {
		rx = channels.rx_count + channels.combined_count;
		*tx = (uint16_t)(channels.tx_count + channels.combined_count);
	}
	*tx = *tx > rx ? (uint16_t)rx : *tx;
	return (uint16_t)rx;
}

/* Those of the policy. One of which the device sends nothing has no TX ring. */
static bool choose_queues(struct mill_port *port, struct mill_error *error)
{
	const struct mill_xdp *xdp = port->backend;
	const struct mill_port_config *config = &port->config;
	const uint16_t highest = config->queue[config->n_queues - 1];
	const uint16_t rx = port->rx_rings, tx = port->tx_rings;
	if (highest >= rx || config->n_queues >= rx) {
		mill_fail(
		    error, EINVAL,
		    "xdp:%s: it has receive queues 0 to %u, and the policy takes %u of them, the last being "
		    "%u: there must be others for the kernel (ethtool -L %s); without `queues` netmill takes "
		    "all",
		    xdp->ifname, rx - 1, config->n_queues, highest, xdp->ifname);
		return false;
	}
	if (config->queue[0] >= tx) {
		mill_fail(
		    error, EINVAL,
		    "xdp:%s: it has send queues 0 to %u: at least one of those that the policy takes must be "
		    "among them",
		    xdp->ifname, tx - 1);
		return false;
	}
	port->rx_rings = config->n_queues;
	for (port->tx_rings = 0; port->tx_rings < port->rx_rings; port->tx_rings++)
		if (config->queue[port->tx_rings] >= tx)
			break;
	return true;
}

void mill_xdp_number_queues(const struct mill_port *port)
{
	struct mill_xdp_shared *shared = ((const struct mill_xdp *)port->backend)->shared;
	memset(shared->ring_of, MILL_XDP_NOT_OURS, sizeof(shared->ring_of));
	for (uint16_t r = 0; r < port->rx_rings; r++) {
		shared->queue_of[r] = port->config.n_queues != 0 ? port->config.queue[r] : r;
		shared->ring_of[shared->queue_of[r]] = (uint8_t)r;
	}
}

/* Devices above others: what comes up to them may have its tag beside it already, and generic XDP cannot see that. */
static const char *const stacked[] = {"veth",   "macvlan", "ipvlan", "ifb",
                                      "bridge", "bonding", "team",   "802.1Q VLAN Support"};

static void read_driver(struct mill_xdp *xdp)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	if (mill_netdev_ethtool(xdp->ifname, &info) != 0)
		return;
	xdp->veth = strcmp(info.driver, "veth") == 0;
	for (size_t i = 0; i < sizeof(stacked) / sizeof(stacked[0]); i++)
		xdp->stacked |= strcmp(info.driver, stacked[i]) == 0;
}

bool mill_xdp_device_read(struct mill_port *port, struct mill_error *error)
{
	struct mill_xdp *xdp = port->backend;
	struct ifreq ifr = {0};
	xdp->ifindex = if_nametoindex(xdp->ifname);
	if (xdp->ifindex == 0 || mill_netdev_request(xdp->ifname, SIOCGIFHWADDR, &ifr) != 0) {
		mill_fail(error, ENODEV, "xdp:%s: there is no interface of this name here; see 'ip link'",
		          xdp->ifname);
		return false;
	}
	if (ifr.ifr_hwaddr.sa_family != 1 /* ARPHRD_ETHER */) {
		mill_fail(error, EINVAL, "xdp:%s: not an Ethernet interface", xdp->ifname);
		return false;
	}
	memcpy(port->state->mac, ifr.ifr_hwaddr.sa_data, 6);
	if (mill_netdev_request(xdp->ifname, SIOCGIFMTU, &ifr) != 0 ||
	    (uint32_t)ifr.ifr_mtu > mill_region_mtu(port->region)) {
		mill_fail(
		    error, EMSGSIZE,
		    "xdp:%s: its MTU is %d, and the engine's packet buffers take at most %u%s: ip link set "
		    "%s mtu 1500",
		    xdp->ifname, ifr.ifr_mtu, mill_region_mtu(port->region),
		    port->region->buf_size != MILL_BUF_SIZE_LARGE
		        ? " (16000 when netmill starts anew, after netmill shutdown)"
		        : "",
		    xdp->ifname);
		return false;
	}
	xdp->wants_pieces = mill_region_mtu(port->region) > MILL_MTU_JUMBO;
	xdp->needs_pieces = (uint32_t)ifr.ifr_mtu > MILL_MTU_JUMBO;
	port->mtu = (uint16_t)ifr.ifr_mtu;
	xdp->n_queues = port->rx_rings = count_queues(xdp->ifname, &port->tx_rings);
	if (port->config.n_queues != 0 && !choose_queues(port, error))
		return false;
	if (port->rx_rings > MILL_MAX_RINGS) {
		mill_fail(error, E2BIG,
		          "xdp:%s: it has %u receive queues, and netmill serves %u: ethtool -L %s combined "
		          "%u, or take "
		          "some of them by `queues`",
		          xdp->ifname, port->rx_rings, MILL_MAX_RINGS, xdp->ifname, MILL_MAX_RINGS);
		return false;
	}
	read_driver(xdp);
	const bool up = mill_netdev_request(xdp->ifname, SIOCGIFFLAGS, &ifr) == 0 &&
	                (ifr.ifr_flags & IFF_UP) != 0 && (ifr.ifr_flags & IFF_RUNNING) != 0;
	port->state->flags = up ? MILL_PORT_UP : 0;
	port->state->ifindex = xdp->ifindex;
	port->state->rx_rings = port->rx_rings;
	port->state->tx_rings = port->tx_rings;
	return true;
}
