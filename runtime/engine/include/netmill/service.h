/* What a packet is for, as one number: its protocol, and the destination port or ICMP's type and code. */
#pragma once
#include "netmill/parse.h"

/* Equal numbers, equal services, so that a rule's test of both is one comparison. */
#define MILL_SERVICE(proto, selector) ((uint32_t)(proto) << 17 | (selector))
#define MILL_SERVICE_ALONE            0x10000u /* ORed: no selector could be read, and none is equal to it */
#define MILL_SERVICE_PROTO            0x1fe0000u

static inline uint32_t mill_selector(const struct mill_packet *p)
{
	if (p->proto == MILL_TCP || p->proto == MILL_UDP)
		return p->dport;
	return (uint32_t)p->icmp_type << 8 | p->icmp_code;
}

/* TCP or UDP right behind the header of a plain packet, and all of its ports are there. */
MILL_HOT bool mill_shows_ports(const struct mill_packet *p, uint32_t header)
{
	return p->l4 == MILL_L4_UNREAD && !p->doubtful && (p->proto == MILL_TCP || p->proto == MILL_UDP) &&
	       p->ip_len >= header + MILL_TCP_HEADER;
}

/* Of a packet whose transport header has been read. */
static inline uint32_t mill_service(const struct mill_packet *p)
{
	return MILL_SERVICE(p->proto, p->l4 == MILL_L4_READ ? mill_selector(p) : MILL_SERVICE_ALONE);
}

/* True: the transport header is broken. Of most packets nothing is written down. */
MILL_HOT bool mill_hides_service(struct mill_packet *p, uint32_t *service)
{
	const uint32_t header = p->family == 4 ? 20 : MILL_IPV6_HEADER;
	if (mill_likely(mill_shows_ports(p, header))) {
		*service = MILL_SERVICE(p->proto, mill_load16(p->l3 + header + 2));
		return false;
	}
	mill_read_l4(p);
	*service = mill_service(p);
	return p->l4 == MILL_L4_BROKEN;
}
