/*
 * netdev.h: which flows of a device come to which of its queues, as an operator would say it by `ethtool -N` (ntuple filters:
 * linux/ethtool.h, ETHTOOL_SRXCLSRLINS and its neighbours); netdev_spread.c has all others. A rule's place in the device is
 * written down before the device has it, so that whoever comes after a crash finds all that are ours.
 * Control thread.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <stdlib.h>
#include <string.h>
#include "port/netdev_linux.h"
#include "port/port.h"

#define NTUPLE  (1u << 27)     /* ETH_FLAG_NTUPLE */
#define UNKNOWN RX_CLS_LOC_ANY /* the device chose, and we died before it was written down */

static void mask_address(uint8_t *mask, uint32_t length)
{
	for (uint32_t bit = 0; bit < length; bit++)
		mask[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
}

static void put_ports(const struct mill_flow *flow, __be16 *from, __be16 *to, __be16 *from_mask,
                      __be16 *to_mask)
{
	*from = htons(flow->from_port);
	*to = htons(flow->to_port);
	*from_mask = flow->from_port != 0 ? 0xffff : 0;
	*to_mask = flow->to_port != 0 ? 0xffff : 0;
}

static void describe4(const struct mill_flow *flow, struct ethtool_rx_flow_spec *to)
{
	const bool ports = flow->protocol == 6 || flow->protocol == 17;
	/* The addresses are at the same place in all of them. */
	struct ethtool_tcpip4_spec *value = &to->h_u.tcp_ip4_spec, *mask = &to->m_u.tcp_ip4_spec;
	memcpy(&value->ip4src, flow->from, 4);
	memcpy(&value->ip4dst, flow->to, 4);
	mask_address((uint8_t *)&mask->ip4src, flow->from_length);
	mask_address((uint8_t *)&mask->ip4dst, flow->to_length);
	to->flow_type = flow->protocol == 6    ? TCP_V4_FLOW
	                : flow->protocol == 17 ? UDP_V4_FLOW
	                                       : IPV4_USER_FLOW;
	if (ports) {
		put_ports(flow, &value->psrc, &value->pdst, &mask->psrc, &mask->pdst);
		return;
	}
	to->h_u.usr_ip4_spec.ip_ver = ETH_RX_NFC_IP4;
	to->h_u.usr_ip4_spec.proto = flow->protocol;
	to->m_u.usr_ip4_spec.proto = flow->protocol != 0 ? 0xff : 0;
}

static void describe6(const struct mill_flow *flow, struct ethtool_rx_flow_spec *to)
{
	const bool ports = flow->protocol == 6 || flow->protocol == 17;
	struct ethtool_tcpip6_spec *value = &to->h_u.tcp_ip6_spec, *mask = &to->m_u.tcp_ip6_spec;
	memcpy(value->ip6src, flow->from, 16);
	memcpy(value->ip6dst, flow->to, 16);
	mask_address((uint8_t *)mask->ip6src, flow->from_length);
	mask_address((uint8_t *)mask->ip6dst, flow->to_length);
	to->flow_type = flow->protocol == 6    ? TCP_V6_FLOW
	                : flow->protocol == 17 ? UDP_V6_FLOW
	                                       : IPV6_USER_FLOW;
	if (ports) {
		put_ports(flow, &value->psrc, &value->pdst, &mask->psrc, &mask->pdst);
		return;
	}
	to->h_u.usr_ip6_spec.l4_proto = flow->protocol;
	to->m_u.usr_ip6_spec.l4_proto = flow->protocol != 0 ? 0xff : 0;
}

static void describe(const struct mill_flow *flow, struct ethtool_rx_flow_spec *to)
{
	memset(to, 0, sizeof(*to));
	if (flow->family == 4)
		describe4(flow, to);
	else
		describe6(flow, to);
	to->ring_cookie = flow->queue;
}

/* Places of all rules that the device has; `size`: how many it can have, 0 where it does not say. NULL, with errno. */
static struct ethtool_rxnfc *read_places(const char *ifname, uint32_t *size, bool *chooses)
{
	struct ethtool_rxnfc count = {.cmd = ETHTOOL_GRXCLSRLCNT};
	if (mill_netdev_ethtool(ifname, &count) != 0)
		return NULL;
	struct ethtool_rxnfc *all = calloc(1, sizeof(*all) + count.rule_cnt * sizeof(all->rule_locs[0]));
	if (all == NULL)
		return NULL;
	all->cmd = ETHTOOL_GRXCLSRLALL;
	all->rule_cnt = count.rule_cnt;
	if (mill_netdev_ethtool(ifname, all) != 0) {
		free(all);
		return NULL;
	}
	*chooses = (count.data & RX_CLS_LOC_SPECIAL) != 0;
	*size = (uint32_t)all->data;
	return all;
}

static bool is_taken(const struct ethtool_rxnfc *all, uint32_t place)
{
	for (uint32_t i = 0; i < all->rule_cnt; i++)
		if (all->rule_locs[i] == place)
			return true;
	return false;
}

/* The last free place: rules of before go first where several take a packet. False, with errno. */
static bool choose_place(const char *ifname, uint32_t *place)
{
	uint32_t size;
	bool chooses;
	struct ethtool_rxnfc *all = read_places(ifname, &size, &chooses);
	if (all == NULL)
		return false;
	*place = UNKNOWN;
	for (uint32_t i = size; !chooses && i-- > 0 && *place == UNKNOWN;)
		if (!is_taken(all, i))
			*place = i;
	free(all);
	errno = ENOSPC;
	return chooses || *place != UNKNOWN;
}

static bool same_rule(const struct ethtool_rx_flow_spec *a, const struct ethtool_rx_flow_spec *b)
{
	return a->flow_type == b->flow_type && a->ring_cookie == b->ring_cookie &&
	       memcmp(&a->h_u, &b->h_u, sizeof(a->h_u)) == 0 && memcmp(&a->m_u, &b->m_u, sizeof(a->m_u)) == 0;
}

static uint32_t find_place(const char *ifname, const struct mill_flow *flow)
{
	struct ethtool_rx_flow_spec wanted;
	uint32_t size, place = UNKNOWN;
	bool chooses;
	struct ethtool_rxnfc *all = read_places(ifname, &size, &chooses);
	describe(flow, &wanted);
	for (uint32_t i = 0; all != NULL && i < all->rule_cnt && place == UNKNOWN; i++) {
		struct ethtool_rxnfc one = {.cmd = ETHTOOL_GRXCLSRULE, .fs = {.location = all->rule_locs[i]}};
		if (mill_netdev_ethtool(ifname, &one) == 0 && same_rule(&one.fs, &wanted))
			place = all->rule_locs[i];
	}
	free(all);
	return place;
}

static void forget(struct mill_changes *changes, uint32_t i)
{
	const uint32_t last = --changes->n_rules;
	changes->rule[i] = changes->rule[last];
	changes->location[i] = changes->location[last];
	memset(&changes->rule[last], 0, sizeof(changes->rule[last]));
	changes->location[last] = 0;
}

/* Rules that we wrote down, and died before the device had them, or that somebody else has taken away. */
static void forget_missing(const struct mill_netdev *device)
{
	struct mill_changes *changes = device->changes;
	for (uint32_t i = changes->n_rules; i-- > 0;) {
		struct ethtool_rxnfc rule = {.cmd = ETHTOOL_GRXCLSRULE,
		                             .fs = {.location = changes->location[i]}};
		if (changes->location[i] == UNKNOWN)
			rule.fs.location = changes->location[i] =
			    find_place(device->ifname, &changes->rule[i]);
		if (rule.fs.location == UNKNOWN || mill_netdev_ethtool(device->ifname, &rule) != 0)
			forget(changes, i);
	}
}

static bool insert(const struct mill_netdev *device, const struct mill_flow *flow)
{
	struct mill_changes *changes = device->changes;
	struct ethtool_rxnfc rule = {.cmd = ETHTOOL_SRXCLSRLINS};
	const uint32_t n = changes->n_rules;
	describe(flow, &rule.fs);
	if (!choose_place(device->ifname, &rule.fs.location))
		return false;
	changes->rule[n] = *flow;
	changes->location[n] = rule.fs.location;
	changes->n_rules = n + 1;
	mill_netdev_remember(device);
	const bool ok = mill_netdev_ethtool(device->ifname, &rule) == 0;
	const int code = errno;
	if (ok)
		changes->location[n] = rule.fs.location;
	else
		forget(changes, n);
	mill_netdev_remember(device);
	errno = code;
	return ok;
}

static void remove_rule(const struct mill_netdev *device, uint32_t i)
{
	struct mill_changes *changes = device->changes;
	struct ethtool_rxnfc rule = {.cmd = ETHTOOL_SRXCLSRLDEL, .fs = {.location = changes->location[i]}};
	if (rule.fs.location == UNKNOWN)
		rule.fs.location = find_place(device->ifname, &changes->rule[i]);
	if (rule.fs.location != UNKNOWN)
		(void)mill_netdev_ethtool(device->ifname, &rule);
	forget(changes, i);
	mill_netdev_remember(device);
}

static bool is_among(const struct mill_flow *flow, const struct mill_flow *list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (memcmp(flow, &list[i], sizeof(*flow)) == 0)
			return true;
	return false;
}

static bool switch_filters(const struct mill_netdev *device, bool on)
{
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
	if (mill_netdev_ethtool(device->ifname, &flags) != 0)
		return false;
	if (((flags.data & NTUPLE) != 0) == on)
		return true;
	device->changes->ntuple = on;
	mill_netdev_remember(device);
	flags.cmd = ETHTOOL_SFLAGS;
	flags.data ^= NTUPLE;
	if (mill_netdev_ethtool(device->ifname, &flags) == 0)
		return true;
	const int code = errno;
	device->changes->ntuple = 0;
	mill_netdev_remember(device);
	errno = code;
	return false;
}

/* Rules that are not wanted. Filters that were off and have none of ours left are off again. */
static void remove_others(const struct mill_netdev *device, const struct mill_flow *wanted, uint32_t n)
{
	struct mill_changes *changes = device->changes;
	for (uint32_t i = changes->n_rules; i-- > 0;)
		if (!is_among(&changes->rule[i], wanted, n))
			remove_rule(device, i);
	if (changes->n_rules == 0 && changes->ntuple != 0)
		(void)switch_filters(device, false);
}

static void say_why(const struct mill_netdev *device, uint32_t i, struct mill_error *error)
{
	const int code = errno;
	if (code == EOPNOTSUPP)
		mill_fail(
		    error, code,
		    "%s:%s: its driver has no ntuple filters (ethtool -K %s ntuple on), so it cannot put "
		    "chosen flows into chosen queues: leave `flows` out, and bring them there by other "
		    "means",
		    device->kind, device->ifname, device->ifname);
	else
		mill_fail(error, code, "%s:%s: flow %u of its `flows` (ethtool -N): %s%s", device->kind,
		          device->ifname, i + 1, strerror(code),
		          code == ENOSPC   ? "; the device has no room for another filter"
		          : code == EPERM  ? "; this needs CAP_NET_ADMIN"
		          : code == EINVAL ? "; the device cannot tell such packets from others"
		                           : "");
}

static bool apply_rules(const struct mill_netdev *device, const struct mill_port_config *config,
                        struct mill_error *error)
{
	struct mill_changes *changes = device->changes;
	struct mill_flow before[MILL_MAX_FLOWS];
	forget_missing(device);
	const uint32_t n_before = changes->n_rules;
	memcpy(before, changes->rule, sizeof(before));
	bool ok = config->n_flows == 0 || switch_filters(device, true);
	if (!ok)
		say_why(device, 0, error);
	/* New ones first, so that a flow that is in both is never without; where there is no room for that, the others go
	 * first. */
	if (n_before + config->n_flows > MILL_MAX_FLOWS)
		remove_others(device, config->flow, config->n_flows);
	for (uint32_t i = 0; ok && i < config->n_flows; i++) {
		if (is_among(&config->flow[i], changes->rule, changes->n_rules))
			continue;
		ok = insert(device, &config->flow[i]);
		if (!ok)
			say_why(device, i, error);
	}
	remove_others(device, ok ? config->flow : before, ok ? config->n_flows : n_before);
	for (uint32_t i = 0; !ok && i < n_before; i++)
		if (!is_among(&before[i], changes->rule, changes->n_rules))
			(void)insert(device, &before[i]);
	return ok;
}

bool mill_flows_apply(const struct mill_netdev *device, const struct mill_port_config *config,
                      struct mill_error *error)
{
	return mill_spread_apply(device, config, error) && apply_rules(device, config, error);
}

void mill_flows_restore(const struct mill_netdev *device)
{
	remove_others(device, NULL, 0);
	mill_spread_restore(device);
}
