/*
 * The engine dies after drawn changes of what others see, in its syncs and in adoption, and the next one goes on.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "xdp_rings/bed.h"

static void adopt(void)
{
	struct mill_error error = {0};
	CHECK(mill_region_reclaim(&region, &error), "%s", error.text);
	mill_xdp_rings_adopt(&port, 0);
}

/* Buffers that the kernel had in its hand when it was asked, and hands over later. */
void test_in_hand(void)
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

void test_death(void)
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
