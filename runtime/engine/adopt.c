/*
 * Going on where a dead engine stopped: the daemon sends the descriptors that it held (MILL_MSG_ADOPT), then
 * ADOPT_DONE. State, rings and buffers are mapped as they are; the free list is rebuilt from them; ports go on with
 * their sockets, so no link flaps; the running generation is loaded from the very bytes that ran. A port or a
 * retained generation that cannot be taken over is opened anew or given up, with a line that says so. Control thread only.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine.h"
#include "os/events.h"

#define MAX_HELD 4096u

struct mill_adoption {
	uint32_t n;
	struct mill_held_fd held[MAX_HELD];
};

bool mill_adopt_take(struct mill_engine *engine, const struct mill_hold *hold, int fd,
                     struct mill_error *error)
{
	if (engine->adoption == NULL)
		engine->adoption = calloc(1, sizeof(*engine->adoption));
	struct mill_adoption *adoption = engine->adoption;
	if (adoption == NULL || adoption->n == MAX_HELD) {
		mill_fail(error, ENOMEM, "no room for another descriptor to adopt");
		return false;
	}
	const int mine = dup(fd);
	if (mine < 0) {
		mill_fail(error, errno, "a descriptor to adopt: %s", strerror(errno));
		return false;
	}
	adoption->held[adoption->n++] = (struct mill_held_fd){.hold = *hold, .fd = mine};
	return true;
}

/* The descriptor, which is the caller's from now on; -1: there is none. */
static int take(struct mill_adoption *adoption, enum mill_hold_kind kind, uint16_t slot, uint16_t index)
{
	for (uint32_t i = 0; i < adoption->n; i++) {
		struct mill_held_fd *held = &adoption->held[i];
		if (held->fd < 0 || held->hold.kind != kind || held->hold.slot != slot ||
		    held->hold.index != index)
			continue;
		const int fd = held->fd;
		held->fd = -1;
		return fd;
	}
	return -1;
}

static struct mill_generation *load(struct mill_engine *engine, uint16_t index, struct mill_error *error)
{
	struct mill_adoption *adoption = engine->adoption;
	const int config_fd = take(adoption, MILL_HOLD_CONFIG, 0, index);
	const int code_fd = take(adoption, MILL_HOLD_FORWARDER, 0, index);
	struct mill_generation *generation = NULL;
	if (config_fd >= 0 && code_fd >= 0)
		generation = mill_generation_load(config_fd, code_fd, error);
	else if (index == 0)
		mill_fail(error, ENOENT, "the running generation was not among the descriptors to adopt");
	if (generation != NULL && !mill_sets_bind(engine, generation, error)) {
		mill_generation_unload(generation);
		generation = NULL;
	}
	if (config_fd >= 0)
		close(config_fd);
	if (code_fd >= 0)
		close(code_fd);
	return generation;
}

/* The dead engine may have died between the swap and the announcement: the state says which one ran. */
static bool load_generations(struct mill_engine *engine, struct mill_generation **running,
                             struct mill_error *error)
{
	struct mill_generation *found[MILL_RETAINED + 1];
	uint32_t current = 0, n = 0;
	for (uint16_t i = 0; i <= MILL_RETAINED; i++) {
		struct mill_error why = {0};
		found[i] = load(engine, i, &why);
		if (found[i] == NULL && why.code != 0)
			mill_log("adopting generation %u: %s", i, why.text);
		if (found[i] == NULL && i == 0)
			*error = why;
		if (found[i] != NULL && found[i]->number == engine->state->running)
			current = i;
	}
	*running = found[current];
	for (uint32_t i = 0; i <= MILL_RETAINED; i++)
		if (i != current && found[i] != NULL && n < MILL_RETAINED)
			engine->retained[n++] = found[i];
	return *running != NULL;
}

/* Before the generations that ask them. One that is lost makes those unusable, which says so. */
static void adopt_sets(struct mill_engine *engine)
{
	for (uint16_t slot = 0; slot < MILL_MAX_SETS; slot++) {
		struct mill_error error = {0};
		const int fd = take(engine->adoption, MILL_HOLD_SET, slot, 0);
		if (fd < 0)
			continue;
		if (!mill_set_put(engine, fd, &error))
			mill_log("a set is lost: %s", error.text);
		close(fd);
	}
}

static bool belongs_to_port(const struct mill_hold *hold, uint16_t slot)
{
	return hold->slot == slot &&
	       (hold->kind == MILL_HOLD_PORT_SOCKET || hold->kind == MILL_HOLD_PORT_LINK ||
	        hold->kind == MILL_HOLD_PORT_PROGRAM || hold->kind == MILL_HOLD_PORT_MAP ||
	        hold->kind == MILL_HOLD_LISTENER);
}

