/*
 * What the control thread does when other threads have noticed something (notices.c), and what the daemon hears of it: of a
 * neighbour at most once a second.
 */
#include <string.h>
#include <unistd.h>
#include "engine.h"

#define RECENT 1024u /* power of two */

struct recent {
	struct mill_resolve resolve;
	uint64_t told_ns;
};

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
			mill_daemon_tell(engine, MILL_MSG_NOTICE_RESOLVE, &want[i], sizeof(want[i]), -1);
}

void mill_follow_notices(struct mill_engine *engine)
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
		mill_daemon_tell(engine, MILL_MSG_NOTICE_LINK, &notice, sizeof(notice), -1);
		up |= notice.up ? 1ull << slot : 0;
	}
	/* A driver asks for its interrupts when the device is set up. */
	mill_ports_steer(engine, up);
	serve_wants(engine);
	if (atomic_exchange(&engine->neighbours_changed, false))
		mill_daemon_tell(engine, MILL_MSG_NOTICE_NEIGHBOURS, NULL, 0, -1);
}
