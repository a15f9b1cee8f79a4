/*
 * From a path group to what happens: the order of RFC 1812 §5.2.1 and of the kernel (route, TTL, MTU, send).
 * A packet whose way was decided by a rule (`diverted`) is never given to the kernel where the kernel could forward
 * it by its own table; only its TTL may run out there, which ends in an answer whatever the table says.
 */
#pragma once
#include "netmill/flow.h"
#include "netmill/transmit.h"

MILL_HOT const struct mill_adjacency *mill_path(const struct mill_worker *w, struct mill_packet *p,
                                                uint32_t group)
{
	p->group = group;
	return mill_fib_select(w->fib, group, mill_fib_wants_hash(w->fib, group) ? mill_flow_hash(p) : 0);
}

/* RFC 1812 §5.3.8, of which the kernel asks this much without reverse path filtering: a packet from one of the
 * router's own addresses did not come from there. Most packets of a burst come by the same group: asked once. */
MILL_HOT bool mill_from_myself4(const struct mill_worker *w, struct mill_burst *burst, uint32_t group)
{
	if (group == burst->foreign4)
		return false;
	if (mill_fib_select(w->fib, group, 0)->kind == MILL_ADJ_LOCAL)
		return true;
	burst->foreign4 = group;
	return false;
}

/* False: dropped for its source. */
MILL_HOT bool mill_credible4(struct mill_worker *w, struct mill_burst *burst, const struct mill_packet *p,
                             uint32_t from)
{
	if (mill_from_myself4(w, burst, from))
		return mill_drop(w, p, MILL_DROP_MARTIAN_SOURCE);
#ifdef MILL_URPF
	return !mill_needs_way_back(p) || mill_has_way_back(w, &burst->way_back, from, p);
#else
	return true;
#endif
}

static inline bool mill_credible6(struct mill_worker *w, struct mill_burst *burst,
                                  const struct mill_packet *p)
{
#ifdef MILL_URPF
	return !mill_needs_way_back(p) ||
	       mill_has_way_back(w, &burst->way_back, burst->keys->from6[burst->m6++], p);
#else
	(void)w, (void)burst, (void)p;
	return true;
#endif
}

/* The next kept packet and its path by the FIB, or NULL. */
MILL_HOT struct mill_packet *mill_burst_route(struct mill_worker *w, struct mill_burst *burst,
                                              const struct mill_adjacency **path)
{
	while (burst->routed != burst->kept) {
		struct mill_packet *p = &burst->packet[burst->routed++];
		uint32_t group;
		if (p->family == 6) {
			group = burst->keys->group6[burst->n6++];
			if (!mill_credible6(w, burst, p))
				continue;
		} else {
			const uint32_t at = burst->n4++;
			group = burst->keys->group4[at];
			if (!mill_credible4(w, burst, p, burst->keys->from4[at]))
				continue;
		}
		*path = mill_path(w, p, group);
		return p;
	}
	return NULL;
}

/* The packet goes by its path group, to whatever end. */
static inline void mill_use(const struct mill_worker *w, const struct mill_packet *p)
{
	mill_count(mill_fib_use(w->fib, w->number) + p->group, p->len);
}

/* Chosen for packets that are dealt with: their rule wants them dropped while no gateway answers. */
static const struct mill_adjacency mill_nowhere = {.kind = MILL_ADJ_NONE};

/* Where a rule's gateways are reached now; NULL: they are not, and the packet goes on as if no rule had named them. */
static inline const struct mill_adjacency *mill_gateway_path(struct mill_worker *w, struct mill_packet *p,
                                                             uint16_t gateway)
{
	if (gateway == MILL_NO_GATEWAY)
		return NULL;
	const uint32_t group = mill_fib_gateway(w->fib, w->bind->gateway[gateway & ~MILL_OR_DROP]);
	if (group != 0) {
		const uint32_t routed = p->group;
		const struct mill_adjacency *path = mill_path(w, p, group);
		if (path->kind == MILL_ADJ_FORWARD || path->kind == MILL_ADJ_RESOLVE)
			return path;
		p->group = routed;
	}
	if ((gateway & MILL_OR_DROP) == 0)
		return NULL;
	mill_drop(w, p, MILL_DROP_NO_GATEWAY);
	return &mill_nowhere;
}

/* The source is told how large its packets may be: RFC 1191 §4, RFC 4443 §3.2. */
MILL_COLD void mill_tell_mtu(struct mill_worker *w, struct mill_packet *p, uint32_t mtu)
{
	const uint8_t type = p->family == 4 ? MILL_ICMP_UNREACHABLE : MILL_ICMPV6_TOO_BIG;
	const uint8_t code = p->family == 4 ? MILL_ICMP_FRAG_NEEDED : 0;
	mill_drop(w, p, MILL_DROP_TOO_BIG);
	w->services->icmp_error(w, p->iface, type, code, mtu, p->frame, (uint16_t)p->len,
	                        (uint16_t)(p->l3 - p->frame));
}

/* Larger than the egress MTU: RFC 791 §3.2, RFC 1812 §5.3.3 and RFC 8200 §4.5. The kernel answers, unless it would
 * judge by another route than the packet's, or is not there. */
MILL_COLD void mill_too_big(struct mill_worker *w, struct mill_packet *p, const struct mill_adjacency *path,
                            bool diverted)
{
	uint16_t l3 = (uint16_t)(p->l3 - p->frame);
	if (p->family == 6 || (p->l3[6] & 0x40) != 0) {
		if (diverted || w->ifaces[p->iface].host == MILL_HOST_NONE)
			mill_tell_mtu(w, p, w->ifaces[path->iface].mtu);
		else
			mill_punt(w, p, MILL_PUNT_EXCEPTION);
		return;
	}
	mill_lower_ttl(p);
	if (!w->services->fragment(w, path->id, p->frame, (uint16_t)(l3 + p->ip_len), l3))
		mill_drop(w, p, MILL_DROP_TOO_BIG);
}

