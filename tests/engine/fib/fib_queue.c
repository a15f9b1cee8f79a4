/*
 * The FIB thread at the other end of its queue: this program plays the daemon and the control thread. Batches that
 * are not committed leave no trace, the ring wraps around and fills up, a killed producer's successor replays, and a
 * second thread takes over from descriptors as after a crash of the engine.
 */
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fib/fib_thread.h"
#include "support.h"

struct peer {
	struct mill_state *state;
	struct mill_iface iface[MILL_MAX_IFACES];
	struct mill_fib_thread *thread;
	int tables_fd, queue_fd, wake_fd, done_fd; /* duplicates, as the daemon holds them */
	struct mill_fib_queue *queue;
	uint64_t next; /* producer's position */
	uint64_t batch;
};

static void peer_start(struct peer *peer)
{
	struct mill_error error;
	struct mill_held_fd held[4];
	const struct mill_fib_thread_options options = {.state = peer->state,
	                                                .ifaces = peer->iface,
	                                                .tables_fd = peer->tables_fd,
	                                                .queue_fd = peer->queue_fd,
	                                                .wake_fd = peer->wake_fd,
	                                                .done_fd = peer->done_fd};
	peer->thread = mill_fib_thread_start(&options, &error);
	CHECK(peer->thread != NULL, "a thread: %s", error.text);
	CHECK(mill_fib_thread_held_fds(peer->thread, held, 4) == 4, "four descriptors");
	peer->tables_fd = dup(held[0].fd);
	peer->queue_fd = dup(held[1].fd);
	peer->wake_fd = dup(held[2].fd);
	peer->done_fd = dup(held[3].fd);
	CHECK(held[0].hold.kind == MILL_HOLD_FIB && held[3].hold.kind == MILL_HOLD_FIB_DONE, "their kinds");
}

static struct peer *peer_new(void)
{
	struct peer *peer = mill_fib_reserve(sizeof(*peer));
	peer->state = mill_fib_reserve(sizeof(*peer->state));
	peer->tables_fd = peer->queue_fd = peer->wake_fd = peer->done_fd = -1;
	fixture_ifaces(peer->iface);
	peer_start(peer);
	peer->queue = mmap(NULL, sizeof(*peer->queue), PROT_READ | PROT_WRITE, MAP_SHARED, peer->queue_fd, 0);
	CHECK(peer->queue != MAP_FAILED, "the queue");
	return peer;
}

static void peer_free(struct peer *peer)
{
	mill_fib_thread_stop(peer->thread);
	munmap(peer->queue, sizeof(*peer->queue));
	close(peer->tables_fd);
	close(peer->queue_fd);
	close(peer->wake_fd);
	close(peer->done_fd);
	mill_fib_unreserve(peer->state, sizeof(*peer->state));
	mill_fib_unreserve(peer, sizeof(*peer));
}

static uint64_t applied(const struct peer *peer)
{
	return __atomic_load_n(&peer->queue->applied, __ATOMIC_ACQUIRE);
}

static void wait_done(const struct peer *peer)
{
	struct pollfd done = {.fd = peer->done_fd, .events = POLLIN};
	uint64_t count;
	CHECK(poll(&done, 1, 5000) == 1, "the thread to say that it is done");
	CHECK(read(peer->done_fd, &count, sizeof(count)) == sizeof(count), "a count");
}

/* Waits for room as a producer must: by the done eventfd, never past `applied`. */
static void push(struct peer *peer, struct mill_fib_record record)
{
	while (peer->next - applied(peer) >= MILL_FIB_RECORDS)
		wait_done(peer);
	peer->queue->record[peer->next++ & (MILL_FIB_RECORDS - 1)] = record;
}

static void commit(struct peer *peer)
{
	const uint64_t one = 1;
	push(peer, record_simple(MILL_FIB_COMMIT, 0, ++peer->batch));
	__atomic_store_n(&peer->queue->committed, peer->next, __ATOMIC_RELEASE);
	CHECK(write(peer->wake_fd, &one, sizeof(one)) == sizeof(one), "to wake it");
}

static void settle(struct peer *peer)
{
	while (applied(peer) != peer->next)
		wait_done(peer);
}

static void push_group1(struct peer *peer, uint32_t key, uint32_t adjacency)
{
	struct mill_fib_record record;
	records_group(key, &(struct mill_fib_leg){adjacency, 1}, 1, &record);
	push(peer, record);
}

