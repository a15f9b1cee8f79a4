/*
 * Candidates of prefixes: adding, replacing and deleting as the kernel does, so that the order among them is the
 * kernel's (fib_table_insert in net/ipv4, fib6_add in net/ipv6 behave so; measured, and tested against it), and
 * what people ask of the table.
 */
#include "rib/rib.h"
#include <linux/rtnetlink.h>
#include <algorithm>
#include <ctime>
#include <functional>
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
	case RTM_NEWROUTE:
	case RTM_DELROUTE: {
		RouteMessage route;
		if (!parse_route(message, route) || route.cloned)
			return;
		Rank rank;
		if (!rank_of(route.table, rank))
			return;
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
			take_link(link);
		return;
	}
	case RTM_NEWADDR:
	case RTM_DELADDR: {
		AddressMessage address;
		if (parse_address(message, address))
			take_address(address);
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
		if (parse_nexthop(message, nexthop))
			take_nexthop(nexthop);
		return;
	}
	case RTM_NEWNETCONF: {
		NetconfMessage netconf;
		if (parse_netconf(message, netconf))
			take_netconf(netconf);
		return;
	}
	default:
		return;
	}
}

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

/* --- references and changes --------------------------------------------------------------------------------- */

void Rib::check_path(Path *path)
{
	if (!std::exchange(path->checked, true))
		checked_paths_.push_back(path);
}

void Rib::ref_path(Path *path)
{
	path->refs++;
}

void Rib::unref_path(Path *path)
{
	if (--path->refs == 0)
		check_path(path);
}

void Rib::touch(Node &node)
{
	if (!std::exchange(node.dirty, true))
		dirty_nodes_.push_back(&node);
}

/* A route of kernel or operator changed at this node: what depends on it is looked at again with the next flush.
 * Prefixes inside depend on it when it may hide them, and when one of them may pass packets on to it (throw). */
void Rib::route_changed(Node &node, const Candidate &candidate)
{
	touch(node);
	routes_changed_ = true;
	const Prefix &prefix = node.prefix;
	if (comparison_ != nullptr)
		comparison_->touched(prefix);
	const bool reaches =
	    level_of(candidate.rank) + 1 < tables_.size() || throws_[prefix.address.family == 6] > 0;
	if (reaches && prefix.length < prefix.address.bits())
		trie(prefix.address.family).inside(prefix, [this](Node &inner) { touch(inner); });
	if (neighbours_.empty())
		return;
	const auto end = neighbours_.upper_bound({prefix.last(), UINT32_MAX});
	for (auto at = neighbours_.lower_bound({prefix.address, 0}); at != end; ++at)
		check_neighbours_.insert(at->first);
}

/* --- lists of candidates ------------------------------------------------------------------------------------ */

static Candidate **find_candidate(Node &node, const Candidate &wanted,
                                  bool (Candidate::*equal)(const Candidate &) const)
{
	Candidate **place = &node.first;
	while (*place != nullptr && !((*place)->*equal)(wanted))
		place = &(*place)->next;
	return *place != nullptr ? place : nullptr;
}

static Candidate **class_start(Node &node, const Candidate &wanted)
{
	Candidate **place = &node.first;
	while (*place != nullptr && (*place)->before(wanted))
		place = &(*place)->next;
	return place;
}

static Candidate **class_end(Node &node, const Candidate &wanted)
{
	Candidate **place = &node.first;
	while (*place != nullptr && !wanted.before(**place))
		place = &(*place)->next;
	return place;
}

static bool counts(Rank rank)
{
	return rank != neighbour_rank;
}

void Rib::count(const Node &node, const Candidate &candidate, int by)
{
	const bool six = node.prefix.address.family == 6, throws = candidate.path->type == RTN_THROW;
	if (!counts(candidate.rank))
		return;
	statistics.routes[six] += static_cast<uint64_t>(by);
	statistics.fpm_routes += static_cast<uint64_t>(source_of(candidate.rank) == Source::Fpm ? by : 0);
	throws_[six] += static_cast<uint32_t>(throws ? by : 0);
	if (throws || (level_of(candidate.rank) + 1 < tables_.size() &&
	               node.prefix.length < node.prefix.address.bits()))
		hiding_[six] += static_cast<uint32_t>(by);
}

