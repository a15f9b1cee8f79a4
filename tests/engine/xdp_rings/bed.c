#include "xdp_rings/bed.h"
#include <string.h>

struct mill_region region;
struct mill_port_state state;
struct kernel *kernel;
struct mill_xdp_shared shared;
static struct mill_xdp xdp = {.shared = &shared};
struct mill_port port = {.region = &region, .state = &state, .backend = &xdp, .rx_rings = 1, .tx_rings = 1};
static uint8_t seen[BUFFERS];

/* What xdp_socket.c asks the kernel. */
bool mill_xdp_zero_copy(int fd)
{
	(void)fd;
	return false;
}

void open_port(uint32_t ring_size, uint32_t slots)
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

void close_port(void)
{
	mill_region_free_ring(&region, port.rx[0]);
	mill_region_free_ring(&region, port.tx[0]);
	mill_region_free_kernel(&region, SLOT_OF_PORT);
	CHECK(mill_region_n_free(&region) == BUFFERS - 1, "all %u buffers back, got %u", BUFFERS - 1,
	      mill_region_n_free(&region));
}

void forward(uint32_t most, bool moves)
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

uint32_t count_lost(void)
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

void expect_all(const char *when)
{
	const uint32_t lost = count_lost();
	CHECK(lost == 0, "no buffer lost %s, got %u", when, lost);
}

void sync_all(uint32_t forwards, bool moves)
{
	mill_xdp_rx_sync(&port, 0);
	forward(forwards, moves);
	mill_xdp_tx_sync(&port, 0);
}

void drain(void)
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

uint32_t drawn_length(void)
{
	const uint32_t edges[] = {60,        PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 1,
	                          3 * PIECE, 15000,     9014};
	return rand() % 3 == 0 ? edges[(uint32_t)rand() % (sizeof(edges) / sizeof(*edges))]
	                       : LEAST_FRAME + (uint32_t)rand() % 15000;
}
