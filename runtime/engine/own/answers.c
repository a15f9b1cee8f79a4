/*
 * own.h: what a router must say to others, where there is no kernel to say it. Echo replies (RFC 1812 §4.3.3.6, RFC 4443
 * §4.2), and by icmp.c errors: nobody listens at this port, TTL expired, no way (RFC 1812 §5.2.7.1, RFC 4443 §3). There
 * is no TCP and no UDP here, and nothing is put together from fragments. On the worker that received the packet.
 */
#include <string.h>
#include "icmp_message.h"
#include "netmill/checks.h"
#include "netmill/route.h"
#include "own/own.h"

enum { ECHO = 8, ECHO_REPLY = 0, ECHO6 = 128, ECHO_REPLY6 = 129 };
enum { UNREACHABLE = 3, UNREACHABLE6 = 1, EXPIRED = 11, EXPIRED6 = 3, PARAMETER6 = 4 };
enum {
	NO_PROTOCOL = 2,
	NO_PORT = 3,
	NO_PORT6 = 4,
	UNKNOWN_HEADER6 = 1,
	NO_NEXT_HEADER = 59, /* RFC 8200 §4.7 */
	NO_HOST = 1,
	FILTERED = 13,
	FILTERED6 = 1,
	BEYOND_SCOPE6 = 2
};
enum { OUR_TTL = 64, LINK = 14 };

static bool read_packet(struct mill_packet *p, const uint8_t *frame, uint16_t len, uint16_t l3)
{
	*p = (struct mill_packet){.frame = (uint8_t *)(uintptr_t)frame, .len = len};
	p->l3 = p->frame + l3;
	if (l3 >= len)
		return false;
	const bool v4 = frame[l3] >> 4 == 4;
	if (v4 ? mill_read_ipv4(p) >= 0 || mill_check_ipv4(p) >= 0
	       : mill_read_ipv6(p) >= 0 || mill_check_ipv6(p) >= 0)
		return false;
	p->link_group = (frame[0] & 1) != 0;
	mill_read_l4(p);
	return true;
}

static void refuse(struct mill_worker *worker, uint16_t slot, enum mill_drop why)
{
	worker->if_counters[slot].drop[why]++;
}

static void tell(struct mill_worker *worker, uint16_t slot, const struct mill_packet *p, uint8_t type,
                 uint8_t code, uint32_t field)
{
	if (!p->link_group) /* RFC 1812 §4.3.2.7 */
		mill_service_icmp_error(worker, slot, type, code, field, p->frame, (uint16_t)p->len,
		                        (uint16_t)(p->l3 - p->frame));
}

/* --- echo --------------------------------------------------------------------------------------------------- */

static uint32_t pseudo_header(const uint8_t *ip, uint32_t length)
{
	return mill_sum16(ip + 8, 32) + length + MILL_ICMPV6;
}

static bool sums_up(const struct mill_packet *p)
{
	const uint32_t length = p->ip_len - p->l4_offset;
	const uint32_t sum = mill_sum16(p->l3 + p->l4_offset, length);
	return mill_sum_fold(p->family == 4 ? sum : sum + pseudo_header(p->l3, length)) == 0;
}

/* IP and ICMP headers of the reply over a copy of the message; options and extension headers stay behind. */
static uint32_t write_reply(uint8_t *ip, const struct mill_packet *p, const uint8_t *source, uint16_t id)
{
	const uint32_t header = p->family == 4 ? 20 : MILL_IPV6_HEADER, length = p->ip_len - p->l4_offset;
	uint8_t *icmp = ip + header;
	memset(ip, 0, header);
	memcpy(icmp, p->l3 + p->l4_offset, length);
	icmp[0] = p->family == 4 ? ECHO_REPLY : ECHO_REPLY6;
	mill_store16(icmp + 2, 0);
	if (p->family == 4) {
		ip[0] = 0x45;
		ip[1] =
		    p->l3[1] & 0xfc; /* RFC 1812 §4.3.3.6 asks nothing of it; the kernel reflects it, too */
		mill_store16(ip + 2, (uint16_t)(header + length));
		mill_store16(ip + 4, id);
		ip[8] = OUR_TTL;
		ip[9] = MILL_ICMP;
		memcpy(ip + 12, source, 4);
		memcpy(ip + 16, p->l3 + 12, 4);
		mill_store16(ip + 10, mill_sum_fold(mill_sum16(ip, header)));
		mill_store16(icmp + 2, mill_sum_fold(mill_sum16(icmp, length)));
		return header + length;
	}
	ip[0] = 0x60;
	mill_store16(ip + 4, (uint16_t)length);
	ip[6] = MILL_ICMPV6;
	ip[7] = OUR_TTL;
	memcpy(ip + 8, source, 16);
	memcpy(ip + 24, p->l3 + 8, 16);
	mill_store16(icmp + 2, mill_sum_fold(pseudo_header(ip, length) + mill_sum16(icmp, length)));
	return header + length;
}

