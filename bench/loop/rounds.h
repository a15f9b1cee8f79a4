/*
 * What every forwarder of the memory benches is given, netmill's and its peers' alike: the same packets, in rounds.
 *
 *   fill: every packet is written anew into its buffer     not timed
 *   forward: rounds_forward(), burst by burst              timed
 *   drain: what was sent is looked at, buffers go back     not timed
 *
 * A round is all packets of the list once, so they stay in the caches, as the rings of a busy router do: always in the
 * same order, which a processor learns to foretell, or in one that is drawn for each round, which it cannot. Time is the
 * processor's time stamp counter; of the rounds of a run the median counts, since a round in which the thread
 * lost its core says nothing. Instructions are counted where the kernel lets a program do that; elsewhere a child goes
 * through a short one step by step.
 */
#pragma once
#include <linux/perf_event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define ROUNDS_FRAME   128u /* bytes of a record: length in the first two, then the frame */
#define ROUNDS_MOST    1023u
#define ROUNDS_RUN     1500u
#define ROUNDS_LEAST   15u
#define ROUNDS_TIME    0.1     /* seconds that a run takes at most, when it has had the least */
#define ROUNDS_STEPPED 64u     /* packets of a round that is gone through step by step */
#define ROUNDS_STEPS   300000u /* of which it has at most */

struct rounds_frame {
	uint16_t len;
	uint8_t bytes[ROUNDS_FRAME - 2];
};

struct rounds_list {
	uint32_t n;
	struct rounds_frame *frame;
};

/* Of a program: all packets of one round, `burst` at a time. */
struct rounds_program {
	void (*fill)(void *);
	void (*forward)(void *, uint32_t burst);
	uint64_t (*drain)(void *, bool look); /* with `look`: a number that differs when any byte sent does */
	void *of;
	struct rounds_list *list; /* packets of a round */
};

static inline void rounds_fail(const char *what, const char *where)
{
	fprintf(stderr, "%s: %s\n", where, what);
	exit(1);
}

static inline struct rounds_list rounds_load(const char *path)
{
	struct rounds_list list = {.frame = aligned_alloc(64, (ROUNDS_MOST + 1) * sizeof(*list.frame))};
	FILE *file = fopen(path, "rb");
	if (file == NULL || list.frame == NULL)
		rounds_fail("expected a file of packets", path);
	list.n = (uint32_t)fread(list.frame, sizeof(*list.frame), ROUNDS_MOST, file);
	fclose(file);
	for (uint32_t i = 0; i < list.n; i++)
		if (list.frame[i].len < 60 || list.frame[i].len > sizeof(list.frame[i].bytes))
			rounds_fail("expected frames of 60 to 126 bytes", path);
	if (list.n == 0)
		rounds_fail("expected packets, got none", path);
	return list;
}

/* FNV-1a. */
static inline uint64_t rounds_hash(uint64_t hash, const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3ull;
	return hash;
}

static inline double rounds_hz(void)
{
	static double hz;
	struct timespec from, to;
	if (hz != 0)
		return hz;
	clock_gettime(CLOCK_MONOTONIC, &from);
	const uint64_t first = __rdtsc();
	do
		clock_gettime(CLOCK_MONOTONIC, &to);
	while ((to.tv_sec - from.tv_sec) * 1000000000l + to.tv_nsec - from.tv_nsec < 50000000l);
	const uint64_t last = __rdtsc();
	const double ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
	return hz = (double)(last - first) * 1e9 / ns;
}

static inline int rounds_by_value(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* Another order of the packets: Fisher and Yates, with numbers of xorshift (Marsaglia 2003), the same in each run. */
static inline void rounds_draw(struct rounds_list *list)
{
	static uint64_t random = 88172645463325252ull;
	for (uint32_t i = list->n; i > 1; i--) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		const struct rounds_frame last = list->frame[i - 1];
		struct rounds_frame *drawn = &list->frame[random % i];
		list->frame[i - 1] = *drawn;
		*drawn = last;
	}
}

static inline uint64_t rounds_once(const struct rounds_program *program, uint32_t burst, bool drawn)
{
	if (drawn)
		rounds_draw(program->list);
	program->fill(program->of);
	const uint64_t from = __rdtsc();
	program->forward(program->of, burst);
	const uint64_t took = __rdtsc() - from;
	program->drain(program->of, false);
	return took;
}

