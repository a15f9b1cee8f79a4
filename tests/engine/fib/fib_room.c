/*
 * No memory, no numbers left: what found no room must leave everything as it was, whatever comes behind it, and a
 * replay brings it as soon as there is room. Random changes, with allocations that fail at random, against plain
 * arrays of what the daemon wants and of what the FIB must have.
 *
 *   fib_room SEED ROUNDS
 */
#include <string.h>
#include "support.h"

#define PREFIXES 80u
#define GROUPS   24u
#define NEXTHOPS 12u

struct way { /* of a group */
	uint32_t n, leg[2];
};

/* By prefix: group + 1, 0 for none. By group: n = 0 for none. */
struct view {
	uint32_t route[PREFIXES];
	struct way way[GROUPS];
	bool nexthop[NEXTHOPS];
};

struct bed {
	struct fixture *f;
	struct random random;
	struct view want, have;
	uint32_t first; /* the daemon's numbers begin here: others after each replay */
	uint32_t refused;
	bool lean; /* some allocations fail */
};

/* Prefix i: nested ones of three lengths, so that losing one would show another. */
static uint32_t address_of(uint32_t i)
{
	return 10u << 24 | (i / 3) << 16 | (i % 3 > 1 ? 77 : 0) << 8;
}

static unsigned length_of(uint32_t i)
{
	return i % 3 == 0 ? 16 : i % 3 == 1 ? 20 : 29;
}

/* True: it found room. */
static bool apply(struct bed *bed, struct mill_fib_record record)
{
	refuse_memory = bed->lean && random_below(&bed->random, 3) == 0;
	const enum mill_fib_result result = mill_fib_writer_apply(&bed->f->writer, &record);
	refuse_memory = 0;
	mill_qsbr_poll(&bed->f->qsbr);
	if (result == MILL_FIB_NO_ROOM) {
		mill_fib_writer_give_up(&bed->f->writer);
		bed->refused++;
	}
	CHECK(result != MILL_FIB_REFUSED, "operation %u is not wrong in itself", record.op);
	return result == MILL_FIB_APPLIED;
}

static void set_nexthop(struct bed *bed, uint32_t i)
{
	bed->want.nexthop[i] = true;
	if (apply(bed, record_adjacency(bed->first + i, MILL_ADJ_FORWARD, (uint16_t)i, 7)))
		bed->have.nexthop[i] = true;
}

static void set_way(struct bed *bed, uint32_t group, struct way way)
{
	struct mill_fib_record record;
	struct mill_fib_leg leg[2];
	for (uint32_t i = 0; i < way.n; i++) {
		if (!bed->want.nexthop[way.leg[i]])
			set_nexthop(bed, way.leg[i]);
		leg[i] = (struct mill_fib_leg){bed->first + way.leg[i], 1};
	}
	records_group(bed->first + group, leg, way.n, &record);
	bed->want.way[group] = way;
	if (apply(bed, record))
		bed->have.way[group] = way;
}

static struct way some_way(struct bed *bed)
{
	struct way way = {.n = 1 + random_below(&bed->random, 2)};
	way.leg[0] = random_below(&bed->random, NEXTHOPS);
	way.leg[1] = (way.leg[0] + 1 + random_below(&bed->random, NEXTHOPS - 1)) % NEXTHOPS;
	return way;
}

static void set_route(struct bed *bed, uint32_t i, uint32_t group)
{
	const uint32_t wire = __builtin_bswap32(address_of(i));
	uint8_t bytes[16] = {0};
	memcpy(bytes, &wire, 4);
	if (bed->want.way[group].n == 0)
		set_way(bed, group, some_way(bed));
	bed->want.route[i] = group + 1;
	if (apply(bed, record_route(MILL_FIB_ROUTE_SET, 4, bytes, length_of(i), bed->first + group)))
		bed->have.route[i] = group + 1;
}

static void delete_route(struct bed *bed, uint32_t i)
{
	const uint32_t wire = __builtin_bswap32(address_of(i));
	uint8_t bytes[16] = {0};
	memcpy(bytes, &wire, 4);
	bed->want.route[i] = bed->have.route[i] = 0;
	CHECK(apply(bed, record_route(MILL_FIB_ROUTE_DEL, 4, bytes, length_of(i), 0)),
	      "a withdrawal needs no room");
}

static const struct way *way_to(const struct view *view, uint32_t address)
{
	uint32_t best = 0, longest = 0;
	for (uint32_t i = 0; i < PREFIXES; i++) {
		const unsigned length = length_of(i);
		if (view->route[i] != 0 && (address ^ address_of(i)) >> (32 - length) == 0 &&
		    length > longest) {
			longest = length;
			best = view->route[i];
		}
	}
	return best == 0 ? NULL : &view->way[best - 1];
}

static bool is_leg(const struct way *way, const struct mill_adjacency *got)
{
	for (uint32_t i = 0; i < way->n; i++)
		if (got->kind == MILL_ADJ_FORWARD && got->iface == way->leg[i])
			return true;
	return false;
}

