/*
 * Driving the real netmill-engine from C: start it in a folder of its own, speak shm/engine_control.h as the daemon
 * does, keep the descriptors it asks to hold, send checked traffic through pipe ports.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include "client/pipe_client.h"
#include "shm/config.h"
#include "shm/engine_control.h"
#include "shm/state.h"

#define CHECK(condition, ...)                                                                                \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: expected %s: ", __FILE__, __LINE__, #condition);             \
			fprintf(stderr, __VA_ARGS__);                                                        \
			fprintf(stderr, "\n");                                                               \
			test_abort();                                                                        \
		}                                                                                            \
	} while (0)

/* What is waited for comes, or the test fails; how soon is for the benches. */
#define PATIENCE_MS 20000
#define PATIENCE_NS (PATIENCE_MS * 1000000ull)

#define MAX_HELD 512

struct test_engine {
	pid_t pid;
	char rundir[64];
	int fd; /* control connection */
	uint32_t serial;
	struct mill_hello hello;
	uint32_t n_held;
	struct {
		struct mill_hold hold;
		int fd;
	} held[MAX_HELD];
	uint32_t n_links, n_resolves, n_neighbours;
	struct mill_link_notice last_link;
	struct mill_resolve last_resolve;
	struct mill_state *state;
	char error[MILL_MSG_PAYLOAD]; /* text of the last refused request */
};

/* Kills what was started, then fails the program. */
void test_abort(void) __attribute__((noreturn));
/* Folder of this program: where the engine and the forwarders were built. */
const char *test_build_dir(void);

/* Of those that are started from now on. */
extern const char *engine_buffers, *engine_buffer_bytes;
void engine_start(struct test_engine *);
/* After a kill: lets go of everything held, as a daemon that dies too. */
void engine_forget(struct test_engine *);
/* A new engine with nothing, in the same folder. */
void engine_start_again(struct test_engine *);
/* After a kill: a new process on the same rundir with the held descriptors. Returns ns from fork to forwarding. */
uint64_t engine_adopt(struct test_engine *);
void engine_connect(struct test_engine *);
/* 0 or the engine's errno; notices that come meanwhile are kept. */
int engine_request(struct test_engine *, enum mill_msg_type, const void *payload, uint32_t length,
                   const int *fds, uint32_t n_fds, struct mill_msg *answer);
/* Takes notices for that long. */
void engine_listen(struct test_engine *, int ms);
/* Takes notices until a counter of them is at `wanted`. */
void engine_listen_for(struct test_engine *, const uint32_t *count, uint32_t wanted);
int engine_prepare(struct test_engine *, const struct mill_config *, const char *forwarder);
int engine_commit(struct test_engine *, uint64_t generation, uint64_t expected);
/* prepare and commit; must work. */
void engine_deploy(struct test_engine *, const struct mill_config *, const char *forwarder);
/* STOP; checks that it exits with 0 and takes its folder away. */
void engine_stop(struct test_engine *);
int engine_held_fd(const struct test_engine *, enum mill_hold_kind, uint16_t slot, uint16_t index);

/* A configuration with `n` ports of these specs, an untagged interface on each, one worker with all rings. */
struct mill_config *config_make(uint64_t generation, uint32_t n, const char *const *specs);
/* Port `local` gets another slot (and its interface with it). */
void config_slot(struct mill_config *, uint32_t local, uint16_t slot);

/* Numbered packets from one pipe to another: closed loop, never more than `window` on their way. */
struct flow {
	const char *name;
	struct mill_pipe_client *from, *to;
	uint32_t from_ring, to_ring, window, id;
	atomic_bool stop, all_sent;
	_Atomic uint64_t sent, received, lost, reordered, damaged;
	_Atomic uint64_t max_gap_ns;
	pthread_t sender, receiver;
};

void flow_start(struct flow *);
/* Ends it and waits for stragglers; checks that nothing was lost, reordered or damaged. */
void flow_stop(struct flow *);
void pipe_connect(struct test_engine *, struct mill_pipe_client *, const char *name);
uint64_t test_now(void);
