/* What the parts of the model share; for nobody else. Bindings are descriptors, which live as long as a mapping of theirs does. */
#pragma once
#include "netmap/model.h"
#include "shm/limits.h"

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
	uint8_t bytes[MILL_BUF_SIZE_LARGE + 2];
	uint16_t length, flags;
	uint32_t buffer;
};

struct queue {
	struct frame *frame; /* MAX_FRAMES, from the first on */
	uint32_t head, tail;
};

struct kring {
	struct netmap_ring *ring;
	struct netmap_slot saved[MODEL_SLOTS];
	uint32_t hwcur, hwtail, users, last_buffer;
	uint32_t offset_max;
	struct kring *monitor; /* who sees what it carries */
	bool is_taken;         /* by exchange of slots */
	uint32_t ahead;        /* slots of a monitor's that have been filled so, and are not told yet */
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
	struct device *monitored; /* that this one monitors */
	bool gone, persistent;    /* persistent: a VALE port that was made by a request */
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

extern struct device model_devices[MAX_DEVICES];

/* A wrong access: the first one is kept. */
void model_reject(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint8_t *model_buffer(const struct memory *, uint32_t index);
struct frame *model_append(struct queue *);
struct device *model_find(const char *name);
struct memory *model_find_memory(uint16_t id);
/* A buffer that nobody has; 0: none is left. */
uint32_t model_take(struct memory *);
/* A field that is constant for processes. */
void model_set32(const uint32_t *field, uint32_t value);
/* NIOCTXSYNC or NIOCRXSYNC of a descriptor. */
int model_sync(struct binding *, bool tx);
/* Rings for a monitor of that ring; NULL, with errno. */
struct device *model_monitor(struct device *, uint32_t ring, uint64_t flags);
void model_monitor_ends(const struct device *monitor, uint32_t ring);
/* A slot is released: a monitor without copies takes it. */
void model_take_slot(struct kring *, uint32_t at);
/* Something has come for a receive ring, host rings behind those of the wire: whoever watches it hears. */
void model_wake(const struct device *, uint32_t ring);
/* A request about VALE switches. */
int model_vale(struct nmreq_header *);
void model_forget_switches(void);
/* Of descriptors and mappings nothing is known any more. */
void model_forget_bindings(void);
