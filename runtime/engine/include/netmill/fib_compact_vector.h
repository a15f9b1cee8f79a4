/*
 * The lookups of netmill/fib_compact.h with AVX-512, which includes this. Sixteen addresses a vector; radix gathers
 * the words of the index, the 64 bits of each block and the entry that popcount finds; dxr compares a key with 64
 * starts of a block at once.
 */
#pragma once

#define MILL_COMPACT_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vpopcntdq,popcnt,bmi2")))

/* Lanes of a by counts; 0 where a count is 32 or more. */
#define MILL_LANES_SHIFT(a, count)                                                                           \
	((mill_lanes)__builtin_ia32_psrlv16si_mask((mill_signed_lanes)(a), (mill_signed_lanes)(count),       \
	                                           (mill_signed_lanes){0}, (short)-1))
#define MILL_LANES_POPCOUNT(a) ((mill_lanes)__builtin_ia32_vpopcountd_v16si((mill_signed_lanes)(a)))

/* Index words → entries, for lanes whose position in the tables is this. */
static inline __attribute__((always_inline)) MILL_COMPACT_TARGET mill_lanes
mill_radix_entries(const uint8_t *blocks, mill_lanes word, mill_lanes position, uint16_t lanes)
{
	const mill_lanes none = {0}, all = none - 1;
	const uint16_t block = MILL_LANES_TEST(word, none + MILL_COMPACT_BLOCK) & lanes;
	const mill_lanes at = word & ~MILL_COMPACT_BLOCK, key = position & 63;
	const mill_lanes low = MILL_LANES_GATHER(none, blocks, at, block, 8);
	const mill_lanes high = MILL_LANES_GATHER(none, blocks + 4, at, block, 8);
	/* bits up to the key: in the low word all when the key is 31 or more */
	const mill_lanes short_of = (mill_lanes)((mill_signed_lanes)key < 31) & (31 - key);
	const mill_lanes runs = MILL_LANES_POPCOUNT(low & MILL_LANES_SHIFT(all, short_of)) +
	                        MILL_LANES_POPCOUNT(high & MILL_LANES_SHIFT(all, 63 - key));
	return MILL_LANES_GATHER(word, blocks + 6, at * 8 + runs * 2, block, 1) & 0xffff;
}

static __attribute__((noinline, unused)) MILL_COMPACT_TARGET void
mill_radix_vector4(const struct mill_fib *fib, const uint32_t *dst, uint32_t *group, unsigned n)
{
	const uint8_t *index = MILL_FIB_AT(fib, uint8_t, mill_fib_compact_offset(MILL_FIB_RADIX, 4));
	const uint8_t *blocks = index + MILL_COMPACT_INDEX;
	const uint32_t fallback = __atomic_load_n(&fib->default4, __ATOMIC_RELAXED);
	const mill_lanes none = {0}, is_node = none + MILL_FIB_IS_NODE16;
	const unsigned vectors = n / MILL_FIB_LANES;
	mill_lanes address[MILL_FIB_BATCH / MILL_FIB_LANES], word[MILL_FIB_BATCH / MILL_FIB_LANES];
	for (unsigned v = 0; v < vectors; v++) {
		memcpy(&address[v], dst + v * MILL_FIB_LANES, sizeof(address[v]));
		word[v] = MILL_LANES_GATHER(none, index, address[v] >> (8 + MILL_RADIX_SLICE), -1, 4);
	}
	for (unsigned v = 0; v < vectors; v++) {
		mill_lanes entry = mill_radix_entries(blocks, word[v], address[v] >> 8, 0xffff);
		const uint16_t deeper = MILL_LANES_TEST(entry, is_node);
		if (__builtin_expect(deeper != 0, 0)) {
			const mill_lanes position =
			    MILL_FIB_ROOT + ((entry & (MILL_FIB_IS_NODE16 - 1)) << 8 | (address[v] & 0xff));
			const mill_lanes below =
			    MILL_LANES_GATHER(entry, index, position >> MILL_RADIX_SLICE, deeper, 4);
			const mill_lanes found = mill_radix_entries(blocks, below, position, deeper);
			const mill_lanes gone = (mill_lanes)((entry & is_node) != 0);
			entry = (entry & ~gone) | (found & gone);
		}
		entry |= (mill_lanes)(entry == 0) & fallback;
		memcpy(group + v * MILL_FIB_LANES, &entry, sizeof(entry));
	}
}

