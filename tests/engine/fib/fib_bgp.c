/*
 * A router's whole view, from a text of `prefix nexthop` lines: the writer's answers against a plain structure made
 * of sorted arrays (one a prefix length, searched by bisection), at both ends of every prefix and at random. Prints
 * one line of figures: time to build, memory, lookups per second, time of a single change.
 *
 *   fib_bgp N FILE [FILE…]      compares at the ends of every Nth prefix
 */
#include <arpa/inet.h>
#include <math.h>
#include <string.h>
#include "support.h"

#define NEXTHOPS 64u
#define RANDOM   200000u
#define PATTERN  (1u << 20)

struct entry {
	uint8_t address[16];
	uint8_t length;
	uint8_t nexthop;
};

struct view {
	int family;
	uint32_t n, capacity;
	struct entry *entry;  /* in the file's order */
	struct entry *sorted; /* by length, then address */
	uint32_t first[130];  /* of each length in `sorted` */
};

static void add(struct view *view, const struct entry *entry)
{
	if (view->n == view->capacity) {
		view->capacity = view->capacity ? 2 * view->capacity : 1 << 16;
		view->entry = realloc(view->entry, view->capacity * sizeof(*view->entry));
	}
	view->entry[view->n++] = *entry;
}

static void load(struct view *view, const char *path)
{
	char line[128], text[64];
	unsigned length, nexthop;
	FILE *file = fopen(path, "r");
	CHECK(file != NULL, "%s", path);
	while (fgets(line, sizeof(line), file) != NULL) {
		struct entry entry = {{0}, 0, 0};
		if (sscanf(line, "%63[0-9a-fA-F.:]/%u %u", text, &length, &nexthop) != 3)
			continue;
		view->family = strchr(text, ':') ? 6 : 4;
		CHECK(inet_pton(view->family == 6 ? AF_INET6 : AF_INET, text, entry.address) == 1, "%s",
		      line);
		entry.length = (uint8_t)length;
		entry.nexthop = (uint8_t)(nexthop % NEXTHOPS);
		add(view, &entry);
	}
	fclose(file);
}

static int by_length_and_address(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	return x->length != y->length ? x->length - y->length : memcmp(x->address, y->address, 16);
}

static void sort_view(struct view *view)
{
	view->sorted = malloc(view->n * sizeof(*view->sorted));
	memcpy(view->sorted, view->entry, view->n * sizeof(*view->sorted));
	qsort(view->sorted, view->n, sizeof(*view->sorted), by_length_and_address);
	uint32_t i = 0;
	for (uint32_t length = 0; length <= 129; length++) {
		while (i < view->n && view->sorted[i].length < length)
			i++;
		view->first[length] = i;
	}
}

