/*
 * The packet loop: one thread per worker, one burst of one ring at a time.
 *
 *   take the plan → for each owned ring: rx sync, one burst through the forwarder → empty handoff rings
 *   → tx sync of what became dirty → (every 5 ms: TX completions) → sleep if idle
 *
 * One burst a ring a turn, so a busy ring never starves a later one. A worker announces a quiescent point at the top
 * of each turn by raising its epoch (odd: running, even: asleep), with a full fence: nothing of the FIB or of the plan
 * is read before that is visible. Everything here runs on the worker's own thread, but start, stop and wake.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine.h"
#include "ring_sync.h"
#include "os/events.h"
#include "os/threads.h"

#define TAP_INTERVAL_NS   200000ull
#define ADAPTIVE_SPIN_NS  100000ull
#define DRAIN_PATIENCE_NS 2000000ull /* for whoever receives at the other end of a full ring */
#define DRAIN_TRIES       4u
#define DRAIN_HUNG_NS     MILL_NS_PER_S
#define IDLE_NS           100000000ull
#define COUNT_NS          250000000ull

void mill_worker_wake(struct mill_worker_thread *worker)
{
	const uint64_t one = 1;
	const ssize_t n = write(worker->wake, &one, sizeof(one));
	(void)n;
}

static void wake_if_asleep(struct mill_worker_thread *worker)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&worker->asleep, memory_order_relaxed) != 0 &&
	    atomic_exchange(&worker->asleep, 0) != 0)
		mill_worker_wake(worker);
}

/* --- sending -------------------------------------------------------------------------------------------- */

static void flush_way(struct mill_worker_thread *worker, uint32_t port)
{
	const struct mill_way *way = &worker->plan->way[port];
	const uint64_t bit = 1ull << port;
	if (way->ring == NULL)
		return;
	if (way->owner == NULL) {
		way->port->ops->tx_sync(way->port, way->index);
		if (__atomic_load_n(&way->port->refused, __ATOMIC_RELAXED)) {
			__atomic_store_n(&way->port->refused, false, __ATOMIC_RELAXED);
			mill_monitor_look(worker->engine, (uint16_t)port);
		}
	} else {
		mill_ring_produce(way->ring);
		wake_if_asleep(way->owner);
	}
	if (mill_ring_space(way->ring) < MILL_BURST)
		worker->tx_low |= bit;
	else
		worker->tx_low &= ~bit;
}

static void flush(struct mill_worker_thread *worker, uint64_t ports)
{
	worker->base.tx_dirty &= ~ports;
	while (ports != 0) {
		const uint32_t port = (uint32_t)__builtin_ctzll(ports);
		ports &= ports - 1;
		flush_way(worker, port);
	}
}

/* Between bursts of one turn: only rings that the next burst could fill up. */
static void flush_full(struct mill_worker_thread *worker)
{
	uint64_t ports = worker->base.tx_dirty, full = 0;
	while (ports != 0) {
		const uint32_t port = (uint32_t)__builtin_ctzll(ports);
		ports &= ports - 1;
		if (mill_ring_space(worker->base.tx[port]) < 2 * MILL_BURST)
			full |= 1ull << port;
	}
	if (full != 0)
		flush(worker, full);
}

/* What other workers send to a port of ours. What finds no room waits where it is; what no buffer of the port holds is lost. */
static bool empty_handoff(struct mill_worker_thread *worker, const struct mill_inbound *inbound)
{
	struct netmap_ring *from = inbound->ring, *to = worker->base.tx[inbound->port];
	struct mill_ring_sync *sync = mill_ring_sync(from);
	const struct mill_way *way = &worker->plan->way[inbound->port];
	uint32_t at = sync->consumed;
	const uint32_t end = mill_ring_load(from, &sync->produced);
	if (at == end || to == NULL)
		return false;
	while (at != end && mill_ring_space(to) > 0) {
		if (mill_ring_pass(to, &to->slot[to->head], from, &from->slot[at]))
			to->head = to->cur = mill_ring_next(to, to->head);
		else
			mill_tally(&way->port->state->ring[way->index].tx_full, 1);
		at = mill_ring_next(from, at);
	}
	__atomic_store_n(&sync->consumed, at, __ATOMIC_RELEASE);
	worker->base.tx_dirty |= 1ull << inbound->port;
	flush_full(worker);
	return true;
}

