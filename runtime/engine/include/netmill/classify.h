/*
 * First match in a long list. The list's tables are made by codegen/classify and are read here:
 *
 *   source address → class ──────┐
 *                                ├─► leaf: entries in order ─┐
 *   destination address → class ─┘                           ├─► first entry whose bit is set in the row
 *   protocol and selector, source port → rows of bits ───────┘
 *
 * A leaf is a chain of lines of 64 bytes: for fifteen entries the byte of the row, the bit in it, and the entry. So one
 * comparison judges fifteen entries. The first lines may stand for bundles instead, many entries of the same addresses: the
 * class of protocol and selector finds a cell, which is the entry, or says by which source ports to go on. Sources: Gupta
 * and McKeown, SIGCOMM 1999 (classes of addresses crossed in phases); Lakshman and Stiliadis, SIGCOMM 1998 (rows of bits).
 * Everything a list does not test is constant, so that nothing is left of it in the code: the functions are inlined where
 * the list's description is known.
 * Threads: any; tables do not change.
 */
#pragma once
#include "netmill/classify_tables.h"
#include <string.h>

/* What is asked of an entry that its line says more is to be asked of; NULL where a list has none. */
typedef bool (*mill_residual)(const void *packet, uint32_t entry);

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

/* Loops over the pairs of a list, three at most, are unrolled: then what its description says of each is known there. */

/* How bits are judged: by the vectors of the processor, or without. Known where it is inlined. */
struct mill_judge {
	uint32_t (*line)(const struct mill_line *, const uint8_t *row, const uint8_t *ports);
	mill_ranking rank;
};

static const struct mill_judge mill_plain = {mill_judge_line, mill_rank};

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
/* Written with gcc's own vectors and built-ins: <immintrin.h> alone takes gcc longer than a whole forwarder. */
#define MILL_CLASSIFY_VECTOR
#define MILL_CLASSIFY_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,bmi")))

typedef char mill_bytes64 __attribute__((vector_size(64)));
typedef char mill_bytes16 __attribute__((vector_size(16)));

