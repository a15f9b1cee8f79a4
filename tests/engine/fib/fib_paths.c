/*
 * Routes with several legs: how flows are spread, and that as few as possible move when legs are lost, come back, or
 * a route gets another group. Deals alone first, then groups of a FIB, each flow's leg noted before and after.
 */
#include <string.h>
#include "fib/deal.h"
#include "support.h"

#define FLOWS 20000u

static uint32_t count(const uint32_t *bucket, uint32_t size, uint32_t adjacency)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < size; i++)
		n += bucket[i] == adjacency;
	return n;
}

static struct mill_deal_leg leg_of(uint32_t number, uint32_t weight)
{
	return (struct mill_deal_leg){.adjacency = number, .identity = number, .weight = weight};
}

static void weights_are_honoured(void)
{
	struct mill_deal_leg leg[3] = {leg_of(5, 1), leg_of(6, 2), leg_of(7, 5)};
	static uint32_t bucket[65536], home[65536];
	const uint32_t size = mill_deal_size(leg, 3);
	mill_deal(leg, 3, bucket, home, size);
	for (uint32_t i = 0; i < 3; i++) {
		const double due = size * leg[i].weight / 8.0, got = count(bucket, size, leg[i].adjacency);
		CHECK(got > due - 1.01 && got < due + 1.01, "%.1f buckets for leg %u, got %.0f", due, i, got);
	}
	struct mill_deal_leg far[2] = {leg_of(5, 256), leg_of(6, 1)};
	const uint32_t far_size = mill_deal_size(far, 2);
	memset(home, 0, sizeof(home));
	mill_deal(far, 2, bucket, home, far_size);
	CHECK(count(bucket, far_size, 6) >= far_size / 300, "some for the lightest leg");
}

/* Legs go one by one until one is left, and come back in another order. A step down moves only buckets of the leg that
 * went; a step up moves only buckets to the leg that came; and in the end all is as it was. */
static void lost_legs_get_their_own_back(void)
{
	static uint32_t bucket[65536], home[65536], first[65536], before[65536];
	for (uint32_t n = 2; n <= 40; n++) {
		struct mill_deal_leg leg[40], away[40];
		uint32_t left = n, gone = 0;
		for (uint32_t i = 0; i < n; i++)
			leg[i] = leg_of(i + 1, 1 + i % 3);
		const uint32_t size = mill_deal_size(leg, n);
		memset(bucket, 0xff, sizeof(bucket));
		memset(home, 0, sizeof(home));
		mill_deal(leg, n, bucket, home, size);
		memcpy(first, bucket, sizeof(first));
		while (left > 1) {
			const uint32_t k = left / 2, adjacency = leg[k].adjacency;
			away[gone++] = leg[k];
			memcpy(before, bucket, sizeof(before));
			memmove(&leg[k], &leg[k + 1], (--left - k) * sizeof(leg[0]));
			mill_deal(leg, left, bucket, home, size);
			for (uint32_t b = 0; b < size; b++)
				CHECK((before[b] == adjacency) == (before[b] != bucket[b]),
				      "bucket %u of %u legs", b, left);
		}
		while (gone > 0) {
			const uint32_t k = gone / 3, adjacency = away[k].adjacency;
			leg[left++] = away[k];
			memmove(&away[k], &away[k + 1], (--gone - k) * sizeof(away[0]));
			memcpy(before, bucket, sizeof(before));
			mill_deal(leg, left, bucket, home, size);
			for (uint32_t b = 0; b < size; b++)
				CHECK(before[b] == bucket[b] || bucket[b] == adjacency ||
				          before[b] != first[b],
				      "bucket %u of %u legs, back to %u", b, left, adjacency);
		}
		CHECK(memcmp(first, bucket, size * sizeof(bucket[0])) == 0, "as before, with %u legs", n);
	}
}

