/* What the kernel has beside routes, as the RIB keeps it, and what the operator and policies asked for. */
#pragma once
#include <map>
#include <utility>
#include "rib/messages.h"
#include "rib/paths.h"

namespace mill
{

struct LinkState {
	LinkMessage link;
	uint32_t stamp = 0;
	std::map<Address, std::pair<uint8_t, uint32_t>> addresses; /* → length, stamp */
	bool disabled4 = false; /* it lost its last IPv4 address, and got none since: its legs are dead */
	bool up() const;
	bool carrier() const;
};

struct NeighbourState {
	uint16_t state = 0;
	bool has_mac = false;
	uint8_t mac[6] = {};
	uint32_t stamp = 0;
	Path *host = nullptr; /* of its host route, while it has one */
	bool usable() const;
};

using NeighbourKey = std::pair<Address, uint32_t>; /* address, ifindex */

struct NexthopObject {
	NexthopMessage message;
	uint32_t stamp = 0;
};

struct OperatorRoute {
	Address gateway; /* family 0: none */
	uint32_t ifindex = 0;
	Path *path = nullptr; /* while it resolves */
};

struct GatewayState {
	Address address;
	Path *fed = nullptr;
	bool told = false; /* the engine knows what `fed` says */
};

} // namespace mill
