/*
 * The thread `fib-trigger-q0`: applies batches of the daemon (shm/fib_queue.h) to the FIB that workers read. Makes the
 * FIB's memfds and eventfds, or goes on with those of a dead engine.
 *
 * Threads: all functions are the control thread's, but port_down, which any thread may call.
 */
#pragma once
#include "netmill/forwarder.h"
#include "port/port.h"
#include "shm/engine_control.h"

struct mill_fib_thread;

struct mill_fib_thread_options {
	struct mill_state *state; /* epochs of the workers: grace periods */
	/* of a dead engine, or all -1 */
	int tables_fd, queue_fd, wake_fd, done_fd;
};

struct mill_fib_thread *mill_fib_thread_start(const struct mill_fib_thread_options *, struct mill_error *);
void mill_fib_thread_stop(struct mill_fib_thread *);
/* What workers look up in. Valid until stop. */
const struct mill_fib *mill_fib_thread_fib(const struct mill_fib_thread *);
/* Carrier of a port: every path over it is dead, or alive again, when this returns. */
void mill_fib_port_down(struct mill_fib_thread *, uint16_t port_slot, bool down);
bool mill_fib_thread_lookup(struct mill_fib_thread *, const struct mill_lookup *,
                            struct mill_lookup_answer *);
/* MILL_HOLD_FIB, FIB_QUEUE, FIB_WAKE, FIB_DONE. */
uint32_t mill_fib_thread_held_fds(struct mill_fib_thread *, struct mill_held_fd *, uint32_t max);
