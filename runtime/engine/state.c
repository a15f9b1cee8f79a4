/*
 * The state memfd (shm/state.h): made once, mapped by the daemon and by every engine that adopts it. Control
 * thread only, but for mill_now and mill_state_busy.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "engine.h"
#include "os/memory.h"

#define STATE_SIZE ((sizeof(struct mill_state) + 4095) & ~(size_t)4095)

uint64_t mill_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * MILL_NS_PER_S + (uint64_t)now.tv_nsec;
}

bool mill_state_busy(const struct mill_engine *engine, uint64_t *seen)
{
	uint64_t bursts = 0;
	for (uint32_t w = 0; w < MILL_MAX_WORKERS; w++)
		bursts += __atomic_load_n(&engine->state->worker[w].bursts, __ATOMIC_RELAXED);
	const bool busy = bursts != *seen;
	*seen = bursts;
	return busy;
}

static bool map(struct mill_engine *engine, int fd, struct mill_error *error)
{
	void *memory = mmap(NULL, STATE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (memory == MAP_FAILED) {
		mill_fail(error, errno, "mapping the state: %s", strerror(errno));
		return false;
	}
	engine->state = memory;
	engine->state_fd = fd;
	return true;
}

bool mill_state_create(struct mill_engine *engine, struct mill_error *error)
{
	const int fd = mill_memory_create("netmill-state", STATE_SIZE);
	if (fd < 0 || !map(engine, fd, error)) {
		if (error->code == 0)
			mill_fail(error, errno, "making the state: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	engine->state->abi = MILL_ABI_VERSION;
	engine->state->size_kib = (uint32_t)(STATE_SIZE / 1024);
	engine->state->engine_pid = (uint64_t)getpid();
	engine->state->started_ns = mill_now();
	engine->state->acl_enabled = 1;
	engine->state->magic = MILL_STATE_MAGIC;
	return true;
}

bool mill_state_map(struct mill_engine *engine, int fd, struct mill_error *error)
{
	struct stat st;
	if (fstat(fd, &st) != 0 || (size_t)st.st_size != STATE_SIZE) {
		mill_fail(error, EINVAL, "the state to adopt has another size: expected %zu, got %lld",
		          STATE_SIZE, (long long)st.st_size);
		return false;
	}
	if (!map(engine, fd, error))
		return false;
	const struct mill_state *state = engine->state;
	if (state->magic == MILL_STATE_MAGIC && state->abi == MILL_ABI_VERSION)
		return true;
	mill_fail(error, EINVAL, "the state to adopt has another layout: expected ABI %u, got %u",
	          MILL_ABI_VERSION, state->abi);
	munmap(engine->state, STATE_SIZE);
	engine->state = NULL;
	return false;
}
