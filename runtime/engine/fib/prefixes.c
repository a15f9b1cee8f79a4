/* prefixes.h. Deletion moves later places of the run back, so that there are no tombstones. */
#include <stdlib.h>
#include <string.h>
#include "fib/prefixes.h"
#include "fib/slots.h"
#include "os/memory.h"

#define META_GROUP   0x00ffffffull
#define META_LENGTH4 24 /* 6 bits */
#define META_MARK4   (1ull << 30)
#define META_USED4   (1ull << 31)
#define META_LENGTH6 32 /* 8 bits */
#define META_MARK6   (1ull << 62)
#define META_USED6   (1ull << 63)

/* One place in either layout, unpacked. */
struct place {
	struct mill_prefix prefix;
	uint32_t group;
	bool used, mark;
};

static uint64_t mask_of(unsigned bits)
{
	return bits == 0 ? 0 : bits >= 64 ? ~0ull : ~0ull << (64 - bits);
}

struct mill_prefix mill_prefix_of(const uint8_t *address, int family, unsigned length)
{
	struct mill_prefix prefix = {0, 0, (uint8_t)length};
	uint32_t address4;
	if (family == 4) {
		memcpy(&address4, address, sizeof(address4));
		prefix.high = (uint64_t)__builtin_bswap32(address4) << 32 & mask_of(length);
		return prefix;
	}
	memcpy(&prefix.high, address, 8);
	prefix.high = __builtin_bswap64(prefix.high) & mask_of(length);
	if (length <= 64)
		return prefix;
	memcpy(&prefix.low, address + 8, 8);
	prefix.low = __builtin_bswap64(prefix.low);
	prefix.low &= mask_of(length < 64 ? 0 : length - 64);
	return prefix;
}

void mill_prefix_bytes(const struct mill_prefix *prefix, uint8_t address[16])
{
	const uint64_t high = __builtin_bswap64(prefix->high), low = __builtin_bswap64(prefix->low);
	memcpy(address, &high, sizeof(high));
	memcpy(address + 8, &low, sizeof(low));
}

static struct place load(const struct mill_prefixes *prefixes, uint32_t i)
{
	struct place place;
	if (prefixes->words == 1) {
		const uint64_t word = prefixes->place[i];
		place.prefix = (struct mill_prefix){word & ~0xffffffffull, 0, word >> META_LENGTH4 & 63};
		place.group = (uint32_t)(word & META_GROUP);
		place.used = word & META_USED4;
		place.mark = word & META_MARK4;
		return place;
	}
	const uint64_t *word = &prefixes->place[(size_t)i * 3];
	place.prefix = (struct mill_prefix){word[0], word[1], (uint8_t)(word[2] >> META_LENGTH6)};
	place.group = (uint32_t)(word[2] & META_GROUP);
	place.used = word[2] & META_USED6;
	place.mark = word[2] & META_MARK6;
	return place;
}

static void store(struct mill_prefixes *prefixes, uint32_t i, const struct place *place)
{
	const struct mill_prefix *prefix = &place->prefix;
	if (prefixes->words == 1) {
		const uint64_t meta = place->group | (uint64_t)prefix->length << META_LENGTH4 |
		                      (place->mark ? META_MARK4 : 0) | META_USED4;
		prefixes->place[i] = place->used ? prefix->high | meta : 0;
		return;
	}
	uint64_t *word = &prefixes->place[(size_t)i * 3];
	const uint64_t meta = place->group | (uint64_t)prefix->length << META_LENGTH6 |
	                      (place->mark ? META_MARK6 : 0) | META_USED6;
	word[0] = prefix->high;
	word[1] = prefix->low;
	word[2] = place->used ? meta : 0;
}

static bool equal(const struct mill_prefix *a, const struct mill_prefix *b)
{
	return a->high == b->high && a->low == b->low && a->length == b->length;
}

static uint32_t home_of(const struct mill_prefixes *prefixes, const struct mill_prefix *prefix)
{
	uint64_t h = (prefix->high ^ prefix->length) * 0x9e3779b97f4a7c15ull;
	h = (h ^ h >> 29 ^ prefix->low) * 0xbf58476d1ce4e5b9ull;
	return (uint32_t)(h >> 32) & (prefixes->capacity - 1);
}

/* Where the prefix is, or the free place where it belongs. */
static uint32_t find(const struct mill_prefixes *prefixes, const struct mill_prefix *prefix,
                     struct place *place)
{
	const uint32_t mask = prefixes->capacity - 1;
	const uint64_t wanted = prefix->high | (uint64_t)prefix->length << META_LENGTH4 | META_USED4;
	uint32_t i = home_of(prefixes, prefix);
	if (prefixes->words == 1)
		while ((prefixes->place[i] & META_USED4) &&
		       (prefixes->place[i] & ~(META_GROUP | META_MARK4)) != wanted)
			i = (i + 1) & mask;
	for (;; i = (i + 1) & mask) {
		*place = load(prefixes, i);
		if (!place->used || equal(&place->prefix, prefix))
			return i;
	}
}

void mill_prefixes_init(struct mill_prefixes *prefixes, int family)
{
	memset(prefixes, 0, sizeof(*prefixes));
	prefixes->words = family == 4 ? 1 : 3;
}

void mill_prefixes_finish(struct mill_prefixes *prefixes)
{
	free(prefixes->place);
	memset(prefixes, 0, sizeof(*prefixes));
}

