/*
 * Waiting for descriptors, waking other threads, and signals as descriptors. A set belongs to one thread; whoever has a bell
 * may ring it.
 */
#pragma once
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* What is waited for, and what came. MILL_READY_END: the other side is gone, or an error; asked for or not. */
#define MILL_READY_IN  1u
#define MILL_READY_OUT 2u
#define MILL_READY_END 4u
/* Only when something new has come, not as long as something is there. */
#define MILL_READY_EDGE 8u

struct mill_ready {
	uint64_t tag;
	uint32_t what;
};

/* A set of descriptors, itself one that is readable when one of its own is ready. -1 and errno. */
int mill_wait_create(void);
/* These: 0, or -1 and errno (EEXIST: it is in the set already). */
int mill_wait_add(int set, int fd, uint32_t what, uint64_t tag);
int mill_wait_change(int set, int fd, uint32_t what, uint64_t tag);
void mill_wait_remove(int set, int fd);
/* How many are ready, at most `most`; 0 after `timeout_ms` (-1: no end) or a signal. */
int mill_wait_for(int set, struct mill_ready *, int most, int timeout_ms);

/* A descriptor that is readable from a ring (a write of any uint64_t but 0) to the next answer (a read of a uint64_t).
 * `waits`: an answer waits for a ring. -1 and errno. */
int mill_bell_create(bool waits);

/* A descriptor that is readable, by reads of a uint64_t, each time so many nanoseconds have passed. -1 and errno. */
int mill_timer_create(uint32_t every_ns);

/* A descriptor that is readable when one of these signals, which are blocked, has come. */
int mill_signals_open(const sigset_t *);
/* The next one's number; 0: none. */
int mill_signals_take(int fd);
