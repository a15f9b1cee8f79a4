/*
 * First match in a long list. The list's tables are made by codegen/classify and are read here:
 *
 *   source address → class ──────┐
 *                                ├─► leaf: entries in order ─┐
 *   destination address → class ─┘                           ├─► first entry whose bit is set in the row
 *   protocol and selector, source port → rows of bits ───────┘
 *
 * A leaf is a chain of lines of 64 bytes: for fifteen entries the byte of the row, the bit in it, and the entry. So one
 * comparison judges fifteen entries. Sources: Gupta and McKeown, SIGCOMM 1999 (classes of addresses crossed in
 * phases); Lakshman and Stiliadis, SIGCOMM 1998 (rows of bits). Everything a list does not test is constant, so
 * that nothing is left of it in the code: the functions are inlined where the list's description is known.
 * Threads: any; tables do not change.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MILL_CLASSIFY_BURST  64u
#define MILL_CLASSIFY_NONE   0xffffffffu
#define MILL_LINE_SLOTS      15u
#define MILL_LINE_MASK       0x7fffu /* of an entry; of the slots */
#define MILL_LINE_RESIDUAL   0x8000u /* the entry's predicate must hold besides */
#define MILL_CLASSIFY_INLINE static inline __attribute__((always_inline, unused))

struct mill_line {
	uint8_t byte[16]; /* [15]: page of the row, 64 bytes each */
	uint8_t bit[16];
	uint16_t entry[16]; /* [15]: 1 + the first entry of the next line; 0: there is none */
};
_Static_assert(sizeof(struct mill_line) == 64, "a line is a cache line");

/* Offsets are bytes from `tables`; 0 where the list has no such table. */
struct mill_pairs {
	uint32_t index, blocks;
	uint32_t columns; /* blocks of a row of the index */
	uint8_t shift;    /* log2 of a block's columns */
	bool source, destination;
};

struct mill_classifier {
	const uint8_t *tables;
	uint32_t source[3], destination[3]; /* IPv4: three levels; IPv6: keys, upper halves, lower halves */
	uint32_t sources, destinations;     /* IPv6: how many upper halves */
	uint32_t kinds, unread, classes, rows;
	uint32_t port_classes, port_rows;
	uint32_t row_bytes;
	bool narrow, narrow_ports; /* classes of one byte */
	uint32_t lines;
	uint32_t n_pairs;
	struct mill_pairs pairs[3];
};

struct mill_key {
	union {
		uint32_t src4;
		const uint64_t *src6; /* high and low half, host order */
	};
	union {
		uint32_t dst4;
		const uint64_t *dst6;
	};
	uint16_t sport, selector;
	uint8_t proto;
	bool read; /* the transport header: else selector and sport say nothing */
};

/* What is asked of an entry that its line says more is to be asked of; NULL where a list has none. */
typedef bool (*mill_residual)(const void *packet, uint32_t entry);

#define MILL_TABLE(c, type, offset) ((const type *)(const void *)((c)->tables + (offset)))

MILL_CLASSIFY_INLINE uint32_t mill_class4(const struct mill_classifier *c, const uint32_t level[3],
                                          uint32_t address)
{
	const uint32_t middle = MILL_TABLE(c, uint16_t, level[0])[address >> 16];
	const uint32_t low = MILL_TABLE(c, uint16_t, level[1])[middle << 8 | (address >> 8 & 0xff)];
	return MILL_TABLE(c, uint16_t, level[2])[low << 8 | (address & 0xff)];
}

/* IPv6: an upper half at which the class changes, and its lower halves. */
struct mill_upper6 {
	uint64_t from;
	uint32_t first;
	uint16_t n;     /* 0: one, at the beginning */
	uint16_t class; /* from the last one on */
};

struct mill_low6 {
	uint64_t from, class;
};

#define MILL_NODE_KEYS 8u

/* How many keys of a node are not above `high`: they ascend. */
typedef uint32_t (*mill_ranking)(const uint64_t *key, uint64_t high);

