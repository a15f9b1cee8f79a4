/*
 * How a packet comes in: by which logical interface, whether it is in order, and what is kept of it for rules and routes.
 * Nearly all are plain, and decided at once: one chain of tests that none of them fails. What fails one is looked at
 * again from the beginning, by the whole of netmill/checks.h, which knows what is wrong with it, if anything is.
 */
#pragma once
#include "netmill/checks.h"

/* A logical interface, looked up for one packet, or once for all packets of an untagged port's burst. */
struct mill_face {
	uint64_t mac;
	uint16_t slot;
	uint16_t local; /* interface number in the policy */
#ifdef MILL_URPF
	uint8_t urpf; /* enum mill_urpf */
#endif
};

MILL_HOT struct mill_face mill_face(const struct mill_worker *w, uint16_t local)
{
	const uint16_t slot = w->bind->iface[local];
	return (struct mill_face){.mac = w->ifaces[slot].mac, .slot = slot, .local = local};
}

#ifdef MILL_URPF
/* Of an interface that asks for a way back to the source. */
MILL_HOT struct mill_face mill_face_urpf(const struct mill_worker *w, uint16_t local, enum mill_urpf urpf)
{
	struct mill_face face = mill_face(w, local);
	face.urpf = (uint8_t)urpf;
	return face;
}
#endif

MILL_HOT void mill_arrive(struct mill_worker *w, struct mill_packet *p, struct mill_face face)
{
	p->local = face.local;
	p->iface = face.slot;
	p->gateway = MILL_NO_GATEWAY;
	p->mark = MILL_NO_MARK;
#ifdef MILL_URPF
	p->urpf = face.urpf;
#endif
#ifdef MILL_SETS
	p->worker = w;
#endif
	(void)w;
}

