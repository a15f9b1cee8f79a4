/* order6.h. */
#include "rib/order6.h"
#include <linux/rtnetlink.h>
#include <algorithm>
#include "rib/rib.h"

namespace mill
{

static bool may_share(uint32_t nexthop_id, uint8_t type, const std::vector<Leg> &legs)
{
	if (nexthop_id != 0 || type != RTN_UNICAST || legs.empty())
		return false;
	return std::all_of(legs.begin(), legs.end(), [](const Leg &leg) { return leg.gateway.family != 0; });
}

bool may_share(const Path &path)
{
	return path.apart.protocol != RTPROT_RA && may_share(path.nexthop_id, path.type, path.legs);
}

bool may_share(const RouteMessage &route)
{
	return route.protocol != RTPROT_RA && may_share(route.nexthop_id, route.type, route.legs);
}

static bool same_way(const Leg &a, const Leg &b)
{
	return a.ifindex == b.ifindex && a.gateway == b.gateway;
}

bool has_leg(const std::vector<Leg> &legs, const Leg &leg)
{
	return std::any_of(legs.begin(), legs.end(), [&](const Leg &other) { return same_way(leg, other); });
}

static bool stands_for(const Place6 &place, const Path &path)
{
	return may_share(path) ? place.path == 0 && has_leg(path.legs, place.leg) : place.path == path.id;
}

static Places6 places_of(const Path &path, const std::vector<Leg> &legs)
{
	Places6 places;
	if (!may_share(path))
		return {{path.id, {}}};
	for (const Leg &leg : legs)
		places.push_back({0, leg});
	return places;
}

void put_places6(Places6 &places, const Path &path, const std::vector<Leg> &legs, const Path *gone)
{
	Places6 fresh;
	for (const Place6 &place : places_of(path, legs)) {
		const bool known = gone == nullptr && place.path == 0 &&
		                   std::any_of(places.begin(), places.end(), [&](const Place6 &other) {
			                   return other.path == 0 && same_way(other.leg, place.leg);
		                   });
		if (!known)
			fresh.push_back(place);
	}
	const auto taken = std::find_if(places.begin(), places.end(), [&](const Place6 &place) {
		return gone != nullptr && stands_for(place, *gone);
	});
	if (taken != places.end() && !fresh.empty()) {
		const bool alone = taken->path != 0;
		*taken = fresh.front();
		fresh.erase(fresh.begin());
		if (!alone) /* the other legs of what was replaced */
			places.erase(
			    std::remove_if(taken + 1, places.end(),
			                   [&](const Place6 &place) { return stands_for(place, *gone); }),
			    places.end());
	}
	places.insert(places.end(), fresh.begin(), fresh.end());
}

void again_places6(Places6 &places, const Path &path, const std::vector<Leg> &legs, const Path *gone,
                   bool replaces)
{
	const auto own = [&](const Place6 &place) { return stands_for(place, path); };
	const auto alone = [](const Place6 &place) { return place.path != 0; };
	const bool shares = may_share(path);
	if (!shares || (!replaces && legs.size() == 1)) /* of several legs nobody says which one is new */
		places.erase(std::remove_if(places.begin(), places.end(), own), places.end());
	if (gone != nullptr || !replaces || shares) {
		put_places6(places, path, legs, gone);
		return;
	}
	const auto first = std::find_if(places.begin(), places.end(), alone);
	places.insert(first != places.end() ? first : places.begin(), {path.id, {}});
}

bool same_places6(const Places6 &a, const Places6 &b)
{
	return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Place6 &one, const Place6 &other) {
		return one.path == other.path && same_way(one.leg, other.leg);
	});
}

static Places6 without(const Places6 &places, const Places6 &some)
{
	Places6 rest;
	for (const Place6 &place : places)
		if (std::none_of(some.begin(), some.end(),
		                 [&](const Place6 &other) { return same_places6({place}, {other}); }))
			rest.push_back(place);
	return rest;
}

Places6 told_places6(const Places6 &known, const std::vector<Told6> &told)
{
	const auto shares = [](const Told6 &route) { return may_share(*route.path); };
	const auto first = std::find_if(told.begin(), told.end(), shares);
	const auto last = std::find_if(told.rbegin(), told.rend(), shares).base();
	Places6 before, behind;
	for (auto route = told.begin(); route != told.end(); ++route)
		if (route < first)
			before.push_back({route->path->id, {}});
		else if (route >= last)
			behind.push_back({route->path->id, {}});
	if (first == told.end())
		return before;
	const Places6 legs = places_of(*first->path, *first->legs);
	Places6 between = without(without(known, before), behind);
	const bool as_told = !between.empty() && between.front().path == 0 && between.back().path == 0;
	if (!as_told) {
		const Places6 passed_over = without(between, legs);
		between = legs;
		between.insert(between.begin() + 1, passed_over.begin(), passed_over.end());
	}
	Places6 places = std::move(before);
	places.insert(places.end(), between.begin(), between.end());
	places.insert(places.end(), behind.begin(), behind.end());
	return places;
}

/* --- of the RIB --------------------------------------------------------------------------------------------- */

