/* id_map.h. Deletion moves later pairs of the run back, so that there are no tombstones. */
#include <stdlib.h>
#include <string.h>
#include "fib/id_map.h"

static uint32_t home_of(const struct mill_id_map *map, uint32_t key)
{
	return (uint32_t)((key * 0x9e3779b97f4a7c15ull) >> 32) & (map->capacity - 1);
}

/* Where the key is, or the free place where it belongs. */
static uint32_t find(const struct mill_id_map *map, uint32_t key)
{
	uint32_t i = home_of(map, key);
	while (map->pair[i].value != 0 && map->pair[i].key != key)
		i = (i + 1) & (map->capacity - 1);
	return i;
}

uint32_t mill_id_map_get(const struct mill_id_map *map, uint32_t key)
{
	return map->capacity == 0 ? 0 : map->pair[find(map, key)].value;
}

static bool grow(struct mill_id_map *map)
{
	struct mill_id_map larger = {.n = map->n, .capacity = map->capacity ? map->capacity * 2 : 256};
	larger.pair = calloc(larger.capacity, sizeof(*larger.pair));
	if (larger.pair == NULL)
		return false;
	for (uint32_t i = 0; i < map->capacity; i++)
		if (map->pair[i].value != 0)
			larger.pair[find(&larger, map->pair[i].key)] = map->pair[i];
	free(map->pair);
	*map = larger;
	return true;
}

bool mill_id_map_put(struct mill_id_map *map, uint32_t key, uint32_t value)
{
	if ((map->n + 1) * 2 > map->capacity && !grow(map))
		return false;
	struct mill_id_pair *pair = &map->pair[find(map, key)];
	map->n += pair->value == 0;
	*pair = (struct mill_id_pair){key, value};
	return true;
}

void mill_id_map_remove(struct mill_id_map *map, uint32_t key)
{
	if (map->capacity == 0)
		return;
	const uint32_t mask = map->capacity - 1;
	uint32_t hole = find(map, key);
	if (map->pair[hole].value == 0)
		return;
	for (uint32_t i = (hole + 1) & mask; map->pair[i].value != 0; i = (i + 1) & mask) {
		const uint32_t home = home_of(map, map->pair[i].key);
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		map->pair[hole] = map->pair[i];
		hole = i;
	}
	map->pair[hole].value = 0;
	map->n--;
}

void mill_id_map_clear(struct mill_id_map *map)
{
	if (map->capacity > 0)
		memset(map->pair, 0, map->capacity * sizeof(*map->pair));
	map->n = 0;
}

void mill_id_map_finish(struct mill_id_map *map)
{
	free(map->pair);
	memset(map, 0, sizeof(*map));
}
