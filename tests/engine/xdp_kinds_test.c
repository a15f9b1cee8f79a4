/*
 * XDP ports that are no veth:
 *
 *   A ─ vxlan over veth ─ [ vx 10.8.0.2 | router | wire ] ─ tap, whose other end is this program: host 10.8.0.9
 *
 * vxlan has generic XDP only, where injected frames meet the port's own program again; tap has native XDP, without tags
 * beside the frame. Then the interfaces that open() must refuse, and what it says.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "lib/engine_test.h"
#include "lib/spaces.h"

static struct test_engine engine;

static void lay_out(void)
{
	CHECK(
	    shell(
	        "set -e; ip link add low type veth peer name wire netns %1$s;"
	        "ip addr add 10.1.0.2/24 dev low; ip -n %1$s addr add 10.1.0.1/24 dev wire;"
	        "ip link set low up; ip -n %1$s link set wire up;"
	        "ip link add vx type vxlan id 5 dstport 4789 local 10.1.0.2 remote 10.1.0.1 dev low;"
	        "ip -n %1$s link add vx type vxlan id 5 dstport 4789 local 10.1.0.1 remote 10.1.0.2 dev wire;"
	        "ip addr add 10.8.0.2/24 dev vx; ip -n %1$s addr add 10.8.0.1/24 dev vx;"
	        "ip link set vx up; ip -n %1$s link set vx up;"
	        "ip -n %1$s neigh add 10.8.0.9 lladdr 02:00:00:00:00:09 dev vx",
	        space_a) == 0,
	    "interfaces");
}

/* --- host 10.8.0.9: turns echo requests that come out of the tap into replies ---------------------------- */

static int tap = -1;

static void turn_around(uint8_t *frame)
{
	uint8_t keep[6];
	memcpy(keep, frame, 6);
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, keep, 6);
	memcpy(keep, frame + 26, 4);
	memcpy(frame + 26, frame + 30, 4);
	memcpy(frame + 30, keep, 4);
	frame[34] = 0; /* echo reply */
	const uint32_t sum = (uint32_t)(frame[36] << 8 | frame[37]) + 0x0800;
	frame[36] = (uint8_t)((sum + (sum >> 16)) >> 8);
	frame[37] = (uint8_t)(sum + (sum >> 16));
}

static void *answer(void *unused)
{
	static uint8_t frame[MILL_BUF_SIZE_LARGE];
	for (struct pollfd ready = {.fd = tap, .events = POLLIN}; poll(&ready, 1, -1) >= 0;) {
		const ssize_t n = read(tap, frame, sizeof(frame));
		if (n < 42 || frame[12] != 8 || frame[13] != 0 || frame[23] != 1 || frame[34] != 8)
			continue;
		turn_around(frame);
		CHECK(write(tap, frame, (size_t)n) == n, "%s", strerror(errno));
	}
	return unused;
}

static void start_tap(void)
{
	pthread_t thread;
	struct ifreq ifr = {.ifr_name = "wire", .ifr_flags = IFF_TAP | IFF_NO_PI};
	tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	CHECK(tap >= 0 && ioctl(tap, TUNSETIFF, &ifr) == 0, "tap: %s", strerror(errno));
	CHECK(shell("ip link set wire up") == 0, "tap up");
	CHECK(pthread_create(&thread, NULL, answer, NULL) == 0, "thread");
}

/* --- tests ---------------------------------------------------------------------------------------------- */

static struct mill_config *make_config(uint64_t generation, const char *left, const char *right)
{
	const char *const specs[] = {left, right};
	struct mill_config *config = config_make(generation, 2, specs);
	config->n_ifaces = 3;
	config->iface[2] = config->iface[0];
	config->iface[2].slot = 2;
	snprintf(config->iface[2].name, MILL_NAME_SIZE, "tagged");
	config->iface[2].n_tags = 1;
	config->iface[2].tpid[0] = 0x8100;
	config->iface[2].vid[0] = 7;
	for (uint32_t i = 0; i < 2; i++)
		config->iface[i].host = MILL_HOST_NETDEV;
	return config;
}

