/*
 * Frames whose neighbour is not resolved yet (RFC 1812 §3.3.2, RFC 4861 §7.2.2: keep a few, send them when the answer
 * comes). Per worker: a table of neighbours, hashed by interface and address, each with a short FIFO of copied frames
 * from one pool. While any wait, the worker looks each millisecond whether the FIB has the neighbour; frames
 * older than three seconds are dropped and counted on the egress interface, and their sources told (icmp.c). On an interface
 * without a face in the kernel the engine asks by itself, and sends by what it knows (own/own.h): so new neighbours are
 * found without a daemon, too. Everything runs on its worker.
 */
#include <stdlib.h>
#include <string.h>
#include "engine.h"

#define NEIGHBOURS    256u /* power of two */
#define PROBES        8u
#define FRAMES        1024u
#define PER_NEIGHBOUR 16u
#define PATIENCE_NS   (3 * MILL_NS_PER_S)
#define TICK_NS       1000000ull
#define NO_FRAME      0xffffu

struct deferred_frame {
	uint64_t since_ns;
	uint16_t next, len, l3;
	uint8_t data[MILL_BUF_SIZE_LARGE];
};

struct neighbour {
	uint16_t count; /* 0: free entry */
	uint16_t first, last;
	uint16_t iface;
	uint8_t family;
	uint8_t address[16];
	uint32_t adjacency;
	uint64_t asked_ns;
};

struct mill_defer {
	uint64_t looked_ns;
	uint32_t waiting;
	bool serving; /* telling a source may defer a frame itself */
	uint16_t free_frame;
	struct neighbour neighbour[NEIGHBOURS];
	struct deferred_frame frame[FRAMES];
};

struct mill_defer *mill_defer_create(void)
{
	struct mill_defer *defer = calloc(1, sizeof(*defer));
	if (defer == NULL)
		return NULL;
	for (uint16_t i = 0; i < FRAMES; i++)
		defer->frame[i].next = i + 1u < FRAMES ? (uint16_t)(i + 1) : NO_FRAME;
	return defer;
}

void mill_defer_free(struct mill_defer *defer)
{
	free(defer);
}

static uint32_t hash(uint16_t iface, const uint8_t address[16])
{
	uint32_t h = 2166136261u ^ iface;
	for (uint32_t i = 0; i < 16; i++)
		h = (h ^ address[i]) * 16777619u;
	return h ^ h >> 15;
}

static struct neighbour *find(struct mill_defer *defer, uint16_t iface, uint8_t family,
                              const uint8_t address[16])
{
	struct neighbour *vacant = NULL;
	const uint32_t start = hash(iface, address);
	for (uint32_t i = 0; i < PROBES; i++) {
		struct neighbour *n = &defer->neighbour[(start + i) % NEIGHBOURS];
		if (n->count == 0) {
			vacant = vacant == NULL ? n : vacant;
			continue;
		}
		if (n->iface == iface && n->family == family && memcmp(n->address, address, 16) == 0)
			return n;
	}
	if (vacant == NULL)
		return NULL;
	*vacant = (struct neighbour){.iface = iface, .family = family, .first = NO_FRAME, .last = NO_FRAME};
	memcpy(vacant->address, address, 16);
	return vacant;
}

static bool is_own(const struct mill_worker_thread *worker, const struct neighbour *n)
{
	return worker->base.ifaces[n->iface].host == MILL_HOST_NONE;
}

static void ask(struct mill_worker_thread *worker, struct neighbour *n, uint64_t now)
{
	struct mill_engine *engine = worker->engine;
	struct mill_resolve want = {.iface = n->iface, .family = n->family};
	memcpy(want.address, n->address, 16);
	if (n->asked_ns != 0 && now - n->asked_ns < MILL_NS_PER_S)
		return;
	if (mill_want_neighbour(engine, &want))
		n->asked_ns = now;
}

static bool is_it(const struct mill_adjacency *adjacency, const struct neighbour *n)
{
	return adjacency->kind == MILL_ADJ_FORWARD && adjacency->iface == n->iface &&
	       adjacency->family == n->family &&
	       memcmp(adjacency->address, n->address, n->family == 4 ? 4 : 16) == 0;
}

/* The id may mean another neighbour by now, hence is_it; a gleaned neighbour has a host route when it is known. */
static const struct mill_adjacency *resolved(const struct mill_fib *fib, const struct neighbour *n)
{
	const struct mill_adjacency *adjacency = mill_fib_adjacency(fib, n->adjacency);
	if (is_it(adjacency, n))
		return adjacency;
	uint32_t group;
	if (n->family == 4) {
		uint32_t address;
		memcpy(&address, n->address, 4);
		address = __builtin_bswap32(address);
		mill_fib_lookup4(fib, &address, &group, 1);
	} else {
		mill_fib_lookup6(fib, (const uint8_t(*)[16])n->address, &group, 1);
	}
	adjacency = mill_fib_select(fib, group, 0);
	return is_it(adjacency, n) ? adjacency : NULL;
}