/* Coarse: it is read for every route, and told to people in seconds. */
static uint32_t seconds_now()
{
	timespec time;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
	return static_cast<uint32_t>(time.tv_sec) + 1; /* 0 means something else */
}

void Rib::insert_candidate(Node &node, Candidate **place, const Candidate &candidate)
{
	Candidate *fresh = new Candidate(candidate);
	fresh->next = *place;
	if (fresh->since == 0)
		fresh->since = seconds_now();
	*place = fresh;
	ref_path(fresh->path);
	count(node, *fresh, 1);
	if (counts(fresh->rank))
		route_changed(node, *fresh);
	else
		touch(node);
}

void Rib::remove_candidate(Node &node, Candidate **place)
{
	Candidate *gone = *place;
	*place = gone->next;
	if (counts(gone->rank))
		route_changed(node, *gone);
	else
		touch(node);
	count(node, *gone, -1);
	unref_path(gone->path);
	delete gone;
}

void Rib::remove_matching(Node &node, const std::function<bool(const Candidate &)> &match)
{
	for (Candidate **place = &node.first; *place != nullptr;) {
		if (match(**place))
			remove_candidate(node, place);
		else
			place = &(*place)->next;
	}
}

void Rib::replace_candidates(Node &node, Rank rank, const std::vector<Candidate> &wanted)
{
	for (const Candidate &candidate : wanted)
		ref_path(candidate.path); /* stays, whatever is removed */
	remove_matching(node, [rank](const Candidate &candidate) { return candidate.rank == rank; });
	for (const Candidate &candidate : wanted)
		insert_candidate(node, class_end(node, candidate), candidate);
	for (const Candidate &candidate : wanted)
		unref_path(candidate.path);
	touch(node);
}

/* The one candidate of a rank that has at most one; null takes it away. */
void Rib::put_single(const Prefix &prefix, Rank rank, Path *path, uint8_t protocol, uint32_t stamp)
{
	Trie &table = trie(prefix.address.family);
	Node *node = path != nullptr ? &table.insert(prefix) : table.find(prefix);
	if (node == nullptr)
		return;
	const Candidate wanted = {nullptr, path, 0, stamp, 0, protocol, rank};
	Candidate **old = find_candidate(*node, wanted, &Candidate::same_class);
	if (old != nullptr && (*old)->path == path) {
		(*old)->protocol = protocol;
		(*old)->stamp = stamp;
		return;
	}
	if (old != nullptr)
		remove_candidate(*node, old);
	if (path != nullptr)
		insert_candidate(*node, class_start(*node, wanted), wanted);
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
				return of_kernel(c.rank) || source_of(c.rank) == Source::Operator;
			});
		});
	tables_ = tables;
	move_fpm_routes();
	loaded_ = false;
	routes_changed_ = true; /* operator's routes stand elsewhere */
	return true;
}

/* --- routes of the kernel ----------------------------------------------------------------------------------- */

Path *Rib::path_of(const RouteMessage &route)
{
	const uint8_t family = route.prefix.address.family;
	std::vector<Leg> legs = route.legs;
	if (family == 6)
		std::sort(legs.begin(), legs.end()); /* IPv6 gives the legs of one route in any order */
	Path *path =
	    paths_.intern(family, route.type, route.nexthop_id, family == 4 ? route.source : Address(), legs);
	if (path->refs == 0)
		path->usable = has_way(*path);
	return path;
}

void Rib::add_route(const RouteMessage &route, Rank rank, bool from_dump)
{
	Candidate wanted = {nullptr, path_of(route), route.metric, stamp_, route.tos, route.protocol, rank};
	if (route.nexthop_id != 0 && nexthops_.count(route.nexthop_id) == 0)
		doubt_ = true;
	Node &node = trie(route.prefix.address.family).insert(route.prefix);
	const uint16_t flags = from_dump ? 0 : route.flags;
	if (route.prefix.address.family == 4)
		add_route4(node, wanted, flags, from_dump);
	else
		add_route6(node, wanted, flags, from_dump);
	if (wanted.path->refs == 0)
		check_path(wanted.path); /* known already, by another Path */
}

