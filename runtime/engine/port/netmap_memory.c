/*
 * Memory of netmap's allocators, as this process sees it. Ports in one allocator (the same nr_mem_id) are mapped once,
 * so that a buffer number means the same in all their rings and the forwarder may exchange buffers; it compares
 * addresses. A mapping keeps the descriptor that it was made by open, whatever becomes of the descriptor, and with it the
 * port in netmap mode; so what is shared is mapped by a descriptor that is bound to no port. Where the kernel has
 * none such, a port has a mapping to itself and packets to other ports are copied. Control thread only.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "port/netmap.h"

static struct mill_netmap_memory *maps[MILL_MAX_PORTS];

static struct mill_netmap_memory *find(uint32_t id, size_t size)
{
	for (uint32_t i = 0; i < MILL_MAX_PORTS; i++)
		if (maps[i] != NULL && maps[i]->anchor >= 0 && maps[i]->id == id && maps[i]->size == size)
			return maps[i];
	return NULL;
}

static bool remember(struct mill_netmap_memory *memory)
{
	for (uint32_t i = 0; i < MILL_MAX_PORTS; i++)
		if (maps[i] == NULL) {
			maps[i] = memory;
			return true;
		}
	return false;
}

static void forget(struct mill_netmap_memory *memory)
{
	for (uint32_t i = 0; i < MILL_MAX_PORTS; i++)
		if (maps[i] == memory)
			maps[i] = NULL;
	if (memory->base != NULL)
		mill_netmap_sys->unmap(memory->base, memory->size);
	if (memory->anchor >= 0)
		mill_netmap_sys->close(memory->anchor);
	free(memory->seen);
	free(memory);
}

struct mill_netmap_memory *mill_netmap_memory_get(int fd, uint32_t id, size_t size, bool shareable,
                                                  struct mill_error *error)
{
	struct mill_netmap_memory *memory = shareable ? find(id, size) : NULL;
	if (memory != NULL) {
		memory->users++;
		return memory;
	}
	memory = calloc(1, sizeof(*memory));
	if (memory == NULL) {
		mill_fail(error, ENOMEM, "no memory for a mapping");
		return NULL;
	}
	*memory = (struct mill_netmap_memory){.size = size, .id = id, .users = 1, .anchor = -1};
	if (shareable)
		memory->anchor = mill_netmap_anchor(id);
	memory->base = mill_netmap_sys->map(memory->anchor >= 0 ? memory->anchor : fd, size);
	if (memory->base == NULL)
		mill_fail(error, errno, "mapping %zu MiB of netmap's memory: %s", size >> 20,
		          strerror(errno));
	else if (!remember(memory))
		mill_fail(error, ENOSPC, "more netmap mappings than ports");
	else
		return memory;
	forget(memory);
	return NULL;
}

void mill_netmap_memory_put(struct mill_netmap_memory *memory)
{
	if (memory != NULL && --memory->users == 0)
		forget(memory);
}
