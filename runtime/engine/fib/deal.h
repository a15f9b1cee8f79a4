/*
 * Deals the buckets of a path group to its legs by weight, and remembers whose each bucket is by right: a leg that
 * comes back gets the flows that it had.
 *
 * Threads: none of its own; pure but for `bucket` and `home`.
 */
#pragma once
#include <stdint.h>

#define MILL_DEAL_NOBODY UINT32_MAX /* in `bucket`: no adjacency */

struct mill_deal_leg {
	uint32_t adjacency;                /* id, each once */
	uint32_t identity;                 /* where it leads, whatever its id is today; not 0 */
	uint32_t weight;                   /* ≥ 1 */
	uint32_t have, claims, share, cap; /* buckets; mill_deal's own */
};

/* Power of two: enough buckets for n legs of these weights to be honoured within about 6 %. */
uint32_t mill_deal_size(const struct mill_deal_leg *, uint32_t n);
/*
 * Gives each leg its share and moves no bucket that need not move: when legs are lost, only their buckets; when one
 * comes back, those that were its own; when new ones come, only as many as they need. `home`: identity of who has a
 * right to each bucket, 0 for nobody yet; a lost leg keeps its rights until a new leg takes its place.
 * Stores into `bucket` are single and relaxed, so readers may look on. size is at most 65536.
 */
void mill_deal(struct mill_deal_leg *, uint32_t n, uint32_t *bucket, uint32_t *home, uint32_t size);
