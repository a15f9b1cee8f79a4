/*
 * Which descriptors the daemon keeps duplicates of, so that a new engine can adopt what this one leaves: announced
 * when a daemon says HELLO and whenever one appears; a repeated (kind, slot, index) replaces the one before. Control
 * thread only.
 */
#include <string.h>
#include "engine.h"

#define MAX_HELD 64u

static void tell(struct mill_engine *engine, const struct mill_held_fd *held, bool hold)
{
	mill_daemon_tell(engine, hold ? MILL_MSG_NOTICE_HOLD : MILL_MSG_NOTICE_RELEASE, &held->hold,
	                 sizeof(held->hold), hold ? held->fd : -1);
}

static void tell_one(struct mill_engine *engine, enum mill_hold_kind kind, uint16_t index, uint64_t value,
                     int fd)
{
	const struct mill_held_fd held = {.hold = {.kind = (uint16_t)kind, .index = index, .value = value},
	                                  .fd = fd};
	if (fd >= 0)
		tell(engine, &held, true);
}

static uint32_t list(struct mill_port *port, struct mill_held_fd held[MAX_HELD])
{
	if (port->ops->held_fds == NULL)
		return 0;
	const uint32_t n = port->ops->held_fds(port, held, MAX_HELD);
	return n < MAX_HELD ? n : MAX_HELD;
}

void mill_hold_port(struct mill_engine *engine, struct mill_port *port, bool hold)
{
	struct mill_held_fd held[MAX_HELD];
	const uint32_t n = list(port, held);
	for (uint32_t i = 0; i < n; i++)
		tell(engine, &held[i], hold);
}

static bool has(const struct mill_held_fd *list, uint32_t n, const struct mill_held_fd *held)
{
	for (uint32_t i = 0; i < n; i++)
		if (list[i].fd == held->fd && memcmp(&list[i].hold, &held->hold, sizeof(held->hold)) == 0)
			return true;
	return false;
}

void mill_hold_port_control(struct mill_engine *engine, struct mill_port *port)
{
	struct mill_held_fd before[MAX_HELD], after[MAX_HELD];
	const uint32_t n_before = list(port, before);
	port->ops->control(port);
	const uint32_t n_after = list(port, after);
	for (uint32_t i = 0; i < n_before; i++)
		if (!has(after, n_after, &before[i]))
			tell(engine, &before[i], false);
	for (uint32_t i = 0; i < n_after; i++)
		if (!has(before, n_before, &after[i]))
			tell(engine, &after[i], true);
}

void mill_hold_taps(struct mill_engine *engine, uint16_t iface_slot, bool hold)
{
	const struct mill_held_fd held = {.hold = {.kind = MILL_HOLD_TAP, .slot = iface_slot},
	                                  .fd = mill_host_tap_fd(engine->host, iface_slot)};
	if (held.fd >= 0)
		tell(engine, &held, hold);
}

void mill_hold_set(struct mill_engine *engine, uint16_t slot, int fd)
{
	const struct mill_held_fd held = {.hold = {.kind = MILL_HOLD_SET, .slot = slot}, .fd = fd};
	tell(engine, &held, fd >= 0);
}

static void hold_sets(struct mill_engine *engine)
{
	const struct mill_set_array *sets = atomic_load_explicit(&engine->sets, memory_order_relaxed);
	for (uint16_t slot = 0; sets != NULL && slot < MILL_MAX_SETS; slot++)
		if (sets->set[slot] != NULL)
			mill_hold_set(engine, slot, engine->set_fd[slot]);
}

static void hold_generation(struct mill_engine *engine, const struct mill_generation *generation,
                            uint16_t index)
{
	if (generation != NULL) {
		tell_one(engine, MILL_HOLD_CONFIG, index, generation->number, generation->config_fd);
		tell_one(engine, MILL_HOLD_FORWARDER, index, generation->number, generation->code_fd);
		return;
	}
	struct mill_held_fd none = {.hold = {.kind = MILL_HOLD_CONFIG, .index = index}};
	tell(engine, &none, false);
	none.hold.kind = MILL_HOLD_FORWARDER;
	tell(engine, &none, false);
}

void mill_hold_generations(struct mill_engine *engine)
{
	hold_generation(engine, engine->running, 0);
	for (uint16_t i = 0; i < MILL_RETAINED; i++)
		hold_generation(engine, engine->retained[i], (uint16_t)(i + 1));
}

void mill_hold_all(struct mill_engine *engine)
{
	tell_one(engine, MILL_HOLD_STATE, 0, 0, engine->state_fd);
	tell_one(engine, MILL_HOLD_REGION, 0, 0, engine->region.fd);
	tell_one(engine, MILL_HOLD_EVENTS, 0, 0, engine->events_fd);
	if (engine->fib != NULL) {
		struct mill_held_fd held[MAX_HELD];
		const uint32_t n = mill_fib_thread_held_fds(engine->fib, held, MAX_HELD);
		for (uint32_t i = 0; i < n && i < MAX_HELD; i++)
			tell(engine, &held[i], true);
	}
	hold_sets(engine);
	if (engine->running != NULL)
		mill_hold_generations(engine);
	for (uint32_t slot = 0; slot < MILL_MAX_PORTS; slot++)
		if (engine->port[slot] != NULL)
			mill_hold_port(engine, engine->port[slot], true);
	for (uint16_t slot = 0; slot < MILL_MAX_IFACES; slot++)
		if (engine->tap_open[slot])
			mill_hold_taps(engine, slot, true);
}