/* Link header and tags are read. True: an IP packet in order, for rules and routes to decide. */
MILL_COLD bool mill_enter_any(struct mill_worker *w, struct mill_packet *p, struct mill_face face)
{
	int reason;
	mill_arrive(w, p, face);
	p->doubtful = true;
	if (!mill_for_this_station(p, face.mac))
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

/* The same from the first byte on, on a port without VLANs. */
MILL_COLD bool mill_enter_untagged(struct mill_worker *w, struct mill_packet *p, struct mill_face face)
{
	p->iface = face.slot;
	if (!mill_read_ethernet(p, 0))
		return mill_drop(w, p, MILL_DROP_TRUNCATED_FRAME);
	return mill_enter_any(w, p, face);
}

/* First octets of addresses that are not surely of one host somewhere: of 0/8, 127/8, 224/4 and 240/4. */
static const uint8_t mill_odd4[256] = {[0] = 1, [127] = 1, [224 ... 255] = 1};

/* The same of ::, ::1, mapped addresses (00), link-local (fe) and multicast ones (ff). */
MILL_HOT bool mill_odd6(uint8_t first)
{
	return (uint8_t)(first + 2) <= 2;
}

/* Sent to this station alone. */
MILL_HOT bool mill_plain_station(const uint8_t *frame, struct mill_face face)
{
	uint64_t to;
	memcpy(&to, frame, sizeof(to));
	return (to & 0xffffffffffffull) == face.mac;
}

/* Version 4, five words of header, no fragment: the bits of its first eight bytes that say so, and what they say. */
#define MILL_PLAIN4_BITS 0xff3f0000000000ffull
#define MILL_PLAIN4      0x45ull

/* 20 bytes of `available` are there. Whole, without options, a TTL to spend, from a host to a host, lengths and sum in
 * order: there is nothing in mill_read_ipv4, mill_check_ipv4 and mill_may_forward that would stop it. */
MILL_HOT bool mill_plain_ipv4(const uint8_t *ip, uint32_t available)
{
	uint64_t first;
	memcpy(&first, ip, sizeof(first));
	return (first & MILL_PLAIN4_BITS) == MILL_PLAIN4 && ip[8] > 1 &&
	       (mill_odd4[ip[12]] | mill_odd4[ip[16]]) == 0 && mill_load16(ip + 2) - 20u <= available - 20 &&
	       mill_ipv4_checksum_ok(ip, 20);
}

MILL_HOT bool mill_plain_ipv6(const uint8_t *ip, uint32_t available)
{
	return available >= MILL_IPV6_HEADER && ip[0] >> 4 == 6 && ip[6] != 0 && ip[7] > 1 &&
	       !mill_odd6(ip[8]) && !mill_odd6(ip[24]) && mill_load16(ip + 4) <= available - MILL_IPV6_HEADER;
}

/* What mill_read_ipv4 and its like would find in a plain packet; of its link header `vlan` alone is known. */
MILL_HOT void mill_take_plain(struct mill_packet *p, uint8_t *ip, uint8_t family)
{
	if (family == 4) {
		const uint32_t ip_len = mill_load16(ip + 2), src = mill_load32(ip + 12),
		               dst = mill_load32(ip + 16);
		p->l4_offset = 20;
		p->proto = ip[9];
		p->ip_len = ip_len;
		p->src4 = src;
		p->dst4 = dst;
	} else {
		p->ip_len = MILL_IPV6_HEADER + mill_load16(ip + 4);
		p->proto = ip[6];
		p->src6 = (struct mill_address6){mill_load64(ip + 8), mill_load64(ip + 16)};
		p->dst6 = (struct mill_address6){mill_load64(ip + 24), mill_load64(ip + 32)};
	}
	p->l3 = ip;
	p->family = family;
	p->l4 = MILL_L4_UNREAD;
	p->fragment = p->later_fragment = p->options = p->to_host = p->link_group = p->doubtful = false;
}

/* The packet came in by the one interface of its port. True: in order, for rules and routes to decide. */
MILL_HOT bool mill_enter(struct mill_worker *w, struct mill_packet *p, struct mill_face face)
{
	uint8_t *ip = p->frame + MILL_ETHER_HEADER;
	const uint32_t available = p->len - MILL_ETHER_HEADER;
	if (mill_unlikely(p->len < MILL_ETHER_HEADER + MILL_IPV4_HEADER ||
	                  !mill_plain_station(p->frame, face)))
		return mill_enter_untagged(w, p, face);
	const uint16_t ethertype = mill_load16(p->frame + 12);
	p->vlan = 0;
	mill_arrive(w, p, face);
	if (ethertype == MILL_ETHER_IPV4 && mill_plain_ipv4(ip, available))
		mill_take_plain(p, ip, 4);
	else if (ethertype == MILL_ETHER_IPV6 && mill_plain_ipv6(ip, available))
		mill_take_plain(p, ip, 6);
	else
		return mill_enter_untagged(w, p, face);
	return true;
}

/* By one of several interfaces of its port, which are told apart by tags: these and the link header are read. */
MILL_HOT bool mill_enter_tagged(struct mill_worker *w, struct mill_packet *p, struct mill_face face)
{
	const uint32_t available = mill_l3_bytes(p);
	mill_count(&w->if_counters[face.slot].rx, p->len);
	mill_arrive(w, p, face);
	if (mill_unlikely(available < MILL_IPV4_HEADER || !mill_plain_station(p->frame, face)))
		return mill_enter_any(w, p, face);
	if (p->ethertype == MILL_ETHER_IPV4 && mill_plain_ipv4(p->l3, available))
		mill_take_plain(p, p->l3, 4);
	else if (p->ethertype == MILL_ETHER_IPV6 && mill_plain_ipv6(p->l3, available))
		mill_take_plain(p, p->l3, 6);
	else
		return mill_enter_any(w, p, face);
	return true;
}

/* A frame that no interface of the port takes; `local` is the port's first, whose counters tell of it. */
MILL_COLD bool mill_reject(struct mill_worker *w, struct mill_packet *p, uint16_t local,
                           enum mill_drop reason)
{
	p->iface = w->bind->iface[local];
	mill_count(&w->if_counters[p->iface].rx, p->len);
	return mill_drop(w, p, reason);
}

/* All of an untagged port's burst came in by this interface. */
MILL_HOT void mill_burst_received(struct mill_worker *w, const struct mill_burst *burst,
                                  struct mill_face face)
{
	struct mill_counter *rx = &w->if_counters[face.slot].rx;
	rx->packets += burst->n;
	rx->bytes += burst->bytes;
}

/* The packet waits for all others, to be judged with them. */
static inline void mill_burst_enter(struct mill_burst *burst)
{
	burst->end++;
}

/* No more enter. */
static inline void mill_burst_entered(struct mill_burst *burst)
{
	burst->entered = burst->end;
	burst->judged = burst->end = burst->kept->packet;
}

/* The next of those that entered, or NULL; it stands where it stays if it is kept. */
static inline struct mill_packet *mill_burst_judge(struct mill_burst *burst)
{
	struct mill_packet *p = burst->end;
	if (burst->judged == burst->entered)
		return NULL;
	if (burst->judged != p)
		*p = *burst->judged;
	burst->judged++;
	return p;
}

/* Whether the way back to the packet's source is looked up: it may be an address of the router, or its interface wants
 * to know. */
MILL_HOT bool mill_asks_source4(const struct mill_worker *w, const struct mill_packet *p)
{
#ifdef MILL_URPF
	if (mill_needs_way_back(p))
		return true;
#endif
	return mill_fib_may_be_own4(w->fib, p->src4);
}

/* Rules have let the packet pass: what is for every host goes to ours, the rest is looked up together. */
MILL_HOT void mill_burst_keep(struct mill_worker *w, struct mill_burst *burst, struct mill_packet *p)
{
	struct mill_kept *kept = burst->kept;
	if (mill_unlikely(p->to_host)) {
#ifdef MILL_URPF
		if (!mill_has_way_back_alone(w, p))
			return;
#endif
		mill_deliver(w, p);
		return;
	}
	if (p->family == 4) {
		if (mill_unlikely(mill_asks_source4(w, p))) {
			kept->src4[burst->m4++] = p->src4;
			burst->asked4 |= 1ull << burst->n4;
		}
		kept->dst4[burst->n4++] = p->dst4;
	} else {
		memcpy(kept->dst6[burst->n6++], p->l3 + 24, 16);
#ifdef MILL_URPF
		if (mill_needs_way_back(p))
			memcpy(kept->src6[burst->m6++], p->l3 + 8, 16);
#endif
	}
	burst->end = p + 1;
}
