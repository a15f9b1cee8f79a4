/*
 * A route with three legs, by real packets: which leg each flow takes, and what the use counters say, while ports go down
 * and come back, the daemon is dead, and the engine is killed and adopted.
 *
 *   in ═ engine ═ left, middle, right
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "lib/engine_test.h"
#include "lib/feed.h"
#include "shm/fib_use.h"

#define FLOWS 300u
#define FRAME 60u
#define LEGS  3u

static struct test_engine engine;
static struct feed feed;
static struct mill_pipe_client in, out[LEGS];
static const char *const names[] = {"left", "middle", "right"};
static bool plugged[LEGS] = {true, true, true};
static uint64_t sent; /* by the group, since its counters began */

static void put_frame(uint8_t *frame, uint32_t flow)
{
	uint8_t *ip = frame + 14;
	uint32_t sum = 0;
	memset(frame, 0, FRAME);
	memcpy(frame, engine.state->port[0].mac, 6);
	frame[12] = 8;
	const uint8_t header[20] = {0x45, 0, 0,   FRAME - 14, 0, 0, 0,  0, 64, 17,
	                            0,    0, 192, 0,          2, 1, 10, 1, 2,  3};
	memcpy(ip, header, sizeof(header));
	for (uint32_t i = 0; i < 20; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	ip[10] = (uint8_t)(~sum >> 8);
	ip[11] = (uint8_t)~sum;
	ip[20] = (uint8_t)(flow >> 8); /* source port */
	ip[21] = (uint8_t)flow;
	ip[23] = 53;
	ip[25] = FRAME - 34;
}

static void send_flow(uint32_t flow)
{
	struct netmap_ring *tx = in.tx[0];
	const uint64_t start = test_now();
	for (; mill_ring_space(tx) == 0; mill_pipe_tx_sync(&in, 0))
		CHECK(test_now() - start < PATIENCE_NS, "room to send");
	struct netmap_slot *slot = &tx->slot[tx->head];
	mill_slot_set_offset(tx, slot, MILL_HEADROOM);
	put_frame(mill_ring_buffer(tx, slot), flow);
	slot->len = FRAME;
	slot->flags = 0;
	tx->head = tx->cur = mill_ring_next(tx, tx->head);
	mill_pipe_tx_sync(&in, 0);
}

/* Notes what has come out of one leg; returns how many. */
static uint32_t take(uint32_t leg, uint8_t *legs)
{
	struct netmap_ring *rx = out[leg].rx[0];
	uint32_t n = 0;
	mill_pipe_rx_sync(&out[leg], 0);
	for (; mill_ring_space(rx) > 0; n++) {
		const uint8_t *frame = mill_ring_buffer(rx, &rx->slot[rx->cur]);
		CHECK(frame[0] == 2 && frame[5] == leg + 1, "the neighbour of leg %u", leg);
		legs[frame[34] << 8 | frame[35]] = (uint8_t)leg;
		rx->head = rx->cur = mill_ring_next(rx, rx->cur);
	}
	mill_pipe_rx_sync(&out[leg], 0);
	return n;
}

/* One packet of each flow, and the leg that it took. None may be lost. */
static void send_all(uint8_t legs[FLOWS])
{
	uint32_t received = 0;
	memset(legs, 0xff, FLOWS);
	for (uint32_t flow = 0; flow < FLOWS; flow++)
		send_flow(flow);
	for (const uint64_t start = test_now(); received < FLOWS;) {
		for (uint32_t leg = 0; leg < LEGS; leg++)
			received += plugged[leg] ? take(leg, legs) : 0;
		CHECK(test_now() - start < PATIENCE_NS, "all flows arrive, %u did", received);
	}
	sent += FLOWS;
}

/* By the leg `gone` went those that are elsewhere now. */
static void expect_only_its_own_move(const uint8_t before[FLOWS], uint8_t gone)
{
	uint8_t now[FLOWS];
	uint32_t moved = 0;
	send_all(now);
	for (uint32_t flow = 0; flow < FLOWS; flow++) {
		CHECK((now[flow] != before[flow]) == (before[flow] == gone), "flow %u: by %u, now %u", flow,
		      before[flow], now[flow]);
		moved += now[flow] != before[flow];
	}
	CHECK(moved > FLOWS / 5 && moved < FLOWS / 2, "about a third: %u", moved);
}

static void expect_same(const uint8_t before[FLOWS], const char *when)
{
	uint8_t now[FLOWS];
	send_all(now);
	CHECK(memcmp(before, now, FLOWS) == 0, "each flow on its leg %s", when);
}

/* What the daemon reads: shm/fib_use.h. */
static struct mill_counter use_of(uint32_t group)
{
	const int fd = engine_held_fd(&engine, MILL_HOLD_FIB, 0, 0);
	struct stat st;
	CHECK(fstat(fd, &st) == 0, "the FIB");
	const uint8_t *base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(base != MAP_FAILED, "mapped");
	const struct mill_fib_file *file = (const struct mill_fib_file *)base;
	const uint8_t *place = base + file->first_place + file->active * file->place_bytes;
	const uint32_t end = *(const uint32_t *)(place + file->groups_end_offset);
	const uint64_t *key = (const uint64_t *)(place + file->key_offset);
	struct mill_counter use = {UINT64_MAX, 0};
	for (uint32_t slot = MILL_FIB_FIRST_GROUP; slot < end; slot++)
		if (key[slot] == (MILL_FIB_USE_NAMED | group))
			use = ((const struct mill_counter *)(place + file->use_offset))[slot];
	munmap((void *)(uintptr_t)base, (size_t)st.st_size);
	CHECK(use.packets != UINT64_MAX, "group %u", group);
	return use;
}

static void expect_use(uint32_t group)
{
	const struct mill_counter use = use_of(group);
	CHECK(use.packets == sent && use.bytes == sent * FRAME, "%llu packets, got %llu of %llu bytes",
	      (unsigned long long)sent, (unsigned long long)use.packets, (unsigned long long)use.bytes);
}

static void set_ways(uint32_t first)
{
	for (uint32_t leg = 0; leg < LEGS; leg++) {
		const uint8_t mac[6] = {2, 0, 0, 0, 0, (uint8_t)(leg + 1)};
		feed_adjacency(&feed, first + leg, MILL_ADJ_FORWARD, (uint16_t)(leg + 1),
		               0x0a000101 + (leg << 8), mac);
	}
}

static void plug(uint32_t leg, bool in_place)
{
	const uint64_t start = test_now();
	if (in_place)
		pipe_connect(&engine, &out[leg], names[leg]);
	else
		mill_pipe_close(&out[leg]);
	plugged[leg] = in_place;
	while (((__atomic_load_n(&engine.state->port[leg + 1].flags, __ATOMIC_ACQUIRE) & MILL_PORT_UP) !=
	        0) != in_place)
		CHECK(test_now() - start < PATIENCE_NS, "the port's state");
	usleep(2000); /* and the FIB's, set after it by the same thread */
}

static void spread(uint8_t before[FLOWS])
{
	uint32_t by[LEGS] = {0};
	send_all(before);
	for (uint32_t flow = 0; flow < FLOWS; flow++)
		by[before[flow]]++;
	for (uint32_t leg = 0; leg < LEGS; leg++)
		CHECK(by[leg] > FLOWS / 3 - 35 && by[leg] < FLOWS / 3 + 35, "a third by leg %u: %u", leg,
		      by[leg]);
	expect_same(before, "again");
	expect_use(9);
	printf("ok flows are spread over three legs, and counted\n");
}

/* Nobody tells the engine anything: what it knows it goes on with, and ports it sees itself. */
static void without_a_daemon(const uint8_t before[FLOWS])
{
	close(engine.fd);
	usleep(20000);
	expect_same(before, "without a daemon");
	plug(1, false);
	expect_only_its_own_move(before, 1);
	plug(1, true);
	expect_same(before, "when the port is back");
	expect_use(9);
	engine_connect(&engine);
	feed.wake_fd = engine_held_fd(&engine, MILL_HOLD_FIB_WAKE, 0, 0);
	printf("ok without a daemon known neighbours are used, and a port that goes down is seen\n");
}

static void legs_that_the_daemon_takes(const uint8_t before[FLOWS])
{
	const uint32_t all[] = {1, 2, 3}, two[] = {1, 3};
	feed_group(&feed, 9, two, 2);
	expect_only_its_own_move(before, 1);
	feed_group(&feed, 9, all, 3);
	expect_same(before, "when the leg is back");
	expect_use(9);
	feed_group(&feed, 10, (const uint32_t[]){3, 2, 1}, 3);
	feed_route_by(&feed, 0x0a000000, 8, 10);
	expect_use(9);
	sent = 0;
	expect_same(before, "by another group");
	expect_use(10);
	printf("ok legs that come and go take only their own flows, and a new group is dealt like the old "
	       "one\n");
}

static void a_killed_engine(const uint8_t before[FLOWS])
{
	kill(engine.pid, SIGKILL);
	engine_adopt(&engine);
	engine_listen(&engine, 20);
	feed.wake_fd = engine_held_fd(&engine, MILL_HOLD_FIB_WAKE, 0, 0);
	expect_same(before, "by the tables of a dead engine");
	expect_use(10);
	feed_mark(&feed, MILL_FIB_SYNC_BEGIN);
	set_ways(21);
	feed_group(&feed, 29, (const uint32_t[]){21, 22, 23}, 3);
	feed_route_by(&feed, 0x0a000000, 8, 29);
	expect_same(before, "in the midst of a replay");
	feed_mark(&feed, MILL_FIB_SYNC_END);
	sent = 0;
	expect_same(before, "after the replay");
	expect_use(29);
	printf("ok an adopted engine moves no flow\n");
}

int main(void)
{
	static const char *const specs[] = {"pipe:in", "pipe:left", "pipe:middle", "pipe:right"};
	uint8_t before[FLOWS];
	engine_start(&engine);
	struct mill_config *config = config_make(1, 4, specs);
	engine_deploy(&engine, config, "forwarder_route");
	free(config);
	feed_open(&feed, &engine);
	pipe_connect(&engine, &in, "in");
	for (uint32_t leg = 0; leg < LEGS; leg++)
		pipe_connect(&engine, &out[leg], names[leg]);
	engine_listen(&engine, 20);
	set_ways(1);
	feed_group(&feed, 9, (const uint32_t[]){1, 2, 3}, 3);
	feed_route_by(&feed, 0x0a000000, 8, 9);
	spread(before);
	without_a_daemon(before);
	legs_that_the_daemon_takes(before);
	a_killed_engine(before);
	mill_pipe_close(&in);
	for (uint32_t leg = 0; leg < LEGS; leg++)
		mill_pipe_close(&out[leg]);
	engine_stop(&engine);
	return 0;
}
