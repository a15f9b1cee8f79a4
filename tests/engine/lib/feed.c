/* See feed.h. */
#include "feed.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void push(struct feed *feed, struct mill_fib_record record)
{
	feed->queue->record[feed->next++ % MILL_FIB_RECORDS] = record;
}

static void commit(struct feed *feed)
{
	const uint64_t one = 1, start = test_now();
	push(feed, (struct mill_fib_record){.op = MILL_FIB_COMMIT, .value = ++feed->batch});
	__atomic_store_n(&feed->queue->committed, feed->next, __ATOMIC_RELEASE);
	CHECK(write(feed->wake_fd, &one, sizeof(one)) == (ssize_t)sizeof(one), "%s", strerror(errno));
	while (__atomic_load_n(&feed->queue->applied, __ATOMIC_ACQUIRE) != feed->next)
		CHECK(test_now() - start < 5000000000u, "the batch is applied");
}

void feed_open(struct feed *feed, const struct test_engine *engine)
{
	const int fd = engine_held_fd(engine, MILL_HOLD_FIB_QUEUE, 0, 0);
	feed->queue = mmap(NULL, sizeof(*feed->queue), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(feed->queue != MAP_FAILED, "%s", strerror(errno));
	feed->wake_fd = engine_held_fd(engine, MILL_HOLD_FIB_WAKE, 0, 0);
	feed->next = feed->queue->applied;
	push(feed, (struct mill_fib_record){.op = MILL_FIB_SYNC_BEGIN});
	push(feed, (struct mill_fib_record){.op = MILL_FIB_SYNC_END});
	commit(feed);
}

static void set_address(struct mill_fib_record *record, uint32_t address)
{
	for (int i = 0; i < 4; i++)
		record->address[i] = (uint8_t)(address >> (24 - 8 * i));
}

void feed_adjacency(struct feed *feed, uint32_t id, enum mill_adjacency_kind kind, uint16_t iface,
                    uint32_t address, const uint8_t mac[6])
{
	struct mill_fib_record record = {.op = MILL_FIB_ADJACENCY_SET,
	                                 .family = kind == MILL_ADJ_GLEAN ? 0 : 4,
	                                 .kind = (uint8_t)kind,
	                                 .id = id,
	                                 .iface = iface};
	if (mac != NULL)
		memcpy(record.mac, mac, 6);
	set_address(&record, address);
	push(feed, record);
	commit(feed);
}

void feed_group(struct feed *feed, uint32_t group, const uint32_t *adjacencies, uint32_t n)
{
	struct mill_fib_record record = {
	    .op = MILL_FIB_GROUP_SET, .id = group, .leg_count = (uint16_t)n, .length = (uint8_t)n};
	for (uint32_t i = 0; i < n; i++)
		record.leg[i] = (struct mill_fib_leg){.adjacency = adjacencies[i], .weight = 1};
	push(feed, record);
	commit(feed);
}

void feed_route_by(struct feed *feed, uint32_t address, uint8_t length, uint32_t group)
{
	struct mill_fib_record route = {.op = MILL_FIB_ROUTE_SET, .family = 4, .length = length, .id = group};
	set_address(&route, address);
	push(feed, route);
	commit(feed);
}

void feed_route6(struct feed *feed, const uint8_t address[16], uint8_t length, uint32_t group)
{
	struct mill_fib_record route = {.op = MILL_FIB_ROUTE_SET, .family = 6, .length = length, .id = group};
	memcpy(route.address, address, sizeof(route.address));
	push(feed, route);
	commit(feed);
}

void feed_route(struct feed *feed, uint32_t address, uint8_t length, uint32_t adjacency)
{
	feed_group(feed, adjacency, &adjacency, 1);
	feed_route_by(feed, address, length, adjacency);
}

void feed_mark(struct feed *feed, enum mill_fib_op op)
{
	push(feed, (struct mill_fib_record){.op = (uint8_t)op});
	commit(feed);
}

void feed_route_delete(struct feed *feed, uint32_t address, uint8_t length)
{
	struct mill_fib_record route = {.op = MILL_FIB_ROUTE_DEL, .family = 4, .length = length};
	set_address(&route, address);
	push(feed, route);
	commit(feed);
}
