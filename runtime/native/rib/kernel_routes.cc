/*
 * The kernel's routes: adding, replacing and deleting as the kernel does, so that the order among candidates is the
 * kernel's (fib_table_insert in net/ipv4, fib6_add in net/ipv6 behave so; measured, and tested against it).
 */
#include <linux/rtnetlink.h>
#include <algorithm>
#include "rib/order6.h"
#include "rib/rib.h"

namespace mill
{

/* The links of legs that the message calls dead, which it also does when they merely lost their carrier, where that
 * counts. */
std::vector<uint32_t> Rib::told_dead(const RouteMessage &route) const
{
	std::vector<uint32_t> links;
	for (const uint32_t ifindex : route.dead) {
		const auto link = links_.find(ifindex);
		if (link != links_.end() && link->second.up() &&
		    (link->second.carrier() || !ignores_linkdown(route.prefix.address.family, ifindex)))
			links.push_back(ifindex);
	}
	return links;
}

Path *Rib::path_of(const RouteMessage &route)
{
	const uint8_t family = route.prefix.address.family;
	std::vector<Leg> legs = route.legs;
	if (family == 6)
		std::sort(legs.begin(), legs.end()); /* IPv6 gives the legs of one route in any order */
	Apart apart;
	const bool several = legs.size() > 1 && route.nexthop_id == 0;
	if (family == 6 && route.protocol == RTPROT_RA)
		apart.protocol = RTPROT_RA; /* shares with none (rt6_qualify_for_ecmp) */
	if (family == 6)
		apart.preference = route.preference;
	if (family == 4)
		apart = {several || route.source.family != 0 ? route.table : 0, several ? route.metric : 0,
		         several ? route.protocol : uint8_t(0), route.scope, route.attributes};
	return path_like(family, route.type, route.nexthop_id, family == 4 ? route.source : Address(), legs,
	                 apart, told_dead(route));
}

void Rib::add_route(const RouteMessage &route, Rank rank, bool from_dump)
{
	Candidate wanted = {nullptr, path_of(route), route.metric, stamp_, route.tos, route.protocol, rank};
	if (from_dump)
		keep_told(*wanted.path);
	if (route.nexthop_id != 0 && nexthops_.count(route.nexthop_id) == 0)
		doubt_ = true;
	Node &node = trie(route.prefix.address.family).insert(route.prefix);
	Candidate **known = route.retold ? find_candidate(node, wanted, &Candidate::same_route) : nullptr;
	/* Told anew it takes no other's place, though it says so: a dump may have said before that it is gone. */
	const bool again = route.retold && known == nullptr;
	const uint16_t flags = from_dump ? 0 : again ? NLM_F_APPEND : route.flags;
	doubt_ |= again;
	if (known != nullptr)
		(*known)->stamp = stamp_;
	else if (route.prefix.address.family == 4 && catching_up_)
		add_route4_again(node, wanted, flags);
	else if (route.prefix.address.family == 4)
		add_route4(node, wanted, flags, from_dump);
	else if (from_dump)
		add_dumped6(node, wanted, route.legs);
	else if (catching_up_ || may_share(*wanted.path))
		put_route6(node, wanted, route.legs, flags);
	else
		add_route6(node, wanted, route.legs, flags);
	if (wanted.path->refs == 0)
		check_path(wanted.path); /* known already, by another Path */
}

/* Of an event that may be older than what is here: see resync.h. */
void Rib::add_route4_again(Node &node, const Candidate &wanted, uint16_t flags)
{
	Candidate same = wanted;
	const bool replaces = (flags & NLM_F_REPLACE) != 0;
	Candidate **exact = find_candidate(node, wanted, &Candidate::same_route);
	const bool newer = exact != nullptr;
	if (newer) {
		same.since = (*exact)->since;
		remove_candidate(node, exact);
	}
	Candidate **gone = nullptr;
	if (replaces && replaced_ != nullptr && replaced_->path != nullptr)
		gone = find_candidate(node, *replaced_, &Candidate::same_route);
	if (replaces && gone == nullptr && !newer)
		gone = find_candidate(node, wanted, &Candidate::same_class);
	if (gone != nullptr)
		remove_candidate(node, gone);
	if (replaces && (gone != nullptr || find_candidate(node, wanted, &Candidate::same_class) != nullptr))
		doubt_ = true;
	const bool last = !replaces && (flags & NLM_F_APPEND) != 0;
	insert_candidate(node, last ? class_end(node, same) : class_start(node, same), same);
}

/* A dump lists the routes of a class in the kernel's order: each goes behind those that it listed before. */
void Rib::confirm(Node &node, const Candidate &wanted)
{
	Candidate **place = class_start(node, wanted), **exact = nullptr;
	while (*place != nullptr && (*place)->same_class(wanted) && (*place)->stamp == stamp_)
		place = &(*place)->next;
	for (Candidate **at = place; *at != nullptr && exact == nullptr; at = &(*at)->next)
		exact = (*at)->same_route(wanted) ? at : nullptr;
	if (exact == nullptr && find_candidate(node, wanted, &Candidate::same_route) != nullptr)
		return; /* listed before: IPv6 may have two that are equal */
	Candidate same = wanted;
	same.stamp = stamp_;
	if (exact == place) {
		(*exact)->stamp = stamp_;
		return;
	}
	if (exact != nullptr) { /* later in the list, so `place` stays valid */
		same.since = (*exact)->since;
		remove_candidate(node, exact);
	}
	insert_candidate(node, place, same);
}

void Rib::add_route4(Node &node, const Candidate &wanted, uint16_t flags, bool from_dump)
{
	if (from_dump) {
		confirm(node, wanted);
		return;
	}
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
		const bool last = (flags & NLM_F_APPEND) != 0;
		insert_candidate(node, last ? class_end(node, wanted) : class_start(node, wanted), wanted);
	}
}

