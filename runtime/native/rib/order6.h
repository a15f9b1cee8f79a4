/*
 * The order among IPv6 routes of one prefix and metric. The kernel keeps a route over several gateways as one entry for
 * each, and others, without a gateway or of a nexthop object, may stand between them. The first whose way is not dead
 * is the route that counts; if it has a gateway, all that have one share the packets. So which route counts may change
 * when one leg is deleted, or dies.
 *
 *   kernel    via A ─ dev X ─ via B         A deleted, or its link is down: dev X counts
 *   RIB       [A, B], [dev X]               one candidate each, in the order of the first living places
 *
 * Places are remembered only where both kinds meet; else the list of candidates says all.
 */
#pragma once
#include <tuple>
#include <vector>
#include "rib/candidate.h"

namespace mill
{

/* The routes of a prefix, rank and metric. */
struct Class6 {
	Prefix prefix;
	Rank rank;
	uint32_t metric;
	bool operator<(const Class6 &other) const
	{
		return std::tie(prefix, rank, metric) < std::tie(other.prefix, other.rank, other.metric);
	}
};

/* One entry of the kernel's. */
struct Place6 {
	uint32_t path =
	    0; /* number of the path of a route that stands alone; 0 for a leg of those that share */
	Leg leg;
};

using Places6 = std::vector<Place6>;

/* IPv6 makes one route of several with gateways and the same metric, unless a router advertised them. */
bool may_share(const Path &path);
bool may_share(const RouteMessage &route);
bool has_leg(const std::vector<Leg> &legs, const Leg &leg);

/* What becomes of the places when a route is added with these legs, in the message's order, in place of `gone` (null:
 * at the end). */
void put_places6(Places6 &places, const Path &path, const std::vector<Leg> &legs, const Path *gone);
/* The same of an event that may be older than the places: what stands alone moves to where it was put then. `replaces`: it
 * took another's place then, whether `gone` is still there or not. */
void again_places6(Places6 &places, const Path &path, const std::vector<Leg> &legs, const Path *gone,
                   bool replaces);

/* A route as a dump tells it, its legs in the message's order. */
struct Told6 {
	const Path *path;
	const std::vector<Leg> *legs;
};

/* The places by what a dump tells of a class, in its order: it goes from the first leg to the last, so what it tells before or
 * after stands there, and what it does not tell stands between, where it was if that is so. */
Places6 told_places6(const Places6 &known, const std::vector<Told6> &told);
bool same_places6(const Places6 &a, const Places6 &b);

} // namespace mill
