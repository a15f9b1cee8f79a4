/*
 * own.h: Neighbour Discovery, RFC 4861: solicitations and advertisements. Router discovery and redirects are not a
 * router's to obey (§6.2.6, §8.2), and are passed over. It answers for its own addresses alone (no proxy). Lock held.
 */
#include <string.h>
#include "icmp_message.h"
#include "netmill/parse.h"
#include "own/own.h"

enum { SOLICITATION = 135, ADVERTISEMENT = 136 };
enum {
	FIXED = 24,
	OPTION = 8
}; /* bytes of both messages without options, and of a link-layer address option */
enum { SOURCE_ADDRESS = 1, TARGET_ADDRESS = 2 }; /* options */
enum { ROUTER = 0x80, SOLICITED = 0x40, OVERRIDE = 0x20 };

struct message {
	const uint8_t *ip, *icmp, *target;
	const uint8_t *link_address; /* of the option that belongs to the type; NULL: none */
	uint32_t bytes;
	bool from_nobody, to_group;
};

static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};

void mill_nd_group_mac(uint8_t mac[6], const uint8_t *group)
{
	mac[0] = mac[1] = 0x33;
	memcpy(mac + 2, group + 12, 4);
}

void mill_nd_group(uint8_t group[16], const uint8_t *address)
{
	memset(group, 0, 16);
	group[0] = 0xff;
	group[1] = 2;
	group[11] = 1;
	group[12] = 0xff;
	memcpy(group + 13, address + 13, 3);
}

static bool is_zero(const uint8_t *address)
{
	static const uint8_t zero[16];
	return memcmp(address, zero, 16) == 0;
}

/* With our link-layer address, unless it is from nobody (RFC 4861 §4.3). */
static void say(struct mill_worker *worker, uint16_t slot, const uint8_t mac[6], const uint8_t *source,
                const uint8_t *destination, uint8_t type, uint8_t flags, const uint8_t *target)
{
	uint8_t frame[2 + MILL_IPV6_HEADER + FIXED + OPTION] = {0};
	uint8_t *ip = frame + 2, *icmp = ip + MILL_IPV6_HEADER;
	const uint32_t length = is_zero(source) ? FIXED : FIXED + OPTION;
	mill_store16(frame, MILL_ETHER_IPV6);
	ip[0] = 0x60;
	mill_store16(ip + 4, (uint16_t)length);
	ip[6] = MILL_ICMPV6;
	ip[7] = 255;
	memcpy(ip + 8, source, 16);
	memcpy(ip + 24, destination, 16);
	icmp[0] = type;
	icmp[4] = flags;
	memcpy(icmp + 8, target, 16);
	if (length > FIXED) {
		icmp[FIXED] = type == SOLICITATION ? SOURCE_ADDRESS : TARGET_ADDRESS;
		icmp[FIXED + 1] = 1;
		memcpy(icmp + FIXED + 2, &worker->ifaces[slot].mac, 6);
	}
	mill_store16(icmp + 2,
	             mill_sum_fold(mill_sum16(ip + 8, 32) + MILL_ICMPV6 + length + mill_sum16(icmp, length)));
	mill_own_transmit(worker, slot, mac, frame, (uint16_t)(2 + MILL_IPV6_HEADER + length),
	                  type == SOLICITATION ? MILL_SAID_SOLICITATION : MILL_SAID_ADVERTISEMENT);
}

static void say_to_group(struct mill_worker *worker, uint16_t slot, const uint8_t *source,
                         const uint8_t *target)
{
	uint8_t group[16], to[6];
	mill_nd_group(group, target);
	mill_nd_group_mac(to, group);
	say(worker, slot, to, source, group, SOLICITATION, 0, target);
}

void mill_nd_probe(struct mill_worker *worker, uint16_t slot, const uint8_t *address)
{
	static const uint8_t nobody[16];
	say_to_group(worker, slot, nobody, address);
}

void mill_nd_solicit(struct mill_worker *worker, uint16_t slot, const uint8_t *target, const uint8_t mac[6])
{
	const uint8_t *source = mill_own_source(mill_own_of(worker), slot, 6, target);
	if (source == NULL)
		return;
	if (mac != NULL)
		say(worker, slot, mac, source, target, SOLICITATION, 0, target);
	else
		say_to_group(worker, slot, source, target);
}

void mill_nd_announce(struct mill_worker *worker, uint16_t slot, const uint8_t *address) /* §7.2.6 */
{
	uint8_t to[6];
	mill_nd_group_mac(to, all_nodes);
	say(worker, slot, to, address, all_nodes, ADVERTISEMENT, ROUTER | OVERRIDE, address);
}

/* §7.1.1, §7.1.2: an option of no length makes the message bad; what is behind the first of its kind does not count. */
static bool read_options(struct message *message, uint8_t kind)
{
	uint32_t at = FIXED;
	while (at < message->bytes) {
		const uint8_t *option = message->icmp + at;
		if (message->bytes - at < 2 || option[1] == 0 || option[1] * 8u > message->bytes - at)
			return false;
		if (option[0] == kind && message->link_address == NULL)
			message->link_address = option + 2;
		at += option[1] * 8u;
	}
	return message->link_address == NULL ||
	       ((message->link_address[0] & 1) == 0 && message->link_address[-1] == 1);
}

