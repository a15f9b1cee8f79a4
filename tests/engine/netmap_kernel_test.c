/*
 * The netmap back end on the kernel's own netmap, wherever there is /dev/netmap: numbered frames through an engine between
 * two VALE switches (memory of their own: copied), between two pipes (one memory: exchanged) and between two veths whose
 * other ends are in netmap mode too (a pipe where the driver knows netmap), over a deploy and over the death of the engine;
 * pings through it between two veths; each kind of spec. This program is the neighbour, by the same
 * back end.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "lib/engine_test.h"
#include "lib/spaces.h"
#include "port/netmap.h"

#define WINDOW 32u
#define FRAMES 3000u

static struct test_engine engine;
static struct mill_port_state states[8];

/* --- neighbours ------------------------------------------------------------------------------------------- */

static struct mill_port *neighbour(const char *spec, uint16_t slot)
{
	struct mill_port *port = calloc(1, sizeof(*port));
	struct mill_error error = {0};
	port->ops = &mill_port_netmap;
	port->state = &states[slot];
	port->config.slot = slot;
	snprintf(port->config.name, sizeof(port->config.name), "p%u", slot);
	snprintf(port->config.spec, sizeof(port->config.spec), "%s", spec);
	CHECK(port->ops->open(port, &error), "%s: %s", spec, error.text);
	return port;
}

static void part(struct mill_port *port)
{
	port->ops->close(port);
	free(port);
}

static uint32_t length_of(uint32_t number)
{
	return 60 + number * 7919 % 1400;
}

static bool send_one(struct mill_port *port, uint32_t number)
{
	struct netmap_ring *tx = port->tx[0];
	if (mill_ring_space(tx) == 0)
		return false;
	struct netmap_slot *slot = &tx->slot[tx->head];
	uint8_t *frame = mill_ring_buffer(tx, slot);
	memset(frame, (int)number, length_of(number));
	memcpy(frame, (const uint8_t[12]){2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8}, 12);
	memcpy(frame + 14, &number, sizeof(number));
	slot->len = (uint16_t)length_of(number);
	slot->flags &= NS_BUF_CHANGED;
	tx->head = tx->cur = mill_ring_next(tx, tx->head);
	return true;
}

/* How many have come; each must be the one after the last. */
static uint32_t take_all(struct mill_port *port, uint32_t *next)
{
	struct netmap_ring *rx = port->rx[0];
	uint32_t n = 0;
	port->ops->rx_sync(port, 0);
	for (; rx->cur != rx->tail; rx->head = rx->cur = mill_ring_next(rx, rx->cur), n++) {
		const struct netmap_slot *slot = &rx->slot[rx->cur];
		const uint8_t *frame = mill_ring_buffer(rx, slot);
		uint32_t number;
		memcpy(&number, frame + 14, sizeof(number));
		CHECK(number == *next, "frame %u instead of %u", number, *next);
		CHECK(slot->len == length_of(number) && frame[slot->len - 1] == (uint8_t)number,
		      "frame %u was changed", number);
		*next = number + 1;
	}
	return n;
}

/* Frames with these numbers, never more than a window on their way: all arrive, in order. */
static void expect_all(struct mill_port *from, struct mill_port *to, uint32_t first, uint32_t count)
{
	uint32_t sent = first, next = first;
	const uint64_t end = test_now() + PATIENCE_NS;
	while (next != first + count) {
		while (sent != first + count && sent - next < WINDOW && send_one(from, sent))
			sent++;
		from->ops->tx_sync(from, 0);
		if (take_all(to, &next) == 0)
			usleep(100);
		CHECK(test_now() < end, "frame %u does not come", next);
	}
}

static void through(const char *const engines[2], const char *const ours[2])
{
	struct mill_config *config = config_make(1, 2, engines);
	engine_start(&engine);
	engine_deploy(&engine, config, "forwarder_swap2");
	struct mill_port *a = neighbour(ours[0], 0), *b = neighbour(ours[1], 1);
	expect_all(a, b, 1, FRAMES);
	expect_all(b, a, 1, FRAMES);
	config->generation = 2;
	engine_deploy(&engine, config, "forwarder_swap2");
	expect_all(a, b, FRAMES, FRAMES);
	kill(engine.pid, SIGKILL);
	engine_adopt(&engine);
	expect_all(a, b, 5 * FRAMES, FRAMES);
	expect_all(b, a, 5 * FRAMES, FRAMES);
	part(a);
	part(b);
	engine_stop(&engine);
	free(config);
}