/* Ticks of the time stamp counter for one packet. `drawn`: each round has another order. */
static inline double rounds_run(const struct rounds_program *program, uint32_t burst, bool drawn)
{
	static uint64_t took[ROUNDS_RUN];
	const uint64_t most = (uint64_t)(rounds_hz() * ROUNDS_TIME), from = __rdtsc();
	uint32_t n = 0;
	rounds_once(program, burst, drawn);
	while (n < ROUNDS_RUN && (n < ROUNDS_LEAST || __rdtsc() - from < most))
		took[n++] = rounds_once(program, burst, drawn);
	qsort(took, n, sizeof(*took), rounds_by_value);
	return (double)took[n / 2] / program->list->n;
}

static inline uint64_t rounds_check(const struct rounds_program *program, uint32_t burst)
{
	program->fill(program->of);
	program->forward(program->of, burst);
	return program->drain(program->of, true);
}

static inline int rounds_counter(uint64_t what, int group)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
	                               .size = sizeof(attr),
	                               .config = what,
	                               .exclude_kernel = 1,
	                               .exclude_hv = 1,
	                               .disabled = group < 0};
	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, group, 0);
}

/* Instructions for a packet, by a child that is stopped after each, in a short round. 0: not allowed, or too many. */
static inline double rounds_step(const struct rounds_program *program, uint32_t burst)
{
	const uint32_t n = program->list->n < ROUNDS_STEPPED ? program->list->n : ROUNDS_STEPPED;
	uint64_t steps = 0;
	int status;
	const pid_t child = fork();
	if (child == 0) {
		program->list->n = n;
		rounds_check(program, burst);
		program->fill(program->of);
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(1);
		raise(SIGSTOP);
		program->forward(program->of, burst);
		raise(SIGUSR1);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return 0;
	while (WIFSTOPPED(status) && WSTOPSIG(status) != SIGUSR1 && steps < ROUNDS_STEPS) {
		steps++;
		if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) != 0 || waitpid(child, &status, 0) != child)
			break;
	}
	const bool whole = WIFSTOPPED(status);
	if (whole) {
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
	}
	return whole && steps < ROUNDS_STEPS ? (double)steps / n : 0;
}

/* For one packet: instructions, and cycles of the core where they can be counted, else 0. */
static inline void rounds_count(const struct rounds_program *program, uint32_t burst, double *instructions,
                                double *cycles)
{
	uint64_t value[2] = {0, 0};
	const int cycle_fd = rounds_counter(PERF_COUNT_HW_CPU_CYCLES, -1);
	const int instruction_fd = cycle_fd < 0 ? -1 : rounds_counter(PERF_COUNT_HW_INSTRUCTIONS, cycle_fd);
	if (instruction_fd < 0) {
		*instructions = rounds_step(program, burst);
		*cycles = 0;
		return;
	}
	for (uint32_t i = 0; i < ROUNDS_LEAST; i++) {
		program->fill(program->of);
		ioctl(cycle_fd, PERF_EVENT_IOC_ENABLE, PERF_IOC_FLAG_GROUP);
		program->forward(program->of, burst);
		ioctl(cycle_fd, PERF_EVENT_IOC_DISABLE, PERF_IOC_FLAG_GROUP);
		program->drain(program->of, false);
	}
	if (read(cycle_fd, &value[0], 8) != 8 || read(instruction_fd, &value[1], 8) != 8)
		value[0] = value[1] = 0;
	close(instruction_fd);
	close(cycle_fd);
	*cycles = (double)value[0] / ROUNDS_LEAST / program->list->n;
	*instructions = (double)value[1] / ROUNDS_LEAST / program->list->n;
}

/* One command of standard input, answered with one line of JSON.
 *   run NAME BURST      drawn NAME BURST      check NAME BURST      count NAME BURST */
static inline void rounds_answer(const struct rounds_program *program, const char *command, uint32_t burst)
{
	const bool drawn = strcmp(command, "drawn") == 0;
	if (drawn || strcmp(command, "run") == 0) {
		const double ticks = rounds_run(program, burst, drawn);
		printf("{\"rate\":%.17g,\"ticks\":%.17g}\n", rounds_hz() / ticks, ticks);
	} else if (strcmp(command, "check") == 0) {
		printf("{\"sent\":\"%016lx\"}\n", rounds_check(program, burst));
	} else if (strcmp(command, "count") == 0) {
		double instructions, cycles;
		rounds_count(program, burst, &instructions, &cycles);
		printf("{\"instructions\":%.17g,\"cycles\":%.17g}\n", instructions, cycles);
	} else {
		rounds_fail("no such command", command);
	}
	fflush(stdout);
}