static bool well_formed(struct message *message, const uint8_t *packet, uint32_t bytes)
{
	if (bytes < MILL_IPV6_HEADER)
		return false;
	const uint32_t length = mill_load16(packet + 4);
	message->ip = packet;
	message->icmp = packet + MILL_IPV6_HEADER;
	message->bytes = length;
	if (length > bytes - MILL_IPV6_HEADER || length < FIXED || packet[6] != MILL_ICMPV6 ||
	    packet[7] != 255 || message->icmp[1] != 0)
		return false;
	message->target = message->icmp + 8;
	message->from_nobody = is_zero(packet + 8);
	message->to_group = packet[24] == 0xff;
	return mill_sum_fold(mill_sum16(packet + 8, 32) + MILL_ICMPV6 + length +
	                     mill_sum16(message->icmp, length)) == 0 &&
	       message->target[0] != 0xff && packet[8] != 0xff;
}

/* §7.2.3, §7.2.4. Asked by nobody: somebody wants the address for himself (RFC 4862 §5.4.3); all are told that it is ours. */
static bool solicited(struct mill_worker *worker, uint16_t slot, const struct message *message,
                      const uint8_t from[6])
{
	struct mill_own *own = mill_own_of(worker);
	const bool anycast = mill_own_anycast(own, slot, message->target);
	const uint8_t override = anycast ? 0 : OVERRIDE;
	uint8_t group[16], to[6];
	mill_nd_group(group, message->target);
	if (message->from_nobody &&
	    (message->link_address != NULL || memcmp(message->ip + 24, group, 16) != 0))
		return false;
	struct mill_own_address *wanted = mill_own_address(own, slot, 6, message->target);
	if (message->from_nobody && wanted != NULL) /* RFC 4862 §5.4.3: two want it, neither gets it */
		mill_own_taken(worker, slot, wanted, from);
	if (!anycast && !mill_own_has(own, slot, 6, message->target))
		return true; /* somebody else's, or not ours yet */
	const uint8_t *source = anycast ? mill_own_source(own, slot, 6, message->ip + 8) : message->target;
	if (message->from_nobody) {
		mill_nd_group_mac(to, all_nodes);
		say(worker, slot, to, source, all_nodes, ADVERTISEMENT, ROUTER | override, message->target);
		return true;
	}
	if (mill_own_has(own, slot, 6, message->ip + 8) || !mill_own_on_link(own, slot, 6, message->ip + 8))
		return false;
	if (message->link_address != NULL)
		mill_neighbour_heard(own, slot, 6, message->ip + 8, message->link_address, worker->now_ns,
		                     true);
	const struct mill_neighbour *n = mill_neighbour_find(own, slot, 6, message->ip + 8);
	say(worker, slot, n != NULL && mill_neighbour_usable(n) ? n->mac : from, source, message->ip + 8,
	    ADVERTISEMENT, ROUTER | SOLICITED | override, message->target);
	return true;
}

/* §7.2.5. */
static bool advertised(struct mill_worker *worker, uint16_t slot, const struct message *message,
                       const uint8_t from[6])
{
	struct mill_own *own = mill_own_of(worker);
	const uint8_t flags = message->icmp[4], *mac = message->link_address;
	if (message->to_group && (flags & SOLICITED) != 0)
		return false;
	struct mill_own_address *address = mill_own_address(own, slot, 6, message->target);
	if (address != NULL && address->state != MILL_OWN_OURS) { /* RFC 4862 §5.4.4 */
		mill_own_taken(worker, slot, address, mac != NULL ? mac : from);
		return true;
	}
	if (address != NULL) {
		if (mac != NULL && memcmp(mac, &worker->ifaces[slot].mac, 6) != 0)
			mill_own_defend(worker, slot, 6, message->target, mac);
		return true;
	}
	struct mill_neighbour *n = mill_neighbour_find(own, slot, 6, message->target);
	if (n == NULL || (mac == NULL && !mill_neighbour_usable(n)))
		return true;
	const bool usable = mill_neighbour_usable(n);
	const bool other = mac != NULL && (!usable || memcmp(n->mac, mac, 6) != 0);
	uint8_t now[6];
	memcpy(now, other ? mac : n->mac, 6);
	if (usable && other && (flags & OVERRIDE) == 0) {
		if (n->state == MILL_NEIGHBOUR_REACHABLE) {
			memcpy(now, n->mac, 6);
			mill_neighbour_set_stale(own, n, now, worker->now_ns);
		}
		return true;
	}
	if ((flags & SOLICITED) != 0)
		mill_neighbour_confirmed(own, n, now, worker->now_ns);
	else if (other)
		mill_neighbour_set_stale(own, n, now, worker->now_ns);
	return true;
}

bool mill_nd_receive(struct mill_worker *worker, uint16_t slot, const uint8_t *frame, uint16_t len,
                     uint16_t l3)
{
	struct message message = {0};
	if (memcmp(frame + 6, &worker->ifaces[slot].mac, 6) == 0)
		return true; /* our own, come back: it must not make our address somebody else's (RFC 7527) */
	if (l3 > len || !well_formed(&message, frame + l3, len - (uint32_t)l3))
		return false;
	if (message.icmp[0] == SOLICITATION)
		return read_options(&message, SOURCE_ADDRESS) && solicited(worker, slot, &message, frame + 6);
	if (message.icmp[0] == ADVERTISEMENT)
		return read_options(&message, TARGET_ADDRESS) &&
		       advertised(worker, slot, &message, frame + 6);
	return true;
}