static void virtual_ports(void)
{
	through((const char *const[]){"netmap:vale0:mill", "netmap:vale1:mill"},
	        (const char *const[]){"netmap:vale0:peer", "netmap:vale1:peer"});
	printf("ok between two VALE switches, whose memory differs\n");
	through((const char *const[]){"netmap:vale2:x{1", "netmap:vale2:x{2"},
	        (const char *const[]){"netmap:vale2:x}1", "netmap:vale2:x}2"});
	printf("ok between two pipes, which have one memory\n");
}

static void cables(void)
{
	CHECK(shell("set -e; for i in 0 1; do ip link add cable$i type veth peer name end$i;"
	            "for d in cable$i end$i; do ip link set $d addrgenmode none; ip link set $d up; done; "
	            "done") == 0,
	      "interfaces");
	through((const char *const[]){"netmap:cable0", "netmap:cable1"},
	        (const char *const[]){"netmap:end0", "netmap:end1"});
	CHECK(shell("ip link del cable0; ip link del cable1") == 0, "interfaces");
	printf("ok between two devices whose neighbours are in netmap mode\n");
}

/* --- devices ----------------------------------------------------------------------------------------------- */

static void lay_out(void)
{
	CHECK(shell("set -e; ip link add ix0 type veth peer name wire netns %1$s;"
	            "ip link add ix1 type veth peer name wire netns %2$s;"
	            "for d in ix0 ix1; do ip link set $d up; done;"
	            "for n in %1$s %2$s; do ip netns exec $n ethtool -K wire tx off >/dev/null; ip -n $n "
	            "link set wire "
	            "up; done;"
	            "ip -n %1$s addr add 10.9.0.1/24 dev wire; ip -n %2$s addr add 10.9.0.2/24 dev wire",
	            space_a, space_b) == 0,
	      "interfaces");
}

static void devices(void)
{
	static const char *const specs[] = {"netmap:ix0", "netmap:ix1-0"};
	struct mill_config *config = config_make(1, 2, specs);
	engine_start(&engine);
	engine_deploy(&engine, config, "forwarder_swap2");
	expect_ping(space_a, "10.9.0.2", 100, "-s 1400");
	kill(engine.pid, SIGKILL);
	engine_adopt(&engine);
	expect_ping(space_a, "10.9.0.2", 100, "-s 56");
	engine_stop(&engine);
	free(config);
	CHECK(shell("ip addr add 10.9.0.3/24 dev ix0") == 0, "address");
	expect_ping(space_a, "10.9.0.3", 10, "");
	CHECK(shell("ip addr flush dev ix0") == 0, "address");
	printf("ok between two devices, which are the kernel's again afterwards\n");
}

static void specs(void)
{
	static const char *const all[] = {"netmap:ix0",   "netmap:ix0*", "netmap:ix0+",  "netmap:ix0-0",
	                                  "netmap:ix0/x", "netmap:ix0^", "netmap:ix0~0", "netmap:ix0-0/R"};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		part(neighbour(all[i], 0));
	static const char *const monitors[] = {"netmap:ix0/r", "netmap:ix0/t", "netmap:ix0/rt",
	                                       "netmap:ix0/z"};
	for (size_t i = 0; i < sizeof(monitors) / sizeof(monitors[0]); i++) {
		struct mill_port *port = neighbour("netmap:ix0", 0), *monitor = neighbour(monitors[i], 1);
		monitor->ops->rx_sync(monitor, 0);
		part(monitor);
		part(port);
	}
	printf("ok each kind of spec\n");
}

static int tests(void)
{
	virtual_ports();
	lay_out();
	/* A driver of netmap's own has a pipe between its ends, and no way between netmap's and the kernel's. Any other goes through
	 * queues of the kernel, which may drop. */
	if (access("/sys/module/netmap/holders/veth", F_OK) == 0)
		cables();
	else
		devices();
	specs();
	return 0;
}

int main(void)
{
	const int fd = open("/dev/netmap", O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		printf("skip the kernel's own netmap: needs /dev/netmap (%s)\n", strerror(errno));
		return 0;
	}
	close(fd);
	return spaces_run("ethtool", tests);
}
