/*
 * Unicast reverse path forwarding: a packet passes if packets to its source would leave by the interface where it came in
 * (strict), or if there is a way to its source at all (loose). BCP 38, BCP 84 (RFC 3704 §2.2, §2.4). The default route
 * counts as a way, and of several legs each, as in the kernel's rp_filter. A source that is the router's own, a broadcast
 * address, or behind a blackhole or another refusal has none: so a route drops what comes from there, too (RFC 5635).
 * Asked after the `in` ACL and before anything else, of what is for the router itself, too.
 */
#pragma once
#include "netmill/host.h"

#ifdef MILL_URPF

static inline bool mill_leads_back(const struct mill_adjacency *path, const struct mill_packet *p)
{
	switch (path->kind) {
	case MILL_ADJ_FORWARD:
	case MILL_ADJ_RESOLVE:
	case MILL_ADJ_GLEAN:
		return p->urpf == MILL_URPF_LOOSE || path->iface == p->iface;
	case MILL_ADJ_KERNEL:
		return p->urpf == MILL_URPF_LOOSE;
	default:
		return false;
	}
}

static inline bool mill_group_leads_back(const struct mill_fib *fib, uint32_t group,
                                         const struct mill_packet *p)
{
	const uint64_t word =
	    __atomic_load_n(MILL_FIB_AT(fib, uint64_t, MILL_FIB_GROUP_OFFSET) + group, __ATOMIC_ACQUIRE);
	const uint32_t mask = (uint32_t)(word >> 32);
	if (mask == 0)
		return mill_leads_back(mill_fib_adjacency(fib, (uint32_t)word), p);
	const uint32_t *bucket = MILL_FIB_AT(fib, uint32_t, MILL_FIB_BUCKET_OFFSET) + (uint32_t)word;
	for (uint32_t i = 0; i <= mask; i++)
		if (mill_leads_back(mill_fib_adjacency(fib, __atomic_load_n(&bucket[i], __ATOMIC_ACQUIRE)),
		                    p))
			return true;
	return false;
}

/* Never leaves its link, so there is no other it could come from: RFC 4291 §2.5.2, §2.5.6. Nobody routes to 0.0.0.0, who
 * asks for an address; what else comes from there was dropped before. */
static inline bool mill_needs_way_back(const struct mill_packet *p)
{
	if (p->urpf == MILL_URPF_OFF)
		return false;
	if (p->family == 4)
		return p->src4 != 0;
	return !mill_link_local(&p->src6) && (p->src6.high | p->src6.low) != 0;
}

/* `group`: by which packets to the source would go. False: dropped. */
static inline bool mill_has_way_back(struct mill_worker *w, struct mill_way_back *last, uint32_t group,
                                     const struct mill_packet *p)
{
	if (group == 0 || last->group != group || last->iface != p->iface)
		*last = (struct mill_way_back){group, p->iface, mill_group_leads_back(w->fib, group, p)};
	return last->leads || mill_drop(w, p, MILL_DROP_URPF);
}

/* For a packet that is not looked up with its burst. */
static inline bool mill_has_way_back_alone(struct mill_worker *w, const struct mill_packet *p)
{
	struct mill_way_back none = {0, 0, false};
	uint32_t group;
	if (!mill_needs_way_back(p))
		return true;
	if (p->family == 4)
		MILL_LOOKUP4(w->fib, &p->src4, &group, 1);
	else
		MILL_LOOKUP6(w->fib, (const uint8_t(*)[16])(p->l3 + 8), &group, 1);
	return mill_has_way_back(w, &none, group, p);
}

#endif
