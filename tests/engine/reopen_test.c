/*
 * Ports that are opened again, by the real engine: under another name, and on a device that was made anew.
 *
 *   A 10.9.0.1 wire ─ veth ─ left [ router ] pipe       left's only face in the kernel is the tap "face", 10.9.0.2
 */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>
#include "lib/engine_test.h"
#include "lib/spaces.h"

static struct test_engine engine;

static void make_device(void)
{
	CHECK(
	    shell(
	        "set -e; ip link del left 2>/dev/null || true;"
	        "ip link add left address 02:00:00:00:00:11 type veth peer name wire netns %1$s;"
	        "ip link set left up; ip -n %1$s link set wire up; ip -n %1$s addr add 10.9.0.1/24 dev wire;"
	        "ip netns exec %1$s ethtool -K wire tx off >/dev/null",
	        space_a) == 0,
	    "a device");
}

static struct mill_config *make_config(uint64_t generation, uint16_t xdp_slot, uint16_t pipe_slot)
{
	static const char *const specs[] = {"xdp:left", "pipe:b"};
	struct mill_config *config = config_make(generation, 2, specs);
	config->port[0].slot = config->iface[0].port = xdp_slot;
	config->port[1].slot = config->iface[1].port = pipe_slot;
	config->n_ifaces = 3; /* what the forwarder has: nothing is tagged here */
	config->iface[2] = (struct mill_iface_config){
	    .name = "tagged", .slot = 2, .port = xdp_slot, .n_tags = 1, .tpid = {0x8100}, .vid = {7}};
	config->iface[0].host = MILL_HOST_TAP;
	snprintf(config->iface[0].host_name, sizeof(config->iface[0].host_name), "face");
	return config;
}

/* ARP, which a port without a tap leaves to the kernel, included. */
static void expect_face(void)
{
	CHECK(shell("ip -n %s neigh flush dev wire", space_a) == 0, "neighbours");
	expect_ping(space_a, "10.9.0.2", 20, "");
}

/* A port that is open is served a moment later. */
static void wait_for_face(void)
{
	const uint64_t start = test_now();
	while (shell("ip netns exec %s ping -q -c 1 -W 1 10.9.0.2 >/dev/null", space_a) != 0)
		CHECK(test_now() - start < PATIENCE_NS, "the router to answer again");
}

static void expect_peer(void)
{
	struct mill_pipe_client client;
	pipe_connect(&engine, &client, "b");
	mill_pipe_close(&client);
}

/* A name has a slot: another name, another slot. */
static void under_another_name(void)
{
	struct mill_config *before = make_config(1, 0, 1), *after = make_config(2, 5, 6);
	engine_deploy(&engine, before, "forwarder_bridge");
	CHECK(shell("ip addr add 10.9.0.2/24 dev face") == 0, "an address");
	expect_face();
	engine_deploy(&engine, after, "forwarder_bridge");
	CHECK((engine.state->port[0].flags & MILL_PORT_OPEN) == 0, "the old name to be closed");
	expect_face();
	expect_peer();
	CHECK(engine_commit(&engine, 1, 2) == 0, "%s", engine.error);
	expect_face();
	expect_peer();
	printf("ok a port goes on under another name, and back\n");

	/* Refused at the swap, when the port is closed already. */
	after->generation = 3;
	CHECK(engine_prepare(&engine, after, "forwarder_bridge") == 0, "%s", engine.error);
	CHECK(shell("ip link set left mtu 3000") == 0, "an MTU that is too large");
	CHECK(engine_commit(&engine, 3, 1) == EMSGSIZE, "'%s'", engine.error);
	CHECK(shell("ip link set left mtu 1500") == 0, "one that is not");
	wait_for_face();
	expect_face();
	expect_peer();
	printf("ok a refused one is under its old name again\n");
	free(before);
	free(after);
}

static void on_another_device(void)
{
	make_device();
	const uint32_t ifindex = if_nametoindex("left");
	const uint64_t start = test_now();
	while (engine.state->port[0].ifindex != ifindex || (engine.state->port[0].flags & MILL_PORT_UP) == 0)
		CHECK(test_now() - start < PATIENCE_NS, "the port to be open on the new device");
	wait_for_face();
	expect_face();
	printf("ok a tap has what is its own by a device that was made anew, too\n");
}

static int run_tests(void)
{
	make_device();
	engine_start(&engine);
	under_another_name();
	on_another_device();
	engine_stop(&engine);
	return 0;
}

int main(void)
{
	return spaces_run("ethtool", run_tests);
}
