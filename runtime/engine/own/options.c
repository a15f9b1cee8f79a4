/*
 * own.h: packets on their way through that carry IPv4 options or a hop-by-hop header, which the forwarder leaves to who can
 * look into them. What asks routers for more than to send it on is refused: source routes, which a router must be told to obey,
 * and to write down where it was and when (RFC 7126 §4). The rest concerns others and is sent on as it is (RFC 1812
 * §4.2.2.6, RFC 8200 §4.3). Malformed options are told of (RFC 1812 §4.3.3.5). Of packets for the router itself source routes and
 * malformed options count alone. On the worker that received the packet.
 */
#include <string.h>
#include "icmp_message.h"
#include "netmill/transmit.h"
#include "own/own.h"

enum { END = 0, NOP = 1, RECORD_ROUTE = 7, TIMESTAMP = 68, LOOSE_ROUTE = 131, STRICT_ROUTE = 137 };
enum { LINK = 14, UNREACHABLE = 3, FRAG_NEEDED = 4, TOO_BIG6 = 2, PARAMETER = 12 };

static void tell(struct mill_worker *worker, uint16_t slot, const struct mill_packet *p, uint8_t type,
                 uint8_t code, uint32_t field)
{
	mill_service_icmp_error(worker, slot, type, code, field, p->frame, (uint16_t)p->len,
	                        (uint16_t)(p->l3 - p->frame));
}

static bool routes(uint8_t option)
{
	return option == LOOSE_ROUTE || option == STRICT_ROUTE;
}

static bool for_routers(uint8_t option)
{
	return option == RECORD_ROUTE || option == TIMESTAMP || routes(option);
}

/* 0: nothing in them keeps the packet; else where the option is that does. */
static uint32_t objection(const uint8_t *ip, bool (*unwanted)(uint8_t option), bool *malformed)
{
	const uint32_t end = (ip[0] & 15u) * 4;
	*malformed = false;
	for (uint32_t at = 20; at < end && ip[at] != END;) {
		const uint32_t size = ip[at] == NOP ? 1 : at + 1 < end ? ip[at + 1] : 0;
		*malformed = size == 0 || (ip[at] != NOP && size < 2) || at + size > end;
		if (*malformed || unwanted(ip[at]))
			return at;
		at += size;
	}
	return 0;
}

static bool fits(struct mill_worker *worker, uint16_t slot, const struct mill_packet *p, uint32_t mtu)
{
	if (p->ip_len <= mtu || (p->family == 4 && (p->l3[6] & 0x40) == 0))
		return true;
	worker->if_counters[slot].drop[MILL_DROP_TOO_BIG]++;
	if (p->family == 4)
		tell(worker, slot, p, UNREACHABLE, FRAG_NEEDED, mtu);
	else
		tell(worker, slot, p, TOO_BIG6, 0, mtu);
	return false;
}

bool mill_own_send_on(struct mill_worker *worker, uint16_t slot, const struct mill_packet *p,
                      const struct mill_adjacency *path)
{
	uint8_t out[LINK + MILL_BUF_SIZE_LARGE];
	bool malformed = false;
	const uint32_t where = p->family == 4 ? objection(p->l3, for_routers, &malformed) : 0;
	if (where != 0) {
		if (malformed)
			tell(worker, slot, p, PARAMETER, 0, (where + 1) << 24);
		return false;
	}
	if (p->ip_len > MILL_BUF_SIZE_LARGE || !fits(worker, slot, p, worker->ifaces[path->iface].mtu))
		return true;
	mill_store16(out + LINK - 2, p->family == 4 ? MILL_ETHER_IPV4 : MILL_ETHER_IPV6);
	memcpy(out + LINK, p->l3, p->ip_len);
	if (p->family == 4)
		mill_ipv4_lower_ttl(out + LINK);
	else
		out[LINK + 7]--;
	if (!mill_icmp_send(worker, path, out, LINK + p->ip_len, p->family))
		worker->if_counters[slot].drop[MILL_DROP_UNRESOLVED]++;
	return true;
}

bool mill_own_options(const struct mill_packet *p, struct mill_icmp_error *error)
{
	bool malformed;
	const uint32_t where = objection(p->l3, routes, &malformed);
	*error = (struct mill_icmp_error){0};
	if (malformed)
		*error = (struct mill_icmp_error){.type = PARAMETER, .mtu = (where + 1) << 24};
	return where == 0;
}
