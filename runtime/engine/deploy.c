/*
 * Deploying a generation without losing a packet: prepare opens what is new beside what runs; commit swaps one pointer
 * and waits until every worker has taken it; then what is gone is closed. A ring that changes its worker is first
 * received from no more, until what came from it is out; then it is nobody's: its old worker has let go when the new
 * one begins. What arrives meanwhile waits in the ring. Whatever fails leaves the running generation as it was. Control thread only.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include "engine.h"

static void wait_taken(struct mill_engine *engine, const struct mill_plan *plan)
{
	const struct timespec pause = {.tv_nsec = 20000};
	const uint64_t start = mill_now();
	bool told = false;
	for (uint32_t w = 0; w < MILL_MAX_WORKERS; w++)
		if (engine->worker[w] != NULL)
			mill_worker_wake(engine->worker[w]);
	for (uint32_t w = 0; w < MILL_MAX_WORKERS; w++)
		while (engine->worker[w] != NULL &&
		       atomic_load_explicit(&engine->worker[w]->taken, memory_order_acquire) != plan) {
			nanosleep(&pause, NULL);
			if (!told && mill_now() - start > MILL_NS_PER_S) {
				mill_log("worker %u has not reached the end of its burst for a second", w);
				told = true;
			}
		}
}

static void publish_plan(struct mill_engine *engine, const struct mill_plan *plan)
{
	const struct mill_plan *before = atomic_exchange_explicit(&engine->plan, plan, memory_order_seq_cst);
	wait_taken(engine, plan);
	mill_plan_free(before);
}

static bool publish(struct mill_engine *engine, const struct mill_generation *generation,
                    const struct mill_ownership *ownership, struct mill_error *error)
{
	const struct mill_plan *plan = mill_plan_build(engine, generation, ownership, error);
	if (plan != NULL)
		publish_plan(engine, plan);
	return plan != NULL;
}

/* The running plan, but that only rings which somebody owns in `kept` are received from. What is on its way from
 * worker to worker goes out: each waits for its own when it takes a plan with fewer rings (worker.c, settle). */
static bool publish_receiving(struct mill_engine *engine, const struct mill_ownership *kept,
                              struct mill_error *error)
{
	struct mill_plan *plan = mill_plan_build(engine, engine->running, &engine->ownership, error);
	if (plan == NULL)
		return false;
	for (uint32_t w = 0; w < MILL_MAX_WORKERS; w++) {
		struct mill_worker_plan *part = &plan->worker[w];
		uint32_t n = 0;
		for (uint32_t i = 0; i < part->n_rings; i++)
			if (kept->owner[part->ring[i].port->config.slot][part->ring[i].ring] != MILL_NONE)
				part->ring[n++] = part->ring[i];
		part->n_rings = n;
	}
	publish_plan(engine, plan);
	return true;
}

static bool start_workers(struct mill_engine *engine, const struct mill_config *config,
                          struct mill_error *error)
{
	for (uint32_t w = 0; w < config->n_workers; w++)
		if (engine->worker[w] == NULL && !mill_worker_start(engine, w, error))
			return false;
	return true;
}

static void stop_workers(struct mill_engine *engine, uint32_t from)
{
	for (uint32_t w = from; w < MILL_MAX_WORKERS; w++)
		if (engine->worker[w] != NULL)
			mill_worker_stop(engine, w);
}

/* Closes what only a generation that did not make it needed. */
static void trim(struct mill_engine *engine)
{
	const struct mill_generation *running = engine->running;
	mill_ifaces_drop(engine, running);
	mill_ports_close(engine, running != NULL ? mill_ports_gone(running) : ~0ull);
	stop_workers(engine, running != NULL ? running->config->n_workers : 0);
}

static bool open_all(struct mill_engine *engine, const struct mill_generation *generation,
                     struct mill_error *error)
{
	uint64_t opened;
	if (mill_ports_open(engine, generation, &opened, error) && mill_taps_open(engine, generation, error))
		return true;
	trim(engine);
	return false;
}

static bool known(const struct mill_engine *engine, uint64_t number)
{
	for (uint32_t i = 0; i < MILL_RETAINED; i++)
		if (engine->retained[i] != NULL && engine->retained[i]->number == number)
			return true;
	return engine->running != NULL && engine->running->number == number;
}

bool mill_deploy_prepare(struct mill_engine *engine, int config_fd, int code_fd, struct mill_error *error)
{
	if (engine->prepared != NULL) {
		mill_generation_unload(engine->prepared);
		engine->prepared = NULL;
		trim(engine);
	}
	struct mill_generation *generation = mill_generation_load(config_fd, code_fd, error);
	if (generation == NULL)
		return false;
	if (known(engine, generation->number))
		mill_fail(error, EEXIST, "generation %llu exists already: numbers are never used again",
		          (unsigned long long)generation->number);
	else if (mill_sets_bind(engine, generation, error) && open_all(engine, generation, error)) {
		engine->prepared = generation;
		return true;
	}
	mill_generation_unload(generation);
	return false;
}

