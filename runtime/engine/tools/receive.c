/* The receiving half of traffic.h. */
#include <errno.h>
#include <stdlib.h>
#include "tools/traffic.h"

#define BEAT_NS 2000000ull

struct gen_sequence {
	bool started;
	uint32_t next;                  /* one above the highest that came */
	uint64_t seen[GEN_WINDOW / 64]; /* of the last GEN_WINDOW, by number modulo that */
};

static bool test_and_set(struct gen_sequence *flow, uint32_t number)
{
	uint64_t *word = &flow->seen[number % GEN_WINDOW / 64];
	const uint64_t bit = 1ull << (number % 64), before = *word;
	*word |= bit;
	return (before & bit) != 0;
}

static void forget(struct gen_sequence *flow, uint32_t number)
{
	flow->seen[number % GEN_WINDOW / 64] &= ~(1ull << (number % 64));
}

/* Numbers wrap, so their difference is what orders them (RFC 1982). */
static void place(struct gen_receiver *receiver, const struct gen_mark *mark)
{
	struct gen_sequence *flow = &receiver->sequence[mark->flow];
	if (!flow->started) {
		flow->started = true;
		flow->next = receiver->from_first ? 0 : mark->sequence;
	}
	const int32_t ahead = (int32_t)(mark->sequence - flow->next);
	if (ahead >= 0) {
		const uint32_t skipped = (uint32_t)ahead < GEN_WINDOW ? (uint32_t)ahead : GEN_WINDOW;
		for (uint32_t i = 0; i <= skipped; i++)
			forget(flow, mark->sequence - i);
		flow->next = mark->sequence + 1;
		receiver->gaps += (uint32_t)ahead;
		(void)test_and_set(flow, mark->sequence);
	} else if ((uint32_t)-ahead > GEN_WINDOW) {
		receiver->late++;
	} else if (test_and_set(flow, mark->sequence)) {
		receiver->duplicates++;
	} else {
		receiver->reordered++;
		receiver->gaps--;
	}
}

static void take(struct gen_receiver *receiver, const struct netmap_ring *ring,
                 const struct netmap_slot *slot, uint64_t now)
{
	struct gen_mark mark;
	bool whole;
	if (!gen_packet_read(receiver->shape, mill_ring_buffer(ring, slot), slot->len, &mark, &whole)) {
		receiver->other++;
		return;
	}
	receiver->received++;
	receiver->bytes += slot->len;
	receiver->damaged += !whole;
	place(receiver, &mark);
	if (now > mark.sent_ns)
		histogram_add(receiver->latency, now - mark.sent_ns);
}

static bool empty(struct gen_receiver *receiver, uint32_t number)
{
	struct netmap_ring *ring = receiver->end->rx[number];
	mill_end_rx_sync(receiver->end, number);
	const uint32_t n = mill_ring_space(ring);
	const uint64_t now = gen_now_ns();
	for (uint32_t i = 0; i < n; i++, ring->cur = mill_ring_next(ring, ring->cur))
		if (mill_end_is_frame(&ring->slot[ring->cur]))
			take(receiver, ring, &ring->slot[ring->cur], now);
	ring->head = ring->cur;
	return n != 0;
}

static void *run(void *argument)
{
	struct gen_receiver *receiver = argument;
	uint64_t beaten = 0;
	while (!receiver->stop) {
		bool work = false;
		const uint64_t now = gen_now_ns();
		if (now - beaten > BEAT_NS)
			mill_end_beat(receiver->end, beaten = now);
		for (uint32_t ring = 0; ring < receiver->end->rx_rings; ring++)
			work |= empty(receiver, ring);
		if (!work)
			mill_end_wait(receiver->end, 2);
	}
	mill_end_beat(receiver->end, 0);
	return NULL;
}

int gen_receiver_start(struct gen_receiver *receiver)
{
	receiver->sequence = calloc(receiver->shape->flows, sizeof(*receiver->sequence));
	receiver->latency = calloc(1, sizeof(*receiver->latency));
	if (receiver->sequence == NULL || receiver->latency == NULL)
		return ENOMEM;
	mill_end_beat(receiver->end, gen_now_ns());
	return pthread_create(&receiver->thread, NULL, run, receiver);
}

void gen_receiver_join(struct gen_receiver *receiver)
{
	receiver->stop = true;
	pthread_join(receiver->thread, NULL);
}
