/* The table for people: routes by address and by page, path groups, neighbours. */
#include <linux/rtnetlink.h>
#include "rib/rib.h"

namespace mill
{

RouteView Rib::view_of(const Node &node, const Candidate &candidate) const
{
	RouteView view;
	bool blackhole = false;
	view.prefix = node.prefix;
	view.by_operator = source_of(candidate.rank) == Source::Operator;
	view.by_fpm = source_of(candidate.rank) == Source::Fpm;
	view.by_own = source_of(candidate.rank) == Source::Own;
	view.protocol = candidate.protocol;
	view.type = candidate.path->type;
	view.metric = candidate.metric;
	view.age = seconds_now() - candidate.since;
	view.group = node.fed == candidate.path ? candidate.path->id : 0;
	for (const Leg &leg : legs_of(*candidate.path, blackhole))
		view.hops.push_back({leg.gateway, leg.ifindex, leg.weight, !leg_alive(*candidate.path, leg)});
	if (blackhole)
		view.type = RTN_BLACKHOLE;
	return view;
}

bool Rib::lookup(const Address &address, RouteView &view) const
{
	const Found found = match(address, address.bits());
	if (found.candidate != nullptr)
		view = view_of(*found.node, *found.candidate);
	return found.candidate != nullptr;
}

std::vector<RouteView> Rib::page(uint8_t family, const Prefix *after, size_t limit) const
{
	std::vector<RouteView> views;
	trie(family).page(after, [&](const Node &node) {
		for (const Candidate *c = node.first; c != nullptr; c = c->next)
			if (counts(c->rank))
				views.push_back(view_of(node, *c));
		return views.size() < limit;
	});
	return views;
}

std::vector<PathView> Rib::paths(const std::unordered_set<uint32_t> &groups) const
{
	std::vector<PathView> views;
	paths_.all([&](const Path &path) {
		if (!path.sent || groups.count(path.id) == 0)
			return;
		PathView view;
		bool blackhole = false;
		view.group = path.id;
		view.uses = path.fed_refs;
		view.type = path.type;
		for (const Leg &leg : legs_of(path, blackhole))
			view.hops.push_back({leg.gateway, leg.ifindex, leg.weight, !leg_alive(path, leg)});
		if (blackhole)
			view.type = RTN_BLACKHOLE;
		if (path.last_fed.address.family != 0) {
			const Node *node = trie(path.last_fed.address.family).find(path.last_fed);
			if (node != nullptr && node->fed == &path)
				view.prefix = path.last_fed;
		}
		views.push_back(std::move(view));
	});
	return views;
}

std::vector<std::string> Rib::rule_words() const
{
	std::vector<std::string> words = rule_differences(rules_[0], tables_);
	for (std::string &one : rule_differences(rules_[1], tables_))
		words.push_back(std::move(one));
	if (for_tos_ > 0)
		words.push_back("IPv4 routes for one TOS alone: packets are not asked theirs");
	return words;
}

std::vector<NeighbourView> Rib::neighbours() const
{
	std::vector<NeighbourView> views;
	for (const auto &[key, neighbour] : neighbours_) {
		const auto found = adjacencies_.find({AdjacencyClass::Neighbour, key.second, key.first});
		const bool used = found != adjacencies_.end() && found->second->refs > 0;
		views.push_back({key.second, key.first, &neighbour, used});
	}
	return views;
}

} // namespace mill
