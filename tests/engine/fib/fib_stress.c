/*
 * Readers at full speed while the writer changes everything under them: each answer must be the one before or the
 * one after a change. Each round of the writer gives every address a new adjacency (a fresh number of the daemon's,
 * a fresh group), by routes of all depths that come and go, and deletes the ones before: a reader that saw a half
 * written entry, a number reused too early, or no route for a moment, notices.
 *
 *   fib_stress SECONDS [SEED]
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include "support.h"

#define READERS   2u
#define ADDRESSES 48u

/* Each address has a short and a long prefix; at least one of them is there at any time. */
static const unsigned short4[] = {15, 16, 24, 20}, long4[] = {25, 32, 32, 24};
static const unsigned short6[] = {22, 32, 48, 64}, long6[] = {28, 48, 128, 96};

static void (*const by_method4[])(const struct mill_fib *, const uint32_t *, uint32_t *,
                                  unsigned) = {mill_fib_lookup4, mill_radix_lookup4, mill_dxr_lookup4};
static void (*const by_method6[])(const struct mill_fib *, const uint8_t (*)[16], uint32_t *,
                                  unsigned) = {mill_fib_lookup6, mill_radix_lookup6, mill_dxr_lookup6};

struct shared {
	struct fixture *f;
	uint32_t address4[ADDRESSES];
	uint8_t address6[ADDRESSES][16];
	atomic_bool stop;
	_Atomic uint64_t lookups;
};

struct reader {
	struct shared *shared;
	uint32_t number;
	uint32_t method;
	pthread_t thread;
	uint32_t seen[3][2][ADDRESSES]; /* key found last, by method */
};

/* Key of the adjacency that address i of a family gets in a round. */
static uint32_t key_of(uint32_t round, uint32_t family, uint32_t i)
{
	return (round * 2 + family) * ADDRESSES + i;
}

static uint32_t mac_of(uint32_t key)
{
	return key * 2654435761u;
}

static void check(struct reader *reader, uint32_t family, uint32_t i, const struct mill_adjacency *found)
{
	const uint32_t key = found->key;
	CHECK(found->kind == MILL_ADJ_FORWARD, "a way for address %u of family %u, got kind %u", i, family,
	      found->kind);
	CHECK(key % ADDRESSES == i && key / ADDRESSES % 2 == family, "its own adjacency, got key %u for %u",
	      key, i);
	const uint32_t mac = mac_of(key);
	CHECK(memcmp(found->rewrite + 2, &mac, 4) == 0, "a whole rewrite of key %u", key);
	CHECK(key >= reader->seen[reader->method][family][i], "no older answer than before: %u after %u", key,
	      reader->seen[reader->method][family][i]);
	reader->seen[reader->method][family][i] = key;
}

static void *read_on(void *argument)
{
	struct reader *reader = argument;
	struct shared *s = reader->shared;
	const struct mill_fib *fib = s->f->fib;
	uint64_t *epoch = &s->f->state->worker[reader->number].epoch;
	struct random random = {reader->number + 99};
	uint32_t group[ADDRESSES];
	uint64_t n = 0;
	mill_qsbr_online(epoch);
	for (; !atomic_load_explicit(&s->stop, memory_order_relaxed); n += 2 * ADDRESSES + 1) {
		mill_qsbr_quiescent(epoch);
		reader->method = (uint32_t)(n % 3);
		if (n % 1009 == 0) { /* asleep for a moment */
			mill_qsbr_offline(epoch);
			mill_qsbr_online(epoch);
		}
		by_method4[reader->method](fib, s->address4, group, ADDRESSES);
		for (uint32_t i = 0; i < ADDRESSES; i++)
			check(reader, 0, i, mill_fib_select(fib, group[i], (uint32_t)random_next(&random)));
		by_method6[reader->method](fib, (const uint8_t(*)[16])s->address6, group, ADDRESSES);
		for (uint32_t i = 0; i < ADDRESSES; i++)
			check(reader, 1, i, mill_fib_select(fib, group[i], (uint32_t)random_next(&random)));
	}
	mill_qsbr_offline(epoch);
	atomic_fetch_add(&s->lookups, n);
	return NULL;
}

static void apply(struct shared *s, struct mill_fib_record record)
{
	const enum mill_fib_result result = fixture_apply(s->f, record);
	if (result == MILL_FIB_NO_ROOM) {
		CHECK(mill_qsbr_drain(&s->f->qsbr, 1000), "readers to move on");
		CHECK(fixture_apply(s->f, record) == MILL_FIB_APPLIED, "room after a grace period");
		return;
	}
	CHECK(result == MILL_FIB_APPLIED, "operation %u", record.op);
}

