/*
 * Between an AF_XDP socket's rings and netmap's, with the kernel's side in memory (xdp_rings/kernel.c): frames of one and of
 * several pieces, in rings that are small, full, starved and wrapping. After each step every buffer is somewhere, and
 * nowhere twice.
 *
 *   kernel ─ RX ring ─► rx_sync ─► netmap RX ─► exchange of buffers ─► netmap TX ─► tx_sync ─ TX ring ─► kernel
 *      ▲────── fill ring ────┘                                               └──── completion ring ◄──────┘
 *
 * Then the engine dies after drawn changes of what others see, in its syncs and in adoption, and the next one goes on.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/engine_test.h"
#include "port/xdp.h"
#include "region.h"
#include "xdp_rings/kernel.h"

#define SLOT_OF_PORT 3
#define FILL         (MILL_BUF_KERNEL_FILL | SLOT_OF_PORT)
#define SENT         (MILL_BUF_KERNEL_TX | SLOT_OF_PORT)
#define BUFFERS      1024u

static struct mill_region region;
static struct mill_xdp_shared shared;
static struct mill_xdp xdp = {.shared = &shared};
static struct mill_port_state state;
static struct mill_port port = {
    .region = &region, .state = &state, .backend = &xdp, .rx_rings = 1, .tx_rings = 1};
static struct kernel *kernel;
static uint8_t seen[BUFFERS];

/* What xdp_socket.c asks the kernel. */
bool mill_xdp_zero_copy(int fd)
{
	(void)fd;
	return false;
}

/* --- the engine's side ---------------------------------------------------------------------------------- */

static void open_port(uint32_t ring_size, uint32_t slots)
{
	struct mill_error error = {0};
	memset(&state, 0, sizeof(state));
	shared.in_pieces = 1;
	port.config.slot = SLOT_OF_PORT;
	kernel = kernel_make(ring_size, ring_size);
	kernel_rings(kernel, &xdp.queue[0]);
	if (region.base == NULL)
		CHECK(mill_region_create(&region, BUFFERS, MILL_BUF_SIZE_LARGE, &error), "%s", error.text);
	port.rx[0] = mill_region_alloc_ring(&region, SLOT_OF_PORT, MILL_RING_RX, 0, slots);
	port.tx[0] = mill_region_alloc_ring(&region, SLOT_OF_PORT, MILL_RING_TX, 0, slots);
	CHECK(port.rx[0] != NULL && port.tx[0] != NULL, "rings");
	CHECK(mill_xdp_fill(&port, 0, ring_size), "buffers to receive into");
}

/* Whatever was lost on the way comes back with the port's end. */
static void close_port(void)
{
	mill_region_free_ring(&region, port.rx[0]);
	mill_region_free_ring(&region, port.tx[0]);
	mill_region_free_kernel(&region, SLOT_OF_PORT);
	CHECK(mill_region_n_free(&region) == BUFFERS - 1, "all %u buffers back, got %u", BUFFERS - 1,
	      mill_region_n_free(&region));
}

/* As a forwarder does: up to `most` packets from the RX ring to the TX ring, and each some bytes further on in its buffer or not. */
static void forward(uint32_t most, bool moves)
{
	struct netmap_ring *rx = port.rx[0], *tx = port.tx[0];
	while (most-- > 0 && mill_ring_space(rx) > 0 && mill_ring_space(tx) > 0) {
		struct netmap_slot *from = &rx->slot[rx->cur], *to = &tx->slot[tx->cur], kept = *to;
		*to = *from;
		to->flags = NS_BUF_CHANGED;
		*from = kept;
		const uint32_t offset = mill_slot_offset(tx, to), by = (uint32_t)rand() % 200;
		if (moves && offset >= by) {
			memmove(mill_ring_buffer(tx, to) - by, mill_ring_buffer(tx, to), to->len);
			mill_slot_set_offset(tx, to, offset - by);
		}
		rx->head = rx->cur = mill_ring_next(rx, rx->cur);
		tx->head = tx->cur = mill_ring_next(tx, tx->cur);
	}
}

static void see(uint32_t index, const char *where)
{
	CHECK(index != 0 && index < BUFFERS && seen[index] == 0, "buffer %u in one place, got it again in %s",
	      index, where);
	CHECK(region.owner[index] == MILL_BUF_SLOT, "buffer %u of %s to be a slot's", index, where);
	seen[index] = 1;
}

/* Every buffer in one place; returns how many are nowhere. */
static uint32_t count_lost(void)
{
	const struct netmap_ring *rx = port.rx[0], *tx = port.tx[0];
	uint32_t posted, lost = 0;
	memcpy(&posted, tx->sem, sizeof(posted)); /* struct mill_xdp_tx_state */
	memset(seen, 0, sizeof(seen));
	kernel_holds(kernel, &region, seen);
	for (uint32_t i = 0; i < rx->num_slots; i++)
		see(rx->slot[i].buf_idx, "the netmap RX ring");
	for (uint32_t i = posted;; i = mill_ring_next(tx, i)) {
		see(tx->slot[i].buf_idx, "the netmap TX ring");
		if (i == tx->tail)
			break;
	}
	for (uint32_t i = 1; i < BUFFERS; i++) {
		CHECK(region.owner[i] != MILL_BUF_FREE || seen[i] == 0, "buffer %u to be free alone", i);
		if (region.owner[i] != MILL_BUF_FREE && seen[i] == 0)
			lost++;
	}
	return lost;
}

