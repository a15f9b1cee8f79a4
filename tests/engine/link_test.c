/*
 * The link monitor: the engine itself sees a port's device lose and regain its carrier, whether a daemon is there or not.
 *
 *   A ─ veth ─ [ left | engine | right ] ─ veth ─ B
 *
 * The devices get indices that their peers have not: for others the kernel itself may wait up to a second between two
 * events (net/core/link_watch.c), for its own routes too.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "lib/engine_test.h"
#include "lib/spaces.h"

static struct test_engine engine;

static bool is_up(uint32_t port)
{
	return (__atomic_load_n(&engine.state->port[port].flags, __ATOMIC_ACQUIRE) & MILL_PORT_UP) != 0;
}

static void expect_carrier(uint32_t port, bool up)
{
	const uint64_t start = test_now();
	while (is_up(port) != up)
		CHECK(test_now() - start < 50000000u, "port %u to be %s within 50 ms", port,
		      up ? "up" : "down");
}

static void expect_notice(uint16_t port, bool up)
{
	engine_listen(&engine, 30);
	CHECK(engine.n_links == 1 && engine.last_link.port == port && engine.last_link.up == up,
	      "one notice for port %u: got %u, port %u, %u", port, engine.n_links, engine.last_link.port,
	      engine.last_link.up);
	engine.n_links = 0;
}

static void the_daemon_is_told(void)
{
	CHECK(shell("ip -n %s link set wire down", space_b) == 0, "down");
	expect_carrier(1, false);
	expect_notice(1, false);
	CHECK(is_up(0), "the other port is as it was");
	CHECK(shell("ip -n %s link set wire up", space_b) == 0, "up");
	expect_carrier(1, true);
	expect_notice(1, true);
	CHECK(shell("ip link set left down") == 0, "down");
	expect_carrier(0, false);
	expect_notice(0, false);
	CHECK(shell("ip link set left up") == 0, "up");
	expect_carrier(0, true);
	expect_notice(0, true);
	printf("ok a lost carrier is seen at once\n");
}

static void nobody_is_told(void)
{
	close(engine.fd);
	for (uint32_t i = 0; i < 20; i++) {
		CHECK(shell("ip -n %s link set wire down", space_a) == 0, "down");
		expect_carrier(0, false);
		CHECK(shell("ip -n %s link set wire up", space_a) == 0, "up");
		expect_carrier(0, true);
	}
	engine_connect(&engine);
	CHECK(engine.hello.pid == (uint64_t)engine.pid, "the same engine");
	printf("ok and without a daemon too\n");
}

/* Thousands of events while the engine cannot read overflow the monitor's socket; it asks for everything then. */
static void a_flood(void)
{
	kill(engine.pid, SIGSTOP);
	CHECK(shell("ip link add flood type veth peer name flood2 && for i in $(seq 3000); do echo link set "
	            "flood "
	            "alias $i; echo link set flood up; echo link set flood down; done | ip -batch - && "
	            "ip -n %s link set wire down && ip link del flood",
	            space_b) == 0,
	      "flood");
	CHECK(is_up(1), "not seen yet");
	kill(engine.pid, SIGCONT);
	expect_carrier(1, false);
	CHECK(shell("ip -n %s link set wire up", space_b) == 0, "up");
	expect_carrier(1, true);
	engine_listen(&engine, 30);
	printf("ok and when events are lost\n");
}

static void an_adopted_port_is_watched(void)
{
	shell("kill -9 %d", (int)engine.pid);
	CHECK(shell("ip -n %s link set wire down", space_b) == 0, "down while no engine lives");
	engine_adopt(&engine);
	expect_carrier(1, false);
	CHECK(shell("ip -n %s link set wire up", space_b) == 0, "up");
	expect_carrier(1, true);
	printf("ok and after an adoption\n");
}

static int run_tests(void)
{
	static const char *const specs[] = {"xdp:left", "xdp:right"};
	CHECK(shell("set -e; ip link add left index 50 type veth peer name wire netns %s;"
	            "ip link add right index 51 type veth peer name wire netns %s;"
	            "ip link set left up; ip link set right up; for n in %s %s; do ip -n $n link set wire "
	            "up; done",
	            space_a, space_b, space_a, space_b) == 0,
	      "devices");
	engine_start(&engine);
	struct mill_config *config = config_make(1, 2, specs);
	engine_deploy(&engine, config, "forwarder_swap2");
	free(config);
	expect_carrier(0, true);
	expect_carrier(1, true);
	engine_listen(&engine, 30);
	engine.n_links = 0;
	the_daemon_is_told();
	nobody_is_told();
	a_flood();
	an_adopted_port_is_watched();
	engine_stop(&engine);
	return 0;
}

int main(void)
{
	return spaces_run("ip", run_tests);
}
