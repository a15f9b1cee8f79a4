/*
 * The multiway trie of one family inside struct mill_fib: a root over 24 bits, nodes over 8 (DIR-24-8 for IPv4,
 * the same continued for IPv6). Beside each entry, in private memory, stands the length of the prefix that put it
 * there: that is all an incremental change needs to know. A prefix replaces entries whose length is not larger than
 * its own; a withdrawal gives entries of its own length to the covering prefix, which the caller looks up.
 * The default route is not in here. A root entry of IPv4 changes before its byte in `near` does, which readers look at
 * first: whoever is sent on by the byte finds what it was sent for, or what came after it.
 *
 * A node has the same number whatever the width of entries: its depth below the root times 2^15, and a number within
 * that. An entry of 16 bits leaves the depth out, as who follows it knows it. When one of them does not suffice any
 * more (a large group, a full depth), all is copied into entries of 32 bits, and a flag tells readers.
 *
 * Threads: the FIB writer's own; entries are stored with release, nodes are reused after a grace period.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "fib/compact.h"
#include "fib/flat6.h"
#include "fib/qsbr.h"
#include "fib/slots.h"
#include "netmill/fib.h"

#define MILL_DIR_PARTS 16u /* a /4 each: 2 MB of 16-bit entries */

struct mill_dir {
	struct mill_fib *fib;
	struct mill_qsbr *qsbr;
	int family;
	uint8_t *root, *nodes;   /* in the FIB */
	uint8_t *near;           /* in the FIB, of IPv4: beside each root entry; else NULL */
	uint32_t far;            /* entries of `near` that are MILL_FIB_FAR */
	uint8_t *root_length;    /* by root entry; LENGTH_NODE where the entry is a node */
	uint8_t *node_length;    /* by node entry */
	uint32_t *node_prefixes; /* by node: prefixes that need it, here or below */
	struct mill_slots
	    slots[MILL_FIB_DEPTHS6];       /* of nodes, by depth; all in the first one when not narrow */
	uint32_t depths;                   /* 1 or MILL_FIB_DEPTHS6 */
	uint32_t *wide;                    /* in the FIB: readers' flag */
	bool narrow;                       /* entries of 16 bits */
	uint32_t prefixes[MILL_DIR_PARTS]; /* ever set, by part of the root */
	struct mill_compact radix, dxr;    /* follow what changes here, if they are on */
	struct mill_flat6 flat6;           /* of IPv6: the same */
};

/* family 4 or 6; the FIB's part is zero. False: out of memory. */
bool mill_dir_init(struct mill_dir *, struct mill_fib *, struct mill_qsbr *, int family);
void mill_dir_finish(struct mill_dir *);

/* Nodes in use, or waiting for a grace period. */
uint32_t mill_dir_nodes(const struct mill_dir *);

/* Address in network order, bits behind `length` zero, length ≥ 1, group ≥ 1. `known`: the prefix was set before.
 * False: no node is free, and nothing was changed. */
bool mill_dir_set(struct mill_dir *, const uint8_t *address, unsigned length, uint32_t group, bool known);
/* The prefix was set before. Cover: the longest one set that contains it; 0, 0 if there is none. */
void mill_dir_clear(struct mill_dir *, const uint8_t *address, unsigned length, uint32_t cover_group,
                    unsigned cover_length);
