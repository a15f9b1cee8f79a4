/* tables.h. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "fib/fib_writer.h"
#include "fib/tables.h"

#define FILE_MAGIC  0x3253424154494600ull
#define FIRST_PLACE (2ull << 20) /* huge pages may begin here */

struct tables_head {
	uint64_t magic, place_bytes;
	uint32_t abi;
	uint32_t active; /* 0 or 1 */
};

static struct tables_head *head_of(const struct mill_fib_tables *tables)
{
	return (struct tables_head *)tables->base;
}

static struct mill_fib *place(const struct mill_fib_tables *tables, uint32_t n)
{
	return (struct mill_fib *)(tables->base + FIRST_PLACE + n * mill_fib_bytes());
}

static bool map(struct mill_fib_tables *tables, int fd)
{
	tables->fd = fd;
	tables->size = FIRST_PLACE + 2 * mill_fib_bytes();
	tables->base = mmap(NULL, tables->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (tables->base == MAP_FAILED) {
		tables->base = NULL;
		return false;
	}
	/* a lookup touches memory all over; and a core dump of a crash needs none of it */
	madvise(tables->base, tables->size, MADV_HUGEPAGE);
	madvise(tables->base, tables->size, MADV_DONTDUMP);
	return true;
}

bool mill_fib_tables_create(struct mill_fib_tables *tables, struct mill_error *error)
{
	const int fd = memfd_create("netmill-fib", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)(FIRST_PLACE + 2 * mill_fib_bytes())) != 0 || !map(tables, fd)) {
		mill_fail(error, errno, "FIB tables: expected %zu MB of address space in a memfd: %s",
		          (size_t)(FIRST_PLACE + 2 * mill_fib_bytes()) >> 20, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	*head_of(tables) = (struct tables_head){FILE_MAGIC, mill_fib_bytes(), MILL_ABI_VERSION, 0};
	return true;
}

bool mill_fib_tables_map(struct mill_fib_tables *tables, int fd)
{
	struct stat st;
	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size == FIRST_PLACE + 2 * mill_fib_bytes() &&
	    map(tables, fd)) {
		const struct tables_head *head = head_of(tables);
		if (head->magic == FILE_MAGIC && head->abi == MILL_ABI_VERSION && head->active < 2 &&
		    head->place_bytes == mill_fib_bytes() && mill_fib_valid(mill_fib_tables_active(tables)))
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
	madvise(fib, mill_fib_bytes(), MADV_REMOVE);
}
