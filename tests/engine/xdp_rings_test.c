/*
 * Between an AF_XDP socket's rings and netmap's, with the kernel's side in memory (xdp_rings/kernel.c): frames of one and of
 * several pieces, in rings that are small, full, starved and wrapping. After each step every buffer is somewhere, and
 * nowhere twice.
 *
 *   kernel ─ RX ring ─► rx_sync ─► netmap RX ─► exchange of buffers ─► netmap TX ─► tx_sync ─ TX ring ─► kernel
 *      ▲────── fill ring ────┘                                               └──── completion ring ◄──────┘
 *
 * Then engines die (xdp_rings/death.c).
 */
#include <string.h>
#include "xdp_rings/bed.h"

/* Each of the four does as much as it happens to: rings are empty, full, starved, and wrap within frames. */
static void test_flow(uint32_t ring_size, uint32_t slots)
{
	open_port(ring_size, slots);
	kernel->may_skip = true; /* those that found no room have numbers, too */
	for (uint32_t round = 0; round < 6000; round++) {
		const uint32_t eager = (uint32_t)rand() % 8;
		for (uint32_t n = (uint32_t)rand() % (2 * ring_size); n > 0 && eager != 0; n--)
			(void)kernel_receive(kernel, &region, FILL, rand() % 2 ? 60 : drawn_length());
		sync_all(eager == 1 ? 0 : (uint32_t)rand() % ring_size, true);
		for (uint32_t n = (uint32_t)rand() % ring_size; n > 0 && eager != 2; n--)
			(void)kernel_send(kernel, &region, SENT);
		kernel_complete(kernel, (uint32_t)rand() % (2 * ring_size));
		if (round % 8 == 0)
			expect_all("on the way");
	}
	drain();
	expect_all("at the end");
	CHECK(kernel->received > 5000 && kernel->dropped > 100, "frames %u, and want of room %u",
	      kernel->received, kernel->dropped);
	CHECK(kernel->sent == kernel->received, "%u frames that were received to be sent, got %u",
	      kernel->received, kernel->sent);
	CHECK(state.ring[0].rx_packets == kernel->received && state.ring[0].tx_packets == kernel->sent &&
	          state.ring[0].rx_bytes == state.ring[0].tx_bytes && state.ring[0].rx_dropped == 0 &&
	          state.ring[0].tx_full == 0,
	      "each to be counted once");
	close_port();
}

static void send_all(void)
{
	sync_all(MOST_RING, false);
	while (kernel_send(kernel, &region, SENT))
		;
	kernel_complete(kernel, MOST_RING);
	mill_xdp_tx_sync(&port, 0);
}

/* Of a frame, the engine sees only the first pieces. */
static void test_cut(void)
{
	open_port(32, 32);
	kernel->holds_back = true;
	CHECK(kernel_receive(kernel, &region, FILL, 60) && kernel_receive(kernel, &region, FILL, 15000),
	      "room");
	for (uint32_t visible = 1; visible < 5; visible++) {
		kernel->rx_published = kernel->producer[0] - 5 + visible;
		send_all();
		CHECK(kernel->sent == 1 && state.ring[0].rx_packets == 1, "%u of 4 pieces to be no frame",
		      visible - 1);
		expect_all("while pieces are missing");
	}
	kernel_publish(kernel);
	send_all();
	CHECK(kernel->sent == 2, "a frame, once all of it is there");
	expect_all("at the end");
	close_port();
	printf("ok a frame whose rest is not there yet waits for it\n");
}

/* `n` pieces of `length` bytes, each in a buffer of its own. */
static void put_chain(uint32_t n, uint32_t length)
{
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t index = kernel_take(kernel, &region, FILL);
		CHECK(index != 0, "a buffer to receive into");
		kernel_put(kernel, &region, ((uint64_t)index << region.buf_shift) + 256, length, i + 1 < n);
	}
}

static void expect_dropped(uint32_t n, uint32_t length, uint32_t wanted)
{
	const uint64_t before = state.ring[0].rx_too_long;
	put_chain(n, length);
	CHECK(kernel_receive(kernel, &region, FILL, 9014), "room");
	send_all();
	CHECK(state.ring[0].rx_too_long == before + wanted &&
	          state.ring[0].rx_dropped == state.ring[0].rx_too_long,
	      "%u pieces of %u bytes to be dropped and counted", n, length);
	expect_all("with a frame that is too long");
}

static void test_too_long(void)
{
	open_port(64, 32);
	for (uint32_t i = 0; i < 40; i++) {
		expect_dropped(5, PIECE, 1);
		expect_dropped(40, 10, 1);
		expect_dropped(MILL_XDP_MOST_PIECES + 1, 60, 1);
	}
	CHECK(kernel->sent == 120, "frames behind them to be sent, got %u", kernel->sent);
	/* The last byte of the buffer, and one more. */
	const uint32_t rest = MILL_BUF_SIZE_LARGE - 256 - 4 * PIECE;
	put_chain(4, PIECE);
	kernel->rx[(kernel->producer[0] - 1) & 63].options = XDP_PKT_CONTD;
	put_chain(1, rest);
	mill_xdp_rx_sync(&port, 0);
	CHECK(mill_ring_space(port.rx[0]) == 1 &&
	          port.rx[0]->slot[port.rx[0]->cur].len == MILL_BUF_SIZE_LARGE - 256,
	      "a frame to the buffer's last byte");
	CHECK(state.ring[0].rx_too_long == 120, "not to be too long");
	port.rx[0]->head = port.rx[0]->cur = port.rx[0]->tail;
	put_chain(4, PIECE);
	kernel->rx[(kernel->producer[0] - 1) & 63].options = XDP_PKT_CONTD;
	put_chain(1, rest + 1);
	mill_xdp_rx_sync(&port, 0);
	CHECK(mill_ring_space(port.rx[0]) == 0 && state.ring[0].rx_too_long == 121,
	      "one byte more to be too long");
	expect_all("at the end");
	close_port();
	printf("ok a frame that is longer than a buffer, or of too many pieces, is dropped and counted\n");
}

