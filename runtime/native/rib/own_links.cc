/*
 * The engine's own links: interfaces without a face in the kernel. The policy says what addresses they have, and the engine
 * resolves their neighbours, so nothing of them comes by netlink. For the table they are links like others, with numbers
 * that the kernel does not use, and what the kernel would make of an address is made here:
 *
 *   local      the address                                        → the router itself
 *              IPv6's subnet-router anycast (RFC 4291 §2.6.1)     → the router itself
 *   broadcast  the last address of an IPv4 network up to /30
 *   connected  the network, while the link is up
 *   static     the policy's routes through a gateway on such a network
 *
 * Dumps neither confirm nor sweep any of it.
 */
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <algorithm>
#include "rib/rib.h"

namespace mill
{

bool OwnLink::operator==(const OwnLink &other) const
{
	return addresses == other.addresses && link.name == other.link.name &&
	       link.flags == other.link.flags && link.mtu == other.link.mtu &&
	       memcmp(link.mac, other.link.mac, sizeof link.mac) == 0;
}

void Rib::set_own(std::map<uint32_t, OwnLink> links, std::map<Prefix, Address> routes)
{
	if (links == own_links_ && routes == own_routes_)
		return;
	for (const auto &[ifindex, own] : own_links_)
		if (links.count(ifindex) == 0)
			link_gone(ifindex);
	for (const auto &[ifindex, own] : links) {
		take_link(own.link);
		auto &addresses = links_[ifindex].addresses;
		addresses.clear();
		for (const auto &[address, length] : own.addresses)
			addresses[{address, length, address}] = stamp_;
	}
	own_links_ = std::move(links);
	own_routes_ = std::move(routes);
	link_change_ = true;
	routes_changed_ = true;
}

void Rib::set_own_neighbours(const std::vector<NeighbourMessage> &neighbours)
{
	std::set<NeighbourKey> there;
	for (const NeighbourMessage &neighbour : neighbours) {
		there.emplace(neighbour.address, neighbour.ifindex);
		take_neighbour(neighbour);
	}
	for (auto at = neighbours_.begin(); at != neighbours_.end();) {
		const auto next = std::next(at);
		if (is_own(at->first.second) && there.count(at->first) == 0)
			forget_neighbour(at);
		at = next;
	}
}

/* --- their routes ------------------------------------------------------------------------------------------- */

void Rib::add_own_route(OwnRoutes &routes, const Prefix &prefix, Rank rank, uint8_t type, uint8_t protocol,
                        const Leg &leg)
{
	Path *path = path_like(prefix.address.family, type, 0, Address(), {leg});
	routes[{prefix, rank}].push_back({nullptr, path, 0, 0, 0, protocol, rank});
}

void Rib::add_own_addresses(OwnRoutes &routes, const OwnLink &own)
{
	const auto table = std::find(tables_.begin(), tables_.end(), uint32_t(RT_TABLE_LOCAL));
	const Rank local =
	    rank_at(table != tables_.end() ? static_cast<size_t>(table - tables_.begin()) : 0, Source::Own);
	Leg leg;
	leg.ifindex = own.link.ifindex;
	for (const auto &[address, length] : own.addresses) {
		const uint8_t bits = address.bits();
		const Prefix network(address, length);
		if (address.is_link_local())
			continue; /* means something on its link only */
		add_own_route(routes, Prefix(address, bits), local, RTN_LOCAL, RTPROT_KERNEL, leg);
		if (address.family == 4 && length < 31)
			add_own_route(routes, Prefix(network.last(), bits), local, RTN_BROADCAST,
			              RTPROT_KERNEL, leg);
		if (address.family == 6 && length < 127)
			add_own_route(routes, Prefix(network.address, bits), local, RTN_LOCAL, RTPROT_KERNEL,
			              leg);
		if (length < bits && (own.link.flags & IFF_LOWER_UP) != 0)
			add_own_route(routes, network, beside_main(Source::Own), RTN_UNICAST, RTPROT_KERNEL,
			              leg);
	}
}

/* All candidates of own links for this prefix; none takes them away. */
void Rib::place_own_route(const std::pair<Prefix, Rank> &place, const std::vector<Candidate> &wanted)
{
	const auto &[prefix, rank] = place;
	Trie &table = trie(prefix.address.family);
	Node *node = wanted.empty() ? table.find(prefix) : &table.insert(prefix);
	if (node == nullptr)
		return;
	std::vector<Path *> now, next;
	for (const Candidate *c = node->first; c != nullptr; c = c->next)
		if (c->rank == rank)
			now.push_back(c->path);
	for (const Candidate &candidate : wanted)
		next.push_back(candidate.path);
	if (now != next)
		replace_candidates(*node, rank, wanted);
}

/* The link that a gateway is on; 0: none that is up. */
uint32_t Rib::own_link_of(const Address &gateway) const
{
	for (const auto &[ifindex, own] : own_links_)
		for (const auto &[address, length] : own.addresses)
			if ((own.link.flags & IFF_LOWER_UP) != 0 && Prefix(address, length).covers(gateway))
				return ifindex;
	return 0;
}

void Rib::check_own_routes()
{
	OwnRoutes routes;
	const Rank main = beside_main(Source::Own);
	for (const auto &[ifindex, own] : own_links_)
		add_own_addresses(routes, own);
	for (const auto &[prefix, gateway] : own_routes_) {
		const uint32_t ifindex = own_link_of(gateway);
		Leg leg;
		leg.ifindex = ifindex;
		leg.gateway = gateway;
		if (ifindex != 0 && routes.count({prefix, main}) == 0)
			add_own_route(routes, prefix, main, RTN_UNICAST, RTPROT_STATIC, leg);
	}
	for (const auto &place : own_prefixes_)
		if (routes.count(place) == 0)
			place_own_route(place, {});
	own_prefixes_.clear();
	for (const auto &[place, wanted] : routes) {
		place_own_route(place, wanted);
		own_prefixes_.insert(place);
	}
}

} // namespace mill
