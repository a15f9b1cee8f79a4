/* tables.h. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "fib/fib_writer.h"
#include "fib/tables.h"
#include "shm/fib_use.h"
#include "os/memory.h"

#define CHUNK       MILL_HUGE_PAGE
#define FIRST_PLACE CHUNK
#define PAGES       (CHUNK / 4096)

static struct mill_fib_file *head_of(const struct mill_fib_tables *tables)
{
	return (struct mill_fib_file *)tables->base;
}

static struct mill_fib_file new_head(void)
{
	return (struct mill_fib_file){
	    .magic = MILL_FIB_FILE_MAGIC,
	    .first_place = FIRST_PLACE,
	    .place_bytes = mill_fib_bytes(),
	    .abi = MILL_ABI_VERSION,
	    .groups_end_offset = offsetof(struct mill_fib, groups_end),
	    .key_offset = MILL_FIB_KEY_OFFSET,
	    .use_offset = MILL_FIB_USE_OFFSET,
	    .use_stride = MILL_FIB_USE_STRIDE,
	};
}

static struct mill_fib *place(const struct mill_fib_tables *tables, uint32_t n)
{
	return (struct mill_fib *)(tables->base + FIRST_PLACE + n * mill_fib_bytes());
}

static bool map(struct mill_fib_tables *tables, int fd)
{
	tables->fd = fd;
	tables->size = FIRST_PLACE + 2 * mill_fib_bytes();
	/* huge pages need an address that is a multiple of their size */
	uint8_t *space =
	    mmap(NULL, tables->size + CHUNK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (space == MAP_FAILED)
		return false;
	uint8_t *aligned = space + (CHUNK - (uintptr_t)space % CHUNK) % CHUNK;
	void *p = mmap(aligned, tables->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED,
	               fd, 0);
	if (p == MAP_FAILED) {
		munmap(space, tables->size + CHUNK);
		return false;
	}
	if (aligned > space)
		munmap(space, (size_t)(aligned - space));
	if (aligned < space + CHUNK)
		munmap(aligned + tables->size, (size_t)(space + CHUNK - aligned));
	tables->base = aligned;
	mill_memory_leave_undumped(tables->base, tables->size); /* a core dump of a crash needs none of it */
	return true;
}

bool mill_fib_tables_create(struct mill_fib_tables *tables, struct mill_error *error)
{
	const int fd = mill_memory_create("netmill-fib", FIRST_PLACE + 2 * mill_fib_bytes());
	if (fd < 0 || !map(tables, fd)) {
		mill_fail(error, errno, "FIB tables: expected %zu MB of address space in a memfd: %s",
		          (size_t)(FIRST_PLACE + 2 * mill_fib_bytes()) >> 20, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	*head_of(tables) = new_head();
	return true;
}

bool mill_fib_tables_map(struct mill_fib_tables *tables, int fd)
{
	struct stat st;
	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size == FIRST_PLACE + 2 * mill_fib_bytes() &&
	    map(tables, fd)) {
		struct mill_fib_file expected = new_head();
		expected.active = head_of(tables)->active & 1;
		if (memcmp(head_of(tables), &expected, sizeof(expected)) == 0 &&
		    mill_fib_valid(mill_fib_tables_active(tables)))
			return true;
		munmap(tables->base, tables->size);
	}
	close(fd);
	return false;
}

void mill_fib_tables_close(struct mill_fib_tables *tables)
{
	munmap(tables->base, tables->size);
	close(tables->fd);
	memset(tables, 0, sizeof(*tables));
}

struct mill_fib *mill_fib_tables_active(const struct mill_fib_tables *tables)
{
	return place(tables, head_of(tables)->active);
}

struct mill_fib *mill_fib_tables_spare(const struct mill_fib_tables *tables)
{
	return place(tables, head_of(tables)->active ^ 1);
}

void mill_fib_tables_flip(struct mill_fib_tables *tables)
{
	__atomic_store_n(&head_of(tables)->active, head_of(tables)->active ^ 1, __ATOMIC_RELEASE);
}

void mill_fib_tables_clear(struct mill_fib *fib)
{
	mill_memory_discard(fib, mill_fib_bytes());
}

/* At least half of it is in use. */
static bool dense(uint8_t *chunk)
{
	unsigned char resident[PAGES];
	uint32_t n = 0;
	if (mincore(chunk, CHUNK, resident) != 0)
		return false;
	for (uint32_t i = 0; i < PAGES; i++)
		n += resident[i] & 1;
	return n >= PAGES / 2;
}

bool mill_fib_tables_condense(struct mill_fib *fib, uint32_t *chunk)
{
	while (*chunk < mill_fib_bytes() / CHUNK) {
		uint8_t *at = (uint8_t *)fib + (*chunk)++ * CHUNK;
		if (dense(at) && mill_memory_collapse(at, CHUNK))
			return true;
	}
	*chunk = 0;
	return false;
}