static void cut(uint8_t address[16], unsigned length)
{
	for (unsigned bit = length; bit < 128; bit++)
		address[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
}

/* Nexthop + 1, 0 for no route. */
static uint32_t expect(const struct view *view, const uint8_t address[16])
{
	for (int length = view->family == 4 ? 32 : 128; length >= 0; length--) {
		struct entry key = {.length = (uint8_t)length};
		const uint32_t first = view->first[length], n = view->first[length + 1] - first;
		if (n == 0)
			continue;
		memcpy(key.address, address, 16);
		cut(key.address, (unsigned)length);
		const struct entry *found =
		    bsearch(&key, view->sorted + first, n, sizeof(key), by_length_and_address);
		if (found != NULL)
			return found->nexthop + 1u;
	}
	return 0;
}

static uint32_t answer(const struct mill_fib *fib, int family, const uint8_t address[16])
{
	uint32_t host;
	memcpy(&host, address, 4);
	const uint32_t group = family == 4 ? lookup4(fib, __builtin_bswap32(host)) : lookup6(fib, address);
	return group == 0 ? 0 : mill_fib_select(fib, group, 0)->key;
}

static void compare(const struct view *view, const struct mill_fib *fib, const uint8_t address[16])
{
	const uint32_t want = expect(view, address), got = answer(fib, view->family, address);
	char text[64];
	inet_ntop(view->family == 4 ? AF_INET : AF_INET6, address, text, sizeof(text));
	CHECK(want == got, "%s: nexthop %u, got %u", text, want, got);
}

static void step(uint8_t address[16], int family, int by)
{
	for (int i = (family == 4 ? 4 : 16) - 1; i >= 0; i--) {
		address[i] = (uint8_t)(address[i] + by);
		if (address[i] != (by > 0 ? 0 : 0xff))
			return;
	}
}

static void last_of(const struct entry *entry, int family, uint8_t address[16])
{
	memcpy(address, entry->address, 16);
	for (unsigned bit = entry->length; bit < (family == 4 ? 32u : 128u); bit++)
		address[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
}

static void random_inside(struct random *random, const struct entry *entry, uint8_t address[16])
{
	uint8_t low[16];
	for (uint32_t i = 0; i < 16; i++)
		low[i] = (uint8_t)(random_next(random) >> 56);
	memcpy(address, entry->address, 16);
	for (unsigned bit = entry->length; bit < 128; bit++)
		address[bit / 8] |= low[bit / 8] & (0x80u >> bit % 8);
}

static void compare_all(const struct view *view, const struct mill_fib *fib, uint32_t stride)
{
	struct random random = {12345};
	uint8_t address[16];
	for (uint32_t i = 0; i < view->n; i += stride) {
		memcpy(address, view->entry[i].address, 16);
		compare(view, fib, address);
		step(address, view->family, -1);
		compare(view, fib, address);
		last_of(&view->entry[i], view->family, address);
		compare(view, fib, address);
		step(address, view->family, 1);
		compare(view, fib, address);
	}
	for (uint32_t i = 0; i < RANDOM; i++) {
		if (view->family == 4)
			memset(address, 0, sizeof(address));
		if (i % 2) {
			random_inside(&random, &view->entry[random_below(&random, view->n)], address);
		} else {
			const uint64_t any = random_next(&random);
			memcpy(address, &any, view->family == 4 ? 4 : 8);
		}
		compare(view, fib, address);
	}
}

static double build(const struct view *view, struct fixture *f)
{
	const uint64_t from = now_ns();
	for (uint32_t i = 0; i < view->n; i++) {
		const struct mill_fib_record record =
		    record_route(MILL_FIB_ROUTE_SET, view->family, view->entry[i].address,
		                 view->entry[i].length, 1u + view->entry[i].nexthop);
		CHECK(mill_fib_writer_apply(&f->writer, &record) == MILL_FIB_APPLIED, "room");
	}
	return (double)(now_ns() - from) / 1e9;
}

/* One prefix withdrawn and announced again, the mean of both, over random prefixes. */
static double update(const struct view *view, struct fixture *f)
{
	struct random random = {99};
	const uint32_t n = 100000;
	const uint64_t from = now_ns();
	for (uint32_t i = 0; i < n; i++) {
		const struct entry *e = &view->entry[random_below(&random, view->n)];
		struct mill_fib_record record =
		    record_route(MILL_FIB_ROUTE_DEL, view->family, e->address, e->length, 1u + e->nexthop);
		mill_fib_writer_apply(&f->writer, &record);
		record.op = MILL_FIB_ROUTE_SET;
		mill_fib_writer_apply(&f->writer, &record);
		mill_qsbr_poll(&f->qsbr);
	}
	return (double)(now_ns() - from) / 1e3 / n / 2;
}

enum pattern { UNIFORM, ROUTED, ZIPF };

/* Zipf(1.0) over the prefixes by inversion of the harmonic numbers. */
static uint32_t zipf(struct random *random, uint32_t n)
{
	const double u = (double)(random_next(random) >> 11) / 9007199254740992.0;
	const double rank = exp(u * log((double)n));
	return (uint32_t)(((uint64_t)rank * 2654435761u) % n);
}

static void pattern_address(const struct view *view, enum pattern pattern, struct random *random,
                            uint8_t address[16])
{
	const uint64_t any = random_next(random);
	memset(address, 0, 16);
	if (pattern == UNIFORM)
		memcpy(address, &any, 8);
	else
		random_inside(
		    random,
		    &view->entry[pattern == ROUTED ? random_below(random, view->n) : zipf(random, view->n)],
		    address);
}

/* Best of five, million lookups a second. */
static double speed(const struct view *view, const struct mill_fib *fib, enum pattern pattern)
{
	struct random random = {4242};
	uint32_t *address4 = malloc(PATTERN * sizeof(*address4)), *group = malloc(PATTERN * sizeof(*group)),
	         sink = 0;
	uint8_t(*address6)[16] = malloc(PATTERN * sizeof(*address6));
	double best = 0;
	for (uint32_t i = 0; i < PATTERN; i++) {
		pattern_address(view, pattern, &random, address6[i]);
		memcpy(&address4[i], address6[i], 4);
		address4[i] = __builtin_bswap32(address4[i]);
	}
	for (uint32_t run = 0; run < 5; run++) {
		const uint64_t from = now_ns();
		for (uint32_t i = 0; i < PATTERN; i += MILL_BURST) {
			if (view->family == 4)
				mill_fib_lookup4(fib, address4 + i, group + i, MILL_BURST);
			else
				mill_fib_lookup6(fib, (const uint8_t(*)[16])address6 + i, group + i,
				                 MILL_BURST);
			sink += group[i];
		}
		const double rate = PATTERN * 1e3 / (double)(now_ns() - from);
		best = rate > best ? rate : best;
	}
	__asm__ volatile("" ::"r"(sink));
	free(address4);
	free(address6);
	free(group);
	return best;
}

static double resident_mb(void)
{
	unsigned long pages = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	if (file != NULL && fscanf(file, "%lu %lu", &pages, &resident) == 2)
		fclose(file);
	return (double)resident * 4096 / 1e6;
}

static void run(const char *path, uint32_t stride)
{
	struct view view = {0};
	load(&view, path);
	CHECK(view.n > 0, "routes in %s", path);
	sort_view(&view);
	struct fixture *f = fixture_new();
	for (uint32_t i = 1; i <= NEXTHOPS; i++) {
		fixture_apply(f, record_adjacency(i, MILL_ADJ_FORWARD, (uint16_t)i, i));
		fixture_group1(f, i, i);
	}
	mill_fib_writer_keep(&f->writer, 0);
	const double before = resident_mb(), seconds = build(&view, f), after = resident_mb();
	uint32_t chunk = 0;
	while (mill_fib_tables_condense(f->fib, &chunk))
		;
	const double change = update(&view, f);
	mill_qsbr_drain(&f->qsbr, 1000);
	CHECK(mill_fib_writer_keep(&f->writer, ALL_METHODS) == ALL_METHODS, "room for all methods");
	compare_all(&view, f->fib, stride);
	printf("ok v%d: %u prefixes in %.3f s, %.0f MB, %.2f us a change; Mlookups/s uniform %.0f, routed "
	       "%.0f, zipf %.0f\n",
	       view.family, view.n, seconds, after - before, change, speed(&view, f->fib, UNIFORM),
	       speed(&view, f->fib, ROUTED), speed(&view, f->fib, ZIPF));
	/* all away again, in another order */
	fixture_apply(f, record_simple(MILL_FIB_SYNC_BEGIN, 0, 0));
	fixture_apply(f, record_simple(MILL_FIB_SYNC_END, 0, 0));
	CHECK(f->writer.prefixes4.n + f->writer.prefixes6.n == 0, "an empty store");
	for (uint32_t i = 0; i < view.n; i++)
		CHECK(answer(f->fib, view.family, view.entry[i].address) == 0, "no route left");
	fixture_free(f);
	free(view.entry);
	free(view.sorted);
}

int main(int argc, char **argv)
{
	for (int i = 2; i < argc; i++)
		run(argv[i], (uint32_t)atoi(argv[1]));
	return 0;
}
