/*
 * The memfd that holds the FIB: a page that says which of two places is in force, and the two places, each a whole
 * struct mill_fib. Usually one is in force and is changed in place; the other one is filled after an adoption, and
 * becomes the one in force by one store, in memory that outlives the engine. Sparse: an unused place costs nothing.
 *
 * Threads: the FIB thread and, before it runs, the control thread.
 */
#pragma once
#include <stddef.h>
#include "netmill/fib.h"
#include "port/port.h"

struct mill_fib_tables {
	int fd;
	uint8_t *base;
	size_t size;
};

bool mill_fib_tables_create(struct mill_fib_tables *, struct mill_error *);
/* Maps what another engine left; takes fd. False: it cannot be read by this program, and fd is closed. */
bool mill_fib_tables_map(struct mill_fib_tables *, int fd);
void mill_fib_tables_close(struct mill_fib_tables *);

struct mill_fib *mill_fib_tables_active(const struct mill_fib_tables *);
/* The other place. */
struct mill_fib *mill_fib_tables_spare(const struct mill_fib_tables *);
/* The spare is in force from now on. */
void mill_fib_tables_flip(struct mill_fib_tables *);
/* Lookups touch memory all over, so dense parts go into huge pages: copies the first such 2 MB at or behind *chunk and
 * moves *chunk behind it. False: none is left, and *chunk is 0 again. Readers wait for at most one such copy, a
 * fraction of a millisecond. Works whatever the system's setting for shared memory is (Linux 6.1), else does nothing. */
bool mill_fib_tables_condense(struct mill_fib *, uint32_t *chunk);
/* Gives a place's memory back: it reads as zeros afterwards. */
void mill_fib_tables_clear(struct mill_fib *);
