/*
 * A swap forwarder of 2 ports that asks set 0 about 512 addresses for each frame. Of 10.0.0.0/8 the set holds one half or the
 * other; a frame that sees anything else, or a burst whose frames see different halves, is dropped: the sender misses it.
 */
#define MILL_SETS
#include "netmill/set.h"
#define SWAP_PORTS 2
#include "lib/swap.h"

#define ASKED 512u

/* 0, 1: which half; 2: neither. */
static uint32_t half_held(const struct mill_packet *p)
{
	uint32_t held = 0, right = 0;
	for (uint32_t i = 0; i < ASKED; i++) {
		__asm__ volatile("" ::: "memory"); /* each question reads all anew */
		const bool upper = i >= ASKED / 2;
		const bool in = mill_in_set4(p, 0, 0x0a000000u + i * ((1u << 24) / ASKED) + 7);
		held += in;
		right += in && upper;
	}
	return held == ASKED / 2 && (right == 0 || right == held) ? right != 0 : 2;
}

static void receive_some(struct mill_worker *worker, struct netmap_ring *rx, uint32_t local)
{
	const struct mill_packet packet = {.worker = worker};
	const uint32_t first = half_held(&packet);
	const uint32_t n = mill_ring_space(rx) < MILL_BURST ? mill_ring_space(rx) : MILL_BURST;
	for (uint32_t i = 0; i < n; i++)
		if (first == 2 || half_held(&packet) != first) {
			worker->if_counters[worker->bind->iface[local]].drop[MILL_DROP_ACL] += n;
			for (uint32_t j = 0; j < n; j++)
				rx->cur = rx->head = mill_ring_next(rx, rx->head);
			return;
		}
	swap_burst(worker, rx, local);
}

static void receive_0(struct mill_worker *worker, struct netmap_ring *rx)
{
	receive_some(worker, rx, 0);
}

static void receive_1(struct mill_worker *worker, struct netmap_ring *rx)
{
	receive_some(worker, rx, 1);
}

SWAP_FORWARDER(1, receive_0, receive_1);