static void push_host(struct peer *peer, uint8_t op, uint32_t address, uint32_t group)
{
	const uint8_t bytes[16] = {(uint8_t)(address >> 24), (uint8_t)(address >> 16),
	                           (uint8_t)(address >> 8), (uint8_t)address};
	push(peer, record_route(op, 4, bytes, 32, group));
}

static uint32_t ask(struct peer *peer, uint32_t address)
{
	struct mill_lookup query = {.family = 4};
	struct mill_lookup_answer answer;
	const uint32_t wire = __builtin_bswap32(address);
	memcpy(query.address, &wire, 4);
	CHECK(mill_fib_thread_lookup(peer->thread, &query, &answer), "an answer");
	return answer.legs ? answer.leg[0].adjacency : 0;
}

static void begin(struct peer *peer)
{
	push(peer, record_simple(MILL_FIB_SYNC_BEGIN, 0, 0));
	for (uint32_t i = 1; i <= 4; i++) {
		push(peer, record_adjacency(i, MILL_ADJ_FORWARD, (uint16_t)i, i));
		push_group1(peer, i, i);
	}
}

static void batch_is_applied_whole(void)
{
	struct peer *peer = peer_new();
	begin(peer);
	push_host(peer, MILL_FIB_ROUTE_SET, 42, 3);
	push(peer, record_simple(MILL_FIB_SYNC_END, 0, 0));
	usleep(20000);
	CHECK(applied(peer) == 0 && ask(peer, 42) == 0, "nothing before the commit");
	commit(peer);
	settle(peer);
	CHECK(ask(peer, 42) == 3, "the route");
	CHECK(peer->queue->batches == 1, "batch 1");
	peer_free(peer);
}

/* A child writes into the shared ring and is killed before its commit; its successor goes on where it stood. */
static void killed_producer_leaves_no_trace(void)
{
	struct peer *peer = peer_new();
	begin(peer);
	push_host(peer, MILL_FIB_ROUTE_SET, 42, 3);
	push(peer, record_simple(MILL_FIB_SYNC_END, 0, 0));
	commit(peer);
	settle(peer);
	const uint64_t one = 1;
	const pid_t child = fork();
	if (child == 0) {
		for (;;) { /* routes all over, never a commit; wakes the thread all the same */
			push_host(peer, MILL_FIB_ROUTE_SET, (uint32_t)(peer->next % 50), 1);
			if (peer->next - applied(peer) == MILL_FIB_RECORDS)
				peer->next = applied(peer);
			if (peer->next % 4096 == 0 && write(peer->wake_fd, &one, sizeof(one)) < 0)
				_exit(1);
		}
	}
	usleep(50000);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	CHECK(applied(peer) == peer->next, "nothing applied since");
	CHECK(ask(peer, 42) == 3 && ask(peer, 41) == 0, "no trace");
	/* the next daemon: other numbers, one route less */
	push(peer, record_simple(MILL_FIB_SYNC_BEGIN, 0, 0));
	push(peer, record_adjacency(3, MILL_ADJ_LOCAL, 1, 99));
	push(peer, record_adjacency(1, MILL_ADJ_FORWARD, 1, 7));
	commit(peer);
	settle(peer);
	CHECK(ask(peer, 42) == 3, "the old route with its old meaning");
	push_group1(peer, 3, 1);
	push_host(peer, MILL_FIB_ROUTE_SET, 43, 3);
	commit(peer);
	settle(peer);
	CHECK(ask(peer, 42) == 3 && ask(peer, 43) == 1, "old and new side by side");
	push(peer, record_simple(MILL_FIB_SYNC_END, 0, 0));
	commit(peer);
	settle(peer);
	CHECK(ask(peer, 42) == 0 && ask(peer, 43) == 1, "what was not said again is gone");
	peer_free(peer);
}

#define MANY 30000u

/* A child writes one batch of many routes, again and again, and is killed at any moment: of the batch in hand, the FIB has
 * all or nothing. `batches` says which. */
