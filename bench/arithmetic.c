/*
 * How much two processors do at once, of what needs nothing but themselves: arithmetic in registers. For each line of standard
 * input one line of JSON: additions a second on core 0 alone, on core 1 alone, and on both together. Where they are two threads of
 * one physical core, or share a host's, that is less than the sum, and no two workers can do better.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define STEPS   4096u
#define SPAN_NS 60000000u
#define CHAINS  4u

struct half {
	pthread_t thread;
	int core;
	double rate;
};

static atomic_uint ready;
static unsigned together;

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *work(void *argument)
{
	struct half *half = argument;
	uint64_t chain[CHAINS] = {1, 2, 3, 4}, steps = 0, now;
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(half->core, &set);
	sched_setaffinity(0, sizeof(set), &set);
	atomic_fetch_add(&ready, 1);
	while (atomic_load(&ready) != together)
		;
	const uint64_t start = now_ns();
	do {
		for (unsigned i = 0; i < STEPS; i++)
			for (unsigned c = 0; c < CHAINS; c++) {
				chain[c] += chain[c] >> 7;
				__asm__ volatile("" : "+r"(chain[c]));
			}
		steps += STEPS * CHAINS;
		now = now_ns();
	} while (now - start < SPAN_NS);
	half->rate = (double)steps * 1e9 / (double)(now - start);
	return NULL;
}

static void run(struct half *half, unsigned n)
{
	atomic_store(&ready, 0);
	together = n;
	for (unsigned i = 0; i < n; i++)
		pthread_create(&half[i].thread, NULL, work, &half[i]);
	for (unsigned i = 0; i < n; i++)
		pthread_join(half[i].thread, NULL);
}

int main(void)
{
	struct half half[2] = {{.core = 0}, {.core = 1}};
	char line[16];
	while (fgets(line, sizeof(line), stdin) != NULL) {
		run(&half[0], 1);
		run(&half[1], 1);
		const double first = half[0].rate, second = half[1].rate;
		run(half, 2);
		printf("{\"first\":%.0f,\"second\":%.0f,\"both\":%.0f}\n", first, second,
		       half[0].rate + half[1].rate);
		fflush(stdout);
	}
	return 0;
}
