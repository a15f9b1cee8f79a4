/*
 * The FIB's memfd as another process reads it: mapped read-only, asked by the forwarder's own inline functions. For
 * the daemon's audit, which is the only producer of changes and asks while it has none under way; so what it reads
 * stands still, but for memory that the engine reclaims, which no answer comes from.
 *
 * Threads: any one; the view is a plain value.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mill_lookup_answer;

struct mill_fib_view {
	const uint8_t *base;
	size_t size;
};

/* Duplicates nothing and keeps no descriptor. False, with errno: it is no FIB of this version. */
bool mill_fib_view_map(struct mill_fib_view *, int fd);
void mill_fib_view_unmap(struct mill_fib_view *);

/* Groups of n addresses of 16 bytes in network order, IPv4 in the first four; 0 for no route. */
void mill_fib_view_groups(const struct mill_fib_view *, int family, const uint8_t (*address)[16],
                          uint32_t *group, unsigned n);
/* What a group says: legs as mill_fib_explain gives them. False: the number is no group's. */
bool mill_fib_view_group(const struct mill_fib_view *, uint32_t group, struct mill_lookup_answer *);
