/*
 * First match in a long list. The list's tables are made by codegen/classify and are read here:
 *
 *   source address → class ──────┐
 *                                ├─► leaf: entries in order ─┐
 *   destination address → class ─┘                           ├─► first entry whose bit is set in the row
 *   protocol and selector, source port → rows of bits ───────┘
 *
 * A leaf is a chain of lines of 64 bytes: for fifteen entries the byte of the row, the bit in it, and the entry. So one
 * comparison judges fifteen entries. A line may stand for a bundle instead, many entries of the same addresses, whose bits
 * lie side by side in the rows, in their order: one comparison judges 512 of them. Sources: Gupta and McKeown,
 * SIGCOMM 1999 (classes of addresses crossed in phases); Lakshman and Stiliadis, SIGCOMM 1998 (rows of bits). Everything a
 * list does not test is constant, so that nothing is left of it in the code: the functions are inlined where the list's
 * description is known.
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

#define MILL_BUNDLE_NONE 0x7fffu /* no entry of the bundle takes it */
#define MILL_BUNDLE_STEP 8u      /* words of 64 bits that are judged at once */

/* Entries of one bundle: the first bits of `words` words of 64 bits, `row` bytes into the row. */
struct mill_bundle {
	uint32_t row, words;
	uint32_t first;  /* of its entries, in the table of bundles */
	uint32_t number; /* in the rows of firsts */
};

