/*
 * answer.h. A reset stands in for the destination, as its own would look: RFC 9293 §3.10.7.1. There is none about a
 * reset, a fragment (its length is not known) or a header that is none; and nothing at all where no ICMP error may be
 * (icmp_message.c), nor about a packet to all hosts of a network of ours (RFC 1812 §4.3.2.7).
 */
#include "answer.h"
#include <string.h>
#include "netmill/checks.h"
#include "netmill/fib_lookup.h"

#define IPV4_HEADER 20u
#define OUR_TTL     64u
#define FIN         0x01u
#define SYN         0x02u
#define RST         0x04u
#define ACK         0x10u

static uint32_t segment_header(const struct mill_packet *p)
{
	return (p->l3[p->l4_offset + 12] >> 4) * 4u;
}

static bool resettable(const struct mill_packet *p)
{
	const uint32_t header = segment_header(p);
	return !p->fragment && (p->tcp_flags & RST) == 0 && header >= MILL_TCP_HEADER &&
	       p->l4_offset + header <= p->ip_len;
}

static bool to_network(const struct mill_fib *fib, const struct mill_packet *p)
{
	uint32_t group;
	if (p->family != 4)
		return false;
	mill_fib_lookup4(fib, &p->dst4, &group, 1);
	return mill_fib_select(fib, group, 0)->kind == MILL_ADJ_BROADCAST;
}

enum mill_answer_kind mill_answer_kind_of(const struct mill_fib *fib, struct mill_packet *about,
                                          struct mill_icmp_error *error, uint8_t how, const uint8_t *frame,
                                          uint16_t len, uint16_t l3)
{
	if (!mill_icmp_answerable(about, frame, len, l3) || about->later_fragment ||
	    about->l4 == MILL_L4_BROKEN || to_network(fib, about))
		return MILL_ANSWER_NOTHING;
	if (about->proto == MILL_TCP && (how & MILL_ANSWER_RESETS) != 0)
		return resettable(about) ? MILL_ANSWER_RESET : MILL_ANSWER_NOTHING;
	const bool port = (how & MILL_ANSWER_PORT) != 0;
	*error = about->family == 4 ? (struct mill_icmp_error){.type = 3, .code = port ? 3 : 13}
	                            : (struct mill_icmp_error){.type = 1, .code = port ? 4 : 1};
	return MILL_ANSWER_ICMP;
}

static uint32_t add(uint32_t sum, const uint8_t *bytes, uint32_t n)
{
	for (uint32_t at = 0; at < n; at += 2)
		sum += mill_load16(bytes + at);
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

static void store32(uint8_t *at, uint32_t value)
{
	mill_store16(at, (uint16_t)(value >> 16));
	mill_store16(at + 2, (uint16_t)value);
}

/* `sum`: of the addresses. */
static void write_segment(uint8_t *out, const struct mill_packet *about, uint32_t sum)
{
	const uint8_t *segment = about->l3 + about->l4_offset;
	const uint32_t data = about->ip_len - about->l4_offset - segment_header(about);
	const uint32_t length = data + ((about->tcp_flags & SYN) != 0) + ((about->tcp_flags & FIN) != 0);
	const bool acknowledges = (about->tcp_flags & ACK) != 0;
	memset(out, 0, MILL_TCP_HEADER);
	mill_store16(out, about->dport);
	mill_store16(out + 2, about->sport);
	if (acknowledges)
		memcpy(out + 4, segment + 8, 4);
	else
		store32(out + 8, mill_load32(segment + 4) + length);
	out[12] = MILL_TCP_HEADER / 4 << 4;
	out[13] = (uint8_t)(acknowledges ? RST : RST | ACK);
	mill_store16(out + 16, fold(add(sum + MILL_TCP + MILL_TCP_HEADER, out, MILL_TCP_HEADER)));
}

/* The segment's DSCP; one datagram that nobody cuts up, so its identification says nothing (RFC 6864 §4.1). */
static uint32_t write4(uint8_t *out, const struct mill_packet *about)
{
	memset(out, 0, IPV4_HEADER);
	out[0] = 0x45;
	out[1] = about->l3[1] & 0xfc;
	mill_store16(out + 2, IPV4_HEADER + MILL_TCP_HEADER);
	out[6] = 0x40;
	out[8] = OUR_TTL;
	out[9] = MILL_TCP;
	memcpy(out + 12, about->l3 + 16, 4);
	memcpy(out + 16, about->l3 + 12, 4);
	mill_store16(out + 10, fold(add(0, out, IPV4_HEADER)));
	write_segment(out + IPV4_HEADER, about, add(0, out + 12, 8));
	return IPV4_HEADER + MILL_TCP_HEADER;
}

static uint32_t write6(uint8_t *out, const struct mill_packet *about)
{
	memset(out, 0, 8);
	mill_store16(out, (uint16_t)(0x6000 | (mill_load16(about->l3) & 0x0fc0)));
	mill_store16(out + 4, MILL_TCP_HEADER);
	out[6] = MILL_TCP;
	out[7] = OUR_TTL;
	memcpy(out + 8, about->l3 + 24, 16);
	memcpy(out + 24, about->l3 + 8, 16);
	write_segment(out + MILL_IPV6_HEADER, about, add(0, out + 8, 32));
	return MILL_IPV6_HEADER + MILL_TCP_HEADER;
}

uint32_t mill_reset_write(uint8_t *out, const struct mill_packet *about)
{
	return about->family == 4 ? write4(out, about) : write6(out, about);
}
