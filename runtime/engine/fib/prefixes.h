/*
 * The prefix store of one family: (prefix, length) → group, a hash table with linear probing. 8 bytes a place for
 * IPv4 (address 32, group 24, length 6, mark 1, used 1 bits), 24 for IPv6. A covering prefix is found by asking
 * for each shorter length that exists at all. The default route is kept here as well, with length 0.
 *
 * Threads: the FIB writer's own.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct mill_prefix {
	uint64_t high, low; /* address in host order, IPv4 in the top 32 bits of `high` */
	uint8_t length;
};

struct mill_prefixes {
	uint64_t *place;
	uint32_t words; /* a place: 1 for IPv4, 3 for IPv6 */
	uint32_t n, capacity;
	uint32_t by_length[129];
};

void mill_prefixes_init(struct mill_prefixes *, int family);
void mill_prefixes_finish(struct mill_prefixes *);

struct mill_prefix mill_prefix_of(const uint8_t *address, int family, unsigned length);
void mill_prefix_bytes(const struct mill_prefix *, uint8_t address[16]);

/* Group, 0 when the prefix is not there. */
uint32_t mill_prefixes_get(const struct mill_prefixes *, const struct mill_prefix *);
/* Inserts or replaces, and marks; *was: its group before, 0 when it is new. False: out of memory, nothing changed. */
bool mill_prefixes_put(struct mill_prefixes *, const struct mill_prefix *, uint32_t group, uint32_t *was);
/* The prefix will be asked for soon: its place is a cache miss otherwise. */
void mill_prefixes_expect(const struct mill_prefixes *, const struct mill_prefix *);
void mill_prefixes_remove(struct mill_prefixes *, const struct mill_prefix *);
/* Group of the longest shorter prefix that contains it, of length ≥ 1; 0 if there is none. */
uint32_t mill_prefixes_cover(const struct mill_prefixes *, const struct mill_prefix *, unsigned *length);

/* The first prefix at or after place *at, which is moved behind it; false at the end. */
bool mill_prefixes_next(const struct mill_prefixes *, uint32_t *at, struct mill_prefix *, uint32_t *group);

void mill_prefixes_unmark(struct mill_prefixes *);
/* The first unmarked prefix at or after place *at, which is moved behind it; false at the end. When the prefix is
 * removed meanwhile, *at is to be lowered by one: another may have come into its place. */
bool mill_prefixes_next_unmarked(const struct mill_prefixes *, uint32_t *at, struct mill_prefix *);