/* Places are looked for all over: with small pages each one is a miss of the TLB, too. */
static void use_huge_pages(void *p, size_t bytes)
{
	const uintptr_t from = ((uintptr_t)p + MILL_HUGE_PAGE - 1) / MILL_HUGE_PAGE * MILL_HUGE_PAGE;
	if (from + MILL_HUGE_PAGE <= (uintptr_t)p + bytes)
		mill_memory_enlarge((void *)from,
		                    ((uintptr_t)p + bytes - from) / MILL_HUGE_PAGE * MILL_HUGE_PAGE);
}

static bool grow(struct mill_prefixes *prefixes)
{
	struct mill_prefixes larger = *prefixes;
	struct place place, other;
	larger.capacity = prefixes->capacity ? prefixes->capacity * 4 : 2048;
	larger.place = calloc((size_t)larger.capacity * larger.words, sizeof(uint64_t));
	if (larger.place == NULL)
		return false;
	use_huge_pages(larger.place, (size_t)larger.capacity * larger.words * sizeof(uint64_t));
	for (uint32_t i = 0; i < prefixes->capacity; i++) {
		place = load(prefixes, i);
		if (place.used)
			store(&larger, find(&larger, &place.prefix, &other), &place);
	}
	free(prefixes->place);
	*prefixes = larger;
	return true;
}

uint32_t mill_prefixes_get(const struct mill_prefixes *prefixes, const struct mill_prefix *prefix)
{
	struct place place;
	if (prefixes->by_length[prefix->length] == 0)
		return 0;
	find(prefixes, prefix, &place);
	return place.used ? place.group : 0;
}

void mill_prefixes_expect(const struct mill_prefixes *prefixes, const struct mill_prefix *prefix)
{
	if (prefixes->capacity != 0)
		__builtin_prefetch(&prefixes->place[(size_t)home_of(prefixes, prefix) * prefixes->words]);
}

bool mill_prefixes_put(struct mill_prefixes *prefixes, const struct mill_prefix *prefix, uint32_t group,
                       uint32_t *was)
{
	struct place place = {.used = false};
	uint32_t i = prefixes->capacity == 0 ? 0 : find(prefixes, prefix, &place);
	*was = place.used ? place.group : 0;
	if (!place.used) { /* only a new one may need more room */
		if ((uint64_t)(prefixes->n + 1) * 3 > (uint64_t)prefixes->capacity * 2) {
			if (!grow(prefixes))
				return false;
			i = find(prefixes, prefix, &place);
		}
		prefixes->n++;
		prefixes->by_length[prefix->length]++;
	}
	place = (struct place){*prefix, group, true, true};
	store(prefixes, i, &place);
	return true;
}

void mill_prefixes_remove(struct mill_prefixes *prefixes, const struct mill_prefix *prefix)
{
	struct place place;
	if (prefixes->by_length[prefix->length] == 0)
		return;
	const uint32_t mask = prefixes->capacity - 1;
	uint32_t hole = find(prefixes, prefix, &place);
	if (!place.used)
		return;
	for (uint32_t i = (hole + 1) & mask;; i = (i + 1) & mask) {
		place = load(prefixes, i);
		if (!place.used)
			break;
		const uint32_t home = home_of(prefixes, &place.prefix);
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		store(prefixes, hole, &place);
		hole = i;
	}
	place = (struct place){.used = false};
	store(prefixes, hole, &place);
	prefixes->n--;
	prefixes->by_length[prefix->length]--;
}

uint32_t mill_prefixes_cover(const struct mill_prefixes *prefixes, const struct mill_prefix *prefix,
                             unsigned *length)
{
	struct mill_prefix shorter = *prefix;
	for (*length = prefix->length - 1u; prefix->length > 1 && *length > 0; (*length)--) {
		if (prefixes->by_length[*length] == 0)
			continue;
		shorter.length = (uint8_t)*length;
		shorter.high &= mask_of(*length);
		shorter.low &= mask_of(*length < 64 ? 0 : *length - 64);
		const uint32_t group = mill_prefixes_get(prefixes, &shorter);
		if (group != 0)
			return group;
	}
	*length = 0;
	return 0;
}

bool mill_prefixes_next(const struct mill_prefixes *prefixes, uint32_t *at, struct mill_prefix *prefix,
                        uint32_t *group)
{
	while (*at < prefixes->capacity) {
		const struct place place = load(prefixes, (*at)++);
		if (!place.used)
			continue;
		*prefix = place.prefix;
		*group = place.group;
		return true;
	}
	return false;
}

void mill_prefixes_unmark(struct mill_prefixes *prefixes)
{
	const uint64_t keep = prefixes->words == 1 ? ~META_MARK4 : ~META_MARK6;
	for (size_t i = prefixes->words - 1; i < (size_t)prefixes->capacity * prefixes->words;
	     i += prefixes->words)
		prefixes->place[i] &= keep;
}

bool mill_prefixes_next_unmarked(const struct mill_prefixes *prefixes, uint32_t *at,
                                 struct mill_prefix *prefix)
{
	while (*at < prefixes->capacity) {
		const struct place place = load(prefixes, (*at)++);
		if (!place.used || place.mark)
			continue;
		*prefix = place.prefix;
		return true;
	}
	return false;
}