bool mill_deploy_discard(struct mill_engine *engine, uint64_t number, struct mill_error *error)
{
	if (engine->prepared == NULL || engine->prepared->number != number) {
		mill_fail(error, ENOENT, "generation %llu is not prepared", (unsigned long long)number);
		return false;
	}
	mill_generation_unload(engine->prepared);
	engine->prepared = NULL;
	trim(engine);
	return true;
}

/* What stays with its worker. True when something does not. */
static bool common_ownership(const struct mill_ownership *before, const struct mill_ownership *after,
                             uint64_t replaced, struct mill_ownership *common)
{
	bool moves = replaced != 0;
	*common = *before;
	for (uint32_t slot = 0; slot < MILL_MAX_PORTS; slot++)
		for (uint32_t ring = 0; ring < MILL_MAX_RINGS; ring++) {
			const uint16_t now = before->owner[slot][ring];
			const bool leaves = now != MILL_NONE && after->owner[slot][ring] != MILL_NONE &&
			                    after->owner[slot][ring] != now;
			if (!leaves && (replaced >> slot & 1) == 0)
				continue;
			common->owner[slot][ring] = MILL_NONE;
			moves = true;
		}
	return moves;
}

/* The running generation, but that nobody serves these ports. */
static bool let_go(struct mill_engine *engine, uint64_t slots, struct mill_error *error)
{
	struct mill_ownership kept = engine->ownership;
	for (uint16_t slot = 0; slot < MILL_MAX_PORTS; slot++)
		if ((slots >> slot & 1) != 0)
			memset(kept.owner[slot], 0xff, sizeof(kept.owner[slot]));
	return publish(engine, engine->running, &kept, error);
}

/* What a generation looks routes up in. */
static uint32_t methods_of(const struct mill_generation *generation)
{
	return generation == NULL ? 0 : 1u << generation->config->lookup;
}

static void keep_methods(struct mill_engine *engine, uint32_t methods)
{
	if (engine->fib != NULL)
		mill_fib_thread_keep(engine->fib, methods);
}

/* Back to the running generation, after a failure on the way to another. */
static void go_back(struct mill_engine *engine)
{
	struct mill_error error = {0};
	if (engine->running != NULL) {
		const uint64_t replaced = mill_ports_replaced(engine, engine->running);
		mill_ownership_of(engine, engine->running->config, &engine->ownership);
		/* A device may have changed its name since: such ports are served still. */
		if (replaced != 0 && let_go(engine, replaced, &error))
			mill_ports_reopen(engine, engine->running, replaced, &error);
		mill_ports_recover(engine, engine->running, &error);
		mill_ports_configure(engine, engine->running, &error);
		mill_ifaces_apply(engine, engine->running);
		mill_ownership_of(engine, engine->running->config, &engine->ownership);
		publish(engine, engine->running, &engine->ownership, &error);
		mill_ports_steer(engine, ~0ull);
		if (error.code != 0)
			mill_log("going back to generation %llu: %s",
			         (unsigned long long)engine->running->number, error.text);
	}
	trim(engine);
}

static bool swap(struct mill_engine *engine, const struct mill_generation *next, struct mill_error *error)
{
	struct mill_ownership after, common;
	const uint64_t replaced = mill_ports_replaced(engine, next);
	if (!start_workers(engine, next->config, error) || !mill_ports_configure(engine, next, error))
		return false;
	mill_ownership_of(engine, next->config, &after);
	if (engine->running != NULL && common_ownership(&engine->ownership, &after, replaced, &common)) {
		if (!publish(engine, engine->running, &common, error) ||
		    !mill_ports_reopen(engine, next, replaced, error) || !mill_taps_open(engine, next, error))
			return false;
		/* Back to what ran before leads another way: that is not refused. */
		if (next == engine->prepared && !mill_ports_carry(engine, next, error))
			return false;
		mill_ownership_of(engine, next->config, &after);
	}
	mill_ifaces_apply(engine, next);
	if (!publish(engine, next, &after, error))
		return false;
	mill_pulse_lock();
	engine->ownership = after;
	mill_pulse_unlock();
	return true;
}

static void retire(struct mill_engine *engine, struct mill_generation *next)
{
	struct mill_generation *list[MILL_RETAINED + 1];
	uint32_t n = 0;
	if (engine->running != NULL)
		list[n++] = engine->running;
	for (uint32_t i = 0; i < MILL_RETAINED; i++)
		if (engine->retained[i] != NULL && engine->retained[i] != next)
			list[n++] = engine->retained[i];
	for (uint32_t i = 0; i < MILL_RETAINED; i++)
		engine->retained[i] = i < n ? list[i] : NULL;
	for (uint32_t i = MILL_RETAINED; i < n; i++)
		mill_generation_unload(list[i]);
	engine->running = next;
	if (engine->prepared == next)
		engine->prepared = NULL;
}