/* The neighbour is not known yet: the engine keeps the packet, ready to be sent, and asks. */
MILL_COLD void mill_defer(struct mill_worker *w, struct mill_packet *p, const struct mill_adjacency *path)
{
	uint16_t l3 = (uint16_t)(p->l3 - p->frame);
	const uint8_t *neighbour = path->address;
	if (path->kind == MILL_ADJ_GLEAN)
		neighbour = p->family == 4 ? p->l3 + 16 : p->l3 + 24;
	mill_lower_ttl(p);
	if (!w->services->defer(w, path->id, neighbour, p->frame, (uint16_t)(l3 + p->ip_len), l3))
		mill_drop(w, p, MILL_DROP_UNRESOLVED);
}

/* Paths that end here. The kernel, or the engine in its place, answers for what it must: RFC 1812 §5.2.7.1. */
MILL_COLD void mill_no_way(struct mill_worker *w, struct mill_packet *p, const struct mill_adjacency *path)
{
	if (path->kind == MILL_ADJ_BLACKHOLE)
		mill_drop(w, p, MILL_DROP_BLACKHOLE);
	else
		mill_punt(w, p, MILL_PUNT_EXCEPTION);
}

/* Whatever the kernel must see or nobody may forward; false: the packet is dealt with. */
MILL_HOT bool mill_may_forward(struct mill_worker *w, struct mill_packet *p, bool diverted)
{
	if (p->link_group) /* RFC 1812 §5.3.4: what came by link broadcast is not forwarded */
		return mill_drop(w, p, MILL_DROP_OTHER_MAC);
	if (mill_ttl(p) <= 1) /* RFC 1812 §5.3.1 */
		return mill_punt(w, p, MILL_PUNT_TTL);
	if (p->options && !diverted)
		return mill_punt(w, p, MILL_PUNT_EXCEPTION);
	if (p->family == 6 && (mill_link_local(&p->src6) || (p->src6.high | p->src6.low) == 0)) {
		if (diverted) /* RFC 4291 §2.5.2, §2.5.6 */
			return mill_drop(w, p, MILL_DROP_LINK_LOCAL);
		return mill_punt(w, p, MILL_PUNT_EXCEPTION);
	}
	return true;
}

/* It leads to an interface of ours. */
static inline bool mill_leaves(const struct mill_adjacency *path)
{
	return path->kind == MILL_ADJ_FORWARD || path->kind == MILL_ADJ_RESOLVE ||
	       path->kind == MILL_ADJ_GLEAN;
}

MILL_HOT void mill_go(struct mill_worker *w, struct netmap_ring *rx, struct mill_packet *p,
                      const struct mill_adjacency *path, bool diverted)
{
	if (!mill_may_forward(w, p, diverted))
		return;
	if (!mill_leaves(path))
		mill_no_way(w, p, path);
	else if (p->ip_len > w->ifaces[path->iface].mtu)
		mill_too_big(w, p, path, diverted);
	else if (path->kind == MILL_ADJ_FORWARD)
		mill_transmit(w, rx, p, path);
	else
		mill_defer(w, p, path);
}

MILL_HOT void mill_send(struct mill_worker *w, struct netmap_ring *rx, struct mill_packet *p,
                        const struct mill_adjacency *path, bool diverted)
{
	mill_use(w, p);
	mill_go(w, rx, p, path, diverted);
}

/* What an `out` ACL says. What one has judged is never given to the kernel to forward, which would ask no ACL. */
enum mill_leave { MILL_UNJUDGED, MILL_PASSES, MILL_REFUSED };

static inline enum mill_leave mill_judged(bool passes)
{
	return passes ? MILL_PASSES : MILL_REFUSED;
}

/* Like mill_forward, where interfaces have `out` ACLs; `judge` is told the interface slot. */
static inline void mill_forward_judged(struct mill_worker *w, struct netmap_ring *rx, struct mill_packet *p,
                                       const struct mill_adjacency *path, const struct mill_adjacency *chosen,
                                       enum mill_leave (*judge)(struct mill_worker *, struct mill_packet *,
                                                                uint16_t iface))
{
	const struct mill_adjacency *way = chosen != NULL ? chosen : path;
	enum mill_leave verdict = MILL_UNJUDGED;
	if (chosen == &mill_nowhere)
		return;
	mill_use(w, p);
	if (mill_leaves(way))
		verdict = judge(w, p, way->iface);
	if (verdict != MILL_REFUSED)
		mill_go(w, rx, p, way, chosen != NULL || verdict == MILL_PASSES);
}

/* An address of the router, or a broadcast of one of its networks. */
static inline bool mill_is_local(const struct mill_adjacency *path)
{
	return path->kind == MILL_ADJ_LOCAL || path->kind == MILL_ADJ_BROADCAST;
}

MILL_COLD void mill_deliver_routed(struct mill_worker *w, struct mill_packet *p)
{
	mill_use(w, p);
	mill_deliver(w, p);
}

/* By the path that a rule chose, if there is one; else by the FIB's. */
static inline void mill_forward(struct mill_worker *w, struct netmap_ring *rx, struct mill_packet *p,
                                const struct mill_adjacency *path, const struct mill_adjacency *chosen)
{
	if (chosen == NULL)
		mill_send(w, rx, p, path, false);
	else if (chosen != &mill_nowhere)
		mill_send(w, rx, p, chosen, true);
}
