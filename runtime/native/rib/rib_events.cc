/*
 * Links, addresses, neighbours and nexthop objects, and what the kernel does to routes without saying so when one
 * of them goes (measured on Linux 6.18; fib_sync_down_dev, fib_sync_down_addr, nexthop_flush_dev):
 *
 *   link administratively down   routes over it alone vanish, but IPv4's to local addresses; nexthop objects on it too.
 *                                For IPv6 the kernel says so, unless net.ipv6.route.skip_notify_on_dev_down is set;
 *                                what stands between the legs of an IPv6 route that stays, stays too (left_between6)
 *   carrier lost                 nexthop objects on it vanish, with the routes that name them; other routes stay,
 *                                but the kernel passes over them where ignore_routes_with_linkdown is set
 *   link removed                 the same, and IPv4's over several legs vanish whole
 *   IPv4 address deleted         the main table's routes that prefer it as source vanish; with the last one, all over that link
 *   nexthop object deleted       routes that name it vanish; it leaves its groups, and an empty group vanishes
 *
 * These are applied at once, and `doubt_` asks for a dump that verifies.
 */
#include <linux/if.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <algorithm>
#include "rib/rib.h"

namespace mill
{

bool LinkState::up() const
{
	return (link.flags & IFF_UP) != 0;
}

bool LinkState::carrier() const
{
	return (link.flags & IFF_LOWER_UP) != 0;
}

bool NeighbourState::usable() const
{
	static const uint16_t good =
	    NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;
	return has_mac && (state & good) != 0;
}

/* Removes, in one walk, the kernel's routes whose path matches, but for those `left`. The engine is told first that these paths lead nowhere,
 * and how others are without what went, which takes few records, however many routes there are; that the routes are
 * gone follows. */
template <typename Match> void Rib::purge(Match match, const std::set<const Candidate *> &left)
{
	std::vector<Path *> condemned, sent;
	bool family[2] = {};
	paths_.all([&](Path &path) {
		if (path.sent)
			sent.push_back(&path);
		if (path.refs == 0 || !match(path))
			return;
		path.condemned = true;
		condemned.push_back(&path);
		family[path.family == 6] = true;
	});
	if (condemned.empty())
		return;
	send_groups_now(sent);
	const auto remove = [&](Node &node) {
		remove_matching(node, [&](const Candidate &candidate) {
			return candidate.path->condemned && of_kernel(candidate.rank) &&
			       left.count(&candidate) == 0;
		});
	};
	if (family[0])
		trie4_.all(remove);
	if (family[1])
		trie6_.all(remove);
	for (Path *path : condemned) {
		path->condemned = false;
		if (path->sent)
			mark_path(*path); /* others than the kernel's routes may go on using it */
	}
}

/* Interfaces, their state or their slots changed: paths and neighbours mean something else. */
void Rib::links_changed()
{
	link_change_ = true;
	routes_changed_ = gateways_changed_ = true;
	check_ways();
	mark_all_paths();
	for (auto &[key, adjacency] : adjacencies_)
		mark_adjacency(*adjacency);
	for (const auto &[key, neighbour] : neighbours_)
		check_neighbours_.insert(key);
}

/* The kernel holds this leg of a route for dead, sends nothing there, and removes the route when all its legs are. Of nexthop
 * objects it looks at no addresses. */
bool Rib::leg_gone(const Path &path, const Leg &leg) const
{
	const auto link = links_.find(leg.ifindex);
	if (link == links_.end())
		return false;
	const bool stays = path.kept || (path.family == 4 && path.apart.scope == RT_SCOPE_HOST);
	return (!link->second.up() && !stays) ||
	       std::find(path.dead.begin(), path.dead.end(), leg.ifindex) != path.dead.end();
}

/* Of the routes that there are now, but those of nexthop objects. */
void Rib::set_dead(uint8_t family, uint32_t ifindex, bool dead)
{
	paths_.all([&](Path &path) {
		const auto here = [&](const Leg &leg) { return leg.ifindex == ifindex; };
		if (path.family != family || std::none_of(path.legs.begin(), path.legs.end(), here) ||
		    (family == 6 && !may_share(path)))
			return;
		path.dead.erase(std::remove(path.dead.begin(), path.dead.end(), ifindex), path.dead.end());
		if (dead && path.refs > 0)
			path.dead.push_back(ifindex);
	});
}

static Alarm severity(const LinkMessage &link)
{
	if (link.remove)
		return Alarm::Removed;
	if ((link.flags & IFF_UP) == 0)
		return Alarm::Down;
	return (link.flags & IFF_LOWER_UP) == 0 ? Alarm::Carrier : Alarm::None;
}

/* In a resync a link is lost whenever that is told, also for the second time: what is older than the loss and came in between
 * is gone as well. An alarm stands until an event tells the same; a dump is newer than it. */
void Rib::take_link(const LinkMessage &message, bool from_dump)
{
	if (message.remove) {
		link_gone(message.ifindex);
		return;
	}
	LinkState &state = links_[message.ifindex];
	const bool was_up = state.up(), had_carrier = state.carrier(), known = state.link.ifindex != 0;
	const Alarm alarm = state.alarm;
	state.stamp = stamp_;
	state.link = message;
	if (from_dump || severity(message) >= alarm)
		state.alarm = Alarm::None;
	if (state.up() && !was_up)
		set_dead(4, message.ifindex, false);
	if (state.up() && state.carrier())
		set_dead(6, message.ifindex, false);
	const bool down = known && (was_up || catching_up_) && !state.up();
	const bool lost = known && (had_carrier || catching_up_) && !state.carrier();
	link_change_ = true;
	if (down || lost) {
		doubt_ = true;
		drop_nexthops_of(message.ifindex);
	}
	if (down) {
		set_dead(6, message.ifindex, true);
		purge_down(message.ifindex);
	}
	if (!known || was_up != state.up() || had_carrier != state.carrier() || alarm != state.alarm)
		links_changed();
}

void Rib::take_alarm(const LinkMessage &link)
{
	const auto found = links_.find(link.ifindex);
	if (found == links_.end())
		return;
	LinkState &state = found->second;
	const Alarm alarm = severity(link);
	if (alarm <= std::max(state.alarm, severity(state.link)))
		return;
	state.alarm = alarm;
	doubt_ = true; /* a dump ends it, should no event */
	std::vector<Path *> sent;
	paths_.all([&](Path &path) {
		if (path.sent)
			sent.push_back(&path);
	});
	send_groups_now(sent);
	urgent_ = true;
	links_changed();
	urgent_ = false;
}

/* Administratively down: routes over it alone. What a dump told to have stayed is not doubted for an event of long ago. */
void Rib::purge_down(uint32_t ifindex)
{
	const auto over_it = [&](const Path &path) {
		const auto here = [&](const Leg &leg) { return leg.ifindex == ifindex; };
		return path.nexthop_id == 0 && std::any_of(path.legs.begin(), path.legs.end(), here);
	};
	paths_.all([&](Path &path) { path.kept = path.kept && (catching_up_ || !over_it(path)); });
	const std::set<const Candidate *> left = left_between6(ifindex);
	purge(
	    [&](const Path &path) {
		    const auto dead = [&](const Leg &leg) { return leg_gone(path, leg); };
		    return over_it(path) && std::all_of(path.legs.begin(), path.legs.end(), dead);
	    },
	    left);
	for (const Candidate *candidate : left)
		candidate->path->kept = candidate->path->kept || over_it(*candidate->path);
}

/* The kernel's dump tells of an IPv6 route over a link that is down: it stayed. */
void Rib::keep_told(Path &path) const
{
	const auto down = [&](const Leg &leg) {
		const auto link = links_.find(leg.ifindex);
		return link != links_.end() && !link->second.up();
	};
	if (path.family == 6 && path.nexthop_id == 0 && !may_share(path))
		path.kept = path.kept || std::any_of(path.legs.begin(), path.legs.end(), down);
}

void Rib::link_gone(uint32_t ifindex)
{
	links_.erase(ifindex);
	drop_nexthops_of(ifindex);
	purge([&](const Path &path) {
		const auto here = [&](const Leg &leg) { return leg.ifindex == ifindex; };
		return path.nexthop_id == 0 && !path.legs.empty() &&
		       (path.family == 4 ? std::any_of(path.legs.begin(), path.legs.end(), here)
		                         : std::all_of(path.legs.begin(), path.legs.end(), here));
	});
	for (auto at = neighbours_.begin(); at != neighbours_.end();) {
		const auto next = std::next(at);
		if (at->first.second == ifindex)
			forget_neighbour(at);
		at = next;
	}
	doubt_ = true;
	links_changed();
}

void Rib::sweep_links()
{
	std::vector<uint32_t> gone;
	for (const auto &[ifindex, state] : links_)
		if (state.stamp != stamp_ && !is_own(ifindex))
			gone.push_back(ifindex);
	for (const uint32_t ifindex : gone)
		link_gone(ifindex);
}

void Rib::take_address(const AddressMessage &message, bool from_dump)
{
	const auto link = links_.find(message.ifindex);
	if (link == links_.end())
		return;
	auto &addresses = link->second.addresses;
	if (message.remove) {
		link_change_ = true;
		addresses.erase(message);
		address_gone(message.ifindex, message.address);
		return;
	}
	const auto [at, fresh] = addresses.emplace(message, stamp_);
	at->second = stamp_;
	if (!fresh && from_dump)
		return; /* an audit looks: nothing changed */
	link_change_ = true;
	if (message.address.family == 4) {
		set_dead(4, message.ifindex, false);
		links_changed();
	}
}

/* The address is the router's own, also after it went from one place: it is there in another, or inside a local prefix. */
bool Rib::still_local(const Address &address) const
{
	for (const auto &[ifindex, state] : links_) {
		const auto at = state.addresses.lower_bound({address, 0, {}});
		if (at != state.addresses.end() && at->first.address == address)
			return true;
	}
	Rank rank;
	bool local = false;
	if (rank_of(RT_TABLE_LOCAL, rank))
		trie(address.family).covering(address, address.bits() - 1u, [&](const Node &node) {
			for (const Candidate *c = node.first; c != nullptr; c = c->next)
				local = c->rank == rank ? c->path->type == RTN_LOCAL : local;
		});
	return local;
}

void Rib::address_gone(uint32_t ifindex, const Address &address)
{
	doubt_ = true;
	if (address.family != 4)
		return; /* IPv6 announces what it deletes, and merely forgets a preferred source */
	const bool local = still_local(address);
	const auto &left = links_[ifindex].addresses;
	const bool last = std::none_of(left.begin(), left.end(),
	                               [](const auto &own) { return own.first.address.family == 4; });
	if (last)
		set_dead(4, ifindex, true);
	purge([&](const Path &path) {
		if (path.family != 4)
			return false;
		if (!local && path.source == address && path.apart.table == RT_TABLE_MAIN)
			return true;
		const auto here = [&](const Leg &leg) { return leg.ifindex == ifindex; };
		const auto dead = [&](const Leg &leg) { return leg_gone(path, leg); };
		return last && path.nexthop_id == 0 &&
		       std::any_of(path.legs.begin(), path.legs.end(), here) &&
		       std::all_of(path.legs.begin(), path.legs.end(), dead);
	});
	if (last)
		links_changed(); /* its legs are dead */
}

void Rib::sweep_addresses()
{
	std::vector<std::pair<uint32_t, InterfaceAddress>> gone;
	for (auto &[ifindex, state] : links_)
		for (const auto &[address, stamp] : state.addresses)
			if (stamp != stamp_ && !is_own(ifindex))
				gone.emplace_back(ifindex, address);
	for (const auto &[ifindex, address] : gone) {
		links_[ifindex].addresses.erase(address);
		link_change_ = true;
		address_gone(ifindex, address.address);
	}
}

void Rib::take_netconf(const NetconfMessage &message)
{
	bool &ignores = ignoring_[message.family == 6][message.ifindex];
	if (std::exchange(ignores, message.ignores_linkdown) != message.ignores_linkdown)
		links_changed();
}

/* --- nexthop objects ---------------------------------------------------------------------------------------- */

void Rib::take_nexthop(const NexthopMessage &message)
{
	if (message.remove) {
		nexthop_gone(message.id);
		return;
	}
	NexthopObject &object = nexthops_[message.id];
	object.stamp = stamp_;
	const NexthopMessage &old = object.message;
	if (old.id == message.id && old.leg == message.leg && old.group == message.group &&
	    old.blackhole == message.blackhole)
		return;
	object.message = message;
	check_ways();
	/* those that name it, themselves or through a group */
	mark_all_paths();
	routes_changed_ = true;
	for (const auto &[key, neighbour] : neighbours_)
		check_neighbours_.insert(key);
}

void Rib::nexthop_gone(uint32_t id)
{
	nexthops_.erase(id);
	std::vector<uint32_t> empty;
	for (auto &[other, object] : nexthops_) {
		auto &group = object.message.group;
		const auto end =
		    std::remove_if(group.begin(), group.end(), [&](const auto &m) { return m.first == id; });
		if (end == group.end())
			continue;
		group.erase(end, group.end());
		if (group.empty())
			empty.push_back(other);
	}
	bool named = false;
	paths_.all([&](const Path &path) { named = named || (path.nexthop_id == id && path.refs > 0); });
	if (named) {
		doubt_ = true;
		purge([&](const Path &path) { return path.nexthop_id == id; });
	}
	for (const uint32_t group : empty)
		nexthop_gone(group);
	check_ways();
	mark_all_paths();
	routes_changed_ = true;
}

void Rib::drop_nexthops_of(uint32_t ifindex)
{
	std::vector<uint32_t> gone;
	for (const auto &[id, object] : nexthops_)
		if ((id & fpm_nexthop) == 0 && object.message.group.empty() &&
		    object.message.leg.ifindex == ifindex)
			gone.push_back(id);
	for (const uint32_t id : gone)
		nexthop_gone(id);
	if (!gone.empty())
		doubt_ = true;
}

void Rib::sweep_nexthops()
{
	std::vector<uint32_t> gone;
	for (const auto &[id, object] : nexthops_)
		if ((id & fpm_nexthop) == 0 && object.stamp != stamp_)
			gone.push_back(id);
	for (const uint32_t id : gone)
		nexthop_gone(id);
}

/* --- neighbours --------------------------------------------------------------------------------------------- */

void Rib::neighbour_changed(const NeighbourKey &key)
{
	check_neighbours_.insert(key);
	gateways_changed_ = gateways_changed_ || gateway_neighbours_.count(key) != 0;
	const auto found = adjacencies_.find({AdjacencyClass::Neighbour, key.second, key.first});
	if (found != adjacencies_.end())
		mark_adjacency(*found->second);
}

void Rib::take_neighbour(const NeighbourMessage &message)
{
	const NeighbourKey key(message.address, message.ifindex);
	if (message.address.is_multicast())
		return;
	if (message.remove) {
		const auto found = neighbours_.find(key);
		if (found != neighbours_.end())
			forget_neighbour(found);
		return;
	}
	NeighbourState &state = neighbours_[key];
	const bool was_usable = state.usable();
	uint8_t mac[6];
	memcpy(mac, state.mac, sizeof mac);
	state.stamp = stamp_;
	state.state = message.state;
	state.has_mac = message.has_mac;
	memcpy(state.mac, message.mac, sizeof state.mac);
	if (was_usable != state.usable() || memcmp(mac, state.mac, sizeof mac) != 0)
		neighbour_changed(key);
	if (message.state == NUD_FAILED)
		gateway_failed(key);
}

void Rib::forget_neighbour(std::map<NeighbourKey, NeighbourState>::iterator at)
{
	const NeighbourKey key = at->first;
	if (at->second.host != nullptr)
		drop_host_route(key, at->second);
	neighbours_.erase(at);
	neighbour_changed(key);
}

void Rib::sweep_neighbours()
{
	for (auto at = neighbours_.begin(); at != neighbours_.end();) {
		const auto next = std::next(at);
		if (at->second.stamp != stamp_ && !is_own(at->first.second))
			forget_neighbour(at);
		at = next;
	}
}

} // namespace mill
