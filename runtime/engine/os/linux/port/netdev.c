/*
 * netdev.h: what we changed of a device is remembered by the caller, in memory that outlives the engine, and in
 * RUNDIR/device-IFNAME, so that whoever closes the port can put it back: this engine, one that adopts the port, or one
 * that starts with nothing after everybody died. ethtool(8), linux/ethtool.h.
 */
#include "port/netdev_linux.h"
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
#include "port/port.h"

#define MAX_FEATURES (32u * MILL_FEATURE_WORDS)

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
    {MILL_OFF_VLAN_FILTER, "rx-vlan-filter"},
    {MILL_OFF_VLAN_FILTER, "rx-vlan-stag-filter"},
    {MILL_OFF_TXVLAN, "tx-vlan-hw-insert"},
    {MILL_OFF_TXVLAN, "tx-vlan-stag-hw-insert"},
};

struct features {
	uint32_t n, offload[MAX_FEATURES]; /* which offload a feature bit belongs to, 0 none */
	uint32_t changeable[MAX_FEATURES / 32], active[MAX_FEATURES / 32];
};

int mill_netdev_request(const char *ifname, unsigned long what, struct ifreq *ifr)
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

int mill_netdev_ethtool(const char *ifname, void *command)
{
	struct ifreq ifr = {.ifr_data = command};
	return mill_netdev_request(ifname, SIOCETHTOOL, &ifr);
}

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
	if (mill_netdev_ethtool(ifname, &set) != 0 || set.info.sset_mask == 0)
		return false;
	struct ethtool_gstrings *strings = calloc(1, sizeof(*strings) + (size_t)set.length * ETH_GSTRING_LEN);
	if (strings == NULL)
		return false;
	strings->cmd = ETHTOOL_GSTRINGS;
	strings->string_set = ETH_SS_FEATURES;
	strings->len = set.length;
	const bool ok = mill_netdev_ethtool(ifname, strings) == 0;
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
	if (!read_names(ifname, features) || mill_netdev_ethtool(ifname, &now) != 0)
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
	return mill_netdev_ethtool(ifname, &set) >= 0; /* above 0: done, but other features follow suit */
}

/* --- what we changed, across deaths --------------------------------------------------------------------- */

struct record {
	uint32_t ifindex, reserved;
	struct mill_changes changes;
};

static void record_path(const struct mill_netdev *device, char *path, size_t size)
{
	snprintf(path, size, "%s/device-%s", device->rundir, device->ifname);
}

void mill_netdev_recall(const struct mill_netdev *device)
{
	char path[4096];
	struct record record;
	if (device->rundir == NULL)
		return;
	record_path(device, path, sizeof(path));
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const bool ok = fd >= 0 && read(fd, &record, sizeof(record)) == (ssize_t)sizeof(record);
	if (fd >= 0)
		close(fd);
	if (ok && record.ifindex == device->ifindex)
		*device->changes = record.changes;
}

/* Failure costs only what a death of everybody would lose. */
void mill_netdev_remember(const struct mill_netdev *device)
{
	static const struct mill_changes none;
	char path[4096];
	struct record record = {.ifindex = device->ifindex, .changes = *device->changes};
	if (device->rundir == NULL)
		return;
	record_path(device, path, sizeof(path));
	if (memcmp(device->changes, &none, sizeof(none)) == 0) {
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

bool mill_offloads_apply(const struct mill_netdev *device, uint32_t off, struct mill_error *error)
{
	struct features features = {0};
	if (!read_features(device->ifname, &features)) {
		if (off == 0)
			return true;
		mill_fail(error, errno, "%s:%s: reading its offloads: %s", device->kind, device->ifname,
		          strerror(errno));
		return false;
	}
	uint32_t down[MAX_FEATURES / 32] = {0}, up[MAX_FEATURES / 32] = {0};
	uint32_t *features_off = device->changes->features_off;
	for (uint32_t i = 0; i < features.n; i++) {
		const uint32_t word = i / 32, bit = 1u << (i % 32);
		const bool wanted_off = (features.offload[i] & off) != 0;
		if (wanted_off && (features.active[word] & bit) != 0) {
			down[word] |= bit;
		} else if (!wanted_off && (features_off[word] & bit) != 0) {
			up[word] |= bit;
			features_off[word] &= ~bit;
		}
	}
	for (uint32_t i = 0; i < MAX_FEATURES / 32; i++)
		features_off[i] |= down[i] & features.changeable[i];
	mill_netdev_remember(device);
	change(device->ifname, &features, up, true);
	if (!change(device->ifname, &features, down, false) || !read_features(device->ifname, &features)) {
		mill_fail(error, errno, "%s:%s: switching offloads off: %s; this needs CAP_NET_ADMIN",
		          device->kind, device->ifname, strerror(errno));
		return false;
	}
	for (uint32_t i = 0; i < features.n; i++) {
		if ((features.offload[i] & off & MILL_OFF_RXVLAN) == 0 ||
		    (features.active[i / 32] >> (i % 32) & 1) == 0 || device->tags_may_hide)
			continue;
		mill_fail(
		    error, EOPNOTSUPP,
		    "%s:%s: its driver takes VLAN tags out of received frames and cannot be told not to "
		    "(ethtool -K %s rxvlan off): tagged frames would look untagged",
		    device->kind, device->ifname, device->ifname);
		return false;
	}
	return true;
}

void mill_netdev_restore(const struct mill_netdev *device)
{
	struct features features = {0};
	mill_flows_restore(device);
	mill_affinity_restore(device);
	if (read_features(device->ifname, &features))
		change(device->ifname, &features, device->changes->features_off, true);
	(void)mill_napi_defer(device, false);
	memset(device->changes, 0, sizeof(*device->changes));
	mill_netdev_remember(device);
}

/* --- forwarding by the kernel ---------------------------------------------------------------------------- */

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
