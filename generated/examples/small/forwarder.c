/*
 * Forwarder of router small, made by netmill from small.ts. It is made anew at each build: change the
 * policy, not this file. The pieces it is made of are in runtime/engine/include/netmill.
 */
/* no predicate asks for TCP flags or ICMP types */
#define MILL_PORTS_ALONE
#include "netmill/forward.h"

enum port {
	/* outside, xdp:eth0 */
	PORT_OUTSIDE,
	/* inside, xdp:eth1 */
	PORT_INSIDE,
};

enum interface {
	/* outside */
	IF_OUTSIDE,
	/* inside */
	IF_INSIDE,
};

/* Identities of rules: RULE_<list>_<hash of list, match and action>. */
enum rule {
	/* built in  builtin:nd: Neighbour Discovery (RFC 4861) */
	RULE_FROM_OUTSIDE_F7AA1812,
	/* built in  builtin:mld: Multicast Listener Discovery (RFC 2710, RFC 3810) */
	RULE_FROM_OUTSIDE_2C667E17,
	/* small.ts:7  deny({ from: office }).why('our own addresses, from outside') */
	RULE_FROM_OUTSIDE_91F109BC,
	/* small.ts:8  allow({ to: office, service: tcp(22, 443) }) */
	RULE_FROM_OUTSIDE_A49C6F1C,
	/* small.ts:9  allow({ service: icmp() }) */
	RULE_FROM_OUTSIDE_3B7B6D72,
	/* small.ts:6  default deny */
	RULE_FROM_OUTSIDE_7CB183A4,
};

/* built in */
static bool is_icmp_133_134_135_136_ipv6(const struct mill_packet *p)
{
	return p->proto == MILL_ICMPV6 && p->l4 == MILL_L4_READ && mill_between(p->icmp_type, 133, 136);
}

/* built in */
static uint64_t off_ff00_0_8_ipv6(const struct mill_address6 *address)
{
	/* ff00::/8 */
	return (address->high ^ 0xff00000000000000) >> 56;
}

/* built in */
static uint32_t off_icmp_130_131_132_143_ipv6(uint32_t service)
{
	uint32_t off = 1;
	off &= mill_outside(service, MILL_SERVICE(MILL_ICMPV6, 33280), MILL_SERVICE(MILL_ICMPV6, 33535)) != 0;
	off &= mill_outside(service, MILL_SERVICE(MILL_ICMPV6, 33536), MILL_SERVICE(MILL_ICMPV6, 33791)) != 0;
	off &= mill_outside(service, MILL_SERVICE(MILL_ICMPV6, 33792), MILL_SERVICE(MILL_ICMPV6, 34047)) != 0;
	off &= mill_outside(service, MILL_SERVICE(MILL_ICMPV6, 36608), MILL_SERVICE(MILL_ICMPV6, 36863)) != 0;
	return off;
}

/* small.ts:9 */
static uint32_t off_icmp_ipv4(uint32_t service)
{
	return (service ^ MILL_SERVICE(MILL_ICMP, 0)) & MILL_SERVICE_PROTO;
}

/* small.ts:9 */
static uint32_t off_icmp_ipv6(uint32_t service)
{
	return (service ^ MILL_SERVICE(MILL_ICMPV6, 0)) & MILL_SERVICE_PROTO;
}

/* small.ts:4 */
static uint32_t off_office_ipv4(uint32_t address)
{
	/* 192.0.2.0/24 */
	return (address ^ 0xc0000200) >> 8;
}

/* small.ts:4 */
static uint64_t off_office_ipv6(const struct mill_address6 *address)
{
	/* 2001:db8:1::/48 */
	return (address->high ^ 0x20010db800010000) >> 16;
}

/* small.ts:8 */
static uint32_t off_tcp_22_443(uint32_t service)
{
	uint32_t off = 1;
	off &= (service ^ MILL_SERVICE(MILL_TCP, 22)) != 0;
	off &= (service ^ MILL_SERVICE(MILL_TCP, 443)) != 0;
	return off;
}

/*
 * predicate builtin-on-link, built in
 *   (p) => p.ttl === 255
 */
static bool when_builtin_on_link(const struct mill_packet *p)
{
	return mill_ttl(p) == 255;
}

/* acl from-outside, small.ts:6 */
static bool acl_from_outside_ipv4(struct mill_worker *w, struct mill_packet *p)
{
	uint32_t service;
	/* small.ts:6  default deny */
	uint32_t verdict = MILL_DENIES | RULE_FROM_OUTSIDE_7CB183A4;

	if (mill_hides_service(p, &service))
		return mill_drop(w, p, MILL_DROP_L4_HEADER);
	/* small.ts:9  allow({ service: icmp() }) */
	if (off_icmp_ipv4(service) == 0)
		verdict = RULE_FROM_OUTSIDE_3B7B6D72;
	/* small.ts:8  allow({ to: office, service: tcp(22, 443) }) */
	if ((off_office_ipv4(p->dst4) | off_tcp_22_443(service)) == 0)
		verdict = RULE_FROM_OUTSIDE_A49C6F1C;
	/* small.ts:7  deny({ from: office }).why('our own addresses, from outside') */
	if (off_office_ipv4(p->src4) == 0)
		verdict = MILL_DENIES | RULE_FROM_OUTSIDE_91F109BC;
	return mill_judge(w, p, verdict, MILL_DROP_ACL);
}

