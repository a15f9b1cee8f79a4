/*
 * The lookups of netmill/fib_lookup.h sixteen at a time with AVX-512 gathers. The functions carry their target
 * themselves, so that the forwarder need not be compiled for the machine; struct mill_fib's `vector` says whether
 * the processor has it. Sixteen addresses a vector, four vectors a step: the misses of 64 packets overlap.
 */
#pragma once
#if defined(__x86_64__)

#define MILL_FIB_VECTOR __attribute__((target("avx512f,avx512bw,avx512vl"), noinline, unused))
#define MILL_FIB_LANES  16u

/* n is a multiple of 16. A gather of 16-bit entries reads two bytes too many, which lie in the next table. */
static MILL_FIB_VECTOR void mill_fib_vector4(const struct mill_fib *fib, const uint32_t *dst, uint32_t *group,
                                             unsigned n)
{
	const void *root = MILL_FIB_AT(fib, uint8_t, MILL_FIB_NARROW_ROOT4_OFFSET);
	const void *nodes = MILL_FIB_AT(fib, uint8_t, MILL_FIB_NARROW_NODES4_OFFSET);
	const __m512i fallback = _mm512_set1_epi32((int)__atomic_load_n(&fib->default4, __ATOMIC_RELAXED));
	const __m512i low16 = _mm512_set1_epi32(0xffff), low8 = _mm512_set1_epi32(0xff);
	const __m512i is_node = _mm512_set1_epi32(MILL_FIB_IS_NODE16);
	for (unsigned i = 0; i < n; i += MILL_FIB_LANES) {
		const __m512i address = _mm512_loadu_si512(dst + i);
		__m512i entry = _mm512_i32gather_epi32(_mm512_srli_epi32(address, 8), root, 2);
		const __mmask16 deeper = _mm512_test_epi32_mask(entry, is_node);
		if (__builtin_expect(deeper != 0, 0)) {
			const __m512i node = _mm512_andnot_si512(is_node, _mm512_and_si512(entry, low16));
			const __m512i at =
			    _mm512_or_si512(_mm512_slli_epi32(node, 8), _mm512_and_si512(address, low8));
			entry = _mm512_mask_i32gather_epi32(entry, deeper, at, nodes, 2);
		}
		entry = _mm512_and_si512(entry, low16);
		entry = _mm512_mask_mov_epi32(entry, _mm512_testn_epi32_mask(entry, entry), fallback);
		_mm512_storeu_si512(group + i, entry);
	}
}

/* 32-bit word `w` of sixteen addresses, in host order. */
static inline __attribute__((target("avx512f,avx512bw,avx512vl"), always_inline)) __m512i
mill_fib_word6(const uint8_t (*dst)[16], unsigned w)
{
	const __m512i pick =
	    _mm512_add_epi32(_mm512_set1_epi32((int)w),
	                     _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28));
	const __m512i swap =
	    _mm512_broadcast_i32x4(_mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));
	const __m512i a =
	    _mm512_permutex2var_epi32(_mm512_loadu_si512(dst), pick, _mm512_loadu_si512(dst + 4));
	const __m512i b =
	    _mm512_permutex2var_epi32(_mm512_loadu_si512(dst + 8), pick, _mm512_loadu_si512(dst + 12));
	return _mm512_shuffle_epi8(_mm512_mask_mov_epi64(a, 0xf0, b), swap);
}

/* n is a multiple of 16, at most MILL_FIB_BATCH. */
static MILL_FIB_VECTOR void mill_fib_vector6(const struct mill_fib *fib, const uint8_t (*dst)[16],
                                             uint32_t *group, unsigned n)
{
	const void *root = MILL_FIB_AT(fib, uint8_t, MILL_FIB_ROOT6_OFFSET);
	const void *nodes = MILL_FIB_AT(fib, uint8_t, MILL_FIB_NODES6_OFFSET);
	const __m512i fallback = _mm512_set1_epi32((int)__atomic_load_n(&fib->default6, __ATOMIC_RELAXED));
	const __m512i low8 = _mm512_set1_epi32(0xff), none = _mm512_setzero_si512();
	const unsigned vectors = n / MILL_FIB_LANES;
	__m512i entry[MILL_FIB_BATCH / MILL_FIB_LANES], word[MILL_FIB_BATCH / MILL_FIB_LANES];
	__mmask16 deeper[MILL_FIB_BATCH / MILL_FIB_LANES];
	unsigned any = 0;
	for (unsigned v = 0; v < vectors; v++) {
		word[v] = mill_fib_word6(dst + v * MILL_FIB_LANES, 0);
		entry[v] = _mm512_i32gather_epi32(_mm512_srli_epi32(word[v], 8), root, 4);
		any |= deeper[v] = _mm512_cmplt_epi32_mask(entry[v], none);
	}
	for (unsigned byte = 3; any && byte < 16; byte++) {
		any = 0;
		for (unsigned v = 0; v < vectors; v++) {
			if (byte % 4 == 0)
				word[v] = mill_fib_word6(dst + v * MILL_FIB_LANES, byte / 4);
			/* the node's top bit is shifted out */
			const __m512i key =
			    _mm512_srlv_epi32(word[v], _mm512_set1_epi32((int)(24 - byte % 4 * 8)));
			const __m512i at =
			    _mm512_or_si512(_mm512_slli_epi32(entry[v], 8), _mm512_and_si512(key, low8));
			entry[v] = _mm512_mask_i32gather_epi32(entry[v], deeper[v], at, nodes, 4);
			any |= deeper[v] = _mm512_mask_cmplt_epi32_mask(deeper[v], entry[v], none);
		}
	}
	for (unsigned v = 0; v < vectors; v++) {
		entry[v] =
		    _mm512_mask_mov_epi32(entry[v], _mm512_testn_epi32_mask(entry[v], entry[v]), fallback);
		_mm512_storeu_si512(group + v * MILL_FIB_LANES, entry[v]);
	}
}
#endif
