/* os/memory.h by memfd_create(2) and madvise(2). */
#include "os/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define SIZE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW)
#define ALL_SEALS  (F_SEAL_SEAL | SIZE_SEALS | F_SEAL_WRITE)

/* Of Linux 5.14 and 6.1. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

static int sealed(int fd, int seals, bool whole)
{
	if (fd < 0 || (whole && fcntl(fd, F_ADD_SEALS, seals) == 0))
		return fd;
	const int code = errno;
	close(fd);
	errno = code;
	return -1;
}

int mill_memory_create(const char *name, size_t size)
{
	const int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return sealed(fd, SIZE_SEALS, fd >= 0 && ftruncate(fd, (off_t)size) == 0);
}

int mill_memory_copy(const char *name, int from, size_t size)
{
	const int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	off_t offset = 0;
	while (fd >= 0 && (size_t)offset < size)
		if (sendfile(fd, from, &offset, size - (size_t)offset) <= 0)
			break;
	return sealed(fd, ALL_SEALS, (size_t)offset == size);
}

bool mill_memory_is_sealed(int fd)
{
	const int needed = F_SEAL_SHRINK | F_SEAL_WRITE;
	return (fcntl(fd, F_GET_SEALS) & needed) == needed;
}

void *mill_memory_read(int fd, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

void mill_fd_path(int fd, char path[MILL_FD_PATH])
{
	snprintf(path, MILL_FD_PATH, "/proc/self/fd/%d", fd);
}

void mill_memory_discard(void *memory, size_t size)
{
	madvise(memory, size, MADV_REMOVE);
}

void mill_memory_touch(void *memory, size_t size)
{
	madvise(memory, size, MADV_POPULATE_WRITE);
}

void mill_memory_enlarge(void *memory, size_t size)
{
	madvise(memory, size, MADV_HUGEPAGE);
}

void mill_memory_leave_undumped(void *memory, size_t size)
{
	madvise(memory, size, MADV_DONTDUMP);
}

bool mill_memory_collapse(void *memory, size_t size)
{
	return madvise(memory, size, MADV_COLLAPSE) == 0;
}
