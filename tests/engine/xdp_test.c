/*
 * XDP ports of the real engine in network namespaces:
 *
 *   A 10.9.0.1 ─ veth ─ [ left  10.9.0.2 | router | 10.9.0.3 right ] ─ veth ─ B 10.9.0.4
 *
 * One subnet; the forwarder bridges A and B and gives the host what is for it. Interface 2 is VLAN 7 on left, whose
 * face is a tap. Checked: forwarding, the host stack behind a port, taps, hidden tags, both fallbacks when engine and
 * daemon (this program) are gone, adoption, takeover from the guard, restored offloads.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "lib/engine_test.h"
#include "lib/spaces.h"

#define TCX_INGRESS 46 /* BPF_TCX_INGRESS, Linux 6.6 */
#define TCX_EGRESS  47

static struct test_engine engine;
static void lay_out(void)
{
	char command[2048];
	snprintf(command, sizeof(command),
	         "set -e;"
	         "ip -n %3$s link add left type veth peer name wire netns %1$s;"
	         "ip -n %3$s link add right type veth peer name wire netns %2$s;"
	         "ip -n %1$s addr add 10.9.0.1/24 dev wire; ip -n %2$s addr add 10.9.0.4/24 dev wire;"
	         "ip -n %3$s addr add 10.9.0.2/24 dev left; ip -n %3$s addr add 10.9.0.3/32 dev right;"
	         "ip -n %3$s link set left up; ip -n %3$s link set right up;"
	         "for n in %1$s %2$s; do ip -n $n link set wire up; ip netns exec $n ethtool -K wire tx off "
	         "txvlan on >/dev/null; done;"
	         "a=$(ip -n %1$s -o link show wire | sed 's/.*ether \\([^ ]*\\).*/\\1/');"
	         "b=$(ip -n %2$s -o link show wire | sed 's/.*ether \\([^ ]*\\).*/\\1/');"
	         "ip -n %1$s neigh add 10.9.0.4 lladdr $b dev wire; ip -n %2$s neigh add 10.9.0.1 lladdr $a "
	         "dev wire",
	         space_a, space_b, space_r);
	CHECK(shell("%s", command) == 0, "%s", command);
}

static struct mill_config *make_config(uint64_t generation, enum mill_fallback fallback)
{
	static const char *const specs[] = {"xdp:left", "xdp:right"};
	struct mill_config *config = config_make(generation, 2, specs);
	config->n_ifaces = 3;
	config->iface[2] = (struct mill_iface_config){.name = "vlan7",
	                                              .host_name = "tap7",
	                                              .slot = 2,
	                                              .port = 0,
	                                              .n_tags = 1,
	                                              .host = MILL_HOST_TAP,
	                                              .tpid = {0x8100},
	                                              .vid = {7}};
	for (uint32_t i = 0; i < 2; i++) {
		config->port[i].fallback = (uint8_t)fallback;
		config->iface[i].host = MILL_HOST_NETDEV;
	}
	config->port[0].offloads_off = MILL_OFF_TSO | MILL_OFF_GRO;
	return config;
}

static void deploy(uint64_t generation, enum mill_fallback fallback)
{
	struct mill_config *config = make_config(generation, fallback);
	engine_deploy(&engine, config, "forwarder_bridge");
	free(config);
}

static void test_forwarding(void)
{
	expect_ping(space_a, "10.9.0.4", 500, "");
	expect_ping(space_b, "10.9.0.1", 100, "-s 1400");
	CHECK(mill_port_sum(&engine.state->port[0]).rx_packets >= 600 &&
	          mill_port_sum(&engine.state->port[1]).tx_packets >= 600,
	      "the ports to have counted, got %llu",
	      (unsigned long long)mill_port_sum(&engine.state->port[0]).rx_packets);
	CHECK((engine.state->port[0].flags & MILL_PORT_NATIVE_XDP) != 0, "native XDP on veth");
	printf("ok frames cross from port to port\n");
}

static long napi_setting(const char *name)
{
	long value = -1;
	char path[96];
	snprintf(path, sizeof(path), "/sys/class/net/left/%s", name);
	FILE *file = fopen(path, "r");
	CHECK(file != NULL && fscanf(file, "%ld", &value) == 1, "reading %s", path);
	fclose(file);
	return value;
}

