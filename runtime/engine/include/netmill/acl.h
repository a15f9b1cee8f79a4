/*
 * What generated rules are made of. A rule that takes a packet counts it under the rule's identity; then it lets
 * it pass, drops it, or names a gateway.
 */
#pragma once
#include "netmill/service.h"

static inline void mill_hit(struct mill_worker *w, const struct mill_packet *p, uint32_t rule)
{
	mill_count(&w->rule_counters[w->bind->rule[rule]], p->len);
}

static inline void mill_log_packet(struct mill_worker *w, const struct mill_packet *p, uint32_t rule,
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

static inline bool mill_refuse(struct mill_worker *w, const struct mill_packet *p, uint32_t rule,
                               enum mill_drop reason)
{
	mill_hit(w, p, rule);
	return mill_drop(w, p, reason);
}

static inline bool mill_deny(struct mill_worker *w, const struct mill_packet *p, uint32_t rule)
{
	return mill_refuse(w, p, rule, MILL_DROP_ACL);
}

/* Of rules that only let pass or drop: the rule's number, and ORed to it whether it drops. */
#define MILL_DENIES     0x80000000u
#define MILL_NO_VERDICT 0xffffffffu

static inline bool mill_judge(struct mill_worker *w, const struct mill_packet *p, uint32_t verdict,
                              enum mill_drop reason)
{
	mill_hit(w, p, verdict & ~MILL_DENIES);
	return (verdict & MILL_DENIES) == 0 || mill_drop(w, p, reason);
}

/* On the way out. */
static inline bool mill_deny_out(struct mill_worker *w, const struct mill_packet *p, uint32_t rule)
{
	return mill_refuse(w, p, rule, MILL_DROP_ACL_OUT);
}

/* `how` a rejected packet's source is told: enum mill_answer_how. */
static inline void mill_answer(struct mill_worker *w, const struct mill_packet *p, uint8_t how)
{
	w->services->answer(w, p->iface, how, p->frame, (uint16_t)p->len, (uint16_t)(p->l3 - p->frame));
}

static inline bool mill_reject_rule(struct mill_worker *w, const struct mill_packet *p, uint32_t rule,
                                    uint8_t how)
{
	mill_answer(w, p, how);
	return mill_deny(w, p, rule);
}

static inline bool mill_reject_rule_out(struct mill_worker *w, const struct mill_packet *p, uint32_t rule,
                                        uint8_t how)
{
	mill_answer(w, p, how);
	return mill_deny_out(w, p, rule);
}

static inline void mill_sample(struct mill_worker *w, const struct mill_packet *p, uint32_t rule,
                               uint32_t one_in)
{
	w->services->sample(w, w->bind->rule[rule], one_in, p->iface, p->frame, (uint16_t)p->len,
	                    (uint16_t)(p->l3 - p->frame));
}

/* A copy for which there is no room is lost and counted; the packet itself goes on. */
static inline void mill_mirror(struct mill_worker *w, const struct mill_packet *p, uint16_t port,
                               uint32_t one_in)
{
	if (!w->services->mirror(w, w->bind->port[port], one_in, p->frame, (uint16_t)p->len))
		mill_drop(w, p, MILL_DROP_MIRROR_FULL);
}

/* False: over the rule's limit, counted and dropped. */
static inline bool mill_police(struct mill_worker *w, const struct mill_packet *p, uint32_t rule,
                               uint64_t cost, uint64_t burst, uint32_t amount)
{
	const uint32_t slot = w->bind->rule[rule];
	if (w->services->police(w, slot, cost, burst, amount))
		return true;
	mill_hit(w, p, rule);
	mill_count(&w->policed[slot], p->len);
	return mill_drop(w, p, MILL_DROP_POLICED);
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

/* The same of a packet that its list was asked about with its burst. */
static inline bool mill_was_unreadable(const struct mill_packet *p)
{
	return mill_unlikely(p->l4 == MILL_L4_BROKEN);
}

static inline bool mill_between(uint32_t value, uint32_t from, uint32_t to)
{
	return value - from <= to - from;
}

/* 0: it is between them. */
static inline uint32_t mill_outside(uint32_t value, uint32_t from, uint32_t to)
{
	return value - from > to - from;
}

static inline bool mill_is_icmp(const struct mill_packet *p, uint8_t type, uint8_t code)
{
	return p->icmp_type == type && p->icmp_code == code;
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

/* For PBR lists: the gateways that the rule names. */
static inline uint16_t mill_via(struct mill_worker *w, const struct mill_packet *p, uint32_t rule,
                                uint16_t gateway)
{
	mill_hit(w, p, rule);
	return gateway;
}

/*
 * Long lists are data: first match by linear scan of rows. What a row does not test has an empty mask. `selector`
 * is the destination port, or ICMP type and code as one number, so that one range covers both.
 */
struct mill_row4 {
	uint32_t src, src_mask, dst, dst_mask;
	uint16_t from, to; /* of the selector */
	uint8_t proto, proto_mask;
	uint8_t selects; /* tests the selector: the transport header must have been read */
	uint8_t reserved;
	uint32_t action; /* position in the list's actions */
};

struct mill_row6 {
	struct mill_address6 src, src_mask, dst, dst_mask;
	uint16_t from, to;
	uint8_t proto, proto_mask, selects, reserved;
	uint32_t action;
};

enum mill_verdict { MILL_ALLOW, MILL_DENY, MILL_REJECT, MILL_DIVERT };

struct mill_action {
	uint32_t rule;
	uint32_t per_second; /* log events, 0 for none */
	uint16_t gateway;
	uint8_t verdict;    /* enum mill_verdict */
	uint8_t how;        /* enum mill_answer_how */
	uint32_t treatment; /* place in the list's treatments, from 1; 0 for none */
};

/* What few rules of long lists do besides. */
struct mill_treatment {
	uint64_t cost, burst;           /* of mill_police; cost 0: no limit */
	uint32_t sample, mirror_one_in; /* 0: none */
	uint16_t mirror;                /* local port */
	uint8_t mark;                   /* or MILL_NO_MARK */
	bool per_packet;                /* the limit counts packets, not bytes */
};

static inline const struct mill_row4 *mill_scan4(const struct mill_row4 *row, uint32_t n,
                                                 const struct mill_packet *p)
{
	const uint32_t selector = p->l4 == MILL_L4_READ ? mill_selector(p) : 0;
	for (const struct mill_row4 *end = row + n; row < end; row++) {
		if ((((p->src4 ^ row->src) & row->src_mask) | ((p->dst4 ^ row->dst) & row->dst_mask)) != 0)
			continue;
		if (((p->proto ^ row->proto) & row->proto_mask) != 0)
			continue;
		if (!row->selects || (p->l4 == MILL_L4_READ && mill_between(selector, row->from, row->to)))
			return row;
	}
	return NULL;
}

static inline bool mill_differs6(const struct mill_address6 *a, const struct mill_address6 *b,
                                 const struct mill_address6 *mask)
{
	return (((a->high ^ b->high) & mask->high) | ((a->low ^ b->low) & mask->low)) != 0;
}

static inline const struct mill_row6 *mill_scan6(const struct mill_row6 *row, uint32_t n,
                                                 const struct mill_packet *p)
{
	const uint32_t selector = p->l4 == MILL_L4_READ ? mill_selector(p) : 0;
	for (const struct mill_row6 *end = row + n; row < end; row++) {
		if (mill_differs6(&p->src6, &row->src, &row->src_mask))
			continue;
		if (mill_differs6(&p->dst6, &row->dst, &row->dst_mask))
			continue;
		if (((p->proto ^ row->proto) & row->proto_mask) != 0)
			continue;
		if (!row->selects || (p->l4 == MILL_L4_READ && mill_between(selector, row->from, row->to)))
			return row;
	}
	return NULL;
}

static inline bool mill_verdict_of(struct mill_worker *w, struct mill_packet *p,
                                   const struct mill_action *action, enum mill_drop reason)
{
	if (mill_likely(action->verdict == MILL_ALLOW))
		return mill_allow(w, p, action->rule);
	switch (action->verdict) {
	case MILL_DENY:
		return mill_refuse(w, p, action->rule, reason);
	case MILL_REJECT:
		mill_answer(w, p, action->how);
		return mill_refuse(w, p, action->rule, reason);
	case MILL_DIVERT:
		return mill_divert(w, p, action->rule, action->gateway);
	default:
		return true;
	}
}

static inline void mill_log_action(struct mill_worker *w, const struct mill_packet *p,
                                   const struct mill_action *action)
{
	if (action->per_second != 0)
		mill_log_packet(w, p, action->rule, action->per_second);
}

/* Lists of which no rule logs or has a treatment act by the short forms. False: over the rule's limit. */
static inline bool mill_treat(struct mill_worker *w, struct mill_packet *p, const struct mill_action *action,
                              const struct mill_treatment *treatments)
{
	const struct mill_treatment *of;
	mill_log_action(w, p, action);
	if (action->treatment == 0)
		return true;
	of = &treatments[action->treatment - 1];
	if (of->sample != 0)
		mill_sample(w, p, action->rule, of->sample);
	if (of->mirror_one_in != 0)
		mill_mirror(w, p, of->mirror, of->mirror_one_in);
	if (of->mark != MILL_NO_MARK)
		p->mark = of->mark;
	return of->cost == 0 ||
	       mill_police(w, p, action->rule, of->cost, of->burst, of->per_packet ? 1 : p->len);
}

static inline bool mill_act(struct mill_worker *w, struct mill_packet *p, const struct mill_action *action)
{
	return mill_verdict_of(w, p, action, MILL_DROP_ACL);
}

static inline bool mill_act_treated(struct mill_worker *w, struct mill_packet *p,
                                    const struct mill_action *action, const struct mill_treatment *treatments)
{
	return mill_treat(w, p, action, treatments) && mill_verdict_of(w, p, action, MILL_DROP_ACL);
}

static inline bool mill_act_out(struct mill_worker *w, struct mill_packet *p,
                                const struct mill_action *action)
{
	return mill_verdict_of(w, p, action, MILL_DROP_ACL_OUT);
}

static inline bool mill_act_out_treated(struct mill_worker *w, struct mill_packet *p,
                                        const struct mill_action *action,
                                        const struct mill_treatment *treatments)
{
	return mill_treat(w, p, action, treatments) && mill_verdict_of(w, p, action, MILL_DROP_ACL_OUT);
}

static inline uint16_t mill_act_via(struct mill_worker *w, const struct mill_packet *p,
                                    const struct mill_action *action)
{
	return mill_via(w, p, action->rule, action->gateway);
}

/* Rules of PBR lists have no limits. */
static inline uint16_t mill_act_via_treated(struct mill_worker *w, struct mill_packet *p,
                                            const struct mill_action *action,
                                            const struct mill_treatment *treatments)
{
	mill_treat(w, p, action, treatments);
	return mill_via(w, p, action->rule, action->gateway);
}
