/*
 * The lookups of netmill/fib_lookup.h sixteen at a time with AVX-512 gathers. The functions carry their target
 * themselves, so that the forwarder need not be compiled for the machine; struct mill_fib's `vector` says whether
 * the processor has it. Sixteen addresses a vector.
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
#endif
