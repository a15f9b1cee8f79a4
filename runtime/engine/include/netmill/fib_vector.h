/*
 * The lookups of netmill/fib_lookup.h sixteen at a time with AVX-512 gathers. The functions carry their target
 * themselves, so that the forwarder need not be compiled for the machine; struct mill_fib's `vector` says whether
 * the processor has it. Sixteen addresses a vector, four vectors a step: the misses of 64 packets overlap.
 *
 * Written with gcc's own vectors and built-ins: <immintrin.h> alone takes gcc 0.27 s, more than a whole forwarder.
 */
#pragma once
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)

#define MILL_FIB_HAS_VECTOR
#define MILL_FIB_TARGET __attribute__((target("avx512f,avx512bw,avx512vl")))
#define MILL_FIB_LANES  16u

typedef uint32_t mill_lanes __attribute__((vector_size(64)));
typedef int32_t mill_signed_lanes __attribute__((vector_size(64)));
typedef char mill_bytes __attribute__((vector_size(64)));

/* Bit i: (a & b) has a bit set in lane i. */
#define MILL_LANES_TEST(a, b)                                                                                \
	((uint16_t)__builtin_ia32_ptestmd512((mill_signed_lanes)(a), (mill_signed_lanes)(b), (short)-1))
/* Lanes of `mask` from 32 bits at base + scale × at, the others from `old`. */
#define MILL_LANES_GATHER(old, base, at, mask, scale)                                                        \
	((mill_lanes)__builtin_ia32_gathersiv16si((mill_signed_lanes)(old), (base), (mill_signed_lanes)(at), \
	                                          (short)(mask), (scale)))

/* n is a multiple of 16. A gather of 16-bit entries reads two bytes too many, which lie in the next table. */
static __attribute__((noinline, unused)) MILL_FIB_TARGET void
mill_fib_vector4(const struct mill_fib *fib, const uint32_t *dst, uint32_t *group, unsigned n)
{
	const uint8_t *root = MILL_FIB_AT(fib, uint8_t, MILL_FIB_NARROW_ROOT4_OFFSET);
	const uint8_t *nodes = MILL_FIB_AT(fib, uint8_t, MILL_FIB_NARROW_NODES4_OFFSET);
	const uint32_t fallback = __atomic_load_n(&fib->default4, __ATOMIC_RELAXED);
	const mill_lanes none = {0}, is_node = none + MILL_FIB_IS_NODE16;
	for (unsigned i = 0; i < n; i += MILL_FIB_LANES) {
		mill_lanes address;
		memcpy(&address, dst + i, sizeof(address));
		mill_lanes entry = MILL_LANES_GATHER(none, root, address >> 8, -1, 2);
		const uint16_t deeper = MILL_LANES_TEST(entry, is_node);
		if (__builtin_expect(deeper != 0, 0)) {
			const mill_lanes at = (entry & (MILL_FIB_IS_NODE16 - 1)) << 8 | (address & 0xff);
			entry = MILL_LANES_GATHER(entry, nodes, at, deeper, 2);
		}
		entry &= 0xffff;
		entry |= (mill_lanes)(entry == 0) & fallback;
		memcpy(group + i, &entry, sizeof(entry));
	}
}

/* 32-bit word `w` of sixteen addresses, in host order. */
static inline __attribute__((always_inline)) MILL_FIB_TARGET mill_lanes
mill_fib_word6(const uint8_t (*dst)[16], unsigned w)
{
	const mill_lanes first = {0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28};
	const mill_lanes halves = {0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31};
	mill_lanes quarter[4], word;
	memcpy(quarter, dst, sizeof(quarter));
	const mill_lanes low = __builtin_shuffle(quarter[0], quarter[1], first + w);
	const mill_lanes high = __builtin_shuffle(quarter[2], quarter[3], first + w);
	word = __builtin_shuffle(low, high, halves);
	const mill_lanes swapped = {0x00010203, 0x04050607, 0x08090a0b, 0x0c0d0e0f, 0x00010203, 0x04050607,
	                            0x08090a0b, 0x0c0d0e0f, 0x00010203, 0x04050607, 0x08090a0b, 0x0c0d0e0f,
	                            0x00010203, 0x04050607, 0x08090a0b, 0x0c0d0e0f};
	return (mill_lanes)__builtin_ia32_pshufb512_mask((mill_bytes)word, (mill_bytes)swapped,
	                                                 (mill_bytes)word, -1ll);
}

/* Where mill_fib_descend6 looks; `step`: from the nodes of one byte of the address to those of the next. */
struct mill_fib_tables6 {
	const uint8_t *root, *nodes;
	size_t step;
};

/* The first byte of the address that lanes look at one by one: behind /48. */
#define MILL_FIB_MANY6 6u
#define MILL_FIB_GATHER6(old, base, at, mask)                                                                \
	(wide ? MILL_LANES_GATHER(old, base, at, mask, 4) : MILL_LANES_GATHER(old, base, at, mask, 2))