static void test_kinds(void)
{
	struct mill_config *config = make_config(1, "xdp:vx", "xdp:wire");
	engine_deploy(&engine, config, "forwarder_bridge");
	free(config);
	CHECK((engine.state->port[0].flags & MILL_PORT_NATIVE_XDP) == 0, "generic XDP on vxlan");
	CHECK((engine.state->port[1].flags & MILL_PORT_NATIVE_XDP) != 0, "native XDP on a tap");
	const uint64_t before = engine.state->worker[0].iface[0].rx.packets;
	expect_ping(space_a, "10.8.0.2", 300, "");
	expect_ping(space_a, "10.8.0.2", 100, "-s 1400");
	CHECK(engine.state->worker[0].iface[0].rx.packets >= before + 400,
	      "echo requests to come by the engine");
	printf("ok a port in generic mode has its host stack\n");
	expect_ping(space_a, "10.8.0.9", 300, "");
	expect_ping(space_a, "10.8.0.9", 100, "-s 1400");
	printf("ok frames cross between generic and native ports of other drivers\n");
}

/* Addresses enough that the hash of flows finds both queues. */
static void ping_many(void)
{
	for (int i = 2; i < 18; i++) {
		char address[32];
		snprintf(address, sizeof(address), "10.5.0.%d", i);
		expect_ping(space_a, address, 20, "");
	}
}

static int packets_of_queue(int queue)
{
	return shell(
	    "exit $(ethtool -S multi | sed -n 's/^ *rx_queue_%d_xdp_packets: \\([0-9]\\{1,2\\}\\).*/\\1/p')",
	    queue);
}

static void test_queues(void)
{
	CHECK(
	    shell(
	        "set -e; ip link add multi numrxqueues 2 numtxqueues 2 type veth peer name multi netns %1$s "
	        "numrxqueues 2 numtxqueues 2; ip -n %1$s addr add 10.5.0.1/24 dev multi;"
	        "for n in $(seq 2 17); do ip addr add 10.5.0.$n/24 dev multi; done;"
	        "ethtool -L multi rx 2 tx 2; ip netns exec %1$s ethtool -L multi rx 2 tx 2;"
	        "ip link set multi up; ip -n %1$s link set multi up",
	        space_a) == 0,
	    "a veth with two queues");
	struct mill_config *config = make_config(10, "xdp:multi", "xdp:wire");
	config->port[0].slot = config->iface[0].port = config->iface[2].port = 5;
	engine_deploy(&engine, config, "forwarder_bridge");
	free(config);
	CHECK(engine.state->port[5].rx_rings == 2 && engine.state->port[5].tx_rings == 2, "two rings");
	ping_many();
	CHECK(packets_of_queue(0) > 0 && packets_of_queue(1) > 0, "both queues to be used");
	for (int i = 0; i < 3; i++) {
		kill(engine.pid, SIGKILL);
		engine_adopt(&engine);
		ping_many();
	}
	printf("ok a port with two queues, and its adoption\n");
}

static void refuse(const char *spec, const char *text)
{
	struct mill_config *config = make_config(2, "xdp:vx", spec);
	config->port[1].slot = 3;
	config->iface[1].port = 3;
	CHECK(engine_prepare(&engine, config, "forwarder_bridge") != 0, "%s to be refused", spec);
	CHECK(strstr(engine.error, text) != NULL, "'%s' to say '%s'", engine.error, text);
	CHECK(shell("ip link show dev %s 2>/dev/null | grep -q xdp", spec + 4) != 0, "nothing attached to %s",
	      spec);
	free(config);
}

/* Somebody else's program on `device`; lasts as long as the descriptor. */
static int occupy(const char *device)
{
	const struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS},
	                                {.code = BPF_JMP | BPF_EXIT}};
	const int program = bpf_prog_load(BPF_PROG_TYPE_XDP, "somebody", "GPL", code, 2, NULL);
	const int link = bpf_link_create(program, (int)if_nametoindex(device), BPF_XDP, NULL);
	CHECK(program >= 0 && link >= 0, "a program on %s: %s", device, strerror(errno));
	close(program);
	return link;
}

