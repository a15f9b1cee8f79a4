/* The FIB writer, case by case: what random operations would meet too seldom, or could not judge. */
#include <string.h>
#include "shm/fib_use.h"
#include "support.h"

static const uint8_t net10[16] = {10};

/* More groups than 16-bit entries can name: neighbours of a large LAN. */
static void entries_widen_when_16_bits_do_not_suffice(void)
{
	struct fixture *f = fixture_new();
	const uint32_t n = 40000;
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t host[16] = {10, 1, (uint8_t)(i >> 8), (uint8_t)i};
		fixture_apply(f, record_adjacency(i, MILL_ADJ_FORWARD, 3, i));
		fixture_group1(f, i, i);
		CHECK(fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, host, 32, i)) == MILL_FIB_APPLIED,
		      "host %u", i);
	}
	CHECK(f->fib->wide4, "wide entries");
	for (uint32_t i = 0; i < n; i++)
		CHECK(key4(f->fib, 10u << 24 | 1u << 16 | i) == i, "host %u", i);
	CHECK(lookup4(f->fib, 10u << 24 | 1u << 16 | n) == 0 && lookup4(f->fib, 10u << 24) == 0,
	      "nothing beside them");
	mill_qsbr_drain(&f->qsbr, 100);
	CHECK(*MILL_FIB_AT(f->fib, uint16_t, MILL_FIB_NARROW_ROOT4_OFFSET + 2 * (10u << 16 | 1u << 8)) == 0,
	      "the narrow table's memory is given back");
	for (uint32_t i = 0; i < n; i += 2) {
		const uint8_t host[16] = {10, 1, (uint8_t)(i >> 8), (uint8_t)i};
		fixture_apply(f, record_route(MILL_FIB_ROUTE_DEL, 4, host, 32, 0));
	}
	for (uint32_t i = 0; i < n; i++)
		CHECK((lookup4(f->fib, 10u << 24 | 1u << 16 | i) != 0) == (i % 2),
		      "host %u after half are gone", i);
	fixture_free(f);
}

/* Nets of 10/8, number i by group key i; a batch says what each lookup alone says. */
static void check_nets(const struct mill_fib *fib, uint32_t n)
{
	uint32_t address[64], group[64];
	for (uint32_t i = 0; i < n; i++) {
		CHECK(key4(fib, 10u << 24 | i << 8 | 7) == i, "net %u", i);
		address[i % 64] = 10u << 24 | i << 8 | i % 256;
		if (i % 64 == 63) {
			mill_fib_lookup4(fib, address, group, 64);
			for (uint32_t k = 0; k < 64; k++)
				CHECK(group[k] == lookup4(fib, address[k]), "net %u in a batch", i - 63 + k);
		}
	}
}

/* A byte names the small groups only; where too much is behind it, lookups go past it. */
static void more_groups_than_a_byte_names(void)
{
	struct fixture *f = fixture_new();
	const uint32_t n = 640;
	const uint8_t large[16] = {16}, inside[16] = {16, 1, 2};
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t net[16] = {10, (uint8_t)(i >> 8), (uint8_t)i};
		fixture_apply(f, record_adjacency(i, MILL_ADJ_FORWARD, 3, i));
		fixture_group1(f, i, i);
		fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, net, 24, i));
	}
	CHECK(!f->fib->far4, "a few are behind the byte");
	check_nets(f->fib, n);
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, large, 4, n - 1));
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, inside, 28, 5));
	CHECK(f->fib->far4, "too many are behind the byte");
	check_nets(f->fib, n);
	CHECK(key4(f->fib, 16u << 24 | 1u << 16 | 2u << 8 | 3) == 5, "a node");
	CHECK(key4(f->fib, 31u << 24 | 0xffffff) == n - 1, "the large prefix");
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, large, 4, 3));
	CHECK(!f->fib->far4, "few again");
	check_nets(f->fib, n);
	CHECK(key4(f->fib, 16u << 24 | 1u << 16 | 2u << 8 | 3) == 5, "the node is still there");
	CHECK(key4(f->fib, 31u << 24 | 0xffffff) == 3, "the large prefix by a small group");
	fixture_apply(f, record_route(MILL_FIB_ROUTE_DEL, 4, large, 4, 0));
	fixture_apply(f, record_route(MILL_FIB_ROUTE_DEL, 4, inside, 28, 0));
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t net[16] = {10, (uint8_t)(i >> 8), (uint8_t)i};
		fixture_apply(f, record_route(MILL_FIB_ROUTE_DEL, 4, net, 24, 0));
	}
	CHECK(f->writer.dir4.far == 0, "nothing is behind a byte, got %u", f->writer.dir4.far);
	fixture_free(f);
}