/* Of all devices of the router's namespace. */
static uint64_t busy_polled(void)
{
	char command[256];
	unsigned long long packets = 0;
	snprintf(
	    command, sizeof(command),
	    "ip netns exec %s awk '/^TcpExt: S/ {for (i = 1; i <= NF; i++) if ($i == \"BusyPollRxPackets\") "
	    "at = i} /^TcpExt: [0-9]/ {print $at}' /proc/net/netstat",
	    space_r);
	FILE *pipe = popen(command, "r");
	CHECK(fscanf(pipe, "%llu", &packets) == 1, "reading /proc/net/netstat");
	pclose(pipe);
	return packets;
}

static void deploy_polled(uint64_t generation, bool polled)
{
	struct mill_config *config = make_config(generation, MILL_FALLBACK_KERNEL);
	config->port[0].busy_poll = config->port[1].busy_poll = polled;
	config->event_mode = polled ? MILL_EVENTS_BUSY : MILL_EVENTS_POLL;
	engine_deploy(&engine, config, "forwarder_bridge");
	free(config);
}

/* A worker that polls its ports; one that is not told to leaves them alone. */
static void test_busy_poll(void)
{
	const uint64_t before = busy_polled();
	expect_ping(space_a, "10.9.0.4", 200, "");
	CHECK(busy_polled() == before && napi_setting("gro_flush_timeout") == 0, "no port polled yet");
	deploy_polled(2, true);
	expect_ping(space_a, "10.9.0.4", 500, "");
	if (napi_setting("gro_flush_timeout") == 0) {
		CHECK(busy_polled() == before, "no port polled that cannot be");
		deploy_polled(3, false);
		printf(
		    "skip a worker polls its devices by itself: veth takes no part in that on this kernel\n");
		return;
	}
	CHECK(busy_polled() >= before + 500, "requests to be polled by the worker, got %llu",
	      (unsigned long long)(busy_polled() - before));
	CHECK(napi_setting("gro_flush_timeout") > 0 && napi_setting("napi_defer_hard_irqs") > 0,
	      "interrupts to rest");
	kill(engine.pid, SIGKILL);
	engine_adopt(&engine);
	const uint64_t adopted = busy_polled();
	expect_ping(space_a, "10.9.0.4", 500, "");
	CHECK(busy_polled() >= adopted + 500, "the next engine to go on polling, got %llu",
	      (unsigned long long)(busy_polled() - adopted));
	deploy_polled(3, false);
	CHECK(napi_setting("gro_flush_timeout") == 0 && napi_setting("napi_defer_hard_irqs") == 0,
	      "interrupts as they were");
	const uint64_t left = busy_polled();
	expect_ping(space_a, "10.9.0.4", 200, "");
	CHECK(busy_polled() == left, "no port polled any more");
	printf("ok a worker polls its devices by itself, as long as it is told to\n");
}

static void test_host(void)
{
	const uint64_t before = engine.state->worker[0].iface[0].rx.packets;
	expect_ping(space_a, "10.9.0.2", 1000, "");
	expect_ping(space_a, "10.9.0.2", 100, "-s 1472");
	CHECK(engine.state->worker[0].iface[0].rx.packets >= before + 1100,
	      "echo requests to come by the engine, not past it");
	CHECK(engine.state->worker[0].iface[0].drop[MILL_DROP_HOST_REFUSED] == 0, "nothing refused");
	printf("ok the router itself answers through its ports\n");
}

static struct mill_iface_counters *left_counters(void)
{
	return &engine.state->worker[0].iface[0];
}

static void deploy_rates(uint64_t generation, uint32_t bgp)
{
	struct mill_config *config = make_config(generation, MILL_FALLBACK_KERNEL);
	config->punt_rate[MILL_PUNT_BGP] = bgp;
	engine_deploy(&engine, config, "forwarder_bridge");
	free(config);
}

/* Answers to a flood, and when they came. */
struct flooded {
	int answers;
	double first, last; /* seconds */
	double
	    silence; /* of it, what answers were further apart than the bucket is deep: it earned nothing then */
	double start;
};