MILL_CLASSIFY_INLINE MILL_CLASSIFY_TARGET uint32_t mill_judge_line_vector(const struct mill_line *line,
                                                                          const uint8_t *row,
                                                                          const uint8_t *ports)
{
	mill_bytes64 bits, byte; /* of its lanes behind the first sixteen nothing is used */
	mill_bytes16 found, bit;
	memcpy(&bits, row, sizeof(bits));
	if (ports != NULL) {
		mill_bytes64 more;
		memcpy(&more, ports, sizeof(more));
		bits &= more;
	}
	memcpy(&byte, line->byte, sizeof(byte));
	memcpy(&bit, line->bit, sizeof(bit)); /* the last one of lines of entries is 0 */
	bits = (mill_bytes64)__builtin_ia32_permvarqi512_mask(bits, byte, bits, (unsigned long long)-1);
	memcpy(&found, &bits, sizeof(found));
	return __builtin_ia32_ptestmb128(found, bit, (unsigned short)-1);
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

static const struct mill_judge mill_vector = {mill_judge_line_vector, mill_rank_vector};
#endif

/* Read soon. Tables that are near are there already. */
MILL_CLASSIFY_INLINE void mill_expect(const struct mill_classifier *c, const void *place)
{
	if (!c->near)
		__builtin_prefetch(place);
}

/* What a lookup has found out so far. Numbers, not pointers: those of a burst take half as many cache lines. */
struct mill_sought {
	uint32_t source, destination; /* where in the next table of addresses; then the classes */
	uint32_t row, ports;          /* where in the tables of classes; then the number of the row */
	uint32_t port_row;            /* class of the source port */
	uint32_t at[3]; /* of each pair: where in its index, then in its blocks, then its first line */
	const uint32_t
	    *cell[3]; /* of the bundle of the first line: where its block is said, then where its cell is */
};

MILL_CLASSIFY_INLINE const uint8_t *mill_row_of(const struct mill_classifier *c, const struct mill_sought *s)
{
	return c->tables + c->rows + (size_t)s->row * c->row_bytes;
}

/* NULL where no source ports are tested. */
MILL_CLASSIFY_INLINE const uint8_t *mill_port_row_of(const struct mill_classifier *c,
                                                     const struct mill_sought *s)
{
	return c->port_classes == 0 ? NULL : c->tables + c->port_rows + (size_t)s->port_row * c->row_bytes;
}

MILL_CLASSIFY_INLINE const struct mill_line *mill_line_of(const struct mill_classifier *c,
                                                          const struct mill_sought *s, uint32_t g)
{
	return MILL_TABLE(c, struct mill_line, c->lines) + s->at[g];
}

MILL_CLASSIFY_INLINE uint32_t mill_middle4(const struct mill_classifier *c, const uint32_t level[3],
                                           uint32_t address)
{
	const uint32_t middle = MILL_TABLE(c, uint16_t, level[0])[address >> 16];
	const uint32_t at = middle << 8 | (address >> 8 & 0xff);
	mill_expect(c, MILL_TABLE(c, uint16_t, level[1]) + at);
	return at;
}

MILL_CLASSIFY_INLINE uint32_t mill_low4(const struct mill_classifier *c, const uint32_t level[3], uint32_t at,
                                        uint32_t address)
{
	const uint32_t low = MILL_TABLE(c, uint16_t, level[1])[at];
	at = low << 8 | (address & 0xff);
	mill_expect(c, MILL_TABLE(c, uint16_t, level[2]) + at);
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

/* Where the class of protocol and selector is, and that of the source port. */
MILL_CLASSIFY_INLINE void mill_seek_kinds(const struct mill_classifier *c, const struct mill_key *key,
                                          struct mill_sought *s)
{
	s->row = key->read ? MILL_TABLE(c, uint32_t, c->kinds)[key->proto] + key->selector
	                   : (c->unread - c->classes) / (c->narrow ? 1 : 2) + key->proto;
	mill_expect(c, mill_cell(c, c->narrow, c->classes, s->row));
	s->ports = key->read ? key->sport : 0;
	if (c->port_classes != 0)
		mill_expect(c, mill_cell(c, c->narrow_ports, c->port_classes, s->ports));
}

/* The upper tables of IPv4's addresses. */
MILL_CLASSIFY_INLINE void mill_expect_uppers(const struct mill_classifier *c, const struct mill_key *key,
                                             bool ipv6)
{
	if (!ipv6 && c->source[0] != 0)
		mill_expect(c, MILL_TABLE(c, uint16_t, c->source[0]) + (key->src4 >> 16));
	if (!ipv6 && c->destination[0] != 0)
		mill_expect(c, MILL_TABLE(c, uint16_t, c->destination[0]) + (key->dst4 >> 16));
}

MILL_CLASSIFY_INLINE void mill_seek_middles(const struct mill_classifier *c, const struct mill_key *key,
                                            bool ipv6, struct mill_sought *s)
{
	if (!ipv6 && c->source[0] != 0)
		s->source = mill_middle4(c, c->source, key->src4);
	if (!ipv6 && c->destination[0] != 0)
		s->destination = mill_middle4(c, c->destination, key->dst4);
}

MILL_CLASSIFY_INLINE void mill_seek_rows(const struct mill_classifier *c, const struct mill_key *key,
                                         bool ipv6, struct mill_sought *s)
{
	if (!ipv6 && c->source[0] != 0)
		s->source = mill_low4(c, c->source, s->source, key->src4);
	if (!ipv6 && c->destination[0] != 0)
		s->destination = mill_low4(c, c->destination, s->destination, key->dst4);
	s->row = mill_cell_value(mill_cell(c, c->narrow, c->classes, s->row), c->narrow);
	if (c->rows != 0)
		mill_expect(c, mill_row_of(c, s));
	if (c->port_classes != 0) {
		s->port_row = mill_cell_value(mill_cell(c, c->narrow_ports, c->port_classes, s->ports),
		                              c->narrow_ports);
		mill_expect(c, mill_port_row_of(c, s));
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
#pragma GCC unroll 3
	for (uint32_t g = 0; g < c->n_pairs; g++) {
		const struct mill_pairs *pairs = &c->pairs[g];
		if (!pairs->source && !pairs->destination)
			continue; /* one leaf */
		if (pairs->direct) {
			s->at[g] = pairs->source ? source : s->destination;
			mill_expect(c, mill_line_of(c, s, g));
			continue;
		}
		s->at[g] = (pairs->source ? source * pairs->columns : 0) +
		           (pairs->destination ? s->destination >> pairs->shift : 0);
		mill_expect(c, MILL_TABLE(c, uint32_t, pairs->index) + s->at[g]);
	}
}

MILL_CLASSIFY_INLINE void mill_seek_blocks(const struct mill_classifier *c, struct mill_sought *s)
{
#pragma GCC unroll 3
	for (uint32_t g = 0; g < c->n_pairs; g++) {
		const struct mill_pairs *pairs = &c->pairs[g];
		if (pairs->direct)
			continue;
		const bool one = !pairs->source && !pairs->destination;
		const uint32_t block = MILL_TABLE(c, uint32_t, pairs->index)[one ? 0 : s->at[g]];
		const uint32_t within = pairs->destination ? s->destination & ((1u << pairs->shift) - 1) : 0;
		s->at[g] = block << pairs->shift | within;
		if (!one)
			mill_expect(c, MILL_TABLE(c, uint32_t, pairs->blocks) + s->at[g]);
	}
}

MILL_CLASSIFY_INLINE void mill_seek_lines(const struct mill_classifier *c, struct mill_sought *s)
{
#pragma GCC unroll 3
	for (uint32_t g = 0; g < c->n_pairs; g++) {
		if (c->pairs[g].direct)
			continue;
		s->at[g] = MILL_TABLE(c, uint32_t, c->pairs[g].blocks)[s->at[g]];
		mill_expect(c, mill_line_of(c, s, g));
	}
}

MILL_CLASSIFY_INLINE bool mill_is_bundle(const struct mill_classifier *c, const struct mill_line *line)
{
	return c->bundles != 0 && line->bit[MILL_LINE_SLOTS] != 0;
}

/* Where the number of a bundle's block of cells is. */
MILL_CLASSIFY_INLINE const uint32_t *
mill_bundle_block(const struct mill_classifier *c, const struct mill_line *line, const struct mill_sought *s)
{
	return MILL_TABLE(c, uint32_t, c->bundles) + line->bundle + (s->row >> MILL_CELLS_SHIFT);
}

MILL_CLASSIFY_INLINE const uint32_t *mill_bundle_cell(const struct mill_classifier *c, const uint32_t *block,
                                                      const struct mill_sought *s)
{
	const uint32_t within = s->row & ((1u << MILL_CELLS_SHIFT) - 1);
	return MILL_TABLE(c, uint32_t, c->cells) + ((size_t)*block << MILL_CELLS_SHIFT | within);
}

/* The cell, or that of the source port's band. */
MILL_CLASSIFY_INLINE const uint32_t *mill_bundle_band(const struct mill_classifier *c, const uint32_t *cell,
                                                      const struct mill_sought *s)
{
	if (c->bands == 0 || *cell < MILL_CELL_BANDS)
		return cell;
	return MILL_TABLE(c, uint32_t, c->bands) + (*cell & MILL_CELL_PLACE) + (s->ports >> MILL_BAND_BITS);
}

MILL_CLASSIFY_INLINE const struct mill_piece *mill_bundle_pieces(const struct mill_classifier *c,
                                                                 uint32_t cell)
{
	return MILL_TABLE(c, struct mill_piece, c->pieces) + (cell & MILL_CELL_PLACE);
}

/* Of long rows, what the first line of each leaf will ask; of a bundle, where its block is said. */
MILL_CLASSIFY_INLINE void mill_seek_pages(const struct mill_classifier *c, struct mill_sought *s)
{
	if (c->row_bytes <= 64 && c->bundles == 0)
		return;
#pragma GCC unroll 3
	for (uint32_t g = 0; g < c->n_pairs; g++) {
		const struct mill_line *line = mill_line_of(c, s, g);
		s->cell[g] = NULL;
		if (mill_is_bundle(c, line)) {
			s->cell[g] = mill_bundle_block(c, line, s);
			mill_expect(c, s->cell[g]);
		} else if (c->row_bytes > 64) {
			const size_t at = (size_t)line->byte[MILL_LINE_SLOTS] * 64;
			mill_expect(c, mill_row_of(c, s) + at);
			if (c->port_classes != 0)
				mill_expect(c, mill_port_row_of(c, s) + at);
		}
	}
}

MILL_CLASSIFY_INLINE void mill_seek_bundles(const struct mill_classifier *c, struct mill_sought *s)
{
	if (c->bundles == 0)
		return;
#pragma GCC unroll 3
	for (uint32_t g = 0; g < c->n_pairs; g++) {
		if (s->cell[g] == NULL)
			continue;
		s->cell[g] = mill_bundle_cell(c, s->cell[g], s);
		mill_expect(c, s->cell[g]);
	}
}

MILL_CLASSIFY_INLINE void mill_seek_bands(const struct mill_classifier *c, struct mill_sought *s)
{
	if (c->bands == 0)
		return;
#pragma GCC unroll 3
	for (uint32_t g = 0; g < c->n_pairs; g++) {
		if (s->cell[g] == NULL)
			continue;
		s->cell[g] = mill_bundle_band(c, s->cell[g], s);
		mill_expect(c, s->cell[g]);
	}
}

MILL_CLASSIFY_INLINE void mill_seek_pieces(const struct mill_classifier *c, struct mill_sought *s)
{
	if (c->pieces == 0)
		return;
#pragma GCC unroll 3
	for (uint32_t g = 0; g < c->n_pairs; g++) {
		if (s->cell[g] != NULL && *s->cell[g] >= MILL_CELL_PIECES)
			mill_expect(c, mill_bundle_pieces(c, *s->cell[g]));
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

/* The entry that a cell of a bundle leads to, or MILL_CELL_NONE. */
MILL_CLASSIFY_INLINE uint32_t mill_cell_entry(const struct mill_classifier *c, uint32_t cell,
                                              const struct mill_sought *s, const struct mill_asked *asked)
{
	if (c->pieces != 0 && cell >= MILL_CELL_PIECES) {
		const struct mill_piece *piece = mill_bundle_pieces(c, cell);
		for (uint32_t left = piece->n; left > 1;) {
			const uint32_t half = left / 2;
			piece += piece[half].from <= s->ports ? half : 0;
			left -= half;
		}
		cell = piece->cell;
	}
	if (asked->residual == NULL || cell < MILL_CELL_ASKED)
		return cell;
	const uint16_t *slot = MILL_TABLE(c, uint16_t, c->candidates) + (cell & MILL_CELL_PLACE);
	while (!mill_holds(asked, *slot))
		slot++;
	return *slot & MILL_LINE_MASK;
}

/* `cell`: of the first line of a leaf, found before. */
MILL_CLASSIFY_INLINE uint32_t mill_first_of_bundle(const struct mill_classifier *c,
                                                   const struct mill_line *line, const uint32_t *cell,
                                                   const struct mill_sought *s, uint32_t best,
                                                   const struct mill_asked *asked)
{
	if (cell == NULL)
		cell = mill_bundle_band(c, mill_bundle_cell(c, mill_bundle_block(c, line, s), s), s);
	const uint32_t entry = mill_cell_entry(c, *cell, s, asked);
	return entry != MILL_CELL_NONE && entry < best ? entry : best;
}

MILL_CLASSIFY_INLINE uint32_t mill_first_of_line(const struct mill_classifier *c,
                                                 const struct mill_line *line, const struct mill_sought *s,
                                                 uint32_t best, const struct mill_judge *judge,
                                                 const struct mill_asked *asked)
{
	const size_t page = c->row_bytes == 64 ? 0 : (size_t)line->byte[MILL_LINE_SLOTS] * 64;
	uint32_t found = judge->line(line, mill_row_of(c, s) + page,
	                             c->port_classes != 0 ? mill_port_row_of(c, s) + page : NULL);
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
 * of the row; bundles first, then lines in the order of their first entries. */
MILL_CLASSIFY_INLINE uint32_t mill_first_of(const struct mill_classifier *c, const struct mill_line *line,
                                            const uint32_t *cell, const struct mill_sought *s, uint32_t best,
                                            const struct mill_judge *judge, const struct mill_asked *asked)
{
	for (;; line++, cell = NULL) {
		best = mill_is_bundle(c, line) ? mill_first_of_bundle(c, line, cell, s, best, asked)
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
#pragma GCC unroll 3
	for (uint32_t g = 0; g < c->n_pairs; g++)
		best = mill_first_of(c, mill_line_of(c, s, g), c->bundles != 0 ? s->cell[g] : NULL, s, best,
		                     judge, asked);
	return best;
}

/* One packet. */
MILL_CLASSIFY_INLINE uint32_t mill_classify(const struct mill_classifier *c, const struct mill_key *key,
                                            bool ipv6, const struct mill_judge *judge, mill_residual residual,
                                            const void *packet)
{
	const struct mill_asked asked = {residual, packet};
	struct mill_sought s;
	mill_seek_kinds(c, key, &s);
	mill_seek_middles(c, key, ipv6, &s);
	mill_seek_rows(c, key, ipv6, &s);
	mill_seek_pairs(c, key, ipv6, judge->rank, &s);
	mill_seek_blocks(c, &s);
	mill_seek_lines(c, &s);
	for (uint32_t g = 0; g < c->n_pairs && c->bundles != 0; g++)
		s.cell[g] = NULL;
	return mill_first(c, &s, judge, &asked);
}

/* Packets that mill_seek_kinds has seen, up to MILL_CLASSIFY_BURST, step by step for all of them, so that their cache misses
 * overlap. Of a key only the addresses are asked for. What is left then is mill_first. */
MILL_CLASSIFY_INLINE void mill_seek_burst(const struct mill_classifier *c, const struct mill_key *key,
                                          uint32_t n, bool ipv6, const struct mill_judge *judge,
                                          struct mill_sought *s)
{
	for (uint32_t i = 0; i < n; i++)
		mill_seek_middles(c, &key[i], ipv6, &s[i]);
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
	for (uint32_t i = 0; i < n && c->bundles != 0; i++)
		mill_seek_bundles(c, &s[i]);
	for (uint32_t i = 0; i < n && c->bands != 0; i++)
		mill_seek_bands(c, &s[i]);
	for (uint32_t i = 0; i < n && c->pieces != 0; i++)
		mill_seek_pieces(c, &s[i]);
}

/* Keys without packets, up to MILL_CLASSIFY_BURST. */
MILL_CLASSIFY_INLINE void mill_classify_burst(const struct mill_classifier *c, const struct mill_key *key,
                                              uint32_t n, bool ipv6, const struct mill_judge *judge,
                                              uint32_t *entry)
{
	const struct mill_asked asked = {NULL, NULL};
	struct mill_sought s[MILL_CLASSIFY_BURST];
	for (uint32_t i = 0; i < n; i++) {
		mill_expect_uppers(c, &key[i], ipv6);
		mill_seek_kinds(c, &key[i], &s[i]);
	}
	mill_seek_burst(c, key, n, ipv6, judge, s);
	for (uint32_t i = 0; i < n; i++)
		entry[i] = mill_first(c, &s[i], judge, &asked);
}