static bool empty_handoffs(struct mill_worker_thread *worker)
{
	bool work = false;
	for (uint32_t i = 0; i < worker->plan->n_inbound; i++)
		work |= empty_handoff(worker, &worker->plan->inbound[i]);
	return work;
}

/* --- one turn ------------------------------------------------------------------------------------------- */

/* The same for all of a burst; what they name stays until the next quiescent point. */
static void show_sets(struct mill_worker_thread *worker)
{
	const struct mill_set_array *sets = atomic_load_explicit(&worker->engine->sets, memory_order_acquire);
	worker->base.sets = sets != NULL ? sets->set : NULL;
}

static bool serve_ring(struct mill_worker_thread *worker, const struct mill_owned_ring *ring)
{
	if (ring->rx == NULL)
		return false;
	ring->port->ops->rx_sync(ring->port, ring->ring);
	if (mill_ring_space(ring->rx) == 0)
		return false;
	worker->base.now_ns = mill_now();
	worker->base.acl_enabled =
	    __atomic_load_n(&worker->engine->state->acl_enabled, __ATOMIC_RELAXED) != 0;
	show_sets(worker);
	ring->receive(&worker->base, ring->rx);
	worker->state->bursts++;
	flush_full(worker);
	return true;
}

static bool serve_taps(struct mill_worker_thread *worker)
{
	bool work = false;
	worker->last_taps_ns = worker->base.now_ns;
	for (uint32_t i = 0; i < worker->plan->n_taps; i++)
		work |= mill_host_tap_receive(worker->engine->host, &worker->base, worker->plan->tap[i]) != 0;
	return work;
}

static void tell_others(struct mill_worker_thread *worker)
{
	struct mill_engine *engine = worker->engine;
	const uint64_t one = 1;
	ssize_t n = 0;
	if (worker->punted) {
		atomic_thread_fence(memory_order_seq_cst);
		if (__atomic_load_n(&engine->queues.asleep, __ATOMIC_RELAXED) != 0)
			n = write(engine->queues.wake, &one, sizeof(one));
	}
	if (worker->logged)
		n = write(engine->events_fd, &one, sizeof(one));
	(void)n;
	worker->punted = worker->logged = false;
}

/* Completions of what was sent last, timers, and now and then what was dropped before it came here. */
static void tick(struct mill_worker_thread *worker)
{
	const uint64_t now = worker->base.now_ns;
	worker->last_tick_ns = now;
	__atomic_store_n(&worker->state->heartbeat_ns, now, __ATOMIC_RELAXED);
	mill_own_tick(&worker->base);
	const bool count = now - worker->last_count_ns >= COUNT_NS;
	if (count)
		worker->last_count_ns = now;
	for (uint32_t i = 0; i < worker->plan->n_rings; i++) {
		const struct mill_owned_ring *ring = &worker->plan->ring[i];
		if (ring->has_tx)
			ring->port->ops->tx_sync(ring->port, ring->ring);
		if (count && ring->rx != NULL && ring->port->ops->count_drops != NULL)
			ring->port->ops->count_drops(ring->port, ring->ring);
	}
}

static bool turn(struct mill_worker_thread *worker)
{
	const struct mill_worker_plan *plan = worker->plan;
	bool work = false;
	if (worker->tx_low != 0)
		flush(worker, worker->tx_low);
	for (uint32_t i = 0; i < plan->n_rings; i++)
		work |= serve_ring(worker, &plan->ring[i]);
	if (plan->n_inbound != 0)
		work |= empty_handoffs(worker);
	worker->base.now_ns = mill_now();
	if (plan->n_taps != 0 && worker->base.now_ns - worker->last_taps_ns > TAP_INTERVAL_NS)
		work |= serve_taps(worker);
	if (worker->deferred != 0)
		worker->deferred = mill_defer_tick(worker);
	flush(worker, worker->base.tx_dirty);
	if (worker->punted || worker->logged)
		tell_others(worker);
	if (worker->base.now_ns - worker->last_tick_ns >= MILL_TICK_NS)
		tick(worker);
	worker->state->loops++;
	if (work)
		worker->last_work_ns = worker->base.now_ns;
	return work;
}

