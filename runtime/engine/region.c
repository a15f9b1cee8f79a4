/*
 * The memory region of region.h: layout, ring places, the free list. Every ring place has room for
 * MILL_RING_MAX_SLOTS slots, so where a ring lies follows from what it is, and an adopting engine needs no directory.
 * The free list is a stack under a mutex: it is used when ports open and close, never for a packet.
 */
#include "region.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "port/port.h"
#include "ring_sync.h"
#include "os/memory.h"

#define PAGE       4096ull
#define HUGE       (2ull << 20)
#define PLACES     (MILL_MAX_PORTS * MILL_RING_KINDS * MILL_MAX_RINGS)
#define RING_BYTES (sizeof(struct netmap_ring) + MILL_RING_MAX_SLOTS * sizeof(struct netmap_slot))

bool mill_region_has_size(uint32_t buf_size)
{
	return buf_size == MILL_BUF_SIZE || buf_size == MILL_BUF_SIZE_JUMBO ||
	       buf_size == MILL_BUF_SIZE_LARGE;
}

uint32_t mill_region_size_for(uint32_t mtu)
{
	if (mtu <= MILL_MTU_SMALL)
		return MILL_BUF_SIZE;
	return mtu <= MILL_MTU_JUMBO ? MILL_BUF_SIZE_JUMBO : MILL_BUF_SIZE_LARGE;
}

static uint64_t page_align(uint64_t n)
{
	return (n + PAGE - 1) & ~(PAGE - 1);
}

static void lay_out(struct mill_region_header *header, uint32_t n_bufs, uint32_t buf_size)
{
	memset(header, 0, sizeof(*header));
	header->magic = MILL_REGION_MAGIC;
	header->abi = MILL_ABI_VERSION;
	header->n_bufs = n_bufs;
	header->buf_size = buf_size;
	header->ring_bytes = (uint32_t)page_align(RING_BYTES);
	header->owner_offset = PAGE;
	header->pieces_offset = page_align(header->owner_offset + n_bufs);
	header->ring_offset = page_align(header->pieces_offset + n_bufs);
	header->buf_offset = header->ring_offset + (uint64_t)MILL_RING_PLACES * header->ring_bytes;
	header->size = header->buf_offset + (uint64_t)n_bufs * buf_size;
}