/* Full: refused as a whole, old answers stand; room again after a withdrawal and a grace period. */
static void full_table_keeps_what_it_has(void)
{
	struct fixture *f = fixture_new();
	const uint8_t wide[16] = {0x20, 1, 0xd, 0xb8},
	              host[16] = {0x20, 1, 0xd, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	fixture_apply(f, record_adjacency(1, MILL_ADJ_LOCAL, 0, 0));
	fixture_group1(f, 1, 1);
	fixture_apply(f, record_adjacency(2, MILL_ADJ_BLACKHOLE, 0, 0));
	fixture_group1(f, 2, 2);
	struct mill_slots *nodes = &f->writer.dir6.slots[0];
	nodes->limit = 0; /* of depth 0, so that the wide tables take over */
	CHECK(fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 6, wide, 32, 1)) == MILL_FIB_APPLIED,
	      "one node");
	CHECK(f->fib->wide6, "the wide tables");
	nodes->n_free = 13;
	nodes->limit = nodes->next;
	CHECK(fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 6, host, 128, 2)) == MILL_FIB_APPLIED,
	      "12 more");
	const uint8_t other[16] = {0x30, 1, 0xd, 0xb8, 1};
	CHECK(fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 6, other, 40, 2)) == MILL_FIB_NO_ROOM,
	      "no nodes left");
	CHECK(lookup6(f->fib, other) == 0, "no trace of it");
	CHECK(f->writer.prefixes6.by_length[40] == 0, "not in the store either");
	fixture_apply(f, record_route(MILL_FIB_ROUTE_DEL, 6, host, 128, 0));
	mill_qsbr_drain(&f->qsbr, 100);
	CHECK(fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 6, other, 40, 2)) == MILL_FIB_APPLIED,
	      "room again");
	CHECK(mill_fib_select(f->fib, lookup6(f->fib, other), 0)->kind == MILL_ADJ_BLACKHOLE, "its answer");
	CHECK(mill_fib_select(f->fib, lookup6(f->fib, host), 0)->kind == MILL_ADJ_LOCAL,
	      "the covering one's");
	fixture_free(f);
}

/* A default route is one store and never hides, nor is hidden by, anything. */
static void default_routes(void)
{
	struct fixture *f = fixture_new();
	const uint8_t any[16] = {0};
	for (uint32_t i = 1; i <= 3; i++) {
		fixture_apply(f, record_adjacency(i, MILL_ADJ_FORWARD, 1, i));
		fixture_group1(f, i, i);
	}
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, net10, 8, 1));
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, any, 0, 2));
	CHECK(key4(f->fib, 10u << 24) == 1 && key4(f->fib, 11u << 24) == 2, "default beside 10/8");
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, any, 0, 3));
	fixture_apply(f, record_route(MILL_FIB_ROUTE_DEL, 4, net10, 8, 0));
	CHECK(key4(f->fib, 10u << 24) == 3 && key4(f->fib, 11u << 24) == 3, "default instead of 10/8");
	fixture_apply(f, record_route(MILL_FIB_ROUTE_DEL, 4, any, 0, 0));
	CHECK(lookup4(f->fib, 11u << 24) == 0, "no route");
	fixture_free(f);
}

static void set_host(struct fixture *f, uint32_t address, uint32_t group)
{
	const uint8_t host[16] = {(uint8_t)(address >> 24), (uint8_t)(address >> 16), (uint8_t)(address >> 8),
	                          (uint8_t)address};
	if (group == 0)
		fixture_apply(f, record_route(MILL_FIB_ROUTE_DEL, 4, host, 32, 0));
	else
		fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, host, 32, group));
}

static uint32_t suspects(const struct fixture *f)
{
	uint32_t n = 0;
	for (uint32_t word = 0; word < MILL_OWN4_BITS / 64; word++)
		n += (uint32_t)__builtin_popcountll(f->fib->own4[word]);
	return n;
}

