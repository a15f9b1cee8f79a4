/*
 * What the table amounts to for forwarding: which candidate of a prefix counts, which legs a path has now, and
 * which neighbours get host routes.
 */
#include <linux/rtnetlink.h>
#include <algorithm>
#include "rib/rib.h"

namespace mill
{

bool Rib::leg_alive(const Path &path, const Leg &leg) const
{
	const auto link = links_.find(leg.ifindex);
	return link != links_.end() && link->second.carrier() && link->second.alarm == Alarm::None &&
	       !leg_gone(path, leg);
}

Alarm Rib::alarm_of(uint32_t ifindex) const
{
	const auto link = links_.find(ifindex);
	return link != links_.end() ? link->second.alarm : Alarm::None;
}

/* The kernel's nexthop objects go with the carrier, and groups with their last member. A group is no member of another. */
bool Rib::object_lost(uint32_t id) const
{
	const auto gone = [&](uint32_t one) {
		const auto found = nexthops_.find(one);
		return found != nexthops_.end() && (one & fpm_nexthop) == 0 &&
		       found->second.message.group.empty() &&
		       alarm_of(found->second.message.leg.ifindex) != Alarm::None;
	};
	const auto found = nexthops_.find(id);
	if (found == nexthops_.end() || found->second.message.group.empty())
		return gone(id);
	const auto &group = found->second.message.group;
	return std::all_of(group.begin(), group.end(),
	                   [&](const auto &member) { return gone(member.first); });
}

/* The kernel has taken its routes away, by an alarm of which no event has been read. */
bool Rib::lost(const Path &path) const
{
	const auto here = [&](const Leg &leg) { return alarm_of(leg.ifindex) >= Alarm::Down; };
	const auto removed = [&](const Leg &leg) { return alarm_of(leg.ifindex) == Alarm::Removed; };
	const auto gone = [&](const Leg &leg) { return here(leg) || leg_gone(path, leg); };
	const bool stays = path.family == 4 && path.apart.scope == RT_SCOPE_HOST;
	if (path.nexthop_id != 0)
		return object_lost(path.nexthop_id);
	if (path.family == 4 && std::any_of(path.legs.begin(), path.legs.end(), removed))
		return true;
	return !stays && std::any_of(path.legs.begin(), path.legs.end(), here) &&
	       std::all_of(path.legs.begin(), path.legs.end(), gone);
}

static Leg weighted(Leg leg, uint16_t weight)
{
	leg.weight = weight;
	return leg;
}

/* The path's legs, those of its nexthop object as it is now. */
std::vector<Leg> Rib::legs_of(const Path &path, bool &blackhole) const
{
	if (path.nexthop_id == 0)
		return path.legs;
	const auto found = nexthops_.find(path.nexthop_id);
	if (found == nexthops_.end())
		return {};
	const NexthopMessage &object = found->second.message;
	blackhole = object.blackhole;
	if (object.group.empty())
		return object.leg.ifindex != 0 ? std::vector<Leg>{object.leg} : std::vector<Leg>{};
	std::vector<Leg> legs;
	for (const auto &[id, weight] : object.group) {
		const auto member = nexthops_.find(id);
		if (member == nexthops_.end() || object_lost(id))
			continue;
		blackhole = blackhole || member->second.message.blackhole;
		if (member->second.message.leg.ifindex != 0)
			legs.push_back(weighted(member->second.message.leg, weight));
	}
	return legs;
}

static bool forwardable(uint8_t type)
{
	switch (type) {
	case RTN_UNICAST:
	case RTN_LOCAL:
	case RTN_BROADCAST:
	case RTN_ANYCAST:
	case RTN_BLACKHOLE:
	case RTN_UNREACHABLE:
	case RTN_PROHIBIT:
	case RTN_THROW:
		return true;
	default:
		return false;
	}
}

/* sysctl ignore_routes_with_linkdown; for IPv4, `all` speaks for every interface. */
bool Rib::ignores_linkdown(uint8_t family, uint32_t ifindex) const
{
	const auto &ignoring = ignoring_[family == 6];
	const auto says = [&](int32_t one) {
		const auto found = ignoring.find(one);
		return found != ignoring.end() && found->second;
	};
	return says(static_cast<int32_t>(ifindex)) || (family == 4 && says(-1));
}

/* The leg is dead, or lost its carrier on an interface where the kernel then does as if it were not there. */
bool Rib::passed_over(const Path &path, const Leg &leg) const
{
	const auto link = links_.find(leg.ifindex);
	return leg_gone(path, leg) ||
	       (link != links_.end() && (!link->second.carrier() || link->second.alarm != Alarm::None) &&
	        (link->second.alarm >= Alarm::Down || ignores_linkdown(path.family, leg.ifindex)));
}

/* The kernel does as if the route were not there. A route all of whose legs are dead is one such: IPv6 keeps the dead
 * ones when those that lived are taken away. */
bool Rib::ignored(const Path &path) const
{
	bool blackhole = false;
	if (path.type == RTN_LOCAL || path.type == RTN_ANYCAST)
		return false;
	const std::vector<Leg> legs = legs_of(path, blackhole);
	return !legs.empty() && !blackhole &&
	       std::all_of(legs.begin(), legs.end(), [&](const Leg &leg) { return passed_over(path, leg); });
}

/* A path through a nexthop object that is not there is no way at all. */
bool Rib::has_way(const Path &path) const
{
	return (path.nexthop_id == 0 || nexthops_.count(path.nexthop_id) != 0) && !lost(path) &&
	       !ignored(path);
}

/* Links or nexthop objects changed: routes whose way came or went are looked at again. */
void Rib::check_ways()
{
	bool turned[2] = {};
	arrange_all6();
	paths_.all([&](Path &path) {
		const bool usable = has_way(path);
		path.turned = usable != path.usable && path.refs > 0;
		path.usable = usable;
		turned[path.family == 6] |= path.turned;
	});
	for (const uint8_t family : {uint8_t(4), uint8_t(6)}) {
		if (!turned[family == 6])
			continue;
		trie(family).all([this](Node &node) {
			for (const Candidate *c = node.first; c != nullptr; c = c->next)
				if (c->rank != neighbour_rank && c->path->turned)
					route_changed(node, *c);
		});
	}
}

/* Routes for other TOS than 0 are kept, but no packet is asked its TOS. */
static bool eligible(const Candidate &candidate)
{
	return candidate.rank != neighbour_rank && candidate.tos == 0 && forwardable(candidate.path->type) &&
	       (candidate.path->usable || source_of(candidate.rank) == Source::Operator);
}

/* Of IPv6, the first of those that are preferred most (find_rr_leaf, rt6_score_route in net/ipv6). */
static const Candidate *preferred(const Candidate *first)
{
	const Candidate *best = first;
	for (const Candidate *c = first->next; c != nullptr && c->same_class(*first); c = c->next)
		if (c->path->apart.preference > best->path->apart.preference && eligible(*c))
			best = c;
	return best;
}

/* The kernel's or operator's route for the addresses of a prefix: tables are asked one after the other, each for its
 * longest match, and one that throws passes on to the next. When all do, the last throw is the answer. */
Rib::Found Rib::match(const Address &address, unsigned length, bool operators_too) const
{
	Found matches[max_tables], thrown;
	const size_t levels = tables_.size();
	const auto asked = [&](const Candidate &c) {
		return eligible(c) && (operators_too || source_of(c.rank) != Source::Operator);
	};
	trie(address.family).covering(address, length, [&](const Node &node) {
		for (const Candidate *c = node.first; c != nullptr; c = c->next)
			if (asked(*c) && matches[level_of(c->rank)].node != &node)
				matches[level_of(c->rank)] = {&node, preferred(c)};
	});
	for (size_t level = 0; level < levels; level++) {
		if (matches[level].candidate == nullptr)
			continue;
		if (matches[level].candidate->path->type != RTN_THROW)
			return matches[level];
		thrown = matches[level];
	}
	return thrown;
}

/* What the engine is to know of a prefix; null for nothing: then the prefix above answers, and says the same. */
Path *Rib::effective(const Node &node) const
{
	const Address &address = node.prefix.address;
	const bool six = address.family == 6;
	if (node.first == nullptr || (address.is_link_local() && node.prefix.length >= 10))
		return nullptr; /* the forwarder punts link-local ones by itself: they mean something on one link only */
	bool throws = false;
	for (const Candidate *c = node.first; c != nullptr; c = c->next) {
		if (hiding_[six] == 0 && eligible(*c))
			return preferred(c)->path; /* nothing above can come before it */
		throws = throws || c->path->type == RTN_THROW;
	}
	const Found found = hiding_[six] != 0 ? match(address, node.prefix.length) : Found();
	if (found.node == &node)
		return found.candidate->path;
	for (const Candidate *c = node.first; c != nullptr; c = c->next)
		if (c->rank == neighbour_rank) /* it has one only where a connected route counts */
			return c->path;
	return throws && found.candidate != nullptr ? found.candidate->path : nullptr;
}

/* --- host routes of neighbours ------------------------------------------------------------------------------ */

void Rib::add_host_route(const NeighbourKey &key, NeighbourState &neighbour)
{
	if (neighbour.host != nullptr)
		return;
	Leg leg;
	leg.ifindex = key.second;
	leg.gateway = key.first;
	Path *path = path_like(key.first.family, RTN_UNICAST, 0, Address(), {leg});
	Node &node = trie(key.first.family).insert(Prefix(key.first, key.first.bits()));
	Candidate **end = &node.first;
	while (*end != nullptr)
		end = &(*end)->next;
	insert_candidate(node, end, {nullptr, path, 0, 0, 0, 0, neighbour_rank});
	neighbour.host = path;
}

void Rib::drop_host_route(const NeighbourKey &key, NeighbourState &neighbour)
{
	const Path *path = std::exchange(neighbour.host, nullptr);
	Node *node = trie(key.first.family).find(Prefix(key.first, key.first.bits()));
	if (path != nullptr && node != nullptr)
		remove_matching(*node, [&](const Candidate &candidate) {
			return candidate.rank == neighbour_rank && candidate.path == path;
		});
}

/* A usable neighbour on a connected prefix of one of our interfaces has a host route: then its packets need no
 * look at the neighbour table. */
void Rib::check_neighbours()
{
	const auto checks = std::exchange(check_neighbours_, {});
	for (const NeighbourKey &key : checks) {
		const auto found = neighbours_.find(key);
		if (found == neighbours_.end())
			continue;
		bool wanted =
		    found->second.usable() && slots_.count(key.second) != 0 && !key.first.is_link_local();
		if (wanted) {
			const Candidate *route = match(key.first);
			bool blackhole = false, connected = false;
			if (route != nullptr && route->path->type == RTN_UNICAST)
				for (const Leg &leg : legs_of(*route->path, blackhole))
					connected = connected ||
					            (leg.ifindex == key.second && leg.gateway.family == 0);
			wanted = connected;
		}
		if (wanted)
			add_host_route(key, found->second);
		else
			drop_host_route(key, found->second);
	}
}

} // namespace mill
