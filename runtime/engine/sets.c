/*
 * Sets that change at run time (shm/set.h). The control thread owns the table; workers see one pointer to an array of sets by
 * slot, which they read before each burst: a change is another array, and what it does not name any more is unmapped once
 * every worker has passed a quiescent point. A set has its slot by its name as long as it is there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine.h"
#include "shm/set.h"
#include "os/memory.h"

#define PATIENCE_MS 1000u
#define MOST_BYTES  (1ull << 31)

static void unmap(void *image, uint64_t bytes)
{
	munmap(image, bytes);
}

static void free_array(void *array, uint64_t unused)
{
	(void)unused;
	free(array);
}

static const struct mill_set_image *at(const struct mill_engine *engine, uint32_t slot)
{
	const struct mill_set_array *sets = atomic_load_explicit(&engine->sets, memory_order_relaxed);
	return sets != NULL ? sets->set[slot] : NULL;
}

static const char *name_in(const struct mill_engine *engine, uint32_t slot)
{
	const struct mill_set_image *set = at(engine, slot);
	return set != NULL ? set->name : "";
}

/* MILL_NONE: there is none. */
static uint16_t find(const struct mill_engine *engine, const char *name)
{
	for (uint16_t slot = 0; slot < MILL_MAX_SETS; slot++)
		if (strcmp(name_in(engine, slot), name) == 0)
			return slot;
	return MILL_NONE;
}

/* Whatever address is looked up, nothing outside of the image is read. */
static bool root_in_order(const struct mill_set_image *set, uint32_t part, uint32_t n)
{
	const uint32_t *root = (const uint32_t *)((const uint8_t *)set + (uint64_t)part * 64);
	for (uint32_t i = 1; i < MILL_SET_ROOT; i++)
		if (root[i] < root[i - 1])
			return false;
	return root[0] == 0 && root[MILL_SET_ROOT - 1] == n;
}

static bool fits(const struct mill_set_image *set, uint32_t part, uint64_t bytes)
{
	return part >= sizeof(*set) / 64 && (uint64_t)part * 64 + bytes <= set->bytes;
}

static bool check(const struct mill_set_image *set, uint64_t bytes, struct mill_error *error)
{
	const uint64_t root = MILL_SET_ROOT * sizeof(uint32_t);
	if (set->magic != MILL_SET_MAGIC || set->abi != MILL_ABI_VERSION || set->bytes != bytes) {
		mill_fail(error, EINVAL,
		          "a set: expected magic %#x, ABI %u and %llu bytes, got %#x, %u and %llu",
		          MILL_SET_MAGIC, MILL_ABI_VERSION, (unsigned long long)bytes, set->magic, set->abi,
		          (unsigned long long)set->bytes);
		return false;
	}
	if (set->name[0] == '\0' || memchr(set->name, '\0', sizeof(set->name)) == NULL ||
	    !fits(set, set->root4, root) || !fits(set, set->root6, root) ||
	    !fits(set, set->bound4, set->n4 * sizeof(uint16_t)) ||
	    !fits(set, set->bound6, set->n6 * sizeof(struct mill_set_bound6)) ||
	    !root_in_order(set, set->root4, set->n4) || !root_in_order(set, set->root6, set->n6)) {
		mill_fail(error, EINVAL, "a set: its parts do not lie within its %llu bytes",
		          (unsigned long long)bytes);
		return false;
	}
	return true;
}

static const struct mill_set_image *map(int fd, struct mill_error *error)
{
	struct stat st;
	if (fstat(fd, &st) != 0 || (uint64_t)st.st_size < sizeof(struct mill_set_image) ||
	    (uint64_t)st.st_size > MOST_BYTES || !mill_memory_is_sealed(fd)) {
		mill_fail(error, EINVAL, "a set: expected a sealed memfd of %zu to %llu bytes",
		          sizeof(struct mill_set_image), MOST_BYTES);
		return NULL;
	}
	void *image = mill_memory_read(fd, (size_t)st.st_size);
	if (image == NULL) {
		mill_fail(error, errno, "mapping a set: %s", strerror(errno));
		return NULL;
	}
	if (check(image, (uint64_t)st.st_size, error))
		return image;
	munmap(image, (size_t)st.st_size);
	return NULL;
}

