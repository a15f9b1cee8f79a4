/*
 * From bytes to fields: Ethernet and its tags, the IPv4 and IPv6 headers, and on demand the transport header.
 * Reads only inside the frame; what is too short or inconsistent is refused, never guessed.
 * RFC 894, IEEE 802.1Q, RFC 791, RFC 8200, RFC 1812 §5.2.2.
 */
#pragma once
#include "netmill/checksum.h"
#include "netmill/packet.h"

#define MILL_ETHER_HEADER 14u
#define MILL_ETHER_IPV4   0x0800u
#define MILL_ETHER_ARP    0x0806u
#define MILL_ETHER_IPV6   0x86ddu
#define MILL_ETHER_VLAN   0x8100u
#define MILL_ETHER_QINQ   0x88a8u

#define MILL_ICMP    1u
#define MILL_IGMP    2u
#define MILL_TCP     6u
#define MILL_UDP     17u
#define MILL_ROUTING 43u
#define MILL_FRAG    44u
#define MILL_AUTH    51u
#define MILL_ICMPV6  58u
#define MILL_DESTOPT 60u
#define MILL_OSPF    89u
#define MILL_PIM     103u
#define MILL_VRRP    112u

#define MILL_IPV4_HEADER     20u /* without options */
#define MILL_IPV6_HEADER     40u
#define MILL_EXTENSION_LIMIT 8u /* headers walked; more is nothing that an honest host sends: RFC 7045 */
#define MILL_TCP_HEADER      20u
#define MILL_UDP_HEADER      8u
#define MILL_ICMP_READ       4u /* type, code, checksum */

/* Errors, RFC 1191 §4 and RFC 4443 §3.2. */
#define MILL_ICMP_UNREACHABLE 3u
#define MILL_ICMP_FRAG_NEEDED 4u /* code */
#define MILL_ICMPV6_TOO_BIG   2u

#define MILL_TCP_FIN 0x01u
#define MILL_TCP_SYN 0x02u
#define MILL_TCP_RST 0x04u
#define MILL_TCP_PSH 0x08u
#define MILL_TCP_ACK 0x10u
#define MILL_TCP_URG 0x20u
#define MILL_TCP_ECE 0x40u
#define MILL_TCP_CWR 0x80u

/* The tags of a frame as one number, outermost first: what a trunk's demultiplexer switches on. */
#define MILL_UNTAGGED           0
#define MILL_TAG(tpid, vid)     ((uint64_t)(tpid) << 16 | (vid))
#define MILL_TAGS(outer, inner) ((outer) << 32 | (inner))

#define MILL_TAG_BYTES 4u
#define MILL_TAG_LIMIT 4u /* tags walked: two of VLANs, and two of priority alone */

static inline bool mill_is_tag(uint16_t ethertype)
{
	return ethertype == MILL_ETHER_VLAN || ethertype == MILL_ETHER_QINQ;
}

static inline uint32_t mill_l3_bytes(const struct mill_packet *p)
{
	return p->len - (uint32_t)(p->l3 - p->frame);
}

/* Takes off the tags of up to `depth` VLANs; one more stays in front of the network header. VLAN 0 is none: such a tag
 * carries a priority alone, and the frame is what it is without it (IEEE 802.1Q §9.6). False: the frame ends in a tag. */
static inline bool mill_read_tags(struct mill_packet *p, uint32_t depth)
{
	for (uint32_t i = 0; i < MILL_TAG_LIMIT && mill_is_tag(p->ethertype); i++) {
		if (mill_l3_bytes(p) < MILL_TAG_BYTES)
			return false;
		const uint16_t vid = mill_load16(p->l3) & 0x0fff;
		if (vid != 0) {
			if (depth-- == 0)
				return true;
			p->tags = MILL_TAGS(p->tags, MILL_TAG(p->ethertype, vid));
			p->vlan = vid;
		}
		p->ethertype = mill_load16(p->l3 + 2);
		p->l3 += MILL_TAG_BYTES;
	}
	return true;
}

