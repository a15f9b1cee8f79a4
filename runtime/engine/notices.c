/*
 * What other threads have to say to the control thread, and it to the daemon: neighbours that workers want resolved,
 * carriers and devices that changed. A short list under a mutex and a bit mask, with one bell; nobody waits for anybody, and the
 * daemon hears of a neighbour at most once a second.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "engine.h"
#include "os/events.h"

#define RECENT 1024u /* power of two */

struct recent {
	struct mill_resolve resolve;
	uint64_t told_ns;
};

static void ring(struct mill_engine *engine)
{
	const uint64_t one = 1;
	const ssize_t n = write(engine->notice_fd, &one, sizeof(one));
	(void)n;
}

bool mill_notices_create(struct mill_engine *engine, struct mill_error *error)
{
	pthread_mutex_init(&engine->notice_lock, NULL);
	engine->notice_fd = mill_bell_create(false);
	if (engine->notice_fd >= 0)
		return true;
	mill_fail(error, errno, "a bell for the control thread: %s", strerror(errno));
	return false;
}

bool mill_want_neighbour(struct mill_engine *engine, const struct mill_resolve *want)
{
	bool taken = false;
	if (pthread_mutex_trylock(&engine->notice_lock) != 0)
		return false;
	if (engine->n_wants < MILL_WANTS) {
		engine->want[engine->n_wants++] = *want;
		taken = true;
	}
	pthread_mutex_unlock(&engine->notice_lock);
	if (taken)
		ring(engine);
	return taken;
}

void mill_notice_links(struct mill_engine *engine, uint64_t ports)
{
	uint64_t lost = 0;
	for (uint64_t left = ports; left != 0; left &= left - 1) {
		const uint32_t slot = (uint32_t)__builtin_ctzll(left);
		const uint32_t flags = __atomic_load_n(&engine->state->port[slot].flags, __ATOMIC_RELAXED);
		lost |= (flags & MILL_PORT_UP) == 0 ? 1ull << slot : 0;
	}
	atomic_fetch_or(&engine->link_lost, lost);
	atomic_fetch_or(&engine->link_changed, ports);
	ring(engine);
}

void mill_notice_devices(struct mill_engine *engine)
{
	atomic_store(&engine->devices_changed, true);
	ring(engine);
}

void mill_notice_neighbours(struct mill_engine *engine)
{
	if (!atomic_exchange(&engine->neighbours_changed, true))
		ring(engine);
}

static bool is_new(const struct mill_resolve *want)
{
	static struct recent recent[RECENT]; /* control thread */
	const uint64_t now = mill_now();
	uint32_t hash = want->iface * 31u + want->family;
	for (uint32_t i = 0; i < 16; i++)
		hash = (hash ^ want->address[i]) * 16777619u;
	struct recent *entry = &recent[(hash ^ hash >> 15) % RECENT];
	if (entry->told_ns != 0 && now - entry->told_ns < MILL_NS_PER_S - MILL_TICK_NS &&
	    memcmp(&entry->resolve, want, sizeof(*want)) == 0)
		return false;
	*entry = (struct recent){.resolve = *want, .told_ns = now};
	return true;
}

static void serve_wants(struct mill_engine *engine)
{
	struct mill_resolve want[MILL_WANTS];
	pthread_mutex_lock(&engine->notice_lock);
	const uint32_t n = engine->n_wants;
	memcpy(want, engine->want, sizeof(want[0]) * n);
	engine->n_wants = 0;
	pthread_mutex_unlock(&engine->notice_lock);
	for (uint32_t i = 0; i < n; i++)
		if (is_new(&want[i]))
			mill_control_notify(engine, MILL_MSG_NOTICE_RESOLVE, &want[i], sizeof(want[i]), -1);
}

void mill_notices_serve(struct mill_engine *engine)
{
	uint64_t value, up = 0, ports = atomic_exchange(&engine->link_changed, 0);
	const ssize_t n = read(engine->notice_fd, &value, sizeof(value));
	(void)n;
	if (atomic_exchange(&engine->devices_changed, false))
		mill_deploy_follow_devices(engine);
	ports |= atomic_exchange(&engine->link_changed, 0);
	mill_own_lost(engine, atomic_exchange(&engine->link_lost, 0));
	while (ports != 0) {
		const uint16_t slot = (uint16_t)__builtin_ctzll(ports);
		ports &= ports - 1;
		const uint32_t flags = __atomic_load_n(&engine->state->port[slot].flags, __ATOMIC_RELAXED);
		const struct mill_link_notice notice = {.port = slot, .up = (flags & MILL_PORT_UP) != 0};
		mill_iface_carrier(engine, slot);
		mill_control_notify(engine, MILL_MSG_NOTICE_LINK, &notice, sizeof(notice), -1);
		up |= notice.up ? 1ull << slot : 0;
	}
	/* A driver asks for its interrupts when the device is set up. */
	mill_ports_steer(engine, up);
	serve_wants(engine);
	if (atomic_exchange(&engine->neighbours_changed, false))
		mill_control_notify(engine, MILL_MSG_NOTICE_NEIGHBOURS, NULL, 0, -1);
}