static void new_leg_takes_its_share_and_no_more(void)
{
	struct mill_deal_leg leg[4] = {leg_of(1, 1), leg_of(2, 1), leg_of(3, 1), leg_of(4, 1)};
	uint32_t bucket[64], home[64] = {0}, before[64], moved = 0;
	memset(bucket, 0xff, sizeof(bucket));
	mill_deal(leg, 3, bucket, home, 64);
	memcpy(before, bucket, sizeof(before));
	mill_deal(leg, 4, bucket, home, 64);
	for (uint32_t b = 0; b < 64; b++)
		moved += bucket[b] != before[b];
	CHECK(count(bucket, 64, 4) == 16 && moved == 16, "16 of 64, and no other moves: %u", moved);
	/* it takes the place of one that was lost: that one has no rights any more */
	memcpy(before, bucket, sizeof(before));
	const struct mill_deal_leg lost = leg[1];
	leg[1] = leg_of(9, 1);
	mill_deal(leg, 4, bucket, home, 64);
	for (uint32_t b = 0; b < 64; b++)
		CHECK((before[b] == lost.adjacency) == (bucket[b] == 9), "bucket %u in its place", b);
}

/* --- groups ------------------------------------------------------------------------------------------------- */

static const uint8_t net10[16] = {10};
#define INSIDE (10u << 24 | 5)

struct flows {
	uint32_t hash[FLOWS];
	uint32_t leg[FLOWS]; /* the adjacency's interface: the same whatever its number is */
};

static void make_flows(struct flows *flows)
{
	struct random random = {77};
	for (uint32_t i = 0; i < FLOWS; i++)
		flows->hash[i] = (uint32_t)random_next(&random);
}

#define GATEWAY 7

/* By the gateway of a rule in tests that set one, else by the route. */
static uint32_t leg_now(const struct fixture *f, uint32_t hash)
{
	const uint32_t group = mill_fib_gateway(f->fib, GATEWAY);
	return mill_fib_select(f->fib, group ? group : lookup4(f->fib, INSIDE), hash)->iface;
}

static void note(const struct fixture *f, struct flows *flows)
{
	for (uint32_t i = 0; i < FLOWS; i++)
		flows->leg[i] = leg_now(f, flows->hash[i]);
}

/* Flows that are elsewhere than when they were noted; of those, none was on another leg than `from`, if that is one. */
static uint32_t moved(const struct fixture *f, const struct flows *flows, uint32_t from)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < FLOWS; i++) {
		const uint32_t now = leg_now(f, flows->hash[i]);
		CHECK(from == MILL_NONE || now == flows->leg[i] || flows->leg[i] == from,
		      "flow %u stays on leg %u, now %u", i, flows->leg[i], now);
		n += now != flows->leg[i];
	}
	return n;
}

static uint32_t share_of(const struct fixture *f, const struct flows *flows, uint32_t iface)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < FLOWS; i++)
		n += leg_now(f, flows->hash[i]) == iface;
	return n;
}

/* Adjacencies first+0 … over interfaces 0 …, one group, one route. */
static void set_way(struct fixture *f, uint32_t group, uint32_t first, uint32_t n)
{
	struct mill_fib_leg leg[64];
	for (uint32_t i = 0; i < n; i++)
		leg[i] = (struct mill_fib_leg){first + i, 1};
	fixture_group(f, group, leg, n);
}

static void make_neighbours(struct fixture *f, uint32_t first, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct mill_fib_record record = record_adjacency(first + i, MILL_ADJ_FORWARD, (uint16_t)i, i);
		memset(record.address, 0, sizeof(record.address));
		record.address[3] = (uint8_t)(i + 1);
		fixture_apply(f, record);
	}
}