static void test_refusals(void)
{
	CHECK(shell("set -e; ip link add big mtu 9000 type veth peer name big2 mtu 9000;"
	            "ip link add used type veth peer name used2; ip link add mac link low type macvlan; ip "
	            "link add odd type veth peer name odd2 "
	            "numtxqueues 2") == 0,
	      "interfaces");
	refuse("xdp:nothere", "no interface of this name");
	refuse("xdp:", "interface name");
	refuse("xdp:lo", "not an Ethernet interface");
	refuse("xdp:big", "MTU is 9000");
	refuse("xdp:mac", "tags");
	CHECK(shell("ip link set big mtu 1500") == 0, "MTU");
	refuse("xdp:big", "MTU of its peer");
	const int link = occupy("used");
	struct mill_config *config = make_config(2, "xdp:vx", "xdp:used");
	config->port[1].slot = config->iface[1].port = 3;
	CHECK(engine_prepare(&engine, config, "forwarder_bridge") == EBUSY,
	      "an occupied device to be refused");
	CHECK(strstr(engine.error, "'somebody'") != NULL, "'%s' to name the program", engine.error);
	free(config);
	close(link);
	CHECK(shell("ip link add pair numrxqueues 2 numtxqueues 2 type veth peer name pair2 numrxqueues 2 "
	            "numtxqueues 2 && ethtool -L pair rx 2 tx 2") == 0,
	      "a device with two queues");
	config = make_config(2, "xdp:vx", "xdp:pair");
	config->port[1].slot = config->iface[1].port = 3;
	config->port[1].fallback = MILL_FALLBACK_DROP;
	config->port[1].n_queues = config->port[1].queue[0] = config->port[1].n_flows = 1;
	config->port[1].flow[0] = (struct mill_flow){.queue = 1, .family = 4, .protocol = 17, .to_port = 53};
	CHECK(engine_prepare(&engine, config, "forwarder_bridge") == EOPNOTSUPP, "'%s'", engine.error);
	CHECK(shell("ip link show dev pair | grep -q xdp") != 0, "nothing left that would drop its packets");
	free(config);
	printf("ok what cannot be a port is refused with its reason\n");
	expect_ping(space_a, "10.8.0.9", 50, "");
}

/* Frames of several pieces, to the host stack of a port in generic mode, and from one to a native port and back. */
static void test_large(void)
{
	CHECK(shell("set -e; ip link set low mtu 9000; ip -n %1$s link set wire mtu 9000; ip link set vx mtu "
	            "8900; ip -n %1$s link set vx mtu 8900; ip link set wire mtu 8900",
	            space_a) == 0,
	      "MTUs");
	engine_buffers = "12288";
	engine_buffer_bytes = "16384";
	engine_start(&engine);
	struct mill_config *config = make_config(1, "xdp:vx", "xdp:wire");
	engine_deploy(&engine, config, "forwarder_bridge");
	free(config);
	CHECK((engine.state->port[0].flags & MILL_PORT_NATIVE_XDP) == 0, "generic XDP on vxlan");
	expect_ping(space_a, "10.8.0.2", 100, "-M do -s 8872");
	expect_ping(space_a, "10.8.0.9", 100, "-M do -s 8872");
	expect_ping(space_a, "10.8.0.9", 100, "-M do -s 3373");
	engine_stop(&engine);
	printf("ok frames larger than a page in generic mode\n");
}

static int run_tests(void)
{
	lay_out();
	start_tap();
	engine_start(&engine);
	test_kinds();
	test_refusals();
	test_queues();
	engine_stop(&engine);
	CHECK(shell("ip link show vx | grep -q xdp") != 0, "vx as it was");
	test_large();
	return 0;
}

int main(void)
{
	return spaces_run("ip", run_tests);
}
