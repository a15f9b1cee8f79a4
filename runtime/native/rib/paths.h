/*
 * Paths: the ways that routes name, each once. All routes with the same legs (or the same nexthop object) share
 * one Path, and one Path is one path group of the engine: a lost carrier changes groups, never routes.
 *
 *   Route candidate → Path → legs (own, or those of a nexthop object) → Adjacency (one per neighbour, interface)
 *
 * `refs` counts candidates, `fed_refs` the routes and gateways that the engine was told to send this way.
 * Not locked: the owner's lock covers it.
 */
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>
#include "rib/messages.h"

namespace mill
{

enum class AdjacencyClass : uint8_t {
	Neighbour,
	Glean,
	Local,
	Kernel,
	Blackhole,
	Unreachable,
	Prohibit,
	Broadcast
};

struct AdjacencyKey {
	AdjacencyClass kind;
	uint32_t ifindex; /* 0 where it does not matter */
	Address address;  /* of the neighbour */
	bool operator==(const AdjacencyKey &other) const
	{
		return kind == other.kind && ifindex == other.ifindex && address == other.address;
	}
};

struct AdjacencyKeyHash {
	size_t operator()(const AdjacencyKey &key) const
	{
		return mix64(key.address.hash() ^
		             (static_cast<uint64_t>(key.ifindex) << 8 | static_cast<uint8_t>(key.kind)));
	}
};

/* What the engine knows of an adjacency. */
struct AdjacencyState {
	uint8_t kind = 0; /* enum mill_adjacency_kind */
	uint16_t iface = 0;
	uint8_t mac[6] = {};
	bool operator==(const AdjacencyState &other) const
	{
		return kind == other.kind && iface == other.iface && memcmp(mac, other.mac, sizeof mac) == 0;
	}
};

struct Adjacency {
	uint32_t id = 0;
	AdjacencyKey key;
	uint32_t refs = 0; /* legs of sent groups */
	bool sent = false, dirty = false;
	AdjacencyState state;
	/* keeping the neighbour alive, CLOCK_MONOTONIC ns */
	uint64_t asked_ns = 0;
	uint32_t tries = 0;
};

struct GroupLeg {
	Adjacency *adjacency;
	uint32_t weight;
	bool operator==(const GroupLeg &other) const
	{
		return adjacency == other.adjacency && weight == other.weight;
	}
};

/* What IPv4 holds apart, though the way is the same (fib_info), as far as it shows. Of routes over several legs, a leg is dead
 * for those that were there when its link lost its last address, and alive for those that came later; so these differ by
 * all of it. Others differ by table where they prefer a source, whose end is the end of the main table's alone. Of IPv6
 * `protocol` says when a router advertised the route (RTPROT_RA), the preference is here, and the rest is empty. */
struct Apart {
	uint32_t table = 0, metric = 0;
	uint8_t protocol = 0, scope = 0;
	uint64_t attributes = 0; /* RouteMessage::attributes */
	int8_t preference = 0;
};

struct Path {
	uint32_t id = 0; /* of the engine's group */
	uint8_t family = 0, type = 0;
	uint32_t nexthop_id = 0;
	Address source; /* IPv4's RTA_PREFSRC: its address's end is the route's end */
	std::vector<Leg> legs;
	Apart apart;
	/* Links of legs that the kernel holds for dead though the link is up: IPv4's since it lost its last address, IPv6's
	 * since it was down, until it has a carrier. Routes that come meanwhile have living ones. */
	std::vector<uint32_t> dead;
	uint32_t refs = 0, fed_refs = 0;
	Prefix last_fed;   /* a prefix that the engine was told to send this way; family 0: none */
	bool kept = false; /* IPv6: routes of it stayed when their link was set down (Rib::left_between6) */
	bool dirty = false, checked = false, sent = false;
	bool usable = true;     /* the kernel would use it: it leads somewhere */
	bool turned = false;    /* that changed just now */
	bool condemned = false; /* its routes are about to be removed */
	bool untold = false;    /* to be told to the engine again, whatever it was told */
	std::vector<GroupLeg> sent_legs;
	std::string key;
};

class PathTable
{
      public:
	/* The one Path like this. A reference is to be counted by the caller. */
	Path *intern(uint8_t family, uint8_t type, uint32_t nexthop_id, const Address &source,
	             const std::vector<Leg> &legs, const Apart &apart);
	/* Where rules divert to: its legs, which are the caller's to set, follow who answers. */
	Path *intern_way(uint8_t family, const std::string &way);
	void erase(Path *path);
	template <typename Visit> void all(Visit visit)
	{
		for (auto &[key, path] : paths_)
			visit(*path);
	}
	template <typename Visit> void all(Visit visit) const
	{
		for (const auto &[key, path] : paths_)
			visit(*path);
	}
	size_t size() const
	{
		return paths_.size();
	}

      private:
	Path *at(const std::string &key);
	std::unordered_map<std::string, std::unique_ptr<Path>> paths_;
	uint32_t last_id_ = 0;
};

} // namespace mill
