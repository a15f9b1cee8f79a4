/*
 * dpdk: ports on devices of DPDK's that need no hardware: packets go out and come back by net_ring, by files, and from one
 * port to another by net_memif; ports come and go without a buffer lost; what cannot be opened is refused with DPDK's own
 * reason, and the old generation goes on; an engine that adopts opens them anew.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "lib/engine_test.h"

#define FRAMES   3000u
#define PARTINGS 100u
#define REOPENED 70u /* deploys; each second one takes some 2,000 of the engine's 32,768 buffers */

static struct test_engine engine;

static bool has_plugin(void)
{
	char path[5000];
	snprintf(path, sizeof(path), "%s/../netmill-dpdk.so", test_build_dir());
	return access(path, F_OK) == 0;
}

static void deploy(uint64_t generation, uint32_t n, const char *const *specs)
{
	struct mill_config *config = config_make(generation, n, specs);
	for (uint32_t i = 0; i < n; i++)
		config_slot(config, i, (uint16_t)i);
	engine_deploy(&engine, config, n == 2 ? "forwarder_swap2" : "forwarder_swap4");
	free(config);
}

static void expect_carrier(uint32_t slot, bool up)
{
	const uint64_t start = test_now();
	while (((__atomic_load_n(&engine.state->port[slot].flags, __ATOMIC_ACQUIRE) & MILL_PORT_UP) != 0) !=
	       up) {
		CHECK(test_now() - start < PATIENCE_NS, "port %u: carrier %s", slot, up ? "up" : "down");
		engine_listen(&engine, 5);
	}
}

static void run_flow(const char *name, struct mill_pipe_client *from, struct mill_pipe_client *to,
                     uint32_t id, uint64_t packets)
{
	struct flow flow = {.name = name, .from = from, .to = to, .window = 200, .id = id};
	flow_start(&flow);
	const uint64_t start = test_now();
	while (flow.received < packets)
		CHECK(test_now() - start < PATIENCE_NS, "%s: %llu packets", name,
		      (unsigned long long)flow.received);
	flow_stop(&flow);
}

/* Out by the port and back by it, in the same buffers. */
static void ring(uint64_t generation)
{
	static const char *const specs[] = {"pipe:a", "dpdk:net_ring0"};
	struct mill_pipe_client a;
	deploy(generation, 2, specs);
	pipe_connect(&engine, &a, "a");
	const struct mill_port_state *port = &engine.state->port[1];
	CHECK((port->flags & MILL_PORT_UP) != 0 && port->rx_rings == 1 && port->ifindex == 0, "port");
	CHECK((port->mac[0] & 3) == 2, "a MAC of its own");
	run_flow("net_ring", &a, &a, 1, 200000);
	CHECK(mill_port_sum(port).tx_packets >= 200000 &&
	          mill_port_sum(port).rx_packets == mill_port_sum(port).tx_packets,
	      "counted: %llu, %llu", (unsigned long long)mill_port_sum(port).tx_packets,
	      (unsigned long long)mill_port_sum(port).rx_packets);
	CHECK(mill_port_sum(port).rx_bytes == mill_port_sum(port).tx_bytes, "bytes");
	mill_pipe_close(&a);
	printf("ok packets go out by net_ring and come back\n");
}

static void refuse(uint64_t generation, const char *spec, int code, const char *text)
{
	const char *const specs[] = {"pipe:a", spec};
	struct mill_config *config = config_make(generation, 2, specs);
	config_slot(config, 1, 5);
	const int got = engine_prepare(&engine, config, "forwarder_swap2");
	CHECK(got == code && strstr(engine.error, text) != NULL, "%s: %d: %s", spec, got, engine.error);
	CHECK(engine.state->port[5].flags == 0, "%s: nothing of it is left", spec);
	free(config);
}

/* The second one gets its rings, and then not all that its queues want: even the shortest do. */
static void too_few_buffers(uint64_t generation)
{
	static const char *const specs[] = {"pipe:a", "dpdk:net_null1,rings=16", "dpdk:net_null2,rings=14",
	                                    "pipe:b"};
	struct mill_config *config = config_make(generation, 4, specs);
	for (uint32_t i = 0; i < 4; i++)
		config_slot(config, i, i == 0 ? 0 : (uint16_t)(i + 5));
	const int got = engine_prepare(&engine, config, "forwarder_swap4");
	CHECK(got == ENOBUFS && strstr(engine.error, "port p2: it needs") != NULL, "%d: %s", got,
	      engine.error);
	CHECK(strstr(engine.error, " and 0 are free") == NULL, "what it had taken is free again: %s",
	      engine.error);
	free(config);
}

