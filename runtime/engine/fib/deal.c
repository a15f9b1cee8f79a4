/*
 * deal.h. A share is the leg's due rounded down, the rest goes out by one each, first to legs that would otherwise
 * lose a bucket. Where no leg is new, a leg may also keep one above its due: the loss of others takes nothing away.
 *
 *   who comes back takes what is its own → who has too many gives, guests first → what is left goes to who needs it
 *
 * Legs are few (a handful; at most 1024), so each bucket finds its leg by a linear scan.
 */
#include <stdbool.h>
#include <string.h>
#include "fib/deal.h"
#include "netmill/fib.h"

#define MIN_BUCKETS 64u
#define MAX_BUCKETS 65536u
#define NOBODY      0xffffu

/* By bucket, numbers of legs or NOBODY. */
struct hand {
	struct mill_deal_leg *leg;
	uint32_t n, size;
	const uint32_t *home;
	uint16_t owner[MAX_BUCKETS];
	uint16_t claimant[MAX_BUCKETS];
	uint8_t lost[MAX_BUCKETS / 8]; /* its owner of before is none of the legs */
};

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

static void look(struct hand *hand, const uint32_t *bucket)
{
	struct mill_deal_leg *leg = hand->leg;
	for (uint32_t i = 0; i < hand->n; i++)
		leg[i].have = leg[i].claims = 0;
	for (uint32_t b = 0; b < hand->size; b++) {
		uint32_t owner = 0, claimant = 0;
		while (owner < hand->n && leg[owner].adjacency != bucket[b])
			owner++;
		while (claimant < hand->n && leg[claimant].identity != hand->home[b])
			claimant++;
		hand->owner[b] = (uint16_t)(owner < hand->n ? owner : NOBODY);
		hand->claimant[b] = (uint16_t)(claimant < hand->n ? claimant : NOBODY);
		if (owner < hand->n)
			leg[owner].have++;
		else
			hand->lost[b / 8] |= (uint8_t)(1u << b % 8);
		if (claimant < hand->n)
			leg[claimant].claims++;
	}
}

/* Shares and caps, from what the legs have, or had. True: some leg was never here before. */
static bool plan(struct mill_deal_leg *leg, uint32_t n, uint32_t size)
{
	uint64_t sum = 0;
	uint32_t rest = size;
	bool grown = false, new = false;
	for (uint32_t i = 0; i < n; i++)
		sum += leg[i].weight;
	for (uint32_t i = 0; i < n; i++) {
		leg[i].share = (uint32_t)((uint64_t)size * leg[i].weight / sum);
		leg[i].share += leg[i].share == 0;
		leg[i].cap = leg[i].share + 1;
		rest -= leg[i].share < rest ? leg[i].share : rest;
		grown = grown || leg[i].have == 0;
		new = new || (leg[i].have == 0 && leg[i].claims == 0);
	}
	for (uint32_t i = 0; rest > 0 && i < n; i++)
		if (leg[i].claims > leg[i].share) {
			leg[i].share++;
			rest--;
		}
	for (uint32_t i = 0; rest > 0 && i < n; i++)
		if (leg[i].share < leg[i].cap) {
			leg[i].share++;
			rest--;
		}
	for (uint32_t i = 0; grown && i < n; i++)
		leg[i].cap = leg[i].share;
	return new;
}

static void give(struct hand *hand, uint32_t bucket, uint16_t to)
{
	const uint16_t from = hand->owner[bucket];
	if (from != NOBODY)
		hand->leg[from].have--;
	if (to != NOBODY)
		hand->leg[to].have++;
	hand->owner[bucket] = to;
}

static void take_back(struct hand *hand)
{
	for (uint32_t b = 0; b < hand->size; b++) {
		const uint16_t claimant = hand->claimant[b];
		if (claimant != NOBODY && claimant != hand->owner[b] &&
		    hand->leg[claimant].have < hand->leg[claimant].share)
			give(hand, b, claimant);
	}
}

/* Who has too many: of buckets that are others' by right first. */
static void let_go(struct hand *hand, bool guests)
{
	for (uint32_t b = hand->size; b-- > 0;) {
		const uint16_t owner = hand->owner[b];
		if (owner != NOBODY && hand->leg[owner].have > hand->leg[owner].cap &&
		    guests == (hand->claimant[b] != owner))
			give(hand, b, NOBODY);
	}
}

/* The leg that misses most of its share: what is dealt is spread, not given in runs. */
static uint16_t neediest(const struct hand *hand)
{
	const struct mill_deal_leg *leg = hand->leg, *best = leg;
	for (uint32_t i = 1; i < hand->n; i++)
		if (((int64_t)leg[i].share - leg[i].have) * best->share >
		    ((int64_t)best->share - best->have) * leg[i].share)
			best = &leg[i];
	return (uint16_t)(best - leg);
}

/* Where readers send the flows of a bucket whose leg is dead, before anybody deals: better they stay there. */
static uint16_t detour(const struct hand *hand, uint32_t bucket)
{
	for (uint32_t i = 0; i < MILL_FIB_DETOURS; i++) {
		const uint32_t b = mill_fib_detour(bucket, i, hand->size - 1);
		if (hand->lost[b / 8] >> b % 8 & 1)
			continue;
		const uint16_t owner = hand->owner[b];
		return owner != NOBODY && hand->leg[owner].have < hand->leg[owner].cap ? owner : NOBODY;
	}
	return NOBODY;
}

static void deal_out(struct hand *hand)
{
	for (uint32_t b = 0; b < hand->size; b++) {
		if (hand->owner[b] != NOBODY)
			continue;
		const uint16_t stay = hand->lost[b / 8] >> b % 8 & 1 ? detour(hand, b) : NOBODY;
		give(hand, b, stay != NOBODY ? stay : neediest(hand));
	}
}

void mill_deal(struct mill_deal_leg *leg, uint32_t n, uint32_t *bucket, uint32_t *home, uint32_t size)
{
	struct hand hand;
	hand.leg = leg;
	hand.n = n;
	hand.size = size;
	hand.home = home;
	memset(hand.lost, 0, sizeof(hand.lost));
	look(&hand, bucket);
	const bool new = plan(leg, n, size);
	take_back(&hand);
	let_go(&hand, true);
	let_go(&hand, false);
	deal_out(&hand);
	for (uint32_t b = 0; b < size; b++) {
		const struct mill_deal_leg *owner = &leg[hand.owner[b]];
		if (new || home[b] == 0 || hand.claimant[b] != NOBODY)
			home[b] = owner->identity;
		if (bucket[b] != owner->adjacency)
			__atomic_store_n(&bucket[b], owner->adjacency, __ATOMIC_RELEASE);
	}
}
