/* What the FIB's test programs share: a FIB in private memory with its writer, records, random numbers. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include "fib/explain.h"
#include "fib/fib_writer.h"
#include "fib/tables.h"

#define CHECK(condition, ...)                                                                                \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: expected %s: ", __FILE__, __LINE__, #condition);             \
			fprintf(stderr, __VA_ARGS__);                                                        \
			fputc('\n', stderr);                                                                 \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

/* 1: malloc, calloc and realloc find no memory, in the programs' own code and the FIB's. */
extern _Atomic int refuse_memory;

struct fixture {
	struct mill_state *state;
	struct mill_iface iface[MILL_MAX_IFACES];
	struct mill_fib_tables tables;
	struct mill_fib *fib;
	struct mill_qsbr qsbr;
	struct mill_fib_writer writer;
};

/* Interface i: port i % 8, MAC 02:00:00:00:01:i, i % 3 tags, MTU 1500 + i. */
/* With all lookup structures. */
struct fixture *fixture_new(void);
void fixture_free(struct fixture *);
void fixture_ifaces(struct mill_iface *);

/* xorshift64*, Marsaglia and Vigna. */
struct random {
	uint64_t state;
};
uint64_t random_next(struct random *);
uint32_t random_below(struct random *, uint32_t n);

struct mill_fib_record record_adjacency(uint32_t key, uint8_t kind, uint16_t iface, uint32_t mac);
struct mill_fib_record record_route(uint8_t op, int family, const uint8_t *address, unsigned length,
                                    uint32_t group);
struct mill_fib_record record_simple(uint8_t op, uint32_t id, uint64_t value);
/* Writes the records of a group, returns how many. */
uint32_t records_group(uint32_t key, const struct mill_fib_leg *, uint32_t n, struct mill_fib_record *);

enum mill_fib_result fixture_apply(struct fixture *, struct mill_fib_record);
void fixture_group(struct fixture *, uint32_t key, const struct mill_fib_leg *, uint32_t n);
/* One leg. */
void fixture_group1(struct fixture *, uint32_t key, uint32_t adjacency);

#define ALL_METHODS (1u << MILL_FIB_FLAT | 1u << MILL_FIB_RADIX | 1u << MILL_FIB_DXR)

/* By the flat tables; checks that the other methods say the same, if they are there. */
uint32_t lookup4(const struct mill_fib *, uint32_t address);
uint32_t lookup6(const struct mill_fib *, const uint8_t address[16]);
/* Daemon's number of the adjacency that a packet to this address would take. */
uint32_t key4(const struct mill_fib *, uint32_t address);
uint64_t now_ns(void);
