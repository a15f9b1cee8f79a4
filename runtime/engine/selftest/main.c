/*
 * netmill-selftest FORWARDER.so: does frames of stdin to a forwarder and tells on stdout what it did with each
 * (selftest/protocol.h); codegen/selftest compares that with what the policy says. A process of its own, so that a
 * forwarder that crashes or hangs takes nothing with it: exit code 2 for wrong input, 3 for a forwarder that the
 * engine would refuse, 4 for one that broke the rings, 5 with `frame N` on stderr for a crash or a hang there.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "selftest/selftest.h"
#include "shm/set.h"

#define MOST_SECONDS 20

static volatile uint32_t current; /* frame in work */

static void crashed(int signal_number)
{
	static const char *const why[] = {"crashed", "hung"};
	char text[64];
	const int n =
	    snprintf(text, sizeof(text), "frame %u: %s\n", current, why[signal_number == SIGALRM ? 1 : 0]);
	const ssize_t written = write(STDERR_FILENO, text, (size_t)n);
	(void)written;
	_exit(5);
}

static void catch_crashes(void)
{
	static uint8_t stack[65536];
	const stack_t other = {.ss_sp = stack, .ss_size = sizeof(stack)};
	const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM};
	sigaltstack(&other, NULL);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction action = {.sa_handler = crashed, .sa_flags = SA_ONSTACK};
		sigaction(signals[i], &action, NULL);
	}
	alarm(MOST_SECONDS);
}

/* --- input ---------------------------------------------------------------------------------------------- */

struct input {
	uint8_t *bytes;
	size_t n, at;
};

static void read_all(struct input *input)
{
	size_t capacity = 1 << 20;
	input->bytes = malloc(capacity);
	for (;;) {
		const size_t got =
		    input->bytes == NULL ? 0 : fread(input->bytes + input->n, 1, capacity - input->n, stdin);
		input->n += got;
		if (got == 0)
			return;
		if (input->n == capacity)
			input->bytes = realloc(input->bytes, capacity *= 2);
	}
}

static const void *take(struct input *input, size_t n)
{
	if (input->n - input->at < n) {
		fprintf(stderr, "the input ends too early\n");
		exit(2);
	}
	input->at += n;
	return input->bytes + input->at - n;
}

/* Structs of the input stand at odd addresses; these have alignment of their own. */
static void *copied(struct input *input, size_t n)
{
	void *copy = malloc(n + 1);
	const void *from = take(input, n);
	if (copy == NULL)
		exit(2);
	return memcpy(copy, from, n);
}

static bool plausible(const struct mill_selftest_setup *setup, const uint16_t *port_slot,
                      const struct mill_selftest_iface *iface)
{
	for (uint32_t i = 0; i < setup->n_ports; i++)
		if (port_slot[i] >= MILL_MAX_PORTS)
			return false;
	for (uint32_t i = 0; i < setup->n_ifaces; i++)
		if (iface[i].slot >= MILL_MAX_IFACES || iface[i].port >= MILL_MAX_PORTS)
			return false;
	return true;
}

static const struct mill_selftest_setup *read_setup(struct input *input, struct world *world)
{
	const struct mill_selftest_setup *setup = copied(input, sizeof(*setup));
	if (setup->magic != MILL_SELFTEST_MAGIC || setup->n_ports > MILL_MAX_PORTS ||
	    setup->n_ifaces > MILL_MAX_IFACES || setup->n_rules > MILL_MAX_RULES ||
	    setup->first_rule > MILL_MAX_RULES || setup->n_gateways > MILL_MAX_GATEWAYS ||
	    setup->first_gateway > MILL_MAX_GATEWAYS || setup->n_records > MILL_FIB_RECORDS ||
	    setup->n_sets > MILL_MAX_SETS || setup->first_set > MILL_MAX_SETS) {
		fprintf(stderr, "the input is of another version\n");
		exit(2);
	}
	uint16_t *port_slot = copied(input, setup->n_ports * sizeof(*port_slot));
	struct mill_selftest_iface *iface = copied(input, setup->n_ifaces * sizeof(*iface));
	struct mill_fib_record *records = copied(input, setup->n_records * sizeof(*records));
	if (!plausible(setup, port_slot, iface) || !world_create(world, setup, port_slot, iface, records)) {
		fprintf(stderr, "the interfaces or routes of the input are wrong\n");
		exit(2);
	}
	free(port_slot);
	free(iface);
	free(records);
	return setup;
}

/* As the engine maps them: at an address of their own, aligned for whatever is in them. */
static void read_sets(struct input *input, const struct mill_selftest_setup *setup, struct world *world)
{
	for (uint32_t i = 0; i < setup->n_sets; i++) {
		uint64_t bytes;
		memcpy(&bytes, take(input, sizeof(bytes)), sizeof(bytes));
		const void *from = take(input, bytes);
		struct mill_set_image *image = mill_fib_reserve(bytes);
		if (image == NULL || bytes < sizeof(*image)) {
			fprintf(stderr, "set %u of the input is wrong\n", i);
			exit(2);
		}
		memcpy(image, from, bytes);
		world->set[setup->first_set + i] = image;
	}
}