/* Nearly no other source is looked up: the filter has a bit for each address of the router, as long as it is one. */
static void own_addresses_are_known(void)
{
	struct fixture *f = fixture_new();
	const uint32_t first = 10u << 24 | 1;
	uint32_t twin = first + 1;
	fixture_apply(f, record_adjacency(1, MILL_ADJ_LOCAL, 0, 0));
	fixture_group1(f, 1, 1);
	fixture_apply(f, record_adjacency(2, MILL_ADJ_FORWARD, 1, 1));
	fixture_group1(f, 2, 2);
	while (mill_own4_bit(twin) != mill_own4_bit(first))
		twin++;
	set_host(f, first, 1);
	set_host(f, twin, 1);
	set_host(f, first + 2, 2);
	set_host(f, 127u << 24 | 1, 1); /* such sources are dropped anyway */
	CHECK(mill_fib_may_be_own4(f->fib, first) && suspects(f) == 1, "two addresses, one bit");
	set_host(f, first, 2);
	CHECK(mill_fib_may_be_own4(f->fib, twin) && suspects(f) == 1, "the other keeps it");
	set_host(f, twin, 0);
	CHECK(suspects(f) == 0, "none is left");
	fixture_apply(f, record_adjacency(2, MILL_ADJ_LOCAL, 1, 1));
	CHECK(mill_fib_may_be_own4(f->fib, first) && mill_fib_may_be_own4(f->fib, first + 2) &&
	          suspects(f) == 2,
	      "an adjacency has become the router");
	fixture_apply(f, record_adjacency(2, MILL_ADJ_FORWARD, 1, 1));
	CHECK(suspects(f) == 0, "and is another again");
	fixture_group1(f, 2, 1);
	CHECK(suspects(f) == 2, "a group has become the router");
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, net10, 8, 1));
	CHECK(suspects(f) == MILL_OWN4_BITS, "a whole network: each source is looked up");
	fixture_apply(f, record_route(MILL_FIB_ROUTE_DEL, 4, net10, 8, 0));
	CHECK(suspects(f) == 2, "its hosts again");
	fixture_free(f);
}

/* Wrong records change nothing, and a route to an unknown group is a route to nowhere, not to the next best. */
static void wrong_records_are_refused(void)
{
	struct fixture *f = fixture_new();
	const uint8_t sub[16] = {10, 1};
	fixture_apply(f, record_adjacency(1, MILL_ADJ_FORWARD, 1, 1));
	fixture_group1(f, 1, 1);
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, net10, 8, 1));
	CHECK(fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, net10, 33, 1)) == MILL_FIB_REFUSED,
	      "length 33");
	CHECK(fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 6, net10, 129, 1)) == MILL_FIB_REFUSED,
	      "length 129");
	CHECK(fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 5, net10, 8, 1)) == MILL_FIB_REFUSED,
	      "family 5");
	CHECK(fixture_apply(f, record_simple(99, 0, 0)) == MILL_FIB_REFUSED, "operation 99");
	CHECK(fixture_apply(f, record_simple(MILL_FIB_GATEWAY_SET, MILL_MAX_GATEWAYS, 1)) == MILL_FIB_REFUSED,
	      "gateway");
	CHECK(fixture_apply(f, record_simple(MILL_FIB_SYNC_END, 0, 0)) == MILL_FIB_REFUSED,
	      "end without begin");
	static const uint8_t sends[] = {MILL_ADJ_FORWARD, MILL_ADJ_RESOLVE, MILL_ADJ_GLEAN};
	for (size_t i = 0; i < sizeof(sends); i++)
		CHECK(fixture_apply(f, record_adjacency(1, sends[i], MILL_NONE, 1)) == MILL_FIB_REFUSED,
		      "kind %u on no interface", sends[i]);
	CHECK(fixture_apply(f, record_adjacency(3, MILL_ADJ_LOCAL, MILL_NONE, 1)) == MILL_FIB_APPLIED,
	      "an address of ours is on none");
	struct mill_fib_record legs = {.op = MILL_FIB_GROUP_LEGS, .id = 1, .length = 4};
	CHECK(fixture_apply(f, legs) == MILL_FIB_REFUSED, "legs of nothing");
	CHECK(key4(f->fib, 10u << 24 | 1u << 16) == 1, "nothing has changed");
	CHECK(fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, sub, 16, 999)) == MILL_FIB_REFUSED,
	      "unknown group");
	CHECK(lookup4(f->fib, 10u << 24 | 1u << 16) != 0 &&
	          mill_fib_select(f->fib, lookup4(f->fib, 10u << 24 | 1u << 16), 0)->kind == MILL_ADJ_NONE,
	      "a route to nowhere");
	/* deleted while in use: nobody else's number may take their place */
	fixture_apply(f, record_simple(MILL_FIB_GROUP_DEL, 1, 0));
	fixture_apply(f, record_simple(MILL_FIB_ADJACENCY_DEL, 1, 0));
	fixture_apply(f, record_adjacency(2, MILL_ADJ_LOCAL, 1, 1));
	fixture_group1(f, 2, 2);
	mill_qsbr_drain(&f->qsbr, 100);
	CHECK(mill_fib_select(f->fib, lookup4(f->fib, 10u << 24), 0)->kind == MILL_ADJ_NONE, "no way");
	fixture_free(f);
}

