/* own4.h. A list is enough: routers have few addresses, and the filter itself tells of nearly all other prefixes that
 * they are not in it. */
#include <stdlib.h>
#include <string.h>
#include "fib/own4.h"

#define WORDS (MILL_OWN4_BITS / 64)

/* Sources in 127/8 are dropped before anybody looks them up: netmill/enter.h */
static bool is_loopback(const struct mill_prefix *prefix)
{
	return prefix->length >= 8 && prefix->high >> 56 == 127;
}

static uint32_t bit_of(const struct mill_prefix *prefix)
{
	return mill_own4_bit((uint32_t)(prefix->high >> 32));
}

static bool equal(const struct mill_prefix *a, const struct mill_prefix *b)
{
	return a->high == b->high && a->length == b->length;
}

static void set_word(struct mill_own4 *own, uint32_t word, uint64_t bits)
{
	__atomic_store_n(&own->fib->own4[word], bits, __ATOMIC_RELAXED);
}

static void set_bit(struct mill_own4 *own, uint32_t bit)
{
	set_word(own, bit / 64, own->fib->own4[bit / 64] | 1ull << bit % 64);
}

static void write_filter(struct mill_own4 *own)
{
	uint64_t bits[WORDS];
	const bool all = own->incomplete || own->networks != 0;
	memset(bits, all ? 0xff : 0, sizeof(bits));
	for (uint32_t i = 0; !all && i < own->n; i++)
		bits[bit_of(&own->prefix[i]) / 64] |= 1ull << bit_of(&own->prefix[i]) % 64;
	for (uint32_t word = 0; word < WORDS; word++)
		set_word(own, word, bits[word]);
}

void mill_own4_init(struct mill_own4 *own, struct mill_fib *fib)
{
	memset(own, 0, sizeof(*own));
	own->fib = fib;
}

void mill_own4_finish(struct mill_own4 *own)
{
	free(own->prefix);
	memset(own, 0, sizeof(*own));
}

/* Its place in the list, or `n`. What is in it is in the filter. */
static uint32_t find(const struct mill_own4 *own, const struct mill_prefix *prefix)
{
	uint32_t i = 0;
	if (prefix->length == 32 && !mill_fib_may_be_own4(own->fib, (uint32_t)(prefix->high >> 32)))
		return own->n;
	while (i < own->n && !equal(&own->prefix[i], prefix))
		i++;
	return i;
}

static bool grow(struct mill_own4 *own)
{
	const uint32_t capacity = own->capacity == 0 ? 64 : own->capacity * 2;
	struct mill_prefix *larger = realloc(own->prefix, capacity * sizeof(*larger));
	if (larger == NULL)
		return false;
	own->prefix = larger;
	own->capacity = capacity;
	return true;
}

void mill_own4_add(struct mill_own4 *own, const struct mill_prefix *prefix)
{
	if (is_loopback(prefix) || find(own, prefix) != own->n)
		return;
	if (own->n == own->capacity && !grow(own)) {
		own->incomplete = true;
		write_filter(own);
		return;
	}
	own->prefix[own->n++] = *prefix;
	if (prefix->length == 32) {
		set_bit(own, bit_of(prefix));
		return;
	}
	own->networks++;
	write_filter(own);
}

void mill_own4_remove(struct mill_own4 *own, const struct mill_prefix *prefix)
{
	const uint32_t at = find(own, prefix);
	if (at == own->n)
		return;
	own->networks -= prefix->length != 32;
	own->prefix[at] = own->prefix[--own->n];
	write_filter(own);
}
