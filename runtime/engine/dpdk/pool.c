/*
 * Buffers. Each packet buffer of the region has one mbuf, for as long as the process lives: so a buffer goes to DPDK and comes
 * back by its number, whichever port had it before. The mbufs lie in memory of DPDK's, not in the region, since peers of pipes may
 * write there, and an mbuf is full of pointers ("pinned external buffers", rte_pktmbuf_pool_create_extbuf).
 *
 * The pool holds those mbufs whose buffers are lent to DPDK; every port lends some when it opens and takes as many back when
 * it closes. For each packet that comes in a free buffer goes to the pool, for each one that is sent a free one is taken
 * from it. A lent buffer's owner byte says "in a queue of this process", so that an engine that adopts has it back.
 */
#include <errno.h>
#include <stdlib.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include "dpdk/dpdk.h"

#define PAGE 4096u

struct rte_mempool *mill_dpdk_mempool;
struct rte_mbuf **mill_dpdk_mbuf;

static const struct mill_region *pooled;
static uint32_t ports;

static uint32_t index_of(const struct rte_mbuf *mbuf)
{
	return (uint32_t)(((const uint8_t *)mbuf->buf_addr - pooled->buffers) >> pooled->buf_shift);
}

static void note(struct rte_mempool *pool, void *argument, void *object, unsigned number)
{
	(void)pool;
	(void)argument;
	(void)number;
	mill_dpdk_mbuf[index_of(object)] = object;
}

/* All mbufs are in a new pool, but no buffer is lent yet. */
static bool empty(struct rte_mempool *pool)
{
	void *object;
	while (rte_mempool_get(pool, &object) == 0)
		;
	return rte_mempool_avail_count(pool) == 0;
}

static bool make(struct mill_region *region, struct mill_error *error)
{
	const size_t size = (size_t)region->n_bufs << region->buf_shift;
	const struct rte_pktmbuf_extmem memory = {.buf_ptr = region->buffers,
	                                          .buf_iova = (rte_iova_t)(uintptr_t)region->buffers,
	                                          .buf_len = size,
	                                          .elt_size = (uint16_t)region->buf_size};
	if (rte_extmem_register(region->buffers, size, NULL, 0, PAGE) != 0) {
		mill_fail(error, rte_errno, "telling DPDK of the packet memory: %s%s",
		          rte_strerror(rte_errno), mill_dpdk_said());
		return false;
	}
	mill_dpdk_mbuf = calloc(region->n_bufs, sizeof(struct rte_mbuf *));
	if (mill_dpdk_mbuf != NULL)
		mill_dpdk_mempool = rte_pktmbuf_pool_create_extbuf("netmill", region->n_bufs, 0, 0,
		                                                   (uint16_t)region->buf_size,
		                                                   (int)rte_socket_id(), &memory, 1);
	if (mill_dpdk_mempool == NULL) {
		mill_fail(error, ENOMEM, "no memory for %u mbufs: %s%s", region->n_bufs,
		          rte_strerror(rte_errno), mill_dpdk_said());
		free(mill_dpdk_mbuf);
		rte_extmem_unregister(region->buffers, size);
		return false;
	}
	pooled = region;
	rte_mempool_obj_iter(mill_dpdk_mempool, note, NULL);
	return empty(mill_dpdk_mempool);
}

struct rte_mempool *mill_dpdk_pool(struct mill_region *region, struct mill_error *error)
{
	if (mill_dpdk_mempool == NULL && !make(region, error))
		return NULL;
	if (pooled == region)
		return mill_dpdk_mempool;
	mill_fail(error, EBUSY, "DPDK has another packet memory of this process already");
	return NULL;
}

bool mill_dpdk_lend(struct mill_region *region, uint32_t n)
{
	ports++;
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t buffer = mill_region_buf_alloc(region, MILL_BUF_HELD);
		if (buffer == 0) {
			(void)mill_dpdk_take_back(region, i);
			return false;
		}
		rte_mempool_put(mill_dpdk_mempool, mill_dpdk_mbuf[buffer]);
	}
	return true;
}

uint32_t mill_dpdk_take_back(struct mill_region *region, uint32_t n)
{
	const bool all = --ports == 0;
	uint32_t got = 0;
	void *object;
	while ((all || got < n) && rte_mempool_get(mill_dpdk_mempool, &object) == 0) {
		mill_region_buf_free(region, index_of(object));
		got++;
	}
	return got < n ? n - got : 0;
}
