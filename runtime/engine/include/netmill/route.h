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
	const uint64_t word = mill_fib_group(w->fib, group);
	p->group = group;
	if (mill_fib_has_legs(word))
		return mill_fib_leg(w->fib, word, mill_flow_hash(p));
	return mill_fib_adjacency(w->fib, (uint32_t)word);
}

/* Paths of groups that have one. Each is three loads that wait for one another: here those of many packets overlap. */
static inline void mill_burst_paths(const struct mill_fib *fib, const uint32_t *group,
                                    const struct mill_adjacency **path, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const uint64_t word = mill_fib_group(fib, group[i]);
		path[i] = mill_fib_has_legs(word) ? NULL : mill_fib_adjacency(fib, (uint32_t)word);
		__builtin_prefetch(path[i]);
	}
}

MILL_HOT void mill_burst_lookup(const struct mill_worker *w, struct mill_burst *burst)
{
	const struct mill_fib *fib = w->fib;
	struct mill_kept *kept = burst->kept;
	if (burst->n4 != 0) {
		MILL_LOOKUP4(fib, kept->dst4, kept->group4, burst->n4);
		mill_burst_paths(fib, kept->group4, kept->path4, burst->n4);
	}
	if (mill_unlikely(burst->m4 != 0))
		MILL_LOOKUP4(fib, kept->src4, kept->from4, burst->m4);
	if (burst->n6 != 0) {
		MILL_LOOKUP6(fib, (const uint8_t(*)[16])kept->dst6, kept->group6, burst->n6);
		mill_burst_paths(fib, kept->group6, kept->path6, burst->n6);
	}
#ifdef MILL_URPF
	if (burst->m6 != 0)
		MILL_LOOKUP6(fib, (const uint8_t(*)[16])kept->src6, kept->from6, burst->m6);
	burst->m6 = 0;
#endif
	burst->n4 = burst->n6 = burst->m4 = 0;
	burst->routed = kept->packet;
}

/* RFC 1812 §5.3.8, of which the kernel asks this much without reverse path filtering: a packet from one of the router's
 * own addresses did not come from there. Only of a packet whose source is asked about. False: dropped for it. */
static inline bool mill_credible4(struct mill_worker *w, struct mill_burst *burst,
                                  const struct mill_packet *p)
{
	const uint32_t back = burst->kept->from4[burst->m4++];
	if (mill_fib_select(w->fib, back, 0)->kind == MILL_ADJ_LOCAL)
		return mill_drop(w, p, MILL_DROP_MARTIAN_SOURCE);
#ifdef MILL_URPF
	return !mill_needs_way_back(p) || mill_has_way_back(w, &burst->way_back, back, p);
#else
	return true;
#endif
}

static inline bool mill_credible6(struct mill_worker *w, struct mill_burst *burst,
                                  const struct mill_packet *p)
{
#ifdef MILL_URPF
	return !mill_needs_way_back(p) ||
	       mill_has_way_back(w, &burst->way_back, burst->kept->from6[burst->m6++], p);
#else
	(void)w, (void)burst, (void)p;
	return true;
#endif
}

