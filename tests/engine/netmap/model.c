/* Memories, devices, and what a test does to them. See model.h. Sources of what the model does: netmap(4), and what the kernel's
 * netmap was seen to do. One thread. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "netmap/model_inside.h"

struct model_options model_options;
struct device model_devices[MAX_DEVICES];
static struct memory memories[MAX_MEMORIES];
static char violation[256];

void model_reject(const char *format, ...)
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

uint8_t *model_buffer(const struct memory *memory, uint32_t index)
{
	return memory->base + BUFFERS_AT + (size_t)index * model_options.buffer_size;
}

struct frame *model_append(struct queue *queue)
{
	if (queue->frame == NULL && (queue->frame = calloc(MAX_FRAMES, sizeof(*queue->frame))) == NULL)
		abort();
	return &queue->frame[queue->tail++ % MAX_FRAMES];
}

struct device *model_find(const char *name)
{
	for (uint32_t i = 0; i < MAX_DEVICES; i++)
		if (model_devices[i].memory != NULL && !model_devices[i].gone &&
		    strcmp(model_devices[i].name, name) == 0)
			return &model_devices[i];
	return NULL;
}

struct memory *model_find_memory(uint16_t id)
{
	for (uint32_t i = 0; i < MAX_MEMORIES; i++)
		if (memories[i].id == id)
			return &memories[i];
	return NULL;
}

static struct memory *make_memory(uint16_t id)
{
	struct memory *memory = model_find_memory(0);
	memory->id = id;
	memory->size = BUFFERS_AT + (size_t)MODEL_BUFS * model_options.buffer_size;
	memory->fd = memfd_create("model", MFD_CLOEXEC);
	if (ftruncate(memory->fd, (off_t)memory->size) != 0)
		abort();
	memory->base = mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
	return memory;
}

uint32_t model_take(struct memory *memory)
{
	for (uint32_t i = 2; i < MODEL_BUFS; i++)
		if (!memory->taken[i]) {
			memory->taken[i] = 1;
			return i;
		}
	return 0;
}

void model_set32(const uint32_t *field, uint32_t value)
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
	model_set32(&ring->num_slots, MODEL_SLOTS);
	model_set32(&ring->nr_buf_size, model_options.buffer_size);
	*(uint16_t *)(uintptr_t)&ring->ringid = (uint16_t)index;
	*(uint16_t *)(uintptr_t)&ring->dir = tx; /* 1 is TX, whatever comments say */
	kring->hwtail = ring->tail = tx ? MODEL_SLOTS - 1 : 0;
	for (uint32_t i = 0; i < MODEL_SLOTS; i++)
		ring->slot[i].buf_idx = model_take(memory);
	memcpy(kring->saved, ring->slot, sizeof(kring->saved));
}

void model_device(const char *name, uint16_t memory, uint16_t tx_rings, uint16_t rx_rings,
                  uint16_t host_rings)
{
	struct device *device = model_devices;
	while (device->memory != NULL)
		device++;
	memset(device, 0, sizeof(*device));
	snprintf(device->name, sizeof(device->name), "%s", name);
	device->memory = model_find_memory(memory);
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
	for (uint32_t d = 0; d < MAX_DEVICES; d++)
		for (uint32_t i = 0; i < 2 * MAX_RINGS; i++)
			free(model_devices[d].kring[i / MAX_RINGS][i % MAX_RINGS].queue.frame);
	memset(model_devices, 0, sizeof(model_devices));
	model_forget_bindings();
	model_forget_switches();
	violation[0] = '\0';
	model_options = (struct model_options){.api = 14, .extra_most = 64, .buffer_size = 2048};
}

void model_remove(const char *name)
{
	model_find(name)->gone = true;
}

uint32_t model_users(const char *name)
{
	return model_find(name)->users;
}

static struct kring *kring_of(const char *name, enum model_side side, bool tx, uint16_t ring)
{
	struct device *device = model_find(name);
	return &device->kring[tx][ring + (side == MODEL_HOST ? device->n[tx] : 0)];
}

bool model_has_ring(const char *name, enum model_side side, bool tx, uint16_t ring)
{
	return kring_of(name, side, tx, ring)->users != 0;
}

uint32_t model_last_buffer(const char *name, enum model_side side, uint16_t ring)
{
	return kring_of(name, side, false, ring)->last_buffer;
}

void model_receive(const char *name, enum model_side side, uint16_t ring, const void *bytes, uint16_t length,
                   uint16_t flags)
{
	struct queue *queue = &kring_of(name, side, false, ring)->queue;
	struct frame *frame = model_append(queue);
	memcpy(frame->bytes, bytes, length < sizeof(frame->bytes) ? length : sizeof(frame->bytes));
	frame->length = length;
	frame->flags = flags;
	const struct device *device = model_find(name);
	model_wake(device, ring + (side == MODEL_HOST ? (uint32_t)device->n[0] : 0));
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
