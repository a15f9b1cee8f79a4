/*
 * The engine is killed under traffic; another one adopts what the daemon held. Forwarding goes on within 200 ms, over
 * the same connections of the same peers, with the same counters; no buffer is lost however often it happens.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "lib/engine_test.h"

#define KILLS      10
#define MAX_GAP_NS 200000000u
#define IN_HAND    64

static struct test_engine engine;

/* Sends numbered frames without waiting for any, and looks when they come: what is lost with an engine (bursts that it
 * had in hand) must not stop the rest. */
struct stream {
	struct mill_pipe_client *from, *to;
	atomic_bool pause, stop; /* pause: send no more */
	_Atomic uint64_t sent, received, duplicates;
	_Atomic uint64_t last_ns, max_gap_ns;
	pthread_t thread;
};

static void send_some(struct stream *stream)
{
	struct netmap_ring *tx = stream->from->tx[0];
	for (uint32_t i = 0; i < 8 && mill_ring_space(tx) > 0; i++) {
		struct netmap_slot *slot = &tx->slot[tx->head];
		const uint64_t number = ++stream->sent;
		mill_slot_set_offset(tx, slot, MILL_HEADROOM);
		uint8_t *frame = mill_ring_buffer(tx, slot);
		memset(frame, 0, 60);
		memcpy(frame + 14, &number, sizeof(number));
		slot->len = 60;
		slot->flags = 0;
		tx->head = tx->cur = mill_ring_next(tx, tx->head);
	}
	mill_pipe_tx_sync(stream->from, 0);
}

static void *run(void *argument)
{
	struct stream *stream = argument;
	struct netmap_ring *rx = stream->to->rx[0];
	uint64_t newest = 0;
	while (!atomic_load(&stream->stop)) {
		if (!atomic_load(&stream->pause))
			send_some(stream);
		mill_pipe_rx_sync(stream->to, 0);
		const uint32_t n = mill_ring_space(rx);
		const uint64_t now = test_now();
		for (uint32_t i = 0; i < n; i++, rx->cur = mill_ring_next(rx, rx->cur)) {
			uint64_t number;
			memcpy(&number, mill_ring_buffer(rx, &rx->slot[rx->cur]) + 14, sizeof(number));
			stream->duplicates += number <= newest;
			newest = number > newest ? number : newest;
			stream->received++;
		}
		rx->head = rx->cur;
		if (n > 0) {
			if (stream->last_ns != 0 && now - stream->last_ns > stream->max_gap_ns)
				stream->max_gap_ns = now - stream->last_ns;
			stream->last_ns = now;
		}
		usleep(100);
	}
	return NULL;
}

static uint64_t counted(void)
{
	return engine.state->worker[0].rule[0].packets + engine.state->worker[1].rule[0].packets;
}

/* Forwarding goes on: the rule's counter, which survives the engine, passes `before`. Returns where it is. */
static uint64_t expect_more_than(uint64_t before)
{
	const uint64_t start = test_now();
	while (counted() <= before)
		CHECK(test_now() - start < PATIENCE_NS, "packets forwarded, more than %llu",
		      (unsigned long long)before);
	return counted();
}

/* By a full ring, when the receiver's worker did not get the processor: nothing to do with the kills. */
static uint64_t full_drops(void)
{
	return engine.state->worker[0].iface[0].drop[MILL_DROP_TX_FULL] +
	       engine.state->worker[1].iface[0].drop[MILL_DROP_TX_FULL];
}

int main(void)
{
	static const char *const specs[] = {"pipe:a", "pipe:b", "pipe:c"};
	struct mill_pipe_client a, b;
	engine_start(&engine);
	struct mill_config *config = config_make(1, 2, specs);
	engine_deploy(&engine, config, "forwarder_swap2");
	config->generation = 2;
	config->n_workers = 2; /* b's ring belongs to worker 1: a to b goes by handoff */
	config->worker[0].core = config->worker[1].core = -1;
	config->worker[0].rx_rings[1] = 0;
	config->worker[1].rx_rings[1] = 1;
	engine_deploy(&engine, config, "forwarder_swap2");
	pipe_connect(&engine, &a, "a");
	pipe_connect(&engine, &b, "b");
	engine_listen(&engine, 20);

	struct stream stream = {.from = &a, .to = &b};
	pthread_create(&stream.thread, NULL, run, &stream);
	uint32_t slow = 0;
	for (uint32_t i = 0; i < KILLS; i++) {
		usleep(30000 + i * 7919);
		const uint64_t before = expect_more_than(i == 0 ? 0 : counted());
		stream.max_gap_ns = 0;
		kill(engine.pid, SIGKILL);
		const uint64_t took = engine_adopt(&engine);
		CHECK(engine.state->adopted == i + 1 && engine.state->running == 2, "adopted");
		expect_more_than(before);
		usleep(10000);
		printf("adoption %u: %.1f ms from fork to answer, gap in traffic %.1f ms\n", i,
		       (double)took / 1e6, (double)stream.max_gap_ns / 1e6);
		slow += stream.max_gap_ns > MAX_GAP_NS;
	}
	stream.pause = true;
	for (uint64_t last = 0; last != stream.received; usleep(50000))
		last = stream.received;
	stream.stop = true;
	pthread_join(stream.thread, NULL);
	printf("sent %llu, received %llu, twice %llu\n", (unsigned long long)stream.sent,
	       (unsigned long long)stream.received, (unsigned long long)stream.duplicates);
	/* A machine that is busy with something else may stretch one of them. */
	CHECK(slow <= KILLS / 5, "%u of %u gaps longer than 200 ms", slow, KILLS);
	CHECK(stream.sent - stream.received <= full_drops() + KILLS * IN_HAND,
	      "only what was in hand is lost");

	struct flow flow = {.name = "afterwards", .from = &a, .to = &b, .window = 200, .id = 1};
	mill_pipe_close(&a);
	mill_pipe_close(&b);
	engine_listen(&engine, 20);
	pipe_connect(&engine, &a, "a");
	pipe_connect(&engine, &b, "b");
	flow_start(&flow);
	/* The adopted engine deploys and rolls back, and no buffer has leaked: another port still opens. */
	struct mill_config *more = config_make(3, 3, specs);
	engine_deploy(&engine, more, "forwarder_swap3");
	CHECK(engine_commit(&engine, 2, 3) == 0, "%s", engine.error);
	CHECK(engine_commit(&engine, 1, 2) == 0, "retained generations are adopted too: %s", engine.error);
	flow_stop(&flow);
	mill_pipe_close(&a);
	mill_pipe_close(&b);
	free(config);
	free(more);
	engine_stop(&engine);
	printf("ok ten killed engines are adopted within 200 ms\n");
	return 0;
}