static struct received *read_frames(struct input *input, const struct mill_selftest_setup *setup)
{
	struct received *frames = calloc(setup->n_frames + 1, sizeof(*frames));
	for (uint32_t i = 0; frames != NULL && i < setup->n_frames; i++) {
		frames[i].head = copied(input, sizeof(*frames[i].head));
		if (frames[i].head->len > MILL_SELFTEST_FRAME || frames[i].head->port >= setup->n_ports) {
			fprintf(stderr, "frame %u is too long, or its port does not exist\n", i);
			exit(2);
		}
		frames[i].bytes = take(input, frames[i].head->len);
	}
	return frames;
}

static const struct mill_forwarder *load(const char *path, const struct mill_selftest_setup *setup)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const struct mill_forwarder *forwarder =
	    library == NULL ? NULL : dlsym(library, MILL_FORWARDER_SYMBOL);
	if (forwarder == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		exit(3);
	}
	if (forwarder->abi != MILL_ABI_VERSION || forwarder->layout != MILL_LAYOUT) {
		fprintf(stderr, "compiled for another engine: ABI %u layout %#x, expected %u %#x\n",
		        forwarder->abi, forwarder->layout, MILL_ABI_VERSION, MILL_LAYOUT);
		exit(3);
	}
	if (memcmp(forwarder->policy_hash, setup->policy_hash, sizeof(setup->policy_hash)) != 0 ||
	    forwarder->n_ports != setup->n_ports || forwarder->n_ifaces != setup->n_ifaces ||
	    forwarder->n_rules != setup->n_rules || forwarder->n_gateways != setup->n_gateways ||
	    forwarder->n_sets != setup->n_sets) {
		fprintf(stderr, "compiled from another policy\n");
		exit(3);
	}
	return forwarder;
}

/* --- the test ------------------------------------------------------------------------------------------- */

static void receive(struct world *world, const struct mill_forwarder *forwarder,
                    const struct received *frames, uint32_t n, uint32_t region, uint8_t filler)
{
	if (world_receive(world, forwarder->receive[frames[0].head->port], frames, n, region, filler))
		return;
	fflush(stdout);
	fprintf(stderr, "frame %u: buffers of the rings were lost or doubled, or frames left\n", current);
	exit(4);
}

/* The result's head stands before what the trace holds: counters were traced after the actions, but go first. */
static void tell(struct world *world)
{
	struct trace *trace = &world->trace;
	const size_t actions = trace->n;
	const struct changed changed = trace_counters(world);
	const struct mill_selftest_result result = {.n_counters = changed.n_counters,
	                                            .n_rules = changed.n_rules,
	                                            .n_actions = trace->n_actions,
	                                            .unannounced = trace->unannounced};
	fwrite(&result, sizeof(result), 1, stdout);
	fwrite(trace->bytes + actions, 1, trace->n - actions, stdout);
	fwrite(trace->bytes, 1, actions, stdout);
}

static void forget(struct trace *trace)
{
	trace_reset(trace);
	trace->sum = 0;
	memset(trace->sent, 0, sizeof(trace->sent));
}

/* Frames from `first` on that can come in one burst. */
static uint32_t burst_size(const struct received *frames, uint32_t first, uint32_t n)
{
	const struct mill_selftest_frame *head = frames[first].head;
	uint32_t most = MILL_BURST - (first / MILL_BURST) % 7 * 9, i = 1; /* full bursts and lesser ones */
	while (i < most && first + i < n && frames[first + i].head->port == head->port &&
	       frames[first + i].head->flags == head->flags)
		i++;
	return i;
}

/* One by one, then all together, received in the other region. True: both did the same. */
static bool test_burst(struct world *world, const struct mill_forwarder *forwarder,
                       const struct received *frames, uint32_t n)
{
	const uint32_t first = current, region = frames[0].head->port % SELFTEST_REGIONS;
	struct trace *trace = &world->trace;
	uint64_t sent[MILL_MAX_PORTS], sum;
	forget(trace);
	for (uint32_t i = 0; i < n; i++) {
		current = first + i;
		trace_reset(trace);
		receive(world, forwarder, &frames[i], 1, region, 0x5a);
		tell(world);
	}
	fflush(stdout);
	memcpy(sent, trace->sent, sizeof(sent));
	sum = trace->sum;
	forget(trace);
	current = first;
	receive(world, forwarder, frames, n, 1 - region, 0xc3);
	trace_counters(world);
	return trace->sum == sum && memcmp(trace->sent, sent, sizeof(sent)) == 0;
}

int main(int argc, char **argv)
{
	static struct world world;
	struct input input = {NULL, 0, 0};
	struct mill_selftest_end end = {UINT32_MAX, 0};
	if (argc != 2) {
		fprintf(stderr, "usage: netmill-selftest FORWARDER.so\n");
		return 2;
	}
	read_all(&input);
	const struct mill_selftest_setup *setup = read_setup(&input, &world);
	read_sets(&input, setup, &world);
	const struct received *frames = read_frames(&input, setup);
	const struct mill_forwarder *forwarder = load(argv[1], setup);
	catch_crashes();
	for (uint32_t first = 0; first < setup->n_frames;) {
		const uint32_t n = burst_size(frames, first, setup->n_frames);
		current = first;
		if (!test_burst(&world, forwarder, &frames[first], n) && end.burst == UINT32_MAX)
			end = (struct mill_selftest_end){first, n};
		first += n;
	}
	fwrite(&end, sizeof(end), 1, stdout);
	return fflush(stdout) == 0 ? 0 : 2;
}
