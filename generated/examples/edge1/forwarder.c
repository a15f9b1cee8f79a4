/*
 * Forwarder of router edge1, made by netmill from edge1.ts. It is made anew at each build: change the
 * policy, not this file. The pieces it is made of are in runtime/engine/include/netmill.
 */
/* rules set a DSCP */
#define MILL_MARKS
/* interfaces ask for a way back to sources */
#define MILL_URPF
#include "netmill/forward.h"

enum port {
	/* wan, xdp:ix0 */
	PORT_WAN,
	/* lan, xdp:ix1 */
	PORT_LAN,
	/* ids, xdp:ix3 */
	PORT_IDS,
	/* metro, xdp:ix2 */
	PORT_METRO,
};

enum interface {
	/* wan */
	IF_WAN,
	/* lan.office */
	IF_LAN_OFFICE,
	/* lan.dmz */
	IF_LAN_DMZ,
	/* ids */
	IF_IDS,
	/* metro.custA */
	IF_METRO_CUSTA,
	/* metro.custB */
	IF_METRO_CUSTB,
};

enum gateway {
	/* 198.51.100.9 */
	GATEWAY_198_51_100_9,
	/* 2001:db8:0:2::1 */
	GATEWAY_2001_DB8_0_2__1,
};

/* Identities of rules: RULE_<list>_<hash of list, match and action>. */
enum rule {
	/* built in  builtin:nd: Neighbour Discovery (RFC 4861) */
	RULE_FROM_WAN_0DCA1C2F,
	/* built in  builtin:mld: Multicast Listener Discovery (RFC 2710, RFC 3810) */
	RULE_FROM_WAN_4A7CA5C9,
	/* edge1.ts:43  deny({ from: inside }).log({ rate: '10/s' }).why('spoofed inside source') */
	RULE_FROM_WAN_C2FC651C,
	/* edge1.ts:48  deny({ from: bogons }) */
	RULE_FROM_WAN_9349EAB2,
	/* edge1.ts:49  deny({ service: udp('0-19') }).log(), // ;;;;udp;0-19;drop log */
	RULE_FROM_WAN_6AB4BC7D,
	/* edge1.ts:50  deny({ flags: ['syn', 'fin'] }).why('no TCP sends this') */
	RULE_FROM_WAN_1CFCFF71,
	/* edge1.ts:51  deny({ fragment: 'later', to: servers }) */
	RULE_FROM_WAN_C8F00CC3,
	/* edge1.ts:52  deny({ when: tinySyn }).count('tiny_syn') */
	RULE_FROM_WAN_1E37EB18,
	/* edge1.ts:53  deny({ when: oddDns }).log({ rate: '1/s' }) */
	RULE_FROM_WAN_3211A4BD,
	/* edge1.ts:54  allow({ to: servers, service: web }).why('public web, NET-88') */
	RULE_FROM_WAN_4390421D,
	/* edge1.ts:55  allow({ from: mgmt, service: tcp(22) }) */
	RULE_FROM_WAN_91047A1C,
	/* edge1.ts:59  allow({ service: icmp('echo-request', 'too-big') }).police('2 Mbit/s', { burst: '30 kB' }) */
	RULE_FROM_WAN_F57B3234,
	/* edge1.ts:60  reject({ service: tcp('ident') }).why('mail servers that ask back need not wait') */
	RULE_FROM_WAN_730202EC,
	/* edge1.ts:61  deny({ service: tcp('bgp'), ttl: [0, 254] }).why('generalised TTL security (RFC 5082)') */
	RULE_FROM_WAN_46D47CC3,
	/* edge1.ts:62  allow({ from: upstream, service: tcp('bgp') }).why('eBGP') */
	RULE_FROM_WAN_9934E1B9,
	/* edge1.ts:63  allow({ from: upstream, service: tcp({ from: 'bgp' }), flags: 'established' }) */
	RULE_FROM_WAN_25C4E064,
	/* edge1.ts:64  allow({ from: upstream, service: proto('gre', 'esp'), dscp: ['ef', 'cs6'], length: [0, 14... */
	RULE_FROM_WAN_2C12FC99,
	/* edge1.ts:65  allow({ to: customers, service: udp('ntp', { from: 'ntp' }), fromMac: '02:00:00:00:00:fe'... */
	RULE_FROM_WAN_C5E6A009,
	/* edge1.csv:3  deny,   any,            10.20.66.0/24,   tcp udp,  domain,     ,            1/s,  NET-141... */
	RULE_FROM_WAN_6FF8E424,
	/* edge1.csv:4  allow,  203.0.113.0/24, 10.20.4.0/22,    tcp,      8000-8099,  ,            ,     NET-152... */
	RULE_FROM_WAN_3B8DF377,
	/* edge1.csv:5  allow,  any,            2001:db8:20::/48, tcp,     ,           established, ,     NET-160 */
	RULE_FROM_WAN_CA389016,
	/* edge1.ts:67  nexthop('198.51.100.9', { to: customers.v4, service: tcp(25) }).log(), // scrub mail */
	RULE_FROM_WAN_84EFC9D7,
	/* edge1.ts:46  default deny */
	RULE_FROM_WAN_9746883E,
	/* edge1.ts:72  allow({ to: servers, service: web }) */
	RULE_TO_DMZ_4FFFC8F7,
	/* edge1.ts:73  allow({ to: servers, from: mgmt }).dscp('cs2').mirror('ids', { oneIn: 10 }).sample(1000) */
	RULE_TO_DMZ_CEEC51A8,
	/* edge1.ts:74  allow({ service: icmp() }) */
	RULE_TO_DMZ_A29DD022,
	/* edge1.ts:71  default deny */
	RULE_TO_DMZ_37E0FD5B,
	/* edge1.ts:78  nexthop('198.51.100.9', { from: customers.v4, service: web }) */
	RULE_TENANT_PATH_855CF024,
	/* edge1.ts:79  nexthop('2001:db8:0:2::1', { from: customers.v6, service: udp(443) }) */
	RULE_TENANT_PATH_C842E3DF,
};

