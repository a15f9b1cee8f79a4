/*
 * The search of dxr (netmill/fib_compact.h, which includes this) with AVX-512: a key is compared with 64 starts of a
 * block at once.
 */
#pragma once

#define MILL_COMPACT_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,popcnt,bmi2")))

/* mill_dxr_find with all starts at once. */
static inline __attribute__((always_inline)) MILL_COMPACT_TARGET uint32_t
mill_dxr_find_vector(const uint8_t *block, uint32_t key)
{
	const uint32_t n = block[0] + 1u;
	const mill_bytes none = {0}, wanted = none + (char)key;
	uint32_t not_above = 0;
	uint16_t value;
	for (uint32_t at = 0; at < n; at += 64) {
		const uint64_t some = n - at >= 64 ? ~0ull : (1ull << (n - at)) - 1;
		const mill_bytes start =
		    __builtin_ia32_loaddquqi512_mask((const char *)block + 1 + at, none, (long long)some);
		not_above += (uint32_t)__builtin_popcountll(
		    (uint64_t)__builtin_ia32_ucmpb512_mask(start, wanted, 2, (long long)some));
	}
	memcpy(&value, block + MILL_DXR_VALUES(n) - 2 + 2 * not_above, sizeof(value));
	return value;
}

static __attribute__((noinline, unused)) MILL_COMPACT_TARGET void
mill_dxr_vector4(const struct mill_fib *fib, const uint32_t *dst, uint32_t *group, unsigned n)
{
	mill_compact_batch4(fib, dst, group, n, MILL_FIB_DXR, MILL_DXR_SLICE, mill_dxr_find_vector);
}

static __attribute__((noinline, unused)) MILL_COMPACT_TARGET void
mill_dxr_vector6(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group, unsigned n)
{
	mill_compact_batch6(fib, dst, group, n, MILL_FIB_DXR, MILL_DXR_SLICE, mill_dxr_find_vector);
}

static inline void mill_dxr_any4(const struct mill_fib *fib, const uint32_t *dst, uint32_t *group, unsigned n)
{
	if (fib->vector)
		mill_dxr_vector4(fib, dst, group, n);
	else
		mill_dxr_batch4(fib, dst, group, n);
}

static inline void mill_dxr_any6(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group,
                                 unsigned n)
{
	if (fib->vector)
		mill_dxr_vector6(fib, dst, group, n);
	else
		mill_dxr_batch6(fib, dst, group, n);
}