static void verify(const struct bed *bed, const struct view *view, const char *when)
{
	for (uint32_t i = 0; i < PREFIXES; i++)
		for (uint32_t hash = 0; hash < 64; hash += 9) {
			const uint32_t address = address_of(i) + 1;
			const struct mill_adjacency *got =
			    mill_fib_select(bed->f->fib, lookup4(bed->f->fib, address), hash);
			const struct way *way = way_to(view, address);
			CHECK(way == NULL ? got->kind == MILL_ADJ_NONE : is_leg(way, got),
			      "the right way to %08x %s", address, when);
		}
}

/* Old and new side by side: each address goes by a route that one of them has for it, and has one if it had one. */
static void verify_mixture(const struct bed *bed, const struct view *before)
{
	for (uint32_t i = 0; i < PREFIXES; i++) {
		const uint32_t address = address_of(i) + 1;
		const struct mill_adjacency *got =
		    mill_fib_select(bed->f->fib, lookup4(bed->f->fib, address), i);
		bool right = got->kind == MILL_ADJ_NONE && way_to(before, address) == NULL;
		for (uint32_t k = 0; k < PREFIXES; k++) {
			if ((address ^ address_of(k)) >> (32 - length_of(k)) != 0)
				continue;
			right =
			    right || (before->route[k] && is_leg(&before->way[before->route[k] - 1], got));
			right = right ||
			        (bed->want.route[k] && is_leg(&bed->want.way[bed->want.route[k] - 1], got));
		}
		CHECK(right, "a way to %08x that it had or has", address);
	}
}

static void step(struct bed *bed)
{
	switch (random_below(&bed->random, 8)) {
	case 0:
		set_nexthop(bed, random_below(&bed->random, NEXTHOPS));
		return;
	case 1:
	case 2:
		set_way(bed, random_below(&bed->random, GROUPS), some_way(bed));
		return;
	case 3:
		delete_route(bed, random_below(&bed->random, PREFIXES));
		return;
	default:
		set_route(bed, random_below(&bed->random, PREFIXES), random_below(&bed->random, GROUPS));
	}
}

/* All that the daemon wants, under other numbers. True: it found room. */
static bool replay(struct bed *bed)
{
	const struct view all = bed->want;
	bed->first += 1000;
	memset(bed->want.nexthop, 0, sizeof(bed->want.nexthop));
	memset(bed->want.way, 0, sizeof(bed->want.way));
	CHECK(apply(bed, record_simple(MILL_FIB_SYNC_BEGIN, 0, 0)), "begin");
	for (uint32_t i = 0; i < GROUPS; i++)
		if (all.way[i].n != 0)
			set_way(bed, i, all.way[i]);
	for (uint32_t i = 0; i < PREFIXES; i++)
		if (all.route[i] != 0)
			set_route(bed, i, all.route[i] - 1);
	return apply(bed, record_simple(MILL_FIB_SYNC_END, 0, 0));
}

static void limit(struct bed *bed, uint32_t groups, uint32_t buckets)
{
	bed->f->writer.groups.slots.limit = groups;
	bed->f->writer.groups.bucket_next = MILL_FIB_BUCKETS - buckets;
}

static void round_of_failures(uint64_t seed)
{
	struct bed *bed = calloc(1, sizeof(*bed));
	*bed = (struct bed){.f = fixture_new(), .random = {seed}, .first = 1, .lean = true};
	limit(bed, 2 + 10, 64 * 6); /* of the 24 groups, and of those with two legs */
	for (uint32_t i = 0; i < 300; i++) {
		step(bed);
		if (i % 10 == 0)
			verify(bed, &bed->have, "after a failure");
	}
	CHECK(bed->refused > 20 && bed->f->writer.behind, "some found no room: %u", bed->refused);
	const struct view before = bed->have;
	for (uint32_t i = 0; i < 5; i++) { /* there are not numbers enough for the old and the new at once */
		CHECK(!replay(bed) && bed->f->writer.behind, "no room for a replay");
		verify_mixture(bed, &before);
	}
	bed->lean = false;
	limit(bed, MILL_FIB_GROUPS, MILL_FIB_BUCKETS - 64 * 64);
	CHECK(replay(bed), "there is room");
	verify(bed, &bed->want, "when there was room");
	CHECK(!bed->f->writer.behind, "nothing is missing");
	mill_qsbr_drain(&bed->f->qsbr, 100);
	CHECK(bed->f->writer.groups.n <= GROUPS && bed->f->writer.adjacencies.n <= NEXTHOPS,
	      "nothing is left of replays that failed: %u groups", bed->f->writer.groups.n);
	fixture_free(bed->f);
	free(bed);
}

int main(int argc, char **argv)
{
	const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	const uint32_t rounds = argc > 2 ? (uint32_t)atoi(argv[2]) : 20;
	for (uint32_t i = 0; i < rounds; i++)
		round_of_failures(seed * 1000 + i);
	printf("ok what finds no room changes nothing, and a replay brings it: %u rounds\n", rounds);
	return 0;
}