/* edge1.csv:4 */
static bool in_10_20_4_0_22_ipv4(uint32_t address)
{
	/* 10.20.4.0/22 */
	return address >> 10 == 0x28501;
}

/* edge1.csv:3 */
static bool in_10_20_66_0_24_ipv4(uint32_t address)
{
	/* 10.20.66.0/24 */
	return address >> 8 == 0xa1442;
}

/* edge1.csv:4 */
static bool in_203_0_113_0_24_ipv4(uint32_t address)
{
	/* 203.0.113.0/24 */
	return address >> 8 == 0xcb0071;
}

/* edge1.ts:26 */
static bool in_bogons_ipv4(uint32_t address)
{
	/* 0.0.0.0/8 */
	if (address >> 24 == 0)
		return true;
	/* 127.0.0.0/8 */
	if (address >> 24 == 0x7f)
		return true;
	/* 169.254.0.0/16 */
	if (address >> 16 == 0xa9fe)
		return true;
	/* 240.0.0.0/4 */
	if (address >> 28 == 0xf)
		return true;
	return false;
}

/* edge1.ts:26 */
static bool in_bogons_ipv6(const struct mill_address6 *address)
{
	/* fc00::/7 */
	return address->high >> 57 == 0x7e;
}

/* edge1.ts:25 */
static bool in_customers_ipv4(uint32_t address)
{
	/* 10.20.0.0/16 */
	return address >> 16 == 0xa14;
}

/* edge1.ts:25 */
static bool in_customers_ipv6(const struct mill_address6 *address)
{
	/* 2001:db8:20::/48 */
	return address->high >> 16 == 0x20010db80020;
}

/* built in */
static bool in_ff00_0_8_ipv6(const struct mill_address6 *address)
{
	/* ff00::/8 */
	return address->high >> 56 == 0xff;
}

/* edge1.ts:24 */
static bool in_mgmt_ipv4(uint32_t address)
{
	/* 192.0.2.0/28 */
	return address >> 4 == 0xc000020;
}

/* edge1.ts:24 */
static bool in_mgmt_ipv6(const struct mill_address6 *address)
{
	/* 2001:db8:99::/64 */
	return address->high == 0x20010db800990000;
}

/* edge1.ts:27 */
static bool in_servers_ipv4(uint32_t address)
{
	/* 203.0.113.10/32 */
	if (address == 0xcb00710a)
		return true;
	/* 203.0.113.11/32 */
	if (address == 0xcb00710b)
		return true;
	return false;
}

/* edge1.ts:27 */
static bool in_servers_ipv6(const struct mill_address6 *address)
{
	/* 2001:db8:ff::10/128 */
	return address->high == 0x20010db800ff0000 && address->low == 0x10;
}

/* edge1.ts:28 */
static bool in_upstream_ipv4(uint32_t address)
{
	/* 198.51.100.1/32 */
	return address == 0xc6336401;
}

/* built in */
static bool is_icmp_130_131_132_143_ipv6(const struct mill_packet *p)
{
	if (p->proto != MILL_ICMPV6 || p->l4 != MILL_L4_READ)
		return false;
	return mill_between(p->icmp_type, 130, 132) || p->icmp_type == 143;
}

/* built in */
static bool is_icmp_133_134_135_136_ipv6(const struct mill_packet *p)
{
	return p->proto == MILL_ICMPV6 && p->l4 == MILL_L4_READ && mill_between(p->icmp_type, 133, 136);
}

/* edge1.ts:59 */
static bool is_icmp_2_128_ipv6(const struct mill_packet *p)
{
	if (p->proto != MILL_ICMPV6 || p->l4 != MILL_L4_READ)
		return false;
	return p->icmp_type == 2 || p->icmp_type == 128;
}

/* edge1.ts:59 */
static bool is_icmp_3_4_8_ipv4(const struct mill_packet *p)
{
	if (p->proto != MILL_ICMP || p->l4 != MILL_L4_READ)
		return false;
	return mill_is_icmp(p, 3, 4) || p->icmp_type == 8;
}

/* edge1.ts:74 */
static bool is_icmp_ipv4(const struct mill_packet *p)
{
	return p->proto == MILL_ICMP;
}

/* edge1.ts:74 */
static bool is_icmp_ipv6(const struct mill_packet *p)
{
	return p->proto == MILL_ICMPV6;
}

/* edge1.ts:64 */
static bool is_proto_47_50(const struct mill_packet *p)
{
	switch (p->proto) {
	case 47:
		return true;
	case 50:
		return true;
	default:
		return false;
	}
}

