/*
 * The peer of veth.dpdk: DPDK's l3fwd by LPM over the kernel's devices, one core, no thread besides.
 *
 *   veth-l3fwd DRIVER (IFNAME PREFIX MAC)...     DRIVER: net_af_xdp or net_af_packet
 *
 * Each device has one pair of queues; PREFIX is behind it, its next hop has MAC. Says `ready`, then forwards until it is
 * ended. Bursts of 32, as l3fwd's; what a device does not take is dropped.
 */
#include <arpa/inet.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <stdio.h>
#include <stdlib.h>
#include "eal.h"
#include "l3fwd_steps.h"

#define MOST_PORTS 4u
#define RING       4096u /* l3fwd's own are of 1,024, which NAPI fills in a fraction of its turn */

struct device {
	uint16_t port;
	struct l3fwd_steps steps; /* its station; the table is `lpm` */
	xmm_t link;
};

static struct device device[MOST_PORTS];
static uint16_t n_devices;
static struct rte_lpm *lpm;

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "veth-l3fwd: %s: %s\n", what, why);
	exit(1);
}

static void open_port(struct device *d, const char *driver, const char *ifname, struct rte_mempool *pool)
{
	const struct rte_eth_conf plain = {0};
	const bool rings = strcmp(driver, "net_af_packet") == 0;
	char name[64], arguments[128];
	snprintf(name, sizeof(name), "%s_%s", driver, ifname);
	snprintf(arguments, sizeof(arguments), "iface=%s%s", ifname,
	         rings ? ",framesz=2048,blocksz=65536,framecnt=4096" : "");
	if (rte_eal_hotplug_add("vdev", name, arguments) != 0 ||
	    rte_eth_dev_get_port_by_name(name, &d->port) != 0 ||
	    rte_eth_dev_configure(d->port, 1, 1, &plain) != 0 ||
	    rte_eth_rx_queue_setup(d->port, 0, RING, SOCKET_ID_ANY, NULL, pool) != 0 ||
	    rte_eth_tx_queue_setup(d->port, 0, RING, SOCKET_ID_ANY, NULL) != 0 ||
	    rte_eth_dev_start(d->port) != 0)
		fail(ifname, "the device cannot be had");
}

/* The same numbers as in `device`, from 1. */
static void add_route(const char *prefix, uint16_t number)
{
	char text[32];
	struct in_addr address;
	snprintf(text, sizeof(text), "%s", prefix);
	char *slash = strchr(text, '/');
	if (slash == NULL || (*slash = '\0', inet_pton(AF_INET, text, &address) != 1) ||
	    rte_lpm_add(lpm, ntohl(address.s_addr), (uint8_t)atoi(slash + 1), number) != 0)
		fail(prefix, "no prefix");
}

static void set_link(struct device *d, const char *mac)
{
	struct rte_ether_addr to, from;
	uint8_t header[16] = {[12] = 0x08};
	if (rte_ether_unformat_addr(mac, &to) != 0 || rte_eth_macaddr_get(d->port, &from) != 0)
		fail(mac, "no address");
	memcpy(header, &to, 6);
	memcpy(header + 6, &from, 6);
	memcpy(d->steps.station, &from, 6);
	memcpy(&d->link, header, sizeof(header));
}

static void send_burst(uint16_t to, struct rte_mbuf **m, uint16_t n)
{
	const uint16_t sent = rte_eth_tx_burst(device[to].port, 0, m, n);
	if (sent < n)
		rte_pktmbuf_free_bulk(m + sent, n - sent);
}

/* Those in order, to the front; the others are dropped. */
static uint32_t keep_in_order(struct rte_mbuf **m, uint32_t n, const struct l3fwd_steps *steps)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < AHEAD && i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (uint32_t i = 0; i < n; i++) {
		if (i + AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(m[i + AHEAD], void *));
		if (likely(in_order(m[i], steps)))
			m[kept++] = m[i];
		else
			rte_pktmbuf_free(m[i]);
	}
	return kept;
}

static void look_up(struct rte_mbuf *const *m, uint32_t n, uint32_t *hop)
{
	uint32_t i = 0;
	for (; i + 4 <= n; i += 4)
		rte_lpm_lookupx4(lpm, destinations(&m[i]), &hop[i], NO_HOP);
	for (; i < n; i++) {
		const uint32_t to =
		    rte_be_to_cpu_32(*rte_pktmbuf_mtod_offset(m[i], unaligned_uint32_t *, 30));
		if (rte_lpm_lookup(lpm, to, &hop[i]) != 0)
			hop[i] = NO_HOP;
	}
}

static void forward_burst(struct rte_mbuf **m, uint32_t n, const struct device *from)
{
	struct rte_mbuf *out[MOST_PORTS][L3FWD_BURST];
	uint16_t waiting[MOST_PORTS] = {0};
	uint32_t hop[L3FWD_BURST + 4];
	n = keep_in_order(m, n, &from->steps);
	look_up(m, n, hop);
	for (uint32_t i = 0; i < n; i++) {
		if (hop[i] == NO_HOP) {
			rte_pktmbuf_free(m[i]);
			continue;
		}
		rewrite(m[i], device[hop[i] - 1].link);
		out[hop[i] - 1][waiting[hop[i] - 1]++] = m[i];
	}
	for (uint16_t to = 0; to < n_devices; to++)
		if (waiting[to] != 0)
			send_burst(to, out[to], waiting[to]);
}

int main(int argc, char **argv)
{
	char *eal[] = {argv[0],    "--no-huge",      "--no-shconf",   "-m", "512",
	               "--no-pci", "--no-telemetry", "--log-level=1", "-l", "1"};
	const struct rte_lpm_config config = {.max_rules = 64, .number_tbl8s = 64};
	struct rte_mbuf *m[L3FWD_BURST];
	if (argc < 5 || (argc - 2) % 3 != 0 || (argc - 2) / 3 > (int)MOST_PORTS)
		fail("expected", "DRIVER (IFNAME PREFIX MAC)...");
	if (rte_eal_init(sizeof(eal) / sizeof(eal[0]), eal) < 0)
		fail("EAL", "does not start");
	lpm = rte_lpm_create("routes", SOCKET_ID_ANY, &config);
	struct rte_mempool *pool =
	    rte_pktmbuf_pool_create("packets", 32767, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (lpm == NULL || pool == NULL)
		fail("memory", "none for routes and packets");
	for (int i = 2; i < argc; i += 3) {
		struct device *d = &device[n_devices++];
		open_port(d, argv[1], argv[i], pool);
		add_route(argv[i + 1], n_devices);
		set_link(d, argv[i + 2]);
	}
	eal_collapse();
	puts("ready");
	fflush(stdout);
	for (;;)
		for (uint16_t d = 0; d < n_devices; d++) {
			const uint16_t n = rte_eth_rx_burst(device[d].port, 0, m, L3FWD_BURST);
			if (n != 0)
				forward_burst(m, n, &device[d]);
		}
}
