/*
 * One number for all packets of a flow, by which a path group picks a leg (RFC 2992: by hash, so that a flow is never
 * reordered). Addresses, protocol and ports; of fragments, whose later parts have no ports, no ports at all. IPv6
 * packets without ports are told apart by their flow label, which is the same in all fragments of a packet (RFC 6437
 * §3); where there are ports it is left alone, as some hosts change it in the midst of a flow.
 *
 * MILL_SYMMETRIC_FLOWS: both directions of a flow give the same number (and so no flow label, which each end chooses).
 */
#pragma once
#include "netmill/checks.h"

/* Every bit of the result depends on every bit of x. Steele, Lea and Flood 2014, with Stafford's constants. */
static inline uint64_t mill_mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static inline uint64_t mill_flow_end6(const struct mill_address6 *address, uint16_t port)
{
	return mill_mix(mill_mix(address->high) ^ address->low) + port;
}

static inline uint32_t mill_flow_hash(struct mill_packet *p)
{
	uint64_t from, to, rest;
	mill_read_l4(p);
	const uint16_t sport = p->fragment ? 0 : p->sport, dport = p->fragment ? 0 : p->dport;
	if (p->family == 4) {
		rest = (uint64_t)p->proto << 48;
		from = (uint64_t)p->src4 << 16 | sport;
		to = (uint64_t)p->dst4 << 16 | dport;
	} else {
		rest = (uint64_t)p->proto << 36;
		from = mill_flow_end6(&p->src6, sport);
		to = mill_flow_end6(&p->dst6, dport);
	}
#ifdef MILL_SYMMETRIC_FLOWS
	if (from > to) {
		const uint64_t larger = from;
		from = to;
		to = larger;
	}
#else
	if (p->family == 6 && (sport | dport) == 0)
		rest |= (uint64_t)(mill_load32(p->l3) & 0xfffff) << 44;
#endif
	return (uint32_t)mill_mix(mill_mix(from ^ rest) + to);
}