void Rib::add_route4(Node &node, const Candidate &wanted, uint16_t flags, bool from_dump)
{
	Candidate **exact = find_candidate(node, wanted, &Candidate::same_route);
	if (exact != nullptr)
		(*exact)->stamp = stamp_;
	if (flags & NLM_F_REPLACE) {
		Candidate **first = find_candidate(node, wanted, &Candidate::same_class);
		if (first == nullptr) {
			insert_candidate(node, class_start(node, wanted), wanted);
		} else if (first != exact) {
			if (exact != nullptr) /* later in the list, so `first` stays valid */
				remove_candidate(node, exact);
			remove_candidate(node, first);
			insert_candidate(node, class_start(node, wanted), wanted);
		}
		return;
	}
	if (exact == nullptr) {
		const bool last = from_dump || (flags & NLM_F_APPEND);
		insert_candidate(node, last ? class_end(node, wanted) : class_start(node, wanted), wanted);
		return;
	}
	/* a dump lists them in order: each goes to its class's end, and the order is the kernel's again */
	if (from_dump && ((*exact)->next != nullptr && (*exact)->next->same_class(wanted))) {
		Candidate same = wanted;
		same.since = (*exact)->since;
		remove_candidate(node, exact);
		insert_candidate(node, class_end(node, wanted), same);
	}
}

/* IPv6 makes one route of several with gateways and the same metric. */
static bool may_share(const Path &path)
{
	if (path.nexthop_id != 0 || path.type != RTN_UNICAST || path.legs.empty())
		return false;
	return std::all_of(path.legs.begin(), path.legs.end(),
	                   [](const Leg &leg) { return leg.gateway.family != 0; });
}

/* A dump goes from the first of the routes that share to the last, and passes over others of the class that stand
 * between them (fib6_dump_node); they are there all the same. */
bool passed_over6(const Candidate &candidate, const Candidate &shared)
{
	return candidate.same_class(shared) && !may_share(*candidate.path) && may_share(*shared.path) &&
	       shared.path->legs.size() > 1;
}

static bool same_way(const Leg &a, const Leg &b)
{
	return a.ifindex == b.ifindex && a.gateway == b.gateway;
}

static bool has_leg(const std::vector<Leg> &legs, const Leg &leg)
{
	return std::any_of(legs.begin(), legs.end(), [&](const Leg &other) { return same_way(leg, other); });
}

static bool has_legs(const std::vector<Leg> &legs, const std::vector<Leg> &some)
{
	return std::all_of(some.begin(), some.end(), [&](const Leg &leg) { return has_leg(legs, leg); });
}

/* The one that IPv6 replaces: the first of the class that is one to share like the new one, else the first. */
static Candidate *replaced6(Candidate **place, const Candidate &wanted)
{
	Candidate *first = nullptr;
	for (Candidate *c = *place; c != nullptr && c->same_class(wanted); c = c->next) {
		if (may_share(*c->path) == may_share(*wanted.path))
			return c;
		first = first != nullptr ? first : c;
	}
	return first;
}

/* The new one takes the place of what it replaces, and of legs that it tells of again, as all of them. */
void Rib::add_route6(Node &node, const Candidate &wanted, uint16_t flags, bool from_dump)
{
	const bool replace = (flags & NLM_F_REPLACE) != 0, shares = may_share(*wanted.path);
	const Candidate *gone = replace ? replaced6(class_start(node, wanted), wanted) : nullptr;
	Candidate **exact = find_candidate(node, wanted, &Candidate::same_route), **place = nullptr;
	if (exact != nullptr)
		(*exact)->stamp = stamp_;
	if (from_dump)
		for (Candidate *c = node.first; c != nullptr; c = c->next)
			if (passed_over6(*c, wanted))
				c->stamp = stamp_;
	if (exact != nullptr && (gone == nullptr || gone == *exact))
		return;
	const auto told_again = [&](const Candidate &other) {
		return shares && other.same_class(wanted) && other.path != wanted.path &&
		       may_share(*other.path) && has_legs(wanted.path->legs, other.path->legs);
	};
	for (Candidate **at = &node.first; *at != nullptr;) {
		if (*at != gone && !told_again(**at)) {
			at = &(*at)->next;
			continue;
		}
		place = place != nullptr ? place : at;
		remove_candidate(node, at);
	}
	insert_candidate(node, place != nullptr ? place : class_end(node, wanted), wanted);
}