/* edge1.csv:5 */
static bool is_tcp(const struct mill_packet *p)
{
	return p->proto == MILL_TCP;
}

/* edge1.ts:60 */
static bool is_tcp_113(const struct mill_packet *p)
{
	return p->proto == MILL_TCP && p->l4 == MILL_L4_READ && p->dport == 113;
}

/* edge1.ts:61 */
static bool is_tcp_179(const struct mill_packet *p)
{
	return p->proto == MILL_TCP && p->l4 == MILL_L4_READ && p->dport == 179;
}

/* edge1.ts:55 */
static bool is_tcp_22(const struct mill_packet *p)
{
	return p->proto == MILL_TCP && p->l4 == MILL_L4_READ && p->dport == 22;
}

/* edge1.ts:67 */
static bool is_tcp_25(const struct mill_packet *p)
{
	return p->proto == MILL_TCP && p->l4 == MILL_L4_READ && p->dport == 25;
}

/* edge1.csv:3 */
static bool is_tcp_53_udp_53(const struct mill_packet *p)
{
	switch (p->proto) {
	case MILL_TCP:
		return p->l4 == MILL_L4_READ && p->dport == 53;
	case MILL_UDP:
		return p->l4 == MILL_L4_READ && p->dport == 53;
	default:
		return false;
	}
}

/* edge1.csv:4 */
static bool is_tcp_8000_to_8099(const struct mill_packet *p)
{
	return p->proto == MILL_TCP && p->l4 == MILL_L4_READ && mill_between(p->dport, 8000, 8099);
}

/* edge1.ts:63 */
static bool is_tcp_from_179(const struct mill_packet *p)
{
	return p->proto == MILL_TCP && p->l4 == MILL_L4_READ && p->sport == 179;
}

/* edge1.ts:49 */
static bool is_udp_0_to_19(const struct mill_packet *p)
{
	return p->proto == MILL_UDP && p->l4 == MILL_L4_READ && p->dport <= 19;
}

/* edge1.ts:65 */
static bool is_udp_123_from_123(const struct mill_packet *p)
{
	return p->proto == MILL_UDP && p->l4 == MILL_L4_READ && (p->sport == 123 && p->dport == 123);
}

/* edge1.ts:79 */
static bool is_udp_443(const struct mill_packet *p)
{
	return p->proto == MILL_UDP && p->l4 == MILL_L4_READ && p->dport == 443;
}

/* edge1.ts:29 */
static bool is_web(const struct mill_packet *p)
{
	switch (p->proto) {
	case MILL_TCP:
		return p->l4 == MILL_L4_READ && (p->dport == 80 || p->dport == 443);
	case MILL_UDP:
		return p->l4 == MILL_L4_READ && p->dport == 443;
	default:
		return false;
	}
}

/*
 * predicate a later fragment, edge1.ts:51
 *   a later fragment
 */
static bool when_a_later_fragment(const struct mill_packet *p)
{
	return p->later_fragment;
}

/*
 * predicate builtin-on-link, built in
 *   (p) => p.ttl === 255
 */
static bool when_builtin_on_link(const struct mill_packet *p)
{
	return mill_ttl(p) == 255;
}

/*
 * predicate dscp 46 or 48, length 0-1400, edge1.ts:64
 *   dscp 46 or 48, length 0-1400
 */
static bool when_dscp_46_or_48_length_0_1400(const struct mill_packet *p)
{
	return (mill_dscp(p) == 46 || mill_dscp(p) == 48) && p->ip_len <= 1400;
}

/*
 * predicate flags ack or rst, edge1.ts:63
 *   flags ack or rst
 */
static bool when_flags_ack_or_rst(const struct mill_packet *p)
{
	if (p->proto != MILL_TCP)
		return false;
	if (p->l4 != MILL_L4_READ)
		return false;
	return (p->tcp_flags & MILL_TCP_ACK) != 0 || (p->tcp_flags & MILL_TCP_RST) != 0;
}

/*
 * predicate flags fin syn, edge1.ts:50
 *   flags fin syn
 */
static bool when_flags_fin_syn(const struct mill_packet *p)
{
	if (p->proto != MILL_TCP)
		return false;
	if (p->l4 != MILL_L4_READ)
		return false;
	if ((p->tcp_flags & MILL_TCP_FIN) == 0)
		return false;
	return (p->tcp_flags & MILL_TCP_SYN) != 0;
}

/*
 * predicate odd-dns, edge1.ts:37
 *   (p) => p.l4 === 'udp' && (p.sport === 53 || p.dport <= limitUdp) && !p.src.within(customers)
 */
static bool when_odd_dns_ipv4(const struct mill_packet *p)
{
	return p->proto == MILL_UDP && (p->sport == 53 || p->dport <= 19) && !in_customers_ipv4(p->src4);
}

/*
 * predicate odd-dns, edge1.ts:37
 *   (p) => p.l4 === 'udp' && (p.sport === 53 || p.dport <= limitUdp) && !p.src.within(customers)
 */
static bool when_odd_dns_ipv6(const struct mill_packet *p)
{
	return p->proto == MILL_UDP && (p->sport == 53 || p->dport <= 19) && !in_customers_ipv6(&p->src6);
}