static __attribute__((noinline, unused)) MILL_COMPACT_TARGET void
mill_radix_vector6(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group, unsigned n)
{
	const uint8_t *index = MILL_FIB_AT(fib, uint8_t, mill_fib_compact_offset(MILL_FIB_RADIX, 6));
	const uint8_t *blocks = index + MILL_COMPACT_INDEX;
	const uint32_t fallback = __atomic_load_n(&fib->default6, __ATOMIC_RELAXED);
	const mill_lanes none = {0}, is_node = none + MILL_FIB_IS_NODE16;
	const unsigned vectors = n / MILL_FIB_LANES;
	mill_lanes entry[MILL_FIB_BATCH / MILL_FIB_LANES], word[MILL_FIB_BATCH / MILL_FIB_LANES],
	    position[MILL_FIB_BATCH / MILL_FIB_LANES], slice[MILL_FIB_BATCH / MILL_FIB_LANES];
	uint16_t lanes[MILL_FIB_BATCH / MILL_FIB_LANES];
	unsigned any = 1;
	for (unsigned v = 0; v < vectors; v++) {
		word[v] = mill_fib_word6(dst + v * MILL_FIB_LANES, 0);
		position[v] = word[v] >> 8;
		entry[v] = none;
		lanes[v] = 0xffff;
	}
	for (unsigned byte = 3; any && byte <= 16; byte++) {
		any = 0;
		for (unsigned v = 0; v < vectors; v++)
			slice[v] =
			    MILL_LANES_GATHER(none, index, position[v] >> MILL_RADIX_SLICE, lanes[v], 4);
		for (unsigned v = 0; v < vectors; v++) {
			const mill_lanes found = mill_radix_entries(blocks, slice[v], position[v], lanes[v]);
			const mill_lanes walking =
			    (mill_lanes)((entry[v] & is_node) != 0) | (byte == 3 ? -1u : 0u);
			entry[v] = (entry[v] & ~walking) | (found & walking);
			any |= lanes[v] &= MILL_LANES_TEST(entry[v], is_node);
			if (byte % 4 == 0 && byte < 16)
				word[v] = mill_fib_word6(dst + v * MILL_FIB_LANES, byte / 4);
			const mill_lanes node =
			    (entry[v] & (MILL_FIB_IS_NODE16 - 1)) + (byte - 3) * MILL_FIB_NARROW_LIMIT;
			position[v] = MILL_FIB_ROOT + (node << 8 | (word[v] >> (24 - byte % 4 * 8) & 0xff));
		}
	}
	for (unsigned v = 0; v < vectors; v++) {
		entry[v] |= (mill_lanes)(entry[v] == 0) & fallback;
		memcpy(group + v * MILL_FIB_LANES, &entry[v], sizeof(entry[v]));
	}
}

typedef char mill_bytes __attribute__((vector_size(64)));

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
	mill_compact_batch4(fib, dst, group, n, MILL_FIB_DXR, MILL_DXR_SLICE,
	                    (const uint8_t *)&mill_compact_one.dxr, mill_dxr_find_vector);
}

static __attribute__((noinline, unused)) MILL_COMPACT_TARGET void
mill_dxr_vector6(const struct mill_fib *fib, const uint8_t (*dst)[16], uint32_t *group, unsigned n)
{
	mill_compact_batch6(fib, dst, group, n, MILL_FIB_DXR, MILL_DXR_SLICE,
	                    (const uint8_t *)&mill_compact_one.dxr, mill_dxr_find_vector);
}

/* How many of n addresses the vectors have answered. */
#define MILL_COMPACT_WHOLE(name, family, fib, dst, group, n)                                                 \
	((fib)->vector & MILL_VECTOR_POPCOUNT && (n) >= MILL_FIB_LANES                                       \
	     ? (mill_##name##_vector##family(fib, dst, group, (n) & ~(MILL_FIB_LANES - 1)),                  \
	        (n) & ~(MILL_FIB_LANES - 1))                                                                 \
	     : 0u)