/* Both kinds of routes, and more than one leg. */
bool Rib::mixed6(const Node &node, const Candidate &one) const
{
	bool alone = false, several = false;
	for (const Candidate *c = node.first; c != nullptr; c = c->next) {
		if (!c->same_class(one))
			continue;
		const bool shares = may_share(*c->path);
		alone = alone || !shares;
		several = several || (shares && c->path->legs.size() > 1);
	}
	return alone && several;
}

/* As remembered, without what is not there any more, and with what is there otherwise. */
Places6 Rib::places6(const Node &node, const Candidate &one) const
{
	Places6 old, places;
	const auto known = mixed6_.find({node.prefix, one.rank, one.metric});
	if (known != mixed6_.end() && mixed6(node, one))
		old = known->second;
	std::vector<const Candidate *> there;
	for (const Candidate *c = node.first; c != nullptr; c = c->next)
		if (c->same_class(one))
			there.push_back(c);
	std::vector<const Candidate *> missing = there;
	for (const Place6 &place : old) {
		const auto stands = [&](const Candidate *c) { return stands_for(place, *c->path); };
		const auto found = std::find_if(missing.begin(), missing.end(), stands);
		if (place.path != 0 ? found == missing.end()
		                    : std::none_of(there.begin(), there.end(), stands))
			continue;
		places.push_back(place);
		if (place.path != 0)
			missing.erase(found);
	}
	for (const Candidate *c : missing)
		if (may_share(*c->path))
			put_places6(places, *c->path, c->path->legs, nullptr);
		else
			places.push_back({c->path->id, {}});
	return places;
}

/* The candidates of a class in the order of their first living places; the places are remembered where they are needed. */
void Rib::arrange6(Node &node, const Candidate &one, Places6 places)
{
	std::vector<std::pair<size_t, Candidate *>> order;
	Candidate **start = class_start(node, one), *end = *start;
	for (; end != nullptr && end->same_class(one); end = end->next) {
		const Path &path = *end->path;
		const auto of_path = [&](const Place6 &place) { return stands_for(place, path); };
		const auto alive = [&](const Place6 &place) {
			return of_path(place) && !(place.path == 0 && passed_over(path, place.leg));
		};
		auto at = std::find_if(places.begin(), places.end(), alive);
		if (at == places.end())
			at = std::find_if(places.begin(), places.end(), of_path);
		order.emplace_back(at - places.begin(), end);
	}
	const auto earlier = [](const auto &a, const auto &b) { return a.first < b.first; };
	if (!std::is_sorted(order.begin(), order.end(), earlier)) {
		std::stable_sort(order.begin(), order.end(), earlier);
		for (const auto &[at, candidate] : order) {
			*start = candidate;
			start = &candidate->next;
		}
		*start = end;
		route_changed(node, *order.front().second);
	}
	if (mixed6(node, one))
		mixed6_[{node.prefix, one.rank, one.metric}] = std::move(places);
	else
		mixed6_.erase({node.prefix, one.rank, one.metric});
}

/* Links changed: other legs are alive. */
void Rib::arrange_all6()
{
	const auto all = mixed6_;
	for (const auto &[key, places] : all) {
		Node *node = trie6_.find(key.prefix);
		const Candidate one = {nullptr, nullptr, key.metric, 0, 0, 0, key.rank};
		if (node != nullptr)
			arrange6(*node, one, places6(*node, one));
		else
			mixed6_.erase(key);
	}
}

/* Routes that the kernel leaves where they are when a link is set down: it goes from the first leg of a route that keeps some
 * to the last, and passes over what stands between (fib6_ifdown and fib6_clean_node in net/ipv6). */
std::set<const Candidate *> Rib::left_between6(uint32_t ifindex) const
{
	std::set<const Candidate *> left;
	for (const auto &[key, remembered] : mixed6_) {
		const Node *node = trie6_.find(key.prefix);
		const Candidate one = {nullptr, nullptr, key.metric, 0, 0, 0, key.rank};
		const Places6 places = node != nullptr ? places6(*node, one) : Places6();
		const auto is_leg = [](const Place6 &place) { return place.path == 0; };
		const auto first = std::find_if(places.begin(), places.end(), is_leg);
		const auto last = std::find_if(places.rbegin(), places.rend(), is_leg).base();
		const Candidate *shared = nullptr;
		std::vector<const Candidate *> between;
		for (const Candidate *c = node != nullptr ? node->first : nullptr; c != nullptr;
		     c = c->next) {
			const auto own = [&](const Place6 &place) { return stands_for(place, *c->path); };
			if (c->same_class(one) && may_share(*c->path))
				shared = c;
			else if (c->same_class(one) && first < last && std::any_of(first, last, own))
				between.push_back(c);
		}
		if (shared == nullptr)
			continue;
		const std::vector<Leg> &legs = shared->path->legs;
		const auto here = [&](const Leg &leg) { return leg.ifindex == ifindex; };
		const auto gone = [&](const Leg &leg) { return leg_gone(*shared->path, leg); };
		if (std::none_of(legs.begin(), legs.end(), here) ||
		    !std::all_of(legs.begin(), legs.end(), gone))
			left.insert(between.begin(), between.end());
	}
	return left;
}

} // namespace mill
