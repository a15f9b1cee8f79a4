/*
 * The compact lookup structures, `radix` and `dxr` (netmill/fib_compact.h): runs of equal entries of the flat tables,
 * slice by slice, a block a slice. The flat tables stay what they are, the writer's own map of the prefixes; each
 * change of theirs is followed here at once: the slices that it touched are compressed anew, and each is published by
 * one store. Out of room, or once the flat tables are wide, a structure is given up: readers then take the flat ones.
 *
 * Threads: the FIB writer's own. Blocks are reused after a grace period.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "fib/qsbr.h"
#include "netmill/fib.h"

#define MILL_COMPACT_CLASSES 98u /* sizes of blocks, in units of 8 bytes */

struct mill_dir;

/* One method's structure of one family. */
struct mill_compact {
	struct mill_fib *fib;
	struct mill_qsbr *qsbr;
	const struct mill_dir *dir;
	enum mill_fib_method method;
	uint32_t *index;
	uint8_t *blocks;
	uint32_t free[MILL_COMPACT_CLASSES]; /* first free block + 1, each begins with the next one + 1 */
	uint32_t next, limit;                /* units; never used from `next` on */
	bool on;                             /* kept up to date */
	bool dropping;                       /* its pages are given back after a grace period */
};

void mill_compact_init(struct mill_compact *, const struct mill_dir *, enum mill_fib_method);
/* From the flat tables; readers may use it when this returns true. False: no room. Not while `dropping`. */
bool mill_compact_build(struct mill_compact *);
/* Readers go by the flat tables; the memory goes back to the system when none looks on. */
void mill_compact_drop(struct mill_compact *);
/* Entries of one table of the flat structure are others than before: from the one at `position` on. */
void mill_compact_refresh(struct mill_compact *, uint32_t position, uint32_t n);
/* The node is free, and no reader has it: so are its blocks. */
void mill_compact_forget(struct mill_compact *, uint32_t node);