MILL_CLASSIFY_INLINE uint32_t mill_rank(const uint64_t *key, uint64_t high)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < MILL_NODE_KEYS; i++)
		n += key[i] <= high;
	return n;
}

/* The last upper half that is not above `high`, down a tree of nodes of eight, whose levels lie from the top on. The
 * first key is 0; those that fill the last node of a level are the highest there can be. */
MILL_CLASSIFY_INLINE uint32_t mill_find6(const uint64_t *keys, uint32_t n, uint64_t high, mill_ranking rank)
{
	uint32_t shift = 0, at = 0;
	while (n > MILL_NODE_KEYS << shift)
		shift += 3;
	for (;; shift -= 3) {
		const uint32_t size = (n + (1u << shift) - 1) >> shift;
		at = at * MILL_NODE_KEYS + rank(keys + at * MILL_NODE_KEYS, high) - 1;
		at = at < size ? at : size - 1;
		if (shift == 0)
			return at;
		keys += (size + MILL_NODE_KEYS - 1) & ~(MILL_NODE_KEYS - 1);
	}
}

MILL_CLASSIFY_INLINE uint32_t mill_class6(const struct mill_classifier *c, const uint32_t table[3],
                                          uint32_t n, const uint64_t address[2], mill_ranking rank)
{
	const uint32_t at = mill_find6(MILL_TABLE(c, uint64_t, table[0]), n, address[0], rank);
	const struct mill_upper6 *upper = MILL_TABLE(c, struct mill_upper6, table[1]) + at;
	if (upper->n == 0 || upper->from != address[0])
		return upper->class;
	const struct mill_low6 *low = MILL_TABLE(c, struct mill_low6, table[2]) + upper->first;
	for (uint32_t left = upper->n; left > 1;) {
		const uint32_t half = left / 2;
		low += low[half].from <= address[1] ? half : 0;
		left -= half;
	}
	return (uint32_t)low->class;
}

MILL_CLASSIFY_INLINE uint32_t mill_narrow(const struct mill_classifier *c, bool narrow, uint32_t offset,
                                          uint32_t at)
{
	return narrow ? MILL_TABLE(c, uint8_t, offset)[at] : MILL_TABLE(c, uint16_t, offset)[at];
}

/* The row of the packet's protocol and selector. */
MILL_CLASSIFY_INLINE const uint8_t *mill_row(const struct mill_classifier *c, const struct mill_key *key)
{
	const uint32_t at = key->read ? MILL_TABLE(c, uint32_t, c->kinds)[key->proto] + key->selector
	                              : (c->unread - c->classes) / (c->narrow ? 1 : 2) + key->proto;
	return c->tables + c->rows + (size_t)mill_narrow(c, c->narrow, c->classes, at) * c->row_bytes;
}

MILL_CLASSIFY_INLINE const uint8_t *mill_port_row(const struct mill_classifier *c, const struct mill_key *key)
{
	const uint32_t class = mill_narrow(c, c->narrow_ports, c->port_classes, key->read ? key->sport : 0);
	return c->tables + c->port_rows + (size_t) class * c->row_bytes;
}