/* Workers see `image` (NULL: nothing) in that slot from their next burst on. */
static bool publish(struct mill_engine *engine, uint16_t slot, const struct mill_set_image *image,
                    struct mill_error *error)
{
	const struct mill_set_array *before = atomic_load_explicit(&engine->sets, memory_order_relaxed);
	struct mill_set_array *after = calloc(1, sizeof(*after));
	if (after == NULL) {
		mill_fail(error, ENOMEM, "no memory for another set");
		return false;
	}
	if (engine->set_grace.state == NULL)
		mill_qsbr_init(&engine->set_grace, engine->state);
	if (before != NULL)
		*after = *before;
	const struct mill_set_image *old = after->set[slot];
	after->set[slot] = image;
	atomic_store_explicit(&engine->sets, after, memory_order_seq_cst);
	if (before != NULL)
		mill_qsbr_defer(&engine->set_grace, free_array, (void *)(uintptr_t)before, 0);
	if (old != NULL)
		mill_qsbr_defer(&engine->set_grace, unmap, (void *)(uintptr_t)old, old->bytes);
	if (!mill_qsbr_drain(&engine->set_grace, PATIENCE_MS))
		mill_log("a worker has not reached the end of its burst for a second: a set's memory is kept "
		         "meanwhile");
	return true;
}

static uint16_t place_for(struct mill_engine *engine, const char *name, struct mill_error *error)
{
	uint16_t slot = find(engine, name);
	if (slot == MILL_NONE)
		slot = find(engine, "");
	if (slot == MILL_NONE)
		mill_fail(error, ENOSPC, "set %s: there are %u sets already, no more fit", name,
		          MILL_MAX_SETS);
	return slot;
}

bool mill_set_put(struct mill_engine *engine, int fd, struct mill_error *error)
{
	const struct mill_set_image *image = map(fd, error);
	const uint16_t slot = image != NULL ? place_for(engine, image->name, error) : MILL_NONE;
	const int mine = slot != MILL_NONE ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	if (slot != MILL_NONE && mine < 0)
		mill_fail(error, errno, "the descriptor of a set: %s", strerror(errno));
	const bool was = slot != MILL_NONE && at(engine, slot) != NULL;
	if (mine < 0 || !publish(engine, slot, image, error)) {
		if (image != NULL)
			munmap((void *)(uintptr_t)image, image->bytes);
		if (mine >= 0)
			close(mine);
		return false;
	}
	if (was)
		close(engine->set_fd[slot]);
	engine->set_fd[slot] = mine;
	mill_hold_set(engine, slot, mine);
	return true;
}

static bool names(const struct mill_generation *generation, uint16_t slot)
{
	for (uint32_t i = 0; generation != NULL && i < generation->config->n_sets; i++)
		if (generation->set_slot[i] == slot)
			return true;
	return false;
}

bool mill_set_drop(struct mill_engine *engine, const char *name, struct mill_error *error)
{
	const uint16_t slot = name[0] != '\0' ? find(engine, name) : MILL_NONE;
	if (slot == MILL_NONE) {
		mill_fail(error, ENOENT, "there is no set %s", name);
		return false;
	}
	bool used = names(engine->running, slot) || names(engine->prepared, slot);
	for (uint32_t i = 0; i < MILL_RETAINED; i++)
		used = used || names(engine->retained[i], slot);
	if (used) {
		mill_fail(error, EBUSY, "set %s belongs to a generation that is kept", name);
		return false;
	}
	if (!publish(engine, slot, NULL, error))
		return false;
	close(engine->set_fd[slot]);
	mill_hold_set(engine, slot, -1);
	return true;
}

/* A generation whose sets are not there must not run: what they hold would not be known. */
bool mill_sets_bind(const struct mill_engine *engine, struct mill_generation *generation,
                    struct mill_error *error)
{
	const struct mill_config *config = generation->config;
	for (uint32_t i = 0; i < config->n_sets; i++) {
		generation->set_slot[i] = find(engine, config->set[i]);
		if (generation->set_slot[i] == MILL_NONE) {
			mill_fail(error, ENOENT, "generation %llu: its set %s was not given to the engine",
			          (unsigned long long)generation->number, config->set[i]);
			return false;
		}
	}
	return true;
}