static void expect_all(const char *when)
{
	const uint32_t lost = count_lost();
	CHECK(lost == 0, "no buffer lost %s, got %u", when, lost);
}

static void sync_all(uint32_t forwards, bool moves)
{
	mill_xdp_rx_sync(&port, 0);
	forward(forwards, moves);
	mill_xdp_tx_sync(&port, 0);
}

/* Until nothing is under way. */
static void drain(void)
{
	for (uint32_t i = 0; i < 300; i++) {
		kernel_publish(kernel);
		sync_all(MOST_RING, false);
		while (kernel_send(kernel, &region, SENT))
			;
		kernel_complete(kernel, MOST_RING);
	}
	mill_xdp_tx_sync(&port, 0);
}

static uint32_t drawn_length(void)
{
	const uint32_t edges[] = {60,        PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 1,
	                          3 * PIECE, 15000,     9014};
	return rand() % 3 == 0 ? edges[(uint32_t)rand() % (sizeof(edges) / sizeof(*edges))]
	                       : LEAST_FRAME + (uint32_t)rand() % 15000;
}

/* --- tests ---------------------------------------------------------------------------------------------- */

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
	CHECK(state.rx_packets == kernel->received && state.tx_packets == kernel->sent &&
	          state.rx_bytes == state.tx_bytes && state.rx_dropped == 0 && state.tx_full == 0,
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
		CHECK(kernel->sent == 1 && state.rx_packets == 1, "%u of 4 pieces to be no frame",
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
	const uint64_t before = state.rx_too_long;
	put_chain(n, length);
	CHECK(kernel_receive(kernel, &region, FILL, 9014), "room");
	send_all();
	CHECK(state.rx_too_long == before + wanted && state.rx_dropped == state.rx_too_long,
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
	CHECK(state.rx_too_long == 120, "not to be too long");
	port.rx[0]->head = port.rx[0]->cur = port.rx[0]->tail;
	put_chain(4, PIECE);
	kernel->rx[(kernel->producer[0] - 1) & 63].options = XDP_PKT_CONTD;
	put_chain(1, rest + 1);
	mill_xdp_rx_sync(&port, 0);
	CHECK(mill_ring_space(port.rx[0]) == 0 && state.rx_too_long == 121, "one byte more to be too long");
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
	CHECK(state.rx_dropped == 2 && state.rx_packets == 3,
	      "frames without a piece to be counted, got %llu", (unsigned long long)state.rx_dropped);
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
	CHECK(kernel->sent == kernel->received && kernel->sent > 900 && state.tx_full == 0,
	      "all %u to be sent, got %u", kernel->received, kernel->sent);
	CHECK(kernel_receive(kernel, &region, FILL, PIECE + 1) && kernel_receive(kernel, &region, FILL, 60),
	      "room");
	send_all();
	CHECK(state.tx_full == 1, "what is larger to be counted, got %llu",
	      (unsigned long long)state.tx_full);
	expect_all("at the end");
	close_port();
	printf("ok a socket that takes one descriptor a frame gets frames of a page alone, whole\n");
}

/* --- death ---------------------------------------------------------------------------------------------- */

static void adopt(void)
{
	struct mill_error error = {0};
	CHECK(mill_region_reclaim(&region, &error), "%s", error.text);
	mill_xdp_rings_adopt(&port, 0);
}

/* Buffers that the kernel had in its hand when it was asked, and hands over later. */
static void test_in_hand(void)
{
	open_port(64, 64);
	for (uint32_t round = 0; round < 30; round++) {
		const uint32_t in_hand = (uint32_t)rand() % 40;
		uint32_t hand[40];
		for (uint32_t i = 0; i < in_hand; i++)
			CHECK((hand[i] = kernel_take(kernel, &region, FILL)) != 0, "a buffer");
		adopt();
		for (uint32_t i = 0; i < in_hand; i++)
			kernel_put(kernel, &region, ((uint64_t)hand[i] << region.buf_shift) + 256, 60,
			           i % 3 < 2 && i + 1 < in_hand);
		mill_xdp_rx_sync(&port, 0);
		port.rx[0]->head = port.rx[0]->cur = port.rx[0]->tail;
		expect_all("after an adoption");
	}
	close_port();
	printf("ok what the kernel had in its hand when a port was adopted does not overrun its ring\n");
}

/* Single-stepped code must not be most of the time in copies that the C library makes byte by byte. */
__attribute__((optimize("no-tree-loop-distribute-patterns"))) void *
memcpy(void *restrict to, const void *restrict from, size_t n)
{
	typedef struct {
		uint64_t word[8];
	} __attribute__((packed, may_alias)) block;
	uint8_t *out = to;
	const uint8_t *in = from;
	for (; n >= sizeof(block); n -= sizeof(block), in += sizeof(block), out += sizeof(block))
		*(block *)(void *)out = *(const block *)(const void *)in;
	while (n-- > 0)
		*out++ = *in++;
	return to;
}

enum moment { RECEIVING, SENDING, ADOPTING, MOMENTS };

#define DIED 42

static uint64_t sum_of(uint64_t sum, const void *memory, size_t bytes)
{
	const uint64_t *word = memory;
	for (size_t i = 0; i < bytes / sizeof(*word); i++)
		sum = sum * 31 + word[i];
	return sum;
}

/* Of all that another process can see: whatever happens between two changes of it does not matter to the next engine. */
static uint64_t visible(void)
{
	const size_t ring = sizeof(struct netmap_ring) + port.rx[0]->num_slots * sizeof(struct netmap_slot);
	uint64_t sum = sum_of(0, kernel->producer, sizeof(kernel->producer));
	sum = sum_of(sum, kernel->consumer, sizeof(kernel->consumer));
	sum = sum_of(sum_of(sum, port.rx[0], ring), port.tx[0], ring);
	return sum_of(sum_of(sum, region.owner, BUFFERS), region.pieces, BUFFERS);
}

static uint32_t changes_left;
static uint64_t last_seen;

static void after_instruction(int signal)
{
	const uint64_t now = visible();
	(void)signal;
	if (now != last_seen && --changes_left == 0)
		_exit(DIED);
	last_seen = now;
}

/* From here on, the process stops after each instruction (trap flag), and dies after so many changes. */
static void be_mortal(uint32_t changes)
{
	const struct sigaction action = {.sa_handler = after_instruction};
	CHECK(sigaction(SIGTRAP, &action, NULL) == 0, "a handler");
	changes_left = changes;
	last_seen = visible();
#ifdef __x86_64__
	__asm__ volatile(
	    "lea -128(%%rsp), %%rsp; pushfq; orq $0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::
	        : "memory", "cc");
#endif
}

/* The next engine; `changes` 0: it lives. Returns whether it died. */
static bool run_engine(enum moment moment, uint32_t changes)
{
	int status;
	const pid_t pid = fork();
	CHECK(pid >= 0, "a process");
	if (pid == 0) {
		struct mill_error error = {0};
		CHECK(mill_region_reclaim(&region, &error), "%s", error.text);
		if (changes != 0 && moment == ADOPTING)
			be_mortal(changes);
		mill_xdp_rings_adopt(&port, 0);
		if (changes != 0 && moment == RECEIVING)
			be_mortal(changes);
		mill_xdp_rx_sync(&port, 0);
		if (moment == ADOPTING)
			_exit(0);
		if (moment != RECEIVING)
			forward(MOST_RING, true);
		if (changes != 0 && moment == SENDING)
			be_mortal(changes);
		mill_xdp_tx_sync(&port, 0);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "the engine");
	CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DIED, "its exit status, got %d",
	      WEXITSTATUS(status));
	return WEXITSTATUS(status) == DIED;
}

#define LIVES   300u
#define A_PORT  50u /* lives of one port */
#define MOST    6u  /* frames between two lives */
#define CHANGES 25u /* that a sync makes, of such a few */

/* A kernel that still has most of its buffers to receive into. */
static void expect_room(void)
{
	const uint32_t n = kernel->producer[1] - kernel->consumer[1];
	CHECK(n >= kernel->fill_size - 2 && n <= kernel->fill_size, "a fill ring of %u, got %u",
	      kernel->fill_size, n);
}

static void test_death(void)
{
	uint32_t killed = 0, lost = 0, sent = 0, received = 0;
	for (uint32_t life = 0; life < LIVES; life++) {
		if (life % A_PORT == 0) {
			open_port(64, 64);
			kernel->may_skip = true;
		}
		for (uint32_t n = (uint32_t)rand() % MOST; n > 0; n--)
			(void)kernel_receive(kernel, &region, FILL, drawn_length());
		killed += run_engine((enum moment)(life % MOMENTS), 1 + (uint32_t)rand() % CHANGES);
		for (uint32_t n = (uint32_t)rand() % MOST; n > 0; n--)
			(void)kernel_send(kernel, &region, SENT);
		kernel_complete(kernel, (uint32_t)rand() % (2 * MOST));
		if (life % 2 == 1) {
			(void)run_engine(MOMENTS, 0);
			(void)count_lost();
		}
		if (life % A_PORT != A_PORT - 1)
			continue;
		adopt();
		drain();
		lost += count_lost();
		expect_room();
		sent += kernel->sent;
		received += kernel->received;
		close_port();
	}
	CHECK(killed > LIVES / 3, "most to die on the way, %u of %u", killed, LIVES);
	CHECK(sent > received / 2 && received > LIVES, "traffic to go on: %u of %u frames", sent, received);
	printf("ok an engine that dies anywhere leaves no buffer in two hands: %u of %u killed, %u "
	       "of %u frames "
	       "sent, %u buffers lost until the port's end\n",
	       killed, LIVES, sent, received, lost);
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
