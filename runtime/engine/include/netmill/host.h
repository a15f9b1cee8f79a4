/* Handing packets to the router's own host stack, sorted by how much the router depends on them: RFC 6192. */
#pragma once
#include "netmill/parse.h"

static inline bool mill_control_port(uint16_t port)
{
	switch (port) {
	case 179:  /* BGP, RFC 4271 */
	case 520:  /* RIP, RFC 2453 */
	case 521:  /* RIPng, RFC 2080 */
	case 646:  /* LDP, RFC 5036 */
	case 3784: /* BFD, RFC 5881 */
	case 3785:
	case 4784: /* BFD multihop, RFC 5883 */
		return true;
	default:
		return false;
	}
}

static inline enum mill_punt_class mill_host_class(struct mill_packet *p)
{
	mill_read_l4(p);
	switch (p->proto) {
	case MILL_TCP:
		return p->sport == 179 || mill_control_port(p->dport) ? MILL_PUNT_CONTROL : MILL_PUNT_LOCAL;
	case MILL_UDP:
		return mill_control_port(p->dport) ? MILL_PUNT_CONTROL : MILL_PUNT_LOCAL;
	case MILL_OSPF:
	case MILL_PIM:
	case MILL_VRRP:
		return MILL_PUNT_CONTROL;
	case MILL_IGMP:
		return MILL_PUNT_NEIGHBOUR;
	case MILL_ICMPV6: /* MLD 130–132 and 143, RFC 3810; ND 133–137, RFC 4861 */
		if (p->l4 == MILL_L4_READ &&
		    ((p->icmp_type >= 130 && p->icmp_type <= 137) || p->icmp_type == 143))
			return MILL_PUNT_NEIGHBOUR;
		return MILL_PUNT_LOCAL;
	default:
		return MILL_PUNT_LOCAL;
	}
}

/* Always false, like mill_drop. */
static inline bool mill_punt(struct mill_worker *w, const struct mill_packet *p, enum mill_punt_class class)
{
	bool taken =
	    w->services->punt(w, p->iface, class, p->frame, (uint16_t)p->len, (uint16_t)(p->l3 - p->frame));
	if (taken)
		mill_count(&w->if_counters[p->iface].punt[class], p->len);
	else if (w->ifaces[p->iface].host == MILL_HOST_NONE)
		mill_drop(w, p, MILL_DROP_HOST_REFUSED);
	else
		mill_drop(w, p, MILL_DROP_PUNT_FULL);
	return false;
}

/* For the router itself. */
static inline bool mill_deliver(struct mill_worker *w, struct mill_packet *p)
{
	return mill_punt(w, p, mill_host_class(p));
}