/* The next kept packet and its path by the FIB, or NULL. */
MILL_HOT struct mill_packet *mill_burst_route(struct mill_worker *w, struct mill_burst *burst,
                                              const struct mill_adjacency **path)
{
	const struct mill_kept *kept = burst->kept;
	while (burst->routed != burst->end) {
		struct mill_packet *p = burst->routed++;
		if (p->family == 4) {
			const uint32_t i = burst->n4++;
			p->group = kept->group4[i];
			*path = kept->path4[i];
			if (mill_unlikely(burst->asked4 >> i & 1) && !mill_credible4(w, burst, p))
				continue;
		} else {
			const uint32_t i = burst->n6++;
			p->group = kept->group6[i];
			*path = kept->path6[i];
			if (!mill_credible6(w, burst, p))
				continue;
		}
		if (mill_unlikely(*path == NULL))
			*path = mill_path(w, p, p->group);
		return p;
	}
	return NULL;
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
static inline bool mill_may_forward(struct mill_worker *w, struct mill_packet *p, bool diverted)
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

/* An address of the router, or a broadcast of one of its networks. */
static inline bool mill_is_local(const struct mill_adjacency *path)
{
	return path->kind == MILL_ADJ_LOCAL || path->kind == MILL_ADJ_BROADCAST;
}

/* Whatever packet and path. */
MILL_COLD void mill_go_any(struct mill_worker *w, struct netmap_ring *rx, struct mill_packet *p,
                           const struct mill_adjacency *path, bool diverted)
{
	if (mill_is_local(path))
		mill_deliver(w, p);
	else if (p->doubtful && !mill_may_forward(w, p, diverted))
		return;
	else if (!mill_leaves(path))
		mill_no_way(w, p, path);
	else if (p->ip_len > w->ifaces[path->iface].mtu)
		mill_too_big(w, p, path, diverted);
	else if (path->kind == MILL_ADJ_FORWARD)
		mill_transmit(w, rx, mill_ring_memory(rx), p, path);
	else
		mill_defer(w, p, path);
}

MILL_HOT void mill_go(struct mill_worker *w, struct mill_burst *burst, struct mill_packet *p,
                      const struct mill_adjacency *path, bool diverted)
{
	if (mill_likely(path->kind == MILL_ADJ_FORWARD && !p->doubtful &&
	                p->ip_len <= w->ifaces[path->iface].mtu))
		mill_transmit(w, burst->rx, burst->memory, p, path);
	else
		mill_go_any(w, burst->rx, p, path, diverted);
}

/* The packet goes by its path group, to whatever end. */
MILL_HOT void mill_use(const struct mill_burst *burst, const struct mill_packet *p)
{
	mill_count(burst->use + p->group, p->len);
}

/* By the path of the FIB, or by another (`diverted`). */
MILL_HOT void mill_send(struct mill_worker *w, struct mill_burst *burst, struct mill_packet *p,
                        const struct mill_adjacency *path, bool diverted)
{
	mill_use(burst, p);
	mill_go(w, burst, p, path, diverted);
}

/* What an `out` ACL says. What one has judged is never given to the kernel to forward, which would ask no ACL. */
enum mill_leave { MILL_UNJUDGED, MILL_PASSES, MILL_REFUSED };

static inline enum mill_leave mill_judged(bool passes)
{
	return passes ? MILL_PASSES : MILL_REFUSED;
}

/* Like mill_forward, where interfaces have `out` ACLs; `judge` is told the interface slot. */
MILL_HOT void mill_forward_judged(struct mill_worker *w, struct mill_burst *burst, struct mill_packet *p,
                                  const struct mill_adjacency *path, const struct mill_adjacency *chosen,
                                  enum mill_leave (*judge)(struct mill_worker *, struct mill_packet *,
                                                           uint16_t iface))
{
	const struct mill_adjacency *way = chosen != NULL ? chosen : path;
	enum mill_leave verdict = MILL_UNJUDGED;
	if (chosen == &mill_nowhere)
		return;
	mill_use(burst, p);
	if (mill_leaves(way))
		verdict = judge(w, p, way->iface);
	if (verdict != MILL_REFUSED)
		mill_go(w, burst, p, way, chosen != NULL || verdict == MILL_PASSES);
}

MILL_HOT void mill_deliver_routed(struct mill_worker *w, struct mill_burst *burst, struct mill_packet *p)
{
	mill_use(burst, p);
	mill_deliver(w, p);
}

/* By the path that a rule chose, if there is one; else by the FIB's. */
MILL_HOT void mill_forward(struct mill_worker *w, struct mill_burst *burst, struct mill_packet *p,
                           const struct mill_adjacency *path, const struct mill_adjacency *chosen)
{
	if (chosen == NULL)
		mill_send(w, burst, p, path, false);
	else if (chosen != &mill_nowhere)
		mill_send(w, burst, p, chosen, true);
}
