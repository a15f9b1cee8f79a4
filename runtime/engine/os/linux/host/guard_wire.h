/* What engine and guard say to each other: one request a connection, one answer. guard.h says what for. */
#pragma once
#include <stdint.h>
#include "host/guard.h"

#define MILL_GUARD_FDS 3 /* link, program, map */

enum mill_guard_op { MILL_GUARD_HOLD = 1, MILL_GUARD_TAKE, MILL_GUARD_DROP };

struct mill_guard_message {
	uint32_t op; /* in answers: 1 yes, 0 no */
	uint32_t ifindex;
};

/* Descriptors travel with the message when `fds` is not NULL. False: errno says why. */
bool mill_guard_send(int socket, const struct mill_guard_message *, const struct mill_guarded *fds);
/* `fds` get -1 when none came. */
bool mill_guard_receive(int socket, struct mill_guard_message *, struct mill_guarded *fds);
/* Bound or connected socket of the guard in `rundir`, however long its path; -1 and errno. */
int mill_guard_socket(const char *rundir, bool listens);