static void dead_port_is_avoided_and_others_keep_their_flows(void)
{
	static struct flows flows;
	struct fixture *f = fixture_new();
	make_flows(&flows);
	make_neighbours(f, 0, 4);
	set_way(f, 50, 0, 4);
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, net10, 8, 50));
	CHECK(mill_fib_has_legs(mill_fib_group(f->fib, lookup4(f->fib, INSIDE))), "several paths");
	note(f, &flows);
	for (uint32_t i = 0; i < 4; i++)
		CHECK(share_of(f, &flows, i) > FLOWS / 4 - 500 && share_of(f, &flows, i) < FLOWS / 4 + 500,
		      "a quarter for leg %u: %u", i, share_of(f, &flows, i));
	f->fib->ports_down = 1u << 1; /* interface 1 is on port 1 */
	CHECK(moved(f, &flows, 1) > FLOWS / 4 - 500, "those of the lost leg move");
	for (uint32_t i = 0; i < 4; i++)
		CHECK((share_of(f, &flows, i) > FLOWS / 4 + 500) == (i != 1),
		      "the others share them: %u has %u", i, share_of(f, &flows, i));
	/* the daemon hears of it too, and leaves the leg out: most flows stay where they went first */
	static struct flows after;
	memcpy(&after, &flows, sizeof(after));
	note(f, &after);
	fixture_group(f, 50, (struct mill_fib_leg[]){{0, 1}, {2, 1}, {3, 1}}, 3);
	const uint32_t twice = moved(f, &after, MILL_NONE);
	CHECK(twice < FLOWS / 4 / 3, "%u of %u flows move twice", twice, FLOWS / 4);
	moved(f, &flows, 1);
	fixture_group(f, 50, (struct mill_fib_leg[]){{0, 1}, {1, 1}, {2, 1}, {3, 1}}, 4);
	f->fib->ports_down = 0;
	CHECK(moved(f, &flows, MILL_NONE) == 0, "all are back");
	f->fib->ports_down = 15;
	CHECK(!mill_fib_egress_up(f->fib, mill_fib_select(f->fib, lookup4(f->fib, INSIDE), 1)),
	      "all dead: it says so");
	fixture_free(f);
}

/* All but one leg go, their adjacencies too, and come back under other numbers. */
static void legs_come_back_under_other_numbers(void)
{
	static struct flows flows;
	struct fixture *f = fixture_new();
	make_flows(&flows);
	make_neighbours(f, 0, 3);
	set_way(f, 50, 0, 3);
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, net10, 8, 50));
	note(f, &flows);
	set_way(f, 50, 0, 1);
	fixture_apply(f, record_simple(MILL_FIB_ADJACENCY_DEL, 1, 0));
	fixture_apply(f, record_simple(MILL_FIB_ADJACENCY_DEL, 2, 0));
	CHECK(share_of(f, &flows, 0) == FLOWS, "one leg has all");
	make_neighbours(f, 20, 3);
	fixture_group(f, 50, (struct mill_fib_leg[]){{0, 1}, {21, 1}, {22, 1}}, 3);
	CHECK(moved(f, &flows, MILL_NONE) == 0, "each flow on its leg of before");
	fixture_free(f);
}

/* The route gets another group, as when it is replaced, and then a replay tells everything under other numbers. */
static void another_group_is_dealt_like_the_one_before(void)
{
	static struct flows flows;
	struct fixture *f = fixture_new();
	make_flows(&flows);
	make_neighbours(f, 0, 5);
	set_way(f, 1, 0, 1);
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, net10, 8, 1));
	set_way(f, 2, 0, 2);
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, net10, 8, 2));
	set_way(f, 3, 0, 4);
	note(f, &flows);
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, net10, 8, 3));
	uint32_t n = moved(f, &flows, MILL_NONE);
	CHECK(n > FLOWS / 2 - 600 && n < FLOWS / 2 + 600, "half of the flows go to the two new legs: %u", n);
	note(f, &flows);
	fixture_group(f, 4, (struct mill_fib_leg[]){{3, 1}, {4, 1}, {0, 1}, {1, 1}}, 4);
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, net10, 8, 4));
	n = moved(f, &flows, 2);
	CHECK(n == share_of(f, &flows, 4), "leg 4 has those of leg 2, and nobody else moves: %u", n);
	note(f, &flows);
	fixture_apply(f, record_simple(MILL_FIB_SYNC_BEGIN, 0, 0));
	make_neighbours(f, 100, 5);
	fixture_group(f, 104, (struct mill_fib_leg[]){{100, 1}, {101, 1}, {103, 1}, {104, 1}}, 4);
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, net10, 8, 104));
	fixture_apply(f, record_simple(MILL_FIB_SYNC_END, 0, 0));
	CHECK(moved(f, &flows, MILL_NONE) == 0, "a replay moves no flow");
	/* a group in use is not dealt anew for another route's sake */
	const uint8_t net11[16] = {11};
	fixture_group(f, 105, (struct mill_fib_leg[]){{102, 1}, {103, 1}}, 2);
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, net11, 8, 105));
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, net11, 8, 104));
	CHECK(moved(f, &flows, MILL_NONE) == 0, "nor by another route that joins");
	fixture_free(f);
}

