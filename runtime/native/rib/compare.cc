/* compare.h. */
#include "rib/compare.h"
#include <linux/rtnetlink.h>
#include <algorithm>
#include "rib/text.h"

namespace mill
{

static constexpr size_t most_told = 16;
static constexpr size_t most_touched = 1 << 19;
static constexpr size_t nodes_at_once = 1 << 13;

void AuditReport::add(const Prefix &prefix, bool between_compiled, std::string expected, std::string got)
{
	divergences++;
	if (last.size() < most_told)
		last.push_back({prefix, between_compiled, std::move(expected), std::move(got)});
}

Comparison::Comparison(Rib &rib) : rib_(rib)
{
	rib_.mark();
	rib_.comparison_ = this;
}

Comparison::~Comparison()
{
	rib_.comparison_ = nullptr;
}

void Comparison::touched(const Prefix &prefix)
{
	if (touched_.size() < most_touched)
		touched_.insert(prefix);
	else
		flooded_ = true;
}

void Comparison::take(const nlmsghdr *message)
{
	RouteMessage route;
	Key key;
	if (message->nlmsg_type != RTM_NEWROUTE || !parse_route(message, route) || route.cloned ||
	    !rib_.rank_of(route.table, key.second))
		return;
	key.first = route.prefix;
	if (!routes_.empty() && !(group_ == key))
		judge();
	group_ = key;
	routes_.push_back(std::move(route));
}

void Comparison::end_dump()
{
	judge();
}

std::vector<Candidate> Comparison::candidates(const Key &key, const std::vector<RouteMessage> &routes)
{
	std::vector<Candidate> list;
	for (const RouteMessage &route : routes)
		list.push_back({nullptr, rib_.path_of(route), route.metric, rib_.stamp_, route.tos,
		                route.protocol, key.second});
	return list;
}

using Routes = std::vector<const Candidate *>;

/* Each once, and without those of a metric of which the kernel passes over some of `all`: the rest comes in the kernel's order. */
static Routes in_order(const Routes &routes, const Routes &all)
{
	Routes rest;
	for (const Candidate *c : routes) {
		const bool passed = std::any_of(all.begin(), all.end(), [&](const Candidate *other) {
			return passed_over6(*c, *other) || passed_over6(*other, *c);
		});
		const bool twice = std::any_of(rest.begin(), rest.end(),
		                               [&](const Candidate *other) { return other->same_route(*c); });
		if (!passed && !twice)
			rest.push_back(c);
	}
	return rest;
}

/* The order decides which route counts. */
bool Comparison::equal(const Node *node, const std::vector<Candidate> &wanted) const
{
	Routes have, dumped;
	for (const Candidate *c = node != nullptr ? node->first : nullptr; c != nullptr; c = c->next)
		if (c->rank == group_.second)
			have.push_back(c);
	for (const Candidate &candidate : wanted)
		dumped.push_back(&candidate);
	const auto alike = [](const Candidate *a, const Candidate *b) { return a->same_route(*b); };
	const auto equal_lists = [&](const auto &a, const auto &b) {
		return std::equal(a.begin(), a.end(), b.begin(), b.end(), alike);
	};
	if (group_.first.address.family == 4)
		return equal_lists(have, dumped);
	const auto known = [&](const Candidate *one) {
		return std::any_of(have.begin(), have.end(),
		                   [&](const Candidate *c) { return alike(c, one); });
	};
	const auto explained = [&](const Candidate *c) {
		return std::any_of(dumped.begin(), dumped.end(), [&](const Candidate *one) {
			return alike(c, one) || passed_over6(*c, *one);
		});
	};
	return std::all_of(dumped.begin(), dumped.end(), known) &&
	       std::all_of(have.begin(), have.end(), explained) &&
	       equal_lists(in_order(have, have), in_order(dumped, have)) &&
	       (node == nullptr || same_places(*node, wanted));
}

/* Of IPv6's metrics with several legs and others beside them: the leg that shares, and the places by the dump. */
std::vector<std::pair<const Candidate *, Places6>>
Comparison::mixed_places(const Node &node, const std::vector<Candidate> &wanted,
                         const std::vector<RouteMessage> &routes) const
{
	std::vector<std::pair<const Candidate *, Places6>> all;
	for (const Candidate &shared : wanted) {
		const bool seen = std::any_of(all.begin(), all.end(),
		                              [&](const auto &one) { return one.first->same_class(shared); });
		if (seen || !may_share(*shared.path) || !rib_.mixed6(node, shared))
			continue;
		std::vector<Told6> told;
		for (size_t i = 0; i < wanted.size(); i++)
			if (wanted[i].same_class(shared))
				told.push_back({wanted[i].path, &routes[i].legs});
		all.emplace_back(&shared, told_places6(rib_.places6(node, shared), told));
	}
	return all;
}

bool Comparison::same_places(const Node &node, const std::vector<Candidate> &wanted) const
{
	const auto places = mixed_places(node, wanted, routes_);
	return std::all_of(places.begin(), places.end(), [&](const auto &one) {
		return same_places6(one.second, rib_.places6(node, *one.first));
	});
}

bool Comparison::same(const Key &key, const std::vector<RouteMessage> &some,
                      const std::vector<RouteMessage> &others)
{
	const std::vector<Candidate> a = candidates(key, some), b = candidates(key, others);
	for (const std::vector<Candidate> *list : {&a, &b})
		for (const Candidate &candidate : *list)
			if (candidate.path->refs == 0)
				rib_.check_path(candidate.path);
	return std::equal(a.begin(), a.end(), b.begin(), b.end(),
	                  [](const Candidate &x, const Candidate &y) { return x.same_route(y); });
}

void Comparison::judge()
{
	if (routes_.empty())
		return;
	if (again_) {
		const auto suspect = suspects_.find(group_);
		if (suspect != suspects_.end())
			suspect->second.same_again = same(group_, suspect->second.routes, routes_);
		routes_.clear();
		return;
	}
	prefixes_++;
	Node *node = rib_.trie(group_.first.address.family).find(group_.first);
	const std::vector<Candidate> wanted = candidates(group_, routes_);
	if (!equal(node, wanted))
		suspects_[group_].routes = routes_;
	for (Candidate *c = node != nullptr ? node->first : nullptr; c != nullptr; c = c->next)
		if (c->rank == group_.second)
			c->stamp = rib_.stamp_;
	for (const Candidate &candidate : wanted)
		if (candidate.path->refs == 0)
			rib_.check_path(candidate.path);
	routes_.clear();
}

bool Comparison::find_unconfirmed(uint8_t family)
{
	size_t seen = 0;
	const bool first = std::exchange(walking_, family) != family;
	rib_.trie(family).page(first ? nullptr : &after_, [&](const Node &node) {
		for (const Candidate *c = node.first; c != nullptr; c = c->next)
			if (of_kernel(c->rank) && c->stamp != rib_.stamp_)
				suspects_.try_emplace({node.prefix, c->rank});
		after_ = node.prefix;
		return ++seen < nodes_at_once;
	});
	return seen < nodes_at_once;
}

std::string Comparison::words(const Node &node, Rank rank, const Candidate *first) const
{
	std::map<uint32_t, std::string> names;
	for (const auto &[ifindex, state] : rib_.links_)
		names[ifindex] = state.link.name;
	std::string all;
	for (const Candidate *c = first; c != nullptr; c = c->next)
		if (c->rank == rank)
			all += (all.empty() ? "" : "; ") + route_words(rib_.view_of(node, *c), names);
	return all.empty() ? "no route" : all;
}

void Comparison::ask_again()
{
	again_ = true;
	for (auto &[key, suspect] : suspects_)
		suspect.same_again = suspect.routes.empty();
}

bool Comparison::explained(const Key &key, const Suspect &suspect) const
{
	return flooded_ || touched_.count(key.first) != 0 || !suspect.same_again;
}

bool Comparison::unexplained() const
{
	return std::any_of(suspects_.begin(), suspects_.end(),
	                   [this](const auto &one) { return !explained(one.first, one.second); });
}

/* What the dump passes over stays. */
void Comparison::take_over(Node &node, Rank rank, std::vector<Candidate> wanted,
                           const std::vector<RouteMessage> &routes)
{
	const size_t told = wanted.size();
	for (const Candidate *c = node.first; c != nullptr; c = c->next) {
		const auto stands_between = [&](const Candidate &one) { return passed_over6(*c, one); };
		const auto alike = [&](const Candidate &one) { return c->same_route(one); };
		if (c->rank == rank && node.prefix.address.family == 6 &&
		    std::any_of(wanted.begin(), wanted.begin() + told, stands_between) &&
		    std::none_of(wanted.begin(), wanted.begin() + told, alike))
			wanted.push_back(*c);
	}
	rib_.replace_candidates(node, rank, wanted);
	wanted.resize(told);
	for (auto &[one, places] : mixed_places(node, wanted, routes))
		rib_.arrange6(node, *one, std::move(places));
}

size_t Comparison::settle(AuditReport &report)
{
	size_t left = 0;
	for (const auto &[key, suspect] : suspects_) {
		if (explained(key, suspect)) {
			left++;
			continue;
		}
		std::vector<Candidate> wanted = candidates(key, suspect.routes);
		for (size_t i = 0; i < wanted.size(); i++) {
			rib_.keep_told(*wanted[i].path);
			wanted[i].next = i + 1 < wanted.size() ? &wanted[i + 1] : nullptr;
		}
		Node &node = rib_.trie(key.first.address.family).insert(key.first);
		report.add(key.first, false,
		           words(node, key.second, wanted.empty() ? nullptr : wanted.data()),
		           words(node, key.second, node.first));
		take_over(node, key.second, std::move(wanted), suspect.routes);
		report.repaired++;
	}
	return left;
}

} // namespace mill
