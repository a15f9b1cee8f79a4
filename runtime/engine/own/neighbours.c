/*
 * own.h: the table of neighbours, hashed by interface and address, in the state memfd: the daemon reads it there, and an
 * engine that adopts goes on with it. RFC 826, RFC 4861 §7.3.
 *
 *   INCOMPLETE ──answer──► REACHABLE ──30 s──► STALE ──5 s──► PROBE ──answer──► REACHABLE
 *    │      ▲                                                  │
 *    │      └────────────────────no answer────────────────────┘
 *    └──no answer──► FAILED ──3 s──► forgotten
 *
 * A probe goes to the MAC that is known; when nobody answers there, all are asked who has the address now, so one that
 * has another MAC is found though it says nothing of its own accord. The engine does not see which neighbour a forwarded packet used, so all of them are kept alive as if they were in use, by
 * one request each in half a minute. Requests to one neighbour are a second apart. Lock held throughout.
 */
#include <string.h>
#include "own/own.h"

#define WINDOW          16u /* places that an entry may be at, from its hash on */
#define MOST_INCOMPLETE 1024u
#define REACHABLE_NS    (30 * MILL_NS_PER_S) /* RFC 4861 §10; times 0.5 to 1.5 (§6.3.4) */
#define STALE_NS        (5 * MILL_NS_PER_S)
#define FAILED_NS       (3 * MILL_NS_PER_S)

static uint32_t hash(uint16_t slot, const uint8_t address[16])
{
	uint32_t h = 2166136261u ^ slot;
	for (uint32_t i = 0; i < 16; i++)
		h = (h ^ address[i]) * 16777619u;
	return h ^ h >> 15;
}

static void widen(uint8_t into[16], uint8_t family, const uint8_t *address)
{
	memset(into, 0, 16);
	memcpy(into, address, family == 4 ? 4 : 16);
}

static struct mill_neighbour *place(const struct mill_own *own, uint32_t at)
{
	return &own->engine->state->neighbour[at % MILL_MAX_NEIGHBOURS];
}

bool mill_neighbour_usable(const struct mill_neighbour *n)
{
	return n->state == MILL_NEIGHBOUR_REACHABLE || n->state == MILL_NEIGHBOUR_STALE ||
	       n->state == MILL_NEIGHBOUR_PROBE || n->state == MILL_NEIGHBOUR_PERMANENT;
}