/*
 * predicate pcp 0 or 1, from-mac 02:00:00:00:00:fe, edge1.ts:65
 *   pcp 0 or 1, from-mac 02:00:00:00:00:fe
 */
static bool when_pcp_0_or_1_from_mac_02_00_00_00_00_fe(const struct mill_packet *p)
{
	return mill_from_mac(p) == 0x0200000000fe && (mill_pcp(p) == 0 || mill_pcp(p) == 1);
}

/*
 * predicate tiny-syn, edge1.ts:31
 *   (p) => p.l4 === 'tcp' && p.flags.syn && !p.flags.ack && (p.len < 40 || p.ttl < 3)
 */
static bool when_tiny_syn(const struct mill_packet *p)
{
	if (p->proto != MILL_TCP)
		return false;
	if ((p->tcp_flags & MILL_TCP_SYN) == 0)
		return false;
	if ((p->tcp_flags & MILL_TCP_ACK) != 0)
		return false;
	return p->ip_len < 40 || mill_ttl(p) < 3;
}

/*
 * predicate ttl 0-254, edge1.ts:61
 *   ttl 0-254
 */
static bool when_ttl_0_254(const struct mill_packet *p)
{
	return mill_ttl(p) <= 254;
}

/* acl from-wan, edge1.ts:46 */
static bool acl_from_wan_ipv4(struct mill_worker *w, struct mill_packet *p)
{
	if (mill_unreadable(p))
		return mill_drop(w, p, MILL_DROP_L4_HEADER);
	/* edge1.ts:43  deny({ from: inside }).log({ rate: '10/s' }).why('spoofed inside source') */
	if (in_customers_ipv4(p->src4)) {
		mill_log_packet(w, p, RULE_FROM_WAN_C2FC651C, 10);
		return mill_deny(w, p, RULE_FROM_WAN_C2FC651C);
	}
	/* edge1.ts:48  deny({ from: bogons }) */
	if (in_bogons_ipv4(p->src4))
		return mill_deny(w, p, RULE_FROM_WAN_9349EAB2);
	/* edge1.ts:49  deny({ service: udp('0-19') }).log(), // ;;;;udp;0-19;drop log */
	if (is_udp_0_to_19(p)) {
		mill_log_packet(w, p, RULE_FROM_WAN_6AB4BC7D, 10);
		return mill_deny(w, p, RULE_FROM_WAN_6AB4BC7D);
	}
	/* edge1.ts:50  deny({ flags: ['syn', 'fin'] }).why('no TCP sends this') */
	if (when_flags_fin_syn(p))
		return mill_deny(w, p, RULE_FROM_WAN_1CFCFF71);
	/* edge1.ts:51  deny({ fragment: 'later', to: servers }) */
	if (in_servers_ipv4(p->dst4) && when_a_later_fragment(p))
		return mill_deny(w, p, RULE_FROM_WAN_C8F00CC3);
	/* edge1.ts:52  deny({ when: tinySyn }).count('tiny_syn') */
	if (when_tiny_syn(p))
		return mill_deny(w, p, RULE_FROM_WAN_1E37EB18);
	/* edge1.ts:53  deny({ when: oddDns }).log({ rate: '1/s' }) */
	if (when_odd_dns_ipv4(p)) {
		mill_log_packet(w, p, RULE_FROM_WAN_3211A4BD, 1);
		return mill_deny(w, p, RULE_FROM_WAN_3211A4BD);
	}
	/* edge1.ts:54  allow({ to: servers, service: web }).why('public web, NET-88') */
	if (in_servers_ipv4(p->dst4) && is_web(p))
		return mill_allow(w, p, RULE_FROM_WAN_4390421D);
	/* edge1.ts:55  allow({ from: mgmt, service: tcp(22) }) */
	if (in_mgmt_ipv4(p->src4) && is_tcp_22(p))
		return mill_allow(w, p, RULE_FROM_WAN_91047A1C);
	/* edge1.ts:59  allow({ service: icmp('echo-request', 'too-big') }).police('2 Mbit/s', { burst: '30 kB' }) */
	if (is_icmp_3_4_8_ipv4(p)) {
		if (!mill_police(w, p, RULE_FROM_WAN_F57B3234, 0x3e80000000, 0x1c9c38000, p->len))
			return false;
		return mill_allow(w, p, RULE_FROM_WAN_F57B3234);
	}
	/* edge1.ts:60  reject({ service: tcp('ident') }).why('mail servers that ask back need not wait') */
	if (is_tcp_113(p))
		return mill_reject_rule(w, p, RULE_FROM_WAN_730202EC, MILL_ANSWER_RESETS);
	/* edge1.ts:61  deny({ service: tcp('bgp'), ttl: [0, 254] }).why('generalised TTL security (RFC 5082)') */
	if (is_tcp_179(p) && when_ttl_0_254(p))
		return mill_deny(w, p, RULE_FROM_WAN_46D47CC3);
	/* edge1.ts:62  allow({ from: upstream, service: tcp('bgp') }).why('eBGP') */
	if (in_upstream_ipv4(p->src4) && is_tcp_179(p))
		return mill_allow(w, p, RULE_FROM_WAN_9934E1B9);
	/* edge1.ts:63  allow({ from: upstream, service: tcp({ from: 'bgp' }), flags: 'established' }) */
	if (in_upstream_ipv4(p->src4) && is_tcp_from_179(p) && when_flags_ack_or_rst(p))
		return mill_allow(w, p, RULE_FROM_WAN_25C4E064);
	/* edge1.ts:64  allow({ from: upstream, service: proto('gre', 'esp'), dscp: ['ef', 'cs6'], length: [0, 14... */
	if (in_upstream_ipv4(p->src4) && is_proto_47_50(p) && when_dscp_46_or_48_length_0_1400(p))
		return mill_allow(w, p, RULE_FROM_WAN_2C12FC99);
	/* edge1.ts:65  allow({ to: customers, service: udp('ntp', { from: 'ntp' }), fromMac: '02:00:00:00:00:fe'... */
	if (in_customers_ipv4(p->dst4) && is_udp_123_from_123(p) &&
	    when_pcp_0_or_1_from_mac_02_00_00_00_00_fe(p))
		return mill_allow(w, p, RULE_FROM_WAN_C5E6A009);
	/* edge1.csv:3  deny,   any,            10.20.66.0/24,   tcp udp,  domain,     ,            1/s,  NET-141... */
	if (in_10_20_66_0_24_ipv4(p->dst4) && is_tcp_53_udp_53(p)) {
		mill_log_packet(w, p, RULE_FROM_WAN_6FF8E424, 1);
		return mill_deny(w, p, RULE_FROM_WAN_6FF8E424);
	}
	/* edge1.csv:4  allow,  203.0.113.0/24, 10.20.4.0/22,    tcp,      8000-8099,  ,            ,     NET-152... */
	if (in_203_0_113_0_24_ipv4(p->src4) && in_10_20_4_0_22_ipv4(p->dst4) && is_tcp_8000_to_8099(p))
		return mill_allow(w, p, RULE_FROM_WAN_3B8DF377);
	/* edge1.ts:67  nexthop('198.51.100.9', { to: customers.v4, service: tcp(25) }).log(), // scrub mail */
	if (in_customers_ipv4(p->dst4) && is_tcp_25(p)) {
		mill_log_packet(w, p, RULE_FROM_WAN_84EFC9D7, 10);
		return mill_divert(w, p, RULE_FROM_WAN_84EFC9D7, GATEWAY_198_51_100_9);
	}
	/* edge1.ts:46  default deny */
	mill_log_packet(w, p, RULE_FROM_WAN_9746883E, 10);
	return mill_deny(w, p, RULE_FROM_WAN_9746883E);
}

