/* See histogram.h. */
#include "tools/histogram.h"

#define SUB 5u /* bits kept below the highest */

static uint32_t bucket_of(uint64_t ns)
{
	if (ns < 1u << SUB)
		return (uint32_t)ns;
	const uint32_t shift = 63u - (uint32_t)__builtin_clzll(ns) - SUB;
	return ((shift + 1) << SUB) + (uint32_t)(ns >> shift & ((1u << SUB) - 1));
}

static uint64_t highest_of(uint32_t bucket)
{
	const uint32_t row = bucket >> SUB;
	if (row == 0)
		return bucket;
	const uint64_t low = ((uint64_t)(bucket & ((1u << SUB) - 1)) | 1u << SUB) << (row - 1);
	return low + (1ull << (row - 1)) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
	if (histogram->count++ == 0 || ns < histogram->least)
		histogram->least = ns;
	if (ns > histogram->most)
		histogram->most = ns;
	histogram->sum += ns;
	histogram->bucket[bucket_of(ns)]++;
}

uint64_t histogram_quantile(const struct histogram *histogram, double share)
{
	const uint64_t wanted = (uint64_t)(share * (double)histogram->count + 0.5);
	uint64_t seen = 0;
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS && histogram->count != 0; i++) {
		seen += histogram->bucket[i];
		if (seen >= wanted && seen != 0) {
			const uint64_t value = highest_of(i);
			return value > histogram->most ? histogram->most : value;
		}
	}
	return histogram->most;
}