/* --- taking a plan -------------------------------------------------------------------------------------- */

/* Does anything of the worker's move, so that packets on their way could be overtaken? */
static bool moves(const struct mill_worker_plan *before, const struct mill_worker_plan *after)
{
	for (uint32_t port = 0; port < MILL_MAX_PORTS; port++)
		if (before->way[port].owner != NULL && before->way[port].ring != after->way[port].ring)
			return true;
	return after->n_rings < before->n_rings;
}

/* Has everything left that was handed over by the ways of `before`, to ports that are still there? */
static bool handed_over(const struct mill_worker_thread *worker, const struct mill_worker_plan *before)
{
	for (uint32_t port = 0; port < MILL_MAX_PORTS; port++) {
		const struct mill_way *way = &before->way[port];
		if (way->owner == NULL || way->ring == NULL || worker->plan->way[port].port == NULL)
			continue;
		const struct mill_ring_sync *sync = mill_ring_sync(way->ring);
		if (mill_ring_load(way->ring, &sync->consumed) != sync->produced)
			return false;
	}
	return true;
}

/* Has everybody who empties those rings been at it often enough that only room can be missing? Attempts are counted, not
 * time: on a busy machine the other worker may not have had the processor at all. */
static bool tried_in_vain(const struct mill_worker_thread *worker, const struct mill_worker_plan *before,
                          const uint64_t *loops)
{
	for (uint32_t port = 0; port < MILL_MAX_PORTS; port++) {
		const struct mill_worker_thread *owner = before->way[port].owner;
		if (owner != NULL && worker->plan->way[port].port != NULL &&
		    __atomic_load_n(&owner->state->loops, __ATOMIC_RELAXED) - loops[owner->number] <
		        DRAIN_TRIES)
			return false;
	}
	return true;
}

/* Waits, but not for ever, until what was handed over before is out, so that nothing sent another way later overtakes
 * it. Meanwhile it empties what others handed to it: they may be waiting likewise. */
static void settle(struct mill_worker_thread *worker, const struct mill_worker_plan *before)
{
	const uint64_t start = mill_now();
	uint64_t loops[MILL_MAX_WORKERS];
	for (uint32_t w = 0; w < MILL_MAX_WORKERS; w++)
		loops[w] = __atomic_load_n(&worker->engine->state->worker[w].loops, __ATOMIC_RELAXED);
	while (!handed_over(worker, before)) {
		const uint64_t waited = mill_now() - start;
		if (waited > DRAIN_HUNG_NS ||
		    (waited > DRAIN_PATIENCE_NS && tried_in_vain(worker, before, loops)))
			return;
		if (empty_handoffs(worker))
			flush(worker, worker->base.tx_dirty);
		else
			sched_yield();
		worker->state->loops++;
	}
}

/* Descriptors that only this thread may watch. */
static void watch_rings(struct mill_worker_thread *worker)
{
	const struct mill_worker_plan *plan = worker->plan;
	worker->must_poll = plan->must_poll;
	for (uint32_t i = 0; i < plan->n_rings; i++) {
		const struct mill_owned_ring *ring = &plan->ring[i];
		if (ring->rx == NULL || ring->port->ops->watch == NULL ||
		    ring->port->ops->watch(ring->port, ring->ring, plan->watched))
			continue;
		mill_log("worker %u: port %s cannot be waited for (%s) and is looked at every millisecond",
		         worker->number, ring->port->config.name, strerror(errno));
		worker->must_poll = true;
	}
}