static void batch_of_a_killed_producer_is_applied_whole_or_not_at_all(void)
{
	struct peer *peer = peer_new();
	begin(peer);
	push(peer, record_simple(MILL_FIB_SYNC_END, 0, 0));
	commit(peer);
	settle(peer);
	for (uint32_t round = 0; round < 12; round++) {
		const pid_t child = fork();
		if (child == 0) {
			for (;;) {
				for (uint32_t i = 0; i < MANY; i++)
					push_host(peer, MILL_FIB_ROUTE_SET, i,
					          1 + (uint32_t)((peer->batch + 1) % 4));
				commit(peer);
			}
		}
		usleep(3000 + round * 3700);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		/* the successor: what is committed is the FIB's, sooner or later; the rest was never said */
		peer->next = __atomic_load_n(&peer->queue->committed, __ATOMIC_ACQUIRE);
		for (uint32_t i = 0; applied(peer) != peer->next; i++, usleep(1000))
			CHECK(i < 5000, "what was committed is applied without its producer");
		peer->batch = peer->queue->batches;
		const uint32_t way = peer->batch > 1 ? 1 + (uint32_t)(peer->batch % 4) : 0;
		for (uint32_t i = 0; i < MANY; i += 7)
			CHECK(ask(peer, i) == way, "route %u of batch %llu", i,
			      (unsigned long long)peer->batch);
	}
	CHECK(peer->batch > 5, "some batches: %llu", (unsigned long long)peer->batch);
	peer_free(peer);
}

/* No memory for a larger prefix store: what was there stays, it is said, and a replay brings the rest. */
static void batch_without_room_changes_nothing_and_says_so(void)
{
	struct peer *peer = peer_new();
	begin(peer);
	push_host(peer, MILL_FIB_ROUTE_SET, 42, 3);
	push(peer, record_simple(MILL_FIB_SYNC_END, 0, 0));
	commit(peer);
	settle(peer);
	refuse_memory = 1;
	for (uint32_t i = 0; i < 3000; i++)
		push_host(peer, MILL_FIB_ROUTE_SET, 100 + i, 1);
	push_host(peer, MILL_FIB_ROUTE_SET, 42, 2);
	commit(peer);
	settle(peer);
	refuse_memory = 0;
	CHECK(peer->queue->behind == 1 && peer->queue->failed > 1000, "%llu failed",
	      (unsigned long long)peer->queue->failed);
	CHECK(ask(peer, 42) != 0 && ask(peer, 100) == 1 && ask(peer, 3099) == 0, "what had room is there");
	begin(peer);
	push_host(peer, MILL_FIB_ROUTE_SET, 42, 2);
	for (uint32_t i = 0; i < 3000; i++)
		push_host(peer, MILL_FIB_ROUTE_SET, 100 + i, 4);
	push(peer, record_simple(MILL_FIB_SYNC_END, 0, 0));
	commit(peer);
	settle(peer);
	CHECK(peer->queue->behind == 0, "nothing is missing");
	for (uint32_t i = 0; i < 3000; i++)
		CHECK(ask(peer, 100 + i) == 4, "route %u", i);
	CHECK(ask(peer, 42) == 2, "the old one's new way");
	peer_free(peer);
}

static void ring_wraps_around_and_fills_up(void)
{
	struct peer *peer = peer_new();
	begin(peer);
	push(peer, record_simple(MILL_FIB_SYNC_END, 0, 0));
	commit(peer);
	/* batches that do not divide the ring, more than three rings of them, without waiting in between */
	for (uint32_t i = 0; i < 5 * MILL_FIB_RECORDS; i++) {
		push_host(peer, MILL_FIB_ROUTE_SET, i % 5000, 1 + i / 5000 % 4);
		if (i % 30001 == 0)
			commit(peer);
	}
	commit(peer);
	settle(peer);
	const uint32_t last = (5 * MILL_FIB_RECORDS - 1) % 5000, turn = (5 * MILL_FIB_RECORDS - 1) / 5000;
	CHECK(ask(peer, last) == 1 + turn % 4, "the last word about %u", last);
	CHECK(ask(peer, last + 1) == 1 + (turn - 1) % 4, "the word before about %u", last + 1);
	CHECK(peer->queue->batches == peer->batch, "batch %llu", (unsigned long long)peer->batch);
	peer_free(peer);
}