static void adopt_port(struct mill_engine *engine, const struct mill_config *policy,
                       const struct mill_port_config *config)
{
	struct mill_adoption *adoption = engine->adoption;
	struct mill_held_fd mine[65];
	struct mill_error error = {0};
	uint32_t n = 0;
	for (uint32_t i = 0; i < adoption->n && n < 64; i++) {
		if (adoption->held[i].fd < 0 || !belongs_to_port(&adoption->held[i].hold, config->slot))
			continue;
		mine[n++] = adoption->held[i];
		adoption->held[i].fd = -1;
	}
	mine[n] = (struct mill_held_fd){.fd = -1};
	if (n > 0 && mill_port_start(engine, policy, config, mine, &error))
		return;
	if (n > 0)
		mill_log("port %s cannot be adopted, opening it anew: %s", config->name, error.text);
	/* The daemon's duplicates would keep a port of the dead engine's in the way. */
	for (uint32_t i = 0; i < n; i++)
		mill_daemon_tell(engine, MILL_MSG_NOTICE_RELEASE, &mine[i].hold, sizeof(mine[i].hold), -1);
	for (uint32_t kind = 0; kind < MILL_RING_KINDS; kind++)
		for (uint32_t ring = 0; ring < MILL_MAX_RINGS; ring++)
			if (kind != MILL_RING_HANDOFF)
				mill_region_free_ring(
				    &engine->region,
				    mill_region_find_ring(&engine->region, config->slot, kind, ring));
	mill_region_free_kernel(&engine->region, config->slot);
	if (mill_port_start(engine, policy, config, NULL, &error))
		return;
	mill_log("port %s is lost: %s", config->name, error.text);
	engine->state->port[config->slot].flags = 0;
	mill_fib_port_down(engine->fib, config->slot, true);
}

static void adopt_taps(struct mill_engine *engine, const struct mill_config *config)
{
	for (uint32_t i = 0; i < config->n_ifaces; i++) {
		const struct mill_iface_config *iface = &config->iface[i];
		struct mill_error error = {0};
		if (iface->host != MILL_HOST_TAP || engine->port[iface->port] == NULL)
			continue;
		const int fd = take(engine->adoption, MILL_HOLD_TAP, iface->slot, 0);
		if (!mill_tap_open(engine, iface, fd, &error))
			mill_log("interface %s: tap %s is lost: %s", iface->name, iface->host_name,
			         error.text);
	}
}

/* Rings of ports that the running generation has not, of deploys that the dead engine was in the middle of. */
static void sort_rings(struct mill_engine *engine, const struct mill_config *config)
{
	for (uint16_t slot = 0; slot < MILL_MAX_PORTS; slot++) {
		const bool known = mill_config_port(config, slot) != NULL;
		for (uint32_t kind = 0; kind < MILL_RING_KINDS; kind++)
			for (uint32_t i = 0; i < MILL_MAX_RINGS; i++) {
				struct netmap_ring *ring =
				    mill_region_find_ring(&engine->region, slot, kind, i);
				if (ring != NULL && !known)
					mill_region_free_ring(&engine->region, ring);
				else if (ring != NULL && kind == MILL_RING_HANDOFF)
					engine->handoff[slot][i] = ring;
			}
		if (!known)
			mill_region_free_kernel(&engine->region, slot);
	}
}

static bool map_memory(struct mill_engine *engine, struct mill_error *error)
{
	const int state = take(engine->adoption, MILL_HOLD_STATE, 0, 0);
	const int region = take(engine->adoption, MILL_HOLD_REGION, 0, 0);
	engine->events_fd = take(engine->adoption, MILL_HOLD_EVENTS, 0, 0);
	if (state < 0 || region < 0) {
		mill_fail(error, ENOENT, "state or packet memory was not among the descriptors to adopt");
		return false;
	}
	if (!mill_state_map(engine, state, error) || !mill_region_map(&engine->region, region, error) ||
	    !mill_region_reclaim(&engine->region, error))
		return false;
	if (engine->events_fd < 0)
		engine->events_fd = mill_bell_create(false);
	/* The dead workers will pass no quiescent point any more. */
	for (uint32_t w = 0; w < MILL_MAX_WORKERS; w++)
		engine->state->worker[w].epoch = (engine->state->worker[w].epoch + 1) & ~1ull;
	for (uint32_t p = 0; p < MILL_MAX_PORTS; p++)
		engine->state->port[p].flags &= ~(uint32_t)MILL_PORT_OPEN;
	engine->state->engine_pid = (uint64_t)getpid();
	engine->state->adopted++;
	return true;
}

static void close_rest(struct mill_engine *engine)
{
	for (uint32_t i = 0; i < engine->adoption->n; i++)
		if (engine->adoption->held[i].fd >= 0)
			close(engine->adoption->held[i].fd);
	free(engine->adoption);
	engine->adoption = NULL;
}

bool mill_adopt_finish(struct mill_engine *engine, struct mill_error *error)
{
	struct mill_generation *running = NULL;
	if (engine->adoption == NULL) {
		mill_fail(error, ENOENT, "no descriptor was sent to adopt");
		return false;
	}
	struct mill_adoption *adoption = engine->adoption;
	bool ok = map_memory(engine, error);
	if (ok) {
		const struct mill_fib_thread_options fib = {
		    .state = engine->state,
		    .ifaces = engine->iface,
		    .tables_fd = take(adoption, MILL_HOLD_FIB, 0, 0),
		    .queue_fd = take(adoption, MILL_HOLD_FIB_QUEUE, 0, 0),
		    .wake_fd = take(adoption, MILL_HOLD_FIB_WAKE, 0, 0),
		    .done_fd = take(adoption, MILL_HOLD_FIB_DONE, 0, 0),
		};
		ok = mill_threads_start(engine, &fib, error);
	}
	if (ok && engine->state->running != 0) {
		adopt_sets(engine);
		ok = load_generations(engine, &running, error);
		if (ok) {
			sort_rings(engine, running->config);
			for (uint32_t i = 0; i < running->config->n_ports; i++)
				adopt_port(engine, running->config, &running->config->port[i]);
			adopt_taps(engine, running->config);
			ok = mill_deploy_start(engine, running, error);
		}
	}
	close_rest(engine);
	if (ok) {
		engine->adopting = false;
		mill_monitor_refresh(engine);
		mill_log("adopted generation %llu", (unsigned long long)engine->state->running);
	}
	return ok;
}