static bool acl_from_wan_ipv6(struct mill_worker *w, struct mill_packet *p)
{
	if (mill_unreadable(p))
		return mill_drop(w, p, MILL_DROP_L4_HEADER);
	/* built in  builtin:nd: Neighbour Discovery (RFC 4861) */
	if (is_icmp_133_134_135_136_ipv6(p) && when_builtin_on_link(p))
		return mill_allow(w, p, RULE_FROM_WAN_0DCA1C2F);
	/* built in  builtin:mld: Multicast Listener Discovery (RFC 2710, RFC 3810) */
	if (in_ff00_0_8_ipv6(&p->dst6) && is_icmp_130_131_132_143_ipv6(p))
		return mill_allow(w, p, RULE_FROM_WAN_4A7CA5C9);
	/* edge1.ts:43  deny({ from: inside }).log({ rate: '10/s' }).why('spoofed inside source') */
	if (in_customers_ipv6(&p->src6)) {
		mill_log_packet(w, p, RULE_FROM_WAN_C2FC651C, 10);
		return mill_deny(w, p, RULE_FROM_WAN_C2FC651C);
	}
	/* edge1.ts:48  deny({ from: bogons }) */
	if (in_bogons_ipv6(&p->src6))
		return mill_deny(w, p, RULE_FROM_WAN_9349EAB2);
	/* edge1.ts:49  deny({ service: udp('0-19') }).log(), // ;;;;udp;0-19;drop log */
	if (is_udp_0_to_19(p)) {
		mill_log_packet(w, p, RULE_FROM_WAN_6AB4BC7D, 10);
		return mill_deny(w, p, RULE_FROM_WAN_6AB4BC7D);
	}
	/* edge1.ts:50  deny({ flags: ['syn', 'fin'] }).why('no TCP sends this') */
	if (when_flags_fin_syn(p))
		return mill_deny(w, p, RULE_FROM_WAN_1CFCFF71);
	/* edge1.ts:51  deny({ fragment: 'later', to: servers }) */
	if (in_servers_ipv6(&p->dst6) && when_a_later_fragment(p))
		return mill_deny(w, p, RULE_FROM_WAN_C8F00CC3);
	/* edge1.ts:52  deny({ when: tinySyn }).count('tiny_syn') */
	if (when_tiny_syn(p))
		return mill_deny(w, p, RULE_FROM_WAN_1E37EB18);
	/* edge1.ts:53  deny({ when: oddDns }).log({ rate: '1/s' }) */
	if (when_odd_dns_ipv6(p)) {
		mill_log_packet(w, p, RULE_FROM_WAN_3211A4BD, 1);
		return mill_deny(w, p, RULE_FROM_WAN_3211A4BD);
	}
	/* edge1.ts:54  allow({ to: servers, service: web }).why('public web, NET-88') */
	if (in_servers_ipv6(&p->dst6) && is_web(p))
		return mill_allow(w, p, RULE_FROM_WAN_4390421D);
	/* edge1.ts:55  allow({ from: mgmt, service: tcp(22) }) */
	if (in_mgmt_ipv6(&p->src6) && is_tcp_22(p))
		return mill_allow(w, p, RULE_FROM_WAN_91047A1C);
	/* edge1.ts:59  allow({ service: icmp('echo-request', 'too-big') }).police('2 Mbit/s', { burst: '30 kB' }) */
	if (is_icmp_2_128_ipv6(p)) {
		if (!mill_police(w, p, RULE_FROM_WAN_F57B3234, 0x3e80000000, 0x1c9c38000, p->len))
			return false;
		return mill_allow(w, p, RULE_FROM_WAN_F57B3234);
	}
	/* edge1.ts:60  reject({ service: tcp('ident') }).why('mail servers that ask back need not wait') */
	if (is_tcp_113(p))
		return mill_reject_rule(w, p, RULE_FROM_WAN_730202EC, MILL_ANSWER_RESETS);
	/* edge1.ts:61  deny({ service: tcp('bgp'), ttl: [0, 254] }).why('generalised TTL security (RFC 5082)') */
	if (is_tcp_179(p) && when_ttl_0_254(p))
		return mill_deny(w, p, RULE_FROM_WAN_46D47CC3);
	/* edge1.ts:65  allow({ to: customers, service: udp('ntp', { from: 'ntp' }), fromMac: '02:00:00:00:00:fe'... */
	if (in_customers_ipv6(&p->dst6) && is_udp_123_from_123(p) &&
	    when_pcp_0_or_1_from_mac_02_00_00_00_00_fe(p))
		return mill_allow(w, p, RULE_FROM_WAN_C5E6A009);
	/* edge1.csv:5  allow,  any,            2001:db8:20::/48, tcp,     ,           established, ,     NET-160 */
	if (in_customers_ipv6(&p->dst6) && is_tcp(p) && when_flags_ack_or_rst(p))
		return mill_allow(w, p, RULE_FROM_WAN_CA389016);
	/* edge1.ts:46  default deny */
	mill_log_packet(w, p, RULE_FROM_WAN_9746883E, 10);
	return mill_deny(w, p, RULE_FROM_WAN_9746883E);
}

