/* The whole: its messages and to whom each goes, its tables, and what dumps and the owner ask between changes. */
#include "rib/rib.h"
#include <linux/rtnetlink.h>
#include <algorithm>
#include <utility>
#include "rib/compare.h"

namespace mill
{

Rib::Rib() : tables_{RT_TABLE_LOCAL, RT_TABLE_MAIN}
{
}

static void free_candidates(Node &node)
{
	while (node.first != nullptr)
		delete std::exchange(node.first, node.first->next);
}

Rib::~Rib()
{
	trie4_.all(free_candidates);
	trie6_.all(free_candidates);
}

void Rib::take(const nlmsghdr *message, bool from_dump)
{
	statistics.messages++;
	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
	case RTM_NEWADDR:
	case RTM_DELADDR:
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		statistics.other_events += from_dump ? 0 : 1;
	}
	urgent_ = !from_dump && (pressing_ || message->nlmsg_type != RTM_NEWROUTE);
	dispatch(message, from_dump);
	urgent_ = false;
}

/* After the news of a replaced nexthop object the kernel tells, for those who do not know such, of every route that names
 * it, with NLM_F_REPLACE, wherever the route stands among those of its metric (nexthop_replace_notify in net/ipv4; sysctl
 * nexthop_compat_mode). It replaced nothing. A route that truly takes another's place is told the same, but answers a
 * request of its own. */
bool Rib::retold(const nlmsghdr *message, const RouteMessage &route) const
{
	return route.nexthop_id != 0 && !route.remove &&
	       nexthop_request_ == std::make_pair(message->nlmsg_pid, message->nlmsg_seq);
}

void Rib::dispatch(const nlmsghdr *message, bool from_dump)
{
	switch (message->nlmsg_type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE: {
		RouteMessage route;
		if (!parse_route(message, route) || route.cloned)
			return;
		Rank rank;
		if (!rank_of(route.table, rank))
			return;
		route.retold = !from_dump && retold(message, route);
		if (comparison_ != nullptr)
			comparison_->touched(route.prefix);
		if (route.remove)
			delete_route(route, rank);
		else
			add_route(route, rank, from_dump);
		return;
	}
	case RTM_NEWLINK:
	case RTM_DELLINK: {
		LinkMessage link;
		if (parse_link(message, link))
			take_link(link, from_dump);
		return;
	}
	case RTM_NEWADDR:
	case RTM_DELADDR: {
		AddressMessage address;
		if (parse_address(message, address))
			take_address(address, from_dump);
		return;
	}
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH: {
		NeighbourMessage neighbour;
		if (parse_neighbour(message, neighbour))
			take_neighbour(neighbour);
		return;
	}
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP: {
		NexthopMessage nexthop;
		if (!parse_nexthop(message, nexthop))
			return;
		if (!from_dump)
			nexthop_request_ = {message->nlmsg_pid, message->nlmsg_seq};
		take_nexthop(nexthop);
		return;
	}
	case RTM_NEWNETCONF: {
		NetconfMessage netconf;
		if (parse_netconf(message, netconf))
			take_netconf(netconf);
		return;
	}
	case RTM_NEWRULE:
	case RTM_DELRULE:
		rule_change_ = true;
		return;
	default:
		return;
	}
}

/* --- tables and their levels --------------------------------------------------------------------------------- */

bool Rib::rank_of(uint32_t table, Rank &rank) const
{
	const auto found = std::find(tables_.begin(), tables_.end(), table);
	rank = rank_at(static_cast<size_t>(found - tables_.begin()), Source::Kernel);
	return found != tables_.end();
}

/* Where the main table is not coupled, the last one takes its place. */
Rank Rib::beside_main(Source source) const
{
	const auto found = std::find(tables_.begin(), tables_.end(), uint32_t(RT_TABLE_MAIN));
	const size_t level = std::min(static_cast<size_t>(found - tables_.begin()), tables_.size() - 1);
	return rank_at(level, source);
}

/* zebra does not tell them again: they follow to the level that is the main table's now. */
void Rib::move_fpm_routes()
{
	for (Trie *trie : {&trie4_, &trie6_})
		trie->all([this](Node &node) {
			for (Candidate **place = &node.first; *place != nullptr; place = &(*place)->next) {
				if (source_of((*place)->rank) != Source::Fpm ||
				    (*place)->rank == beside_main(Source::Fpm))
					continue;
				Candidate moved = **place;
				moved.rank = beside_main(Source::Fpm);
				ref_path(moved.path);
				remove_candidate(node, place);
				insert_candidate(node, class_start(node, moved), moved);
				unref_path(moved.path);
				return;
			}
		});
}

bool Rib::set_tables(const std::vector<uint32_t> &tables)
{
	if (tables == tables_)
		return false;
	for (Trie *trie : {&trie4_, &trie6_})
		trie->all([this](Node &node) {
			remove_matching(node, [](const Candidate &c) {
				return of_kernel(c.rank) || source_of(c.rank) == Source::Operator ||
				       source_of(c.rank) == Source::Own;
			});
		});
	own_prefixes_.clear();
	tables_ = tables;
	move_fpm_routes();
	loaded_ = false;
	routes_changed_ = true; /* the operator's and own ones stand elsewhere */
	return true;
}

/* --- for the owner ------------------------------------------------------------------------------------------- */

void Rib::mark()
{
	stamp_++;
}

bool Rib::take_doubt()
{
	return std::exchange(doubt_, false);
}

bool Rib::take_rule_change()
{
	return std::exchange(rule_change_, false);
}

void Rib::set_rules(uint8_t family, std::vector<Rule> rules)
{
	link_change_ |= rules != rules_[family == 6];
	rules_[family == 6] = std::move(rules);
}

bool Rib::take_link_change()
{
	return std::exchange(link_change_, false);
}

} // namespace mill
