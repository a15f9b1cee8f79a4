/*
 * The tables of a long list as codegen/classify makes them, and what is asked: see netmill/classify.h.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MILL_CLASSIFY_BURST  64u
#define MILL_CLASSIFY_NONE   0xffffffffu
#define MILL_LINE_SLOTS      15u
#define MILL_LINE_MASK       0x7fffu /* of an entry; of the slots */
#define MILL_LINE_RESIDUAL   0x8000u /* the entry's predicate must hold besides */
#define MILL_CLASSIFY_INLINE static inline __attribute__((always_inline, unused))

/* A cell of a bundle: an entry, or one of these and where to look. */
#define MILL_CELL_NONE   0x7fffu     /* no entry of the bundle takes it */
#define MILL_CELL_ASKED  0x40000000u /* candidates, whose predicates are asked in order */
#define MILL_CELL_PIECES 0x80000000u /* pieces of source ports */
#define MILL_CELL_BANDS  0xc0000000u /* cells by band of source ports */
#define MILL_CELL_PLACE  0x3fffffffu
#define MILL_BAND_BITS   10u
#define MILL_CELLS_SHIFT 5u /* log2 of the cells of a block */

/* Source ports from here on. */
struct mill_piece {
	uint16_t from;
	uint16_t n; /* of the first one: how many there are */
	uint32_t cell;
};

struct mill_line {
	union {
		uint8_t byte[16]; /* [15]: page of the row, 64 bytes each */
		uint32_t bundle;  /* where its row of the index begins */
	};
	uint8_t bit[16];    /* [15]: the line stands for a bundle */
	uint16_t entry[16]; /* [15]: 1 + the first entry of lines behind; 0: there is none */
};
_Static_assert(sizeof(struct mill_line) == 64, "a line is a cache line");

/* Offsets are bytes from `tables`; 0 where the list has no such table. */
struct mill_pairs {
	uint32_t index, blocks;
	uint32_t columns; /* blocks of a row of the index */
	uint8_t shift;    /* log2 of a block's columns */
	bool source, destination;
	bool direct; /* one of them, whose class is the line */
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
	uint32_t bundles, cells, bands, pieces, candidates; /* `bundles`: index of blocks of cells */
	bool near;                                          /* small enough for the first caches */
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