static void refusals(uint64_t generation)
{
	const uint64_t running = engine.state->running;
	struct mill_pipe_client a;
	refuse(generation, "dpdk:", EINVAL, "expected dpdk:DEVARGS");
	refuse(generation, "dpdk:net_ring5,rings=17", EINVAL, "rings=N for 1 to 16");
	refuse(generation, "dpdk:net_ring5,rings=", EINVAL, "rings=N for 1 to 16");
	refuse(generation, "dpdk:,rings=2", EINVAL, "expected dpdk:DEVARGS");
	refuse(generation, "dpdk:,net_ring5", EINVAL, "expected dpdk:DEVARGS");
	refuse(generation, "dpdk:net_ring5,rings=0", EINVAL, "rings=N for 1 to 16");
	refuse(generation, "dpdk:net_ring5,rings=2x", EINVAL, "rings=N for 1 to 16");
	refuse(generation, "dpdk:net_pcap6,tx_pcap=/dev/null,rings=3", EINVAL, "it would have 3 rings");
	refuse(generation, "dpdk:net_nothing0", EFAULT, "net_nothing0");
	refuse(generation, "dpdk:0000:ff:1f.7", ENODEV, "Cannot find device");
	refuse(generation, "dpdk:net_pcap5,rx_pcap=/nonexistent/x", EPERM, "No such file");
	refuse(generation, "dpdk:net_pcap5,rx_pcap=/nonexistent/x", EPERM, "No such file");
	refuse(generation, "dpdk:net_ring0,rings=1", EBUSY, "another port has this device");
	refuse(generation, "dpdk:crypto_null0", ENODEV, "no network device");
	too_few_buffers(generation);
	CHECK(engine.state->running == running, "the old generation runs");
	pipe_connect(&engine, &a, "a");
	run_flow("meanwhile", &a, &a, 2, 20000);
	mill_pipe_close(&a);
	printf("ok what DPDK cannot open is refused, with its reason\n");
}

/* A port with another name has another slot: the device goes from the one to the other at the swap, and back. */
static void renamed(uint64_t generation)
{
	static const char *const specs[] = {"pipe:a", "dpdk:net_ring0"};
	struct mill_pipe_client a;
	struct mill_config *config = config_make(generation, 2, specs);
	config_slot(config, 1, 5);
	engine_deploy(&engine, config, "forwarder_swap2");
	free(config);
	expect_carrier(5, true);
	CHECK(engine.state->port[1].flags == 0, "the old port is gone");
	deploy(generation + 1, 2, specs);
	expect_carrier(1, true);
	CHECK(engine.state->port[5].flags == 0, "and the other one");
	pipe_connect(&engine, &a, "a");
	run_flow("renamed", &a, &a, 3, 20000);
	mill_pipe_close(&a);
	printf("ok a device goes on under another name of its port\n");
}

