/* Parsers of rtnetlink(7) messages, over libmnl's bounds-checked attributes. See messages.h. */
#include "rib/messages.h"
#include "rib/attributes.h"
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <algorithm>

namespace mill
{

static uint8_t family_of(int family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 6 : 0;
}

static bool read_u32(const nlattr *attribute, uint32_t &value)
{
	if (mnl_attr_get_payload_len(attribute) != sizeof value)
		return false;
	value = mnl_attr_get_u32(attribute);
	return true;
}

static bool read_u16(const nlattr *attribute, uint16_t &value)
{
	if (mnl_attr_get_payload_len(attribute) != sizeof value)
		return false;
	value = mnl_attr_get_u16(attribute);
	return true;
}

static bool read_text(const nlattr *attribute, std::string &value)
{
	const auto *text = static_cast<const char *>(mnl_attr_get_payload(attribute));
	value.assign(text, strnlen(text, mnl_attr_get_payload_len(attribute)));
	return true;
}

/* An address of the given family, whose length must be the family's. */
static bool read_address(const nlattr *attribute, uint8_t family, Address &address)
{
	Address got;
	got.family = family;
	if (family == 0 || mnl_attr_get_payload_len(attribute) != got.size())
		return false;
	address = Address::of(family, mnl_attr_get_payload(attribute));
	return true;
}

/* RTA_VIA: a gateway of another family than the destination's (RFC 8950). */
static bool read_via(const nlattr *attribute, Address &address)
{
	const size_t size = mnl_attr_get_payload_len(attribute);
	const auto *bytes = static_cast<const uint8_t *>(mnl_attr_get_payload(attribute));
	uint16_t kernel_family;
	if (size < sizeof kernel_family)
		return false;
	memcpy(&kernel_family, bytes, sizeof kernel_family);
	Address got;
	got.family = family_of(kernel_family);
	if (got.family == 0 || size - sizeof kernel_family != got.size())
		return false;
	address = Address::of(got.family, bytes + sizeof kernel_family);
	return true;
}

static bool read_mac(const nlattr *attribute, uint8_t mac[6])
{
	if (mnl_attr_get_payload_len(attribute) != 6)
		return false;
	memcpy(mac, mnl_attr_get_payload(attribute), 6);
	return true;
}

static bool leg_attribute(const nlattr *attribute, uint8_t family, Leg &leg)
{
	switch (mnl_attr_get_type(attribute)) {
	case RTA_GATEWAY:
		return read_address(attribute, family, leg.gateway);
	case RTA_VIA:
		return read_via(attribute, leg.gateway);
	case RTA_ENCAP_TYPE: {
		uint16_t type = 0;
		if (!read_u16(attribute, type))
			return false;
		leg.encap = type != 0;
		return true;
	}
	default:
		return true;
	}
}

/* What tells one route or leg from another, and is not kept as such. */
static uint64_t attribute_hash(const nlattr *attribute)
{
	const auto *at = static_cast<const uint8_t *>(mnl_attr_get_payload(attribute));
	uint64_t hash = mix64(mnl_attr_get_type(attribute));
	for (size_t i = 0; i < mnl_attr_get_payload_len(attribute); i++)
		hash = mix64(hash ^ at[i]);
	return hash;
}

static bool read_preference(const nlattr *attribute, int8_t &preference)
{
	if (mnl_attr_get_payload_len(attribute) != 1)
		return false;
	const uint8_t told = mnl_attr_get_u8(attribute) & 3;
	preference = static_cast<int8_t>(told == 1 ? 1 : told == 3 ? -1 : 0); /* RFC 4191, section 2.1 */
	return true;
}

static bool distinguishes(const nlattr *attribute)
{
	const int type = mnl_attr_get_type(attribute);
	return type == RTA_METRICS || type == RTA_FLOW || type == RTA_ENCAP;
}

static bool read_multipath(const nlattr *attribute, uint8_t family, RouteMessage &route)
{
	const auto *at = static_cast<const char *>(mnl_attr_get_payload(attribute));
	size_t left = mnl_attr_get_payload_len(attribute);
	while (left >= sizeof(rtnexthop)) {
		rtnexthop hop;
		memcpy(&hop, at, sizeof hop);
		if (hop.rtnh_len < sizeof hop || hop.rtnh_len > left)
			return false;
		Leg leg;
		leg.ifindex = static_cast<uint32_t>(hop.rtnh_ifindex);
		leg.weight = static_cast<uint16_t>(hop.rtnh_hops + 1);
		route.attributes = mix64(route.attributes ^ (hop.rtnh_flags & RTNH_F_ONLINK));
		if ((hop.rtnh_flags & RTNH_F_DEAD) != 0)
			route.dead.push_back(leg.ifindex);
		if (!attributes(at + sizeof hop, hop.rtnh_len - sizeof hop, [&](const nlattr *a) {
			    if (distinguishes(a))
				    route.attributes = mix64(route.attributes ^ attribute_hash(a));
			    return leg_attribute(a, family, leg);
		    }))
			return false;
		route.legs.push_back(leg);
		const size_t step = MNL_ALIGN(hop.rtnh_len);
		if (step > left)
			break;
		at += step;
		left -= step;
	}
	return true;
}

bool parse_route(const nlmsghdr *message, RouteMessage &route)
{
	const rtmsg *header = nullptr;
	Address destination;
	Leg single;
	const uint8_t *payload = static_cast<const uint8_t *>(mnl_nlmsg_get_payload(message));
	const uint8_t family = mnl_nlmsg_get_payload_len(message) < 1 ? 0 : family_of(payload[0]);
	destination.family = family;
	route.table = 0;
	const bool whole = message_attributes(message, header, [&](const nlattr *a) {
		if (distinguishes(a))
			route.attributes ^= attribute_hash(a);
		switch (mnl_attr_get_type(a)) {
		case RTA_DST:
			return read_address(a, family, destination);
		case RTA_OIF:
			return read_u32(a, single.ifindex);
		case RTA_PRIORITY:
			return read_u32(a, route.metric);
		case RTA_TABLE:
			return read_u32(a, route.table);
		case RTA_NH_ID:
			return read_u32(a, route.nexthop_id);
		case RTA_PREFSRC:
			return read_address(a, family, route.source);
		case RTA_PREF:
			return read_preference(a, route.preference);
		case RTA_MULTIPATH:
			return read_multipath(a, family, route);
		default:
			return leg_attribute(a, family, single);
		}
	});
	if (!whole || family == 0 || header->rtm_dst_len > destination.bits())
		return false;
	route.remove = message->nlmsg_type == RTM_DELROUTE;
	route.flags = message->nlmsg_flags;
	route.prefix = Prefix(destination, header->rtm_dst_len);
	if (route.table == 0)
		route.table = header->rtm_table;
	route.tos = header->rtm_tos;
	route.protocol = header->rtm_protocol;
	route.type = header->rtm_type;
	route.scope = header->rtm_scope;
	route.attributes ^= header->rtm_flags & RTNH_F_ONLINK;
	route.cloned = (header->rtm_flags & RTM_F_CLONED) != 0 || header->rtm_src_len != 0;
	if (route.legs.empty() && single.ifindex != 0) {
		route.legs.push_back(single);
		if ((header->rtm_flags & RTNH_F_DEAD) != 0)
			route.dead.push_back(single.ifindex);
	}
	return true;
}

static bool read_vlan(const nlattr *data, LinkMessage &link)
{
	return attributes(mnl_attr_get_payload(data), mnl_attr_get_payload_len(data), [&](const nlattr *a) {
		if (mnl_attr_get_type(a) == IFLA_VLAN_ID)
			return read_u16(a, link.vlan_id);
		if (mnl_attr_get_type(a) != IFLA_VLAN_PROTOCOL)
			return true;
		uint16_t protocol = 0;
		if (!read_u16(a, protocol))
			return false;
		link.vlan_protocol = ntohs(protocol);
		return true;
	});
}

static bool read_link_info(const nlattr *info, LinkMessage &link)
{
	const nlattr *data = nullptr;
	const bool whole =
	    attributes(mnl_attr_get_payload(info), mnl_attr_get_payload_len(info), [&](const nlattr *a) {
		    if (mnl_attr_get_type(a) == IFLA_INFO_KIND)
			    return read_text(a, link.kind);
		    if (mnl_attr_get_type(a) == IFLA_INFO_DATA)
			    data = a;
		    return true;
	    });
	return whole && (data == nullptr || link.kind != "vlan" || read_vlan(data, link));
}

bool parse_link(const nlmsghdr *message, LinkMessage &link)
{
	const ifinfomsg *header = nullptr;
	const bool whole = message_attributes(message, header, [&](const nlattr *a) {
		switch (mnl_attr_get_type(a)) {
		case IFLA_IFNAME:
			return read_text(a, link.name);
		case IFLA_MTU:
			return read_u32(a, link.mtu);
		case IFLA_LINK:
			return read_u32(a, link.parent);
		case IFLA_ADDRESS:
			link.has_mac = read_mac(a, link.mac);
			return true; /* other kinds of link have longer ones, or none */
		case IFLA_LINKINFO:
			return read_link_info(a, link);
		default:
			return true;
		}
	});
	/* a bridge speaks of its ports in messages of its own family; they are no links' coming and going */
	if (!whole || header->ifi_family != AF_UNSPEC || header->ifi_index <= 0)
		return false;
	link.remove = message->nlmsg_type == RTM_DELLINK;
	link.ifindex = static_cast<uint32_t>(header->ifi_index);
	link.flags = header->ifi_flags;
	return true;
}

bool parse_address(const nlmsghdr *message, AddressMessage &address)
{
	const ifaddrmsg *header = nullptr;
	Address local, peer;
	const uint8_t *payload = static_cast<const uint8_t *>(mnl_nlmsg_get_payload(message));
	const uint8_t family = mnl_nlmsg_get_payload_len(message) < 1 ? 0 : family_of(payload[0]);
	const bool whole = message_attributes(message, header, [&](const nlattr *a) {
		if (mnl_attr_get_type(a) == IFA_LOCAL)
			return read_address(a, family, local);
		if (mnl_attr_get_type(a) == IFA_ADDRESS)
			return read_address(a, family, peer);
		return true;
	});
	if (!whole || family == 0)
		return false;
	address.address = local.family != 0 ? local : peer;
	address.peer = peer.family != 0 ? peer : local;
	address.remove = message->nlmsg_type == RTM_DELADDR;
	address.ifindex = header->ifa_index;
	address.length = header->ifa_prefixlen;
	return address.address.family != 0 && address.length <= address.address.bits();
}

bool parse_neighbour(const nlmsghdr *message, NeighbourMessage &neighbour)
{
	const ndmsg *header = nullptr;
	const uint8_t *payload = static_cast<const uint8_t *>(mnl_nlmsg_get_payload(message));
	const uint8_t family = mnl_nlmsg_get_payload_len(message) < 1 ? 0 : family_of(payload[0]);
	const bool whole = message_attributes(message, header, [&](const nlattr *a) {
		if (mnl_attr_get_type(a) == NDA_DST)
			return read_address(a, family, neighbour.address);
		if (mnl_attr_get_type(a) == NDA_LLADDR)
			neighbour.has_mac = read_mac(a, neighbour.mac);
		return true;
	});
	if (!whole || neighbour.address.family == 0 || header->ndm_ifindex <= 0 ||
	    (header->ndm_flags & NTF_PROXY))
		return false;
	neighbour.remove = message->nlmsg_type == RTM_DELNEIGH;
	neighbour.ifindex = static_cast<uint32_t>(header->ndm_ifindex);
	neighbour.state = header->ndm_state;
	return true;
}

/* Newer than the headers of the oldest systems that this is built on (Linux 6.11, 6.9). */
constexpr uint16_t nha_op_flags = 14;
constexpr uint32_t reserved_are_set = 1u << 31; /* NHA_OP_FLAG_RESP_GRP_RESVD_0 */

struct GroupMember {
	uint32_t id;
	uint8_t weight;
	uint8_t weight_high; /* reserved before Linux 6.11, which left it as it happened to be */
	uint16_t reserved;
};

static_assert(sizeof(GroupMember) == sizeof(nexthop_grp));

/* Weights as they are told, less by one. */
static bool read_group(const nlattr *attribute, NexthopMessage &nexthop)
{
	const auto *at = static_cast<const char *>(mnl_attr_get_payload(attribute));
	const size_t count = mnl_attr_get_payload_len(attribute) / sizeof(GroupMember);
	for (size_t i = 0; i < count; i++) {
		GroupMember member;
		memcpy(&member, at + i * sizeof member, sizeof member);
		nexthop.group.emplace_back(member.id,
		                           static_cast<uint16_t>(member.weight_high << 8 | member.weight));
	}
	return true;
}

static void settle_weights(NexthopMessage &nexthop, bool high)
{
	for (auto &[id, weight] : nexthop.group) {
		const uint32_t told = high ? weight : weight & 0xffu;
		weight = static_cast<uint16_t>(std::min<uint32_t>(told + 1, UINT16_MAX));
	}
}

bool parse_nexthop(const nlmsghdr *message, NexthopMessage &nexthop)
{
	const nhmsg *header = nullptr;
	const uint8_t *payload = static_cast<const uint8_t *>(mnl_nlmsg_get_payload(message));
	const uint8_t family = mnl_nlmsg_get_payload_len(message) < 1 ? 0 : family_of(payload[0]);
	uint32_t flags = 0;
	const bool whole = message_attributes(message, header, [&](const nlattr *a) {
		switch (mnl_attr_get_type(a)) {
		case nha_op_flags:
			return read_u32(a, flags);
		case NHA_ID:
			return read_u32(a, nexthop.id);
		case NHA_OIF:
			return read_u32(a, nexthop.leg.ifindex);
		case NHA_GATEWAY:
			return read_address(a, family, nexthop.leg.gateway);
		case NHA_GROUP:
			return read_group(a, nexthop);
		case NHA_BLACKHOLE:
			nexthop.blackhole = true;
			return true;
		case NHA_FDB:
			nexthop.unusable = true;
			return true;
		case NHA_ENCAP_TYPE:
			nexthop.leg.encap = true;
			return true;
		default:
			return true;
		}
	});
	settle_weights(nexthop, (flags & reserved_are_set) != 0);
	nexthop.remove = message->nlmsg_type == RTM_DELNEXTHOP;
	return whole && nexthop.id != 0;
}

bool parse_netconf(const nlmsghdr *message, NetconfMessage &netconf)
{
	const netconfmsg *header = nullptr;
	uint32_t ifindex = 0, ignores = 0;
	bool told = false;
	const bool whole = message_attributes(message, header, [&](const nlattr *a) {
		if (mnl_attr_get_type(a) == NETCONFA_IFINDEX)
			return read_u32(a, ifindex);
		if (mnl_attr_get_type(a) != NETCONFA_IGNORE_ROUTES_WITH_LINKDOWN)
			return true;
		told = true;
		return read_u32(a, ignores);
	});
	if (!whole || !told)
		return false;
	netconf.family = family_of(header->ncm_family);
	netconf.ifindex = static_cast<int32_t>(ifindex);
	netconf.ignores_linkdown = ignores != 0;
	return netconf.family != 0;
}

} // namespace mill
