/*
 * The peer of `pipe`: l3fwd's steps between two of DPDK's memifs, from process to process through shared memory, zero-copy
 * where memif has it, which is at its client's end. The forwarder is the client of both, so that packets lie in its memory and
 * none of them is copied there; generator and sink are one process, which writes each packet into that memory.
 *
 *   memif load DIRECTORY DESTINATIONS MAC      a line with milliseconds on standard input: answered with a line of JSON
 *   memif forward DIRECTORY TABLE4 MAC         started second; a line of JSON when both are up
 *
 * The sockets are in DIRECTORY.
 */
#include <arpa/inet.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <sys/resource.h>
#include "l3fwd_steps.h"

#define PORTS  2u
#define FRAME  60u
#define FRAMES 1024u
#define POOL   16383u
#define CACHE  256u
#define UP_NS  5000000000ull

static struct rte_mempool *pool;

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void check(int code, const char *what)
{
	if (code < 0)
		rounds_fail(what, rte_strerror(-code));
}

static void start(const char *program, const char *role, const char *directory)
{
	char device[PORTS][256], prefix[64];
	const char *core = strcmp(role, "server") == 0 ? "0" : "1";
	snprintf(prefix, sizeof(prefix), "--file-prefix=netmill-bench-%d", getpid());
	for (unsigned i = 0; i < PORTS; i++)
		snprintf(device[i], sizeof(device[i]),
		         "--vdev=net_memif%u,role=%s,id=%u,socket=%s/%u.sock,socket-abstract=no%s", i, role,
		         i, directory, i, core[0] == '1' ? ",zero-copy=yes" : "");
	char *eal[] = {(char *)program,
	               "--no-huge",
	               "--single-file-segments",
	               "-m",
	               "512",
	               "--no-pci",
	               "-l",
	               (char *)core,
	               device[0],
	               device[1],
	               "--no-telemetry",
	               prefix,
	               "--log-level=1"};
	check(rte_eal_init(sizeof(eal) / sizeof(eal[0]), eal), "EAL does not start");
	pool = rte_pktmbuf_pool_create("packets", POOL, CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (pool == NULL)
		rounds_fail("no memory for packets", program);
}

static void open_ports(void)
{
	const struct rte_eth_conf conf = {0};
	for (uint16_t i = 0; i < PORTS; i++) {
		check(rte_eth_dev_configure(i, 1, 1, &conf), "configuring a memif");
		check(rte_eth_rx_queue_setup(i, 0, 1024, 0, NULL, pool), "its queue to receive");
		check(rte_eth_tx_queue_setup(i, 0, 1024, 0, NULL), "its queue to send");
		check(rte_eth_dev_start(i), "starting a memif");
	}
}

static void wait_up(void)
{
	struct rte_eth_link link = {0};
	const uint64_t start = now_ns();
	for (uint16_t i = 0; i < PORTS; i += link.link_status == RTE_ETH_LINK_UP) {
		if (now_ns() - start > UP_NS)
			rounds_fail("the memifs do not come up", "memif");
		usleep(1000);
		(void)rte_eth_link_get_nowait(i, &link);
	}
}

/* --- the forwarder ---------------------------------------------------------------------------------------------- */

static void forward(const char *table, const uint8_t mac[6])
{
	static struct l3fwd_steps steps;
	struct rte_mbuf *m[L3FWD_BURST], *sent[L3FWD_BURST];
	steps.lpm = make_table(table);
	memcpy(steps.station, mac, 6);
	for (uint32_t hop = 1; hop < HOPS; hop++)
		steps.link[hop] = _mm_set_epi8(0, 0, 0, 0, 0, 2, 0, 0, 0, 2, (char)hop, 3, 0, 0, 0, 2);
	open_ports();
	wait_up();
	setpriority(PRIO_PROCESS, 0, -15); /* as the engine */
	printf("{}\n");
	fflush(stdout);
	for (;;) {
		const uint32_t n = rte_eth_rx_burst(0, 0, m, L3FWD_BURST);
		if (n == 0)
			continue;
		(void)rte_rdtsc(); /* for its drain timer, once a turn */
		const uint32_t ready = l3fwd_steps(&steps, m, n, sent);
		const uint32_t gone = rte_eth_tx_burst(1, 0, sent, (uint16_t)ready);
		if (unlikely(gone < ready))
			rte_pktmbuf_free_bulk(sent + gone, ready - gone);
	}
}

/* --- generator and sink ------------------------------------------------------------------------------------------- */

static uint32_t make_frames(const char *path, const uint8_t mac[6], struct rte_mbuf **mbuf)
{
	static const uint8_t head[20] = {0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 1, 2};
	char line[64];
	uint32_t n = 0, destination;
	FILE *file = fopen(path, "r");
	while (file != NULL && n < FRAMES && fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = 0;
		if (inet_pton(AF_INET, line, &destination) != 1)
			continue;
		mbuf[n] = rte_pktmbuf_alloc(pool);
		if (mbuf[n] == NULL)
			rounds_fail("no memory for packets", path);
		mbuf[n]->data_len = FRAME;
		mbuf[n]->pkt_len = FRAME;
		uint8_t *frame = rte_pktmbuf_mtod(mbuf[n], uint8_t *);
		memset(frame, 0, FRAME);
		memcpy(frame, mac, 6);
		memcpy(frame + 6, "\x02\x00\x00\x00\x00\x0c\x08\x00", 8);
		memcpy(frame + 14, head, sizeof(head));
		memcpy(frame + 30, &destination, 4);
		const uint16_t sum = rte_ipv4_cksum((const struct rte_ipv4_hdr *)(frame + 14));
		memcpy(frame + 24, &sum, 2);
		memcpy(frame + 34, "\x10\x00\x20\x00\x00\x1a\x00\x00", 8);
		n++;
	}
	if (n == 0)
		rounds_fail("expected destinations", path);
	fclose(file);
	return n;
}

/* Sending gives mbufs back; these stay. */
static uint64_t fill(struct rte_mbuf **mbuf, uint32_t n, uint32_t *turn, uint32_t burst)
{
	const uint32_t most = RTE_MIN(burst, n - *turn);
	for (uint32_t i = 0; i < most; i++)
		rte_mbuf_refcnt_set(mbuf[*turn + i], 2);
	const uint16_t sent = rte_eth_tx_burst(0, 0, mbuf + *turn, (uint16_t)most);
	*turn = *turn + sent == n ? 0 : *turn + sent;
	return sent;
}

static uint64_t empty(uint32_t burst)
{
	struct rte_mbuf *m[256];
	const uint16_t n = rte_eth_rx_burst(1, 0, m, (uint16_t)burst);
	rte_pktmbuf_free_bulk(m, n);
	return n;
}

static void load(const char *destinations, const uint8_t mac[6])
{
	static struct rte_mbuf *mbuf[FRAMES];
	const uint32_t n = make_frames(destinations, mac, mbuf);
	char line[32];
	open_ports();
	while (fgets(line, sizeof(line), stdin) != NULL) {
		uint64_t sent = 0, received = 0;
		uint32_t turn = 0;
		wait_up();
		const uint64_t from = now_ns(), end = from + strtoull(line, NULL, 10) * 1000000u;
		while (now_ns() < end) {
			sent += fill(mbuf, n, &turn, 256);
			received += empty(256);
		}
		printf("{\"sent\":%lu,\"received\":%lu,\"ns\":%lu}\n", sent, received, now_ns() - from);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	uint8_t mac[6];
	if (argc != 5 || sscanf(argv[4], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3,
	                        mac + 4, mac + 5) != 6)
		rounds_fail("expected load|forward DIRECTORY FILE MAC", argv[0]);
	const bool generator = strcmp(argv[1], "load") == 0;
	start(argv[0], generator ? "server" : "client", argv[2]);
	if (generator)
		load(argv[3], mac);
	else
		forward(argv[3], mac);
	return 0;
}
