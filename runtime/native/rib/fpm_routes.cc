/*
 * A second source of routes: zebra itself, by FPM. It tells its choice for each prefix, at most one, so a prefix has
 * at most one candidate of Source::Fpm; what the kernel tells of the same prefix stays behind it. Connections are
 * generations: what a new one does not tell again goes with sweep_fpm. Nothing that happens to links or addresses
 * takes a route of zebra's away: it will say so.
 *
 * Its nexthop objects have numbers of their own, kept apart from the kernel's by the highest bit. (zebra and the
 * kernel's own tools count from below.)
 */
#include <linux/rtnetlink.h>
#include "rib/rib.h"

namespace mill
{

static constexpr uint32_t own_number = ~fpm_nexthop;

void Rib::begin_fpm()
{
	fpm_stamp_++;
}

/* True: a route that is now as the message says, so that zebra may be told when the engine has it. */
bool Rib::take_fpm(const nlmsghdr *message)
{
	statistics.messages++;
	switch (message->nlmsg_type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE: {
		RouteMessage route;
		if (!parse_route(message, route) || route.cloned || route.table != RT_TABLE_MAIN ||
		    route.tos != 0 || route.nexthop_id > own_number)
			return false;
		return take_fpm_route(route);
	}
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP: {
		NexthopMessage nexthop;
		if (parse_nexthop(message, nexthop) && nexthop.id <= own_number)
			take_fpm_nexthop(nexthop);
		return false;
	}
	default:
		return false; /* MPLS, bridges: not ours */
	}
}

bool Rib::take_fpm_route(RouteMessage &route)
{
	/* What zebra has from the kernel, the kernel tells by itself. */
	if (route.remove || route.protocol == RTPROT_KERNEL) {
		put_single(route.prefix, beside_main(Source::Fpm), nullptr);
		return false;
	}
	if (route.nexthop_id != 0)
		route.nexthop_id |= fpm_nexthop;
	Path *path = path_of(route);
	put_single(route.prefix, beside_main(Source::Fpm), path, route.protocol, fpm_stamp_);
	return route.nexthop_id == 0 || nexthops_.count(route.nexthop_id) != 0;
}

void Rib::take_fpm_nexthop(NexthopMessage &nexthop)
{
	nexthop.id |= fpm_nexthop;
	for (auto &[member, weight] : nexthop.group)
		member |= fpm_nexthop;
	const auto by_it = [&nexthop](const Candidate &candidate) {
		return source_of(candidate.rank) == Source::Fpm && candidate.path->nexthop_id == nexthop.id;
	};
	const bool known = nexthops_.count(nexthop.id) != 0;
	bool named = false;
	if (nexthop.remove || !known)
		paths_.all([&](const Path &path) {
			named = named || (path.nexthop_id == nexthop.id && path.refs > 0);
		});
	if (named) { /* not zebra's order, but no reason to send packets astray */
		for (Trie *table : {&trie4_, &trie6_})
			table->all([&](Node &node) {
				if (nexthop.remove)
					remove_matching(node, by_it);
				else
					touch(node);
			});
	}
	take_nexthop(nexthop);
	if (!nexthop.remove)
		nexthops_[nexthop.id].stamp = fpm_stamp_;
}

size_t Rib::sweep_fpm()
{
	const uint64_t before = statistics.fpm_routes;
	for (Trie *table : {&trie4_, &trie6_})
		table->all([this](Node &node) {
			remove_matching(node, [this](const Candidate &candidate) {
				return source_of(candidate.rank) == Source::Fpm &&
				       candidate.stamp != fpm_stamp_;
			});
		});
	std::vector<uint32_t> gone;
	for (const auto &[id, object] : nexthops_)
		if (id > own_number && object.stamp != fpm_stamp_)
			gone.push_back(id);
	for (const uint32_t id : gone)
		nexthop_gone(id);
	return before - statistics.fpm_routes;
}

} // namespace mill