/* The Ethernet header and its tags; `depth`: how many an interface of the port has at most. False: cut short. */
static inline bool mill_read_ethernet(struct mill_packet *p, uint32_t depth)
{
	if (p->len < MILL_ETHER_HEADER)
		return false;
	p->l3 = p->frame + MILL_ETHER_HEADER;
	p->ethertype = mill_load16(p->frame + 12);
	p->tags = MILL_UNTAGGED;
	p->vlan = 0;
	return mill_read_tags(p, depth);
}

/* RFC 1812 §5.2.2: (1) long enough, (3) version 4, (4) header length, (5) total length; (2), the checksum, last,
 * as a packet whose length is wrong cannot be summed. */
static inline int mill_read_ipv4(struct mill_packet *p)
{
	const uint8_t *ip = p->l3;
	uint32_t available = mill_l3_bytes(p), header;
	if (available < 20 || ip[0] >> 4 != 4)
		return MILL_DROP_IP_HEADER;
	header = (ip[0] & 15u) * 4;
	p->ip_len = mill_load16(ip + 2);
	if (header < 20 || p->ip_len < header || p->ip_len > available)
		return MILL_DROP_IP_HEADER;
	if (!mill_ipv4_checksum_ok(ip, header))
		return MILL_DROP_IP_CHECKSUM;
	p->family = 4;
	p->proto = ip[9];
	p->options = header != 20;
	p->later_fragment = (mill_load16(ip + 6) & 0x1fff) != 0;
	p->fragment = (mill_load16(ip + 6) & 0x3fff) != 0;
	p->l4_offset = (uint16_t)header;
	p->l4 = MILL_L4_UNREAD;
	p->src4 = mill_load32(ip + 12);
	p->dst4 = mill_load32(ip + 16);
	return -1;
}

/* RFC 8200 §3. A hop-by-hop header counts as options; the headers behind are walked when a rule asks. */
static inline int mill_read_ipv6(struct mill_packet *p)
{
	const uint8_t *ip = p->l3;
	uint32_t available = mill_l3_bytes(p);
	if (available < MILL_IPV6_HEADER || ip[0] >> 4 != 6)
		return MILL_DROP_IP_HEADER;
	p->ip_len = MILL_IPV6_HEADER + mill_load16(ip + 4);
	if (p->ip_len > available)
		return MILL_DROP_IP_HEADER;
	p->family = 6;
	p->proto = ip[6];
	p->options = ip[6] == 0;
	p->fragment = p->later_fragment = false;
	p->l4 = MILL_L4_UNREAD;
	p->src6 = (struct mill_address6){mill_load64(ip + 8), mill_load64(ip + 16)};
	p->dst6 = (struct mill_address6){mill_load64(ip + 24), mill_load64(ip + 32)};
	return -1;
}

/* RFC 8200 §4: finds the transport header. False: cut short, or too many headers. */
static inline bool mill_walk_extensions(struct mill_packet *p)
{
	const uint8_t *ip = p->l3;
	uint32_t at = MILL_IPV6_HEADER, next = ip[6];
	for (uint32_t i = 0; i <= MILL_EXTENSION_LIMIT; i++) {
		p->proto = (uint8_t)next;
		p->l4_offset = (uint16_t)at;
		if (next != 0 && next != MILL_ROUTING && next != MILL_FRAG && next != MILL_AUTH &&
		    next != MILL_DESTOPT)
			return true;
		if (i == MILL_EXTENSION_LIMIT || at + 8 > p->ip_len)
			return false;
		if (next == MILL_FRAG) {
			uint16_t fragment = mill_load16(ip + at + 2);
			p->fragment |= (fragment & 0xfff9) != 0; /* another header does not make it whole */
			p->later_fragment = (fragment & 0xfff8) != 0;
		}
		uint32_t length = next == MILL_FRAG   ? 8
		                  : next == MILL_AUTH ? (ip[at + 1] + 2u) * 4
		                                      : (ip[at + 1] + 1u) * 8;
		next = ip[at];
		at += length;
		if (at > p->ip_len)
			return false;
		if (p->later_fragment) {
			p->proto = (uint8_t)next;
			return true;
		}
	}
	return false;
}