/* Another place, as after an adoption: the first route that names a group is dealt as readers go now. */
static void a_second_place_is_dealt_like_the_first(void)
{
	static struct flows flows;
	struct fixture *f = fixture_new(), *g = fixture_new();
	make_flows(&flows);
	make_neighbours(f, 0, 4);
	set_way(f, 1, 0, 3);
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, net10, 8, 1));
	fixture_group(f, 1, (struct mill_fib_leg[]){{3, 1}, {1, 1}, {0, 1}}, 3);
	note(f, &flows);
	g->writer.before = f->fib;
	make_neighbours(g, 7, 4);
	fixture_group(g, 9, (struct mill_fib_leg[]){{7, 1}, {8, 1}, {10, 1}}, 3);
	fixture_apply(g, record_route(MILL_FIB_ROUTE_SET, 4, net10, 8, 9));
	CHECK(moved(g, &flows, MILL_NONE) == 0, "each flow on its leg of before");
	fixture_free(g);
	fixture_free(f);
}

/* The same of a rule's gateways, which no route names: in one place first, then in another, where they would be dealt
 * otherwise if nothing stood before. */
static void gateways_are_dealt_like_the_ones_before(void)
{
	static struct flows flows;
	const struct mill_fib_leg legs[4] = {{7, 1}, {8, 1}, {9, 1}, {10, 1}};
	struct fixture *f = fixture_new(), *g = fixture_new(), *fresh = fixture_new();
	make_flows(&flows);
	make_neighbours(f, 0, 4);
	set_way(f, 1, 0, 2);
	fixture_apply(f, record_simple(MILL_FIB_GATEWAY_SET, GATEWAY, 1));
	note(f, &flows);
	set_way(f, 2, 0, 4);
	fixture_apply(f, record_simple(MILL_FIB_GATEWAY_SET, GATEWAY, 2));
	const uint32_t n = moved(f, &flows, MILL_NONE);
	CHECK(n == share_of(f, &flows, 2) + share_of(f, &flows, 3), "those of the new legs alone move: %u",
	      n);
	note(f, &flows);
	for (uint32_t i = 0; i < 2; i++) {
		struct fixture *other = i == 0 ? g : fresh;
		other->writer.before = i == 0 ? f->fib : NULL;
		make_neighbours(other, 7, 4);
		fixture_group(other, 9, legs, 4);
		fixture_apply(other, record_simple(MILL_FIB_GATEWAY_SET, GATEWAY, 9));
	}
	CHECK(moved(g, &flows, MILL_NONE) == 0, "each flow on its leg of before");
	CHECK(moved(fresh, &flows, MILL_NONE) > 0, "which is not by chance");
	fixture_free(fresh);
	fixture_free(g);
	fixture_free(f);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} cases[] = {
	    {"weights are honoured", weights_are_honoured},
	    {"lost legs get their own back", lost_legs_get_their_own_back},
	    {"a new leg takes its share and no more", new_leg_takes_its_share_and_no_more},
	    {"a dead port is avoided and others keep their flows",
	     dead_port_is_avoided_and_others_keep_their_flows},
	    {"legs come back under other numbers", legs_come_back_under_other_numbers},
	    {"another group is dealt like the one before", another_group_is_dealt_like_the_one_before},
	    {"a second place is dealt like the first", a_second_place_is_dealt_like_the_first},
	    {"gateways are dealt like the ones before", gateways_are_dealt_like_the_ones_before},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cases[i].run();
		printf("ok %s\n", cases[i].name);
		fflush(stdout);
	}
	return 0;
}
