/*
 * What a router must refuse before it looks at rules: frames for other stations, wrong headers, addresses that
 * cannot be on a wire. Where the RFCs leave room, the verdict is the Linux kernel's, so that a port behaves the
 * same whoever forwards it.
 */
#pragma once
#include "netmill/urpf.h"

#define MILL_V4_LOOPBACK(a)  ((a) >> 24 == 127)
#define MILL_V4_MULTICAST(a) ((a) >> 28 == 14)
#define MILL_V4_BROADCAST    0xffffffffu

/* RFC 1812 §5.3.4: a unicast frame to another station is not ours. */
static inline bool mill_for_this_station(struct mill_packet *p, uint64_t mac)
{
	uint64_t to;
	memcpy(&to, p->frame, sizeof(to)); /* 14 bytes are there */
	p->link_group = to & 1;
	return p->link_group || (to & 0xffffffffffffull) == mac;
}

/* RFC 1812 §5.3.7, RFC 1122 §3.2.1.3. 0.0.0.0 may ask for an address by broadcast; 240/4 and the rest of 0/8 pass,
 * as they do in the kernel (a policy that wants them gone says so). */
static inline int mill_check_ipv4(struct mill_packet *p)
{
	uint32_t src = p->src4, dst = p->dst4;
	p->to_host = false;
	if (MILL_V4_MULTICAST(src) || src == MILL_V4_BROADCAST || MILL_V4_LOOPBACK(src))
		return MILL_DROP_MARTIAN_SOURCE;
	if (MILL_V4_MULTICAST(dst) || dst == MILL_V4_BROADCAST || (src | dst) == 0) {
		p->to_host = true;
		return -1;
	}
	if (src == 0)
		return MILL_DROP_MARTIAN_SOURCE;
	if (dst == 0 || MILL_V4_LOOPBACK(dst))
		return MILL_DROP_MARTIAN_DESTINATION;
	return -1;
}

/* RFC 4291 §2.5.3 (loopback), §2.7 (multicast: never a source; scope 0 is reserved, scope 1 stays inside a node). */
static inline int mill_check_ipv6(struct mill_packet *p)
{
	const struct mill_address6 *src = &p->src6, *dst = &p->dst6;
	bool multicast = dst->high >> 56 == 0xff;
	if (src->high >> 56 == 0xff || (src->high == 0 && src->low == 1))
		return MILL_DROP_MARTIAN_SOURCE;
	if (dst->high == 0 && dst->low == 1)
		return MILL_DROP_MARTIAN_DESTINATION;
	if (multicast && (dst->high >> 48 & 15) <= 1)
		return MILL_DROP_MARTIAN_DESTINATION;
	p->to_host = multicast || mill_link_local(dst);
	return -1;
}

/* Anything but IP: ARP and what the router's own daemons may want. A tag here is one more than the port carries. */
MILL_COLD bool mill_not_ip(struct mill_worker *w, struct mill_packet *p)
{
	if (mill_is_tag(p->ethertype))
		return mill_drop(w, p, MILL_DROP_UNKNOWN_VLAN);
	return mill_punt(w, p, p->ethertype == MILL_ETHER_ARP ? MILL_PUNT_ARP : MILL_PUNT_LOCAL);
}
