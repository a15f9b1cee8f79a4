/* Packets between ports: exchanged, copied, dropped whole; by every version of the API. */
#include "netmap/bed.h"
#include <string.h>
#include "netmill/packet.h"
#include "netmill/transmit.h"

static void exchanges(void)
{
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
	for (uint32_t i = 1; i <= 1000; i++) {
		uint32_t left;
		arrive("ix0", 0, i);
		CHECK(forward(a, 0, b, 0) == 1, "packet %u", i);
		expect("ix1", 0, i, &left);
		CHECK(left == model_last_buffer("ix0", MODEL_WIRE, 0), "packet %u was copied", i);
		no_violation();
	}
	CHECK(bed.state[0].ring[0].rx_packets == 1000 && bed.state[0].ring[0].rx_bytes == 100000 &&
	          bed.state[1].ring[0].tx_packets == 1000 && bed.state[1].ring[0].tx_bytes == 100000,
	      "counters");
	port_close(a);
	port_close(b);
	CHECK(model_users("ix0") == 0 && model_users("ix1") == 0, "open still");
	printf("ok packets move between ports of one memory by exchange of buffers\n");
}

static void copies(void)
{
	two_devices(2);
	struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
	for (uint32_t i = 1; i <= 300; i++) {
		uint32_t left;
		arrive("ix0", 0, i);
		arrive("ix1", 0, i + 7);
		forward(a, 0, b, 0);
		forward(b, 0, a, 0);
		expect("ix1", 0, i, &left);
		expect("ix0", 0, i + 7, &left);
		no_violation();
	}
	port_close(a);
	port_close(b);
	printf("ok packets are copied between ports of different memory\n");
}

static void lets_go(void)
{
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
	port_close(a);
	CHECK(model_users("ix0") == 0, "the other port's mapping keeps it open");
	uint32_t left;
	arrive("ix1", 0, 9);
	forward(b, 0, b, 0);
	expect("ix1", 0, 9, &left);
	port_close(b);
	printf("ok a closed port's device is the kernel's, though others of its memory are open\n");
}

static void speaks_all_versions(void)
{
	static const uint16_t versions[] = {14, 15, 0, 14};
	for (size_t i = 0; i < 4; i++) {
		uint32_t left;
		two_devices(1);
		model_options.api = versions[i];
		model_options.no_null = i == 3;
		struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
		arrive("ix0", 0, 5);
		forward(a, 0, b, 0);
		expect("ix1", 0, 5, &left);
		CHECK((left == model_last_buffer("ix0", MODEL_WIRE, 0)) == (i < 2), "exchanged or copied");
		port_close(a);
		CHECK(model_users("ix0") == 0, "open still");
		port_close(b);
	}
	printf("ok API 14, API 15, the older requests, and a kernel without ports that are memory alone\n");
}

static void chains(void)
{
	uint8_t frame[4096] = {0};
	uint32_t left;
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
	arrive("ix0", 0, 1);
	model_receive("ix0", MODEL_WIRE, 0, frame, 1500, NS_MOREFRAG);
	model_receive("ix0", MODEL_WIRE, 0, frame, 1500, NS_MOREFRAG);
	forward(a, 0, b, 0);
	model_receive("ix0", MODEL_WIRE, 0, frame, 200, 0); /* its end comes with another sync */
	arrive("ix0", 0, 2);
	model_receive("ix0", MODEL_WIRE, 0, frame, 4000, 0); /* longer than its buffer */
	arrive("ix0", 0, 3);
	forward(a, 0, b, 0);
	for (uint32_t i = 1; i <= 3; i++)
		expect("ix1", 0, i, &left);
	expect_nothing("ix1", 0);
	const struct mill_port_state *state = &bed.state[0];
	CHECK(state->ring[0].rx_dropped == 2 && state->ring[0].rx_too_long == 2 &&
	          state->ring[0].rx_packets == 3,
	      "%lu dropped, %lu too long, %lu received", (unsigned long)state->ring[0].rx_dropped,
	      (unsigned long)state->ring[0].rx_too_long, (unsigned long)state->ring[0].rx_packets);
	port_close(a);
	port_close(b);
	printf("ok packets of several buffers, or too long, are dropped whole\n");
}

/* A frame that fills its buffer, and one of a byte more than may be, each between ports of one memory and of two. */
static void jumbo(void)
{
	static uint8_t frame[MILL_BUF_SIZE_LARGE + 1], got[MILL_BUF_SIZE_LARGE + 1];
	uint16_t length;
	uint32_t left;
	CHECK(shell("ip link set ix0 mtu 9000; ip link set ix1 mtu 9000") == 0, "mtu");
	for (uint16_t memory = 1; memory <= 2; memory++) {
		two_devices_of(memory, 10240, true);
		struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
		CHECK(a->mtu == 9000 && a->rx[0]->offset_mask != 0, "an MTU of %u", a->mtu);
		for (uint32_t n = 0; n < 200; n++) {
			memset(frame, (int)n, sizeof(frame));
			model_receive("ix0", MODEL_WIRE, 0, frame, 9022, 0);
			model_receive("ix0", MODEL_WIRE, 0, frame, 9217, 0); /* in two pieces */
			CHECK(forward(a, 0, b, 0) == 3 &&
			          model_sent("ix1", MODEL_WIRE, 0, got, &length, &left) && length == 9022 &&
			          memcmp(got, frame, length) == 0,
			      "frame %u", n);
			CHECK(a->ops->inject(a, frame, 9014) &&
			          model_sent("ix0", MODEL_HOST, 0, got, &length, &left) && length == 9014 &&
			          memcmp(got, frame, length) == 0,
			      "frame %u for the host", n);
			expect_nothing("ix1", 0);
			no_violation();
		}
		CHECK(bed.state[0].ring[0].rx_too_long == 200 && bed.state[0].ring[0].rx_packets == 200,
		      "counters");
		port_close(a);
		port_close(b);
	}
	two_devices_of(1, 20480, false);
	struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
	model_receive("ix0", MODEL_WIRE, 0, frame, MILL_BUF_SIZE_LARGE, 0);
	model_receive("ix0", MODEL_WIRE, 0, frame, MILL_BUF_SIZE_LARGE + 1, 0);
	forward(a, 0, b, 0);
	CHECK(model_sent("ix1", MODEL_WIRE, 0, got, &length, &left) && length == MILL_BUF_SIZE_LARGE &&
	          bed.state[0].ring[0].rx_too_long == 1,
	      "what nothing has room for is forwarded");
	expect_nothing("ix1", 0);
	port_close(a);
	port_close(b);
	CHECK(shell("ip link set ix0 mtu 1500; ip link set ix1 mtu 1500") == 0, "mtu");
	printf("ok frames as long as netmap's buffers\n");
}

