/*
 * What other threads have to say to the control thread: neighbours that workers want resolved, carriers and devices that
 * changed. A short list under a mutex and a bit mask, with one bell; nobody waits for anybody. follow.c: what comes of it.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "engine.h"
#include "os/events.h"

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