static inline uint8_t mill_read_ports(struct mill_packet *p, const uint8_t *header)
{
	p->sport = mill_load16(header);
	p->dport = mill_load16(header + 2);
	return MILL_L4_READ;
}

static inline uint8_t mill_read_transport(struct mill_packet *p)
{
	const uint8_t *header = p->l3 + p->l4_offset;
	uint32_t bytes = p->ip_len - p->l4_offset;
	if (p->proto == MILL_TCP) {
		if (bytes < MILL_TCP_HEADER)
			return MILL_L4_BROKEN;
		p->tcp_flags = header[13];
		return mill_read_ports(p, header);
	}
	if (p->proto == MILL_UDP)
		return bytes < MILL_UDP_HEADER ? MILL_L4_BROKEN : mill_read_ports(p, header);
	if (p->proto == (p->family == 4 ? MILL_ICMP : MILL_ICMPV6)) {
		if (bytes < MILL_ICMP_READ)
			return MILL_L4_BROKEN;
		p->icmp_type = header[0];
		p->icmp_code = header[1];
		return MILL_L4_READ;
	}
	return MILL_L4_ABSENT;
}

/* Of whatever packet. */
MILL_COLD uint8_t mill_read_l4_any(struct mill_packet *p)
{
	p->sport = p->dport = 0;
	p->tcp_flags = p->icmp_type = p->icmp_code = 0;
	if (p->family == 6 && !mill_walk_extensions(p))
		return MILL_L4_BROKEN;
	return p->later_fragment ? MILL_L4_ABSENT : mill_read_transport(p);
}

/* Protocol, fragment flags, ports, TCP flags and ICMP type, once a packet. Nearly all are TCP and UDP of IPv4, all of
 * whose header is there. With MILL_PORTS_ALONE nobody asks for flags, nor for types but of ICMP. */
MILL_HOT void mill_read_l4(struct mill_packet *p)
{
	if (p->l4 != MILL_L4_UNREAD)
		return;
	const uint8_t *header = p->l3 + p->l4_offset;
	const uint32_t bytes = p->ip_len - p->l4_offset;
	if (mill_likely(p->family == 4 && !p->later_fragment &&
	                (p->proto == MILL_TCP   ? bytes >= MILL_TCP_HEADER
	                 : p->proto == MILL_UDP ? bytes >= MILL_UDP_HEADER
	                                        : false))) {
#ifndef MILL_PORTS_ALONE
		p->tcp_flags = p->proto == MILL_TCP ? header[13] : 0;
		p->icmp_type = p->icmp_code = 0;
#endif
		p->l4 = mill_read_ports(p, header);
	} else {
		p->l4 = mill_read_l4_any(p);
	}
}

static inline bool mill_link_local(const struct mill_address6 *a)
{
	return a->high >> 54 == 0xfe80u >> 6;
}

static inline uint32_t mill_ttl(const struct mill_packet *p)
{
	return p->family == 4 ? p->l3[8] : p->l3[7];
}

/* Priority of the outermost tag, 0 without one: IEEE 802.1Q §9.6. */
static inline uint32_t mill_pcp(const struct mill_packet *p)
{
	return mill_is_tag(mill_load16(p->frame + 12)) ? p->frame[14] >> 5 : 0;
}

static inline uint64_t mill_to_mac(const struct mill_packet *p)
{
	return (uint64_t)mill_load16(p->frame) << 32 | mill_load32(p->frame + 2);
}

static inline uint64_t mill_from_mac(const struct mill_packet *p)
{
	return (uint64_t)mill_load16(p->frame + 6) << 32 | mill_load32(p->frame + 8);
}

static inline uint32_t mill_dscp(const struct mill_packet *p)
{
	return p->family == 4 ? p->l3[1] >> 2 : (uint32_t)(mill_load16(p->l3) >> 6 & 63);
}
