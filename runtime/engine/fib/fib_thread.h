/*
 * The thread `fib-trigger-q0`: applies batches of the daemon (shm/fib_queue.h) to the FIB that workers read. Makes the
 * FIB's memfds and eventfds, or goes on with those of a dead engine: then workers forward by the tables as they
 * were left, the daemon's replay fills a second set in the same memfd, and the end of the replay (SYNC_END) makes
 * that the current one.
 *
 * Threads: all functions are the control thread's, but port_down and thread_fib, which any thread may call.
 */
#pragma once
#include "netmill/forwarder.h"
#include "port/port.h"
#include "shm/engine_control.h"

struct mill_fib_thread;

struct mill_fib_thread_options {
	struct mill_state *state; /* epochs of the workers: grace periods (qsbr.h) */
	const struct mill_iface
	    *ifaces; /* by interface slot, MILL_MAX_IFACES; read when a rewrite is built */
	/* of a dead engine, or all -1; taken in any case */
	int tables_fd, queue_fd, wake_fd, done_fd;
};

struct mill_fib_thread *mill_fib_thread_start(const struct mill_fib_thread_options *, struct mill_error *);
void mill_fib_thread_stop(struct mill_fib_thread *);
/* What workers look up in. A worker takes it anew after each quiescent point and keeps it no longer than to the
 * next: a replay after an adoption, or another lookup structure, puts another one in its place. Any thread. */
const struct mill_fib *mill_fib_thread_fib(const struct mill_fib_thread *);
/* Carrier of a port: every path over it is dead, or alive again, when this returns. Any thread. */
void mill_fib_port_down(struct mill_fib_thread *, uint16_t port_slot, bool down);
/* Lookup structures of these methods (bit m: enum mill_fib_method m) are there from now on, and no others; forwarding
 * goes on meanwhile, changes of routes wait. One that finds no room is answered for by the flat tables, and logged. */
void mill_fib_thread_keep(struct mill_fib_thread *, uint32_t methods);
/* MAC, port, tags or MTU of ifaces[slot] are others than before: the rewrites over it are made anew when this
 * returns. */
void mill_fib_iface_changed(struct mill_fib_thread *, uint16_t iface_slot);
bool mill_fib_thread_lookup(struct mill_fib_thread *, const struct mill_lookup *,
                            struct mill_lookup_answer *);
/* MILL_HOLD_FIB, FIB_QUEUE, FIB_WAKE, FIB_DONE. */
uint32_t mill_fib_thread_held_fds(struct mill_fib_thread *, struct mill_held_fd *, uint32_t max);
