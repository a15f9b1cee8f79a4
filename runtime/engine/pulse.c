/*
 * The pulse: threads of its own tell the ports every 5 ms, or every 20 ms while no packet comes, that their rings are
 * served, so that a port's program falls back when the engine is dead or a worker hangs, and not because a busy machine
 * kept a worker from its processor for a moment: then packets wait in the ring, as they should, in their order.
 *
 *   worker sleeps, has finished a turn since the last look, or has not run for MILL_HUNG_NS since → alive
 *   else it runs and finishes nothing: no beat for its rings, and the program in front of the port falls back
 *
 * The ports' programs read the kernel's clock, which a time namespace (time_namespaces(7)) does not shift as it does
 * CLOCK_MONOTONIC: a beat is told in the kernel's time.
 *
 * It does next to nothing, so real-time priority, where it may be had, harms nobody. There are two, on different processors:
 * a kernel that is busy with itself (it takes away 500,000 routes, say) may keep one processor from everybody for
 * more than a tenth of a second, and what waits for that one is not dead. `lock` keeps ports, ownership and
 * workers still while it looks; the control thread takes it to change them. Under it nothing waits for a socket, which a
 * worker that has no processor may have locked.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include "engine.h"
#include "os/threads.h"

#define MAX_PULSES   2u
#define IDLE_NS      20000000ull /* ports wait for 50 ms (MILL_XDP_STALE_NS), and there are two pulses */
#define MILL_HUNG_NS 50000000ull /* of processor time without the end of a turn */

static struct {
	pthread_t thread[MAX_PULSES];
	uint32_t n;
	pthread_mutex_t lock;
	atomic_bool quit;
	uint64_t shift_ns; /* of this process's CLOCK_MONOTONIC against the kernel's: mill_clock_shift */
	struct {
		uint64_t loops, processor_ns;
	} seen[MILL_MAX_WORKERS];
} pulse = {.lock = PTHREAD_MUTEX_INITIALIZER};

void mill_pulse_lock(void)
{
	pthread_mutex_lock(&pulse.lock);
}

void mill_pulse_unlock(void)
{
	pthread_mutex_unlock(&pulse.lock);
}

static uint64_t processor_time(const struct mill_worker_thread *worker)
{
	clockid_t clock;
	struct timespec time = {0};
	if (pthread_getcpuclockid(worker->thread, &clock) == 0)
		clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * MILL_NS_PER_S + (uint64_t)time.tv_nsec;
}

static bool alive(const struct mill_worker_thread *worker)
{
	if (worker == NULL)
		return false;
	const struct mill_worker_state *state = worker->state;
	const uint64_t loops = __atomic_load_n(&state->loops, __ATOMIC_RELAXED);
	const bool asleep = (__atomic_load_n(&state->epoch, __ATOMIC_RELAXED) & 1) == 0;
	const uint64_t now = processor_time(worker);
	/* Less processor time than before: another thread of that number, which has not been looked at yet. */
	if (asleep || loops != pulse.seen[worker->number].loops ||
	    now < pulse.seen[worker->number].processor_ns) {
		pulse.seen[worker->number].loops = loops;
		pulse.seen[worker->number].processor_ns = now;
		return true;
	}
	return now - pulse.seen[worker->number].processor_ns < MILL_HUNG_NS;
}

static void beat(const struct mill_engine *engine)
{
	const uint64_t now = mill_now() - pulse.shift_ns;
	bool serving[MILL_MAX_WORKERS];
	for (uint32_t w = 0; w < MILL_MAX_WORKERS; w++)
		serving[w] = alive(engine->worker[w]);
	for (uint32_t slot = 0; slot < MILL_MAX_PORTS; slot++) {
		struct mill_port *port = engine->port[slot];
		if (port == NULL || port->ops->heartbeat == NULL)
			continue;
		for (uint32_t ring = 0; ring < port->rx_rings; ring++) {
			const uint16_t owner = engine->ownership.owner[slot][ring];
			if (owner < MILL_MAX_WORKERS && serving[owner])
				port->ops->heartbeat(port, ring, now);
		}
	}
}

void mill_pulse_beat(const struct mill_engine *engine)
{
	mill_pulse_lock();
	beat(engine);
	mill_pulse_unlock();
}

static void *run(void *argument)
{
	const struct mill_engine *engine = argument;
	uint64_t seen = 0;
	mill_thread_name("pulse");
	while (!atomic_load(&pulse.quit)) {
		mill_pulse_beat(engine);
		const struct timespec pause = {.tv_nsec =
		                                   mill_state_busy(engine, &seen) ? MILL_TICK_NS : IDLE_NS};
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static int start_one(const struct mill_engine *engine, const uint32_t *processor)
{
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	if (processor != NULL)
		mill_thread_attr_pin(&attributes, *processor);
	const int code = pthread_create(&pulse.thread[pulse.n], &attributes, run, (void *)engine);
	pulse.n += code == 0;
	pthread_attr_destroy(&attributes);
	return code;
}

bool mill_pulse_start(struct mill_engine *engine, struct mill_error *error)
{
	const struct sched_param priority = {.sched_priority = 1};
	uint32_t ends[2];
	pulse.shift_ns = mill_clock_shift();
	const bool several = mill_processors(ends) > 1;
	int code = 0;
	for (uint32_t i = 0; code == 0 && i < (several ? 2u : 1u); i++)
		code = start_one(engine, several ? &ends[i] : NULL);
	if (code != 0) {
		mill_pulse_stop(engine);
		mill_fail(error, code, "starting the pulse: %s", strerror(code));
		return false;
	}
	bool real_time = true;
	for (uint32_t i = 0; i < pulse.n; i++)
		real_time &= pthread_setschedparam(pulse.thread[i], SCHED_FIFO, &priority) == 0;
	if (!real_time)
		mill_log("no real-time priority for the pulse: on a busy machine ports may fall back for a "
		         "moment");
	return true;
}

void mill_pulse_stop(const struct mill_engine *engine)
{
	if (pulse.n == 0)
		return;
	atomic_store(&pulse.quit, true);
	while (pulse.n > 0)
		pthread_join(pulse.thread[--pulse.n], NULL);
	for (uint32_t slot = 0; slot < MILL_MAX_PORTS; slot++) {
		struct mill_port *port = engine->port[slot];
		for (uint32_t ring = 0; port != NULL && port->ops->heartbeat != NULL && ring < port->rx_rings;
		     ring++)
			port->ops->heartbeat(port, ring, 0);
	}
}