/* The engine's log has no line with these words. */
static void expect_silence(const char *words)
{
	char path[128], line[1000];
	snprintf(path, sizeof(path), "%s/engine.log", engine.rundir);
	FILE *file = fopen(path, "r");
	CHECK(file != NULL, "%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file) != NULL)
		CHECK(strstr(line, words) == NULL, "%s", line);
	fclose(file);
}

/* With packets on their way in the device, which are lost with it, and their buffers not. */
static void come_and_go(uint64_t generation)
{
	static const char *const with[] = {"pipe:a", "dpdk:net_ring0"}, *const without[] = {"pipe:a",
	                                                                                    "pipe:b"};
	struct mill_pipe_client a;
	pipe_connect(&engine, &a, "a");
	for (uint32_t i = 0; i < REOPENED; i++) {
		struct netmap_ring *tx = a.tx[0];
		for (uint32_t k = 0; k < 100 && mill_ring_space(tx) > 0; k++) {
			memset(mill_ring_buffer(tx, &tx->slot[tx->head]), 0, 60);
			tx->slot[tx->head].len = 60;
			tx->head = tx->cur = mill_ring_next(tx, tx->head);
		}
		mill_pipe_tx_sync(&a, 0);
		deploy(generation + i, 2, i % 2 == 0 ? without : with);
	}
	mill_pipe_close(&a);
	expect_silence("are still with");
	printf("ok ports come and go\n");
}

/* --- files ---------------------------------------------------------------------------------------------- */

static uint32_t length_of(uint32_t i)
{
	return 60 + (i * 7919) % 1455;
}

static void write_file(const char *path)
{
	FILE *file = fopen(path, "w");
	const uint32_t header[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1};
	uint8_t frame[4000];
	CHECK(file != NULL && fwrite(header, sizeof(header), 1, file) == 1, "%s: %s", path, strerror(errno));
	for (uint32_t i = 0; i < FRAMES; i++)
		/* Every hundredth has one before it that is larger than a buffer. */
		for (uint32_t part = i % 100 == 7 ? 0 : 1; part < 2; part++) {
			const uint32_t length = part == 0 ? 3000 : length_of(i);
			const uint32_t record[4] = {1700000000u + i, i, length, length};
			memset(frame, (int)i, length);
			memcpy(frame + 14, &i, sizeof(i));
			CHECK(fwrite(record, sizeof(record), 1, file) == 1 &&
			          fwrite(frame, length, 1, file) == 1,
			      "%s", strerror(errno));
		}
	fclose(file);
}

static void read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	uint32_t header[6], record[4], number;
	uint8_t frame[4000];
	CHECK(file != NULL && fread(header, sizeof(header), 1, file) == 1, "%s", path);
	for (uint32_t i = 0; i < FRAMES; i++) {
		CHECK(fread(record, sizeof(record), 1, file) == 1, "frame %u is missing", i);
		CHECK(record[2] == length_of(i) && fread(frame, record[2], 1, file) == 1,
		      "length of frame %u: %u", i, record[2]);
		memcpy(&number, frame + 14, sizeof(number));
		CHECK(number == i && frame[0] == (uint8_t)i && frame[record[2] - 1] == (uint8_t)i,
		      "frame %u: %u", i, number);
	}
	CHECK(fgetc(file) == EOF, "nothing more in %s", path);
	fclose(file);
}

/* In by a file of DPDK's and out by one of ours, then the other way round. */
static void files(uint64_t generation, bool in)
{
	char from[100], to[100], first[200], second[200];
	snprintf(from, sizeof(from), "%s/in.pcap", engine.rundir);
	snprintf(to, sizeof(to), "%s/out.pcap", engine.rundir);
	write_file(from);
	snprintf(first, sizeof(first), in ? "dpdk:net_pcap0,rx_pcap=%s" : "pcap:%s,-", from);
	snprintf(second, sizeof(second), in ? "pcap:,%s" : "dpdk:net_pcap0,tx_pcap=%s", to);
	const char *const specs[] = {first, second}, *const none[] = {"pipe:a", "pipe:b"};
	const uint64_t before = mill_port_sum(&engine.state->port[1]).tx_packets,
	               dropped = mill_port_sum(&engine.state->port[0]).rx_dropped;
	deploy(generation, 2, specs);
	const uint64_t start = test_now();
	while (mill_port_sum(&engine.state->port[1]).tx_packets - before < FRAMES)
		CHECK(test_now() - start < PATIENCE_NS, "%llu frames came",
		      (unsigned long long)(mill_port_sum(&engine.state->port[1]).tx_packets - before));
	CHECK(mill_port_sum(&engine.state->port[0]).rx_dropped - dropped == FRAMES / 100,
	      "what no buffer takes is counted");
	deploy(generation + 1, 2, none); /* closed: all is in the file */
	read_file(to);
	printf("ok net_pcap %s a file\n", in ? "reads" : "writes");
}

/* As many files to read, as many queues: each of them receives, so each has a ring. */
static void queues(uint64_t generation)
{
	char file[100], spec[300];
	snprintf(file, sizeof(file), "%s/in.pcap", engine.rundir);
	write_file(file);
	snprintf(spec, sizeof(spec), "dpdk:net_pcap0,rx_pcap=%s,rx_pcap=%s", file, file);
	const char *const specs[] = {spec, "pcap:,"}, *const none[] = {"pipe:a", "pipe:b"};
	deploy(generation, 2, specs);
	CHECK(engine.state->port[0].rx_rings == 2, "%u rings", engine.state->port[0].rx_rings);
	deploy(generation + 1, 2, none);
	printf("ok net_pcap has a ring for each file\n");
}

/* --- two ports, carriers and a dead engine -------------------------------------------------------------- */

static void connect_both(struct mill_pipe_client *a, struct mill_pipe_client *b)
{
	pipe_connect(&engine, a, "a");
	pipe_connect(&engine, b, "c");
	engine_listen(&engine, 20);
}