static bool acl_from_wan(struct mill_worker *w, struct mill_packet *p)
{
	if (!w->acl_enabled)
		return true;
	if (p->family == 4)
		return acl_from_wan_ipv4(w, p);
	return acl_from_wan_ipv6(w, p);
}

/* acl to-dmz on the way out, edge1.ts:71 */
static bool out_to_dmz_ipv4(struct mill_worker *w, struct mill_packet *p)
{
	if (mill_unreadable(p))
		return mill_drop(w, p, MILL_DROP_L4_HEADER);
	/* edge1.ts:72  allow({ to: servers, service: web }) */
	if (in_servers_ipv4(p->dst4) && is_web(p))
		return mill_allow(w, p, RULE_TO_DMZ_4FFFC8F7);
	/* edge1.ts:73  allow({ to: servers, from: mgmt }).dscp('cs2').mirror('ids', { oneIn: 10 }).sample(1000) */
	if (in_mgmt_ipv4(p->src4) && in_servers_ipv4(p->dst4)) {
		mill_sample(w, p, RULE_TO_DMZ_CEEC51A8, 1000);
		mill_mirror(w, p, PORT_IDS, 10);
		p->mark = 16;
		return mill_allow(w, p, RULE_TO_DMZ_CEEC51A8);
	}
	/* edge1.ts:74  allow({ service: icmp() }) */
	if (is_icmp_ipv4(p))
		return mill_allow(w, p, RULE_TO_DMZ_A29DD022);
	/* edge1.ts:71  default deny */
	return mill_deny_out(w, p, RULE_TO_DMZ_37E0FD5B);
}

static bool out_to_dmz_ipv6(struct mill_worker *w, struct mill_packet *p)
{
	if (mill_unreadable(p))
		return mill_drop(w, p, MILL_DROP_L4_HEADER);
	/* edge1.ts:72  allow({ to: servers, service: web }) */
	if (in_servers_ipv6(&p->dst6) && is_web(p))
		return mill_allow(w, p, RULE_TO_DMZ_4FFFC8F7);
	/* edge1.ts:73  allow({ to: servers, from: mgmt }).dscp('cs2').mirror('ids', { oneIn: 10 }).sample(1000) */
	if (in_mgmt_ipv6(&p->src6) && in_servers_ipv6(&p->dst6)) {
		mill_sample(w, p, RULE_TO_DMZ_CEEC51A8, 1000);
		mill_mirror(w, p, PORT_IDS, 10);
		p->mark = 16;
		return mill_allow(w, p, RULE_TO_DMZ_CEEC51A8);
	}
	/* edge1.ts:74  allow({ service: icmp() }) */
	if (is_icmp_ipv6(p))
		return mill_allow(w, p, RULE_TO_DMZ_A29DD022);
	/* edge1.ts:71  default deny */
	return mill_deny_out(w, p, RULE_TO_DMZ_37E0FD5B);
}

