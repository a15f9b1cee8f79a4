/*
 * How many packets a second of a class reach the host stack, or what the engine itself answers in its place: a token
 * bucket that holds a tenth of a second's worth, and one packet at least. Whoever has a bucket is its only user.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct mill_punt_bucket {
	uint64_t refilled_ns;
	uint64_t credit; /* a packet costs a second of it in ns, a nanosecond earns `per_second` */
};

static inline bool mill_punt_conforms(struct mill_punt_bucket *bucket, uint32_t per_second, uint64_t now)
{
	const uint64_t second = 1000000000ull, passed = now - bucket->refilled_ns;
	const uint64_t earned = (passed < second ? passed : second) * per_second;
	const uint64_t tenth = second / 10 * per_second, most = tenth < second ? second : tenth;
	bucket->refilled_ns = now;
	bucket->credit = bucket->credit + earned < most ? bucket->credit + earned : most;
	if (per_second == 0 || bucket->credit < second)
		return false;
	bucket->credit -= second;
	return true;
}
