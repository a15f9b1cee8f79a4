/* netdev.h: what is asked of any device, and all that a port changed of one put back. */
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "port/netdev_linux.h"
#include "port/port.h"

bool mill_netdev_facts(const char *ifname, struct mill_netdev_facts *facts)
{
	struct ifreq ifr = {0};
	if (mill_netdev_request(ifname, SIOCGIFHWADDR, &ifr) != 0 ||
	    ifr.ifr_hwaddr.sa_family != 1 /* ARPHRD_ETHER */)
		return false;
	memcpy(facts->mac, ifr.ifr_hwaddr.sa_data, sizeof(facts->mac));
	if (mill_netdev_request(ifname, SIOCGIFMTU, &ifr) != 0)
		return false;
	facts->mtu = (uint32_t)ifr.ifr_mtu;
	facts->up = mill_netdev_request(ifname, SIOCGIFFLAGS, &ifr) == 0 && (ifr.ifr_flags & IFF_UP) != 0 &&
	            (ifr.ifr_flags & IFF_RUNNING) != 0;
	return true;
}

static void put_back(const struct mill_netdev *device)
{
	mill_flows_restore(device);
	mill_affinity_restore(device);
	mill_offloads_restore(device);
	(void)mill_napi_defer(device, false);
}

/* The device may have another name by now, and another device its name. What was written down goes by the old one. */
void mill_netdev_restore(const struct mill_netdev *device)
{
	char name[IF_NAMESIZE];
	struct mill_netdev renamed = *device;
	const uint32_t named = if_nametoindex(device->ifname);
	renamed.ifname = name;
	renamed.rundir = NULL;
	if (named != device->ifindex && if_indextoname(device->ifindex, name) != NULL)
		put_back(&renamed);
	else if (named == device->ifindex || named == 0)
		put_back(device);
	memset(device->changes, 0, sizeof(*device->changes));
	mill_netdev_remember(device);
}

static bool is_forwarding(const char *ifname, int family)
{
	char path[128], value = '1';
	snprintf(path, sizeof(path), "/proc/sys/net/ipv%d/conf/%s/forwarding", family, ifname);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd >= 0 ? read(fd, &value, 1) : 0;
	if (fd >= 0)
		close(fd);
	return n != 1 || value != '0';
}

/* A driver with netmap in it is a module that uses netmap's; some are called as the kernel's own, some with an ending. */
bool mill_netdev_is_emulated(const char *ifname)
{
	static const char holders[] = "/sys/module/netmap/holders", *const endings[] = {"", "_netmap"};
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	char path[sizeof(holders) + sizeof(info.driver) + 16];
	if (access(holders, F_OK) != 0 || mill_netdev_ethtool(ifname, &info) != 0)
		return false;
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%.*s%s", holders, (int)sizeof(info.driver), info.driver,
		         endings[i]);
		if (access(path, F_OK) == 0)
			return false;
	}
	return true;
}

void mill_netdev_warn(const struct mill_port *port, const char *ifname)
{
	static const struct {
		int family;
		const char *name, *remedy;
	} families[] = {{4, "IPv4", "net.ipv4.ip_forward=1"}, {6, "IPv6", "net.ipv6.conf.all.forwarding=1"}};
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (!is_forwarding(ifname, families[i].family))
			mill_log("port %s (%s): the kernel does not forward %s on it, so it answers no "
			         "expired or oversized "
			         "packets, and routes nothing should the engine be gone: sysctl -w %s",
			         port->config.name, port->config.spec, families[i].name, families[i].remedy);
}
