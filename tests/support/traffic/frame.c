/*
 * Frames of the traffic tool: taking them apart, putting flows' templates together, checksums (RFC 1071).
 * A template is built once; the sender changes only sequence number and time in it, and takes the checksum from
 * the sum of everything else. Used from every thread; no state.
 */
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "traffic.h"

static uint16_t load16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void store16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static bool is_tag(uint16_t ethertype)
{
	return ethertype == 0x8100 || ethertype == 0x88a8;
}

static bool parse_ipv4(const uint8_t *frame, uint32_t length, struct layout *at)
{
	const uint8_t *ip = frame + at->l3;

	if (length < at->l3 + 20u || ip[0] >> 4 != 4)
		return false;
	unsigned header = (ip[0] & 15) * 4u, total = load16(ip + 2);
	if (header < 20 || total < header || at->l3 + total > length)
		return false;
	at->family = 4;
	at->ttl = ip[8];
	at->protocol = ip[9];
	at->end = (uint16_t)(at->l3 + total);
	if ((load16(ip + 6) & 0x1fff) == 0)
		at->l4 = (uint16_t)(at->l3 + header);
	return true;
}

static bool parse_ipv6(const uint8_t *frame, uint32_t length, struct layout *at)
{
	const uint8_t *ip = frame + at->l3;

	if (length < at->l3 + 40u || ip[0] >> 4 != 6 || at->l3 + 40u + load16(ip + 4) > length)
		return false;
	at->family = 6;
	at->ttl = ip[7];
	at->protocol = ip[6];
	at->end = (uint16_t)(at->l3 + 40 + load16(ip + 4));
	at->l4 = (uint16_t)(at->l3 + 40);
	return true;
}

static void find_payload(const uint8_t *frame, struct layout *at)
{
	unsigned header = 0;

	if (!at->l4)
		return;
	if (at->protocol == IPPROTO_UDP || at->protocol == IPPROTO_ICMP || at->protocol == IPPROTO_ICMPV6)
		header = 8;
	else if (at->protocol == IPPROTO_TCP && at->l4 + 20 <= at->end)
		header = (frame[at->l4 + 12] >> 4) * 4u;
	if (header && at->l4 + header <= at->end)
		at->payload = (uint16_t)(at->l4 + header);
}

bool parse_frame(const uint8_t *frame, uint32_t length, struct layout *at)
{
	uint32_t offset = 12;

	memset(at, 0, sizeof *at);
	if (length < 14)
		return false;
	for (at->ethertype = load16(frame + 12); is_tag(at->ethertype) && at->tags.n < 2;) {
		if (length < offset + 6)
			return false;
		at->tags.tpid[at->tags.n] = at->ethertype;
		at->tags.vid[at->tags.n++] = load16(frame + offset + 2) & 0xfff;
		offset += 4;
		at->ethertype = load16(frame + offset);
	}
	at->l3 = (uint16_t)(offset + 2);
	if (at->ethertype == ETHERTYPE_IP && !parse_ipv4(frame, length, at))
		return false;
	if (at->ethertype == ETHERTYPE_IPV6 && !parse_ipv6(frame, length, at))
		return false;
	find_payload(frame, at);
	return true;
}

uint32_t checksum_add(uint32_t sum, const void *bytes, uint32_t length)
{
	const uint8_t *p = bytes;
	uint64_t wide = sum;
	uint16_t half;

	for (; length > 1; length -= 2, p += 2) {
		memcpy(&half, p, 2);
		wide += half;
	}
	if (length) {
		half = 0;
		memcpy(&half, p, 1);
		wide += half;
	}
	while (wide >> 32)
		wide = (wide & 0xffffffff) + (wide >> 32);
	return (uint32_t)wide;
}

/* The result is in the order of the wire: store it as it is in memory. */
uint16_t checksum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint32_t pseudo_header_sum(const uint8_t *frame, const struct layout *at)
{
	uint32_t tail[2] = {htonl((uint32_t)(at->end - at->l4)), htonl(at->protocol)};

	if (at->protocol == IPPROTO_ICMP)
		return 0;
	uint32_t sum = at->family == 4 ? checksum_add(0, frame + at->l3 + 12, 8)
	                               : checksum_add(0, frame + at->l3 + 8, 32);
	return checksum_add(sum, tail, sizeof tail);
}

uint8_t payload_byte(uint16_t flow, uint32_t index)
{
	return (uint8_t)(flow * 31u + index * 7u + 1u);
}

uint32_t put_ethernet(uint8_t *frame, const uint8_t dst[6], const uint8_t src[6], const struct tags *tags,
                      uint16_t ethertype)
{
	uint32_t at = 12;

	memcpy(frame, dst, 6);
	memcpy(frame + 6, src, 6);
	for (unsigned i = 0; i < tags->n; i++, at += 4) {
		store16(frame + at, tags->tpid[i]);
		store16(frame + at + 2, tags->vid[i]);
	}
	store16(frame + at, ethertype);
	return at + 2;
}

/* What a flow is made of; every field has a default that makes a plain packet. */
struct flow_spec {
	struct address src, dst;
	struct tags tags;
	uint8_t src_mac[6], dst_mac[6];
	uint8_t protocol, ttl, tos;
	uint16_t sport, dport;
	uint32_t size; /* of the frame without FCS, tags included */
	bool df;
};

