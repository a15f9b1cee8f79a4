/* Handing packets to the router's own host stack, sorted by how much the router depends on them: RFC 6192. */
#pragma once
#include "netmill/parse.h"

static inline enum mill_punt_class mill_port_class(uint16_t port)
{
	switch (port) {
	case 179:  /* BGP, RFC 4271 */
	case 646:  /* LDP, RFC 5036 */
	case 3784: /* BFD, RFC 5881 */
	case 3785:
	case 4784: /* BFD multihop, RFC 5883 */
		return MILL_PUNT_BGP;
	case 520: /* RIP, RFC 2453 */
	case 521: /* RIPng, RFC 2080 */
		return MILL_PUNT_OSPF;
	default:
		return MILL_PUNT_LOCAL;
	}
}

MILL_COLD enum mill_punt_class mill_host_class(struct mill_packet *p)
{
	mill_read_l4(p);
	switch (p->proto) {
	case MILL_TCP:
		return p->sport == 179 ? MILL_PUNT_BGP : mill_port_class(p->dport);
	case MILL_UDP:
		return mill_port_class(p->dport);
	case MILL_OSPF:
	case MILL_PIM:
	case MILL_VRRP:
		return MILL_PUNT_OSPF;
	case MILL_IGMP:
		return MILL_PUNT_ND;
	case MILL_ICMPV6: /* MLD 130–132 and 143, RFC 3810; ND 133–137, RFC 4861 */
		if (p->l4 == MILL_L4_READ &&
		    ((p->icmp_type >= 130 && p->icmp_type <= 137) || p->icmp_type == 143))
			return MILL_PUNT_ND;
		return MILL_PUNT_LOCAL;
	default:
		return MILL_PUNT_LOCAL;
	}
}

static inline void mill_punt_full(struct mill_worker *w, const struct mill_packet *p,
                                  enum mill_punt_class class)
{
	w->if_counters[p->iface].punt_full[class]++;
	mill_drop(w, p, MILL_DROP_PUNT_FULL);
}

/* Always false, like mill_drop. */
MILL_COLD bool mill_punt(struct mill_worker *w, const struct mill_packet *p, enum mill_punt_class class)
{
	bool taken =
	    w->services->punt(w, p->iface, class, p->frame, (uint16_t)p->len, (uint16_t)(p->l3 - p->frame));
	if (taken)
		mill_count(&w->if_counters[p->iface].punt[class], p->len);
	else if (w->ifaces[p->iface].host == MILL_HOST_NONE)
		mill_drop(w, p, MILL_DROP_HOST_REFUSED);
	else
		mill_punt_full(w, p, class);
	return false;
}

/* For the router itself. */
MILL_COLD bool mill_deliver(struct mill_worker *w, struct mill_packet *p)
{
	return mill_punt(w, p, mill_host_class(p));
}
