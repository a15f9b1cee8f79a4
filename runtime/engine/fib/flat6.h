/*
 * What method `flat` reads for IPv6 (netmill/fib_flat6.h), made from the trie (dir.h), which stays the writer's own map of
 * the prefixes. After each change of a prefix the cells that it covers are made anew, each published by one store; runs
 * are immutable. A /16 has a block of cells while a longer prefix is set in it.
 * Out of room, or once the trie is wide, all is given up: readers then go down the trie.
 *
 * Threads: the FIB writer's own. Memory is reused after a grace period.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "fib/qsbr.h"
#include "fib/slots.h"
#include "netmill/fib.h"

#define MILL_FLAT6_SIZES 3u

struct mill_dir;

struct mill_flat6 {
	struct mill_qsbr *qsbr;
	const struct mill_dir *dir;
	uint32_t *ready, *lead, *cells; /* in the FIB */
	uint8_t *runs;                  /* in the FIB */
	uint32_t *longer; /* by /16: prefixes set that are longer; kept whether it is on or not */
	struct mill_slots blocks;
	uint32_t free[MILL_FLAT6_SIZES]; /* first free runs + 1, each begins with the next one + 1 */
	uint32_t next;                   /* units; never used from here on */
	bool on;                         /* kept up to date */
	bool dropping;                   /* its pages are given back after a grace period */
};

/* False: out of memory. */
bool mill_flat6_init(struct mill_flat6 *, const struct mill_dir *);
void mill_flat6_finish(struct mill_flat6 *);
/* From the trie; readers may use it when this returns true. False: no room. Not while `dropping`. */
bool mill_flat6_build(struct mill_flat6 *);
/* Readers go down the trie; the memory goes back to the system when none looks on. */
void mill_flat6_drop(struct mill_flat6 *);
/* A prefix of the trie was set or cleared; `by`: 1 if it is new, -1 if it is gone, else 0. Nodes that the trie has no use
 * for any more are still whole. */
void mill_flat6_follow(struct mill_flat6 *, const uint8_t *address, unsigned length, int by);