static void make_way(struct shared *s, uint32_t round, uint32_t family, uint32_t i)
{
	const uint32_t key = key_of(round, family, i);
	apply(s, record_adjacency(key, MILL_ADJ_FORWARD, (uint16_t)(i % 200), mac_of(key)));
	struct mill_fib_record group;
	records_group(key, &(struct mill_fib_leg){key, 1}, 1, &group);
	apply(s, group);
}

static void drop_way(struct shared *s, uint32_t round, uint32_t family, uint32_t i)
{
	apply(s, record_simple(MILL_FIB_GROUP_DEL, key_of(round, family, i), 0));
	apply(s, record_simple(MILL_FIB_ADJACENCY_DEL, key_of(round, family, i), 0));
}

/* In turn: the long prefix comes with the new way, then the short one takes it over and the long one goes. */
static void change_routes(struct shared *s, uint32_t round, uint32_t family, uint32_t i)
{
	uint8_t address[16] = {0};
	const uint32_t wire = __builtin_bswap32(s->address4[i]);
	const int number = family == 0 ? 4 : 6;
	const unsigned shorter = family == 0 ? short4[i % 4] : short6[i % 4];
	const unsigned longer = family == 0 ? long4[i % 4] : long6[i % 4];
	const uint32_t key = key_of(round, family, i);
	memcpy(address, family == 0 ? (const void *)&wire : s->address6[i], family == 0 ? 4 : 16);
	apply(s, record_route(MILL_FIB_ROUTE_SET, number, address, longer, key));
	apply(s, record_route(MILL_FIB_ROUTE_SET, number, address, shorter, key));
	if (round % 3 != 0)
		apply(s, record_route(MILL_FIB_ROUTE_DEL, number, address, longer, 0));
}

static void write_round(struct shared *s, uint32_t round)
{
	for (uint32_t family = 0; family < 2; family++)
		for (uint32_t i = 0; i < ADDRESSES; i++) {
			make_way(s, round, family, i);
			change_routes(s, round, family, i);
			if (round > 0)
				drop_way(s, round - 1, family, i);
		}
}

/* Now and then the tables move to other pages under everybody's feet. */
static void condense(struct shared *s, uint32_t round)
{
	static uint32_t chunk;
	if (round % 64 == 0)
		mill_fib_tables_condense(s->f->fib, &chunk);
}

/* Entries of 16 bits give way to those of 32 when the next node is wanted. */
static void crowd(struct shared *s)
{
	struct mill_slots *slots[] = {&s->f->writer.dir4.slots[0], &s->f->writer.dir6.slots[1]};
	for (uint32_t i = 0; i < 2; i++) {
		slots[i]->limit = slots[i]->next;
		slots[i]->n_free = 0;
	}
}

int main(int argc, char **argv)
{
	const uint32_t seconds = argc > 1 ? (uint32_t)atoi(argv[1]) : 2;
	static struct shared s;
	static struct reader reader[READERS];
	s.f = fixture_new();
	/* few slots, so that each is reused as soon as it may be */
	s.f->writer.adjacencies.slots.limit = s.f->writer.adjacencies.ids.limit = 40 * ADDRESSES;
	s.f->writer.groups.slots.limit = 40 * ADDRESSES;
	for (uint32_t i = 0; i < ADDRESSES; i++) {
		s.address4[i] = (10 + i) << 24 | 1 << 16 | 2 << 8 | i;
		memcpy(s.address6[i],
		       (uint8_t[16]){0x20, (uint8_t)i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}, 16);
	}
	uint32_t round = 0;
	write_round(&s, round++);
	for (uint32_t i = 0; i < READERS; i++) {
		reader[i] = (struct reader){.shared = &s, .number = i};
		pthread_create(&reader[i].thread, NULL, read_on, &reader[i]);
	}
	for (const uint64_t end = now_ns() + seconds * 1000000000ull; now_ns() < end || round <= 28;) {
		condense(&s, round);
		if (round % 4 == 3) /* a structure goes or comes back */
			mill_fib_writer_keep(&s.f->writer,
			                     ALL_METHODS & ~(round % 8 == 3 ? 1u << (round / 8 % 2 + 1) : 0));
		if (round == 20)
			crowd(&s);
		write_round(&s, round++);
	}
	atomic_store(&s.stop, true);
	for (uint32_t i = 0; i < READERS; i++)
		pthread_join(reader[i].thread, NULL);
	CHECK(s.lookups > 100000 && s.f->fib->wide4 && s.f->fib->wide6, "some work: %llu lookups, %u rounds",
	      (unsigned long long)s.lookups, round);
	printf("ok readers see the answer before or after a change: %llu lookups, %u rounds of %u changes\n",
	       (unsigned long long)s.lookups, round, 2 * ADDRESSES);
	fixture_free(s.f);
	return 0;
}
