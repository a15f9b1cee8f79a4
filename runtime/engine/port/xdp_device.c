/*
 * What the netdev behind an XDP port is and does: index, MAC, MTU, queues, driver; and its offloads, switched off by name
 * through ETHTOOL_SFEATURES. Which ones we switched off is remembered in the port's shared map value and in
 * RUNDIR/offloads-IFNAME, so that whoever closes the port can switch them on again: this engine, one that adopts the
 * port, or one that starts with nothing after everybody died. ethtool(8), linux/ethtool.h.
 * Control thread only.
 */
#include "xdp.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FEATURES 128u /* bits of features_off */

/* Kernel feature names of each offload that a policy may name. */
static const struct {
	uint32_t offload;
	const char *feature; /* ends in '*': a prefix */
} names[] = {
    {MILL_OFF_RXCSUM, "rx-checksum"},
    {MILL_OFF_TXCSUM, "tx-checksum-*"},
    {MILL_OFF_TSO, "tx-tcp*"},
    {MILL_OFF_GSO, "tx-generic-segmentation"},
    {MILL_OFF_GRO, "rx-gro"},
    {MILL_OFF_LRO, "rx-lro"},
    {MILL_OFF_RXVLAN, "rx-vlan-hw-parse"},
    {MILL_OFF_RXVLAN, "rx-vlan-stag-hw-parse"},
    {MILL_XDP_OFF_FILTER, "rx-vlan-filter"},
    {MILL_XDP_OFF_FILTER, "rx-vlan-stag-filter"},
    {MILL_OFF_TXVLAN, "tx-vlan-hw-insert"},
    {MILL_OFF_TXVLAN, "tx-vlan-stag-hw-insert"},
};

struct features {
	uint32_t n, offload[MAX_FEATURES]; /* which offload a feature bit belongs to, 0 none */
	uint32_t changeable[MAX_FEATURES / 32], active[MAX_FEATURES / 32];
};

static int request(const char *ifname, unsigned long what, struct ifreq *ifr)
{
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	strncpy(ifr->ifr_name, ifname, IFNAMSIZ - 1);
	const int result = ioctl(fd, what, ifr);
	const int code = errno;
	close(fd);
	errno = code;
	return result;
}

static int ethtool(const char *ifname, void *command)
{
	struct ifreq ifr = {.ifr_data = command};
	return request(ifname, SIOCETHTOOL, &ifr);
}

static bool matches(const char *feature, const char *pattern)
{
	const size_t n = strlen(pattern);
	return pattern[n - 1] == '*' ? strncmp(feature, pattern, n - 1) == 0 : strcmp(feature, pattern) == 0;
}

static uint32_t offload_of(const char *feature)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (matches(feature, names[i].feature))
			return names[i].offload;
	return 0;
}

static bool read_names(const char *ifname, struct features *features)
{
	struct {
		struct ethtool_sset_info info;
		uint32_t length;
	} set = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES}};
	if (ethtool(ifname, &set) != 0 || set.info.sset_mask == 0)
		return false;
	struct ethtool_gstrings *strings = calloc(1, sizeof(*strings) + (size_t)set.length * ETH_GSTRING_LEN);
	if (strings == NULL)
		return false;
	strings->cmd = ETHTOOL_GSTRINGS;
	strings->string_set = ETH_SS_FEATURES;
	strings->len = set.length;
	const bool ok = ethtool(ifname, strings) == 0;
	features->n = set.length < MAX_FEATURES ? set.length : MAX_FEATURES;
	for (uint32_t i = 0; ok && i < features->n; i++)
		features->offload[i] = offload_of((const char *)strings->data + (size_t)i * ETH_GSTRING_LEN);
	free(strings);
	return ok;
}

static bool read_features(const char *ifname, struct features *features)
{
	union {
		struct ethtool_gfeatures head;
		uint8_t bytes[sizeof(struct ethtool_gfeatures) +
		              MAX_FEATURES / 32 * sizeof(struct ethtool_get_features_block)];
	} now = {.head = {.cmd = ETHTOOL_GFEATURES, .size = MAX_FEATURES / 32}};
	if (!read_names(ifname, features) || ethtool(ifname, &now) != 0)
		return false;
	for (uint32_t i = 0; i < now.head.size && i < MAX_FEATURES / 32; i++) {
		features->changeable[i] =
		    now.head.features[i].available & ~now.head.features[i].never_changed;
		features->active[i] = now.head.features[i].active;
	}
	return true;
}