static void take_plan(struct mill_worker_thread *worker, const struct mill_plan *plan)
{
	static const struct mill_worker_plan nothing = {.watched = -1};
	const struct mill_worker_plan *before = worker->plan;
	const struct mill_worker_plan *part =
	    plan != NULL && plan->worker[worker->number].active ? &plan->worker[worker->number] : &nothing;
	if (before != NULL)
		flush(worker, worker->base.tx_dirty);
	worker->plan = part;
	worker->tx_low = 0;
	for (uint32_t port = 0; port < MILL_MAX_PORTS; port++) {
		worker->base.tx[port] = part->way[port].ring;
		/* A ring may have been left full, by a worker of before or by a dead engine: the first turn syncs all. */
		if (part->way[port].ring != NULL)
			worker->tx_low |= 1ull << port;
	}
	watch_rings(worker);
	if (before != NULL && moves(before, part))
		settle(worker, before);
	if (plan != NULL) {
		worker->base.bind = &plan->generation->bindings;
		worker->state->generation = plan->generation->number;
	}
	atomic_store_explicit(&worker->taken, plan, memory_order_release);
}

/* --- sleeping ------------------------------------------------------------------------------------------- */

/* Something that was handed over, and room for it. Without room the next tick tries again. */
static bool can_empty(const struct mill_worker_thread *worker, const struct mill_inbound *inbound)
{
	const struct mill_ring_sync *sync = mill_ring_sync(inbound->ring);
	const struct netmap_ring *to = worker->base.tx[inbound->port];
	return to != NULL && mill_ring_space(to) != 0 &&
	       sync->consumed != mill_ring_load(inbound->ring, &sync->produced);
}

static bool has_news(const struct mill_worker_thread *worker)
{
	if (atomic_load(&worker->quit) || atomic_load(&worker->engine->plan) != atomic_load(&worker->taken))
		return true;
	for (uint32_t i = 0; i < worker->plan->n_inbound; i++)
		if (can_empty(worker, &worker->plan->inbound[i]))
			return true;
	for (uint32_t i = 0; i < worker->plan->n_rings; i++) {
		const struct mill_owned_ring *ring = &worker->plan->ring[i];
		if (ring->rx != NULL && ring->port->ops->rx_arm != NULL &&
		    ring->port->ops->rx_arm(ring->port, ring->ring))
			return true;
	}
	return false;
}

static void take_bell(const struct mill_worker_thread *worker)
{
	uint64_t rings;
	const ssize_t got = read(worker->wake, &rings, sizeof(rings));
	(void)got;
}

static void nap(struct mill_worker_thread *worker)
{
	const struct mill_worker_plan *plan = worker->plan;
	const bool idle = worker->tx_low == 0 && worker->base.now_ns - worker->last_work_ns > IDLE_NS;
	const uint64_t longest = worker->must_poll || worker->deferred != 0 ? 1000000
	                         : idle                                     ? IDLE_NS
	                                                                    : MILL_TICK_NS;
	if (!plan->active) {
		take_bell(worker); /* rest until the control thread says otherwise */
		return;
	}
	if (poll(plan->wait, plan->n_wait, (int)(longest / 1000000)) <= 0)
		return;
	if (plan->wait[0].revents != 0)
		take_bell(worker);
	if (plan->watched >= 0) {
		struct mill_ready ready[8];
		(void)mill_wait_for(plan->watched, ready, 8, 0);
	}
	worker->last_taps_ns = 0;
}

static void set_epoch(struct mill_worker_thread *worker, uint64_t epoch)
{
	__atomic_store_n(&worker->state->epoch, epoch, __ATOMIC_SEQ_CST);
}

static void sleep_if_idle(struct mill_worker_thread *worker)
{
	const uint32_t mode = worker->plan->event_mode;
	const bool resting = !worker->plan->active;
	if (!resting &&
	    (mode == MILL_EVENTS_BUSY ||
	     (mode == MILL_EVENTS_ADAPTIVE && worker->base.now_ns - worker->last_work_ns < ADAPTIVE_SPIN_NS)))
		return;
	atomic_store(&worker->asleep, 1);
	if (!has_news(worker)) {
		set_epoch(worker, worker->state->epoch + 1);
		nap(worker);
		set_epoch(worker, worker->state->epoch + 1);
	}
	atomic_store(&worker->asleep, 0);
}

