/*
 * DPDK without the system's huge pages: EAL's memory is collapsed into huge pages (MADV_COLLAPSE) once it is filled, as
 * netmill does with its own tables. For one C file of a program, which defines memfd_create() by including this.
 */
#pragma once
#include <errno.h>
#include <rte_eal.h>
#include <rte_memory.h>
#include <stdint.h>
#include <sys/mman.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define EAL_CHUNK (2ull << 20)

/* EAL without huge pages takes a memfd at an address that no huge page could have; private memory, which it takes
 * where there are no memfds, can be made of huge pages anywhere. */
int memfd_create(const char *name, unsigned flags)
{
	(void)name;
	(void)flags;
	errno = ENOSYS;
	return -1;
}

static int eal_collapse_list(const struct rte_memseg_list *list, void *unused)
{
	(void)unused;
	uint8_t *from = (uint8_t *)(((uintptr_t)list->base_va + EAL_CHUNK - 1) / EAL_CHUNK * EAL_CHUNK);
	for (uint8_t *at = from; at + EAL_CHUNK <= (uint8_t *)list->base_va + list->len; at += EAL_CHUNK) {
		unsigned char resident[EAL_CHUNK / 4096];
		unsigned n = 0;
		if (mincore(at, EAL_CHUNK, resident) != 0)
			continue;
		for (unsigned i = 0; i < sizeof(resident); i++)
			n += resident[i] & 1;
		if (n >= sizeof(resident) / 2)
			madvise(at, EAL_CHUNK, MADV_COLLAPSE);
	}
	return 0;
}

static inline void eal_collapse(void)
{
	rte_memseg_list_walk(eal_collapse_list, NULL);
}
