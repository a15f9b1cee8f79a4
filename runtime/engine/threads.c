/* The engine's threads beside its workers: FIB, host, link monitor and pulse. They start once there is a state. */
#include <errno.h>
#include <string.h>
#include "engine.h"
#include "os/events.h"

bool mill_threads_start(struct mill_engine *engine, const struct mill_fib_thread_options *fib,
                        struct mill_error *error)
{
	engine->queues.wake = mill_bell_create(false);
	if (engine->queues.wake < 0) {
		mill_fail(error, errno, "a bell for the host thread: %s", strerror(errno));
		return false;
	}
	if ((engine->fib = mill_fib_thread_start(fib, error)) == NULL)
		return false;
	const struct mill_host_options host = {.queues = &engine->queues,
	                                       .state = engine->state,
	                                       .ifaces = engine->iface,
	                                       .punt_rate = engine->punt_rate};
	if ((engine->host = mill_host_start(&host, error)) == NULL)
		return false;
	return mill_monitor_start(engine, error) && mill_pulse_start(engine, error);
}

void mill_threads_stop(struct mill_engine *engine)
{
	if (engine->host != NULL)
		mill_host_stop(engine->host);
	if (engine->fib != NULL)
		mill_fib_thread_stop(engine->fib);
}
