/*
 * Deals the buckets of a path group to its legs by weight.
 *
 * Threads: none of its own; pure but for `bucket`.
 */
#pragma once
#include <stdint.h>

struct mill_deal_leg {
	uint32_t adjacency;        /* id, each once */
	uint32_t weight;           /* ≥ 1 */
	uint32_t have, share, cap; /* buckets; mill_deal's own */
};

/* Power of two: enough buckets for n legs of these weights to be honoured within about 6 %. */
uint32_t mill_deal_size(const struct mill_deal_leg *, uint32_t n);
/* Gives each leg its share and moves no bucket that need not move: when legs are lost, only their buckets; when
 * some come, only as many as they need. Stores are single and relaxed, so readers may look on. */
void mill_deal(struct mill_deal_leg *, uint32_t n, uint32_t *bucket, uint32_t size);
