/*
 * The link monitor: the engine itself sees a port's device lose and regain its carrier, whether a daemon is there or not,
 * and opens the port again when its name belongs to another device.
 *
 *   A ─ veth ─ [ left | engine | right ] ─ veth ─ B
 *
 * The devices get indices that their peers have not: for others the kernel itself may wait up to a second between two
 * events (net/core/link_watch.c), for its own routes too.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "lib/engine_test.h"
#include "lib/spaces.h"

static struct test_engine engine;

static bool is_up(uint32_t port)
{
	return (__atomic_load_n(&engine.state->port[port].flags, __ATOMIC_ACQUIRE) & MILL_PORT_UP) != 0;
}

static bool is_open(uint32_t port)
{
	return (__atomic_load_n(&engine.state->port[port].flags, __ATOMIC_ACQUIRE) & MILL_PORT_OPEN) != 0;
}

static void expect_carrier(uint32_t port, bool up)
{
	const uint64_t start = test_now();
	while (is_up(port) != up)
		CHECK(test_now() - start < PATIENCE_NS, "port %u to be %s", port, up ? "up" : "down");
}

static void expect_notice(uint16_t port, bool up)
{
	engine_listen_for(&engine, &engine.n_links, 1);
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
	printf("ok a lost carrier is seen, and the daemon is told once\n");
}

/* The engine's socket for links, as a descriptor of ours. */
static int monitor_socket(void)
{
	const int process = (int)syscall(SYS_pidfd_open, engine.pid, 0);
	for (int fd = 3; fd < 1024; fd++) {
		const int ours = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
		struct sockaddr_nl name = {0};
		socklen_t size = sizeof(name);
		if (ours < 0)
			continue;
		if (getsockname(ours, (struct sockaddr *)&name, &size) == 0 && name.nl_family == AF_NETLINK &&
		    name.nl_groups == RTMGRP_LINK) {
			close(process);
			return ours;
		}
		close(ours);
	}
	CHECK(false, "the engine to listen for links");
	return -1;
}

/* As when the kernel has much to do before it tells: here it does not tell at all. */
static void a_loss_is_not_waited_for(void)
{
	struct sock_filter nothing = {.code = BPF_RET | BPF_K, .k = 0};
	const struct sock_fprog filter = {.len = 1, .filter = &nothing};
	const int fd = monitor_socket();
	CHECK(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) == 0, "filter");
	CHECK(shell("ip -n %s link set wire down", space_b) == 0, "down");
	expect_carrier(1, false);
	expect_notice(1, false);
	CHECK(is_up(0), "the other port is as it was");
	CHECK(shell("ip -n %s link set wire up", space_b) == 0, "up");
	expect_carrier(1, true);
	expect_notice(1, true);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &filter, sizeof(filter)) == 0, "no filter");
	close(fd);
	printf("ok before the kernel tells\n");
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

static void expect_device(uint32_t port, const char *name, uint32_t ifindex)
{
	const uint64_t start = test_now();
	while (__atomic_load_n(&engine.state->port[port].ifindex, __ATOMIC_ACQUIRE) != ifindex ||
	       !is_up(port) || !is_open(port)) {
		CHECK(test_now() - start < PATIENCE_NS, "port %u to be on device %u: it is on %u", port,
		      ifindex, engine.state->port[port].ifindex);
		engine_listen(&engine, 5); /* lets go of the descriptors of what was closed */
	}
	CHECK(shell("ip link show %s | grep -q netmill_port", name) == 0, "the program is on %s", name);
}

static void make_left(uint32_t ifindex)
{
	CHECK(shell("set -e; ip link del left; ip link add left index %u type veth peer name wire netns %s;"
	            "ip -n %s link set wire up; ip link set left up",
	            ifindex, space_a, space_a) == 0,
	      "left is made again");
}

static void a_device_that_is_made_again_is_opened(void)
{
	make_left(60);
	expect_device(0, "left", 60);
	CHECK(is_up(1) && engine.state->port[1].ifindex == 51, "the other port is as it was");
	CHECK(shell("ip -n %s link set wire down", space_a) == 0, "down");
	expect_carrier(0, false);
	CHECK(shell("ip -n %s link set wire up", space_a) == 0, "up");
	expect_carrier(0, true);
	printf("ok a device that is deleted and made again is opened again\n");
}

static void one_that_cannot_be_opened_is_tried_again(void)
{
	CHECK(shell("set -e; ip link del left; ip link add left index 61 mtu 9000 type veth peer name wire "
	            "mtu 9000 netns %s; ip -n %s link set wire up; ip link set left up; sleep 0.3",
	            space_a, space_a) == 0,
	      "left is made again, too large");
	CHECK(!is_up(0) && is_up(1), "port 0 is lost, port 1 is not");
	CHECK(shell("ip -n %s link set wire mtu 1500; ip link set left mtu 1500", space_a) == 0, "MTU");
	expect_device(0, "left", 61);
	printf("ok and once it can be\n");
}

static void ports_follow_their_names(void)
{
	CHECK(shell("set -e; ip link set left down; ip link set right down; ip link set left name other;"
	            "ip link set right name left; ip link set other name right; ip link set left up; ip link "
	            "set right up") == 0,
	      "names are exchanged");
	expect_device(0, "left", 51);
	expect_device(1, "right", 61);
	CHECK(shell("set -e; ip link set left down; ip link set right down; ip link set left name other;"
	            "ip link set right name left; ip link set other name right; ip link set left up; ip link "
	            "set right up") == 0,
	      "and back");
	expect_device(0, "left", 61);
	expect_device(1, "right", 51);
	printf("ok and ports follow their names\n");
}

static void a_device_made_again_is_not_adopted(void)
{
	shell("kill -9 %d", (int)engine.pid);
	make_left(62);
	engine_adopt(&engine);
	expect_device(0, "left", 62);
	expect_device(1, "right", 51);
	printf("ok and while no engine lived\n");
}

static bool kernel_knows(const char *name)
{
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq ask = {0};
	strcpy(ask.ifr_name, name);
	CHECK(fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &ask) == 0, "flags of %s", name);
	close(fd);
	return (ask.ifr_flags & IFF_RUNNING) == 0;
}

/* Of a device with its peer's index the kernel looks at one loss a second; its flags say until then that it runs. */
static void a_loss_is_seen_before_the_kernel_acts(void)
{
	bool before = false;
	CHECK(
	    shell(
	        "set -e; ip link del left; ip link add left index 70 type veth peer name wire index 70 netns "
	        "%s; ip -n %s link set wire up; ip link set left up",
	        space_a, space_a) == 0,
	    "left is made again");
	expect_device(0, "left", 70);
	for (uint32_t i = 0; i < 10 && !before; i++) {
		CHECK(shell("ip -n %s link set wire down", space_a) == 0, "down");
		expect_carrier(0, false);
		before = !kernel_knows("left");
		CHECK(shell("ip -n %s link set wire up", space_a) == 0, "up");
		expect_carrier(0, true);
	}
	CHECK(before, "a loss to be seen before the kernel acts");
	printf("ok nor until it acts\n");
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
	a_loss_is_not_waited_for();
	nobody_is_told();
	a_flood();
	an_adopted_port_is_watched();
	a_device_that_is_made_again_is_opened();
	one_that_cannot_be_opened_is_tried_again();
	ports_follow_their_names();
	a_device_made_again_is_not_adopted();
	a_loss_is_seen_before_the_kernel_acts();
	engine_stop(&engine);
	return 0;
}

int main(void)
{
	return spaces_run("ip", run_tests);
}