static double wall_clock(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* While A floods one class, by TOS, for two seconds, all others get every packet through. */
static struct flooded flood(const char *tos, enum mill_punt_class class)
{
	static const char *const all[] = {"0", "0x40", "0x80", "0xc0"};
	char command[512];
	struct mill_iface_counters before = *left_counters();
	struct flooded seen = {.start = wall_clock()};
	snprintf(command, sizeof(command),
	         "ip netns exec %s ping -D -n -Q %s -l 200 -i 0.0001 -w 2 10.9.0.2 | "
	         "awk -F '[][]' '/bytes from/ { if (n++ == 0) first = $2; else if ($2 - last > 0.1) "
	         "silence += $2 - last - 0.1; last = $2 } "
	         "END { printf(\"%%d %%.6f %%.6f %%.6f\\n\", n, first, last, silence) }'",
	         space_a, tos);
	FILE *pipe = popen(command, "r");
	CHECK(pipe != NULL, "a flood");
	for (uint32_t i = 0; i < 4; i++) {
		char options[16];
		snprintf(options, sizeof(options), "-Q %s", all[i]);
		if (strcmp(all[i], tos) != 0)
			expect_ping(space_a, "10.9.0.2", 150, options);
	}
	CHECK(fscanf(pipe, "%d %lf %lf %lf", &seen.answers, &seen.first, &seen.last, &seen.silence) == 4,
	      "the flood to end");
	pclose(pipe);
	const struct mill_iface_counters *now = left_counters();
	CHECK(now->punt_policed[class] > before.punt_policed[class], "the flood to be policed");
	CHECK(now->drop[MILL_DROP_PUNT_POLICED] - before.drop[MILL_DROP_PUNT_POLICED] ==
	          now->punt_policed[class] - before.punt_policed[class],
	      "no other class to be policed");
	return seen;
}

/* A bucket holds a tenth of a second's worth. However late a busy machine lets packets come: never more than that and what
 * it earned from the flood's start to the last answer, and hardly less than it earned while answers came. */
static void expect_rate(struct flooded seen, double rate)
{
	const double most = rate / 10 + rate * (seen.last - seen.start) + 1;
	const double earned = rate * (seen.last - seen.first - seen.silence);
	CHECK(earned > rate, "a second of flood at least, got %.3f s, of which %.3f s in silence",
	      seen.last - seen.first, seen.silence);
	CHECK(seen.answers <= most && seen.answers >= 0.95 * earned, "%.0f to %.0f answers in %.3f s, got %d",
	      0.95 * earned, most, seen.last - seen.start, seen.answers);
}

/* The worst class gets 1,000 packets a second, and the best what the configuration says, from the deploy on. */
static void test_police(void)
{
	expect_rate(flood("0xc0", MILL_PUNT_EXCEPTION), 1000);
	deploy_rates(20, 500);
	expect_rate(flood("0x40", MILL_PUNT_BGP), 500);
	deploy_rates(21, 0);
	CHECK(shell("ip netns exec %s ping -Q 0x40 -q -c 3 -i 0.01 -W 0.1 10.9.0.2 >/dev/null", space_a) != 0,
	      "no packet of a class without a rate");
	deploy_rates(22, 20000);
	printf("ok each class for the host stack has its own limit, and none takes another's place\n");
}

/* Programs on A's end of the wire that put VLAN tag 7 beside each outgoing frame, as a stack with tag offload does, and
 * take it off incoming ones. */
static int tag_link[2];

static void attach_tagger(uint32_t ifindex, bool out)
{
	const struct bpf_insn code[] = {
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = htons(0x8100)},
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = 7},
	    {.code = BPF_JMP | BPF_CALL, .imm = out ? BPF_FUNC_skb_vlan_push : BPF_FUNC_skb_vlan_pop},
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
	    {.code = BPF_JMP | BPF_EXIT}};
	union bpf_attr load = {.prog_type = BPF_PROG_TYPE_SCHED_CLS,
	                       .insns = (uintptr_t)code,
	                       .insn_cnt = sizeof(code) / sizeof(code[0]),
	                       .license = (uintptr_t) "GPL",
	                       .expected_attach_type = out ? TCX_EGRESS : TCX_INGRESS};
	const int program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
	CHECK(program >= 0, "tagging program: %s", strerror(errno));
	union bpf_attr attach = {.link_create = {.prog_fd = (uint32_t)program,
	                                         .target_ifindex = ifindex,
	                                         .attach_type = out ? TCX_EGRESS : TCX_INGRESS}};
	tag_link[out] = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attach, sizeof(attach));
	CHECK(tag_link[out] >= 0, "attaching it: %s", strerror(errno));
	close(program);
}

