/*
 * Rtnetlink messages as plain values. Parsers of outside bytes: every attribute is checked before it is read, and
 * a message that is not as expected is refused (false), never half taken. Pure functions, fuzzed.
 */
#pragma once
#include <linux/netlink.h>
#include <string>
#include <vector>
#include "rib/address.h"

namespace mill
{

struct Leg {
	uint32_t ifindex = 0;
	Address gateway;     /* family 0: none */
	uint16_t weight = 1; /* at least 1; beyond 256 in nexthop groups alone (Linux 6.11) */
	bool encap = false;  /* the kernel would encapsulate: only the kernel can */
	bool operator==(const Leg &other) const
	{
		return ifindex == other.ifindex && gateway == other.gateway && weight == other.weight &&
		       encap == other.encap;
	}
	bool operator<(const Leg &other) const
	{
		return ifindex != other.ifindex   ? ifindex < other.ifindex
		       : gateway != other.gateway ? gateway < other.gateway
		                                  : weight < other.weight;
	}
};

struct RouteMessage {
	bool remove = false;
	uint16_t flags = 0; /* NLM_F_REPLACE, NLM_F_APPEND of an event */
	Prefix prefix;
	uint32_t table = 0;
	uint8_t tos = 0, protocol = 0, type = 0; /* RTN_* */
	uint32_t metric = 0;
	uint32_t nexthop_id = 0; /* of a nexthop object, 0 for none */
	Address source;          /* RTA_PREFSRC */
	std::vector<Leg> legs;
	std::vector<uint32_t> dead; /* links of legs that are told to be dead */
	uint8_t scope = 0;          /* RT_SCOPE_*, of IPv4 */
	int8_t preference = 0;      /* of IPv6's routes of one metric (RFC 4191): 1 high, -1 low */
	uint64_t attributes =
	    0; /* a hash of what else tells one IPv4 route from another: metrics, realms, onlink */
	bool cloned = false; /* not a route: an exception, or one that depends on the source */
	bool retold = false; /* for a replaced nexthop object, not because the route changed (Rib::retold) */
};

struct LinkMessage {
	bool remove = false;
	uint32_t ifindex = 0, flags = 0, mtu = 0, parent = 0;
	std::string name, kind;
	uint8_t mac[6] = {};
	bool has_mac = false;
	uint16_t vlan_id = 0, vlan_protocol = 0; /* protocol 0: no VLAN device; host order */
};

/* One of a link. The kernel takes the same address again with another length or peer. */
struct InterfaceAddress {
	Address address;
	uint8_t length = 0;
	Address peer; /* the address itself where there is none */
	bool operator<(const InterfaceAddress &other) const
	{
		return address != other.address ? address < other.address
		       : length != other.length ? length < other.length
		                                : peer < other.peer;
	}
};

struct AddressMessage : InterfaceAddress {
	bool remove = false;
	uint32_t ifindex = 0;
};

struct NeighbourMessage {
	bool remove = false;
	uint32_t ifindex = 0;
	Address address;
	uint16_t state = 0; /* NUD_* */
	bool has_mac = false;
	uint8_t mac[6] = {};
};

struct NexthopMessage {
	bool remove = false;
	uint32_t id = 0;
	bool blackhole = false, unusable = false;         /* unusable: bridge's (fdb), not for routes */
	Leg leg;                                          /* of a single one */
	std::vector<std::pair<uint32_t, uint16_t>> group; /* member, weight */
};

/* Of sysctl net.ipv4.conf and net.ipv6.conf, ignore_routes_with_linkdown alone. */
struct NetconfMessage {
	uint8_t family = 0;
	int32_t ifindex = 0; /* -1: all, -2: default */
	bool ignores_linkdown = false;
};

bool parse_route(const nlmsghdr *message, RouteMessage &route);
bool parse_link(const nlmsghdr *message, LinkMessage &link);
bool parse_address(const nlmsghdr *message, AddressMessage &address);
bool parse_neighbour(const nlmsghdr *message, NeighbourMessage &neighbour);
bool parse_nexthop(const nlmsghdr *message, NexthopMessage &nexthop);
/* False also when it tells of other settings. */
bool parse_netconf(const nlmsghdr *message, NetconfMessage &netconf);

} // namespace mill