static void memif(uint64_t generation)
{
	char server[128], client[128];
	struct mill_pipe_client a, b;
	snprintf(server, sizeof(server), "dpdk:net_memif0,role=server,socket=%s/m.sock,socket-abstract=no",
	         engine.rundir);
	snprintf(client, sizeof(client), "dpdk:net_memif1,role=client,socket=%s/m.sock,socket-abstract=no",
	         engine.rundir);
	const char *const alone[] = {"pipe:a", server, "pipe:c", "pcap:,"};
	const char *const both[] = {"pipe:a", server, "pipe:c", client};
	deploy(generation, 4, alone);
	CHECK((engine.state->port[1].flags & MILL_PORT_UP) == 0, "no peer, no carrier");
	deploy(generation + 1, 4, both);
	expect_carrier(1, true);
	expect_carrier(3, true);
	connect_both(&a, &b);
	run_flow("net_memif there", &a, &b, 3, 50000);
	run_flow("net_memif back", &b, &a, 4, 50000);
	printf("ok packets go from port to port by net_memif\n");
	const uint32_t links = engine.n_links;
	deploy(generation + 2, 4, alone);
	expect_carrier(1, false);
	engine_listen_for(&engine, &engine.n_links, links + 1);
	printf("ok a lost peer is a lost carrier\n");
	deploy(generation + 3, 4, both);
	expect_carrier(1, true);
	for (uint32_t i = 0; i < 3; i++) {
		kill(engine.pid, SIGKILL);
		engine_adopt(&engine);
		CHECK(engine.state->running == generation + 3, "adopted");
		expect_carrier(1, true);
		expect_carrier(3, true);
		run_flow("adopted", &a, &b, 5 + i, 20000);
	}
	mill_pipe_close(&a);
	mill_pipe_close(&b);
	printf("ok an engine that adopts opens them anew\n");
}

/* Each end hears that the other has gone while it is being closed itself. */
static void both_go(uint64_t generation)
{
	char server[128], client[128];
	static const char *const without[] = {"pipe:a", "pipe:b", "pipe:c", "pcap:,"};
	snprintf(server, sizeof(server), "dpdk:net_memif0,role=server,socket=%s/m.sock,socket-abstract=no",
	         engine.rundir);
	snprintf(client, sizeof(client), "dpdk:net_memif1,role=client,socket=%s/m.sock,socket-abstract=no",
	         engine.rundir);
	const char *const both[] = {"pipe:a", server, "pipe:c", client};
	for (uint32_t i = 0; i < PARTINGS; i++) {
		deploy(generation + 2 * i, 4, both);
		expect_carrier(1, true);
		expect_carrier(3, true);
		deploy(generation + 2 * i + 1, 4, without);
	}
	printf("ok both ends of a net_memif go at once\n");
}

/* --- frames that the device does not carry --------------------------------------------------------------- */

#define LONGEST 3374u /* untagged */

static uint16_t write_long(uint8_t *frame, uint32_t i)
{
	static const uint8_t tag[2][2] = {{0x81, 0}, {0x88, 0xa8}};
	memset(frame, (int)i, LONGEST + 9);
	for (uint32_t k = 0; (i & 2) != 0 && k < 2; k++)
		memcpy(frame + 12 + 4 * k, tag[(i / 4 + k) % 2], 2);
	return (uint16_t)(LONGEST + i % 2 + (i & 2) * 4);
}

/* Mirrors may be given copies of packets that came by a port that carries more. */
static void too_long(void)
{
	static const char *const specs[] = {"pipe:a", "dpdk:net_ring0"};
	struct mill_pipe_client a;
	deploy(1, 2, specs);
	pipe_connect(&engine, &a, "a");
	struct netmap_ring *tx = a.tx[0], *rx = a.rx[0];
	for (uint32_t i = 0; i < 100; i++) {
		tx->slot[tx->head].len = write_long(mill_ring_buffer(tx, &tx->slot[tx->head]), i);
		tx->head = tx->cur = mill_ring_next(tx, tx->head);
	}
	mill_pipe_tx_sync(&a, 0);
	const uint64_t start = test_now();
	for (uint32_t i = 0; i < 100; i += 2) {
		while (mill_ring_space(rx) == 0) {
			CHECK(test_now() - start < PATIENCE_NS, "frame %u came back", i);
			mill_pipe_rx_sync(&a, 0);
		}
		const struct netmap_slot *slot = &rx->slot[rx->cur];
		CHECK(slot->len == LONGEST + (i & 2) * 4 && *mill_ring_buffer(rx, slot) == i,
		      "frame %u: %u bytes", i, slot->len);
		rx->head = rx->cur = mill_ring_next(rx, rx->cur);
	}
	const struct mill_port_state *port = &engine.state->port[1];
	CHECK(mill_port_sum(port).tx_packets == 50 && mill_port_sum(port).tx_full == 50,
	      "sent %llu, dropped %llu", (unsigned long long)mill_port_sum(port).tx_packets,
	      (unsigned long long)mill_port_sum(port).tx_full);
	mill_pipe_close(&a);
	printf("ok what the device does not carry is dropped and counted, and the rest goes on\n");
}