/* A dump goes from the first of the routes that share to the last, and passes over others of the class that stand
 * between them (fib6_dump_node); they are there all the same. */
bool passed_over6(const Candidate &candidate, const Candidate &shared)
{
	return candidate.same_class(shared) && !may_share(*candidate.path) && may_share(*shared.path) &&
	       shared.path->legs.size() > 1;
}

static bool has_legs(const std::vector<Leg> &legs, const std::vector<Leg> &some)
{
	return std::all_of(some.begin(), some.end(), [&](const Leg &leg) { return has_leg(legs, leg); });
}

/* The one that IPv6 replaces: the first of the class that is one to share like the new one, else the first. */
Candidate *replaced6(Node &node, const Candidate &wanted, bool shares)
{
	Candidate *first = nullptr;
	for (Candidate *c = *class_start(node, wanted); c != nullptr && c->same_class(wanted); c = c->next) {
		if (may_share(*c->path) == shares)
			return c;
		first = first != nullptr ? first : c;
	}
	return first;
}

/* A dump has the routes of a class in their order, and each of them, unless some stand between the legs of another. */
bool Rib::listed6(const Node &node, const Candidate &wanted) const
{
	for (const Candidate *c = node.first; c != nullptr; c = c->next)
		if (passed_over6(*c, wanted) || passed_over6(wanted, *c))
			return false;
	return !mixed6(node, wanted);
}

void Rib::add_dumped6(Node &node, const Candidate &wanted, const std::vector<Leg> &told)
{
	if (listed6(node, wanted)) {
		confirm(node, wanted);
		return;
	}
	Candidate **exact = find_candidate(node, wanted, &Candidate::same_route), **place = nullptr;
	for (Candidate *c = node.first; c != nullptr; c = c->next)
		if (passed_over6(*c, wanted))
			c->stamp = stamp_;
	if (exact != nullptr) {
		(*exact)->stamp = stamp_;
		return;
	}
	const auto told_again = [&](const Candidate &other) {
		return may_share(*wanted.path) && other.same_class(wanted) && may_share(*other.path) &&
		       has_legs(wanted.path->legs, other.path->legs);
	};
	Places6 places = places6(node, wanted);
	put_places6(places, *wanted.path, told, nullptr);
	for (Candidate **at = &node.first; *at != nullptr;) {
		if (!told_again(**at)) {
			at = &(*at)->next;
			continue;
		}
		place = place != nullptr ? place : at;
		remove_candidate(node, at);
	}
	insert_candidate(node, place != nullptr ? place : class_end(node, wanted), wanted);
	arrange6(node, wanted, std::move(places));
}