static bool out_to_dmz(struct mill_worker *w, struct mill_packet *p)
{
	if (!w->acl_enabled)
		return true;
	if (p->family == 4)
		return out_to_dmz_ipv4(w, p);
	return out_to_dmz_ipv6(w, p);
}

/* pbr tenant-path, edge1.ts:77 */
static uint16_t pbr_tenant_path_ipv4(struct mill_worker *w, struct mill_packet *p)
{
	mill_read_l4(p);
	/* edge1.ts:78  nexthop('198.51.100.9', { from: customers.v4, service: web }) */
	if (in_customers_ipv4(p->src4) && is_web(p))
		return mill_via(w, p, RULE_TENANT_PATH_855CF024, GATEWAY_198_51_100_9);
	/* no rule: by the FIB */
	return MILL_NO_GATEWAY;
}

static uint16_t pbr_tenant_path_ipv6(struct mill_worker *w, struct mill_packet *p)
{
	mill_read_l4(p);
	/* edge1.ts:79  nexthop('2001:db8:0:2::1', { from: customers.v6, service: udp(443) }) */
	if (in_customers_ipv6(&p->src6) && is_udp_443(p))
		return mill_via(w, p, RULE_TENANT_PATH_C842E3DF, GATEWAY_2001_DB8_0_2__1);
	/* no rule: by the FIB */
	return MILL_NO_GATEWAY;
}

static uint16_t pbr_tenant_path(struct mill_worker *w, struct mill_packet *p)
{
	if (!w->acl_enabled)
		return MILL_NO_GATEWAY;
	if (p->family == 4)
		return pbr_tenant_path_ipv4(w, p);
	return pbr_tenant_path_ipv6(w, p);
}

/* wan, edge1.ts:84 */
MILL_HOT bool accept_wan(struct mill_worker *w, struct mill_packet *p, struct mill_face face)
{
	return mill_enter(w, p, face) && acl_from_wan(w, p);
}

static const struct mill_adjacency *divert_wan(struct mill_worker *w, struct mill_packet *p)
{
	return mill_gateway_path(w, p, p->gateway);
}

/* lan.office, edge1.ts:95 */
static bool accept_lan_office(struct mill_worker *w, struct mill_packet *p)
{
	return mill_enter_tagged(w, p, mill_face_urpf(w, IF_LAN_OFFICE, MILL_URPF_STRICT));
}

static const struct mill_adjacency *divert_lan_office(struct mill_worker *w, struct mill_packet *p)
{
	return mill_gateway_path(w, p, pbr_tenant_path(w, p));
}

/* lan.dmz, edge1.ts:101 */
static bool accept_lan_dmz(struct mill_worker *w, struct mill_packet *p)
{
	return mill_enter_tagged(w, p, mill_face(w, IF_LAN_DMZ));
}

/* ids, edge1.ts:104 */
MILL_HOT bool accept_ids(struct mill_worker *w, struct mill_packet *p, struct mill_face face)
{
	return mill_enter(w, p, face);
}

/* metro.custA, edge1.ts:112 */
static bool accept_metro_custa(struct mill_worker *w, struct mill_packet *p)
{
	return mill_enter_tagged(w, p, mill_face(w, IF_METRO_CUSTA));
}

static const struct mill_adjacency *divert_metro_custa(struct mill_worker *w, struct mill_packet *p)
{
	return mill_gateway_path(w, p, pbr_tenant_path(w, p));
}

/* metro.custB, edge1.ts:113 */
static bool accept_metro_custb(struct mill_worker *w, struct mill_packet *p)
{
	return mill_enter_tagged(w, p, mill_face(w, IF_METRO_CUSTB));
}

/* By the `out` ACL of the interface in slot `iface`, if it has one. */
static enum mill_leave leave(struct mill_worker *w, struct mill_packet *p, uint16_t iface)
{
	switch (w->bind->local[iface]) {
	case IF_LAN_DMZ:
		return mill_judged(out_to_dmz(w, p));
	default:
		return MILL_UNJUDGED;
	}
}

/* port wan, xdp:ix0, edge1.ts:84 */

static void receive_wan(struct mill_worker *w, struct netmap_ring *rx)
{
	const struct mill_adjacency *path;
	struct mill_packet *p;
	struct mill_kept kept;
	struct mill_burst burst = mill_burst_begin(w, rx, &kept);
	const struct mill_face face = mill_face_urpf(w, IF_WAN, MILL_URPF_LOOSE);

	while ((p = mill_burst_next(&burst)) != NULL)
		if (accept_wan(w, p, face))
			mill_burst_keep(w, &burst, p);
	mill_burst_lookup(w, &burst);
	while ((p = mill_burst_route(w, &burst, &path)) != NULL) {
		if (mill_is_local(path))
			mill_deliver_routed(w, &burst, p);
		else
			mill_forward_judged(w, &burst, p, path, divert_wan(w, p), leave);
	}
	mill_burst_received(w, &burst, face);
	mill_burst_end(&burst);
}

