/*
 * Answers for the addresses that the tool plays: a station behind VLAN tags has no kernel device here, so ARP
 * (RFC 826), Neighbour Solicitation (RFC 4861 §7.2.3) and ping (RFC 792, RFC 4443 §4) are answered by hand, with
 * the tags of the question. Called by the sink thread with the sink's lock held.
 */
#include <net/ethernet.h>
#include <netinet/in.h>
#include <string.h>
#include "traffic.h"

static bool same_tags(const struct tags *a, const struct tags *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned i = 0; i < a->n; i++)
		if (a->tpid[i] != b->tpid[i] || a->vid[i] != b->vid[i])
			return false;
	return true;
}

static const struct identity *find(const struct tags *tags, uint8_t family, const uint8_t *bytes)
{
	unsigned length = family == 4 ? 4 : 16;

	for (unsigned i = 0; i < sink.n_identities; i++) {
		const struct identity *who = &sink.identity[i];
		if (who->address.family == family && same_tags(&who->tags, tags) &&
		    !memcmp(who->address.bytes, bytes, length))
			return who;
	}
	return NULL;
}

static bool answer_arp(const uint8_t *frame, uint32_t length, const struct layout *at)
{
	static const uint8_t request[8] = {0, 1, 8, 0, 6, 4, 0, 1};
	const uint8_t *arp = frame + at->l3;
	uint8_t out[64] = {0};

	if (length < at->l3 + 28u || memcmp(arp, request, sizeof request))
		return false;
	const struct identity *who = find(&at->tags, 4, arp + 24);
	if (!who)
		return false;
	uint32_t l3 = put_ethernet(out, arp + 8, who->mac, &at->tags, ETHERTYPE_ARP);
	memcpy(out + l3, request, sizeof request);
	out[l3 + 7] = 2;
	memcpy(out + l3 + 8, who->mac, 6);
	memcpy(out + l3 + 14, arp + 24, 4);
	memcpy(out + l3 + 18, arp + 8, 10);
	return send_frame(out, l3 + 28 < 60 ? 60 : l3 + 28);
}

static void put_icmpv6_checksum(uint8_t *frame, const struct layout *at)
{
	memset(frame + at->l4 + 2, 0, 2);
	uint16_t sum = checksum_fold(
	    checksum_add(pseudo_header_sum(frame, at), frame + at->l4, (uint32_t)(at->end - at->l4)));
	memcpy(frame + at->l4 + 2, &sum, 2);
}

/* A Neighbour Advertisement: 24 bytes and the target's link-layer address option. */
static uint32_t put_advertisement(uint8_t *out, const struct identity *who, const uint8_t mac[6],
                                  const uint8_t to[16], uint8_t flags)
{
	uint32_t l3 = put_ethernet(out, mac, who->mac, &who->tags, ETHERTYPE_IPV6);
	uint8_t *ip = out + l3, *icmp = ip + 40;
	struct layout at;

	ip[0] = 0x60;
	ip[5] = 32;
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = 255;
	memcpy(ip + 8, who->address.bytes, 16);
	memcpy(ip + 24, to, 16);
	icmp[0] = 136;
	icmp[4] = flags;
	memcpy(icmp + 8, who->address.bytes, 16);
	icmp[24] = 2;
	icmp[25] = 1;
	memcpy(icmp + 26, who->mac, 6);
	parse_frame(out, l3 + 72, &at);
	put_icmpv6_checksum(out, &at);
	return l3 + 72;
}

static bool answer_solicitation(const uint8_t *frame, const struct layout *at)
{
	static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1}, unspecified[16],
	                     multicast[6] = {0x33, 0x33, [5] = 1};
	const uint8_t *ip = frame + at->l3;
	uint8_t out[128] = {0};

	if (frame[at->l4] != 135 || at->end < at->l4 + 24)
		return false;
	const struct identity *who = find(&at->tags, 6, frame + at->l4 + 8);
	if (!who)
		return false;
	bool probe = !memcmp(ip + 8, unspecified, 16); /* duplicate address detection */
	uint32_t length = put_advertisement(out, who, probe ? multicast : frame + 6,
	                                    probe ? all_nodes : ip + 8, probe ? 0x20 : 0x60);
	return send_frame(out, length);
}

static bool answer_echo(const uint8_t *frame, uint32_t length, const struct layout *at)
{
	static uint8_t out[MAX_FRAME];
	bool v4 = at->family == 4;
	unsigned width = v4 ? 4 : 16, src = at->l3 + (v4 ? 12u : 8u);

	if (length > MAX_FRAME || frame[at->l4] != (v4 ? 8 : 128))
		return false;
	const struct identity *who = find(&at->tags, at->family, frame + src + width);
	if (!who)
		return false;
	memcpy(out, frame, length);
	memcpy(out, frame + 6, 6);
	memcpy(out + 6, who->mac, 6);
	memcpy(out + src, frame + src + width, width);
	memcpy(out + src + width, frame + src, width);
	out[at->l4] = v4 ? 0 : 129;
	out[at->l3 + (v4 ? 8 : 7)] = 64;
	if (!v4) {
		put_icmpv6_checksum(out, at);
		return send_frame(out, length);
	}
	memset(out + at->l3 + 10, 0, 2);
	uint16_t sum = checksum_fold(checksum_add(0, out + at->l3, (uint32_t)(at->l4 - at->l3)));
	memcpy(out + at->l3 + 10, &sum, 2);
	memset(out + at->l4 + 2, 0, 2);
	sum = checksum_fold(checksum_add(0, out + at->l4, (uint32_t)(at->end - at->l4)));
	memcpy(out + at->l4 + 2, &sum, 2);
	return send_frame(out, length);
}

bool answer(const uint8_t *frame, uint32_t length, const struct layout *at)
{
	if (!sink.n_identities)
		return false;
	if (at->ethertype == ETHERTYPE_ARP)
		return answer_arp(frame, length, at);
	if (!at->payload)
		return false;
	if (at->protocol == IPPROTO_ICMPV6 && answer_solicitation(frame, at))
		return true;
	if (at->protocol == IPPROTO_ICMP || at->protocol == IPPROTO_ICMPV6)
		return answer_echo(frame, length, at);
	return false;
}

/* Gratuitous ARP (RFC 5227 §3) or an unsolicited Neighbour Advertisement (RFC 4861 §7.2.6). */
void announce(const struct identity *who)
{
	static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255},
	                     all_nodes[16] = {0xff, 0x02, [15] = 1}, multicast[6] = {0x33, 0x33, [5] = 1},
	                     head[8] = {0, 1, 8, 0, 6, 4, 0, 1};
	uint8_t out[128] = {0};

	if (who->address.family == 6) {
		send_frame(out, put_advertisement(out, who, multicast, all_nodes, 0x20));
		return;
	}
	uint32_t l3 = put_ethernet(out, broadcast, who->mac, &who->tags, ETHERTYPE_ARP);
	memcpy(out + l3, head, sizeof head);
	memcpy(out + l3 + 8, who->mac, 6);
	memcpy(out + l3 + 14, who->address.bytes, 4);
	memcpy(out + l3 + 24, who->address.bytes, 4);
	send_frame(out, 60);
}