/* Switches the features of `mask` on or off. */
static bool change(const char *ifname, const struct features *features, const uint32_t *mask, bool on)
{
	union {
		struct ethtool_sfeatures head;
		uint8_t bytes[sizeof(struct ethtool_sfeatures) +
		              MAX_FEATURES / 32 * sizeof(struct ethtool_set_features_block)];
	} set = {.head = {.cmd = ETHTOOL_SFEATURES, .size = (features->n + 31) / 32}};
	for (uint32_t i = 0; i < set.head.size; i++) {
		set.head.features[i].valid = mask[i];
		set.head.features[i].requested = on ? mask[i] : 0;
	}
	return ethtool(ifname, &set) >= 0; /* above 0: done, but other features follow suit */
}

/* --- what we switched off, across deaths ---------------------------------------------------------------- */

struct record {
	uint32_t ifindex, features_off[MAX_FEATURES / 32];
};

static void record_path(const struct mill_port *port, char *path, size_t size)
{
	const struct mill_xdp *xdp = port->backend;
	snprintf(path, size, "%s/offloads-%s", port->rundir, xdp->ifname);
}

void mill_xdp_offloads_recall(struct mill_port *port)
{
	struct mill_xdp *xdp = port->backend;
	char path[4096];
	struct record record;
	if (port->rundir == NULL)
		return;
	record_path(port, path, sizeof(path));
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const bool ok = fd >= 0 && read(fd, &record, sizeof(record)) == (ssize_t)sizeof(record);
	if (fd >= 0)
		close(fd);
	if (ok && record.ifindex == xdp->ifindex)
		memcpy(xdp->shared->features_off, record.features_off, sizeof(record.features_off));
}

/* Failure costs only what a death of everybody would lose. */
static void remember(const struct mill_port *port)
{
	const struct mill_xdp *xdp = port->backend;
	static const uint32_t none[MAX_FEATURES / 32];
	char path[4096];
	struct record record = {.ifindex = xdp->ifindex};
	if (port->rundir == NULL)
		return;
	memcpy(record.features_off, xdp->shared->features_off, sizeof(record.features_off));
	record_path(port, path, sizeof(path));
	if (memcmp(record.features_off, none, sizeof(none)) == 0) {
		unlink(path);
		return;
	}
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const ssize_t n = fd >= 0 ? write(fd, &record, sizeof(record)) : 0;
	(void)n;
	if (fd >= 0)
		close(fd);
}

/* --- switching ------------------------------------------------------------------------------------------ */

/* Brings the device to "these offloads are off, and nothing else that we ever switched off". */
bool mill_xdp_offloads_apply(struct mill_port *port, uint32_t off, struct mill_error *error)
{
	struct mill_xdp *xdp = port->backend;
	struct features features = {0};
	if (!read_features(xdp->ifname, &features)) {
		if (off == 0)
			return true;
		mill_fail(error, errno, "xdp:%s: reading its offloads: %s", xdp->ifname, strerror(errno));
		return false;
	}
	uint32_t down[MAX_FEATURES / 32] = {0}, up[MAX_FEATURES / 32] = {0};
	for (uint32_t i = 0; i < features.n; i++) {
		const uint32_t word = i / 32, bit = 1u << (i % 32);
		const bool wanted_off = (features.offload[i] & off) != 0;
		if (wanted_off && (features.active[word] & bit) != 0) {
			down[word] |= bit;
		} else if (!wanted_off && (xdp->shared->features_off[word] & bit) != 0) {
			up[word] |= bit;
			xdp->shared->features_off[word] &= ~bit;
		}
	}
	for (uint32_t i = 0; i < MAX_FEATURES / 32; i++)
		xdp->shared->features_off[i] |= down[i] & features.changeable[i];
	remember(port);
	change(xdp->ifname, &features, up, true);
	if (!change(xdp->ifname, &features, down, false) || !read_features(xdp->ifname, &features)) {
		mill_fail(error, errno, "xdp:%s: switching offloads off: %s; this needs CAP_NET_ADMIN",
		          xdp->ifname, strerror(errno));
		return false;
	}
	for (uint32_t i = 0; i < features.n; i++) {
		if ((features.offload[i] & off & MILL_OFF_RXVLAN) == 0 ||
		    (features.active[i / 32] >> (i % 32) & 1) == 0 || xdp->veth)
			continue;
		mill_fail(
		    error, EOPNOTSUPP,
		    "xdp:%s: its driver takes VLAN tags out of received frames and cannot be told not to "
		    "(ethtool -K %s rxvlan off): tagged frames would look untagged",
		    xdp->ifname, xdp->ifname);
		return false;
	}
	return true;
}