/* One that stands alone: at the end, or in the place of what it replaces. */
void Rib::add_route6(Node &node, const Candidate &wanted, const std::vector<Leg> &told, uint16_t flags)
{
	const Candidate *gone = (flags & NLM_F_REPLACE) != 0 ? replaced6(node, wanted, false) : nullptr;
	Candidate **exact = find_candidate(node, wanted, &Candidate::same_route);
	if (exact != nullptr)
		(*exact)->stamp = stamp_;
	if (exact != nullptr && (gone == nullptr || gone == *exact))
		return;
	if (find_candidate(node, wanted, &Candidate::same_class) == nullptr) {
		insert_candidate(node, class_end(node, wanted), wanted);
		return;
	}
	Places6 places = places6(node, wanted);
	put_places6(places, *wanted.path, told, gone != nullptr ? gone->path : nullptr);
	Candidate **place = class_end(node, wanted);
	if (gone != nullptr) {
		for (place = &node.first; *place != gone; place = &(*place)->next) {
		}
		remove_candidate(node, place);
	}
	insert_candidate(node, place, wanted);
	arrange6(node, wanted, std::move(places));
}

/* One to share, which is told with all its legs, so that what is here of that kind gives way to it. And any of an event that may
 * be older than what is here, see resync.h: events to come say what became of it. */
void Rib::put_route6(Node &node, const Candidate &wanted, const std::vector<Leg> &told, uint16_t flags)
{
	const bool replaces = (flags & NLM_F_REPLACE) != 0, shares = may_share(*wanted.path);
	const auto is_it = [&](const Candidate &c) {
		return c.same_class(wanted) && (shares ? may_share(*c.path) : c.path == wanted.path);
	};
	Candidate same = wanted;
	const Candidate *known = nullptr;
	bool others = false;
	for (Candidate *c = node.first; c != nullptr; c = c->next) {
		known = known == nullptr && is_it(*c) ? c : known;
		others = others || (c->same_class(wanted) && !c->same_route(wanted));
		if (c->same_route(wanted)) {
			same.since = c->since;
			c->stamp = stamp_;
		}
	}
	if (!others) {
		if (known == nullptr)
			insert_candidate(node, class_end(node, wanted), wanted);
		return;
	}
	Candidate **found = nullptr;
	if (replaces && replaced_ != nullptr && replaced_->path != nullptr)
		found = find_candidate(node, *replaced_, &Candidate::same_route);
	const Candidate *gone = found != nullptr ? *found : nullptr;
	if (replaces && gone == nullptr && known == nullptr)
		gone = replaced6(node, wanted, shares);
	if (gone == nullptr || is_it(*gone))
		gone = replaces && shares ? known : nullptr;
	doubt_ = doubt_ || (catching_up_ && replaces);
	Places6 places = places6(node, wanted);
	again_places6(places, *wanted.path, told, gone != nullptr ? gone->path : nullptr, replaces);
	ref_path(wanted.path);
	remove_matching(node, [&](const Candidate &c) { return &c == gone || is_it(c); });
	insert_candidate(node, class_end(node, same), same);
	unref_path(wanted.path);
	arrange6(node, same, std::move(places));
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
	else if (route.prefix.address.family == 6 && route.nexthop_id == 0)
		subtract_route6(*node, route, rank); /* one that names a nexthop object went with that */
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
		if (left.size() == 1)
			left[0].weight = 1; /* nothing is told of a single one's */
		const Places6 places = places6(node, **place);
		Candidate shorter = **place;
		shorter.path = path_like(6, path.type, 0, Address(), left, path.apart, path.dead);
		remove_candidate(node, place);
		if (!left.empty() && find_candidate(node, shorter, &Candidate::same_route) == nullptr)
			insert_candidate(node, class_end(node, shorter), shorter);
		arrange6(node, shorter, places);
		if (shorter.path->refs == 0)
			check_path(shorter.path);
		return;
	}
	doubt_ = true;
}

void Rib::sweep_routes(uint8_t family)
{
	trie(family).all([this](Node &node) {
		remove_matching(node, [this](const Candidate &candidate) {
			return of_kernel(candidate.rank) && candidate.stamp != stamp_;
		});
	});
}

} // namespace mill
