/*
 * The peer of memory.full: what DPDK's l3fwd does with LPM (l3fwd_steps.h), over rings in memory. Bursts come from a ring of
 * mbufs and leave by another one. l3fwd leaves the header's checksum and the station to the device; here they are judged in
 * software, as netmill does, unless the name of the program that is asked for is `bare`. `io` and `mac` are testpmd's modes of
 * these names: packets go on as they are, or with other addresses in the link header, and nobody asks where to.
 *
 * With a POLICY (../loop/policy.h) its list judges each packet before, by rte_acl.
 *
 *   l3fwd TABLE4 PACKETS [POLICY]          commands: rounds_answer() of ../loop/rounds.h
 */
#include <rte_ring.h>
#include "eal.h"
#include "l3fwd_acl.h"
#include "l3fwd_steps.h"

struct l3fwd {
	struct rounds_list list;
	struct l3fwd_steps steps;
	struct rte_ring *rx, *tx;
	struct rte_mbuf **mbuf;
	struct rte_acl_ctx *acl; /* NULL: none */
	uint32_t rule[L3FWD_BURST];
	bool io, mac;
};

/* Both addresses, packet by packet, each fetched ahead of its turn. */
static void readdress(struct rte_mbuf **m, uint32_t n, const xmm_t *link)
{
	for (uint32_t i = 0; i < n; i++) {
		if (i + 1 < n)
			rte_prefetch0(rte_pktmbuf_mtod(m[i + 1], void *));
		memcpy(rte_pktmbuf_mtod(m[i], void *), link, 2 * RTE_ETHER_ADDR_LEN);
	}
}

static void forward(void *of, uint32_t burst)
{
	struct l3fwd *l3fwd = of;
	struct rte_mbuf *m[L3FWD_BURST], *sent[L3FWD_BURST];
	uint32_t n;
	while ((n = rte_ring_sc_dequeue_burst(l3fwd->rx, (void **)m, RTE_MIN(burst, L3FWD_BURST), NULL)) !=
	       0) {
		rte_compiler_barrier();
		(void)rte_rdtsc(); /* for its drain timer, once a turn */
		if (l3fwd->mac)
			readdress(m, n, &l3fwd->steps.link[1]);
		else if (!l3fwd->io) {
			if (l3fwd->acl != NULL)
				l3fwd_acl(l3fwd->acl, m, n, l3fwd->rule);
			n = l3fwd_steps(&l3fwd->steps, m, n, sent);
		}
		rte_ring_sp_enqueue_burst(l3fwd->tx, (void **)(l3fwd->mac || l3fwd->io ? m : sent), n, NULL);
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
		l3fwd->steps.link[hop] = _mm_set_epi8(0, 0, 0, 0, 0, 2, 0, 0, 0, 2, (char)hop, 3, 0, 0, 0, 2);
}

int main(int argc, char **argv)
{
	char *eal[] = {argv[0],
	               "--no-huge",
	               "--no-shconf",
	               "-m",
	               "512",
	               "--no-pci",
	               "--no-telemetry",
	               "--log-level=1",
	               "--force-max-simd-bitwidth=512"};
	char line[128], command[32], name[32];
	uint32_t burst;
	static struct l3fwd l3fwd = {.steps.station = {2, 0, 0, 0, 1}};
	if (argc < 3 || argc > 4 || rte_eal_init(sizeof(eal) / sizeof(eal[0]), eal) < 0)
		rounds_fail("EAL does not start", argv[0]);
	l3fwd.list = rounds_load(argv[2]);
	l3fwd.steps.lpm = make_table(argv[1]);
	if (argc == 4)
		l3fwd.acl = l3fwd_acl_make(argv[3]);
	make_mbufs(&l3fwd);
	eal_collapse();
	const struct rounds_program program = {
	    .fill = fill, .forward = forward, .drain = drain, .of = &l3fwd, .list = &l3fwd.list};
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (sscanf(line, "%31s %31s %u", command, name, &burst) != 3 || burst == 0)
			rounds_fail("expected COMMAND NAME BURST", line);
		l3fwd.steps.bare = strcmp(name, "bare") == 0;
		l3fwd.io = strcmp(name, "io") == 0;
		l3fwd.mac = strcmp(name, "mac") == 0;
		rounds_answer(&program, command, burst);
	}
	return 0;
}