/* The engine dies; another one forwards by its tables, fills the second place, and then that is in force. */
static void adopted_tables_forward_until_the_replay_is_complete(void)
{
	struct peer *peer = peer_new();
	for (uint32_t round = 0; round < 4; round++) {
		const uint32_t key = 1 + round % 4;
		begin(peer);
		push_host(peer, MILL_FIB_ROUTE_SET, 42, key);
		push(peer, record_simple(MILL_FIB_SYNC_END, 0, 0));
		commit(peer);
		settle(peer);
		CHECK(ask(peer, 42) == key, "the route of round %u", round);
		mill_fib_port_down(peer->thread, 6, true);
		push_host(peer, MILL_FIB_ROUTE_SET, 42, 1 + key % 4);
		mill_fib_thread_stop(peer->thread);
		commit(peer); /* never applied: what it changes died with the engine */
		peer_start(peer);
		settle(peer);
		const struct mill_fib *old = mill_fib_thread_fib(peer->thread);
		CHECK(old->ports_down == 1u << 6, "the dead port");
		CHECK(ask(peer, 42) == key, "the route as it was");
		begin(peer);
		push_host(peer, MILL_FIB_ROUTE_SET, 43, 4);
		commit(peer);
		settle(peer);
		mill_fib_port_down(peer->thread, 5, true);
		CHECK(mill_fib_thread_fib(peer->thread) == old && old->ports_down == 3u << 5,
		      "the old one in force");
		CHECK(ask(peer, 42) == key && ask(peer, 43) == 0, "the tables as they were left");
		push(peer, record_simple(MILL_FIB_SYNC_END, 0, 0));
		commit(peer);
		settle(peer);
		const struct mill_fib *now = mill_fib_thread_fib(peer->thread);
		CHECK(now != old && now->ports_down == 3u << 5, "the new one in force");
		CHECK(ask(peer, 42) == 0 && ask(peer, 43) == 4, "what the replay said");
		mill_fib_port_down(peer->thread, 5, false);
		mill_fib_port_down(peer->thread, 6, false);
	}
	peer_free(peer);
}

static void interface_change_reaches_its_adjacencies(void)
{
	struct peer *peer = peer_new();
	begin(peer);
	push_host(peer, MILL_FIB_ROUTE_SET, 42, 2);
	commit(peer);
	settle(peer);
	const struct mill_fib *fib = mill_fib_thread_fib(peer->thread);
	peer->iface[2].mac ^= 0xff;
	peer->iface[2].mtu = 9000;
	mill_fib_iface_changed(peer->thread, 2);
	const struct mill_adjacency *adjacency = mill_fib_select(fib, lookup4(fib, 42), 0);
	CHECK(memcmp(adjacency->rewrite + 6, &peer->iface[2].mac, 6) == 0 && adjacency->mtu == 9000,
	      "the new MAC");
	peer_free(peer);
}

/* Descriptors that are something else must not be trusted. */
static void foreign_tables_are_not_adopted(void)
{
	struct peer *peer = peer_new();
	begin(peer);
	push_host(peer, MILL_FIB_ROUTE_SET, 42, 2);
	commit(peer);
	settle(peer);
	mill_fib_thread_stop(peer->thread);
	close(peer->tables_fd);
	peer->tables_fd = memfd_create("not-a-fib", 0);
	CHECK(ftruncate(peer->tables_fd, 12345) == 0, "a size");
	peer_start(peer);
	CHECK(ask(peer, 42) == 0, "an empty table");
	begin(peer);
	push_host(peer, MILL_FIB_ROUTE_SET, 42, 2);
	push(peer, record_simple(MILL_FIB_SYNC_END, 0, 0));
	commit(peer);
	settle(peer);
	CHECK(ask(peer, 42) == 2, "a table that works");
	peer_free(peer);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} cases[] = {
	    {"a batch is applied whole", batch_is_applied_whole},
	    {"a killed producer leaves no trace", killed_producer_leaves_no_trace},
	    {"a batch of a killed producer is applied whole or not at all",
	     batch_of_a_killed_producer_is_applied_whole_or_not_at_all},
	    {"a batch without room changes nothing and says so",
	     batch_without_room_changes_nothing_and_says_so},
	    {"the ring wraps around and fills up", ring_wraps_around_and_fills_up},
	    {"adopted tables forward until the replay is complete",
	     adopted_tables_forward_until_the_replay_is_complete},
	    {"an interface change reaches its adjacencies", interface_change_reaches_its_adjacencies},
	    {"foreign tables are not adopted", foreign_tables_are_not_adopted},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cases[i].run();
		printf("ok %s\n", cases[i].name);
		fflush(stdout);
	}
	return 0;
}