void mill_xdp_offloads_restore(struct mill_port *port)
{
	struct mill_xdp *xdp = port->backend;
	struct features features = {0};
	if (read_features(xdp->ifname, &features))
		change(xdp->ifname, &features, xdp->shared->features_off, true);
	memset(xdp->shared->features_off, 0, sizeof(xdp->shared->features_off));
	remember(port);
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

void mill_xdp_device_warn(const struct mill_port *port)
{
	static const struct {
		int family;
		const char *name, *remedy;
	} families[] = {{4, "IPv4", "net.ipv4.ip_forward=1"}, {6, "IPv6", "net.ipv6.conf.all.forwarding=1"}};
	const struct mill_xdp *xdp = port->backend;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (!is_forwarding(xdp->ifname, families[i].family))
			mill_log("port %s (%s): the kernel does not forward %s on it, so it answers no "
			         "expired or oversized "
			         "packets, and routes nothing should the engine be gone: sysctl -w %s",
			         port->config.name, port->config.spec, families[i].name, families[i].remedy);
}

static uint16_t count_queues(const char *ifname, uint16_t *tx)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	uint32_t rx = 1;
	*tx = 1;
	if (ethtool(ifname, &channels) == 0 && channels.rx_count + channels.combined_count > 0) {
		rx = channels.rx_count + channels.combined_count;
		*tx = (uint16_t)(channels.tx_count + channels.combined_count);
	}
	*tx = *tx > rx ? (uint16_t)rx : *tx;
	return (uint16_t)rx;
}

/* Devices above others: what comes up to them may have its tag beside it already, and generic XDP cannot see that. */
static const char *const stacked[] = {"veth",   "macvlan", "ipvlan", "ifb",
                                      "bridge", "bonding", "team",   "802.1Q VLAN Support"};

static void read_driver(struct mill_xdp *xdp)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	if (ethtool(xdp->ifname, &info) != 0)
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
	if (xdp->ifindex == 0 || request(xdp->ifname, SIOCGIFHWADDR, &ifr) != 0) {
		mill_fail(error, ENODEV, "xdp:%s: there is no interface of this name here; see 'ip link'",
		          xdp->ifname);
		return false;
	}
	if (ifr.ifr_hwaddr.sa_family != 1 /* ARPHRD_ETHER */) {
		mill_fail(error, EINVAL, "xdp:%s: not an Ethernet interface", xdp->ifname);
		return false;
	}
	memcpy(port->state->mac, ifr.ifr_hwaddr.sa_data, 6);
	if (request(xdp->ifname, SIOCGIFMTU, &ifr) != 0 || (uint32_t)ifr.ifr_mtu > MILL_XDP_MAX_MTU) {
		mill_fail(error, EMSGSIZE,
		          "xdp:%s: its MTU is %d, and netmill's packet buffers take at most %u: ip link set "
		          "%s mtu 1500",
		          xdp->ifname, ifr.ifr_mtu, MILL_XDP_MAX_MTU, xdp->ifname);
		return false;
	}
	port->mtu = (uint16_t)ifr.ifr_mtu;
	port->rx_rings = count_queues(xdp->ifname, &port->tx_rings);
	if (port->rx_rings > MILL_MAX_RINGS) {
		mill_fail(
		    error, E2BIG,
		    "xdp:%s: it has %u receive queues, and netmill serves %u: ethtool -L %s combined %u",
		    xdp->ifname, port->rx_rings, MILL_MAX_RINGS, xdp->ifname, MILL_MAX_RINGS);
		return false;
	}
	read_driver(xdp);
	const bool up = request(xdp->ifname, SIOCGIFFLAGS, &ifr) == 0 && (ifr.ifr_flags & IFF_UP) != 0 &&
	                (ifr.ifr_flags & IFF_RUNNING) != 0;
	port->state->flags = up ? MILL_PORT_UP : 0;
	port->state->ifindex = xdp->ifindex;
	port->state->rx_rings = port->rx_rings;
	port->state->tx_rings = port->tx_rings;
	return true;
}