static const char *read_spec(struct flow_spec *spec, const struct words *words, const uint8_t own_mac[6])
{
	const char *protocol = word(words, "proto", "udp");

	memcpy(spec->src_mac, own_mac, 6);
	if (!parse_address(word(words, "src", ""), &spec->src) ||
	    !parse_address(word(words, "dst", ""), &spec->dst))
		return "flow: src= and dst= must be addresses";
	if (spec->src.family != spec->dst.family)
		return "flow: src and dst are of different families";
	if (!parse_tags(word(words, "tags", ""), &spec->tags))
		return "flow: tags= is TPID:VID or TPID:VID,TPID:VID";
	if (!parse_mac(word(words, "dmac", ""), spec->dst_mac))
		return "flow: dmac= must be a MAC address";
	if (*word(words, "smac", "") && !parse_mac(word(words, "smac", ""), spec->src_mac))
		return "flow: smac= must be a MAC address";
	if (!strcmp(protocol, "udp"))
		spec->protocol = IPPROTO_UDP;
	else if (!strcmp(protocol, "tcp"))
		spec->protocol = IPPROTO_TCP;
	else if (!strcmp(protocol, "icmp"))
		spec->protocol = spec->src.family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	else
		return "flow: proto= is udp, tcp or icmp";
	spec->ttl = (uint8_t)word_number(words, "ttl", 64);
	spec->tos = (uint8_t)word_number(words, "tos", 0);
	spec->sport = (uint16_t)word_number(words, "sport", 10000);
	spec->dport = (uint16_t)word_number(words, "dport", 9);
	spec->size = (uint32_t)word_number(words, "size", 0);
	spec->df = word_number(words, "df", 0) != 0;
	return NULL;
}

static uint32_t put_ip(uint8_t *ip, const struct flow_spec *spec, uint32_t l4_length)
{
	if (spec->src.family == 4) {
		ip[0] = 0x45;
		ip[1] = spec->tos;
		store16(ip + 2, 20 + l4_length);
		store16(ip + 6, spec->df ? 0x4000 : 0);
		ip[8] = spec->ttl;
		ip[9] = spec->protocol;
		memcpy(ip + 12, spec->src.bytes, 4);
		memcpy(ip + 16, spec->dst.bytes, 4);
		uint16_t sum = checksum_fold(checksum_add(0, ip, 20));
		memcpy(ip + 10, &sum, 2);
		return 20;
	}
	ip[0] = (uint8_t)(0x60 | spec->tos >> 4);
	ip[1] = (uint8_t)(spec->tos << 4);
	store16(ip + 4, l4_length);
	ip[6] = spec->protocol;
	ip[7] = spec->ttl;
	memcpy(ip + 8, spec->src.bytes, 16);
	memcpy(ip + 24, spec->dst.bytes, 16);
	return 40;
}

static uint32_t l4_header_length(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? 20 : 8;
}

/* Returns the checksum's offset in the header. */
static uint32_t put_l4(uint8_t *l4, const struct flow_spec *spec, uint32_t l4_length)
{
	if (spec->protocol == IPPROTO_ICMP || spec->protocol == IPPROTO_ICMPV6) {
		l4[0] = spec->protocol == IPPROTO_ICMP ? 8 : 128;
		store16(l4 + 4, spec->sport);
		return 2;
	}
	store16(l4, spec->sport);
	store16(l4 + 2, spec->dport);
	if (spec->protocol == IPPROTO_UDP) {
		store16(l4 + 4, l4_length);
		return 6;
	}
	l4[12] = 5 << 4;
	l4[13] = 0x02; /* SYN */
	store16(l4 + 14, 65535);
	return 16;
}

const char *build_flow(struct flow *flow, const struct words *words, const uint8_t own_mac[6])
{
	struct flow_spec spec = {0};
	const char *problem = read_spec(&spec, words, own_mac);

	if (problem)
		return problem;
	uint32_t l3 = 14 + spec.tags.n * 4, ip = spec.src.family == 4 ? 20 : 40;
	uint32_t fixed = l3 + ip + l4_header_length(spec.protocol) + (uint32_t)sizeof(struct stamp);
	uint32_t size = spec.size ? spec.size : fixed < 60 ? 60 : fixed;
	if (size < fixed || size > MAX_FRAME)
		return "flow: size= is too small for the headers and the stamp, or above 9216";
	memset(flow->frame, 0, sizeof flow->frame);
	put_ethernet(flow->frame, spec.dst_mac, spec.src_mac, &spec.tags,
	             ip == 20 ? ETHERTYPE_IP : ETHERTYPE_IPV6);
	uint32_t l4 = l3 + put_ip(flow->frame + l3, &spec, size - l3 - ip);
	flow->checksum = (uint16_t)(l4 + put_l4(flow->frame + l4, &spec, size - l4));
	flow->stamp = (uint16_t)(l4 + l4_header_length(spec.protocol));
	flow->length = (uint16_t)size;
	struct stamp stamp = {.magic = STAMP_MAGIC, .flow = flow->id};
	memcpy(flow->frame + flow->stamp, &stamp, sizeof stamp);
	for (uint32_t i = flow->stamp + (uint32_t)sizeof stamp; i < size; i++)
		flow->frame[i] = payload_byte(flow->id, i - flow->stamp);
	struct layout at;
	parse_frame(flow->frame, size, &at);
	flow->base_sum = checksum_add(pseudo_header_sum(flow->frame, &at), flow->frame + l4, size - l4);
	flow->sent = 0;
	flow->used = true;
	return NULL;
}
