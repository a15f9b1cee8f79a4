/* view.h. The head of the memfd says which of its two places is in force (shm/fib_use.h); it may change between calls. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "fib_view.h"
#include "fib/explain.h"
#include "shm/fib_use.h"

static const struct mill_fib *in_force(const struct mill_fib_view *view)
{
	const struct mill_fib_file *head = (const struct mill_fib_file *)view->base;
	const uint32_t active = __atomic_load_n(&head->active, __ATOMIC_ACQUIRE) & 1;
	return (const struct mill_fib *)(view->base + head->first_place + active * head->place_bytes);
}

bool mill_fib_view_map(struct mill_fib_view *view, int fd)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return false;
	const size_t size = (size_t)st.st_size;
	errno = EPROTO;
	if (size < 2 * MILL_FIB_BYTES)
		return false;
	void *base = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (base == MAP_FAILED)
		return false;
	*view = (struct mill_fib_view){base, size};
	const struct mill_fib_file *head = base;
	if (head->magic == MILL_FIB_FILE_MAGIC && head->abi == MILL_ABI_VERSION &&
	    head->place_bytes >= MILL_FIB_BYTES && head->first_place + 2 * head->place_bytes == size) {
		madvise(base, size, MADV_DONTDUMP);
		return true;
	}
	mill_fib_view_unmap(view);
	errno = EPROTO;
	return false;
}

void mill_fib_view_unmap(struct mill_fib_view *view)
{
	munmap((void *)(uintptr_t)view->base, view->size);
	*view = (struct mill_fib_view){NULL, 0};
}

void mill_fib_view_groups(const struct mill_fib_view *view, int family, const uint8_t (*address)[16],
                          uint32_t *group, unsigned n)
{
	const struct mill_fib *fib = in_force(view);
	if (family == 6) {
		mill_fib_lookup6(fib, address, group, n);
		return;
	}
	while (n > 0) {
		uint32_t host[MILL_FIB_BATCH];
		const unsigned some = n < MILL_FIB_BATCH ? n : MILL_FIB_BATCH;
		for (unsigned i = 0; i < some; i++) {
			memcpy(&host[i], address[i], sizeof(host[i]));
			host[i] = __builtin_bswap32(host[i]);
		}
		mill_fib_lookup4(fib, host, group, some);
		address += some;
		group += some;
		n -= some;
	}
}

bool mill_fib_view_group(const struct mill_fib_view *view, uint32_t group, struct mill_lookup_answer *answer)
{
	if (group >= MILL_FIB_GROUPS)
		return false;
	mill_fib_explain_group(in_force(view), group, answer);
	return true;
}
