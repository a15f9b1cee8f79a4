/*
 * XDP ports of the real engine in network namespaces:
 *
 *   A 10.9.0.1 ─ veth ─ [ left  10.9.0.2 | router | 10.9.0.3 right ] ─ veth ─ B 10.9.0.4
 *
 * One subnet; the forwarder bridges A and B and gives the host what is for it. Interface 2 is VLAN 7 on left, whose
 * face is a tap. Checked: forwarding, the host stack behind a port, taps, hidden tags, both fallbacks when engine and
 * daemon (this program) are gone, adoption, takeover from the guard, restored offloads.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/engine_test.h"

static struct test_engine engine;
static char space_a[32], space_b[32], space_r[32];

static int shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int shell(const char *format, ...)
{
	char command[1024];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	const int status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void must(const char *command)
{
	CHECK(shell("%s", command) == 0, "%s", command);
}

static void remove_spaces(void)
{
	for (const char *const *name = (const char *const[]){space_a, space_b, space_r, NULL}; *name != NULL; name++)
		shell("ip netns pids %s 2>/dev/null | grep -vx %d | xargs -r kill -9 2>/dev/null; ip netns del %s 2>/dev/null",
		      *name, getpid(), *name);
}

static void lay_out(void)
{
	char command[2048];
	snprintf(command, sizeof(command),
	         "set -e; for n in %1$s %2$s %3$s; do ip netns add $n; ip -n $n link set lo up; done;"
	         "ip -n %3$s link add left type veth peer name wire netns %1$s;"
	         "ip -n %3$s link add right type veth peer name wire netns %2$s;"
	         "ip -n %1$s addr add 10.9.0.1/24 dev wire; ip -n %2$s addr add 10.9.0.4/24 dev wire;"
	         "ip -n %3$s addr add 10.9.0.2/24 dev left; ip -n %3$s addr add 10.9.0.3/32 dev right;"
	         "ip -n %3$s link set left up; ip -n %3$s link set right up;"
	         "for n in %1$s %2$s; do ip -n $n link set wire up; ip netns exec $n ethtool -K wire tx off txvlan on >/dev/null; done;"
	         "a=$(ip -n %1$s -o link show wire | sed 's/.*ether \\([^ ]*\\).*/\\1/');"
	         "b=$(ip -n %2$s -o link show wire | sed 's/.*ether \\([^ ]*\\).*/\\1/');"
	         "ip -n %1$s neigh add 10.9.0.4 lladdr $b dev wire; ip -n %2$s neigh add 10.9.0.1 lladdr $a dev wire",
	         space_a, space_b, space_r);
	must(command);
	snprintf(command, sizeof(command), "/run/netns/%s", space_r);
	const int fd = open(command, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && setns(fd, CLONE_NEWNET) == 0, "%s: %s", command, strerror(errno));
	close(fd);
}

static struct mill_config *make_config(uint64_t generation, enum mill_fallback fallback)
{
	static const char *const specs[] = {"xdp:left", "xdp:right"};
	struct mill_config *config = config_make(generation, 2, specs);
	config->n_ifaces = 3;
	config->iface[2] = (struct mill_iface_config){
	    .name = "vlan7", .host_name = "tap7", .slot = 2, .port = 0, .n_tags = 1, .host = MILL_HOST_TAP,
	    .tpid = {0x8100}, .vid = {7}};
	for (uint32_t i = 0; i < 2; i++) {
		config->port[i].fallback = (uint8_t)fallback;
		config->iface[i].host = MILL_HOST_NETDEV;
	}
	config->port[0].offloads_off = MILL_OFF_TSO | MILL_OFF_GRO;
	return config;
}

static bool ping(const char *space, const char *address, int count, const char *options)
{
	return shell("ip netns exec %s ping -q -i 0.002 -W 1 -c %d %s %s >/tmp/mill-ping-%d 2>&1; "
	             "grep -q ' 0%% packet loss' /tmp/mill-ping-%d",
	             space, count, options, address, getpid(), getpid()) == 0;
}

static void expect_ping(const char *space, const char *address, int count, const char *options)
{
	if (ping(space, address, count, options))
		return;
	shell("tail -3 /tmp/mill-ping-%d >&2; tail -5 %s/* >&2 2>/dev/null", getpid(), engine.rundir);
	CHECK(false, "every ping from %s to %s answered", space, address);
}

static void test_forwarding(void)
{
	expect_ping(space_a, "10.9.0.4", 500, "");
	expect_ping(space_b, "10.9.0.1", 100, "-s 1400");
	CHECK(engine.state->port[0].rx_packets >= 600 && engine.state->port[1].tx_packets >= 600,
	      "the ports to have counted, got %llu", (unsigned long long)engine.state->port[0].rx_packets);
	CHECK((engine.state->port[0].flags & MILL_PORT_NATIVE_XDP) != 0, "native XDP on veth");
	printf("ok frames cross from port to port\n");
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

static int run_tests(void)
{
	lay_out();
	engine_start(&engine);
	engine_deploy(&engine, make_config(1, MILL_FALLBACK_KERNEL), "forwarder_bridge");
	test_forwarding();
	test_host();
	engine_stop(&engine);
	return 0;
}

/* The tests run in a child, so that whatever becomes of them the namespaces are taken away. */
int main(void)
{
	if (geteuid() != 0 || shell("command -v ethtool >/dev/null && ip netns list >/dev/null 2>&1") != 0) {
		printf("skip needs root, ip and ethtool\n");
		return 0;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(space_a, sizeof(space_a), "mill-xa-%d", getpid());
	snprintf(space_b, sizeof(space_b), "mill-xb-%d", getpid());
	snprintf(space_r, sizeof(space_r), "mill-xr-%d", getpid());
	int status = 1;
	const pid_t child = fork();
	if (child == 0)
		exit(run_tests());
	waitpid(child, &status, 0);
	remove_spaces();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