static bool acl_from_outside_ipv6(struct mill_worker *w, struct mill_packet *p)
{
	uint32_t service;
	/* small.ts:6  default deny */
	uint32_t verdict = MILL_DENIES | RULE_FROM_OUTSIDE_7CB183A4;

	if (mill_unreadable(p))
		return mill_drop(w, p, MILL_DROP_L4_HEADER);
	/* built in  builtin:nd: Neighbour Discovery (RFC 4861) */
	if (is_icmp_133_134_135_136_ipv6(p) && when_builtin_on_link(p))
		return mill_allow(w, p, RULE_FROM_OUTSIDE_F7AA1812);
	service = mill_service(p);
	/* small.ts:9  allow({ service: icmp() }) */
	if (off_icmp_ipv6(service) == 0)
		verdict = RULE_FROM_OUTSIDE_3B7B6D72;
	/* small.ts:8  allow({ to: office, service: tcp(22, 443) }) */
	if ((off_office_ipv6(&p->dst6) | off_tcp_22_443(service)) == 0)
		verdict = RULE_FROM_OUTSIDE_A49C6F1C;
	/* small.ts:7  deny({ from: office }).why('our own addresses, from outside') */
	if (off_office_ipv6(&p->src6) == 0)
		verdict = MILL_DENIES | RULE_FROM_OUTSIDE_91F109BC;
	/* built in  builtin:mld: Multicast Listener Discovery (RFC 2710, RFC 3810) */
	if ((off_ff00_0_8_ipv6(&p->dst6) | off_icmp_130_131_132_143_ipv6(service)) == 0)
		verdict = RULE_FROM_OUTSIDE_2C667E17;
	return mill_judge(w, p, verdict, MILL_DROP_ACL);
}

static bool acl_from_outside(struct mill_worker *w, struct mill_packet *p)
{
	if (!w->acl_enabled)
		return true;
	if (p->family == 4)
		return acl_from_outside_ipv4(w, p);
	return acl_from_outside_ipv6(w, p);
}

/* outside, small.ts:14 */
MILL_HOT bool accept_outside(struct mill_worker *w, struct mill_packet *p, struct mill_face face)
{
	return mill_enter(w, p, face) && acl_from_outside(w, p);
}

/* inside, small.ts:15 */
MILL_HOT bool accept_inside(struct mill_worker *w, struct mill_packet *p, struct mill_face face)
{
	return mill_enter(w, p, face);
}

/* port outside, xdp:eth0, small.ts:14 */

static void receive_outside(struct mill_worker *w, struct netmap_ring *rx)
{
	const struct mill_adjacency *path;
	struct mill_packet *p;
	struct mill_kept kept;
	struct mill_burst burst = mill_burst_begin(w, rx, &kept);
	const struct mill_face face = mill_face(w, IF_OUTSIDE);

	while ((p = mill_burst_next(&burst)) != NULL)
		if (accept_outside(w, p, face))
			mill_burst_keep(w, &burst, p);
	mill_burst_lookup(w, &burst);
	while ((p = mill_burst_route(w, &burst, &path)) != NULL)
		mill_send(w, &burst, p, path, false);
	mill_burst_received(w, &burst, face);
	mill_burst_end(&burst);
}

/* port inside, xdp:eth1, small.ts:15 */

static void receive_inside(struct mill_worker *w, struct netmap_ring *rx)
{
	const struct mill_adjacency *path;
	struct mill_packet *p;
	struct mill_kept kept;
	struct mill_burst burst = mill_burst_begin(w, rx, &kept);
	const struct mill_face face = mill_face(w, IF_INSIDE);

	while ((p = mill_burst_next(&burst)) != NULL)
		if (accept_inside(w, p, face))
			mill_burst_keep(w, &burst, p);
	mill_burst_lookup(w, &burst);
	while ((p = mill_burst_route(w, &burst, &path)) != NULL)
		mill_send(w, &burst, p, path, false);
	mill_burst_received(w, &burst, face);
	mill_burst_end(&burst);
}

static void (*const receive[])(struct mill_worker *, struct netmap_ring *) = {
    [PORT_OUTSIDE] = receive_outside,
    [PORT_INSIDE] = receive_inside,
};

const struct mill_forwarder mill_forwarder = {
    .abi = MILL_ABI_VERSION,
    .layout = MILL_LAYOUT,
    /* clang-format off */
    .policy_hash = {
        0xf9, 0x48, 0x42, 0x23, 0xba, 0xcb, 0xf8, 0x2d,
        0xe2, 0x2e, 0x03, 0xa8, 0x68, 0x86, 0x37, 0x77,
        0x33, 0xc6, 0x6f, 0x3a, 0xdb, 0x7f, 0xa4, 0x2b,
        0x3a, 0x08, 0xd2, 0x3d, 0xd3, 0x81, 0x40, 0xc3,
    },
    /* clang-format on */
    .n_ports = 2,
    .n_ifaces = 2,
    .n_rules = 6,
    .n_gateways = 0,
    .n_sets = 0,
    .receive = receive,
};
