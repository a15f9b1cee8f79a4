/* A route of a prefix, and where it stands among the others of that prefix. */
#pragma once
#include <cstddef>
#include <cstdint>
#include "rib/paths.h"
#include "rib/trie.h"

namespace mill
{

/*
 * Where a candidate stands among those of its prefix. Each coupled table is a level, in the order in which they are
 * asked. At the main table's level the operator's routes come first, then those of the engine's own links, then
 * zebra's by FPM, then the table's own; host routes of neighbours come last of all.
 */
using Rank = uint8_t;

constexpr Rank neighbour_rank = 0xff;

enum class Source : uint8_t { Operator, Own, Fpm, Kernel, Neighbour = 7 };

constexpr Rank rank_at(size_t level, Source source)
{
	return static_cast<Rank>(level << 3 | static_cast<Rank>(source));
}

constexpr size_t level_of(Rank rank)
{
	return rank >> 3;
}

constexpr Source source_of(Rank rank)
{
	return static_cast<Source>(rank & 7);
}

constexpr bool of_kernel(Rank rank)
{
	return source_of(rank) == Source::Kernel;
}

/* Nexthop objects that came by FPM have this bit in their number. */
constexpr uint32_t fpm_nexthop = 1u << 31;

struct Candidate {
	Candidate *next;
	Path *path;
	uint32_t metric;
	uint32_t stamp; /* of the dump that last confirmed it */
	uint8_t tos, protocol;
	Rank rank;
	uint32_t since = 0; /* known so, in seconds of CLOCK_MONOTONIC; 0: not in the table yet */

	/* The kernel's order: table, then TOS (larger first), then metric. */
	bool same_class(const Candidate &other) const
	{
		return rank == other.rank && tos == other.tos && metric == other.metric;
	}
	bool before(const Candidate &other) const
	{
		if (rank != other.rank)
			return rank < other.rank;
		return tos != other.tos ? tos > other.tos : metric < other.metric;
	}
	bool same_route(const Candidate &other) const
	{
		return same_class(other) && path == other.path && protocol == other.protocol;
	}
};

/* IPv6: a dump that has `shared` may lack this one. */
bool passed_over6(const Candidate &candidate, const Candidate &shared);

/* IPv6: the one of its class that a new one takes the place of, `shares` saying whether that is one to share; null for
 * none. */
Candidate *replaced6(Node &node, const Candidate &wanted, bool shares);

/* Host routes of neighbours are the RIB's own: they are not shown. */
inline bool counts(Rank rank)
{
	return rank != neighbour_rank;
}

/* The first in a node's list that is equal to the wanted one; null for none. What they return is the pointer to the
 * candidate found, to put another before it or take it out. */
Candidate **find_candidate(Node &node, const Candidate &wanted,
                           bool (Candidate::*equal)(const Candidate &) const);
/* Where those begin, and where they end, that are equal in order. */
Candidate **class_start(Node &node, const Candidate &wanted);
Candidate **class_end(Node &node, const Candidate &wanted);
/* Of CLOCK_MONOTONIC, never 0. Coarse: it is read for every route, and told to people in seconds. */
uint32_t seconds_now();

} // namespace mill