/* A tag of 4 bytes is put in front of what came, or taken off, which moves the frame's start and not the packet. */
static uint32_t shift(struct mill_port *from, struct mill_port *to, int32_t by)
{
	struct netmap_ring *rx = from->rx[0], *tx = to->tx[0];
	from->ops->rx_sync(from, 0);
	CHECK(mill_ring_space(rx) == 1, "%u packets", mill_ring_space(rx));
	struct netmap_slot *slot = &rx->slot[rx->cur], *out = &tx->slot[tx->head];
	const uint16_t length = (uint16_t)(slot->len + by);
	const bool exchanged = mill_exchange(rx, mill_ring_memory(rx), tx, out, slot, -by, slot->len);
	out->len = length;
	if (exchanged && by > 0)
		memset(mill_ring_buffer(tx, out), 0xee, (size_t)by);
	tx->head = tx->cur = mill_ring_next(tx, tx->head);
	rx->head = rx->cur = mill_ring_next(rx, rx->cur);
	to->ops->tx_sync(to, 0);
	return exchanged;
}

/* Both ports in one memory of large buffers, or of small ones, which are not shared with offsets. */
static void offsets(void)
{
	static const uint32_t sizes[] = {4096, 2048};
	for (size_t i = 0; i < 2; i++) {
		uint8_t frame[4096];
		uint16_t length;
		uint32_t left;
		two_devices_of(1, sizes[i], true);
		struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
		CHECK((a->rx[0]->offset_mask != 0) == (i == 0), "offsets in buffers of %u bytes", sizes[i]);
		for (uint32_t n = 0; n < 300; n++) {
			arrive("ix0", 0, n);
			const int32_t by = i == 1 ? 0 : n % 3 == 0 ? 8 : n % 3 == 1 ? -4 : 0;
			CHECK(shift(a, b, by), "packet %u was not exchanged", n);
			CHECK(model_sent("ix1", MODEL_WIRE, 0, frame, &length, &left) && length == 100 + by &&
			          frame[length - 1] == (uint8_t)n && frame[0] == (by > 0 ? 0xee : (uint8_t)n),
			      "packet %u was changed", n);
			/* What the kernel sends starts at the buffer's first byte, whatever that buffer was used for. */
			model_receive("ix1", MODEL_HOST, 0, frame, 64, 0);
			b->ops->rx_arm(b, 0);
			CHECK(model_sent("ix1", MODEL_WIRE, 0, frame, &length, &left) && length == 64 &&
			          frame[63] == (uint8_t)n,
			      "the host's packet %u was changed", n);
			memset(frame, 5, sizeof(frame));
			model_receive("ix0", MODEL_WIRE, 0, frame, 1514, 0); /* must not come in pieces */
			CHECK(forward(a, 0, b, 0) == 1 &&
			          model_sent("ix1", MODEL_WIRE, 0, frame, &length, &left) && length == 1514 &&
			          frame[1513] == 5,
			      "a frame of full length");
			no_violation();
		}
		port_close(a);
		port_close(b);
	}
	two_devices_of(1, 4096, false);
	struct mill_port *a = port_open("netmap:ix0", 0);
	CHECK(a->rx[0]->offset_mask == 0, "offsets that the driver does not know");
	port_close(a);
	static const char *const without[] = {"netmap:ix0^", "netmap:vale0:a"};
	for (size_t i = 0; i < 2; i++) {
		two_devices_of(1, 4096, true);
		model_device("vale0:a", 2, 1, 1, 0);
		a = port_open(without[i], 0);
		CHECK(a->rx[0]->offset_mask == 0, "offsets of %s, which is no device", without[i]);
		port_close(a);
	}
	printf("ok tags come and go without a copy where netmap has offsets and buffers are large enough\n");
}

static void full(void)
{
	uint32_t left;
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < 100; i++)
			arrive("ix0", 0, i);
		CHECK(forward(a, 0, b, 0) == 100, "round %u", round);
		for (uint32_t i = 0; i < 100; i++)
			expect("ix1", 0, i, &left);
		no_violation();
	}
	port_close(a);
	port_close(b);
	printf("ok rings wrap around\n");
}

void test_packets(void)
{
	exchanges();
	copies();
	lets_go();
	speaks_all_versions();
	chains();
	jumbo();
	offsets();
	full();
}
