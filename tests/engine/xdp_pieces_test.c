/*
 * Frames in several descriptors, without a kernel: what is cut and what is put together again, of drawn lengths and offsets, and
 * what must not be taken for a frame. The region is of four chunks a buffer.
 */
#include <stdlib.h>
#include <string.h>
#include "lib/engine_test.h"
#include "port/xdp.h"

#define BUFFERS 64u
#define SLOTS   64u
#define OURS    (MILL_BUF_KERNEL_FILL | 3)
#define CHUNK   (1u << MILL_XDP_CHUNK_SHIFT)

static struct mill_region region;
static struct xdp_desc descs[SLOTS];
static uint64_t addresses[SLOTS];
static uint32_t consumer, producer;
static struct mill_xsk_ring ring = {.entry = descs, .size = SLOTS, .mask = SLOTS - 1};
static struct mill_xsk_ring fill = {
    .entry = addresses, .producer = &producer, .consumer = &consumer, .size = SLOTS, .mask = SLOTS - 1};
static uint8_t frame[MILL_BUF_SIZE_LARGE], copy[MILL_BUF_SIZE_LARGE];

static void make_region(void)
{
	region = (struct mill_region){.n_bufs = BUFFERS,
	                              .buf_size = MILL_BUF_SIZE_LARGE,
	                              .buf_shift = (uint32_t)__builtin_ctz(MILL_BUF_SIZE_LARGE)};
	region.buffers = calloc(BUFFERS, MILL_BUF_SIZE_LARGE);
	region.owner = calloc(BUFFERS, 1);
	region.pieces = calloc(BUFFERS, 1);
	CHECK(region.buffers != NULL && region.owner != NULL && region.pieces != NULL, "memory");
	for (uint32_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 7 + i / 251);
}

/* Each descriptor within its chunk, all of them one after the other, and only the last one without more to come. */
static void expect_cut(uint32_t at, uint32_t offset, uint32_t length)
{
	const uint64_t start = ((uint64_t)5 << region.buf_shift) + offset;
	const uint32_t n = mill_xdp_pieces(&region, offset, length);
	uint64_t next = start;
	mill_xdp_scatter(&ring, at, start, length);
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc desc = descs[(at + i) % SLOTS];
		CHECK(desc.addr == next && desc.len > 0 && desc.addr % CHUNK + desc.len <= CHUNK,
		      "piece %u of %u at %u", i, length, offset);
		CHECK((desc.options == XDP_PKT_CONTD) == (i + 1 < n), "piece %u of %u to be told apart", i,
		      n);
		next += desc.len;
	}
	CHECK(next == start + length, "%u bytes at %u to be cut into %u", length, offset, n);
}

static void test_scatter(void)
{
	for (uint32_t i = 0; i < 20000; i++) {
		const uint32_t offset = (uint32_t)rand() % 600;
		expect_cut((uint32_t)rand(), offset,
		           14 + (uint32_t)rand() % (MILL_BUF_SIZE_LARGE - 14 - offset));
	}
	expect_cut(0, 256, CHUNK - 256);
	expect_cut(SLOTS - 1, 256, CHUNK - 255);
	expect_cut(0, 0, MILL_BUF_SIZE_LARGE);
	printf("ok a frame is cut at the ends of chunks\n");
}

/* The frame as the kernel hands it over: 3,840 bytes a piece, each in the first chunk of a buffer of its own. */
static uint32_t receive(uint32_t at, uint32_t length)
{
	uint32_t n = 0, done = 0;
	while (done < length) {
		const uint32_t part = length - done < 3840 ? length - done : 3840, buffer = 10 + n;
		memcpy(mill_region_buf(&region, buffer) + 256, frame + done, part);
		region.owner[buffer] = OURS;
		done += part;
		descs[(at + n++) % SLOTS] =
		    (struct xdp_desc){.addr = ((uint64_t)buffer << region.buf_shift) + 256,
		                      .len = part,
		                      .options = done < length ? XDP_PKT_CONTD : 0};
	}
	return n;
}

static void test_gather(void)
{
	for (uint32_t i = 0; i < 2000; i++) {
		const uint32_t at = (uint32_t)rand(), length = 3841 + (uint32_t)rand() % 12000;
		struct mill_xdp_spent spent = {.n = 0};
		uint32_t told;
		const uint32_t n = receive(at, length);
		CHECK(mill_xdp_measure(&ring, at, at + n + i % 2, &told) == n && told == length,
		      "%u pieces of %u bytes, got %u", n, length, told);
		CHECK(mill_xdp_measure(&ring, at, at + n - 1, &told) == 0, "half a frame to be none");
		CHECK(mill_xdp_gather(&region, &ring, at + 1, n - 1, OURS, copy, &spent),
		      "to be put together");
		CHECK(memcmp(copy, frame + 3840, length - 3840) == 0, "%u bytes as they were sent", length);
		producer = at;
		mill_xdp_refill(&region, &fill, &spent);
		CHECK(producer == at + n - 1 && spent.n == 0, "%u buffers given back", n - 1);
		for (uint32_t k = 1; k < n; k++)
			CHECK(addresses[(at + k - 1) % SLOTS] == (uint64_t)(10 + k) << region.buf_shift,
			      "buffer %u given back", 10 + k);
	}
	printf("ok a frame is put together, and its buffers are given back\n");
}

static void test_foreign(void)
{
	struct mill_xdp_spent spent = {.n = 0};
	const uint32_t n = receive(0, 15000);
	region.owner[12] = MILL_BUF_SLOT;
	descs[3].addr = (uint64_t)BUFFERS << region.buf_shift;
	memset(copy, 0x55, sizeof(copy));
	CHECK(n == 4 && !mill_xdp_gather(&region, &ring, 1, 3, OURS, copy, &spent),
	      "buffers that are not the kernel's to be refused");
	CHECK(spent.n == 1 && spent.buffer[0] == 11, "only its own given back, got %u", spent.n);
	printf("ok a piece that names another's buffer is refused\n");
}

int main(void)
{
	srand(5);
	make_region();
	test_scatter();
	test_gather();
	test_foreign();
	return 0;
}
