#include "kernel.h"
#include <string.h>
#include <sys/mman.h>

enum { RX, FILL, TX, COMPLETION };

struct kernel *kernel_make(uint32_t fill_size, uint32_t tx_size)
{
	struct kernel *kernel =
	    mmap(NULL, sizeof(*kernel), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(kernel != MAP_FAILED, "memory");
	kernel->fill_size = fill_size;
	kernel->tx_size = tx_size;
	/* Soon past the end of what 32 bits count. */
	for (uint32_t i = 0; i < 4; i++)
		kernel->producer[i] = kernel->consumer[i] = 0u - 100u;
	kernel->rx_published = kernel->producer[RX];
	return kernel;
}

static struct mill_xsk_ring ring(struct kernel *kernel, uint32_t which, void *entry, uint32_t size)
{
	return (struct mill_xsk_ring){.producer = &kernel->producer[which],
	                              .consumer = &kernel->consumer[which],
	                              .flags = &kernel->flags,
	                              .entry = entry,
	                              .size = size,
	                              .mask = size - 1};
}

void kernel_rings(struct kernel *kernel, struct mill_xdp_queue *queue)
{
	queue->fd = -1;
	queue->rx = ring(kernel, RX, kernel->rx, kernel->fill_size);
	queue->rx.producer = &kernel->rx_published;
	queue->fill = ring(kernel, FILL, kernel->fill, kernel->fill_size);
	queue->tx = ring(kernel, TX, kernel->tx, kernel->tx_size);
	queue->completion = ring(kernel, COMPLETION, kernel->completion, kernel->tx_size);
}

static uint32_t load(const uint32_t *index)
{
	return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

static uint32_t waiting(const struct kernel *kernel, uint32_t which)
{
	return load(&kernel->producer[which]) - load(&kernel->consumer[which]);
}

void frame_make(uint8_t *frame, uint32_t number, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++)
		frame[i] = (uint8_t)((number + 1) * 167 + i * 7 + i / 251);
	memcpy(frame + 14, &number, sizeof(number));
	memcpy(frame + 18, &length, sizeof(length));
}

uint32_t kernel_take(struct kernel *kernel, const struct mill_region *region, uint8_t owner)
{
	CHECK(waiting(kernel, FILL) <= kernel->fill_size, "no more in the fill ring than it has room for, %u",
	      waiting(kernel, FILL));
	if (waiting(kernel, FILL) == 0)
		return 0;
	const uint64_t address = kernel->fill[kernel->consumer[FILL] & (kernel->fill_size - 1)];
	const uint64_t index = address >> region->buf_shift;
	CHECK(index != 0 && index < region->n_bufs && address == index << region->buf_shift,
	      "the start of a buffer to receive into, got %llx", (unsigned long long)address);
	CHECK(region->owner[index] == owner, "buffer %llu to be the kernel's", (unsigned long long)index);
	__atomic_store_n(&kernel->consumer[FILL], kernel->consumer[FILL] + 1, __ATOMIC_RELEASE);
	return (uint32_t)index;
}

void kernel_put(struct kernel *kernel, const struct mill_region *region, uint64_t address, uint32_t length,
                bool more)
{
	(void)region;
	kernel->rx[kernel->producer[RX]++ & (kernel->fill_size - 1)] =
	    (struct xdp_desc){.addr = address, .len = length, .options = more ? XDP_PKT_CONTD : 0};
	if (!kernel->holds_back)
		kernel_publish(kernel);
}

void kernel_publish(struct kernel *kernel)
{
	__atomic_store_n(&kernel->rx_published, kernel->producer[RX], __ATOMIC_RELEASE);
}

bool kernel_receive(struct kernel *kernel, const struct mill_region *region, uint8_t owner, uint32_t length)
{
	const uint32_t n = (length - 1) / PIECE + 1, number = kernel->received + kernel->dropped;
	if (waiting(kernel, FILL) < n || kernel->fill_size - waiting(kernel, RX) < n) {
		kernel->dropped++;
		return false;
	}
	frame_make(kernel->frame, number, length);
	for (uint32_t done = 0; done < length;) {
		const uint32_t index = kernel_take(kernel, region, owner);
		const uint32_t part = length - done < PIECE ? length - done : PIECE;
		CHECK(index != 0, "a buffer to receive into");
		memcpy(mill_region_buf(region, index) + 256, kernel->frame + done, part);
		done += part;
		kernel->rx[kernel->producer[RX]++ & (kernel->fill_size - 1)] =
		    (struct xdp_desc){.addr = ((uint64_t)index << region->buf_shift) + 256,
		                      .len = part,
		                      .options = done < length ? XDP_PKT_CONTD : 0};
	}
	kernel->received++;
	if (!kernel->holds_back)
		kernel_publish(kernel);
	return true;
}

/* --- sending -------------------------------------------------------------------------------------------- */

static void check_frame(struct kernel *kernel, const uint8_t *frame, uint32_t length)
{
	uint32_t number, said;
	CHECK(length >= LEAST_FRAME, "a frame of %u bytes at least, got %u", LEAST_FRAME, length);
	memcpy(&number, frame + 14, sizeof(number));
	memcpy(&said, frame + 18, sizeof(said));
	CHECK(said == length, "frame %u of %u bytes as it came, got %u", number, said, length);
	CHECK(kernel->may_skip ? number + 1 > kernel->next : number == kernel->next,
	      "frame %u after %u, in the order in which they came", number, kernel->next - 1);
	static uint8_t expected[MILL_BUF_SIZE_LARGE];
	frame_make(expected, number, length);
	CHECK(memcmp(frame, expected, length) == 0, "frame %u of %u bytes as it was received", number,
	      length);
	kernel->next = number + 1;
	kernel->sent++;
}

bool kernel_send(struct kernel *kernel, const struct mill_region *region, uint8_t owner)
{
	static uint8_t frame[4 * MILL_BUF_SIZE_LARGE];
	const uint32_t n = waiting(kernel, TX);
	uint32_t length = 0, at = kernel->consumer[TX];
	uint64_t buffer = 0;
	if (n == 0)
		return false;
	CHECK(n <= kernel->tx_size, "no more in the TX ring than it has room for, %u", n);
	for (bool more = true; more; at++) {
		CHECK(at != load(&kernel->producer[TX]), "the rest of a frame to be there");
		const struct xdp_desc desc = kernel->tx[at & (kernel->tx_size - 1)];
		const uint64_t index = desc.addr >> region->buf_shift;
		CHECK(index != 0 && index < region->n_bufs && region->owner[index] == owner,
		      "a buffer of the kernel's to send, got %llu", (unsigned long long)index);
		CHECK(buffer == 0 || buffer == index, "a frame to lie in one buffer");
		CHECK(desc.len > 0 && desc.addr % CHUNK + desc.len <= CHUNK,
		      "a piece to stay in its chunk, got %u bytes", desc.len);
		CHECK(kernel->n_on_their_way < MOST_RING, "room");
		memcpy(frame + length, region->buffers + desc.addr, desc.len);
		length += desc.len;
		buffer = index;
		kernel->on_their_way[kernel->n_on_their_way++] = desc.addr;
		more = (desc.options & XDP_PKT_CONTD) != 0;
	}
	check_frame(kernel, frame, length);
	__atomic_store_n(&kernel->consumer[TX], at, __ATOMIC_RELEASE);
	return true;
}

void kernel_complete(struct kernel *kernel, uint32_t n)
{
	for (; n > 0 && kernel->n_on_their_way > 0 && waiting(kernel, COMPLETION) < kernel->tx_size; n--) {
		uint64_t *one = &kernel->on_their_way[(uint32_t)rand() % kernel->n_on_their_way];
		kernel->completion[kernel->producer[COMPLETION] & (kernel->tx_size - 1)] = *one;
		*one = kernel->on_their_way[--kernel->n_on_their_way];
		__atomic_store_n(&kernel->producer[COMPLETION], kernel->producer[COMPLETION] + 1,
		                 __ATOMIC_RELEASE);
	}
}

/* --- what it has ---------------------------------------------------------------------------------------- */

static void has(const struct mill_region *region, uint8_t *seen, uint64_t address, const char *where)
{
	const uint64_t index = address >> region->buf_shift;
	CHECK(index != 0 && index < region->n_bufs && seen[index] == 0,
	      "buffer %llu in one place, got it again in %s", (unsigned long long)index, where);
	seen[index] = 1;
}

/* A frame that goes in several pieces has one buffer. */
static void has_sent(const struct mill_region *region, uint8_t *sent, uint64_t address)
{
	const uint64_t index = address >> region->buf_shift;
	CHECK(index != 0 && index < region->n_bufs, "a buffer to send");
	sent[index] = 1;
}

void kernel_holds(const struct kernel *kernel, const struct mill_region *region, uint8_t *seen)
{
	uint8_t sent[4096] = {0};
	CHECK(region->n_bufs <= sizeof(sent), "room for what was sent");
	CHECK(waiting(kernel, FILL) <= kernel->fill_size, "the fill ring not to be overrun, %u",
	      waiting(kernel, FILL));
	for (uint32_t i = kernel->consumer[FILL]; i != kernel->producer[FILL]; i++)
		has(region, seen, kernel->fill[i & (kernel->fill_size - 1)], "the fill ring");
	for (uint32_t i = kernel->consumer[RX]; i != kernel->producer[RX]; i++)
		has(region, seen, kernel->rx[i & (kernel->fill_size - 1)].addr, "the RX ring");
	for (uint32_t i = kernel->consumer[TX]; i != kernel->producer[TX]; i++)
		has_sent(region, sent, kernel->tx[i & (kernel->tx_size - 1)].addr);
	for (uint32_t i = 0; i < kernel->n_on_their_way; i++)
		has_sent(region, sent, kernel->on_their_way[i]);
	for (uint32_t i = kernel->consumer[COMPLETION]; i != kernel->producer[COMPLETION]; i++)
		has_sent(region, sent, kernel->completion[i & (kernel->tx_size - 1)]);
	for (uint32_t i = 1; i < region->n_bufs; i++)
		if (sent[i] != 0)
			has(region, seen, (uint64_t)i << region->buf_shift, "what is sent");
}
