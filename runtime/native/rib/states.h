/* What the kernel has beside routes, as the RIB keeps it, and what the operator and policies asked for. */
#pragma once
#include <map>
#include <utility>
#include "rib/messages.h"
#include "rib/paths.h"

namespace mill
{

/* What an alarm says of a link ahead of the event: the worse, the later. */
enum class Alarm : uint8_t { None, Carrier, Down, Removed };

struct LinkState {
	LinkMessage link;
	uint32_t stamp = 0;
	std::map<InterfaceAddress, uint32_t> addresses; /* → stamp */
	Alarm alarm = Alarm::None;                      /* not read of as an event yet */
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

/* Numbers of the engine's own links, with the interface's slot in the low bits: the kernel's are below. */
constexpr uint32_t own_ifindex = 1u << 31;

constexpr bool is_own(uint32_t ifindex)
{
	return ifindex >= own_ifindex;
}

/* An interface without a face in the kernel: the policy says what it is. */
struct OwnLink {
	LinkMessage link;                     /* with its number; IFF_UP, and IFF_LOWER_UP where it is up */
	std::map<Address, uint8_t> addresses; /* → length */
	bool operator==(const OwnLink &other) const;
};

struct OperatorRoute {
	Address gateway; /* family 0: none */
	uint32_t ifindex = 0;
};

struct Gateway {
	Address address;
	uint32_t weight; /* 1 to 256 */
	bool operator==(const Gateway &other) const
	{
		return address == other.address && weight == other.weight;
	}
};

/* Where rules divert packets of one family to. Those of the first choice that has one that answers share the flows. */
using Way = std::vector<std::vector<Gateway>>;

struct GatewayState {
	Way way;
	Path *fed = nullptr;    /* the way's own */
	bool reachable = false; /* else nothing is diverted, while the group waits as it was */
	bool told = false;      /* the engine knows that */
};

/* Who is behind a leg to a gateway. Kept alive also while others are used, so that it can stand in for them. */
struct GatewayNeighbour {
	bool silent = false; /* it was asked and did not answer, and has not since */
	bool named = false;
	uint64_t asked_ns = 0;
	uint32_t tries = 0;
};

} // namespace mill