/* port lan, xdp:ix1, edge1.ts:91 */
MILL_HOT bool classify_lan(struct mill_worker *w, struct mill_packet *p)
{
	if (!mill_read_ethernet(p, 1))
		return mill_reject(w, p, IF_LAN_OFFICE, MILL_DROP_TRUNCATED_FRAME);
	switch (p->tags) {
	case MILL_TAG(0x8100, 100):
		return accept_lan_office(w, p);
	case MILL_TAG(0x8100, 200):
		return accept_lan_dmz(w, p);
	default:
		return mill_reject(w, p, IF_LAN_OFFICE, MILL_DROP_UNKNOWN_VLAN);
	}
}

static const struct mill_adjacency *choose_lan(struct mill_worker *w, struct mill_packet *p)
{
	switch (p->local) {
	case IF_LAN_OFFICE:
		return divert_lan_office(w, p);
	default:
		return NULL;
	}
}

static void receive_lan(struct mill_worker *w, struct netmap_ring *rx)
{
	const struct mill_adjacency *path;
	struct mill_packet *p;
	struct mill_kept kept;
	struct mill_burst burst = mill_burst_begin(w, rx, &kept);

	while ((p = mill_burst_next(&burst)) != NULL)
		if (classify_lan(w, p))
			mill_burst_keep(w, &burst, p);
	mill_burst_lookup(w, &burst);
	while ((p = mill_burst_route(w, &burst, &path)) != NULL) {
		if (mill_is_local(path))
			mill_deliver_routed(w, &burst, p);
		else
			mill_forward_judged(w, &burst, p, path, choose_lan(w, p), leave);
	}
	mill_burst_end(&burst);
}

/* port ids, xdp:ix3, edge1.ts:104 */

static void receive_ids(struct mill_worker *w, struct netmap_ring *rx)
{
	const struct mill_adjacency *path;
	struct mill_packet *p;
	struct mill_kept kept;
	struct mill_burst burst = mill_burst_begin(w, rx, &kept);
	const struct mill_face face = mill_face(w, IF_IDS);

	while ((p = mill_burst_next(&burst)) != NULL)
		if (accept_ids(w, p, face))
			mill_burst_keep(w, &burst, p);
	mill_burst_lookup(w, &burst);
	while ((p = mill_burst_route(w, &burst, &path)) != NULL) {
		if (mill_is_local(path))
			mill_deliver_routed(w, &burst, p);
		else
			mill_forward_judged(w, &burst, p, path, NULL, leave);
	}
	mill_burst_received(w, &burst, face);
	mill_burst_end(&burst);
}

/* port metro, xdp:ix2, edge1.ts:105 */
MILL_HOT bool classify_metro(struct mill_worker *w, struct mill_packet *p)
{
	if (!mill_read_ethernet(p, 2))
		return mill_reject(w, p, IF_METRO_CUSTA, MILL_DROP_TRUNCATED_FRAME);
	switch (p->tags) {
	case MILL_TAGS(MILL_TAG(0x88a8, 300), MILL_TAG(0x8100, 10)):
		return accept_metro_custa(w, p);
	case MILL_TAGS(MILL_TAG(0x88a8, 300), MILL_TAG(0x8100, 11)):
		return accept_metro_custb(w, p);
	default:
		return mill_reject(w, p, IF_METRO_CUSTA, MILL_DROP_UNKNOWN_VLAN);
	}
}

static const struct mill_adjacency *choose_metro(struct mill_worker *w, struct mill_packet *p)
{
	switch (p->local) {
	case IF_METRO_CUSTA:
		return divert_metro_custa(w, p);
	default:
		return NULL;
	}
}

static void receive_metro(struct mill_worker *w, struct netmap_ring *rx)
{
	const struct mill_adjacency *path;
	struct mill_packet *p;
	struct mill_kept kept;
	struct mill_burst burst = mill_burst_begin(w, rx, &kept);

	while ((p = mill_burst_next(&burst)) != NULL)
		if (classify_metro(w, p))
			mill_burst_keep(w, &burst, p);
	mill_burst_lookup(w, &burst);
	while ((p = mill_burst_route(w, &burst, &path)) != NULL) {
		if (mill_is_local(path))
			mill_deliver_routed(w, &burst, p);
		else
			mill_forward_judged(w, &burst, p, path, choose_metro(w, p), leave);
	}
	mill_burst_end(&burst);
}

static void (*const receive[])(struct mill_worker *, struct netmap_ring *) = {
    [PORT_WAN] = receive_wan,
    [PORT_LAN] = receive_lan,
    [PORT_IDS] = receive_ids,
    [PORT_METRO] = receive_metro,
};

const struct mill_forwarder mill_forwarder = {
    .abi = MILL_ABI_VERSION,
    .layout = MILL_LAYOUT,
    /* clang-format off */
    .policy_hash = {
        0x1d, 0xca, 0x67, 0x84, 0xc4, 0x81, 0x64, 0x02,
        0x90, 0x44, 0xd6, 0xe6, 0x1d, 0xb2, 0x59, 0x66,
        0x9c, 0xcc, 0x67, 0x14, 0xa2, 0x7c, 0x7b, 0x35,
        0xc5, 0x6a, 0x2d, 0xe9, 0x49, 0x89, 0xe4, 0x8e,
    },
    /* clang-format on */
    .n_ports = 4,
    .n_ifaces = 6,
    .n_rules = 29,
    .n_gateways = 2,
    .n_sets = 0,
    .receive = receive,
};