/* Bit i: entry i of the line takes the packet. */
MILL_CLASSIFY_INLINE uint32_t mill_judge(const struct mill_line *line, const uint8_t *row,
                                         const uint8_t *ports)
{
	uint32_t found = 0;
	for (uint32_t i = 0; i < MILL_LINE_SLOTS; i++) {
		const uint32_t bits = row[line->byte[i]] & (ports != NULL ? ports[line->byte[i]] : 0xff);
		found |= (uint32_t)((bits & line->bit[i]) != 0) << i;
	}
	return found;
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
/* Written with gcc's own vectors and built-ins: <immintrin.h> alone takes gcc longer than a whole forwarder. */
#define MILL_CLASSIFY_VECTOR
#define MILL_CLASSIFY_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,bmi")))

typedef char mill_bytes64 __attribute__((vector_size(64)));

MILL_CLASSIFY_INLINE MILL_CLASSIFY_TARGET uint32_t mill_judge_vector(const struct mill_line *line,
                                                                     const uint8_t *row, const uint8_t *ports)
{
	mill_bytes64 bits, byte, bit; /* of the line's lanes behind the first sixteen nothing is used */
	memcpy(&bits, row, sizeof(bits));
	if (ports != NULL) {
		mill_bytes64 more;
		memcpy(&more, ports, sizeof(more));
		bits &= more;
	}
	memcpy(&byte, line->byte, sizeof(byte));
	memcpy(&bit, line->bit, sizeof(bit));
	bits = (mill_bytes64)__builtin_ia32_permvarqi512_mask(bits, byte, bits, (unsigned long long)-1);
	return __builtin_ia32_ptestmb512(bits, bit, (unsigned long long)-1) & MILL_LINE_MASK;
}

typedef long long mill_words64 __attribute__((vector_size(64)));

MILL_CLASSIFY_INLINE MILL_CLASSIFY_TARGET uint32_t mill_rank_vector(const uint64_t *key, uint64_t high)
{
	mill_words64 keys;
	memcpy(&keys, key, sizeof(keys));
	const long long h = (long long)high;
	const mill_words64 all = {h, h, h, h, h, h, h, h};
	/* 6: above. A bit set from the first key on that is; none when all of them are not. */
	const uint32_t above = (uint8_t)__builtin_ia32_ucmpq512_mask(keys, all, 6, (uint8_t)-1);
	return (uint32_t)__builtin_ctz(above | 1u << MILL_NODE_KEYS);
}
#endif

/* What a lookup has found out so far. */
struct mill_sought {
	const uint32_t *index[3], *leaf[3];
	const struct mill_line *line[3];
	const uint8_t *row, *ports;
	uint32_t column;
};

MILL_CLASSIFY_INLINE void mill_seek_classes(const struct mill_classifier *c, const struct mill_key *key,
                                            bool ipv6, mill_ranking rank, struct mill_sought *s)
{
	uint32_t source = 0, destination = 0;
	if (c->source[0] != 0)
		source = ipv6 ? mill_class6(c, c->source, c->sources, key->src6, rank)
		              : mill_class4(c, c->source, key->src4);
	if (c->destination[0] != 0)
		destination = ipv6 ? mill_class6(c, c->destination, c->destinations, key->dst6, rank)
		                   : mill_class4(c, c->destination, key->dst4);
	s->column = destination;
	for (uint32_t g = 0; g < c->n_pairs; g++) {
		const struct mill_pairs *pairs = &c->pairs[g];
		const size_t at = (pairs->source ? (size_t)source * pairs->columns : 0) +
		                  (pairs->destination ? destination >> pairs->shift : 0);
		s->index[g] = MILL_TABLE(c, uint32_t, pairs->index) + at;
		__builtin_prefetch(s->index[g]);
	}
	s->row = mill_row(c, key);
	__builtin_prefetch(s->row);
	s->ports = c->port_classes != 0 ? mill_port_row(c, key) : NULL;
	if (s->ports != NULL)
		__builtin_prefetch(s->ports);
}

MILL_CLASSIFY_INLINE void mill_seek_blocks(const struct mill_classifier *c, struct mill_sought *s)
{
	for (uint32_t g = 0; g < c->n_pairs; g++) {
		const struct mill_pairs *pairs = &c->pairs[g];
		const uint32_t within = pairs->destination ? s->column & ((1u << pairs->shift) - 1) : 0;
		s->leaf[g] =
		    MILL_TABLE(c, uint32_t, pairs->blocks) + ((size_t)*s->index[g] << pairs->shift | within);
		__builtin_prefetch(s->leaf[g]);
	}
}

MILL_CLASSIFY_INLINE void mill_seek_lines(const struct mill_classifier *c, struct mill_sought *s)
{
	for (uint32_t g = 0; g < c->n_pairs; g++) {
		s->line[g] = MILL_TABLE(c, struct mill_line, c->lines) + *s->leaf[g];
		__builtin_prefetch(s->line[g]);
	}
}

/* Of long rows, what the first line of each leaf will ask. */
MILL_CLASSIFY_INLINE void mill_seek_pages(const struct mill_classifier *c, struct mill_sought *s)
{
	for (uint32_t g = 0; g < c->n_pairs && c->row_bytes > 64; g++) {
		const size_t page = (size_t)s->line[g]->byte[MILL_LINE_SLOTS] * 64;
		__builtin_prefetch(s->row + page);
		if (s->ports != NULL)
			__builtin_prefetch(s->ports + page);
	}
}

typedef uint32_t (*mill_judgement)(const struct mill_line *, const uint8_t *, const uint8_t *);

/* The first entry of a leaf that takes the packet, if it comes before `best`; else `best`. A line has entries of one page
 * of the row; lines are in the order of their first entries. */
MILL_CLASSIFY_INLINE uint32_t mill_first_of(const struct mill_classifier *c, const struct mill_line *line,
                                            const struct mill_sought *s, uint32_t best, mill_judgement judge,
                                            mill_residual residual, const void *packet)
{
	for (;; line++) {
		const size_t page = c->row_bytes == 64 ? 0 : (size_t)line->byte[MILL_LINE_SLOTS] * 64;
		uint32_t found = judge(line, s->row + page, s->ports != NULL ? s->ports + page : NULL);
		for (; found != 0; found &= found - 1) {
			const uint32_t slot = line->entry[__builtin_ctz(found)],
			               entry = slot & MILL_LINE_MASK;
			if (entry >= best)
				break;
			if (residual == NULL || !(slot & MILL_LINE_RESIDUAL) || residual(packet, entry)) {
				best = entry;
				break;
			}
		}
		const uint32_t next = line->entry[MILL_LINE_SLOTS];
		if (next == 0 || next > best)
			return best;
	}
}

MILL_CLASSIFY_INLINE uint32_t mill_first(const struct mill_classifier *c, const struct mill_sought *s,
                                         mill_judgement judge, mill_residual residual, const void *packet)
{
	uint32_t best = MILL_CLASSIFY_NONE;
	for (uint32_t g = 0; g < c->n_pairs; g++)
		best = mill_first_of(c, s->line[g], s, best, judge, residual, packet);
	return best;
}

/* One packet. */
MILL_CLASSIFY_INLINE uint32_t mill_classify(const struct mill_classifier *c, const struct mill_key *key,
                                            bool ipv6, mill_judgement judge, mill_ranking rank,
                                            mill_residual residual, const void *packet)
{
	struct mill_sought s;
	mill_seek_classes(c, key, ipv6, rank, &s);
	mill_seek_blocks(c, &s);
	mill_seek_lines(c, &s);
	return mill_first(c, &s, judge, residual, packet);
}

/* Up to MILL_CLASSIFY_BURST packets, step by step for all of them, so that their cache misses overlap. */
MILL_CLASSIFY_INLINE void mill_classify_burst(const struct mill_classifier *c, const struct mill_key *key,
                                              uint32_t n, bool ipv6, mill_judgement judge, mill_ranking rank,
                                              uint32_t *entry)
{
	struct mill_sought s[MILL_CLASSIFY_BURST];
	for (uint32_t i = 0; i < n; i++)
		mill_seek_classes(c, &key[i], ipv6, rank, &s[i]);
	for (uint32_t i = 0; i < n; i++)
		mill_seek_blocks(c, &s[i]);
	for (uint32_t i = 0; i < n; i++)
		mill_seek_lines(c, &s[i]);
	for (uint32_t i = 0; i < n; i++)
		mill_seek_pages(c, &s[i]);
	for (uint32_t i = 0; i < n; i++)
		entry[i] = mill_first(c, &s[i], judge, NULL, NULL);
}
