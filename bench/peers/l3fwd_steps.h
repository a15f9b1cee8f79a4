/*
 * What DPDK's l3fwd does with LPM, step by step, for the programs that are its loop: the table, as rte_lpm_add would leave it
 * (adding a full view to it takes a minute and a half), the checks of a header, four destinations at a time, and the
 * rewriting of TTL, checksum and link header by one store of 16 bytes.
 *
 *   l3fwd_steps(): of n packets those that have a way, rewritten, to the front; returns how many
 */
#pragma once
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_lpm.h>
#include <rte_mbuf.h>
#include <rte_vect.h>
#include "../fib_table.h"
#include "../loop/rounds.h"

#define L3FWD_BURST 32u /* as l3fwd's */
#define AHEAD       3u
#define HOPS        65u
#define NO_HOP      0u

struct l3fwd_steps {
	struct rte_lpm *lpm;
	xmm_t link[HOPS];   /* destination, source, EtherType */
	uint8_t station[8]; /* six of them: whom frames are for, where that is judged in software */
	bool bare;          /* the device judges station and checksum */
};

/* --- the table --------------------------------------------------------------------------------------------------- */

static int by_length(const void *a, const void *b)
{
	return (int)((const struct table_entry *)a)->length - (int)((const struct table_entry *)b)->length;
}

static void set_long(struct rte_lpm *lpm, uint32_t address, const struct table_entry *e, uint32_t *groups)
{
	struct rte_lpm_tbl_entry *top = &lpm->tbl24[address >> 8];
	if (!top->valid_group) {
		for (uint32_t i = 0; i < RTE_LPM_TBL8_GROUP_NUM_ENTRIES; i++) {
			lpm->tbl8[*groups * RTE_LPM_TBL8_GROUP_NUM_ENTRIES + i] = *top;
			lpm->tbl8[*groups * RTE_LPM_TBL8_GROUP_NUM_ENTRIES + i].valid_group = 1;
		}
		*top = (struct rte_lpm_tbl_entry){.next_hop = (*groups)++, .valid = 1, .valid_group = 1};
	}
	for (uint32_t i = 0; i < 1u << (32 - e->length); i++)
		lpm->tbl8[top->next_hop * RTE_LPM_TBL8_GROUP_NUM_ENTRIES + (address & 0xff) + i] =
		    (struct rte_lpm_tbl_entry){
		        .next_hop = e->nexthop, .valid = 1, .valid_group = 1, .depth = e->length};
}

static struct rte_lpm *make_table(const char *path)
{
	const struct rte_lpm_config config = {.max_rules = 1024, .number_tbl8s = 2048};
	struct table table = table_load(path);
	struct rte_lpm *lpm = rte_lpm_create("full", SOCKET_ID_ANY, &config);
	uint32_t groups = 0, address;
	if (lpm == NULL)
		rounds_fail("no memory for the table", "rte_lpm");
	qsort(table.entry, table.n, sizeof(*table.entry), by_length);
	for (uint32_t i = 0; i < table.n; i++) {
		const struct table_entry *e = &table.entry[i];
		memcpy(&address, e->address, 4);
		address = rte_be_to_cpu_32(address);
		if (e->length > 24) {
			if (groups == config.number_tbl8s)
				rounds_fail("more than 2,048 networks are longer than /24", path);
			set_long(lpm, address, e, &groups);
			continue;
		}
		for (uint32_t k = 0; k < 1u << (24 - e->length); k++)
			lpm->tbl24[(address >> 8) + k] = (struct rte_lpm_tbl_entry){
			    .next_hop = e->nexthop, .valid = 1, .depth = e->length};
	}
	return lpm;
}

/* --- forwarding --------------------------------------------------------------------------------------------------- */

static inline bool for_us(const struct rte_ether_hdr *ether, const uint8_t station[8])
{
	uint64_t to, mine;
	memcpy(&to, ether, 8);
	memcpy(&mine, station, 8);
	return ((to ^ mine) & 0xffffffffffffull) == 0;
}

/* RFC 1812 §5.2.2: length, version, header and total length, and the sum. */
static inline bool in_order(const struct rte_mbuf *m, const struct l3fwd_steps *steps)
{
	const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(ether + 1);
	const uint32_t total = rte_be_to_cpu_16(ip->total_length);
	if (ether->ether_type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) ||
	    ip->version_ihl != RTE_IPV4_VHL_DEF || total < sizeof(*ip) ||
	    total > m->data_len - sizeof(*ether) || ip->time_to_live <= 1)
		return false;
	return steps->bare || (for_us(ether, steps->station) && rte_ipv4_cksum(ip) == 0);
}

static inline xmm_t destinations(struct rte_mbuf *const m[4])
{
	uint32_t word[4];
	for (unsigned i = 0; i < 4; i++)
		memcpy(&word[i], rte_pktmbuf_mtod_offset(m[i], const uint8_t *, 30), 4);
	const xmm_t swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
	return _mm_shuffle_epi8(_mm_set_epi32((int)word[3], (int)word[2], (int)word[1], (int)word[0]), swap);
}

static inline void rewrite(struct rte_mbuf *m, xmm_t link)
{
	xmm_t *at = rte_pktmbuf_mtod(m, xmm_t *);
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);
	const xmm_t was = _mm_loadu_si128(at);
	_mm_storeu_si128(at, _mm_blend_epi16(was, link, 0x3f));
	uint32_t sum = rte_be_to_cpu_16(ip->hdr_checksum) + 0x0100u;
	ip->time_to_live--;
	ip->hdr_checksum = rte_cpu_to_be_16((uint16_t)(sum + (sum >= 0xffff)));
}

static inline uint32_t l3fwd_steps(const struct l3fwd_steps *steps, struct rte_mbuf **m, uint32_t n,
                                   struct rte_mbuf **sent)
{
	uint32_t hop[L3FWD_BURST + 4], out = 0, i;
	for (i = 0; i < AHEAD && i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (i = 0; i < n; i++) {
		if (i + AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(m[i + AHEAD], void *));
		if (likely(in_order(m[i], steps)))
			m[out++] = m[i];
	}
	n = out;
	for (i = 0; i + 4 <= n; i += 4)
		rte_lpm_lookupx4(steps->lpm, destinations(&m[i]), &hop[i], NO_HOP);
	for (; i < n; i++) {
		const uint32_t to =
		    rte_be_to_cpu_32(*rte_pktmbuf_mtod_offset(m[i], unaligned_uint32_t *, 30));
		if (rte_lpm_lookup(steps->lpm, to, &hop[i]) != 0)
			hop[i] = NO_HOP;
	}
	for (i = out = 0; i < n; i++) {
		if (unlikely(hop[i] == NO_HOP))
			continue;
		rewrite(m[i], steps->link[hop[i]]);
		sent[out++] = m[i];
	}
	return out;
}