struct mill_line {
	union {
		uint8_t byte[16]; /* [15]: page of the row, 64 bytes each */
		struct mill_bundle bundle;
	};
	uint8_t bit[16];    /* [15]: the line stands for a bundle */
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
	uint32_t lines, bundles;
	uint32_t firsts,
	    n_bundles; /* by row and bundle: the first entry, as a leaf has it, whatever the source port */
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

/* Bit i: entry i of the line takes the packet. */
MILL_CLASSIFY_INLINE uint32_t mill_judge_line(const struct mill_line *line, const uint8_t *row,
                                              const uint8_t *ports)
{
	uint32_t found = 0;
	for (uint32_t i = 0; i < MILL_LINE_SLOTS; i++) {
		const uint32_t bits = row[line->byte[i]] & (ports != NULL ? ports[line->byte[i]] : 0xff);
		found |= (uint32_t)((bits & line->bit[i]) != 0) << i;
	}
	return found;
}

MILL_CLASSIFY_INLINE uint64_t mill_word(const uint8_t *row, const uint8_t *ports, uint32_t word)
{
	uint64_t bits, more;
	memcpy(&bits, row + (size_t)word * 8, sizeof(bits));
	if (ports == NULL)
		return bits;
	memcpy(&more, ports + (size_t)word * 8, sizeof(more));
	return bits & more;
}

/* Bit i: word i of MILL_BUNDLE_STEP has a bit of an entry that takes the packet. */
MILL_CLASSIFY_INLINE uint32_t mill_judge_words(const uint8_t *row, const uint8_t *ports)
{
	uint32_t found = 0;
	for (uint32_t i = 0; i < MILL_BUNDLE_STEP; i++)
		found |= (uint32_t)(mill_word(row, ports, i) != 0) << i;
	return found;
}

/* How bits are judged: by the vectors of the processor, or without. Known where it is inlined. */
struct mill_judge {
	uint32_t (*line)(const struct mill_line *, const uint8_t *row, const uint8_t *ports);
	uint32_t (*words)(const uint8_t *row, const uint8_t *ports);
	mill_ranking rank;
};

static const struct mill_judge mill_plain = {mill_judge_line, mill_judge_words, mill_rank};

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
/* Written with gcc's own vectors and built-ins: <immintrin.h> alone takes gcc longer than a whole forwarder. */
#define MILL_CLASSIFY_VECTOR
#define MILL_CLASSIFY_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,bmi")))

typedef char mill_bytes64 __attribute__((vector_size(64)));

MILL_CLASSIFY_INLINE MILL_CLASSIFY_TARGET uint32_t mill_judge_line_vector(const struct mill_line *line,
                                                                          const uint8_t *row,
                                                                          const uint8_t *ports)
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

MILL_CLASSIFY_INLINE MILL_CLASSIFY_TARGET uint32_t mill_judge_words_vector(const uint8_t *row,
                                                                           const uint8_t *ports)
{
	mill_words64 bits, more;
	memcpy(&bits, row, sizeof(bits));
	memcpy(&more, ports != NULL ? ports : row, sizeof(more));
	return (uint8_t)__builtin_ia32_ptestmq512(bits, more, (uint8_t)-1);
}

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

static const struct mill_judge mill_vector = {mill_judge_line_vector, mill_judge_words_vector,
                                              mill_rank_vector};
#endif

/* What a lookup has found out so far. */
struct mill_sought {
	uint32_t source, destination; /* where in the next table of addresses; then the classes */
	uint32_t row, ports;          /* where in the tables of classes; then the number of the row */
	const uint8_t *rows, *port_rows;
	const uint32_t *index[3], *leaf[3];
	const struct mill_line *line[3];
};

MILL_CLASSIFY_INLINE uint32_t mill_middle4(const struct mill_classifier *c, const uint32_t level[3],
                                           uint32_t address)
{
	const uint32_t middle = MILL_TABLE(c, uint16_t, level[0])[address >> 16];
	const uint32_t at = middle << 8 | (address >> 8 & 0xff);
	__builtin_prefetch(MILL_TABLE(c, uint16_t, level[1]) + at);
	return at;
}

MILL_CLASSIFY_INLINE uint32_t mill_low4(const struct mill_classifier *c, const uint32_t level[3], uint32_t at,
                                        uint32_t address)
{
	const uint32_t low = MILL_TABLE(c, uint16_t, level[1])[at];
	at = low << 8 | (address & 0xff);
	__builtin_prefetch(MILL_TABLE(c, uint16_t, level[2]) + at);
	return at;
}

MILL_CLASSIFY_INLINE const void *mill_cell(const struct mill_classifier *c, bool narrow, uint32_t offset,
                                           uint32_t at)
{
	return c->tables + offset + (narrow ? at : (size_t)at * 2);
}

MILL_CLASSIFY_INLINE uint32_t mill_cell_value(const void *cell, bool narrow)
{
	return narrow ? *(const uint8_t *)cell : *(const uint16_t *)cell;
}

/* Where the class of protocol and selector is, that of the source port, and the middle tables of addresses. */
MILL_CLASSIFY_INLINE void mill_seek_cells(const struct mill_classifier *c, const struct mill_key *key,
                                          bool ipv6, struct mill_sought *s)
{
	if (!ipv6 && c->source[0] != 0)
		s->source = mill_middle4(c, c->source, key->src4);
	if (!ipv6 && c->destination[0] != 0)
		s->destination = mill_middle4(c, c->destination, key->dst4);
	s->row = key->read ? MILL_TABLE(c, uint32_t, c->kinds)[key->proto] + key->selector
	                   : (c->unread - c->classes) / (c->narrow ? 1 : 2) + key->proto;
	__builtin_prefetch(mill_cell(c, c->narrow, c->classes, s->row));
	s->ports = key->read ? key->sport : 0;
	if (c->port_classes != 0)
		__builtin_prefetch(mill_cell(c, c->narrow_ports, c->port_classes, s->ports));
}

MILL_CLASSIFY_INLINE void mill_seek_rows(const struct mill_classifier *c, const struct mill_key *key,
                                         bool ipv6, struct mill_sought *s)
{
	if (!ipv6 && c->source[0] != 0)
		s->source = mill_low4(c, c->source, s->source, key->src4);
	if (!ipv6 && c->destination[0] != 0)
		s->destination = mill_low4(c, c->destination, s->destination, key->dst4);
	s->row = mill_cell_value(mill_cell(c, c->narrow, c->classes, s->row), c->narrow);
	s->rows = c->tables + c->rows + (size_t)s->row * c->row_bytes;
	__builtin_prefetch(s->rows);
	if (c->bundles != 0)
		__builtin_prefetch(MILL_TABLE(c, uint16_t, c->firsts) + (size_t)s->row * c->n_bundles);
	s->port_rows = NULL;
	if (c->port_classes != 0) {
		const uint32_t port = mill_cell_value(
		    mill_cell(c, c->narrow_ports, c->port_classes, s->ports), c->narrow_ports);
		s->port_rows = c->tables + c->port_rows + (size_t)port * c->row_bytes;
		__builtin_prefetch(s->port_rows);
	}
}

MILL_CLASSIFY_INLINE uint32_t mill_class(const struct mill_classifier *c, const uint32_t table[3],
                                         uint32_t uppers, uint32_t at, const uint64_t *address6, bool ipv6,
                                         mill_ranking rank)
{
	if (table[0] == 0)
		return 0;
	return ipv6 ? mill_class6(c, table, uppers, address6, rank) : MILL_TABLE(c, uint16_t, table[2])[at];
}

MILL_CLASSIFY_INLINE void mill_seek_pairs(const struct mill_classifier *c, const struct mill_key *key,
                                          bool ipv6, mill_ranking rank, struct mill_sought *s)
{
	const uint32_t source = mill_class(c, c->source, c->sources, s->source, key->src6, ipv6, rank);
	s->destination =
	    mill_class(c, c->destination, c->destinations, s->destination, key->dst6, ipv6, rank);
	for (uint32_t g = 0; g < c->n_pairs; g++) {
		const struct mill_pairs *pairs = &c->pairs[g];
		const size_t at = (pairs->source ? (size_t)source * pairs->columns : 0) +
		                  (pairs->destination ? s->destination >> pairs->shift : 0);
		s->index[g] = MILL_TABLE(c, uint32_t, pairs->index) + at;
		__builtin_prefetch(s->index[g]);
	}
}

MILL_CLASSIFY_INLINE void mill_seek_blocks(const struct mill_classifier *c, struct mill_sought *s)
{
	for (uint32_t g = 0; g < c->n_pairs; g++) {
		const struct mill_pairs *pairs = &c->pairs[g];
		const uint32_t within = pairs->destination ? s->destination & ((1u << pairs->shift) - 1) : 0;
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

MILL_CLASSIFY_INLINE bool mill_is_bundle(const struct mill_classifier *c, const struct mill_line *line)
{
	return c->bundles != 0 && line->bit[MILL_LINE_SLOTS] != 0;
}

/* Of long rows, what the first line of each leaf will ask. */
MILL_CLASSIFY_INLINE void mill_seek_pages(const struct mill_classifier *c, struct mill_sought *s)
{
	for (uint32_t g = 0; g < c->n_pairs && c->row_bytes > 64; g++) {
		const struct mill_line *line = s->line[g];
		const size_t at =
		    mill_is_bundle(c, line) ? line->bundle.row : (size_t)line->byte[MILL_LINE_SLOTS] * 64;
		__builtin_prefetch(s->rows + at);
		if (s->port_rows != NULL)
			__builtin_prefetch(s->port_rows + at);
	}
}

/* What is asked about the packet besides, where entries have predicates. */
struct mill_asked {
	mill_residual residual; /* NULL: nothing */
	const void *packet;
};

/* Is it the answer what `slot` of a leaf says, whose bit is set? */
MILL_CLASSIFY_INLINE bool mill_holds(const struct mill_asked *asked, uint32_t slot)
{
	return asked->residual == NULL || !(slot & MILL_LINE_RESIDUAL) ||
	       asked->residual(asked->packet, slot & MILL_LINE_MASK);
}

MILL_CLASSIFY_INLINE uint32_t mill_first_of_bundle(const struct mill_classifier *c,
                                                   const struct mill_bundle *bundle,
                                                   const struct mill_sought *s, uint32_t best,
                                                   const struct mill_judge *judge,
                                                   const struct mill_asked *asked)
{
	const uint32_t first =
	    MILL_TABLE(c, uint16_t, c->firsts)[(size_t)s->row * c->n_bundles + bundle->number];
	if (first == MILL_BUNDLE_NONE || (first & MILL_LINE_MASK) >= best)
		return best;
	if (!(first & MILL_LINE_RESIDUAL))
		return first;
	const uint16_t *slots = MILL_TABLE(c, uint16_t, c->bundles) + bundle->first;
	const uint8_t *row = s->rows + bundle->row,
	              *ports = s->port_rows != NULL ? s->port_rows + bundle->row : NULL;
	for (uint32_t step = 0; step < bundle->words; step += MILL_BUNDLE_STEP) {
		const uint32_t left = bundle->words - step;
		if ((slots[step * 64] & MILL_LINE_MASK) >= best)
			return best;
		uint32_t found =
		    judge->words(row + (size_t)step * 8, ports != NULL ? ports + (size_t)step * 8 : NULL);
		if (left < MILL_BUNDLE_STEP) /* what lies behind is another's */
			found &= (1u << left) - 1;
		for (; found != 0; found &= found - 1) {
			const uint32_t word = step + (uint32_t)__builtin_ctz(found);
			for (uint64_t bits = mill_word(row, ports, word); bits != 0; bits &= bits - 1) {
				const uint32_t slot = slots[word * 64 + (uint32_t)__builtin_ctzll(bits)];
				if ((slot & MILL_LINE_MASK) >= best)
					return best;
				if (mill_holds(asked, slot))
					return slot & MILL_LINE_MASK;
			}
		}
	}
	return best;
}

MILL_CLASSIFY_INLINE uint32_t mill_first_of_line(const struct mill_classifier *c,
                                                 const struct mill_line *line, const struct mill_sought *s,
                                                 uint32_t best, const struct mill_judge *judge,
                                                 const struct mill_asked *asked)
{
	const size_t page = c->row_bytes == 64 ? 0 : (size_t)line->byte[MILL_LINE_SLOTS] * 64;
	uint32_t found = judge->line(line, s->rows + page, s->port_rows != NULL ? s->port_rows + page : NULL);
	if (asked->residual == NULL) { /* without a branch, which packets would take as it comes */
		const uint32_t entry = line->entry[__builtin_ctz(found | 1u << MILL_LINE_SLOTS)];
		return found != 0 && entry < best ? entry : best;
	}
	for (; found != 0; found &= found - 1) {
		const uint32_t slot = line->entry[__builtin_ctz(found)];
		if ((slot & MILL_LINE_MASK) >= best)
			return best;
		if (mill_holds(asked, slot))
			return slot & MILL_LINE_MASK;
	}
	return best;
}

/* The first entry of a leaf that takes the packet, if it comes before `best`; else `best`. A line has entries of one page
 * of the row; lines are in the order of their first entries. */
MILL_CLASSIFY_INLINE uint32_t mill_first_of(const struct mill_classifier *c, const struct mill_line *line,
                                            const struct mill_sought *s, uint32_t best,
                                            const struct mill_judge *judge, const struct mill_asked *asked)
{
	for (;; line++) {
		best = mill_is_bundle(c, line) ? mill_first_of_bundle(c, &line->bundle, s, best, judge, asked)
		                               : mill_first_of_line(c, line, s, best, judge, asked);
		const uint32_t next = line->entry[MILL_LINE_SLOTS];
		if (next - 1 >= best) /* 0: none */
			return best;
	}
}

MILL_CLASSIFY_INLINE uint32_t mill_first(const struct mill_classifier *c, const struct mill_sought *s,
                                         const struct mill_judge *judge, const struct mill_asked *asked)
{
	uint32_t best = MILL_CLASSIFY_NONE;
	for (uint32_t g = 0; g < c->n_pairs; g++)
		best = mill_first_of(c, s->line[g], s, best, judge, asked);
	return best;
}

/* One packet. */
MILL_CLASSIFY_INLINE uint32_t mill_classify(const struct mill_classifier *c, const struct mill_key *key,
                                            bool ipv6, const struct mill_judge *judge, mill_residual residual,
                                            const void *packet)
{
	const struct mill_asked asked = {residual, packet};
	struct mill_sought s;
	mill_seek_cells(c, key, ipv6, &s);
	mill_seek_rows(c, key, ipv6, &s);
	mill_seek_pairs(c, key, ipv6, judge->rank, &s);
	mill_seek_blocks(c, &s);
	mill_seek_lines(c, &s);
	return mill_first(c, &s, judge, &asked);
}

/* Up to MILL_CLASSIFY_BURST packets, step by step for all of them, so that their cache misses overlap. `packet` is what
 * `residual` is told of each, NULL without it. */
MILL_CLASSIFY_INLINE void mill_classify_burst(const struct mill_classifier *c, const struct mill_key *key,
                                              uint32_t n, bool ipv6, const struct mill_judge *judge,
                                              mill_residual residual, const void *const *packet,
                                              uint32_t *entry)
{
	struct mill_sought s[MILL_CLASSIFY_BURST];
	for (uint32_t i = 0; i < n; i++)
		mill_seek_cells(c, &key[i], ipv6, &s[i]);
	for (uint32_t i = 0; i < n; i++)
		mill_seek_rows(c, &key[i], ipv6, &s[i]);
	for (uint32_t i = 0; i < n; i++)
		mill_seek_pairs(c, &key[i], ipv6, judge->rank, &s[i]);
	for (uint32_t i = 0; i < n; i++)
		mill_seek_blocks(c, &s[i]);
	for (uint32_t i = 0; i < n; i++)
		mill_seek_lines(c, &s[i]);
	for (uint32_t i = 0; i < n; i++)
		mill_seek_pages(c, &s[i]);
	for (uint32_t i = 0; i < n; i++) {
		const struct mill_asked asked = {residual, residual != NULL ? packet[i] : NULL};
		entry[i] = mill_first(c, &s[i], judge, &asked);
	}
}
