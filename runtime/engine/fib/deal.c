/*
 * deal.h. A share is the leg's due rounded down, the rest goes out by one each, first to legs that would otherwise
 * lose a bucket. Where no leg is new, a leg may also keep one above its due: the loss of others takes nothing away.
 * Legs are few (a handful; at most 1024), so each bucket finds its leg by a linear scan.
 */
#include <stdbool.h>
#include "fib/deal.h"

#define MIN_BUCKETS 64u
#define MAX_BUCKETS 65536u

uint32_t mill_deal_size(const struct mill_deal_leg *leg, uint32_t n)
{
	uint64_t sum = 0;
	uint32_t least = UINT32_MAX, size = MIN_BUCKETS;
	for (uint32_t i = 0; i < n; i++) {
		sum += leg[i].weight;
		least = leg[i].weight < least ? leg[i].weight : least;
	}
	/* 16 buckets for the lightest leg */
	while (size < MAX_BUCKETS && (uint64_t)size * least < 16 * sum)
		size *= 2;
	return size;
}

static struct mill_deal_leg *leg_of(struct mill_deal_leg *leg, uint32_t n, uint32_t adjacency)
{
	for (uint32_t i = 0; i < n; i++)
		if (leg[i].adjacency == adjacency)
			return &leg[i];
	return 0;
}

/* Shares and caps, from what the legs have. */
static void plan(struct mill_deal_leg *leg, uint32_t n, uint32_t size)
{
	uint64_t sum = 0;
	uint32_t rest = size;
	bool grown = false;
	for (uint32_t i = 0; i < n; i++)
		sum += leg[i].weight;
	for (uint32_t i = 0; i < n; i++) {
		leg[i].share = (uint32_t)((uint64_t)size * leg[i].weight / sum);
		leg[i].share += leg[i].share == 0;
		leg[i].cap = leg[i].share + 1;
		rest -= leg[i].share < rest ? leg[i].share : rest;
		grown = grown || leg[i].have == 0;
	}
	for (uint32_t i = 0; rest > 0 && i < n; i++)
		if (leg[i].have > leg[i].share) {
			leg[i].share++;
			rest--;
		}
	for (uint32_t i = 0; rest > 0 && i < n; i++)
		if (leg[i].have <= leg[i].share && leg[i].share < leg[i].cap) {
			leg[i].share++;
			rest--;
		}
	for (uint32_t i = 0; grown && i < n; i++)
		leg[i].cap = leg[i].share;
}

/* The leg that misses most of its share: what is dealt is spread, not given in runs. */
static struct mill_deal_leg *neediest(struct mill_deal_leg *leg, uint32_t n)
{
	struct mill_deal_leg *best = leg;
	for (uint32_t i = 1; i < n; i++)
		if (((int64_t)leg[i].share - leg[i].have) * best->share >
		    ((int64_t)best->share - best->have) * leg[i].share)
			best = &leg[i];
	return best;
}

void mill_deal(struct mill_deal_leg *leg, uint32_t n, uint32_t *bucket, uint32_t size)
{
	uint8_t orphan[MAX_BUCKETS / 8] = {0};
	struct mill_deal_leg *owner;
	for (uint32_t i = 0; i < n; i++)
		leg[i].have = 0;
	for (uint32_t b = 0; b < size; b++)
		if ((owner = leg_of(leg, n, bucket[b])) != 0)
			owner->have++;
	plan(leg, n, size);
	for (uint32_t i = 0; i < n; i++)
		leg[i].have = 0;
	/* first who keeps theirs: counted before anything is given away */
	for (uint32_t b = 0; b < size; b++) {
		owner = leg_of(leg, n, bucket[b]);
		if (owner != 0 && owner->have < owner->cap)
			owner->have++;
		else
			orphan[b / 8] |= (uint8_t)(1u << b % 8);
	}
	for (uint32_t b = 0; b < size; b++) {
		if (!(orphan[b / 8] >> b % 8 & 1))
			continue;
		owner = neediest(leg, n);
		owner->have++;
		__atomic_store_n(&bucket[b], owner->adjacency, __ATOMIC_RELAXED);
	}
}