/* A reader that is awake holds back every number that it may have in hand. */
static void nothing_is_reused_before_readers_have_moved_on(void)
{
	struct fixture *f = fixture_new();
	uint64_t *epoch = &f->state->worker[3].epoch;
	fixture_apply(f, record_adjacency(1, MILL_ADJ_FORWARD, 1, 0xaaaa));
	fixture_group1(f, 1, 1);
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, net10, 8, 1));
	mill_qsbr_online(epoch);
	const uint32_t group = lookup4(f->fib, 10u << 24);
	const struct mill_adjacency *held = mill_fib_select(f->fib, group, 0);
	const struct mill_adjacency copy = *held;
	fixture_apply(f, record_route(MILL_FIB_ROUTE_DEL, 4, net10, 8, 0));
	fixture_apply(f, record_simple(MILL_FIB_GROUP_DEL, 1, 0));
	fixture_apply(f, record_simple(MILL_FIB_ADJACENCY_DEL, 1, 0));
	for (uint32_t i = 10; i < 200; i++) {
		fixture_apply(f, record_adjacency(i, MILL_ADJ_LOCAL, 2, i));
		fixture_group1(f, i, i);
		CHECK(memcmp(held, &copy, sizeof(copy)) == 0, "the adjacency in hand");
		CHECK(mill_fib_select(f->fib, group, 0) == held, "the group in hand");
	}
	CHECK(!mill_qsbr_drain(&f->qsbr, 3), "something waits");
	mill_qsbr_quiescent(epoch); /* for what was unlinked first */
	mill_qsbr_poll(&f->qsbr);
	mill_qsbr_quiescent(epoch); /* and since */
	CHECK(mill_qsbr_drain(&f->qsbr, 100), "nothing waits");
	CHECK(mill_fib_select(f->fib, group, 0) != held, "the group is free now");
	mill_qsbr_offline(epoch);
	CHECK((*epoch & 1) == 0, "asleep");
	fixture_free(f);
}

/* The daemon's name of a group, 0 for none. */
static uint64_t name_of(const struct fixture *f, uint32_t group)
{
	return MILL_FIB_AT(f->fib, uint64_t, MILL_FIB_KEY_OFFSET)[group];
}

