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
static inline bool mill_for_this_station(struct mill_packet *p, const struct mill_iface *iface)
{
	uint64_t to;
	memcpy(&to, p->frame, sizeof(to)); /* 14 bytes are there */
	p->link_group = to & 1;
	return p->link_group || (to & 0xffffffffffffull) == iface->mac;
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

/* The frame came in on logical interface `local`. True: an IP packet in order, for rules and routes to decide. */
MILL_HOT bool mill_enter(struct mill_worker *w, struct mill_packet *p, uint16_t local)
{
	int reason;
	p->local = local;
	p->iface = w->bind->iface[local];
	p->gateway = MILL_NO_GATEWAY;
	p->mark = MILL_NO_MARK;
#ifdef MILL_URPF
	p->urpf = MILL_URPF_OFF;
#endif
#ifdef MILL_SETS
	p->worker = w;
#endif
	mill_count(&w->if_counters[p->iface].rx, p->len);
	if (!mill_for_this_station(p, &w->ifaces[p->iface]))
		return mill_drop(w, p, MILL_DROP_OTHER_MAC);
	if (p->ethertype == MILL_ETHER_IPV4) {
		reason = mill_read_ipv4(p);
		if (reason < 0)
			reason = mill_check_ipv4(p);
	} else if (p->ethertype == MILL_ETHER_IPV6) {
		reason = mill_read_ipv6(p);
		if (reason < 0)
			reason = mill_check_ipv6(p);
	} else {
		return mill_not_ip(w, p);
	}
	return reason < 0 || mill_drop(w, p, (enum mill_drop)reason);
}

#ifdef MILL_URPF
/* The same, on an interface that asks for a way back to the source. */
static inline bool mill_enter_urpf(struct mill_worker *w, struct mill_packet *p, uint16_t local,
                                   enum mill_urpf urpf)
{
	if (!mill_enter(w, p, local))
		return false;
	p->urpf = (uint8_t)urpf;
	return true;
}
#endif

/* A frame that no interface of the port takes; `local` is the port's first, whose counters tell of it. */
MILL_COLD bool mill_reject(struct mill_worker *w, struct mill_packet *p, uint16_t local,
                           enum mill_drop reason)
{
	p->iface = w->bind->iface[local];
	mill_count(&w->if_counters[p->iface].rx, p->len);
	return mill_drop(w, p, reason);
}

/* The packet waits for all others, to be judged with them. */
static inline void mill_burst_enter(struct mill_burst *burst)
{
	burst->kept++;
}

/* No more enter. */
static inline void mill_burst_entered(struct mill_burst *burst)
{
	burst->entered = burst->kept;
	burst->judged = burst->kept = 0;
}

/* The next of those that entered, or NULL; it stands where it stays if it is kept. */
static inline struct mill_packet *mill_burst_judge(struct mill_burst *burst)
{
	struct mill_packet *p = &burst->packet[burst->kept];
	if (burst->judged == burst->entered)
		return NULL;
	if (burst->judged != burst->kept)
		*p = burst->packet[burst->judged];
	burst->judged++;
	return p;
}

/* Rules have let the packet pass: what is for every host goes to ours, the rest is looked up together. */
MILL_HOT void mill_burst_keep(struct mill_worker *w, struct mill_burst *burst, struct mill_packet *p)
{
	if (p->to_host) {
#ifdef MILL_URPF
		if (!mill_has_way_back_alone(w, p))
			return;
#endif
		mill_deliver(w, p);
		return;
	}
	if (p->family == 4) {
		burst->keys->src4[burst->n4] = p->src4;
		burst->keys->dst4[burst->n4++] = p->dst4;
	} else {
		memcpy(burst->keys->dst6[burst->n6++], p->l3 + 24, 16);
#ifdef MILL_URPF
		if (mill_needs_way_back(p))
			memcpy(burst->keys->src6[burst->m6++], p->l3 + 8, 16);
#endif
	}
	burst->kept++;
}
