/*
 * Times by their frequency: 32 buckets for each power of two, so that a quantile is right to 3 %. One writer; readers
 * at rest.
 */
#pragma once
#include <stdint.h>

#define HISTOGRAM_BUCKETS (64 * 32)

struct histogram {
	uint64_t count, sum, least, most;
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *, uint64_t ns);
/* The value that `share` (0 to 1) of all are not above; 0 when there are none. */
uint64_t histogram_quantile(const struct histogram *, double share);
