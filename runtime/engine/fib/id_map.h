/*
 * The daemon's numbers → ours: open addressing with linear probing over pairs of 32 bits, value 0 = free place.
 * The daemon may use whatever numbers it likes.
 *
 * Threads: the FIB writer's own.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct mill_id_pair {
	uint32_t key, value;
};

struct mill_id_map {
	struct mill_id_pair *pair;
	uint32_t n, capacity; /* power of two, or 0 */
};

/* 0 when it is not there. */
uint32_t mill_id_map_get(const struct mill_id_map *, uint32_t key);
/* value is not 0. False: out of memory, nothing changed. */
bool mill_id_map_put(struct mill_id_map *, uint32_t key, uint32_t value);
void mill_id_map_remove(struct mill_id_map *, uint32_t key);
void mill_id_map_clear(struct mill_id_map *);
void mill_id_map_finish(struct mill_id_map *);