/* Where huge pages of the memory can be huge pages of the process: its start is at a multiple of theirs. */
static uint8_t *map_aligned(int fd, uint64_t size)
{
	uint8_t *room =
	    mmap(NULL, size + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return NULL;
	const size_t before = -(uintptr_t)room & (HUGE - 1);
	uint8_t *base =
	    mmap(room + before, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0);
	if (base == MAP_FAILED) {
		munmap(room, size + HUGE);
		return NULL;
	}
	if (before != 0)
		munmap(room, before);
	munmap(base + page_align(size), HUGE - before);
	return base;
}

static bool map(struct mill_region *region, int fd, uint64_t size, struct mill_error *error)
{
	uint8_t *base = map_aligned(fd, size);
	if (base == NULL) {
		mill_fail(error, errno, "mapping %llu MiB of packet memory: %s",
		          (unsigned long long)(size >> 20), strerror(errno));
		return false;
	}
	/* Locked where CAP_IPC_LOCK allows; forwarding works without, with page faults under memory pressure. */
	(void)mlock2(base, size, MLOCK_ONFAULT);
	*region = (struct mill_region){.fd = fd, .size = size, .base = base};
	region->header = (struct mill_region_header *)(void *)base;
	pthread_mutex_init(&region->lock, NULL);
	return true;
}

static bool attach(struct mill_region *region, struct mill_error *error)
{
	const struct mill_region_header *header = region->header;
	region->owner = region->base + header->owner_offset;
	region->pieces = region->base + header->pieces_offset;
	region->buffers = region->base + header->buf_offset;
	region->n_bufs = header->n_bufs;
	region->buf_size = header->buf_size;
	region->buf_shift = (uint32_t)__builtin_ctz(header->buf_size);
	region->free_list = malloc(sizeof(uint32_t) * header->n_bufs);
	if (region->free_list == NULL) {
		mill_fail(error, ENOMEM, "no memory for a free list of %u buffers", header->n_bufs);
		return false;
	}
	return true;
}

/* Buffers in huge pages, as many as can be had at once, without any being set aside for that: one that is missing is one
 * that would have to be waited for. */
static void use_huge_pages(const struct mill_region *region)
{
	const uintptr_t end = (uintptr_t)region->buffers + (size_t)region->n_bufs * region->buf_size;
	uintptr_t at = ((uintptr_t)region->buffers + HUGE - 1) & ~(uintptr_t)(HUGE - 1);
	while (at + HUGE <= end) {
		*(volatile uint8_t *)at = 0; /* there must be a page, to be made larger */
		if (!mill_memory_collapse((void *)at, HUGE))
			break;
		at += HUGE;
	}
	mill_log("packet memory: %u buffers of %u bytes, %s", region->n_bufs, region->buf_size,
	         at + HUGE > end ? "in huge pages"
	         : at >= (uintptr_t)region->buffers + HUGE
	             ? "some in huge pages, of which there are no more"
	             : "in ordinary pages, since no huge ones can be had");
}

bool mill_region_create(struct mill_region *region, uint32_t n_bufs, uint32_t buf_size,
                        struct mill_error *error)
{
	struct mill_region_header layout;
	lay_out(&layout, n_bufs, buf_size);
	const int fd = mill_memory_create("netmill-region", layout.size);
	if (fd < 0) {
		mill_fail(error, errno, "making %u packet buffers: %s", n_bufs, strerror(errno));
		return false;
	}
	if (!map(region, fd, layout.size, error)) {
		close(fd);
		return false;
	}
	*region->header = layout;
	if (!attach(region, error)) {
		mill_region_unmap(region);
		return false;
	}
	/* First touch now, not for a packet. Failure (old kernel, limits) only costs time later. A region that is
	 * adopted has its pages already; to map them all at once would only lengthen the gap. */
	use_huge_pages(region);
	mill_memory_touch(region->buffers, (size_t)n_bufs * buf_size);
	for (uint32_t i = n_bufs - 1; i >= 1; i--)
		region->free_list[region->n_free++] = i;
	return true;
}

bool mill_region_map(struct mill_region *region, int fd, struct mill_error *error)
{
	struct stat st;
	struct mill_region_header found, expected;
	if (fstat(fd, &st) != 0 || pread(fd, &found, sizeof(found), 0) != (ssize_t)sizeof(found)) {
		mill_fail(error, EINVAL, "the packet memory to adopt cannot be read");
		return false;
	}
	lay_out(&expected, found.n_bufs, found.buf_size);
	if (!mill_region_has_size(found.buf_size) ||
	    memcmp(&found, &expected, offsetof(struct mill_region_header, used)) != 0 ||
	    (uint64_t)st.st_size != expected.size) {
		mill_fail(error, EINVAL,
		          "the packet memory to adopt has another layout: expected ABI %u, got %u",
		          MILL_ABI_VERSION, found.abi);
		return false;
	}
	if (!map(region, fd, expected.size, error))
		return false;
	if (!attach(region, error)) {
		mill_region_unmap(region);
		return false;
	}
	return true;
}

void mill_region_unmap(struct mill_region *region)
{
	munmap(region->base, region->size);
	close(region->fd);
	free(region->free_list);
	pthread_mutex_destroy(&region->lock);
	*region = (struct mill_region){.fd = -1};
}

static struct netmap_ring *place(const struct mill_region *region, uint16_t port_slot,
                                 enum mill_ring_kind kind, uint32_t index)
{
	const uint64_t n = ((uint64_t)port_slot * MILL_RING_KINDS + kind) * MILL_MAX_RINGS + index;
	return (struct netmap_ring *)(void *)(region->base + region->header->ring_offset +
	                                      n * region->header->ring_bytes);
}

uint64_t mill_region_offset(const struct mill_region *region, const void *address)
{
	return (uint64_t)((const uint8_t *)address - region->base);
}

static uint32_t place_number(const struct mill_region *region, const struct netmap_ring *ring)
{
	const uint64_t offset = mill_region_offset(region, ring) - region->header->ring_offset;
	return (uint32_t)(offset / region->header->ring_bytes);
}

static bool in_use(const struct mill_region *region, uint32_t number)
{
	return (region->header->used[number / 8] >> (number % 8) & 1) != 0;
}

/* Looking at a place that no ring has ever used would give it memory: so there is a map of them. */
static void mark(struct mill_region *region, const struct netmap_ring *ring, bool used)
{
	const uint32_t number = place_number(region, ring);
	const uint8_t bit = (uint8_t)(1u << (number % 8));
	if (used)
		region->header->used[number / 8] |= bit;
	else
		region->header->used[number / 8] &= (uint8_t)~bit;
}

/* With the system's own netmap headers these fields are const. */
static void set_u32(const uint32_t *field, uint32_t value)
{
	*(uint32_t *)(uintptr_t)field = value;
}

static void set_u16(const uint16_t *field, uint16_t value)
{
	*(uint16_t *)(uintptr_t)field = value;
}

struct netmap_ring *mill_region_alloc_ring(struct mill_region *region, uint16_t port_slot,
                                           enum mill_ring_kind kind, uint32_t index, uint32_t slots)
{
	if (port_slot >= MILL_MAX_PORTS || index >= MILL_MAX_RINGS || slots < 2 ||
	    slots > MILL_RING_MAX_SLOTS)
		return NULL;
	struct netmap_ring *ring = place(region, port_slot, kind, index);
	pthread_mutex_lock(&region->lock);
	const bool enough = region->n_free >= slots;
	if (enough) {
		set_u32(&ring->num_slots, 0);
		mark(region, ring, true);
		memset(ring, 0, sizeof(*ring));
		for (uint32_t i = 0; i < slots; i++) {
			const uint32_t buffer = region->free_list[--region->n_free];
			region->owner[buffer] = MILL_BUF_SLOT;
			ring->slot[i] = (struct netmap_slot){.buf_idx = buffer, .ptr = MILL_HEADROOM};
		}
	}
	pthread_mutex_unlock(&region->lock);
	if (!enough)
		return NULL;
	const bool fills = kind == MILL_RING_TX || kind == MILL_RING_HANDOFF || kind == MILL_RING_PEER_TX;
	*(int64_t *)(uintptr_t)&ring->buf_ofs = region->buffers - (uint8_t *)ring;
	set_u32(&ring->nr_buf_size, region->buf_size);
	set_u16(&ring->ringid, (uint16_t)index);
	set_u16(&ring->dir, fills ? 1 : 0);
	*(uint64_t *)(uintptr_t)&ring->offset_mask = region->buf_size - 1;
	ring->tail = fills ? slots - 1 : 0;
	set_u32(&ring->num_slots, slots); /* last: a ring with slots is complete */
	return ring;
}

struct netmap_ring *mill_region_find_ring(const struct mill_region *region, uint16_t port_slot,
                                          enum mill_ring_kind kind, uint32_t index)
{
	if (port_slot >= MILL_MAX_PORTS || index >= MILL_MAX_RINGS)
		return NULL;
	struct netmap_ring *ring = place(region, port_slot, kind, index);
	return in_use(region, place_number(region, ring)) && ring->num_slots != 0 ? ring : NULL;
}

static void free_locked(struct mill_region *region, uint32_t index)
{
	if (index == 0 || index >= region->n_bufs || region->owner[index] == MILL_BUF_FREE)
		return;
	region->owner[index] = MILL_BUF_FREE;
	region->free_list[region->n_free++] = index;
}

void mill_region_free_ring(struct mill_region *region, struct netmap_ring *ring)
{
	if (ring == NULL)
		return;
	/* It keeps its size: the peer of a pipe may be about to ask for the slot behind its last. */
	pthread_mutex_lock(&region->lock);
	const uint32_t slots = in_use(region, place_number(region, ring)) ? ring->num_slots : 0;
	mark(region, ring, false);
	for (uint32_t i = 0; i < slots; i++)
		free_locked(region, ring->slot[i].buf_idx);
	pthread_mutex_unlock(&region->lock);
}

uint32_t mill_region_buf_alloc(struct mill_region *region, uint8_t owner)
{
	uint32_t index = 0;
	pthread_mutex_lock(&region->lock);
	if (region->n_free > 0) {
		index = region->free_list[--region->n_free];
		region->owner[index] = owner;
	}
	pthread_mutex_unlock(&region->lock);
	return index;
}

void mill_region_buf_free(struct mill_region *region, uint32_t index)
{
	pthread_mutex_lock(&region->lock);
	free_locked(region, index);
	pthread_mutex_unlock(&region->lock);
}

uint32_t mill_region_n_free(struct mill_region *region)
{
	pthread_mutex_lock(&region->lock);
	const uint32_t n = region->n_free;
	pthread_mutex_unlock(&region->lock);
	return n;
}

uint32_t mill_region_free_kernel(struct mill_region *region, uint16_t port_slot)
{
	uint32_t n = 0;
	pthread_mutex_lock(&region->lock);
	for (uint32_t i = 1; i < region->n_bufs; i++) {
		const uint8_t owner = region->owner[i];
		if (owner != (MILL_BUF_KERNEL_FILL | port_slot) && owner != (MILL_BUF_KERNEL_TX | port_slot))
			continue;
		free_locked(region, i);
		n++;
	}
	pthread_mutex_unlock(&region->lock);
	return n;
}

/* --- adoption ------------------------------------------------------------------------------------------- */

static bool sane(const struct mill_region *region, const struct netmap_ring *ring)
{
	return ring->num_slots >= 2 && ring->num_slots <= MILL_RING_MAX_SLOTS &&
	       ring->head < ring->num_slots && ring->tail < ring->num_slots &&
	       ring->nr_buf_size == region->buf_size &&
	       ring->buf_ofs == region->buffers - (const uint8_t *)ring;
}

/* Gives each slot a buffer of its own; `seen` marks buffers that a slot has. Slots to mend get index 0. */
static void claim_slots(const struct mill_region *region, struct netmap_ring *ring, uint8_t *seen)
{
	for (uint32_t i = 0; i < ring->num_slots; i++) {
		struct netmap_slot *slot = &ring->slot[i];
		const bool kernel =
		    slot->buf_idx < region->n_bufs && region->owner[slot->buf_idx] >= MILL_BUF_KERNEL_FILL;
		if (slot->buf_idx == 0 || slot->buf_idx >= region->n_bufs || kernel || seen[slot->buf_idx]) {
			slot->buf_idx = 0;
			continue;
		}
		seen[slot->buf_idx] = 1;
		region->owner[slot->buf_idx] = MILL_BUF_SLOT;
	}
}

static void mend_slots(struct mill_region *region, struct netmap_ring *ring)
{
	for (uint32_t i = 0; i < ring->num_slots; i++) {
		if (ring->slot[i].buf_idx != 0 || region->n_free == 0)
			continue;
		const uint32_t buffer = region->free_list[--region->n_free];
		region->owner[buffer] = MILL_BUF_SLOT;
		/* A packet that lost its buffer half way through a swap: length 0 is sent by nobody. */
		ring->slot[i] = (struct netmap_slot){.buf_idx = buffer, .ptr = MILL_HEADROOM};
	}
}

static struct netmap_ring *numbered(const struct mill_region *region, uint32_t number)
{
	if (!in_use(region, number))
		return NULL;
	struct netmap_ring *ring =
	    (struct netmap_ring *)(void *)(region->base + region->header->ring_offset +
	                                   (uint64_t)number * region->header->ring_bytes);
	return ring->num_slots == 0 ? NULL : ring;
}

bool mill_region_reclaim(struct mill_region *region, struct mill_error *error)
{
	struct netmap_ring *ring;
	uint8_t *seen = calloc(region->n_bufs, 1);
	if (seen == NULL) {
		mill_fail(error, ENOMEM, "no memory to sort %u buffers", region->n_bufs);
		return false;
	}
	for (uint32_t n = 0; n < MILL_RING_PLACES; n++) {
		if ((ring = numbered(region, n)) == NULL)
			continue;
		if (sane(region, ring)) {
			claim_slots(region, ring, seen);
		} else {
			set_u32(&ring->num_slots, 0);
			mark(region, ring, false);
		}
	}
	region->n_free = 0;
	for (uint32_t i = region->n_bufs - 1; i >= 1; i--) {
		if (region->owner[i] < MILL_BUF_KERNEL_FILL && !seen[i]) {
			region->owner[i] = MILL_BUF_FREE;
			region->free_list[region->n_free++] = i;
		}
	}
	free(seen);
	for (uint32_t n = 0; n < MILL_RING_PLACES; n++)
		if ((ring = numbered(region, n)) != NULL)
			mend_slots(region, ring);
	return true;
}
