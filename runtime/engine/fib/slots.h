/*
 * Numbers 0 … limit-1 handed out and taken back: a stack of free ones over a high-water mark, so that tables stay
 * dense. Taking back never fails: the stack's memory is reserved from the start and costs nothing until used.
 *
 * Threads: the FIB writer's own.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include "os/memory.h"

#define MILL_SLOT_NONE UINT32_MAX
#define MILL_HUGE_PAGE (2ul << 20)

struct mill_slots {
	uint32_t *free;
	uint32_t n_free, next, limit, capacity;
};

/* Zeroed private memory that is backed only where it is touched; NULL when there is no address space. */
static inline void *mill_fib_reserve(size_t bytes)
{
	void *p =
	    mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

static inline void mill_fib_unreserve(void *p, size_t bytes)
{
	if (p != NULL)
		munmap(p, bytes);
}

/* One huge page for the 2 MB around an address, whatever the system's setting: 512 faults fewer. */
static inline void mill_fib_enlarge(const void *at)
{
	(void)mill_memory_collapse((void *)((uintptr_t)at / MILL_HUGE_PAGE * MILL_HUGE_PAGE), MILL_HUGE_PAGE);
}

/* Numbers from `first` on. `limit` may be raised later, up to `capacity`. */
static inline bool mill_slots_init(struct mill_slots *slots, uint32_t first, uint32_t limit,
                                   uint32_t capacity)
{
	slots->free = mill_fib_reserve((size_t)capacity * sizeof(uint32_t));
	slots->n_free = 0;
	slots->next = first;
	slots->limit = limit;
	slots->capacity = capacity;
	return slots->free != NULL;
}

static inline void mill_slots_finish(struct mill_slots *slots)
{
	mill_fib_unreserve(slots->free, (size_t)slots->capacity * sizeof(uint32_t));
	slots->free = NULL;
}

static inline uint32_t mill_slots_left(const struct mill_slots *slots)
{
	return slots->n_free + (slots->limit - slots->next);
}

static inline uint32_t mill_slots_take(struct mill_slots *slots)
{
	if (slots->n_free > 0)
		return slots->free[--slots->n_free];
	return slots->next < slots->limit ? slots->next++ : MILL_SLOT_NONE;
}

static inline void mill_slots_give(struct mill_slots *slots, uint32_t slot)
{
	slots->free[slots->n_free++] = slot;
}

/* As a mill_qsbr_free: owner is the struct mill_slots. */
static inline void mill_slots_give_later(void *owner, uint64_t slot)
{
	mill_slots_give(owner, (uint32_t)slot);
}
