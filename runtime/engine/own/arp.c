/*
 * own.h: ARP for IPv4 over Ethernet, RFC 826, and of RFC 5227 what a router with a given address needs: it answers probes,
 * announces itself, and defends its address. It answers for its own addresses alone (no proxy). Lock held.
 */
#include <string.h>
#include "netmill/parse.h"
#include "own/own.h"

enum {
	HARDWARE = 0,
	PROTOCOL = 2,
	SIZES = 4,
	OPERATION = 6,
	SENDER_MAC = 8,
	SENDER = 14,
	TARGET_MAC = 18,
	TARGET = 24,
	BYTES = 28
};
enum { REQUEST = 1, REPLY = 2 };

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t nothing[6];

static void say(struct mill_worker *worker, uint16_t slot, const uint8_t to[6], uint16_t operation,
                const uint8_t *sender, const uint8_t *target, const uint8_t target_mac[6])
{
	uint8_t frame[2 + BYTES], *arp = frame + 2;
	mill_store16(frame, MILL_ETHER_ARP);
	mill_store16(arp + HARDWARE, 1); /* Ethernet */
	mill_store16(arp + PROTOCOL, MILL_ETHER_IPV4);
	arp[SIZES] = 6;
	arp[SIZES + 1] = 4;
	mill_store16(arp + OPERATION, operation);
	memcpy(arp + SENDER_MAC, &worker->ifaces[slot].mac, 6);
	memcpy(arp + SENDER, sender, 4);
	memcpy(arp + TARGET_MAC, target_mac, 6);
	memcpy(arp + TARGET, target, 4);
	mill_own_transmit(worker, slot, to, frame, sizeof(frame),
	                  operation == REQUEST ? MILL_SAID_ARP_REQUEST : MILL_SAID_ARP_REPLY);
}

void mill_arp_request(struct mill_worker *worker, uint16_t slot, const uint8_t *target, const uint8_t mac[6])
{
	const uint8_t *source = mill_own_source(mill_own_of(worker), slot, 4, target);
	if (source != NULL)
		say(worker, slot, mac != NULL ? mac : broadcast, REQUEST, source, target, nothing);
}

void mill_arp_announce(struct mill_worker *worker, uint16_t slot, const uint8_t *address)
{
	say(worker, slot, broadcast, REQUEST, address, address, nothing); /* RFC 5227 §2.3 */
}

static bool well_formed(const uint8_t *arp, uint32_t bytes)
{
	static const uint8_t zero[6];
	return bytes >= BYTES && mill_load16(arp + HARDWARE) == 1 &&
	       mill_load16(arp + PROTOCOL) == MILL_ETHER_IPV4 && arp[SIZES] == 6 && arp[SIZES + 1] == 4 &&
	       (mill_load16(arp + OPERATION) == REQUEST || mill_load16(arp + OPERATION) == REPLY) &&
	       (arp[SENDER_MAC] & 1) == 0 && memcmp(arp + SENDER_MAC, zero, 6) != 0;
}

/* RFC 826: whoever asks for us is learned; whoever tells of himself otherwise only if he is known. */
static void learn(struct mill_worker *worker, uint16_t slot, const uint8_t *arp, bool to_us, bool by_group)
{
	struct mill_own *own = mill_own_of(worker);
	const uint8_t *sender = arp + SENDER, *mac = arp + SENDER_MAC;
	struct mill_neighbour *n = mill_neighbour_find(own, slot, 4, sender);
	if (mill_load16(arp + OPERATION) == REPLY && to_us && !by_group && n != NULL)
		mill_neighbour_confirmed(own, n, mac, worker->now_ns);
	else
		mill_neighbour_heard(own, slot, 4, sender, mac, worker->now_ns,
		                     to_us && mill_load16(arp + OPERATION) == REQUEST);
}

bool mill_arp_receive(struct mill_worker *worker, uint16_t slot, const uint8_t *frame, uint16_t len,
                      uint16_t l3)
{
	const struct mill_own *own = mill_own_of(worker);
	const uint8_t *arp = frame + l3;
	if (l3 > len || !well_formed(arp, len - (uint32_t)l3))
		return false;
	const bool to_us = mill_own_has(own, slot, 4, arp + TARGET);
	const bool probe = mill_load32(arp + SENDER) == 0; /* RFC 5227 §1.1 */
	if (memcmp(arp + SENDER_MAC, &worker->ifaces[slot].mac, 6) == 0)
		return true; /* our own, come back */
	if (!probe && mill_own_has(own, slot, 4, arp + SENDER)) {
		mill_own_defend(worker, slot, 4, arp + SENDER, arp + SENDER_MAC);
		return true;
	}
	if (!probe && !mill_own_on_link(own, slot, 4, arp + SENDER))
		return false;
	if (!probe)
		learn(worker, slot, arp, to_us, (frame[0] & 1) != 0);
	if (to_us && mill_load16(arp + OPERATION) == REQUEST)
		say(worker, slot, arp + SENDER_MAC, REPLY, arp + TARGET, arp + SENDER, arp + SENDER_MAC);
	return true;
}
