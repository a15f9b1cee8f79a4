/*
 * own.h: extension headers of IPv6 packets for the router itself, one after the other from the first byte on. A forwarder passes
 * them over; who is asked must look into them, and tell or drop as options that it does not know say (RFC 8200 §4). It knows of no
 * option but padding and router alert, and of no routing header. Pure; on the worker that received the packet.
 */
#include "icmp_message.h"
#include "netmill/parse.h"
#include "own/own.h"

enum { HOP_BY_HOP = 0, PARAMETER = 4, WRONG_FIELD = 0, UNKNOWN_HEADER = 1, UNKNOWN_OPTION = 2 };
enum { PAD1 = 0, PADN = 1, ROUTER_ALERT = 5 };
enum { SKIP, DROP, TELL, TELL_BUT_FOR_GROUPS }; /* the two highest bits of an option's type: §4.2 */

static bool object(struct mill_icmp_error *error, uint8_t code, uint32_t where)
{
	*error = (struct mill_icmp_error){.type = PARAMETER, .code = code, .mtu = where};
	return false;
}

/* From `at`, the first option, to `end`. */
static bool options(const uint8_t *ip, uint32_t at, uint32_t end, struct mill_icmp_error *error)
{
	while (at < end) {
		if (ip[at] == PAD1) {
			at++;
			continue;
		}
		if (end - at < 2 || end - at - 2 < ip[at + 1])
			return false; /* it goes beyond its header, as the kernel has it: nobody is told */
		const uint32_t action = ip[at] >> 6;
		if (ip[at] != PADN && ip[at] != ROUTER_ALERT && action != SKIP)
			return action == DROP || (action == TELL_BUT_FOR_GROUPS && ip[24] == 0xff)
			           ? false
			           : object(error, UNKNOWN_OPTION, at);
		at += 2u + ip[at + 1];
	}
	return true;
}

bool mill_own_headers(const struct mill_packet *p, struct mill_icmp_error *error, uint32_t *last)
{
	const uint8_t *ip = p->l3;
	uint32_t at = MILL_IPV6_HEADER, next = ip[6];
	*error = (struct mill_icmp_error){0};
	*last = 6;
	while (at < p->l4_offset) {
		const bool fragment = next == MILL_FRAG;
		const uint32_t length = fragment            ? 8
		                        : next == MILL_AUTH ? (ip[at + 1] + 2u) * 4
		                                            : (ip[at + 1] + 1u) * 8;
		if (next == HOP_BY_HOP && at != MILL_IPV6_HEADER) /* §4.1: first, or unknown */
			return object(error, UNKNOWN_HEADER, *last);
		if (next == MILL_ROUTING && ip[at + 3] != 0) /* §4.4; of type 0, too: RFC 5095 §3 */
			return object(error, WRONG_FIELD, at + 2);
		if ((next == HOP_BY_HOP || next == MILL_DESTOPT) && !options(ip, at + 2, at + length, error))
			return false;
		*last = at;
		next = ip[at];
		at += length;
	}
	return true;
}
