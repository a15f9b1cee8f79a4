/*
 * The thread `host`: takes what workers punt, in strict priority of classes, polices each class (RFC 6192: protect the
 * router's control plane) and hands frames to the kernel one by one: by the port (as if received there) or through
 * the interface's tap. Sleeps on the queues' bell when there is nothing; see host_queue.h for the rules.
 * Refusals are counted with the worker that punted: it never writes those counters itself.
 */
#include "host_inside.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "os/threads.h"

#define NS_PER_S 1000000000ull

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static bool hand_over(struct mill_host *host, const struct mill_host_frame *frame)
{
	const struct mill_iface *iface = &host->options.ifaces[frame->iface];
	bool taken = false;
	pthread_mutex_lock(&host->lock);
	if (iface->host == MILL_HOST_TAP) {
		taken = mill_tap_send(&host->tap[frame->iface], frame->data, frame->len, frame->l3);
	} else if (iface->host == MILL_HOST_NETDEV && iface->port < MILL_MAX_PORTS) {
		struct mill_port *port = host->port[iface->port];
		taken = port != NULL && port->ops->inject != NULL &&
		        port->ops->inject(port, frame->data, frame->len);
	}
	pthread_mutex_unlock(&host->lock);
	return taken;
}

/* The rate that the running generation gives the class. */
static bool conforms(struct mill_host *host, enum mill_punt_class class)
{
	const uint32_t per_second =
	    atomic_load_explicit(&host->options.punt_rate[class], memory_order_relaxed);
	return mill_punt_conforms(&host->police[class], per_second, now_ns());
}

static void refuse(struct mill_host *host, uint32_t worker, const struct mill_host_frame *frame,
                   enum mill_drop why)
{
	struct mill_iface_counters *counters = &host->options.state->worker[worker].iface[frame->iface];
	__atomic_fetch_add(&counters->drop[why], 1, __ATOMIC_RELAXED);
	if (why == MILL_DROP_PUNT_POLICED)
		__atomic_fetch_add(&counters->punt_policed[frame->punt_class], 1, __ATOMIC_RELAXED);
}

static void serve(struct mill_host *host, struct mill_host_ring *ring, uint32_t worker,
                  enum mill_punt_class class)
{
	const uint32_t tail = ring->tail;
	const struct mill_host_frame *frame = &ring->frame[tail % MILL_HOST_SLOTS];
	if (frame->iface < MILL_MAX_IFACES) {
		if (!conforms(host, class))
			refuse(host, worker, frame, MILL_DROP_PUNT_POLICED);
		else if (!hand_over(host, frame))
			refuse(host, worker, frame, MILL_DROP_HOST_REFUSED);
	}
	__atomic_store_n(&ring->tail, tail + 1, __ATOMIC_RELEASE);
}

/* One frame of the best class that has any; workers take turns. False: all queues are empty. */
static bool serve_one(struct mill_host *host, uint32_t *turn)
{
	for (uint32_t class = 0; class < MILL_PUNT_CLASSES; class ++) {
		for (uint32_t i = 0; i < MILL_MAX_WORKERS; i++) {
			const uint32_t worker = (*turn + i) % MILL_MAX_WORKERS;
			struct mill_host_ring *ring =
			    __atomic_load_n(&host->options.queues->ring[worker][class], __ATOMIC_ACQUIRE);
			if (ring == NULL || __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) == ring->tail)
				continue;
			serve(host, ring, worker, (enum mill_punt_class) class);
			*turn = worker + 1;
			return true;
		}
	}
	return false;
}

static void *run(void *argument)
{
	struct mill_host *host = argument;
	struct mill_host_queues *queues = host->options.queues;
	uint32_t turn = 0;
	mill_thread_name("host");
	while (!atomic_load(&host->quit)) {
		if (serve_one(host, &turn))
			continue;
		__atomic_store_n(&queues->asleep, 1, __ATOMIC_SEQ_CST);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (!serve_one(host, &turn) && !atomic_load(&host->quit)) {
			struct pollfd wake = {.fd = queues->wake, .events = POLLIN};
			(void)poll(&wake, 1, -1);
		}
		__atomic_store_n(&queues->asleep, 0, __ATOMIC_SEQ_CST);
		uint64_t value;
		const ssize_t n = read(queues->wake, &value, sizeof(value));
		(void)n;
	}
	return NULL;
}

struct mill_host *mill_host_start(const struct mill_host_options *options, struct mill_error *error)
{
	struct mill_host *host = calloc(1, sizeof(*host));
	if (host == NULL) {
		mill_fail(error, ENOMEM, "no memory for the host thread");
		return NULL;
	}
	host->options = *options;
	for (uint32_t i = 0; i < MILL_MAX_IFACES; i++)
		host->tap[i] = (struct mill_tap){.fd = -1, .members = -1};
	pthread_mutex_init(&host->lock, NULL);
	const int code = pthread_create(&host->thread, NULL, run, host);
	if (code != 0) {
		mill_fail(error, code, "starting the host thread: %s", strerror(code));
		free(host);
		return NULL;
	}
	return host;
}

void mill_host_stop(struct mill_host *host)
{
	const uint64_t one = 1;
	atomic_store(&host->quit, true);
	const ssize_t n = write(host->options.queues->wake, &one, sizeof(one));
	(void)n;
	pthread_join(host->thread, NULL);
	for (uint16_t i = 0; i < MILL_MAX_IFACES; i++)
		mill_host_tap_close(host, i);
	pthread_mutex_destroy(&host->lock);
	free(host);
}

void mill_host_set_port(struct mill_host *host, uint16_t port_slot, struct mill_port *port)
{
	pthread_mutex_lock(&host->lock);
	host->port[port_slot] = port;
	pthread_mutex_unlock(&host->lock);
}
