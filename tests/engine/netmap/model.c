/* See model.h. Sources of what it does: netmap(4), and what the kernel's netmap was seen to do. One thread. */
#include "model.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_RINGS    40u
#define MAX_DEVICES  12u
#define MAX_MEMORIES 4u
#define MAX_FDS      64u
#define MAX_FRAMES   512u
#define RING_BYTES   4096u
#define IF_BYTES     1024u
#define RINGS_AT     (IF_BYTES * 64u)
#define BUFFERS_AT   (RINGS_AT + RING_BYTES * 128u)

_Static_assert(sizeof(struct netmap_ring) + MODEL_SLOTS * sizeof(struct netmap_slot) <= RING_BYTES, "ring");

struct frame {
	uint8_t bytes[2048];
	uint16_t length, flags;
	uint32_t buffer;
};

struct queue {
	struct frame frame[MAX_FRAMES];
	uint32_t head, tail;
};

struct kring {
	struct netmap_ring *ring;
	struct netmap_slot saved[MODEL_SLOTS];
	uint32_t hwcur, hwtail, users, last_buffer;
	bool tx, exclusive;
	struct queue queue; /* RX: to arrive; TX: sent */
};

struct memory {
	uint16_t id;
	int fd;
	uint8_t *base;
	size_t size;
	uint8_t taken[MODEL_BUFS];
	uint32_t n_rings, n_ifs;
};

struct device {
	char name[64];
	struct memory *memory;
	uint16_t n[2], host; /* by tx */
	struct kring kring[2][MAX_RINGS];
	uint32_t users;
	bool gone;
};

struct binding {
	int fd;
	bool open, closed; /* closed: but mapped still */
	uint32_t maps, syncs;
	struct device *device;
	struct memory *memory;
	uint32_t first[2], last[2];
	struct netmap_if *nifp;
	bool exclusive;
};

struct map {
	void *base;
	struct binding *by;
};

struct model_options model_options;
static struct device devices[MAX_DEVICES];
static struct memory memories[MAX_MEMORIES];
static struct binding bindings[MAX_FDS];
static struct map maps[MAX_FDS];
static char violation[256];

