/*
 * Ends of traffic tools (tools/end.h) at netmap ports, on the model of the kernel's side: a tool that has nothing to do sleeps,
 * and is woken by the packet that comes, of the wire or of the host.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "lib/engine_test.h"
#include "lib/spaces.h"
#include "netmap/model.h"
#include "tools/traffic.h"

#define MS 1000000ull

static struct mill_region region;

static void open_end(struct mill_end *end, const char *spec)
{
	struct mill_error error = {0};
	CHECK(mill_end_open(end, spec, &region, 0, "/nowhere", &error), "%s", error.text);
}

static uint64_t waited(struct mill_end *end, int timeout_ms)
{
	const uint64_t start = test_now();
	mill_end_wait(end, timeout_ms);
	return test_now() - start;
}

static void arrive(enum model_side side)
{
	static const uint8_t frame[100] = {2, 0, 0, 0, 0, 1};
	model_receive("ix0", side, 0, frame, sizeof(frame), 0);
}

static uint32_t take(struct mill_end *end)
{
	uint32_t n = 0;
	mill_end_rx_sync(end, 0);
	for (struct netmap_ring *rx = end->rx[0]; rx->cur != rx->tail; n++)
		rx->head = rx->cur = mill_ring_next(rx, rx->cur);
	return n;
}

static void sleeps(void)
{
	struct mill_end end;
	model_reset();
	model_device("ix0", 1, 1, 1, 1);
	open_end(&end, "netmap:ix0");
	for (uint32_t i = 0; i < 3; i++) {
		(void)take(&end);
		mill_end_wait(&end, 0); /* what was left of before */
		CHECK(waited(&end, 40) >= 40 * MS, "it looked again, though nothing had come");
		arrive(MODEL_WIRE);
		CHECK(waited(&end, 20000) < 10000 * MS, "a packet has come, and it slept on");
		CHECK(take(&end) == 1, "the packet");
	}
	arrive(MODEL_HOST);
	CHECK(waited(&end, 20000) < 10000 * MS, "the host has sent a packet, and it slept on");
	(void)take(&end);
	mill_end_close(&end);
	CHECK(model_users("ix0") == 0, "open still");
	printf("ok a tool sleeps until a netmap port has packets\n");
}

/* As pkt-gen -F 3 sends them. */
static void ignores_pieces(void)
{
	static const uint16_t flags[] = {NS_MOREFRAG, NS_MOREFRAG, 0, 0};
	static const uint8_t bytes[100] = {2, 0, 0, 0, 0, 1};
	struct mill_end end;
	struct gen_shape shape = {.family = 4, .flows = 1};
	struct gen_receiver receiver = {.end = &end, .shape = &shape};
	model_reset();
	model_device("ix0", 1, 1, 1, 1);
	open_end(&end, "netmap:ix0");
	for (uint32_t i = 0; i < 40; i++)
		model_receive("ix0", MODEL_WIRE, 0, bytes, sizeof(bytes), flags[i % 4]);
	CHECK(gen_receiver_start(&receiver) == 0, "receiver");
	usleep(200000);
	gen_receiver_join(&receiver);
	CHECK(receiver.other == 10 && end.state.ring[0].rx_dropped == 10, "%u frames of 10, %u dropped of 10",
	      (unsigned)receiver.other, (unsigned)end.state.ring[0].rx_dropped);
	mill_end_close(&end);
	printf("ok frames in several slots are dropped whole, and their pieces are no packets\n");
}

/* Sends `count` packets at `rate`, 0: as fast as it goes; returns how many are said to be stuck, `after` ms later. */
static uint64_t stuck(uint64_t count, uint64_t rate, uint32_t after_ms)
{
	static struct gen_packets packets;
	const struct gen_shape shape = {.family = 4,
	                                .flows = 1,
	                                .ttl = 64,
	                                .to = {.count = 1},
	                                .from = {.count = 1},
	                                .to_port = {.count = 1},
	                                .from_port = {.count = 1},
	                                .size = {60},
	                                .n_sizes = 1};
	struct mill_end end;
	open_end(&end, "netmap:ix0");
	CHECK(gen_packets_make(&packets, &shape), "packets");
	struct gen_sender sender = {
	    .end = &end, .packets = &packets, .rate = rate, .count = count, .burst = 64};
	CHECK(gen_sender_start(&sender) == 0, "sender");
	usleep(after_ms * 1000);
	const uint64_t running = sender.stuck;
	gen_sender_join(&sender);
	CHECK(after_ms < 2000 || (running != 0) == (sender.stuck != 0), "%u while it ran, %u then",
	      (unsigned)running, (unsigned)sender.stuck);
	mill_end_close(&end);
	return sender.stuck;
}

static void tells_what_is_stuck(void)
{
	gen_packets_begin();
	model_reset();
	model_device("ix0", 1, 1, 1, 1);
	CHECK(stuck(5, 0, 500) == 0 && stuck(0, 0, 2500) == 0, "the wire takes all of them");
	model_options.nobody_behind = true;
	CHECK(stuck(5, 0, 500) == 5, "five of five");
	CHECK(stuck(0, 10, 2500) >= 20, "what went in 2.5 s");
	CHECK(stuck(0, 0, 2500) == MODEL_SLOTS - 1, "all that the ring has room for");
	model_options.nobody_behind = false;
	printf("ok a sender knows that nobody takes its packets\n");
}

static int tests(void)
{
	struct mill_error error = {0};
	CHECK(
	    shell(
	        "ip link add ix0 type veth peer name peer0 && ip link set ix0 up && ip link set peer0 up") ==
	        0,
	    "veth");
	CHECK(mill_end_region(&region, NULL, NULL, 0, &error), "%s", error.text);
	mill_netmap_sys = &model_sys;
	sleeps();
	ignores_pieces();
	tells_what_is_stuck();
	return 0;
}

int main(void)
{
	return spaces_run("ethtool", tests);
}
