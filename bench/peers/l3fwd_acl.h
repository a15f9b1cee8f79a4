/*
 * DPDK's rte_acl before l3fwd's steps, as its l3fwd-acl has it: a burst is classified where its packets lie, from the protocol
 * in the header on. The rules are those of a policy as text (../loop/policy.h); all of its lists only allow.
 */
#pragma once
#include <rte_acl.h>
#include <rte_mbuf.h>
#include "../loop/rounds.h"
#include "l3fwd_steps.h"

#define L3FWD_ACL_RULES 16384u
#define L3FWD_ACL_AT    23u /* of the protocol in a frame */

enum { ACL_PROTO, ACL_SRC, ACL_DST, ACL_SPORT, ACL_DPORT, ACL_FIELDS };
RTE_ACL_RULE_DEF(l3fwd_rule, ACL_FIELDS);

/* It reads four bytes at a time; the first byte alone. */
static const struct rte_acl_field_def l3fwd_acl_fields[ACL_FIELDS] = {
    {RTE_ACL_FIELD_TYPE_BITMASK, 1, ACL_PROTO, 0, 0}, {RTE_ACL_FIELD_TYPE_MASK, 4, ACL_SRC, 1, 3},
    {RTE_ACL_FIELD_TYPE_MASK, 4, ACL_DST, 2, 7},      {RTE_ACL_FIELD_TYPE_RANGE, 2, ACL_SPORT, 3, 11},
    {RTE_ACL_FIELD_TYPE_RANGE, 2, ACL_DPORT, 3, 13},
};

static bool l3fwd_acl_read(const char *line, struct l3fwd_rule *rule)
{
	uint32_t src, src_mask, dst, dst_mask, number;
	uint8_t proto, proto_mask, selects;
	uint16_t from, to;
	if (sscanf(line, "rule %x %x %x %x %hhx %hhx %hhx %hx %hx %x", &src, &src_mask, &dst, &dst_mask,
	           &proto, &proto_mask, &selects, &from, &to, &number) != 10)
		return false;
	rule->field[ACL_PROTO].value.u8 = proto;
	rule->field[ACL_PROTO].mask_range.u8 = proto_mask;
	rule->field[ACL_SRC].value.u32 = src;
	rule->field[ACL_SRC].mask_range.u32 = (uint32_t)__builtin_popcount(src_mask);
	rule->field[ACL_DST].value.u32 = dst;
	rule->field[ACL_DST].mask_range.u32 = (uint32_t)__builtin_popcount(dst_mask);
	rule->field[ACL_SPORT].mask_range.u16 = 0xffff;
	rule->field[ACL_DPORT].value.u16 = selects ? from : 0;
	rule->field[ACL_DPORT].mask_range.u16 = selects ? to : 0xffff;
	return true;
}

static struct rte_acl_ctx *l3fwd_acl_make(const char *path)
{
	const struct rte_acl_param param = {"list", SOCKET_ID_ANY, RTE_ACL_RULE_SZ(RTE_DIM(l3fwd_acl_fields)),
	                                    L3FWD_ACL_RULES};
	struct rte_acl_config config = {.num_categories = 1, .num_fields = ACL_FIELDS};
	struct rte_acl_ctx *list = rte_acl_create(&param);
	FILE *file = fopen(path, "r");
	char line[256];
	int32_t priority = L3FWD_ACL_RULES;
	if (list == NULL || file == NULL)
		rounds_fail("no list of rules", path);
	memcpy(config.defs, l3fwd_acl_fields, sizeof(l3fwd_acl_fields));
	while (fgets(line, sizeof(line), file) != NULL) {
		struct l3fwd_rule rule = {
		    .data = {.userdata = 1, .category_mask = 1, .priority = priority--}};
		if (l3fwd_acl_read(line, &rule) &&
		    rte_acl_add_rules(list, (const struct rte_acl_rule *)(const void *)&rule, 1) != 0)
			rounds_fail("rte_acl does not take the rule", line);
	}
	fclose(file);
	if (rte_acl_build(list, &config) != 0)
		rounds_fail("rte_acl does not build the list", path);
	if (rte_acl_set_ctx_classify(list, RTE_ACL_CLASSIFY_AVX512X32) != 0)
		(void)rte_acl_set_ctx_classify(list, RTE_ACL_CLASSIFY_AVX2);
	return list;
}

/* What no rule takes is allowed by default, so all go on; what is timed is that each has been judged. */
static inline void l3fwd_acl(const struct rte_acl_ctx *list, struct rte_mbuf *const *m, uint32_t n,
                             uint32_t *rule)
{
	const uint8_t *from[L3FWD_BURST];
	for (uint32_t i = 0; i < n; i++) {
		from[i] = rte_pktmbuf_mtod_offset(m[i], const uint8_t *, L3FWD_ACL_AT);
		rte_prefetch0(from[i]);
	}
	rte_acl_classify(list, from, rule, n, 1);
}