static void reject(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void reject(const char *format, ...)
{
	va_list arguments;
	if (violation[0] != '\0')
		return;
	va_start(arguments, format);
	vsnprintf(violation, sizeof(violation), format, arguments);
	va_end(arguments);
}

const char *model_violation(void)
{
	static char told[sizeof(violation)];
	memcpy(told, violation, sizeof(told));
	violation[0] = '\0';
	return told;
}

static uint32_t next(uint32_t i)
{
	return i + 1 == MODEL_SLOTS ? 0 : i + 1;
}

static uint32_t previous(uint32_t i)
{
	return i == 0 ? MODEL_SLOTS - 1 : i - 1;
}

static uint32_t span(uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + MODEL_SLOTS - from;
}

static uint8_t *buffer(const struct memory *memory, uint32_t index)
{
	return memory->base + BUFFERS_AT + (size_t)index * model_options.buffer_size;
}

/* --- devices --------------------------------------------------------------------------------------------- */

static struct device *find(const char *name)
{
	for (uint32_t i = 0; i < MAX_DEVICES; i++)
		if (devices[i].memory != NULL && !devices[i].gone && strcmp(devices[i].name, name) == 0)
			return &devices[i];
	return NULL;
}

static struct memory *find_memory(uint16_t id)
{
	for (uint32_t i = 0; i < MAX_MEMORIES; i++)
		if (memories[i].id == id)
			return &memories[i];
	return NULL;
}

static struct memory *make_memory(uint16_t id)
{
	struct memory *memory = find_memory(0);
	memory->id = id;
	memory->size = BUFFERS_AT + (size_t)MODEL_BUFS * model_options.buffer_size;
	memory->fd = memfd_create("model", MFD_CLOEXEC);
	if (ftruncate(memory->fd, (off_t)memory->size) != 0)
		abort();
	memory->base = mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
	return memory;
}

static uint32_t take(struct memory *memory)
{
	for (uint32_t i = 2; i < MODEL_BUFS; i++)
		if (!memory->taken[i]) {
			memory->taken[i] = 1;
			return i;
		}
	return 0;
}

static void set32(const uint32_t *field, uint32_t value)
{
	*(uint32_t *)(uintptr_t)field = value;
}

static void make_ring(struct memory *memory, struct kring *kring, bool tx, uint32_t index)
{
	struct netmap_ring *ring =
	    (struct netmap_ring *)(void *)(memory->base + RINGS_AT + RING_BYTES * memory->n_rings++);
	kring->ring = ring;
	kring->tx = tx;
	*(int64_t *)(uintptr_t)&ring->buf_ofs = memory->base + BUFFERS_AT - (uint8_t *)ring;
	set32(&ring->num_slots, MODEL_SLOTS);
	set32(&ring->nr_buf_size, model_options.buffer_size);
	*(uint16_t *)(uintptr_t)&ring->ringid = (uint16_t)index;
	*(uint16_t *)(uintptr_t)&ring->dir = tx; /* 1 is TX, whatever comments say */
	kring->hwtail = ring->tail = tx ? MODEL_SLOTS - 1 : 0;
	for (uint32_t i = 0; i < MODEL_SLOTS; i++)
		ring->slot[i].buf_idx = take(memory);
	memcpy(kring->saved, ring->slot, sizeof(kring->saved));
}

void model_device(const char *name, uint16_t memory, uint16_t tx_rings, uint16_t rx_rings,
                  uint16_t host_rings)
{
	struct device *device = devices;
	while (device->memory != NULL)
		device++;
	memset(device, 0, sizeof(*device));
	snprintf(device->name, sizeof(device->name), "%s", name);
	device->memory = find_memory(memory);
	if (device->memory == NULL)
		device->memory = make_memory(memory);
	device->n[1] = tx_rings;
	device->n[0] = rx_rings;
	device->host = host_rings;
	for (uint32_t tx = 0; tx < 2; tx++)
		for (uint32_t i = 0; i < (uint32_t)device->n[tx] + host_rings; i++)
			make_ring(device->memory, &device->kring[tx][i], tx != 0, i);
}

void model_reset(void)
{
	for (uint32_t i = 0; i < MAX_MEMORIES; i++)
		if (memories[i].id != 0) {
			munmap(memories[i].base, memories[i].size);
			close(memories[i].fd);
		}
	memset(memories, 0, sizeof(memories));
	memset(devices, 0, sizeof(devices));
	memset(bindings, 0, sizeof(bindings));
	memset(maps, 0, sizeof(maps));
	violation[0] = '\0';
	model_options = (struct model_options){.api = 14, .extra_most = 64, .buffer_size = 2048};
}

void model_remove(const char *name)
{
	find(name)->gone = true;
}

uint32_t model_users(const char *name)
{
	return find(name)->users;
}

static struct kring *kring_of(const char *name, enum model_side side, bool tx, uint16_t ring)
{
	struct device *device = find(name);
	return &device->kring[tx][ring + (side == MODEL_HOST ? device->n[tx] : 0)];
}

struct netmap_ring *model_ring(const char *name, enum model_side side, bool tx, uint16_t ring)
{
	return kring_of(name, side, tx, ring)->ring;
}

uint32_t model_last_buffer(const char *name, enum model_side side, uint16_t ring)
{
	return kring_of(name, side, false, ring)->last_buffer;
}

void model_receive(const char *name, enum model_side side, uint16_t ring, const void *bytes, uint16_t length,
                   uint16_t flags)
{
	struct queue *queue = &kring_of(name, side, false, ring)->queue;
	struct frame *frame = &queue->frame[queue->tail++ % MAX_FRAMES];
	memcpy(frame->bytes, bytes, length < sizeof(frame->bytes) ? length : sizeof(frame->bytes));
	frame->length = length;
	frame->flags = flags;
}

bool model_sent(const char *name, enum model_side side, uint16_t ring, void *bytes, uint16_t *length,
                uint32_t *index)
{
	struct queue *queue = &kring_of(name, side, true, ring)->queue;
	if (queue->head == queue->tail)
		return false;
	const struct frame *frame = &queue->frame[queue->head++ % MAX_FRAMES];
	memcpy(bytes, frame->bytes, frame->length);
	*length = frame->length;
	*index = frame->buffer;
	return true;
}

/* --- syncs ----------------------------------------------------------------------------------------------- */

/* A buffer is in one slot, of any ring of its memory. */
static void check_twice(const struct memory *memory)
{
	static uint8_t seen[MODEL_BUFS];
	memset(seen, 0, sizeof(seen));
	for (uint32_t d = 0; d < MAX_DEVICES; d++)
		for (uint32_t tx = 0; tx < 2 && devices[d].memory == memory; tx++)
			for (uint32_t i = 0; i < (uint32_t)devices[d].n[tx] + devices[d].host; i++)
				for (uint32_t s = 0; s < MODEL_SLOTS; s++) {
					const uint32_t index = devices[d].kring[tx][i].ring->slot[s].buf_idx;
					if (index < MODEL_BUFS && seen[index]++ != 0)
						reject("buffer %u is in two slots", index);
				}
}

static void check_handed(const struct memory *memory, const struct kring *kring, uint32_t at)
{
	const struct netmap_slot *slot = &kring->ring->slot[at];
	if (slot->buf_idx < 2 || slot->buf_idx >= MODEL_BUFS)
		reject("slot %u names buffer %u, which is taken for buffer 0", at, slot->buf_idx);
	else if (!memory->taken[slot->buf_idx])
		reject("slot %u names buffer %u of somebody else", at, slot->buf_idx);
	if (slot->buf_idx != kring->saved[at].buf_idx && (slot->flags & NS_BUF_CHANGED) == 0)
		reject("slot %u has another buffer without NS_BUF_CHANGED", at);
	if (kring->tx && slot->len > model_options.buffer_size)
		reject("slot %u is longer than its buffer", at);
	if (kring->tx && (slot->flags & ~NS_BUF_CHANGED) != 0)
		reject("slot %u is sent with flags %x", at, slot->flags);
}

/* What is between the last sync's head and tail is the process's; true: the ring is to be believed. */
static bool check_ring(const struct memory *memory, const struct kring *kring)
{
	const struct netmap_ring *ring = kring->ring;
	const uint32_t mine = span(kring->hwcur, kring->hwtail);
	for (uint32_t i = mine, at = kring->hwtail; i < MODEL_SLOTS; i++, at = next(at))
		if (memcmp(&ring->slot[at], &kring->saved[at], sizeof(ring->slot[at])) != 0)
			reject("slot %u of the kernel's was changed", at);
	if (ring->tail != kring->hwtail)
		reject("tail is the kernel's, and was changed");
	if (ring->head >= MODEL_SLOTS || ring->cur >= MODEL_SLOTS || span(kring->hwcur, ring->head) > mine ||
	    span(kring->hwcur, ring->cur) > mine ||
	    span(kring->hwcur, ring->cur) < span(kring->hwcur, ring->head))
		return false;
	for (uint32_t at = kring->hwcur; at != ring->head; at = next(at))
		check_handed(memory, kring, at);
	check_twice(memory);
	return true;
}

static void transmit(const struct memory *memory, struct kring *kring)
{
	for (uint32_t at = kring->hwcur; at != kring->ring->head; at = next(at)) {
		struct netmap_slot *slot = &kring->ring->slot[at];
		struct frame *frame = &kring->queue.frame[kring->queue.tail++ % MAX_FRAMES];
		memcpy(frame->bytes, buffer(memory, slot->buf_idx < MODEL_BUFS ? slot->buf_idx : 0),
		       slot->len);
		frame->length = slot->len;
		frame->buffer = slot->buf_idx;
		slot->flags &= (uint16_t)~NS_BUF_CHANGED;
	}
	kring->hwcur = kring->ring->head;
	kring->hwtail = previous(kring->hwcur);
}

static void receive(const struct memory *memory, struct kring *kring)
{
	for (uint32_t at = kring->hwcur; at != kring->ring->head; at = next(at))
		kring->ring->slot[at].flags = 0;
	kring->hwcur = kring->ring->head;
	while (kring->queue.head != kring->queue.tail && kring->hwtail != previous(kring->hwcur)) {
		const struct frame *frame = &kring->queue.frame[kring->queue.head++ % MAX_FRAMES];
		struct netmap_slot *slot = &kring->ring->slot[kring->hwtail];
		memcpy(buffer(memory, slot->buf_idx), frame->bytes,
		       frame->length < sizeof(frame->bytes) ? frame->length : sizeof(frame->bytes));
		slot->len = frame->length;
		slot->flags = frame->flags;
		kring->last_buffer = slot->buf_idx;
		kring->hwtail = next(kring->hwtail);
	}
}

static void sync_ring(const struct memory *memory, struct kring *kring)
{
	struct netmap_ring *ring = kring->ring;
	if (!check_ring(memory, kring)) {
		ring->head = ring->cur = kring->hwcur;
		ring->tail = kring->hwtail;
		return;
	}
	if (kring->tx)
		transmit(memory, kring);
	else
		receive(memory, kring);
	ring->tail = kring->hwtail;
	memcpy(kring->saved, ring->slot, sizeof(kring->saved));
}

/* Rings that nobody has opened are nobody's to touch. */
static void check_unbound(const struct device *device)
{
	for (uint32_t tx = 0; tx < 2; tx++)
		for (uint32_t i = 0; i < (uint32_t)device->n[tx] + device->host; i++) {
			const struct kring *kring = &device->kring[tx][i];
			if (kring->users == 0 &&
			    (memcmp(kring->saved, kring->ring->slot, sizeof(kring->saved)) != 0 ||
			     kring->ring->head != kring->hwcur || kring->ring->tail != kring->hwtail))
				reject("%s ring %u of %s was touched and is not open", tx ? "TX" : "RX", i,
				       device->name);
		}
}

static int sync_bound(struct binding *binding, bool tx)
{
	if (binding->device == NULL || binding->device->gone) {
		errno = ENXIO;
		return -1;
	}
	if (binding->syncs++ < model_options.stopped) {
		errno = EIO;
		return -1;
	}
	for (uint32_t i = binding->first[tx]; i < binding->last[tx]; i++)
		sync_ring(binding->memory, &binding->device->kring[tx][i]);
	check_unbound(binding->device);
	return 0;
}

/* --- requests -------------------------------------------------------------------------------------------- */

static struct binding *bound(int fd)
{
	for (uint32_t i = 0; i < MAX_FDS; i++)
		if (bindings[i].open && !bindings[i].closed && bindings[i].fd == fd)
			return &bindings[i];
	return NULL;
}

/* Which rings: ring 0 stands in where the device has not so many in one direction. */
static bool choose(struct binding *binding, const struct device *device, uint32_t mode, uint32_t ring,
                   uint64_t flags)
{
	static const uint64_t excludes[2] = {NR_TX_RINGS_ONLY, NR_RX_RINGS_ONLY};
	for (uint32_t tx = 0; tx < 2; tx++) {
		const uint32_t n = device->n[tx], one = ring < n ? ring : 0;
		binding->first[tx] = mode == NR_REG_SW ? n : mode == NR_REG_ONE_NIC ? one : 0;
		binding->last[tx] = mode == NR_REG_SW        ? n + device->host
		                    : mode == NR_REG_ONE_NIC ? one + 1
		                                             : n;
		if ((flags & excludes[tx]) != 0)
			binding->first[tx] = binding->last[tx] = 0;
	}
	return (mode != NR_REG_ONE_NIC || ring < device->n[0] || ring < device->n[1]) &&
	       (mode != NR_REG_SW || device->host != 0);
}

static bool is_free(const struct binding *binding, struct device *device)
{
	for (uint32_t tx = 0; tx < 2; tx++)
		for (uint32_t i = binding->first[tx]; i < binding->last[tx]; i++)
			if (device->kring[tx][i].exclusive ||
			    (binding->exclusive && device->kring[tx][i].users != 0))
				return false;
	return true;
}

static void count(struct binding *binding, int by)
{
	struct device *device = binding->device;
	for (uint32_t tx = 0; tx < 2; tx++)
		for (uint32_t i = binding->first[tx]; i < binding->last[tx]; i++) {
			struct kring *kring = &device->kring[tx][i];
			kring->users += (uint32_t)by;
			kring->exclusive = by > 0 ? binding->exclusive : false;
		}
	device->users += (uint32_t)by;
}

static uint32_t grant(struct memory *memory, struct netmap_if *nifp, uint32_t wanted)
{
	uint32_t granted = 0, head = 0;
	for (; granted < wanted && granted < model_options.extra_most; granted++) {
		const uint32_t index = take(memory);
		memcpy(buffer(memory, index), &head, sizeof(head));
		head = index;
	}
	set32(&nifp->ni_bufs_head, head);
	return granted;
}

/* Offsets of rings that the descriptor is not bound to lead nowhere. */
static void describe(struct binding *binding)
{
	struct memory *memory = binding->memory;
	const struct device *device = binding->device;
	struct netmap_if *nifp = (struct netmap_if *)(void *)(memory->base + IF_BYTES * memory->n_ifs++);
	uint32_t at = 0;
	memset(nifp, 0, IF_BYTES);
	binding->nifp = nifp;
	set32(&nifp->ni_tx_rings, device->n[1]);
	set32(&nifp->ni_rx_rings, device->n[0]);
	set32(&nifp->ni_host_tx_rings, device->host);
	set32(&nifp->ni_host_rx_rings, device->host);
	for (uint32_t tx = 2; tx-- > 0;)
		for (uint32_t i = 0; i < (uint32_t)device->n[tx] + device->host; i++, at++)
			if (i >= binding->first[tx] && i < binding->last[tx])
				((int64_t *)(uintptr_t)nifp->ring_ofs)[at] =
				    (uint8_t *)device->kring[tx][i].ring - (uint8_t *)nifp;
}

struct wish {
	const char *name;
	uint32_t mode, ring, extra, memory_id;
	uint64_t flags, offset, size;
};

static int bind_null(struct binding *binding, struct wish *wish)
{
	binding->memory = find_memory((uint16_t)wish->memory_id);
	if (binding->memory == NULL || wish->memory_id == 0 || model_options.no_null) {
		binding->memory = NULL;
		errno = EINVAL;
		return -1;
	}
	wish->size = binding->memory->size;
	return 0;
}

static int bind_rings(struct binding *binding, struct wish *wish)
{
	struct device *device = find(wish->name);
	if (wish->mode == NR_REG_NULL)
		return bind_null(binding, wish);
	binding->exclusive = (wish->flags & NR_EXCLUSIVE) != 0;
	errno = device == NULL                                                  ? ENXIO
	        : binding->memory != NULL                                       ? EBUSY
	        : !choose(binding, device, wish->mode, wish->ring, wish->flags) ? EINVAL
	        : !is_free(binding, device)                                     ? EBUSY
	                                                                        : 0;
	if (errno != 0)
		return -1;
	binding->device = device;
	binding->memory = device->memory;
	count(binding, 1);
	describe(binding);
	wish->extra = wish->extra != 0 ? grant(device->memory, binding->nifp, wish->extra) : 0;
	wish->offset = (uint64_t)((uint8_t *)binding->nifp - device->memory->base);
	wish->size = device->memory->size;
	wish->memory_id = device->memory->id;
	return 0;
}

static int current(struct binding *binding, struct nmreq_header *header)
{
	if (model_options.api == 0 || header->nr_version != model_options.api) {
		errno = EINVAL;
		return -1;
	}
	const struct device *device = find(header->nr_name);
	if (header->nr_reqtype == NETMAP_REQ_PORT_INFO_GET) {
		struct nmreq_port_info_get *info = (void *)(uintptr_t)header->nr_body;
		if (device == NULL) {
			errno = ENXIO;
			return header->nr_name[0] == '\0' ? 0 : -1;
		}
		info->nr_tx_rings = device->n[1];
		info->nr_rx_rings = device->n[0];
		info->nr_host_tx_rings = info->nr_host_rx_rings = device->host;
		return 0;
	}
	struct nmreq_register *request = (void *)(uintptr_t)header->nr_body;
	struct wish wish = {.name = header->nr_name,
	                    .mode = request->nr_mode,
	                    .ring = request->nr_ringid,
	                    .extra = request->nr_extra_bufs,
	                    .memory_id = request->nr_mem_id,
	                    .flags = request->nr_flags};
	if (wish.mode != NR_REG_NULL && (wish.flags & NR_NO_TX_POLL) == 0)
		reject("%s is opened without NR_NO_TX_POLL", wish.name);
	if (bind_rings(binding, &wish) != 0)
		return -1;
	request->nr_offset = wish.offset;
	request->nr_memsize = wish.size;
	request->nr_mem_id = (uint16_t)wish.memory_id;
	request->nr_extra_bufs = wish.extra;
	return 0;
}

static int legacy(struct binding *binding, unsigned long what, struct nmreq *request)
{
	const struct device *device = find(request->nr_name);
	if (request->nr_version != 14 || device == NULL) {
		errno = device == NULL ? ENXIO : EINVAL;
		return -1;
	}
	if (what == NIOCGINFO) {
		request->nr_tx_rings = device->n[1];
		request->nr_rx_rings = device->n[0];
		return 0;
	}
	if ((request->nr_ringid & NETMAP_NO_TX_POLL) == 0)
		reject("%s is opened without NETMAP_NO_TX_POLL", request->nr_name);
	struct wish wish = {.name = request->nr_name,
	                    .mode = request->nr_flags & 15,
	                    .ring = request->nr_ringid & 0xfff,
	                    .extra = request->nr_arg3,
	                    .flags = request->nr_flags & ~15u};
	if (bind_rings(binding, &wish) != 0)
		return -1;
	request->nr_offset = (uint32_t)wish.offset;
	request->nr_memsize = (uint32_t)wish.size;
	request->nr_arg2 = (uint16_t)wish.memory_id;
	request->nr_arg3 = wish.extra;
	return 0;
}

static int model_request(int fd, unsigned long what, void *argument)
{
	struct binding *binding = bound(fd);
	if (binding == NULL) {
		errno = EBADF;
		return -1;
	}
	if (what == NIOCTXSYNC || what == NIOCRXSYNC)
		return sync_bound(binding, what == NIOCTXSYNC);
	return what == NIOCCTRL ? current(binding, argument) : legacy(binding, what, argument);
}

/* --- descriptors and mappings ------------------------------------------------------------------------------ */

static int model_open(void)
{
	for (uint32_t i = 0; i < MAX_FDS; i++)
		if (!bindings[i].open) {
			bindings[i] =
			    (struct binding){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .open = true};
			return bindings[i].fd;
		}
	errno = EMFILE;
	return -1;
}

/* As with any file: the last of descriptor and mappings ends it, and frees what the slots name. */
static void end(struct binding *binding)
{
	if (binding->device != NULL)
		count(binding, -1);
	binding->open = false;
}

static void model_close(int fd)
{
	struct binding *binding = bound(fd);
	close(fd);
	if (binding == NULL)
		return;
	binding->closed = true;
	if (binding->maps == 0)
		end(binding);
}

static void *model_map(int fd, size_t size)
{
	struct binding *binding = bound(fd);
	struct map *map = maps;
	while (map->base != NULL)
		map++;
	if (binding == NULL || binding->memory == NULL || size != binding->memory->size) {
		errno = EINVAL;
		return NULL;
	}
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, binding->memory->fd, 0);
	*map = (struct map){.base = base, .by = binding};
	binding->maps++;
	return base;
}

static void model_unmap(void *base, size_t size)
{
	for (uint32_t i = 0; i < MAX_FDS; i++)
		if (maps[i].base == base) {
			struct binding *by = maps[i].by;
			maps[i].base = NULL;
			if (--by->maps == 0 && by->closed)
				end(by);
		}
	munmap(base, size);
}

static int model_watch(int epoll_fd, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};
	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

const struct mill_netmap_sys model_sys = {.open = model_open,
                                          .request = model_request,
                                          .map = model_map,
                                          .unmap = model_unmap,
                                          .close = model_close,
                                          .watch = model_watch};
