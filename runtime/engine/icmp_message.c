/*
 * icmp_message.h: an IP header, the eight bytes that all ICMP errors have, and as much of the packet that it is about
 * as fits. RFC 792, RFC 1812 §4.3, RFC 4443 §2.
 */
#include "icmp_message.h"
#include "netmill/checks.h"

#define ICMP_HEADER 8u
#define IPV4_HEADER 20u
#define OUR_TTL     64u

uint32_t mill_sum16(const uint8_t *bytes, uint32_t n)
{
	uint32_t sum = 0;
	for (uint32_t at = 0; at + 1 < n; at += 2)
		sum += mill_load16(bytes + at);
	return n % 2 == 0 ? sum : sum + ((uint32_t)bytes[n - 1] << 8);
}

uint16_t mill_sum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

static void store32(uint8_t *at, uint32_t value)
{
	mill_store16(at, (uint16_t)(value >> 16));
	mill_store16(at + 2, (uint16_t)value);
}

/* IPv4: whatever is not known to ask or to answer, echo and 13 to 18, may be an error of a later standard, as the kernel
 * has it (RFC 792, RFC 950). RFC 4443 §2.1: types below 128; §2.4 (e.2): redirects. */
static bool is_icmp_error(const struct mill_packet *p)
{
	if (p->family == 6)
		return p->proto == MILL_ICMPV6 && (p->icmp_type < 128 || p->icmp_type == 137);
	return p->proto == MILL_ICMP && p->icmp_type != 0 && p->icmp_type != 8 &&
	       (p->icmp_type < 13 || p->icmp_type > 18);
}

/* It could be an ICMP error for all that can be seen: TCP and UDP are known though they are cut short. */
static bool is_hidden(const struct mill_packet *p)
{
	return p->l4 == MILL_L4_BROKEN && p->proto != MILL_TCP && p->proto != MILL_UDP;
}

/* RFC 1812 §4.3.2.7, RFC 4443 §2.4 (e): never about errors, packets to many, or from nobody in particular; nor, in IPv4
 * alone, about later fragments. */
bool mill_icmp_answerable(struct mill_packet *p, const uint8_t *frame, uint16_t len, uint16_t l3)
{
	*p = (struct mill_packet){.frame = (uint8_t *)(uintptr_t)frame, .len = len};
	p->l3 = p->frame + l3;
	if (l3 >= len || (frame[0] & 1) != 0) /* came in a frame to many */
		return false;
	if (frame[l3] >> 4 == 4) {
		if (mill_read_ipv4(p) >= 0 || mill_check_ipv4(p) >= 0 || p->src4 == 0 || p->src4 >> 28 == 15)
			return false;
	} else if (mill_read_ipv6(p) >= 0 || mill_check_ipv6(p) >= 0 || (p->src6.high | p->src6.low) == 0) {
		return false;
	}
	mill_read_l4(p);
	return !p->to_host && (p->family == 6 || !p->later_fragment) && !is_hidden(p) && !is_icmp_error(p);
}

/* Behind the IP header. `sum`: of the pseudo-header. Returns the message's length. */
static uint32_t write_message(uint8_t *out, uint32_t room, const struct mill_packet *about,
                              const struct mill_icmp_error *error, uint32_t sum)
{
	const uint32_t most = room - ICMP_HEADER, quoted = about->ip_len < most ? about->ip_len : most;
	const uint32_t length = ICMP_HEADER + quoted;
	out[0] = error->type;
	out[1] = error->code;
	mill_store16(out + 2, 0);
	store32(out + 4, error->mtu);
	memcpy(out + ICMP_HEADER, about->l3, quoted);
	if (about->family == 6)
		sum += length + MILL_ICMPV6; /* RFC 8200 §8.1 */
	mill_store16(out + 2, mill_sum_fold(sum + mill_sum16(out, length)));
	return length;
}

/* Precedence "internetwork control", the type of service of the packet: RFC 1812 §4.3.2.5. */
static uint32_t write4(uint8_t *out, uint32_t largest, const struct mill_packet *about,
                       const struct mill_icmp_error *error, const uint8_t *source, uint16_t id)
{
	const uint32_t length =
	    IPV4_HEADER + write_message(out + IPV4_HEADER, largest - IPV4_HEADER, about, error, 0);
	memset(out, 0, IPV4_HEADER);
	out[0] = 0x45;
	out[1] = (about->l3[1] & 0x1e) | 0xc0;
	mill_store16(out + 2, (uint16_t)length);
	mill_store16(out + 4, id);
	out[8] = OUR_TTL;
	out[9] = MILL_ICMP;
	memcpy(out + 12, source, 4);
	memcpy(out + 16, about->l3 + 12, 4);
	mill_store16(out + 10, mill_sum_fold(mill_sum16(out, IPV4_HEADER)));
	return length;
}

static uint32_t write6(uint8_t *out, uint32_t largest, const struct mill_packet *about,
                       const struct mill_icmp_error *error, const uint8_t *source)
{
	uint32_t length;
	memset(out, 0, 8);
	out[0] = 0x60;
	out[6] = MILL_ICMPV6;
	out[7] = OUR_TTL;
	memcpy(out + 8, source, 16);
	memcpy(out + 24, about->l3 + 8, 16);
	length = write_message(out + MILL_IPV6_HEADER, largest - MILL_IPV6_HEADER, about, error,
	                       mill_sum16(out + 8, 32));
	mill_store16(out + 4, (uint16_t)length);
	return MILL_IPV6_HEADER + length;
}

uint32_t mill_icmp_write(uint8_t *out, uint32_t largest, const struct mill_packet *about,
                         const struct mill_icmp_error *error, const uint8_t *source, uint16_t id)
{
	if (about->family == 4)
		return write4(out, largest, about, error, source, id);
	return write6(out, largest, about, error, source);
}
