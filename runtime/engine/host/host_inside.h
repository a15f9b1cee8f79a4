/* Inside of host/: what host.c (the thread) and tap.c share. Nobody else includes this. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "host.h"
#include "punt_rate.h"

struct mill_tap {
	int fd;      /* -1: none */
	int members; /* packet socket that keeps the parent in ALLMULTI, -1: none */
};

struct mill_host {
	struct mill_host_options options;
	pthread_t thread;
	atomic_bool quit;
	/* Guards `port` and `tap`: the host thread has it while it hands one frame over; control thread to change. */
	pthread_mutex_t lock;
	struct mill_port *port[MILL_MAX_PORTS];            /* by slot */
	struct mill_tap tap[MILL_MAX_IFACES];              /* by interface slot */
	struct mill_punt_bucket police[MILL_PUNT_CLASSES]; /* host thread's */
};

/* Frame with its tags taken off to the kernel; l3 = offset of its network header. Host thread, lock held. */
bool mill_tap_send(const struct mill_tap *, const uint8_t *frame, uint16_t len, uint16_t l3);