/* Frames of most pieces in one sync: more buffers to give back than are remembered at a time. */
static void test_many(void)
{
	open_port(512, 128);
	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < 100; i++)
			CHECK(kernel_receive(kernel, &region, FILL, 15000), "room");
		for (uint32_t i = 0; i < 4; i++)
			send_all();
		expect_all("with many large frames");
	}
	CHECK(kernel->sent == 2000 && kernel->dropped == 0, "all of them to be sent, got %u", kernel->sent);
	close_port();
	printf("ok more pieces than one sync takes are taken by the next\n");
}

/* A piece, and a first piece, that name a buffer which is not the kernel's. */
static void test_foreign(void)
{
	open_port(32, 32);
	for (uint32_t wrong = 0; wrong < 3; wrong++) {
		const uint32_t at = kernel->producer[0] + wrong;
		put_chain(3, PIECE);
		struct xdp_desc *desc = &kernel->rx[at & 31];
		const uint32_t index = (uint32_t)(desc->addr >> region.buf_shift);
		const uint64_t kept = desc->addr;
		desc->addr = ((uint64_t)port.rx[0]->slot[20].buf_idx << region.buf_shift) + 256;
		mill_xdp_rx_sync(&port, 0);
		CHECK(mill_ring_space(port.rx[0]) == 0, "no frame of another's buffer");
		CHECK(region.owner[index] == FILL, "the buffer that was not named to stay the kernel's");
		/* It comes after all. */
		kernel_put(kernel, &region, kept, 60, false);
		mill_xdp_rx_sync(&port, 0);
		CHECK(mill_ring_space(port.rx[0]) == 1, "the next frame");
		port.rx[0]->head = port.rx[0]->cur = port.rx[0]->tail;
		expect_all("when a piece names another's buffer");
	}
	CHECK(state.ring[0].rx_dropped == 2 && state.ring[0].rx_packets == 3,
	      "frames without a piece to be counted, got %llu", (unsigned long long)state.ring[0].rx_dropped);
	close_port();
	printf("ok a frame with another's buffer in it is dropped, and what is its own goes back\n");
}

/* A socket that takes a frame in one descriptor: frames that lie across the end of a chunk are moved, once. */
static void test_in_one(void)
{
	open_port(16, 64);
	shared.in_pieces = 0;
	kernel->may_skip = true;
	for (uint32_t round = 0; round < 200; round++) {
		for (uint32_t i = 0; i < 16; i++)
			(void)kernel_receive(kernel, &region, FILL, 3500 + (uint32_t)rand() % 340);
		mill_xdp_rx_sync(&port, 0);
		struct netmap_ring *rx = port.rx[0];
		for (uint32_t i = rx->cur; i != rx->tail; i = mill_ring_next(rx, i)) {
			const uint32_t by = 400 + (uint32_t)rand() % 400;
			if (mill_slot_offset(rx, &rx->slot[i]) != 256)
				continue; /* left from the round before */
			memmove(mill_ring_buffer(rx, &rx->slot[i]) + by, mill_ring_buffer(rx, &rx->slot[i]),
			        rx->slot[i].len);
			mill_slot_set_offset(rx, &rx->slot[i], 256 + by);
		}
		forward(MOST_RING, false);
		for (uint32_t i = 0; i < 5; i++) {
			mill_xdp_tx_sync(&port, 0); /* full: those behind are looked at again and again */
			(void)kernel_send(kernel, &region, SENT);
			kernel_complete(kernel, 3);
		}
	}
	drain();
	CHECK(kernel->sent == kernel->received && kernel->sent > 900 && state.ring[0].tx_full == 0,
	      "all %u to be sent, got %u", kernel->received, kernel->sent);
	CHECK(kernel_receive(kernel, &region, FILL, PIECE + 1) && kernel_receive(kernel, &region, FILL, 60),
	      "room");
	send_all();
	CHECK(state.ring[0].tx_full == 1, "what is larger to be counted, got %llu",
	      (unsigned long long)state.ring[0].tx_full);
	expect_all("at the end");
	close_port();
	printf("ok a socket that takes one descriptor a frame gets frames of a page alone, whole\n");
}

int main(void)
{
	srand(7);
	test_flow(16, 16);
	test_flow(8, 64);
	test_flow(64, 8);
	printf("ok frames of one piece and of several cross rings that are empty, full and starved\n");
	test_cut();
	test_too_long();
	test_many();
	test_foreign();
	test_in_one();
	test_in_hand();
#ifdef __x86_64__
	test_death();
#else
	printf("skip an engine that dies anywhere: only x86-64 is stepped through\n");
#endif
	return 0;
}
