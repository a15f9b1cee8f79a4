/* The sending half of traffic.h. */
#include <stdlib.h>
#include <time.h>
#include "tools/traffic.h"

#define MS 1000000ull
#define S  1000000000ull

uint64_t gen_now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * S + (uint64_t)now.tv_nsec;
}

struct turn {
	uint64_t due_ns; /* when the next packet is to go */
	uint32_t flow, size;
	uint32_t *sequence; /* by flow */
};

/* How many packets may go now. What could not go in its time is not made up for: a burst of a millisecond at most. */
static uint32_t allowed(const struct gen_sender *sender, struct turn *turn, uint64_t now)
{
	uint64_t n = sender->burst;
	if (sender->count != 0 && sender->count - sender->sent < n)
		n = sender->count - sender->sent;
	if (sender->rate == 0)
		return (uint32_t)n;
	if (turn->due_ns + MS < now)
		turn->due_ns = now - MS;
	const uint64_t due = now < turn->due_ns ? 0 : (now - turn->due_ns) * sender->rate / S + 1;
	return (uint32_t)(due < n ? due : n);
}

static void fill(struct gen_sender *sender, struct turn *turn, uint32_t n, uint64_t now)
{
	struct netmap_ring *ring = sender->end->tx[0];
	const struct gen_shape *shape = &sender->packets->shape;
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct netmap_slot *slot = &ring->slot[ring->head];
		const struct gen_mark mark = {.magic = shape->magic,
		                              .flow = (uint16_t)turn->flow,
		                              .sequence = turn->sequence[turn->flow]++,
		                              .sent_ns = now};
		const uint16_t size = shape->size[turn->size];
		mill_slot_set_offset(ring, slot, MILL_HEADROOM);
		gen_packet_write(sender->packets, &mark, turn->size, mill_ring_buffer(ring, slot));
		slot->len = size;
		slot->flags &= NS_BUF_CHANGED;
		bytes += size;
		turn->flow = turn->flow + 1 == shape->flows ? 0 : turn->flow + 1;
		turn->size = turn->size + 1 == shape->n_sizes ? 0 : turn->size + 1;
		ring->head = ring->cur = mill_ring_next(ring, ring->head);
	}
	if (sender->rate != 0)
		turn->due_ns += n * S / sender->rate;
	sender->sent += n;
	sender->bytes += bytes;
}

/* Nothing may go, or there is no room: rests when it is worth it. */
static void rest(const struct gen_sender *sender, const struct turn *turn, uint64_t now)
{
	const bool early = sender->rate != 0 && turn->due_ns > now;
	const uint64_t wait = early ? turn->due_ns - now : 0;
	if (early && wait < 60000)
		return; /* shorter than a sleep takes */
	const struct timespec pause = {.tv_nsec = early && wait < 2 * MS ? (long)(wait - 50000) : 50000};
	nanosleep(&pause, NULL);
}

static void *run(void *argument)
{
	struct gen_sender *sender = argument;
	struct turn turn = {.due_ns = gen_now_ns()};
	turn.sequence = calloc(sender->packets->shape.flows, sizeof(*turn.sequence));
	while (turn.sequence != NULL && !sender->stop &&
	       (sender->count == 0 || sender->sent < sender->count)) {
		const uint64_t now = gen_now_ns();
		const uint32_t room = mill_ring_space(sender->end->tx[0]), may = allowed(sender, &turn, now);
		const uint32_t n = may < room ? may : room;
		if (n != 0)
			fill(sender, &turn, n, now);
		mill_end_tx_sync(sender->end, 0);
		if (n == 0)
			rest(sender, &turn, now);
	}
	/* What lies in the ring goes, too. */
	for (uint32_t i = 0;
	     i < 1000 && mill_ring_space(sender->end->tx[0]) + 1 < sender->end->tx[0]->num_slots; i++) {
		const struct timespec pause = {.tv_nsec = 100000};
		mill_end_tx_sync(sender->end, 0);
		nanosleep(&pause, NULL);
	}
	free(turn.sequence);
	sender->done = true;
	return NULL;
}

int gen_sender_start(struct gen_sender *sender)
{
	return pthread_create(&sender->thread, NULL, run, sender);
}

void gen_sender_join(struct gen_sender *sender)
{
	sender->stop = true;
	pthread_join(sender->thread, NULL);
}