static void test_tags(void)
{
	struct mill_iface_counters *untagged = &engine.state->worker[0].iface[0];
	struct mill_iface_counters *tagged = &engine.state->worker[0].iface[2];
	CHECK(shell("ip addr add 10.7.0.2/24 dev tap7 && ip link show tap7 | grep -q LOWER_UP") == 0,
	      "tap7 is there");
	CHECK(shell("ip -n %s addr add 10.7.0.1/24 dev wire", space_a) == 0, "address of A");
	enter(space_a);
	attach_tagger(if_nametoindex("wire"), false);
	attach_tagger(if_nametoindex("wire"), true);
	enter(space_r);
	for (int hidden = 1; hidden >= 0; hidden--) {
		CHECK(shell("ip netns exec %s ethtool -K wire txvlan %s >/dev/null", space_a,
		            hidden ? "on" : "off") == 0,
		      "txvlan");
		shell("ip -n %s neigh flush dev wire nud reachable nud stale 2>/dev/null", space_a);
		const uint64_t before = tagged->rx.packets, wrong = untagged->rx.packets;
		expect_ping(space_a, "10.7.0.2", 200, "-s 1400");
		CHECK(tagged->rx.packets >= before + 200, "VLAN 7 to have come in, %s",
		      hidden ? "hidden" : "in the frame");
		CHECK(untagged->rx.packets <= wrong + 20, "no tagged frame taken for untagged, got %llu",
		      (unsigned long long)(untagged->rx.packets - wrong));
		CHECK(tagged->tx.packets >= 200, "the tap's answers to be counted");
	}
	close(tag_link[0]);
	close(tag_link[1]);
	printf("ok tags beside the frame and in it are the same, and a tap is the face of a VLAN\n");
}

/* --- death ---------------------------------------------------------------------------------------------- */

/* Echo requests every 5 ms while `event` happens. Returns how many got no answer. */
static int lost_during(const char *address, int count, void (*event)(void))
{
	int lost = -1;
	char command[512];
	snprintf(command, sizeof(command),
	         "ip netns exec %s ping -q -i 0.005 -W 1 -c %d %s | sed -n 's/^\\([0-9]*\\) packets.* "
	         "\\([0-9]*\\) received.*/\\1 \\2/p'",
	         space_a, count, address);
	FILE *pings = popen(command, "r");
	usleep(100000);
	event();
	int sent = 0, received = 0;
	if (fscanf(pings, "%d %d", &sent, &received) == 2)
		lost = sent - received;
	pclose(pings);
	CHECK(sent == count, "ping to run, sent %d", sent);
	return lost;
}

static void kill_engine(void)
{
	kill(engine.pid, SIGKILL);
}

static void kill_and_forget(void)
{
	kill(engine.pid, SIGKILL);
	engine_forget(&engine);
}

static uint64_t adopted_ns;

static void kill_and_adopt(void)
{
	kill(engine.pid, SIGKILL);
	adopted_ns = engine_adopt(&engine);
}

static void nothing(void)
{
}

static int guards(void)
{
	return shell("exit $(for p in $(ip netns pids %s); do cat /proc/$p/comm 2>/dev/null; done | grep -c "
	             "netmill-guard)",
	             space_r);
}

static bool has_xdp(void)
{
	return shell("ip link show left | grep -q 'xdp'") == 0;
}

static void test_adoption(void)
{
	for (int i = 0; i < 5; i++) {
		const int lost = lost_during("10.9.0.4", 100, kill_and_adopt);
		CHECK(lost <= 40, "a gap below 200 ms, %d pings of 5 ms lost", lost);
		expect_ping(space_a, "10.9.0.4", 300, "-s 1000");
		expect_ping(space_a, "10.9.0.2", 100, "");
	}
	printf("ok another engine adopts the ports; the last took %.1f ms\n", (double)adopted_ns / 1e6);
}

