/* The table as people see it. */
#pragma once
#include <vector>
#include "rib/states.h"

namespace mill
{

/* One route for people. */
struct RouteView {
	Prefix prefix;
	bool by_operator = false, by_fpm = false, by_own = false;
	uint8_t protocol = 0, type = 0;
	uint32_t metric = 0;
	uint32_t age = 0;   /* seconds since it came, or came to be so */
	uint32_t group = 0; /* the engine's path group that it was told for this prefix; 0: not this route */
	struct Hop {
		Address gateway;
		uint32_t ifindex;
		uint16_t weight;
		bool dead;
	};
	std::vector<Hop> hops;
};

/* What the engine forwards by, as one path group. */
struct PathView {
	uint32_t group = 0, uses = 0; /* uses: prefixes and gateways that go this way */
	uint8_t type = 0;
	Prefix prefix; /* one of them; family 0: not known */
	std::vector<RouteView::Hop> hops;
};

struct NeighbourView {
	uint32_t ifindex;
	Address address;
	const NeighbourState *state;
	bool used;
};

struct Statistics {
	uint64_t routes[2] = {}; /* candidates of kernel, FPM and operator, IPv4 and IPv6 */
	uint64_t fpm_routes = 0; /* of those, by FPM */
	uint64_t messages = 0, batches = 0;
	uint64_t other_events = 0; /* of links, addresses and nexthop objects */
	uint32_t overruns = 0, resyncs = 0;
	uint64_t corrections = 0; /* by dumps, of what had changed without an event */
	uint32_t audits = 0;
	uint64_t divergences = 0, repaired = 0; /* found by audits */
};

} // namespace mill