/* Whoever gets a number next begins at zero; a group with other legs goes on; workers that never ran are left alone. */
static void use_counters_belong_to_their_group(void)
{
	struct fixture *f = fixture_new();
	struct mill_counter *mine = mill_fib_use(f->fib, 2), *idle = mill_fib_use(f->fib, 3);
	for (uint32_t i = 1; i <= 3; i++)
		fixture_apply(f, record_adjacency(i, MILL_ADJ_FORWARD, (uint16_t)i, i));
	fixture_group1(f, 0, 1);
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, net10, 8, 0));
	const uint32_t group = lookup4(f->fib, 10u << 24);
	CHECK(name_of(f, group) == MILL_FIB_USE_NAMED, "number 0 is a name too");
	CHECK(f->fib->groups_end == group + 1, "%u groups", f->fib->groups_end);
	mill_qsbr_online(&f->state->worker[2].epoch);
	mine[group] = (struct mill_counter){7, 700};
	idle[group] = (struct mill_counter){1, 1};
	fixture_group(f, 0, (struct mill_fib_leg[]){{2, 1}, {3, 1}}, 2);
	CHECK(lookup4(f->fib, 10u << 24) == group && mine[group].packets == 7, "other legs: it goes on");
	fixture_apply(f, record_route(MILL_FIB_ROUTE_DEL, 4, net10, 8, 0));
	fixture_apply(f, record_simple(MILL_FIB_GROUP_DEL, 0, 0));
	CHECK(name_of(f, group) == 0, "nobody can name it");
	CHECK(mine[group].packets == 7, "a worker may still count there");
	mill_qsbr_quiescent(&f->state->worker[2].epoch);
	CHECK(mill_qsbr_drain(&f->qsbr, 100), "the worker has moved on");
	fixture_group1(f, 9, 1);
	CHECK(name_of(f, group) == (MILL_FIB_USE_NAMED | 9), "the number has another owner");
	CHECK(mine[group].packets == 0 && mine[group].bytes == 0, "who begins at zero");
	CHECK(idle[group].packets == 1, "a page that was never used is not touched");
	fixture_apply(f, record_simple(MILL_FIB_SYNC_BEGIN, 0, 0));
	CHECK(name_of(f, group) == 0, "a replay gives new names");
	mill_qsbr_offline(&f->state->worker[2].epoch);
	fixture_free(f);
}

static uint32_t buckets_of(const struct fixture *f, uint32_t key, uint32_t adjacency, uint32_t *all)
{
	const uint64_t word =
	    MILL_FIB_AT(f->fib, uint64_t, MILL_FIB_GROUP_OFFSET)[mill_groups_slot(&f->writer.groups, key)];
	const uint32_t *bucket = MILL_FIB_AT(f->fib, uint32_t, MILL_FIB_BUCKET_OFFSET) + (uint32_t)word;
	uint32_t count = 0;
	*all = (uint32_t)(word >> 32) + 1;
	for (uint32_t i = 0; i < *all; i++)
		count += mill_fib_adjacency(f->fib, bucket[i])->key == adjacency;
	return count;
}

/* Weights of nexthop groups go to 65535. */
static void weights_that_are_far_apart(void)
{
	struct fixture *f = fixture_new();
	uint32_t all;
	for (uint32_t i = 1; i <= 3; i++)
		fixture_apply(f, record_adjacency(i, MILL_ADJ_FORWARD, 1, i));
	fixture_group(f, 1, (struct mill_fib_leg[]){{1, 1000}, {2, 3000}, {3, 65535}}, 3);
	const double share = buckets_of(f, 1, 2, &all) / (double)all;
	CHECK(share > 0.0428 && share < 0.0436, "3000 of 69535, not %f", share);
	f->writer.groups.bucket_next = MILL_FIB_BUCKETS - 1024;
	fixture_group(f, 2, (struct mill_fib_leg[]){{1, 65535}, {2, 1}}, 2);
	CHECK(buckets_of(f, 2, 2, &all) == 1 && all == 1024, "as well as there is room: %u of %u",
	      buckets_of(f, 2, 2, &all), all);
	fixture_group(f, 2, (struct mill_fib_leg[]){{1, 3}, {2, 1}}, 2);
	const uint32_t quarter = buckets_of(f, 2, 2, &all);
	CHECK(quarter + 1 >= all / 4 && quarter <= all / 4 + 1, "%u of %u", quarter, all);
	fixture_free(f);
}

int main(void)
{
	weights_that_are_far_apart();
	static const struct {
		const char *name;
		void (*run)(void);
	} cases[] = {
	    {"entries widen when 16 bits do not suffice", entries_widen_when_16_bits_do_not_suffice},
	    {"more groups than a byte names", more_groups_than_a_byte_names},
	    {"a full table keeps what it has", full_table_keeps_what_it_has},
	    {"default routes are beside everything", default_routes},
	    {"own addresses are known", own_addresses_are_known},
	    {"wrong records are refused", wrong_records_are_refused},
	    {"nothing is reused before readers have moved on",
	     nothing_is_reused_before_readers_have_moved_on},
	    {"use counters belong to their group", use_counters_belong_to_their_group},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cases[i].run();
		printf("ok %s\n", cases[i].name);
	}
	return 0;
}