void Rib::delete_route(const RouteMessage &route, Rank rank)
{
	Node *node = trie(route.prefix.address.family).find(route.prefix);
	if (node == nullptr)
		return;
	const Candidate wanted = {nullptr, path_of(route), route.metric, 0, route.tos, route.protocol, rank};
	Candidate **exact = find_candidate(*node, wanted, &Candidate::same_route);
	if (exact != nullptr)
		remove_candidate(*node, exact);
	else if (route.prefix.address.family == 6)
		subtract_route6(*node, route, rank);
	else if (find_candidate(*node, wanted, &Candidate::same_class) != nullptr)
		doubt_ = true; /* not the one that we know: look */
	if (wanted.path->refs == 0)
		check_path(wanted.path);
}

/* Legs of a multipath route go one by one, or several at once. */
void Rib::subtract_route6(Node &node, const RouteMessage &route, Rank rank)
{
	for (Candidate **place = &node.first; *place != nullptr; place = &(*place)->next) {
		const Path &path = *(*place)->path;
		if ((*place)->rank != rank || (*place)->metric != route.metric || path.type != route.type ||
		    path.nexthop_id != 0 || route.legs.empty() || !has_legs(path.legs, route.legs))
			continue;
		std::vector<Leg> left;
		for (const Leg &leg : path.legs)
			if (!has_leg(route.legs, leg))
				left.push_back(leg);
		Candidate shorter = **place;
		shorter.path = paths_.intern(6, path.type, 0, Address(), left);
		remove_candidate(node, place);
		if (!left.empty() && find_candidate(node, shorter, &Candidate::same_route) == nullptr)
			insert_candidate(node, class_end(node, shorter), shorter);
		if (shorter.path->refs == 0)
			check_path(shorter.path);
		return;
	}
	doubt_ = true;
}

void Rib::mark()
{
	stamp_++;
}

void Rib::sweep_routes(uint8_t family)
{
	trie(family).all([this](Node &node) {
		remove_matching(node, [this](const Candidate &candidate) {
			return of_kernel(candidate.rank) && candidate.stamp != stamp_;
		});
	});
}

bool Rib::take_doubt()
{
	return std::exchange(doubt_, false);
}

bool Rib::take_link_change()
{
	return std::exchange(link_change_, false);
}

/* --- from the operator -------------------------------------------------------------------------------------- */

void Rib::set_interfaces(std::unordered_map<uint32_t, uint16_t> slots)
{
	interfaces_known_ = true;
	if (slots == slots_)
		return;
	slots_ = std::move(slots);
	links_changed();
}

void Rib::set_gateways(const std::vector<std::pair<uint32_t, Address>> &gateways)
{
	std::map<uint32_t, GatewayState> next;
	for (const auto &[slot, address] : gateways) {
		const auto old = gateways_.find(slot);
		if (old != gateways_.end()) {
			next[slot] = old->second;
			if (old->second.address != address)
				next[slot].told = false;
		}
		next[slot].address = address;
	}
	for (auto &[slot, gateway] : gateways_) {
		if (next.count(slot) != 0)
			continue;
		if (gateway.fed != nullptr)
			feed_unref(gateway.fed);
		gone_gateways_.push_back(slot);
	}
	gateways_ = std::move(next);
	routes_changed_ = true;
}

void Rib::add_operator_route(const Prefix &prefix, const Address &gateway, uint32_t ifindex)
{
	OperatorRoute &route = operator_routes_[prefix];
	route.gateway = gateway;
	route.ifindex = ifindex;
	check_operator_routes();
}

bool Rib::delete_operator_route(const Prefix &prefix)
{
	if (operator_routes_.erase(prefix) == 0)
		return false;
	put_single(prefix, beside_main(Source::Operator), nullptr);
	return true;
}

/* --- for people --------------------------------------------------------------------------------------------- */

RouteView Rib::view_of(const Node &node, const Candidate &candidate) const
{
	RouteView view;
	bool blackhole = false;
	view.prefix = node.prefix;
	view.by_operator = source_of(candidate.rank) == Source::Operator;
	view.by_fpm = source_of(candidate.rank) == Source::Fpm;
	view.protocol = candidate.protocol;
	view.type = candidate.path->type;
	view.metric = candidate.metric;
	view.age = seconds_now() - candidate.since;
	view.group = node.fed == candidate.path ? candidate.path->id : 0;
	for (const Leg &leg : legs_of(*candidate.path, blackhole))
		view.hops.push_back({leg.gateway, leg.ifindex, leg.weight, !leg_alive(leg)});
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
			view.hops.push_back({leg.gateway, leg.ifindex, leg.weight, !leg_alive(leg)});
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
