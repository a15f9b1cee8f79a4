/*
 * Token buckets by themselves: what conforms is exact, whatever worker asks, and what stood in the bucket before. No
 * engine runs; time is what the test says.
 */
#include "police.c"
#include <pthread.h>
#include <stdlib.h>
#include "lib/engine_test.h"
#include "punt_rate.h"

#define THREADS 4u
#define NS_MS   1000000ull

/* 1,000 packets a second, ten at once; 8 Mbit/s, 15,000 bytes at once: as codegen/treatment.ts has them. */
static const uint64_t packet_cost = 64000000ull << 20, packet_burst = 640000000;
static const uint64_t byte_cost = 67108864000ull, byte_burst = 960000000;

static struct mill_engine engine;
static struct mill_worker_thread worker[THREADS];

static void reset(uint64_t now_ns)
{
	memset(engine.state->policer, 0, 16 * sizeof(uint64_t));
	for (uint32_t i = 0; i < THREADS; i++)
		worker[i].base.now_ns = now_ns;
}

static uint32_t conforming(uint32_t of, uint32_t tries, uint64_t cost, uint64_t burst, uint32_t amount)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < tries; i++)
		n += mill_service_police(&worker[of].base, 3, cost, burst, amount);
	return n;
}

static void packets(void)
{
	reset(1000 * NS_MS);
	CHECK(conforming(0, 100, packet_cost, packet_burst, 1) == 10, "the burst");
	worker[1].base.now_ns += NS_MS;
	CHECK(conforming(1, 100, packet_cost, packet_burst, 1) == 1, "one a millisecond, for any worker");
	CHECK(conforming(0, 100, packet_cost, packet_burst, 1) == 0, "none for one whose clock is behind");
	worker[0].base.now_ns += 6 * NS_MS;
	CHECK(conforming(0, 100, packet_cost, packet_burst, 1) == 5, "five after five more");
	worker[0].base.now_ns += 5000 * NS_MS;
	CHECK(conforming(0, 100, packet_cost, packet_burst, 1) == 10, "never more than the burst");
	CHECK(engine.state->policer[2] == 0 && engine.state->policer[4] == 0, "each rule has its own");
	printf("ok packets conform by rate and burst\n");
}

static void bytes(void)
{
	reset(1000 * NS_MS);
	CHECK(conforming(0, 100, byte_cost, byte_burst, 1500) == 10, "the burst");
	worker[0].base.now_ns += 3 * NS_MS / 2;
	CHECK(conforming(0, 100, byte_cost, byte_burst, 1501) == 0, "a byte too much");
	CHECK(conforming(0, 100, byte_cost, byte_burst, 1500) == 1, "and just enough");
	uint64_t total = 0, seed = 7;
	reset(2000 * NS_MS);
	for (uint32_t i = 0; i < 200000; i++) { /* ten seconds, about three times the rate */
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		const uint32_t length = 60 + (uint32_t)(seed >> 33) % 180;
		worker[i % THREADS].base.now_ns = 2000 * NS_MS + i * 50000ull;
		total += mill_service_police(&worker[i % THREADS].base, 3, byte_cost, byte_burst, length)
		             ? length
		             : 0;
	}
	CHECK(total > 10000000 - 240 && total <= 10000000 + 15000, "%llu bytes in ten seconds",
	      (unsigned long long)total);
	printf("ok bytes conform by rate and burst, over all workers together\n");
}

static void what_was_there(void)
{
	reset(1000 * NS_MS);
	engine.state->policer[3] = worker[0].base.now_ns * 64 + 3600ull * 64 * MILL_NS_PER_S;
	CHECK(conforming(0, 100, packet_cost, packet_burst, 1) == 0, "another rule has emptied it");
	worker[0].base.now_ns += 2 * NS_MS;
	CHECK(conforming(0, 100, packet_cost, packet_burst, 1) == 2, "and from then on it fills");
	engine.state->policer[3] = 1;
	CHECK(conforming(0, 100, packet_cost, packet_burst, 1) == 10, "an old one is full");
	CHECK(!mill_service_police(&worker[0].base, MILL_MAX_RULES, packet_cost, packet_burst, 1),
	      "no such rule");
	printf("ok whatever another rule left is no more than an empty bucket\n");
}

static void *ask(void *argument)
{
	uint32_t *n = argument;
	*n = conforming(*n, 50000, packet_cost, 12345 * 64000000ull, 1);
	return NULL;
}

static void all_at_once(void)
{
	pthread_t thread[THREADS];
	uint32_t n[THREADS], total = 0;
	reset(1000 * NS_MS);
	for (uint32_t i = 0; i < THREADS; i++) {
		n[i] = i;
		CHECK(pthread_create(&thread[i], NULL, ask, &n[i]) == 0, "a thread");
	}
	for (uint32_t i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		total += n[i];
	}
	CHECK(total == 12345, "%u conform to a burst of 12345", total);
	printf("ok four workers share one bucket exactly\n");
}

/* How many of a packet each 100 µs conform in `seconds`, after a rest. */
static uint32_t punted(uint32_t per_second, uint32_t seconds)
{
	struct mill_punt_bucket bucket = {0};
	uint32_t n = 0;
	for (uint64_t i = 0; i < seconds * 10000ull; i++)
		n += mill_punt_conforms(&bucket, per_second, 3600 * MILL_NS_PER_S + i * NS_MS / 10);
	return n;
}

static void host_stack(void)
{
	static const uint32_t rates[] = {1, 3, 9, 10, 11, 999, 9999};
	CHECK(punted(0, 2) == 0, "none");
	for (uint32_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		const uint32_t full = rates[i] < 10 ? 1 : rates[i] / 10, n = punted(rates[i], 4);
		CHECK(n >= 4 * rates[i] && n <= 4 * rates[i] + full, "%u packets in four seconds, got %u",
		      4 * rates[i], n);
	}
	CHECK(punted(1000000, 1) == 10000, "all that there are");
	printf("ok classes of packets for the host stack conform by their rates\n");
}

int main(void)
{
	engine.state = calloc(1, sizeof(*engine.state));
	CHECK(engine.state != NULL, "memory");
	for (uint32_t i = 0; i < THREADS; i++)
		worker[i].engine = &engine;
	packets();
	bytes();
	what_was_there();
	all_at_once();
	host_stack();
	free(engine.state);
	return 0;
}