static void *run(void *argument)
{
	struct mill_worker_thread *worker = argument;
	char name[16];
	snprintf(name, sizeof(name), "dataplane-%u", worker->number);
	mill_thread_name(name);
	worker->state->tid = mill_thread_number();
	set_epoch(worker, worker->state->epoch | 1);
	take_plan(worker, atomic_load(&worker->engine->plan));
	while (!atomic_load_explicit(&worker->quit, memory_order_relaxed)) {
		set_epoch(worker, worker->state->epoch + 2);
		if (worker->engine->fib != NULL)
			worker->base.fib = mill_fib_thread_fib(worker->engine->fib);
		const struct mill_plan *plan =
		    atomic_load_explicit(&worker->engine->plan, memory_order_acquire);
		if (plan != atomic_load_explicit(&worker->taken, memory_order_relaxed))
			take_plan(worker, plan);
		if (!turn(worker))
			sleep_if_idle(worker);
	}
	flush(worker, worker->base.tx_dirty);
	set_epoch(worker, worker->state->epoch + 1);
	return NULL;
}

/* --- start and stop: control thread --------------------------------------------------------------------- */

static bool make_queues(struct mill_engine *engine, struct mill_worker_thread *worker)
{
	for (uint32_t c = 0; c < MILL_PUNT_CLASSES; c++) {
		struct mill_host_ring *ring = engine->queues.ring[worker->number][c];
		if (ring == NULL) {
			ring = aligned_alloc(64, sizeof(*ring));
			if (ring == NULL)
				return false;
			ring->head = ring->tail = 0;
			__atomic_store_n(&engine->queues.ring[worker->number][c], ring, __ATOMIC_RELEASE);
		}
		worker->punt[c] = ring;
	}
	return true;
}

static void free_worker(struct mill_worker_thread *worker)
{
	mill_defer_free(worker->defer);
	if (worker->wake >= 0)
		close(worker->wake);
	free(worker);
}

bool mill_worker_start(struct mill_engine *engine, uint32_t number, struct mill_error *error)
{
	struct mill_worker_thread *worker = aligned_alloc(64, sizeof(*worker));
	if (worker == NULL) {
		mill_fail(error, ENOMEM, "no memory for worker %u", number);
		return false;
	}
	memset(worker, 0, sizeof(*worker));
	worker->engine = engine;
	worker->number = number;
	worker->state = &engine->state->worker[number];
	worker->state->core = UINT32_MAX;
	worker->random = mill_now() << 8 | (number + 1);
	worker->wake = mill_bell_create(true);
	worker->defer = mill_defer_create();
	worker->base = (struct mill_worker){
	    .fib = engine->fib != NULL ? mill_fib_thread_fib(engine->fib) : NULL,
	    .ifaces = engine->iface,
	    .if_counters = worker->state->iface,
	    .rule_counters = worker->state->rule,
	    .policed = worker->state->policed,
	    .services = &mill_services,
	    .now_ns = mill_now(),
	    .number = number,
	};
	int code = ENOMEM;
	if (worker->wake >= 0 && worker->defer != NULL && make_queues(engine, worker))
		code = pthread_create(&worker->thread, NULL, run, worker);
	if (code != 0) {
		mill_fail(error, code, "starting worker %u: %s", number, strerror(code));
		free_worker(worker);
		return false;
	}
	mill_pulse_lock();
	engine->worker[number] = worker;
	mill_pulse_unlock();
	return true;
}

void mill_worker_pin(struct mill_worker_thread *worker, int32_t core)
{
	if (worker->state->core == (uint32_t)core)
		return;
	const int code = mill_thread_pin(worker->thread, core);
	if (code != 0)
		mill_log("worker %u cannot run on core %d: %s", worker->number, core, strerror(code));
	else
		worker->state->core = (uint32_t)core;
}

void mill_worker_stop(struct mill_engine *engine, uint32_t number)
{
	struct mill_worker_thread *worker = engine->worker[number];
	mill_pulse_lock();
	engine->worker[number] = NULL;
	mill_pulse_unlock();
	atomic_store(&worker->quit, true);
	mill_worker_wake(worker);
	pthread_join(worker->thread, NULL);
	free_worker(worker);
}
