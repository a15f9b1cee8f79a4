/*
 * The guard: a tiny process beside the engine that holds duplicates of the links of ports with fallback 'drop', so that a
 * router whose engine and daemon are both dead stays closed instead of forwarding by the kernel what its ACLs forbid.
 * It sleeps; the port's program, seeing no heartbeat, does the dropping. A new engine takes the links over; a clean
 * close, or SIGTERM to the guard, lets them go. It ends itself when it holds nothing.
 *
 * One guard per run directory, listening on `guard.sock` there (SOCK_SEQPACKET, 0600). Control thread only.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct mill_error;

struct mill_guarded {
	int link, program, map;
};

/* The guard, started when there is none, holds duplicates of these from now on; replaces what it held of `ifindex`. */
bool mill_guard_hold(const char *rundir, uint32_t ifindex, const struct mill_guarded *, struct mill_error *);
/* Duplicates of what the guard holds of `ifindex`, the caller's to close; the guard keeps its own. False: nothing. */
bool mill_guard_take(const char *rundir, uint32_t ifindex, struct mill_guarded *);
/* The guard, if there is one, lets go of `ifindex`. */
void mill_guard_drop(const char *rundir, uint32_t ifindex);
/* `netmill-engine --guard RUNDIR`: the guard itself. Exit code. */
int mill_guard_main(const char *rundir);