/* --- a device whose MTU is set ---------------------------------------------------------------------------- */

/* Returns how many of ten such frames the device was given. */
static uint64_t given(struct mill_pipe_client *a, uint16_t length)
{
	const struct mill_port_state *port = &engine.state->port[1];
	const uint64_t sent = mill_port_sum(port).tx_packets, dropped = mill_port_sum(port).tx_full;
	struct netmap_ring *tx = a->tx[0];
	for (uint32_t i = 0; i < 10; i++) {
		memset(mill_ring_buffer(tx, &tx->slot[tx->head]), 0, length);
		tx->slot[tx->head].len = length;
		tx->head = tx->cur = mill_ring_next(tx, tx->head);
	}
	mill_pipe_tx_sync(a, 0);
	const uint64_t start = test_now();
	while (mill_port_sum(port).tx_packets + mill_port_sum(port).tx_full - sent - dropped < 10)
		CHECK(test_now() - start < PATIENCE_NS, "frames of %u bytes", length);
	return mill_port_sum(port).tx_packets - sent;
}

static int prepare_mtu(uint64_t generation, const char *spec, uint16_t mtu, struct mill_config **config)
{
	const char *const specs[] = {"pipe:a", spec};
	*config = config_make(generation, 2, specs);
	(*config)->iface[1].mtu = mtu;
	return engine_prepare(&engine, *config, "forwarder_swap2");
}

static void deploy_mtu(uint64_t generation, const char *spec, uint16_t mtu)
{
	struct mill_config *config;
	const int code = prepare_mtu(generation, spec, mtu, &config);
	CHECK(code == 0, "an MTU of %u: %s", mtu, engine.error);
	CHECK(engine_commit(&engine, generation, engine.state->running) == 0, "%s", engine.error);
	free(config);
}

static void refuse_mtu(uint64_t generation, const char *spec, uint16_t mtu, const char *text)
{
	struct mill_config *config;
	int code = prepare_mtu(generation, spec, mtu, &config);
	if (code == 0)
		code = engine_commit(&engine, generation, engine.state->running);
	CHECK(code == EMSGSIZE && strstr(engine.error, text) != NULL, "%d: %s", code, engine.error);
	free(config);
}

/* net_failsafe hands an MTU down to what is behind it, and net_null takes any. */
static void mtu(void)
{
	static const char device[] = "dpdk:net_failsafe0,dev(net_null7)",
	                  other[] = "dpdk:net_failsafe1,dev(net_ring7)";
	struct mill_pipe_client a;
	deploy_mtu(1, device, 0);
	pipe_connect(&engine, &a, "a");
	CHECK(given(&a, 1514) == 10 && given(&a, 1515) == 0, "an MTU of 1,500 at first");
	deploy_mtu(2, device, 3000);
	CHECK(given(&a, 3014) == 10 && given(&a, 3015) == 0, "an MTU of 3,000, while it is open");
	refuse_mtu(3, device, 3361, "carries 3360 at most");
	deploy_mtu(4, device, 1200);
	CHECK(given(&a, 1514) == 10 && given(&a, 1515) == 0, "no less than it was made with");
	/* One that refuses. */
	refuse_mtu(5, other, 1501, "carries 1500 at most");
	CHECK(given(&a, 1514) == 10, "the generation before goes on");
	deploy_mtu(6, "dpdk:net_failsafe0,dev(net_null8)", 2000);
	CHECK(given(&a, 2014) == 10 && given(&a, 2015) == 0, "an MTU of 2,000 from the start");
	mill_pipe_close(&a);
	printf("ok a device is set up for the MTU of the policy, or the deploy is refused\n");
}

int main(void)
{
	if (!has_plugin()) {
		printf("skip DPDK is not installed (Debian: libdpdk-dev)\n");
		return 0;
	}
	engine_start(&engine);
	ring(1);
	refusals(2);
	renamed(50);
	come_and_go(100);
	files(200, true);
	files(300, false);
	queues(350);
	memif(400);
	both_go(500);
	engine_stop(&engine);
	engine_buffer_bytes = "4096";
	engine_start(&engine);
	too_long();
	engine_stop(&engine);
	engine_start(&engine);
	mtu();
	engine_stop(&engine);
	return 0;
}
