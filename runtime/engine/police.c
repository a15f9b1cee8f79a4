/*
 * Token buckets of rules, one for each rule and all workers: the generic cell rate algorithm (ITU-T I.371 Annex A,
 * virtual scheduling) on one 64-bit number, the time at which the bucket is full again. A packet conforms when taking
 * what it costs leaves that time no further away than the burst. The numbers live in the state, so buckets go on across
 * deploys and engines; what a larger burst of before left is cut down to an empty bucket. Any worker, at any time:
 * compare and exchange, relaxed, since the number is all there is.
 */
#include "engine.h"

#define TICKS_PER_NS  64u
#define COST_FRACTION 20u
#define SKEW          (64u * MILL_NS_PER_S) /* in ticks: no two workers' clocks are that far apart */

bool mill_service_police(struct mill_worker *base, uint32_t rule_slot, uint64_t cost, uint64_t burst,
                         uint32_t amount)
{
	const struct mill_worker_thread *worker = (const struct mill_worker_thread *)base;
	if (rule_slot >= MILL_MAX_RULES)
		return false;
	uint64_t *bucket = &worker->engine->state->policer[rule_slot];
	const uint64_t now = base->now_ns * TICKS_PER_NS, latest = now + burst;
	const uint64_t taken = (cost * amount) >> COST_FRACTION;
	uint64_t full_at = __atomic_load_n(bucket, __ATOMIC_RELAXED);
	if (full_at > latest + SKEW) { /* of another limit: from now on, empty */
		(void)__atomic_compare_exchange_n(bucket, &full_at, latest, false, __ATOMIC_RELAXED,
		                                  __ATOMIC_RELAXED);
		return false;
	}
	for (;;) {
		const uint64_t next = (full_at < now ? now : full_at) + taken;
		if (next > latest)
			return false;
		if (__atomic_compare_exchange_n(bucket, &full_at, next, true, __ATOMIC_RELAXED,
		                                __ATOMIC_RELAXED))
			return true;
	}
}
