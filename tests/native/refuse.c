/* Preloaded into an engine: while the file REFUSE_MEMORY exists, there is no memory for tables of 16 KB or more. */
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

void *__libc_calloc(size_t n, size_t size);

void *calloc(size_t n, size_t size)
{
	const char *file = getenv("REFUSE_MEMORY");
	if (n * size >= 16384 && file != NULL && access(file, F_OK) == 0)
		return NULL;
	return __libc_calloc(n, size);
}