static void pin_workers(struct mill_engine *engine)
{
	const struct mill_config *config = engine->running->config;
	engine->state->n_workers = config->n_workers;
	for (uint32_t w = 0; w < config->n_workers; w++)
		mill_worker_pin(engine->worker[w], config->worker[w].core);
}

bool mill_deploy_start(struct mill_engine *engine, struct mill_generation *next, struct mill_error *error)
{
	/* the next one's lookup structure is complete before the swap, the last one's goes after it */
	keep_methods(engine, methods_of(engine->running) | methods_of(next));
	if (!swap(engine, next, error)) {
		keep_methods(engine, methods_of(engine->running));
		return false;
	}
	keep_methods(engine, methods_of(next));
	retire(engine, next);
	__atomic_store_n(&engine->state->running, next->number, __ATOMIC_RELEASE);
	mill_pulse_beat(engine);
	pin_workers(engine);
	mill_ports_steer(engine, ~0ull);
	if (engine->prepared == NULL)
		trim(engine);
	return true;
}

static struct mill_generation *find(struct mill_engine *engine, uint64_t number)
{
	if (engine->prepared != NULL && engine->prepared->number == number)
		return engine->prepared;
	for (uint32_t i = 0; i < MILL_RETAINED; i++)
		if (engine->retained[i] != NULL && engine->retained[i]->number == number)
			return engine->retained[i];
	return NULL;
}

bool mill_deploy_commit(struct mill_engine *engine, const struct mill_commit *commit,
                        struct mill_error *error)
{
	const uint64_t running = engine->running != NULL ? engine->running->number : 0;
	struct mill_generation *next = find(engine, commit->generation);
	if (running != commit->expected_running) {
		mill_fail(error, EAGAIN, "generation %llu runs, not %llu: somebody else deployed meanwhile",
		          (unsigned long long)running, (unsigned long long)commit->expected_running);
		return false;
	}
	if (next == NULL) {
		mill_fail(error, ENOENT, "generation %llu is neither prepared nor kept for rollback",
		          (unsigned long long)commit->generation);
		return false;
	}
	/* One that was prepared and not committed gives way to a rollback. */
	if (engine->prepared != NULL && engine->prepared != next) {
		mill_generation_unload(engine->prepared);
		engine->prepared = NULL;
	}
	if (!open_all(engine, next, error))
		return false;
	if (mill_deploy_start(engine, next, error)) {
		mill_log("generation %llu runs", (unsigned long long)next->number);
		return true;
	}
	if (engine->prepared == next) {
		engine->prepared = NULL;
		go_back(engine);
		mill_generation_unload(next);
	} else {
		go_back(engine);
	}
	return false;
}

/* Nothing to do is the rule: any change of any device of the machine leads here. */
void mill_deploy_follow_devices(struct mill_engine *engine)
{
	static char last[sizeof(((struct mill_error *)0)->text)];
	struct mill_error error = {0}, why = {0};
	if (engine->running == NULL)
		return;
	const uint64_t opened = mill_ports_recover(engine, engine->running, &error);
	const uint64_t replaced = mill_ports_replaced(engine, engine->running);
	if ((opened | replaced) != 0) {
		last[0] = '\0';
		if (!swap(engine, engine->running, &why)) {
			error = why;
			go_back(engine);
		}
		mill_ports_steer(engine, opened | replaced);
		mill_notice_links(engine, opened | replaced);
	}
	if (error.code != 0 && strcmp(error.text, last) != 0) {
		mill_log("%s", error.text);
		memcpy(last, error.text, sizeof(last));
	}
}

/* The ports go back to the kernel first: what arrives from now on is its own, what came before is still forwarded. */
void mill_deploy_stop(struct mill_engine *engine)
{
	const struct timespec last_packets = {.tv_nsec = 3000000};
	struct mill_ownership none;
	struct mill_error error = {0};
	mill_pulse_stop(engine);
	nanosleep(&last_packets, NULL);
	memset(&none, 0xff, sizeof(none));
	if (engine->running != NULL)
		publish_receiving(engine, &none, &error);
	stop_workers(engine, 0);
	mill_plan_free(atomic_exchange(&engine->plan, NULL));
	mill_generation_unload(engine->prepared);
	mill_generation_unload(engine->running);
	for (uint32_t i = 0; i < MILL_RETAINED; i++)
		mill_generation_unload(engine->retained[i]);
	engine->running = engine->prepared = engine->retained[0] = engine->retained[1] = NULL;
	mill_ifaces_drop(engine, NULL);
	mill_ports_close(engine, ~0ull);
}