static void test_fallback_kernel(void)
{
	int lost = lost_during("10.9.0.2", 100, kill_engine);
	CHECK(lost <= 20 && has_xdp(),
	      "the kernel within 100 ms, though descriptors are held; lost %d of 5 ms", lost);
	engine_adopt(&engine);
	lost = lost_during("10.9.0.2", 100, kill_and_forget);
	CHECK(lost <= 20 && !has_xdp(), "the kernel within 100 ms; lost %d of 5 ms", lost);
	CHECK(guards() == 0, "no guard for fallback kernel");
	printf("ok fallback kernel: the kernel goes on, with and without a daemon\n");
}

static void test_fallback_drop(void)
{
	engine_start_again(&engine);
	deploy(4, MILL_FALLBACK_DROP);
	expect_ping(space_a, "10.9.0.2", 50, "");
	CHECK(guards() == 1, "one guard, got %d", guards());
	kill_and_forget();
	usleep(60000);
	CHECK(lost_during("10.9.0.2", 100, nothing) == 100 && has_xdp(),
	      "a closed port when engine and daemon are dead");
	engine_start_again(&engine);
	CHECK(lost_during("10.9.0.2", 20, nothing) == 20, "still closed before anything is deployed");
	deploy(7, MILL_FALLBACK_DROP);
	expect_ping(space_a, "10.9.0.2", 50, "");
	expect_ping(space_a, "10.9.0.4", 50, "");
	CHECK(guards() == 1, "one guard, got %d", guards());
	printf("ok fallback drop: closed when all are dead, and a new engine takes over from the guard\n");
	deploy(6, MILL_FALLBACK_KERNEL);
	usleep(1500000);
	CHECK(guards() == 0, "the guard to go when nothing is left to guard");
	deploy(5, MILL_FALLBACK_DROP);
	CHECK(guards() == 1, "a guard again");
	printf("ok a deploy changes the fallback\n");
}

/* A device that the next engine cannot take over, nor open. */
static void test_refused_adoption(void)
{
	kill(engine.pid, SIGKILL);
	CHECK(shell("ip link set left mtu 3000") == 0, "an MTU that is too large");
	engine_adopt(&engine);
	CHECK((engine.state->port[0].flags & MILL_PORT_OPEN) == 0, "a port that is lost");
	CHECK(lost_during("10.9.0.2", 50, nothing) == 50 && has_xdp(), "it to be closed");
	CHECK(shell("ip link set left mtu 1500") == 0, "one that is not");
	const uint64_t start = test_now();
	while (shell("ip netns exec %s ping -q -c 1 -W 1 10.9.0.2 >/dev/null", space_a) != 0)
		CHECK(test_now() - start < PATIENCE_NS, "the port to be served again");
	expect_ping(space_a, "10.9.0.2", 50, "");
	CHECK(guards() == 1, "one guard, got %d", guards());
	printf("ok fallback drop: closed while a new engine cannot have the port\n");
}

static bool offload_is(const char *device, const char *name, const char *state)
{
	return shell("ethtool -k %s | grep -q '^%s: %s'", device, name, state) == 0;
}

static void test_close(void)
{
	CHECK(offload_is("left", "tcp-segmentation-offload", "off") &&
	          offload_is("right", "tcp-segmentation-offload", "on"),
	      "TSO off where the configuration says so");
	engine_stop(&engine);
	CHECK(!has_xdp() && offload_is("left", "tcp-segmentation-offload", "on"), "device as it was");
	expect_ping(space_a, "10.9.0.2", 100, "");
	usleep(1500000);
	CHECK(guards() == 0, "no guard after a clean end");
	printf("ok a port is handed back as it was\n");
}

static int run_tests(void)
{
	lay_out();
	engine_start(&engine);
	deploy(1, MILL_FALLBACK_KERNEL);
	test_forwarding();
	test_busy_poll();
	test_host();
	test_police();
	test_tags();
	test_adoption();
	test_fallback_kernel();
	test_fallback_drop();
	test_refused_adoption();
	test_close();
	return 0;
}

int main(void)
{
	return spaces_run("ethtool", run_tests);
}
