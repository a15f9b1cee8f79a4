/*
 * A policy as data, for forwarders that are not made from one: what the generated C has as code and constants. Read
 * from the text that the bench writes (bench/loop.ts), one line a thing:
 *
 *   port DEPTH                                       tags that its interfaces have at most
 *   iface PORT TAGS LIST URPF                        tags as of MILL_TAGS; list -1: none
 *   list DEFAULT_RULE                                its default allows
 *   rule SRC MASK DST MASK PROTO MASK SELECTS FROM TO RULE    of the last list; numbers, hexadecimal
 */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include "netmill/acl.h"

#define POLICY_PORTS  4u
#define POLICY_IFACES 8u
#define POLICY_LISTS  4u
#define POLICY_ROWS   16384u

struct policy_iface {
	uint64_t tags;
	uint16_t port;
	int16_t list; /* in ACL */
	uint8_t urpf;
};

struct policy_list {
	uint32_t n;
	uint32_t fallback; /* action when no row takes the packet */
	struct mill_row4 *row;
	struct mill_action *action;
};

struct policy {
	uint32_t n_ports, n_ifaces, n_lists;
	uint32_t depth[POLICY_PORTS];
	struct policy_iface iface[POLICY_IFACES];
	struct policy_list list[POLICY_LISTS];
};

static inline void policy_fail(const char *path, const char *line)
{
	fprintf(stderr, "%s: expected a line of bench/loop/policy.h, got '%s'\n", path, line);
	exit(1);
}

static inline void policy_add_list(struct policy *policy, uint32_t rule)
{
	struct policy_list *list = &policy->list[policy->n_lists++];
	list->row = aligned_alloc(64, POLICY_ROWS * sizeof(*list->row));
	list->action = aligned_alloc(64, POLICY_ROWS * sizeof(*list->action));
	if (list->row == NULL || list->action == NULL)
		policy_fail("memory", "");
	list->action[0] = (struct mill_action){.rule = rule, .verdict = MILL_ALLOW};
}

static inline bool policy_add_rule(struct policy_list *list, const char *line)
{
	struct mill_row4 row = {0};
	struct mill_action action = {.verdict = MILL_ALLOW};
	if (list->n + 1 == POLICY_ROWS ||
	    sscanf(line, "rule %x %x %x %x %hhx %hhx %hhx %hx %hx %x", &row.src, &row.src_mask, &row.dst,
	           &row.dst_mask, &row.proto, &row.proto_mask, &row.selects, &row.from, &row.to,
	           &action.rule) != 10)
		return false;
	row.action = list->n + 1;
	list->row[list->n++] = row;
	list->action[list->n] = action;
	return true;
}

static inline void policy_read(struct policy *policy, const char *path)
{
	char line[256];
	struct policy_iface iface;
	unsigned number;
	FILE *file = fopen(path, "r");
	if (file == NULL)
		policy_fail(path, "no such file");
	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = 0;
		if (sscanf(line, "port %u", &number) == 1 && policy->n_ports < POLICY_PORTS)
			policy->depth[policy->n_ports++] = number;
		else if (sscanf(line, "iface %hu %lx %hd %hhu", &iface.port, &iface.tags, &iface.list,
		                &iface.urpf) == 4 &&
		         policy->n_ifaces < POLICY_IFACES)
			policy->iface[policy->n_ifaces++] = iface;
		else if (sscanf(line, "list %x", &number) == 1 && policy->n_lists < POLICY_LISTS)
			policy_add_list(policy, number);
		else if (policy->n_lists == 0 || !policy_add_rule(&policy->list[policy->n_lists - 1], line))
			policy_fail(path, line);
	}
	fclose(file);
}
