/*
 * The peer of memory.full: what DPDK's l3fwd does with LPM, over rings in memory. Bursts come from a ring of mbufs, four
 * destinations at a time are looked up in rte_lpm (DIR-24-8, entries of 4 bytes), TTL and checksum and the link header
 * are rewritten by one store of 16 bytes, and bursts leave by another ring. l3fwd leaves the header's checksum and the
 * station to the device; here they are judged in software, as netmill does, unless the name of the program that is asked
 * for is `bare`.
 *
 *   l3fwd TABLE4 PACKETS          commands: rounds_answer() of ../loop/rounds.h
 *
 * The table is written as rte_lpm_add would leave it: adding a full view to it takes a minute and a half.
 */
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_lpm.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <rte_vect.h>
#include "../fib_table.h"
#include "../loop/rounds.h"
#include "eal.h"

#define BURST  32u /* as l3fwd's */
#define AHEAD  3u
#define HOPS   65u
#define NO_HOP 0u

struct l3fwd {
	struct rounds_list list;
	struct rte_lpm *lpm;
	struct rte_ring *rx, *tx;
	struct rte_mbuf **mbuf;
	xmm_t link[HOPS]; /* destination, source, EtherType */
	bool bare;
};

static const uint8_t station[8] = {2, 0, 0, 0, 1, 0};

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

static inline bool for_us(const struct rte_ether_hdr *ether)
{
	uint64_t to, mine;
	memcpy(&to, ether, 8);
	memcpy(&mine, station, 8);
	return ((to ^ mine) & 0xffffffffffffull) == 0;
}

/* RFC 1812 §5.2.2: length, version, header and total length, and the sum. */
static inline bool in_order(const struct rte_mbuf *m, bool bare)
{
	const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(ether + 1);
	const uint32_t total = rte_be_to_cpu_16(ip->total_length);
	if (ether->ether_type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) ||
	    ip->version_ihl != RTE_IPV4_VHL_DEF || total < sizeof(*ip) ||
	    total > m->data_len - sizeof(*ether) || ip->time_to_live <= 1)
		return false;
	return bare || (for_us(ether) && rte_ipv4_cksum(ip) == 0);
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

static inline void forward_burst(struct l3fwd *l3fwd, struct rte_mbuf **m, uint32_t n)
{
	uint32_t hop[BURST + 4], out = 0, i;
	struct rte_mbuf *sent[BURST];
	for (i = 0; i < AHEAD && i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (i = 0; i < n; i++) {
		if (i + AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(m[i + AHEAD], void *));
		if (likely(in_order(m[i], l3fwd->bare)))
			m[out++] = m[i];
	}
	n = out;
	for (i = 0; i + 4 <= n; i += 4)
		rte_lpm_lookupx4(l3fwd->lpm, destinations(&m[i]), &hop[i], NO_HOP);
	for (; i < n; i++) {
		const uint32_t to =
		    rte_be_to_cpu_32(*rte_pktmbuf_mtod_offset(m[i], unaligned_uint32_t *, 30));
		if (rte_lpm_lookup(l3fwd->lpm, to, &hop[i]) != 0)
			hop[i] = NO_HOP;
	}
	for (i = out = 0; i < n; i++) {
		if (unlikely(hop[i] == NO_HOP))
			continue;
		rewrite(m[i], l3fwd->link[hop[i]]);
		sent[out++] = m[i];
	}
	rte_ring_sp_enqueue_burst(l3fwd->tx, (void **)sent, out, NULL);
}

static void forward(void *of, uint32_t burst)
{
	struct l3fwd *l3fwd = of;
	struct rte_mbuf *m[BURST];
	uint32_t n;
	while ((n = rte_ring_sc_dequeue_burst(l3fwd->rx, (void **)m, RTE_MIN(burst, BURST), NULL)) != 0) {
		rte_compiler_barrier();
		(void)rte_rdtsc(); /* for its drain timer, once a turn */
		forward_burst(l3fwd, m, n);
	}
}

/* --- a round -------------------------------------------------------------------------------------------------------- */

static void fill(void *of)
{
	struct l3fwd *l3fwd = of;
	for (uint32_t i = 0; i < l3fwd->list.n; i++) {
		struct rte_mbuf *m = l3fwd->mbuf[i];
		m->data_len = l3fwd->list.frame[i].len;
		m->pkt_len = m->data_len;
		memcpy(rte_pktmbuf_mtod(m, void *), l3fwd->list.frame[i].bytes, 64);
	}
	rte_ring_sp_enqueue_bulk(l3fwd->rx, (void **)l3fwd->mbuf, l3fwd->list.n, NULL);
}

static uint64_t drain(void *of, bool look)
{
	struct l3fwd *l3fwd = of;
	uint64_t hash = 0xcbf29ce484222325ull;
	struct rte_mbuf *m;
	while (rte_ring_sc_dequeue(l3fwd->tx, (void **)&m) == 0)
		if (look)
			hash = rounds_hash(hash, rte_pktmbuf_mtod(m, void *), m->data_len);
	return hash;
}

static void make_mbufs(struct l3fwd *l3fwd)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create("packets", 2 * ROUNDS_MOST + 1, 0, 0,
	                                                   RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	l3fwd->mbuf = calloc(l3fwd->list.n, sizeof(*l3fwd->mbuf));
	l3fwd->rx = rte_ring_create("rx", 1024, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	l3fwd->tx = rte_ring_create("tx", 1024, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (pool == NULL || l3fwd->mbuf == NULL || l3fwd->rx == NULL || l3fwd->tx == NULL ||
	    rte_pktmbuf_alloc_bulk(pool, l3fwd->mbuf, l3fwd->list.n) != 0)
		rounds_fail("no memory for packets", "l3fwd");
	for (uint32_t hop = 1; hop < HOPS; hop++)
		l3fwd->link[hop] = _mm_set_epi8(0, 0, 0, 0, 0, 2, 0, 0, 0, 2, (char)hop, 3, 0, 0, 0, 2);
}

int main(int argc, char **argv)
{
	char *eal[] = {argv[0], "--no-huge", "--no-shconf",    "-m",
	               "512",   "--no-pci",  "--no-telemetry", "--log-level=1"};
	char line[128], command[32], name[32];
	uint32_t burst;
	static struct l3fwd l3fwd;
	if (argc != 3 || rte_eal_init(sizeof(eal) / sizeof(eal[0]), eal) < 0)
		rounds_fail("EAL does not start", argv[0]);
	l3fwd.list = rounds_load(argv[2]);
	l3fwd.lpm = make_table(argv[1]);
	make_mbufs(&l3fwd);
	eal_collapse();
	const struct rounds_program program = {
	    .fill = fill, .forward = forward, .drain = drain, .of = &l3fwd, .n = &l3fwd.list.n};
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (sscanf(line, "%31s %31s %u", command, name, &burst) != 3 || burst == 0)
			rounds_fail("expected COMMAND NAME BURST", line);
		l3fwd.bare = strcmp(name, "bare") == 0;
		rounds_answer(&program, command, burst);
	}
	return 0;
}