/* One lane goes on alone, from an entry that names a node of this byte. */
static inline uint32_t mill_fib_finish6(const uint8_t *nodes, size_t step, uint32_t entry,
                                        const uint8_t *address, unsigned byte, const bool wide)
{
	const uint32_t node_bit = wide ? MILL_FIB_IS_NODE : MILL_FIB_IS_NODE16;
	for (; (entry & node_bit) && byte < 16; byte++, nodes += step) {
		const size_t at = (size_t)(entry & (node_bit - 1)) << 8 | address[byte];
		entry = wide ? __atomic_load_n((const uint32_t *)nodes + at, __ATOMIC_ACQUIRE)
		             : __atomic_load_n((const uint16_t *)nodes + at, __ATOMIC_ACQUIRE);
	}
	return entry;
}

/* n is a multiple of 16, at most MILL_FIB_BATCH. Each byte of the address for all vectors before the next one: the
 * misses of 64 packets overlap. Few lanes go beyond /48, too few for a gather, which costs the same for one as for all:
 * those are finished one by one. */
static inline __attribute__((always_inline)) MILL_FIB_TARGET void
mill_fib_descend6(const struct mill_fib_tables6 *tables, uint32_t fallback, const uint8_t (*dst)[16],
                  uint32_t *group, unsigned n, const bool wide)
{
	const uint32_t node_bit = wide ? MILL_FIB_IS_NODE : MILL_FIB_IS_NODE16;
	const mill_lanes none = {0}, is_node = none + node_bit;
	const unsigned vectors = n / MILL_FIB_LANES;
	const uint8_t *nodes = tables->nodes;
	mill_lanes entry[MILL_FIB_BATCH / MILL_FIB_LANES], word[MILL_FIB_BATCH / MILL_FIB_LANES];
	uint16_t deeper[MILL_FIB_BATCH / MILL_FIB_LANES];
	unsigned any = 0;
	for (unsigned v = 0; v < vectors; v++) {
		word[v] = mill_fib_word6(dst + v * MILL_FIB_LANES, 0);
		entry[v] = MILL_FIB_GATHER6(none, tables->root, word[v] >> 8, -1);
		any |= deeper[v] = MILL_LANES_TEST(entry[v], is_node);
	}
	unsigned byte = 3;
	for (; any && byte < MILL_FIB_MANY6; byte++, nodes += tables->step) {
		any = 0;
		for (unsigned v = 0; v < vectors; v++) {
			if (byte == 4)
				word[v] = mill_fib_word6(dst + v * MILL_FIB_LANES, 1);
			const mill_lanes at =
			    (entry[v] & (node_bit - 1)) << 8 | (word[v] >> (24 - byte % 4 * 8) & 0xff);
			entry[v] = MILL_FIB_GATHER6(entry[v], nodes, at, deeper[v]);
			any |= deeper[v] &= MILL_LANES_TEST(entry[v], is_node);
		}
	}
	for (unsigned v = 0; v < vectors; v++) {
		if (!wide)
			entry[v] &= 0xffff; /* a gather reads four bytes */
		entry[v] |= (mill_lanes)(entry[v] == 0) & fallback;
		memcpy(group + v * MILL_FIB_LANES, &entry[v], sizeof(entry[v]));
		for (uint32_t left = any ? deeper[v] : 0; left != 0; left &= left - 1) {
			const unsigned i = v * MILL_FIB_LANES + (unsigned)__builtin_ctz(left);
			const uint32_t last =
			    mill_fib_finish6(nodes, tables->step, group[i], dst[i], byte, wide);
			group[i] = last ? last : fallback;
		}
	}
}

static __attribute__((noinline, unused)) MILL_FIB_TARGET void
mill_fib_vector6(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group, unsigned n)
{
	const struct mill_fib_tables6 tables = {MILL_FIB_AT(fib, uint8_t, MILL_FIB_NARROW_ROOT6_OFFSET),
	                                        MILL_FIB_AT(fib, uint8_t, MILL_FIB_NARROW_NODES6_OFFSET),
	                                        MILL_FIB_NARROW_DEPTH};
	mill_fib_descend6(&tables, __atomic_load_n(&fib->default6, __ATOMIC_RELAXED), dst, group, n, false);
}

static __attribute__((noinline, unused)) MILL_FIB_TARGET void
mill_fib_vector6_wide(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group, unsigned n)
{
	const struct mill_fib_tables6 tables = {MILL_FIB_AT(fib, uint8_t, MILL_FIB_ROOT6_OFFSET),
	                                        MILL_FIB_AT(fib, uint8_t, MILL_FIB_NODES6_OFFSET), 0};
	mill_fib_descend6(&tables, __atomic_load_n(&fib->default6, __ATOMIC_RELAXED), dst, group, n, true);
}
#endif
