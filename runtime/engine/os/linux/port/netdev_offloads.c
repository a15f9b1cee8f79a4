/* netdev.h: a device's offloads, by the names that the kernel has for its features. ethtool(8), linux/ethtool.h. */
#include <errno.h>
#include <linux/ethtool.h>
#include <stdlib.h>
#include <string.h>
#include "port/netdev_linux.h"
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

void mill_offloads_restore(const struct mill_netdev *device)
{
	struct features features = {0};
	if (read_features(device->ifname, &features))
		change(device->ifname, &features, device->changes->features_off, true);
}
