/*
 * Memory that processes share, and advice about it: what POSIX does not have. Any thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Zeroed memory without a name in the file system, of this size for good. A descriptor, or -1 and errno. */
int mill_memory_create(const char *name, size_t size);
/* A copy of a file's first `size` bytes that nobody can change any more. A descriptor, or -1 and errno. */
int mill_memory_copy(const char *name, int from, size_t size);
/* May nobody write to it, or make it smaller, any more? */
bool mill_memory_is_sealed(int fd);
/* Maps it for reading, all pages at once. NULL and errno. */
void *mill_memory_read(int fd, size_t size);
/* A path by which this process opens what a descriptor stands for. */
#define MILL_FD_PATH 64
void mill_fd_path(int fd, char path[MILL_FD_PATH]);

/* Pages of shared memory go back to the system; they read as zero afterwards. */
void mill_memory_discard(void *, size_t);
/* Advice, which may be ignored: pages are there before they are touched; they are to be large; a core dump needs none. */
void mill_memory_touch(void *, size_t);
void mill_memory_enlarge(void *, size_t);
void mill_memory_leave_undumped(void *, size_t);
/* Large pages at once, whatever the system's setting. False: not to be had. */
bool mill_memory_collapse(void *, size_t);