/* All changes of an entry go through here. */
static void put(struct mill_own *own, struct mill_neighbour *n, const struct mill_neighbour *next)
{
	const bool told = n->state != next->state || memcmp(n->mac, next->mac, 6) != 0 ||
	                  memcmp(n->address, next->address, 16) != 0;
	const uint32_t version = n->version;
	own->n_incomplete += next->state == MILL_NEIGHBOUR_INCOMPLETE;
	own->n_incomplete -= n->state == MILL_NEIGHBOUR_INCOMPLETE;
	__atomic_store_n(&n->version, version + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy((uint8_t *)n + sizeof(n->version), (const uint8_t *)next + sizeof(n->version),
	       sizeof(*n) - sizeof(n->version));
	__atomic_store_n(&n->version, version + 2, __ATOMIC_RELEASE);
	if (told)
		mill_notice_neighbours(own->engine);
}

static void enter(struct mill_own *own, struct mill_neighbour *n, enum mill_neighbour_state state,
                  const uint8_t *mac, uint64_t due)
{
	struct mill_neighbour next = *n;
	next.state = (uint8_t)state;
	next.tries = 0;
	next.due_ns = due;
	if (mac != NULL)
		memcpy(next.mac, mac, 6);
	else
		memset(next.mac, 0, 6);
	put(own, n, &next);
}

static void forget(struct mill_own *own, struct mill_neighbour *n)
{
	static const struct mill_neighbour nothing;
	put(own, n, &nothing);
}

struct mill_neighbour *mill_neighbour_find(const struct mill_own *own, uint16_t slot, uint8_t family,
                                           const uint8_t *address)
{
	uint8_t wide[16];
	widen(wide, family, address);
	const uint32_t start = hash(slot, wide);
	for (uint32_t i = 0; i < WINDOW; i++) {
		struct mill_neighbour *n = place(own, start + i);
		if (n->state != MILL_NEIGHBOUR_FREE && n->iface == slot && n->family == family &&
		    memcmp(n->address, wide, 16) == 0)
			return n;
	}
	return NULL;
}

/* How easily an entry gives way to a new one; 0: never. RFC 6583 §6.1: what answers matters more than what is asked for. */
static uint32_t dispensable(const struct mill_neighbour *n)
{
	switch (n->state) {
	case MILL_NEIGHBOUR_FREE:
		return 4;
	case MILL_NEIGHBOUR_FAILED:
		return 3;
	case MILL_NEIGHBOUR_STALE:
		return 1;
	default:
		return 0;
	}
}

static struct mill_neighbour *make(struct mill_own *own, uint16_t slot, uint8_t family,
                                   const uint8_t *address)
{
	struct mill_neighbour *best = NULL, next = {.iface = slot, .family = family};
	widen(next.address, family, address);
	const uint32_t start = hash(slot, next.address);
	for (uint32_t i = 0; i < WINDOW; i++) {
		struct mill_neighbour *n = place(own, start + i);
		if (dispensable(n) > (best != NULL ? dispensable(best) : 0))
			best = n;
	}
	if (best != NULL)
		put(own, best, &next);
	return best;
}

static uint64_t reachable_until(struct mill_own *own, uint64_t now)
{
	return now + REACHABLE_NS / 2 + mill_own_random(own) % REACHABLE_NS;
}

static void ask(struct mill_worker *worker, struct mill_neighbour *n)
{
	struct mill_neighbour next = *n;
	const uint8_t *mac = n->state == MILL_NEIGHBOUR_PROBE ? n->mac : NULL;
	if (n->family == 4)
		mill_arp_request(worker, n->iface, n->address, mac);
	else
		mill_nd_solicit(worker, n->iface, n->address, mac);
	next.tries++;
	next.asked_ns = worker->now_ns;
	next.due_ns = worker->now_ns + MILL_NS_PER_S;
	put(mill_own_of(worker), n, &next);
}

/* INCOMPLETE from now on, and to be asked, if it is not known. NULL: no room. */
static struct mill_neighbour *begin(struct mill_own *own, uint16_t slot, uint8_t family,
                                    const uint8_t *address, uint64_t now, bool *fresh)
{
	struct mill_neighbour *n = mill_neighbour_find(own, slot, family, address);
	*fresh = false;
	if (n != NULL && n->state != MILL_NEIGHBOUR_FAILED)
		return n;
	if (own->n_incomplete >= MOST_INCOMPLETE)
		return NULL;
	if (n == NULL)
		n = make(own, slot, family, address);
	if (n == NULL || (n->asked_ns != 0 && now - n->asked_ns < MILL_NS_PER_S))
		return n;
	enter(own, n, MILL_NEIGHBOUR_INCOMPLETE, NULL, now);
	*fresh = true;
	return n;
}

struct mill_neighbour *mill_neighbour_want(struct mill_worker *worker, uint16_t slot, uint8_t family,
                                           const uint8_t *address)
{
	bool fresh;
	struct mill_neighbour *n = begin(mill_own_of(worker), slot, family, address, worker->now_ns, &fresh);
	if (fresh)
		ask(worker, n);
	return n;
}

void mill_neighbour_ask_for(struct mill_own *own, uint16_t slot, uint8_t family, const uint8_t *address,
                            uint64_t now)
{
	bool fresh;
	begin(own, slot, family, address, now, &fresh);
}

void mill_neighbour_heard(struct mill_own *own, uint16_t slot, uint8_t family, const uint8_t *address,
                          const uint8_t mac[6], uint64_t now, bool create)
{
	struct mill_neighbour *n = mill_neighbour_find(own, slot, family, address);
	if (n == NULL && create)
		n = make(own, slot, family, address);
	if (n != NULL && (!mill_neighbour_usable(n) || memcmp(n->mac, mac, 6) != 0))
		mill_neighbour_set_stale(own, n, mac, now);
}

void mill_neighbour_set_stale(struct mill_own *own, struct mill_neighbour *n, const uint8_t mac[6],
                              uint64_t now)
{
	if (n->state != MILL_NEIGHBOUR_PERMANENT)
		enter(own, n, MILL_NEIGHBOUR_STALE, mac, now + STALE_NS);
}

void mill_neighbour_confirmed(struct mill_own *own, struct mill_neighbour *n, const uint8_t mac[6],
                              uint64_t now)
{
	if (n->state != MILL_NEIGHBOUR_PERMANENT)
		enter(own, n, MILL_NEIGHBOUR_REACHABLE, mac, reachable_until(own, now));
}

static void step(struct mill_worker *worker, struct mill_neighbour *n)
{
	struct mill_own *own = mill_own_of(worker);
	const uint64_t now = worker->now_ns;
	uint8_t mac[6];
	switch (n->state) {
	case MILL_NEIGHBOUR_REACHABLE:
		memcpy(mac, n->mac, 6);
		mill_neighbour_set_stale(own, n, mac, now);
		return;
	case MILL_NEIGHBOUR_STALE: {
		struct mill_neighbour next = *n;
		next.state = MILL_NEIGHBOUR_PROBE;
		put(own, n, &next);
		ask(worker, n);
		return;
	}
	case MILL_NEIGHBOUR_PROBE:
		if (n->tries >= own->tries)
			enter(own, n, MILL_NEIGHBOUR_INCOMPLETE, NULL, now);
		ask(worker, n);
		return;
	case MILL_NEIGHBOUR_INCOMPLETE:
		if (n->tries >= own->tries)
			enter(own, n, MILL_NEIGHBOUR_FAILED, NULL, now + FAILED_NS);
		else
			ask(worker, n);
		return;
	default:
		forget(own, n);
	}
}

void mill_neighbours_tick(struct mill_worker *worker)
{
	struct mill_neighbour *all = mill_own_of(worker)->engine->state->neighbour;
	for (uint32_t i = 0; i < MILL_MAX_NEIGHBOURS; i++)
		if (all[i].state != MILL_NEIGHBOUR_FREE && all[i].state != MILL_NEIGHBOUR_PERMANENT &&
		    all[i].due_ns <= worker->now_ns)
			step(worker, &all[i]);
}

void mill_neighbours_forget(struct mill_own *own, uint16_t slot, bool all)
{
	for (uint32_t i = 0; i < MILL_MAX_NEIGHBOURS; i++) {
		struct mill_neighbour *n = place(own, i);
		if (n->state != MILL_NEIGHBOUR_FREE && n->iface == slot &&
		    (all || n->state != MILL_NEIGHBOUR_PERMANENT))
			forget(own, n);
	}
}

uint32_t mill_neighbours_count(const struct mill_own *own, enum mill_neighbour_state state)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < MILL_MAX_NEIGHBOURS; i++)
		n += place(own, i)->state == state;
	return n;
}

bool mill_neighbour_change(struct mill_own *own, const struct mill_neighbour_change *change, uint64_t now)
{
	static const uint8_t none[6];
	struct mill_neighbour *n = mill_neighbour_find(own, change->iface, change->family, change->address);
	if (memcmp(change->mac, none, 6) == 0) {
		if (n != NULL)
			forget(own, n);
		return n != NULL;
	}
	if (n == NULL)
		n = make(own, change->iface, change->family, change->address);
	if (n != NULL)
		enter(own, n, MILL_NEIGHBOUR_PERMANENT, change->mac, now);
	return n != NULL;
}
