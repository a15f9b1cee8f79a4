/*
 * What the FIB bench gives to netmill and to its peers alike: a table from a text of `prefix nexthop` lines, and
 * three patterns of addresses, drawn with fixed seeds, so that programs of their own processes draw the same.
 *
 *   uniform   over the whole IPv4 space; for IPv6 over 2000::/3
 *   routed    at random inside a prefix drawn at random
 *   zipf      the same, prefixes drawn by Zipf(1.0)
 *
 * Both programs read one command a line and answer with one number a line (fib.ts).
 */
#pragma once
#include <arpa/inet.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TABLE_ADDRESSES (1u << 20)
#define TABLE_BURST     64u

/* Where answer i goes: into the array of a burst, as a forwarder has them, or all are kept. */
#define TABLE_BURSTS 0u
#define TABLE_KEEP   UINT32_MAX

struct table_entry {
	uint8_t address[16];
	uint8_t length;
	uint16_t nexthop; /* from 1 */
};

struct table {
	int family;
	uint32_t n;
	struct table_entry *entry;
	uint32_t *address4;      /* host order */
	uint8_t (*address6)[16]; /* network order */
	uint64_t *answer;
};

static inline void table_fail(const char *what, const char *where)
{
	fprintf(stderr, "%s: %s\n", where, what);
	exit(1);
}

static inline uint64_t table_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Of this thread alone: what else runs on the core does not count. A system call, so not for short spans. */
static inline uint64_t table_own_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* xorshift64*, Marsaglia and Vigna. */
static inline uint64_t table_random(uint64_t *state)
{
	uint64_t x = *state;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dull;
}

static inline uint32_t table_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((table_random(state) >> 32) * n >> 32);
}

static inline struct table table_load(const char *path)
{
	struct table table = {0};
	char line[128], text[64];
	unsigned length, nexthop;
	uint32_t capacity = 0;
	FILE *file = fopen(path, "r");
	if (file == NULL)
		table_fail("expected a table of `prefix nexthop` lines, got no such file", path);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "%63[0-9a-fA-F.:]/%u %u", text, &length, &nexthop) != 3)
			continue;
		if (table.n == capacity) {
			capacity = capacity ? 2 * capacity : 1 << 16;
			table.entry = realloc(table.entry, capacity * sizeof(*table.entry));
		}
		struct table_entry *entry = &table.entry[table.n];
		memset(entry, 0, sizeof(*entry));
		table.family = strchr(text, ':') ? 6 : 4;
		if (inet_pton(table.family == 6 ? AF_INET6 : AF_INET, text, entry->address) != 1)
			continue;
		entry->length = (uint8_t)length;
		entry->nexthop = (uint16_t)(nexthop + 1);
		table.n++;
	}
	fclose(file);
	if (table.n == 0)
		table_fail("expected a table of `prefix nexthop` lines, got none", path);
	table.address4 = malloc(TABLE_ADDRESSES * sizeof(*table.address4));
	table.address6 = malloc(TABLE_ADDRESSES * sizeof(*table.address6));
	table.answer = calloc(TABLE_ADDRESSES, sizeof(*table.answer));
	return table;
}

static inline void table_inside(uint64_t *state, const struct table_entry *entry, uint8_t address[16])
{
	memcpy(address, entry->address, 16);
	for (unsigned byte = 0; byte < 16; byte++) {
		const unsigned fixed = entry->length <= byte * 8       ? 0
		                       : entry->length >= byte * 8 + 8 ? 8
		                                                       : entry->length - byte * 8;
		address[byte] |= (uint8_t)((table_random(state) >> 56) & (0xffu >> fixed));
	}
}

/* By inversion of the harmonic numbers; ranks are scattered over the table. */
static inline uint32_t table_zipf(uint64_t *state, uint32_t n)
{
	const double u = (double)(table_random(state) >> 11) / 9007199254740992.0;
	return (uint32_t)(((uint64_t)exp(u * log((double)n)) * 2654435761u) % n);
}

/* Fills address4 and address6. False: there is no such pattern. */
static inline bool table_draw(struct table *table, const char *pattern)
{
	uint64_t state = 4242;
	const bool uniform = strcmp(pattern, "uniform") == 0, zipf = strcmp(pattern, "zipf") == 0;
	if (!uniform && !zipf && strcmp(pattern, "routed") != 0)
		return false;
	for (uint32_t i = 0; i < TABLE_ADDRESSES; i++) {
		uint8_t *address = table->address6[i];
		if (uniform) {
			const uint64_t any[2] = {table_random(&state), table_random(&state)};
			memcpy(address, any, 16);
			if (table->family == 6)
				address[0] = 0x20 | (address[0] & 0x1f);
		} else {
			const uint32_t which =
			    zipf ? table_zipf(&state, table->n) : table_below(&state, table->n);
			table_inside(&state, &table->entry[which], address);
		}
		memcpy(&table->address4[i], address, 4);
		table->address4[i] = __builtin_bswap32(table->address4[i]);
	}
	return true;
}

/* Of all answers, so that programs can be compared: FNV-1a over the numbers. */
static inline uint64_t table_answers(const struct table *table)
{
	uint64_t hash = 0xcbf29ce484222325ull;
	for (uint32_t i = 0; i < TABLE_ADDRESSES; i++)
		hash = (hash ^ table->answer[i]) * 0x100000001b3ull;
	return hash >> 12; /* a number that JavaScript can hold */
}

static inline int table_by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static inline double table_median(double *value, uint32_t n)
{
	qsort(value, n, sizeof(*value), table_by_value);
	return value[n / 2];
}
