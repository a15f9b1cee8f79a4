/*
 * What generated rules are made of. A rule that takes a packet counts it under the rule's identity; then it lets
 * it pass, drops it, or names a gateway.
 */
#pragma once
#include "netmill/parse.h"

static inline void mill_hit(struct mill_worker *w, const struct mill_packet *p, uint32_t rule)
{
	mill_count(&w->rule_counters[w->bind->rule[rule]], p->len);
}

static inline void mill_log_hit(struct mill_worker *w, const struct mill_packet *p, uint32_t rule,
                                uint32_t per_second)
{
	w->services->log(w, w->bind->rule[rule], per_second, p->iface, p->frame, (uint16_t)p->len,
	                 (uint16_t)(p->l3 - p->frame));
}

static inline bool mill_allow(struct mill_worker *w, const struct mill_packet *p, uint32_t rule)
{
	mill_hit(w, p, rule);
	return true;
}

static inline bool mill_deny(struct mill_worker *w, const struct mill_packet *p, uint32_t rule)
{
	mill_hit(w, p, rule);
	return mill_drop(w, p, MILL_DROP_ACL);
}

static inline bool mill_divert(struct mill_worker *w, struct mill_packet *p, uint32_t rule, uint16_t gateway)
{
	mill_hit(w, p, rule);
	p->gateway = gateway;
	return true;
}

/* Rules that read ports, flags or types cannot judge a packet that hides them: fail closed. RFC 1858, RFC 7112. */
static inline bool mill_unreadable(struct mill_packet *p)
{
	mill_read_l4(p);
	return p->l4 == MILL_L4_BROKEN;
}

static inline bool mill_between(uint32_t value, uint32_t from, uint32_t to)
{
	return value - from <= to - from;
}

/* A sorted, disjoint list of address ranges. */
struct mill_range4 {
	uint32_t from, to;
};

struct mill_range6 {
	struct mill_address6 from, to;
};

static inline bool mill_in_ranges4(const struct mill_range4 *range, uint32_t n, uint32_t address)
{
	uint32_t low = 0;
	while (n > 1) { /* the last range that begins at or before the address */
		uint32_t half = n / 2;
		low += range[low + half].from <= address ? half : 0;
		n -= half;
	}
	return mill_between(address, range[low].from, range[low].to);
}

static inline bool mill_not_after6(const struct mill_address6 *a, const struct mill_address6 *b)
{
	return a->high != b->high ? a->high < b->high : a->low <= b->low;
}

static inline bool mill_in_ranges6(const struct mill_range6 *range, uint32_t n,
                                   const struct mill_address6 *address)
{
	uint32_t low = 0;
	while (n > 1) {
		uint32_t half = n / 2;
		low += mill_not_after6(&range[low + half].from, address) ? half : 0;
		n -= half;
	}
	return mill_not_after6(&range[low].from, address) && mill_not_after6(address, &range[low].to);
}

/* One row of a long list as data: what is not tested has an empty mask, or a range of everything. */
struct mill_row4 {
	uint32_t src, src_mask, dst, dst_mask;
	uint16_t dport_from, dport_to;
	uint8_t proto, any_proto, ports; /* ports: the transport header must have been read */
	uint8_t icmp_from, icmp_to, icmp_code_from, icmp_code_to, reserved;
	uint32_t rule; /* position in the list's table of actions */
};

struct mill_row6 {
	struct mill_address6 src, src_mask, dst, dst_mask;
	uint16_t dport_from, dport_to;
	uint8_t proto, any_proto, ports;
	uint8_t icmp_from, icmp_to, icmp_code_from, icmp_code_to, reserved;
	uint32_t rule;
};
