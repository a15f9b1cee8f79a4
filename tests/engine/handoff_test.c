/* What passes from one ring to another: ring_sync.h. Here between memories of different buffers, as those of netmap and of the engine. */
#include "ring_sync.h"
#include <string.h>
#include "lib/engine_test.h"

#define SLOTS 4u
#define SMALL 2048u
#define LARGE 16384u

/* A ring and its buffers, all of which hold `filler`. */
static struct netmap_ring *make_ring(uint32_t buffer, uint8_t filler)
{
	const size_t head = sizeof(struct netmap_ring) + SLOTS * sizeof(struct netmap_slot);
	uint8_t *memory = aligned_alloc(128, (head + SLOTS * (size_t)buffer + 127) / 128 * 128);
	CHECK(memory != NULL, "memory");
	memset(memory, 0, head);
	memset(memory + head, filler, SLOTS * (size_t)buffer);
	struct netmap_ring *ring = (struct netmap_ring *)(void *)memory;
	memcpy((void *)(uintptr_t)&ring->buf_ofs, &(int64_t){(int64_t)head}, 8);
	memcpy((void *)(uintptr_t)&ring->num_slots, &(uint32_t){SLOTS}, 4);
	memcpy((void *)(uintptr_t)&ring->nr_buf_size, &buffer, 4);
	for (uint32_t i = 0; i < SLOTS; i++)
		ring->slot[i].buf_idx = i;
	return ring;
}

static bool holds(const uint8_t *bytes, uint32_t n, uint8_t filler)
{
	uint32_t i = 0;
	while (i < n && bytes[i] == filler)
		i++;
	return i == n;
}

int main(void)
{
	static const uint16_t sizes[] = {60, 1518, SMALL, SMALL + 1, 9018};
	for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct netmap_ring *from = make_ring(LARGE, 0xaa), *to = make_ring(SMALL, 0x55);
		struct netmap_slot *packet = &from->slot[1], *slot = &to->slot[2];
		packet->len = sizes[i];
		const uint16_t bytes = sizes[i] <= SMALL ? sizes[i] : 0;
		CHECK(mill_ring_pass(to, slot, from, packet) == (bytes != 0), "%u bytes", sizes[i]);
		const uint8_t *buffer = mill_ring_buffer(to, slot);
		CHECK(slot->len == bytes && holds(buffer, bytes, 0xaa), "%u bytes: the packet", sizes[i]);
		CHECK(holds(buffer + bytes, SMALL - bytes, 0x55) &&
		          holds(mill_ring_buffer(to, &to->slot[3]), SMALL, 0x55),
		      "%u bytes: nothing beside it", sizes[i]);
		free(from);
		free(to);
	}
	printf("ok a packet larger than a buffer goes into none\n");
	return 0;
}