/* RFC 1812 §5.2.7.1, RFC 4443 §3.1: host unreachable, address unreachable. */
static void tell_source(struct mill_worker_thread *worker, const struct deferred_frame *frame)
{
	const bool v6 = frame->data[frame->l3] >> 4 == 6;
	mill_service_icmp_error(&worker->base, MILL_NONE, v6 ? 1 : 3, v6 ? 3 : 1, 0, frame->data, frame->len,
	                        frame->l3);
}

static void release_first(struct mill_defer *defer, struct neighbour *n)
{
	const uint16_t index = n->first;
	n->first = defer->frame[index].next;
	if (n->first == NO_FRAME)
		n->last = NO_FRAME;
	defer->frame[index].next = defer->free_frame;
	defer->free_frame = index;
	n->count--;
	defer->waiting--;
}

/* Where the frames go now. NULL: nowhere yet; `hopeless`: nor will they. The engine asks for neighbours on interfaces
 * without a face in the kernel, and knows the answer before the FIB does. */
static const struct mill_adjacency *look(struct mill_worker_thread *worker, struct neighbour *n,
                                         struct mill_adjacency *own, bool *hopeless)
{
	const struct mill_adjacency *adjacency = resolved(worker->base.fib, n);
	uint8_t mac[6];
	*hopeless = false;
	if (adjacency != NULL)
		return adjacency;
	if (!is_own(worker, n)) {
		ask(worker, n, worker->base.now_ns);
		return NULL;
	}
	const enum mill_own_answer answer =
	    mill_own_resolve(&worker->base, n->iface, n->family, n->address, mac);
	*hopeless = answer == MILL_OWN_FAILED;
	if (answer != MILL_OWN_KNOWN)
		return NULL;
	mill_own_adjacency(&worker->base, n->iface, mac, own);
	return own;
}

static void serve_frames(struct mill_worker_thread *worker, struct neighbour *n)
{
	struct mill_defer *defer = worker->defer;
	const uint64_t now = worker->base.now_ns;
	struct mill_adjacency own;
	bool hopeless;
	const struct mill_adjacency *adjacency = look(worker, n, &own, &hopeless);
	while (n->count != 0) {
		const struct deferred_frame *frame = &defer->frame[n->first];
		enum mill_drop why = MILL_DROP_UNRESOLVED;
		if (adjacency != NULL) {
			if (mill_emit(&worker->base, adjacency, frame->data, frame->len, frame->l3, &why)) {
				release_first(defer, n);
				continue;
			}
			if (why == MILL_DROP_TX_FULL)
				return;
		} else if (!hopeless && now - frame->since_ns < PATIENCE_NS) {
			return;
		}
		if (why == MILL_DROP_UNRESOLVED)
			tell_source(worker, frame);
		worker->base.if_counters[n->iface].drop[why]++;
		release_first(defer, n);
	}
}

static void serve(struct mill_worker_thread *worker, struct neighbour *n)
{
	worker->defer->serving = true;
	serve_frames(worker, n);
	worker->defer->serving = false;
}

bool mill_service_defer(struct mill_worker *base, uint32_t id, const uint8_t *nexthop, const uint8_t *frame,
                        uint16_t len, uint16_t l3)
{
	struct mill_worker_thread *worker = (struct mill_worker_thread *)base;
	struct mill_defer *defer = worker->defer;
	const struct mill_adjacency *adjacency = mill_fib_adjacency(base->fib, id);
	uint8_t family = adjacency->family, address[16] = {0};
	if (adjacency->kind == MILL_ADJ_GLEAN && nexthop != NULL) {
		family = (frame[l3] >> 4) == 6 ? 6 : 4;
		memcpy(address, nexthop, family == 4 ? 4 : 16);
	} else {
		memcpy(address, adjacency->address, family == 4 ? 4 : 16);
	}
	if (adjacency->iface >= MILL_MAX_IFACES || (family != 4 && family != 6) ||
	    len > MILL_BUF_SIZE_LARGE || l3 > len || l3 < 14 || defer->free_frame == NO_FRAME)
		return false;
	struct neighbour *n = find(defer, adjacency->iface, family, address);
	if (n == NULL || n->count >= PER_NEIGHBOUR)
		return false;
	const uint16_t index = defer->free_frame;
	struct deferred_frame *slot = &defer->frame[index];
	defer->free_frame = slot->next;
	*slot = (struct deferred_frame){.since_ns = base->now_ns, .next = NO_FRAME, .len = len, .l3 = l3};
	memcpy(slot->data, frame, len);
	if (n->last == NO_FRAME)
		n->first = index;
	else
		defer->frame[n->last].next = index;
	n->last = index;
	n->count++;
	n->adjacency = id;
	defer->waiting++;
	worker->deferred = defer->waiting;
	if (is_own(worker, n) && !defer->serving)
		serve(worker, n);
	else
		ask(worker, n, base->now_ns);
	return true;
}

uint32_t mill_defer_tick(struct mill_worker_thread *worker)
{
	struct mill_defer *defer = worker->defer;
	if (worker->base.now_ns - defer->looked_ns < TICK_NS)
		return defer->waiting;
	defer->looked_ns = worker->base.now_ns;
	for (uint32_t i = 0; i < NEIGHBOURS; i++)
		if (defer->neighbour[i].count != 0)
			serve(worker, &defer->neighbour[i]);
	return defer->waiting;
}
