/*
 * All that writes one struct mill_fib: applies records of the daemon's batches (shm/fib_queue.h) to it.
 *
 * A replay (SYNC_BEGIN … SYNC_END) starts the daemon's numbers afresh: what was there stays in force, under numbers
 * that nobody can name any more, until each route has been set anew or is swept at the end. So a daemon that comes
 * back with other numbers never gives an old route a new meaning on the way.
 *
 * Threads: one at a time; readers look on all the while.
 */
#pragma once
#include "fib/adjacencies.h"
#include "fib/dir.h"
#include "fib/groups.h"
#include "fib/own4.h"
#include "fib/prefixes.h"
#include "fib/qsbr.h"

struct mill_fib_writer {
	struct mill_fib *fib;
	struct mill_qsbr *qsbr;
	struct mill_adjacencies adjacencies;
	struct mill_groups groups;
	struct mill_dir dir4, dir6;
	struct mill_prefixes prefixes4, prefixes6;
	struct mill_own4 own4;
	uint32_t gateway_session[MILL_MAX_GATEWAYS];
	/* a group whose legs have not all come yet */
	struct mill_fib_leg leg[MILL_GROUP_MAX_LEGS];
	uint32_t n_legs, want_legs, group_key;
	const struct mill_fib *before; /* what readers go by while this one is being filled, or NULL */
	bool replaying;
	bool behind;      /* something found no room: what it would have changed is as it was before */
	uint64_t refused; /* records that were wrong in themselves */
	uint64_t failed;  /* records that found no room: the old state stands */
};

enum mill_fib_result { MILL_FIB_APPLIED, MILL_FIB_REFUSED, MILL_FIB_NO_ROOM };

/* Bytes of address space for one struct mill_fib, a multiple of 2 MB. */
size_t mill_fib_bytes(void);
/* Makes an empty FIB in zeroed memory of that size. False: out of memory. */
bool mill_fib_writer_init(struct mill_fib_writer *, struct mill_fib *, struct mill_qsbr *,
                          const struct mill_iface *ifaces);
/* There are no readers any more, and qsbr is finished. */
void mill_fib_writer_finish(struct mill_fib_writer *);
/* True when a FIB that somebody else wrote can be read by this program. */
bool mill_fib_valid(const struct mill_fib *);

/* NO_ROOM: nothing was changed, and it may be tried again after a grace period; but for SYNC_END, which then leaves in
 * force what was there before the replay and was not set anew. */
enum mill_fib_result mill_fib_writer_apply(struct mill_fib_writer *, const struct mill_fib_record *);
/* A record that comes soon: what it will need from memory is fetched meanwhile. Changes nothing. */
void mill_fib_writer_expect(const struct mill_fib_writer *, const struct mill_fib_record *);
/* A record that found no room will not be tried again. From here on what depends on it finds no room either, until a
 * replay begins: the routes of before stay. */
void mill_fib_writer_give_up(struct mill_fib_writer *);
/* The compact structures of these methods (bit m: enum mill_fib_method m) are there from now on, the others are not;
 * readers of one that is not there, for want of room, are answered by the flat tables. Waits for a grace period where
 * a structure is wanted again that is still being given back. Without MILL_FIB_FLAT, IPv6 by `flat` goes down the trie
 * (fib/flat6.h). Returns the methods that are ready in both families. */
uint32_t mill_fib_writer_keep(struct mill_fib_writer *, uint32_t methods);
bool mill_fib_writer_iface_changed(struct mill_fib_writer *, uint16_t iface);