/* RFC 4443 §4.2: from the address that was asked, but for a group's and an anycast one. */
static bool source_of_reply(struct mill_own *own, uint16_t slot, const struct mill_packet *p,
                            uint8_t source[16])
{
	const uint8_t *asked = p->l3 + (p->family == 4 ? 16 : 24);
	memcpy(source, asked, p->family == 4 ? 4 : 16);
	if (p->family == 4)
		return true;
	pthread_mutex_lock(&own->lock);
	const bool other =
	    asked[0] == 0xff || (mill_own_anycast(own, slot, asked) && !mill_own_has(own, slot, 6, asked));
	const uint8_t *found = other ? mill_own_source(own, slot, 6, p->l3 + 8) : asked;
	if (found != NULL)
		memcpy(source, found, 16);
	pthread_mutex_unlock(&own->lock);
	return found != NULL;
}

static bool reply(struct mill_worker *worker, uint16_t slot, const struct mill_packet *p)
{
	uint8_t out[MILL_BUF_SIZE_LARGE] = {0}, source[16], mac[6];
	struct mill_own *own = mill_own_of(worker);
	if (p->fragment || p->src4 + p->src6.high + p->src6.low == 0 || !sums_up(p) ||
	    p->ip_len - p->l4_offset < 8 || p->ip_len + LINK > sizeof(out) ||
	    !source_of_reply(own, slot, p, source))
		return false;
	const uint16_t id = ((struct mill_worker_thread *)worker)->icmp_id++;
	const uint32_t length = write_reply(out + LINK, p, source, id);
	mill_store16(out + LINK - 2, p->family == 4 ? MILL_ETHER_IPV4 : MILL_ETHER_IPV6);
	if (p->family == 4 || !mill_link_local(&p->src6))
		return mill_send_to_source(worker, out, LINK + length, p, MILL_SAID_ECHO_REPLY);
	memcpy(mac, p->frame + 6, 6);
	mill_own_transmit(worker, slot, mac, out + LINK - 2, (uint16_t)(2 + length), MILL_SAID_ECHO_REPLY);
	return true;
}

/* --- what is for the router itself ---------------------------------------------------------------------------- */

static const struct mill_adjacency *way_of(const struct mill_worker *worker, struct mill_packet *p)
{
	uint32_t group;
	if (p->family == 4)
		mill_fib_lookup4(worker->fib, &p->dst4, &group, 1);
	else
		mill_fib_lookup6(worker->fib, (const uint8_t(*)[16])(p->l3 + 24), &group, 1);
	return mill_path(worker, p, group);
}

static bool is_echo(const struct mill_packet *p)
{
	if (p->l4 != MILL_L4_READ || p->icmp_code != 0)
		return false;
	return p->family == 4 ? p->proto == MILL_ICMP && p->icmp_type == ECHO
	                      : p->proto == MILL_ICMPV6 && p->icmp_type == ECHO6;
}

/* All nodes; all routers, and the group of each address, to which the interface listens: RFC 4291 §2.8. Lock held. */
static bool is_our_group(const struct mill_own *own, uint16_t slot, const uint8_t *address)
{
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
	const struct mill_own_groups *groups = &own->iface[slot].groups;
	bool ours = memcmp(address, all_nodes, sizeof(all_nodes)) == 0;
	for (uint32_t i = 0; !ours && i < groups->n; i++)
		ours = memcmp(groups->joined[i], address, sizeof(groups->joined[i])) == 0;
	return ours;
}

/* To a group or a link-local address: is it one of this interface's? */
static bool meant(struct mill_worker *worker, uint16_t slot, const struct mill_packet *p)
{
	struct mill_own *own = mill_own_of(worker);
	if (p->family == 4)
		return false; /* RFC 1812 §4.3.3.6: echo requests to many may go unanswered */
	pthread_mutex_lock(&own->lock);
	const bool ours = mill_own_has(own, slot, 6, p->l3 + 24) || is_our_group(own, slot, p->l3 + 24);
	pthread_mutex_unlock(&own->lock);
	return ours;
}

