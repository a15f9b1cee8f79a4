/*
 * The sending half of traffic.h. Flow f goes by ring f mod n of the port's n, as a device spreads them, so that none passes itself;
 * a burst is for one ring.
 */
#include <stdlib.h>
#include <time.h>
#include "tools/traffic.h"

#define MS 1000000ull
#define S  1000000000ull
#define STUCK_NS                                                                                             \
	(2 * S) /* without one packet that leaves; some drivers tell of one only when the next one goes */

uint64_t gen_now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * S + (uint64_t)now.tv_nsec;
}

struct lane {
	uint32_t flows, next; /* of the ring: every `lanes`-th one; the next to go */
	uint64_t sent;
};

struct turn {
	uint64_t due_ns;         /* when the next packet is to go */
	uint64_t left, moved_ns; /* packets that have left the rings, and when that changed last */
	uint32_t size, lanes;
	uint32_t *sequence; /* by flow */
	struct lane lane[MILL_MAX_RINGS];
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

static bool is_idle(const struct netmap_ring *ring)
{
	return mill_ring_space(ring) + 1 == ring->num_slots;
}

/* A ring with room whose flows have had the fewest packets each; -1: there is no room. */
static int next_lane(const struct gen_sender *sender, const struct turn *turn)
{
	int found = -1;
	for (uint32_t i = 0; i < turn->lanes; i++) {
		const struct lane *lane = &turn->lane[i];
		if (found >= 0 &&
		    lane->sent * turn->lane[found].flows >= turn->lane[found].sent * lane->flows)
			continue;
		if (mill_ring_space(sender->end->tx[i]) == 0)
			mill_end_tx_sync(sender->end, i);
		if (mill_ring_space(sender->end->tx[i]) != 0)
			found = (int)i;
	}
	return found;
}

/* What waits in rings goes on. */
static bool push(const struct gen_sender *sender, const struct turn *turn)
{
	bool idle = true;
	for (uint32_t i = 0; i < turn->lanes; i++) {
		if (is_idle(sender->end->tx[i]))
			continue;
		mill_end_tx_sync(sender->end, i);
		idle &= is_idle(sender->end->tx[i]);
	}
	return idle;
}

/* Does what was sent leave the rings? Of a veth that netmap drives by itself it does not, as long as its peer is not in netmap
 * mode, too: they are the peer's receive rings, and its kernel knows nothing of them. */
static uint64_t look(struct gen_sender *sender, struct turn *turn)
{
	const uint64_t now = gen_now_ns();
	uint64_t waiting = 0;
	for (uint32_t i = 0; i < turn->lanes; i++)
		waiting += sender->end->tx[i]->num_slots - 1 - mill_ring_space(sender->end->tx[i]);
	const uint64_t left = sender->sent - waiting;
	if (waiting == 0 || left != turn->left) {
		turn->left = left;
		turn->moved_ns = now;
	}
	sender->stuck = now - turn->moved_ns >= STUCK_NS ? waiting : 0;
	return waiting;
}

static void fill(struct gen_sender *sender, struct turn *turn, uint32_t number, uint32_t n, uint64_t now)
{
	struct netmap_ring *ring = sender->end->tx[number];
	struct lane *lane = &turn->lane[number];
	const struct gen_shape *shape = &sender->packets->shape;
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct netmap_slot *slot = &ring->slot[ring->head];
		const struct gen_mark mark = {.magic = shape->magic,
		                              .flow = (uint16_t)lane->next,
		                              .sequence = turn->sequence[lane->next]++,
		                              .sent_ns = now};
		const uint16_t size = shape->size[turn->size];
		mill_slot_set_offset(ring, slot, MILL_HEADROOM);
		gen_packet_write(sender->packets, &mark, turn->size, mill_ring_buffer(ring, slot));
		slot->len = size;
		slot->flags &= NS_BUF_CHANGED;
		bytes += size;
		lane->next = lane->next + turn->lanes < shape->flows ? lane->next + turn->lanes : number;
		turn->size = turn->size + 1 == shape->n_sizes ? 0 : turn->size + 1;
		ring->head = ring->cur = mill_ring_next(ring, ring->head);
	}
	if (sender->rate != 0)
		turn->due_ns += n * S / sender->rate;
	lane->sent += n;
	sender->sent += n;
	sender->bytes += bytes;
}

/* A burst to one ring; 0: nothing may go, or there is no room. */
static uint32_t send_burst(struct gen_sender *sender, struct turn *turn, uint64_t now)
{
	const uint32_t may = allowed(sender, turn, now);
	const int number = may != 0 ? next_lane(sender, turn) : -1;
	if (number < 0)
		return 0;
	const uint32_t room = mill_ring_space(sender->end->tx[number]), n = may < room ? may : room;
	fill(sender, turn, (uint32_t)number, n, now);
	mill_end_tx_sync(sender->end, (uint32_t)number);
	return n;
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

static bool begin(const struct gen_sender *sender, struct turn *turn)
{
	const uint32_t flows = sender->packets->shape.flows, rings = sender->end->tx_rings;
	turn->due_ns = turn->moved_ns = gen_now_ns();
	turn->lanes = rings < flows ? rings : flows;
	for (uint32_t i = 0; i < turn->lanes; i++)
		turn->lane[i] = (struct lane){.flows = (flows - i - 1) / turn->lanes + 1, .next = i};
	turn->sequence = calloc(flows, sizeof(*turn->sequence));
	return turn->sequence != NULL;
}

static void *run(void *argument)
{
	struct gen_sender *sender = argument;
	struct turn turn = {0};
	bool ok = begin(sender, &turn);
	while (ok && !sender->stop && (sender->count == 0 || sender->sent < sender->count)) {
		const uint64_t now = gen_now_ns();
		if (send_burst(sender, &turn, now) != 0)
			continue;
		(void)push(sender, &turn);
		(void)look(sender, &turn);
		rest(sender, &turn, now);
	}
	/* What lies in the rings goes, too. */
	for (uint32_t i = 0; ok && i < 1000 && !push(sender, &turn); i++)
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	const uint64_t waiting = ok ? look(sender, &turn) : 0;
	if (waiting >= sender->sent) /* not one has left, however short the run was */
		sender->stuck = waiting;
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
