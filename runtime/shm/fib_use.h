/*
 * The FIB memfd as far as the daemon reads it: which path groups there are, and how much each is used. The rest of the
 * memfd is the engine's own. It begins with this head; of the two places behind it, the active one counts: workers
 * forward by it, and count in it. Offsets are from the beginning of a place.
 *
 *   key[group]           uint64_t: MILL_FIB_USE_NAMED | the daemon's number of the group; 0: it has none (any more)
 *   use[worker][group]   struct mill_counter, plain 64-bit stores of that worker alone
 *
 * A group that is set anew with other legs goes on counting. The engine's FIB thread clears the counters of a number
 * before another group gets it, when no worker can have it in hand any more. A replay (SYNC_BEGIN) begins new
 * groups, whose counters begin at zero; so does an adoption.
 *
 * Pages that nobody wrote cost no memory until they are read: read no group from `groups_end` on, and no worker that
 * never ran.
 */
#pragma once
#include <stdint.h>
#include "shm/state.h"

#define MILL_FIB_FILE_MAGIC  0x3353424154494600ull
#define MILL_FIB_USE_NAMED   (1ull << 32)
#define MILL_FIB_FIRST_GROUP 2u /* 0 is no route, 1 a route to nowhere */

struct mill_fib_file {
	uint64_t magic;
	uint64_t first_place, place_bytes; /* from the beginning of the memfd; of one place */
	uint32_t abi;
	uint32_t active; /* place in force: 0 or 1; engine, release */
	uint64_t
	    groups_end_offset; /* of a uint32_t: no group has this number or a higher one; engine, release */
	uint64_t key_offset;
	uint64_t use_offset, use_stride; /* of worker 0; from one worker to the next */
};