/* RFC 1122 §3.2.2.1, RFC 4443 §3.1 and §3.4: once for all fragments of a packet. `last`: where the last "next header" stands. */
static void nobody_listens(struct mill_worker *worker, uint16_t slot, const struct mill_packet *p,
                           uint32_t last)
{
	const bool has_ports = p->proto == MILL_UDP || p->proto == MILL_TCP;
	refuse(worker, slot, MILL_DROP_HOST_REFUSED);
	if (p->later_fragment)
		return;
	if (p->family == 4 && p->proto != MILL_ICMP)
		tell(worker, slot, p, UNREACHABLE, has_ports ? NO_PORT : NO_PROTOCOL, 0);
	else if (p->family == 6 && has_ports)
		tell(worker, slot, p, UNREACHABLE6, NO_PORT6, 0);
	else if (p->family == 6 && p->proto != MILL_ICMPV6 && p->proto != NO_NEXT_HEADER)
		tell(worker, slot, p, PARAMETER6, UNKNOWN_HEADER6, last);
}

/* What stands in front of the payload: extension headers, or options. */
static bool in_order(struct mill_worker *worker, uint16_t slot, const struct mill_packet *p, uint32_t *last)
{
	struct mill_icmp_error error;
	if (p->family == 4 ? mill_own_options(p, &error) : mill_own_headers(p, &error, last))
		return true;
	refuse(worker, slot, MILL_DROP_HOST_REFUSED);
	if (error.type != 0)
		tell(worker, slot, p, error.type, error.code, error.mtu);
	return false;
}

bool mill_own_answer(struct mill_worker *worker, uint16_t slot, const uint8_t *frame, uint16_t len,
                     uint16_t l3)
{
	struct mill_packet p;
	uint32_t last = 0;
	if (!read_packet(&p, frame, len, l3) || p.l4 == MILL_L4_BROKEN)
		return false;
	if (p.to_host ? !meant(worker, slot, &p)
	              : way_of(worker, &p)->kind == MILL_ADJ_BROADCAST ||
	                    (p.family == 6 && mill_own_unverified(worker, p.l3 + 24)))
		return false;
	if (!in_order(worker, slot, &p, &last))
		return true;
	if (is_echo(&p))
		return reply(worker, slot, &p);
	if (!p.to_host)
		nobody_listens(worker, slot, &p, last);
	else
		refuse(worker, slot, MILL_DROP_HOST_REFUSED);
	return true;
}

/* --- what could not be forwarded ---------------------------------------------------------------------------- */

/* RFC 1812 §5.2.7.1, RFC 4443 §3.1, with the codes that Linux has: an unreachable route says that the host cannot be reached,
 * a prohibiting one that an administrator forbids it; where there is none, or only the kernel's, the network cannot be. */
static void tell_no_way(struct mill_worker *worker, uint16_t slot, const struct mill_packet *p, uint8_t kind)
{
	if (p->family == 4)
		tell(worker, slot, p, UNREACHABLE,
		     kind == MILL_ADJ_PROHIBIT      ? FILTERED
		     : kind == MILL_ADJ_UNREACHABLE ? NO_HOST
		                                    : 0,
		     0);
	else
		tell(worker, slot, p, UNREACHABLE6, kind == MILL_ADJ_PROHIBIT ? FILTERED6 : 0, 0);
}

bool mill_own_exception(struct mill_worker *worker, uint16_t slot, const uint8_t *frame, uint16_t len,
                        uint16_t l3)
{
	struct mill_packet p;
	if (!read_packet(&p, frame, len, l3))
		return false;
	if (mill_ttl(&p) <= 1) {
		refuse(worker, slot, MILL_DROP_TTL_EXPIRED);
		tell(worker, slot, &p, p.family == 4 ? EXPIRED : EXPIRED6, 0, 0);
		return true;
	}
	const struct mill_adjacency *way = way_of(worker, &p);
	const uint8_t kind = way->kind;
	const bool none = kind == MILL_ADJ_NONE || kind == MILL_ADJ_UNREACHABLE ||
	                  kind == MILL_ADJ_PROHIBIT || kind == MILL_ADJ_KERNEL;
	if (!none && p.family == 6 && (mill_link_local(&p.src6) || (p.src6.high | p.src6.low) == 0)) {
		refuse(worker, slot, MILL_DROP_LINK_LOCAL);
		if (mill_leaves(way))
			tell(worker, slot, &p, UNREACHABLE6, BEYOND_SCOPE6, 0);
		return true;
	}
	if (p.options && mill_leaves(way))
		return mill_own_send_on(worker, slot, &p, way);
	if (!none)
		return false;
	refuse(worker, slot, MILL_DROP_NO_ROUTE);
	tell_no_way(worker, slot, &p, kind);
	return true;
}
