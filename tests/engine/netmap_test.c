/*
 * The netmap back end on a model of the kernel's side (netmap/model.h), which rejects what a process must not do: other
 * rings than its own, buffers that are somebody else's, in two slots or out of range, exchanges that are not told, slots that
 * are the kernel's. Then what may go wrong: short grants, stopped rings, rings set anew, devices that go, engines that die in the
 * middle of an exchange. Devices are veths in a namespace of this test's own, because the back end asks them for MAC and MTU.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include "lib/engine_test.h"
#include "lib/spaces.h"
#include "netmap/model.h"
#include "netmill/packet.h"
#include "netmill/transmit.h"
#include "port/netmap.h"

static struct mill_port_state states[4];
static char rundir[64];

static void no_violation(void)
{
	const char *told = model_violation();
	CHECK(told[0] == '\0', "%s", told);
}

static struct mill_port *port_make(const char *spec, uint16_t slot)
{
	struct mill_port *port = calloc(1, sizeof(*port));
	memset(&states[slot], 0, sizeof(states[slot]));
	port->ops = &mill_port_netmap;
	port->state = &states[slot];
	port->rundir = rundir;
	port->config.slot = slot;
	port->config.fallback = MILL_FALLBACK_KERNEL;
	snprintf(port->config.name, sizeof(port->config.name), "p%u", slot);
	snprintf(port->config.spec, sizeof(port->config.spec), "%s", spec);
	return port;
}

static struct mill_port *port_open(const char *spec, uint16_t slot)
{
	struct mill_port *port = port_make(spec, slot);
	struct mill_error error = {0};
	CHECK(port->ops->open(port, &error), "%s: %s", spec, error.text);
	return port;
}

static void port_close(struct mill_port *port)
{
	port->ops->close(port);
	free(port);
	no_violation();
}

/* The errno of an open that must fail, and that it left nothing. */
static int refused(const char *spec, const char *says)
{
	struct mill_port *port = port_make(spec, 0);
	struct mill_error error = {0};
	if (says[0] == '!') {
		port->config.fallback = MILL_FALLBACK_DROP;
		says++;
	}
	CHECK(!port->ops->open(port, &error), "%s was opened", spec);
	CHECK(strstr(error.text, says) != NULL, "%s: '%s' says nothing of '%s'", spec, error.text, says);
	free(port);
	return error.code;
}

/* What the forwarder does with each packet of a ring: exchange, or copy where it must. */
static uint32_t forward(struct mill_port *from, uint32_t ring, struct mill_port *to, uint32_t to_ring)
{
	struct netmap_ring *rx = from->rx[ring], *tx = to->tx[to_ring];
	uint32_t n = 0;
	from->ops->rx_sync(from, ring);
	for (; rx->cur != rx->tail && tx->head != tx->tail; n++) {
		struct netmap_slot *slot = &rx->slot[rx->cur], *out = &tx->slot[tx->head];
		const uint16_t length = slot->len;
		if (length >= 14) {
			if (!mill_exchange(rx, tx, out, slot, 0)) {
				memcpy(mill_ring_buffer(tx, out), mill_ring_buffer(rx, slot), length);
				out->flags &= NS_BUF_CHANGED;
			}
			out->len = length;
			tx->head = tx->cur = mill_ring_next(tx, tx->head);
		}
		rx->head = rx->cur = mill_ring_next(rx, rx->cur);
	}
	to->ops->tx_sync(to, to_ring);
	return n;
}

static void arrive(const char *device, uint16_t ring, uint32_t number)
{
	uint8_t frame[100];
	memset(frame, (int)number, sizeof(frame));
	memcpy(frame + 14, &number, sizeof(number));
	model_receive(device, MODEL_WIRE, ring, frame, sizeof(frame), 0);
}

static void expect(const char *device, uint16_t ring, uint32_t number, uint32_t *buffer)
{
	uint8_t frame[2048];
	uint16_t length;
	uint32_t got;
	CHECK(model_sent(device, MODEL_WIRE, ring, frame, &length, buffer), "frame %u has not left", number);
	memcpy(&got, frame + 14, sizeof(got));
	CHECK(length == 100 && got == number && frame[99] == (uint8_t)number, "frame %u: %u bytes, number %u",
	      number, length, got);
}

static void expect_nothing(const char *device, uint16_t ring)
{
	uint8_t frame[2048];
	uint16_t length;
	uint32_t buffer;
	CHECK(!model_sent(device, MODEL_WIRE, ring, frame, &length, &buffer), "%u bytes too many", length);
}

static void two_devices(uint16_t memory_of_second)
{
	model_reset();
	model_device("ix0", 1, 1, 1, 1);
	model_device("ix1", memory_of_second, 1, 1, 1);
}

/* --- packets ----------------------------------------------------------------------------------------------- */

static void exchanges(void)
{
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
	for (uint32_t i = 1; i <= 1000; i++) {
		uint32_t left;
		arrive("ix0", 0, i);
		CHECK(forward(a, 0, b, 0) == 1, "packet %u", i);
		expect("ix1", 0, i, &left);
		CHECK(left == model_last_buffer("ix0", MODEL_WIRE, 0), "packet %u was copied", i);
		no_violation();
	}
	CHECK(states[0].rx_packets == 1000 && states[0].rx_bytes == 100000 && states[1].tx_packets == 1000 &&
	          states[1].tx_bytes == 100000,
	      "counters");
	port_close(a);
	port_close(b);
	CHECK(model_users("ix0") == 0 && model_users("ix1") == 0, "open still");
	printf("ok packets move between ports of one memory by exchange of buffers\n");
}

static void copies(void)
{
	two_devices(2);
	struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
	for (uint32_t i = 1; i <= 300; i++) {
		uint32_t left;
		arrive("ix0", 0, i);
		arrive("ix1", 0, i + 7);
		forward(a, 0, b, 0);
		forward(b, 0, a, 0);
		expect("ix1", 0, i, &left);
		expect("ix0", 0, i + 7, &left);
		no_violation();
	}
	port_close(a);
	port_close(b);
	printf("ok packets are copied between ports of different memory\n");
}

static void lets_go(void)
{
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
	port_close(a);
	CHECK(model_users("ix0") == 0, "the other port's mapping keeps it open");
	uint32_t left;
	arrive("ix1", 0, 9);
	forward(b, 0, b, 0);
	expect("ix1", 0, 9, &left);
	port_close(b);
	printf("ok a closed port's device is the kernel's, though others of its memory are open\n");
}

static void speaks_all_versions(void)
{
	static const uint16_t versions[] = {14, 15, 0, 14};
	for (size_t i = 0; i < 4; i++) {
		uint32_t left;
		two_devices(1);
		model_options.api = versions[i];
		model_options.no_null = i == 3;
		struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
		arrive("ix0", 0, 5);
		forward(a, 0, b, 0);
		expect("ix1", 0, 5, &left);
		CHECK((left == model_last_buffer("ix0", MODEL_WIRE, 0)) == (i < 2), "exchanged or copied");
		port_close(a);
		CHECK(model_users("ix0") == 0, "open still");
		port_close(b);
	}
	printf("ok API 14, API 15, the older requests, and a kernel without ports that are memory alone\n");
}

static void chains(void)
{
	uint8_t frame[2048] = {0};
	uint32_t left;
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
	arrive("ix0", 0, 1);
	model_receive("ix0", MODEL_WIRE, 0, frame, 1500, NS_MOREFRAG);
	model_receive("ix0", MODEL_WIRE, 0, frame, 1500, NS_MOREFRAG);
	forward(a, 0, b, 0);
	model_receive("ix0", MODEL_WIRE, 0, frame, 200, 0); /* its end comes with another sync */
	arrive("ix0", 0, 2);
	model_receive("ix0", MODEL_WIRE, 0, frame, 4000, 0); /* longer than its buffer */
	model_receive("ix0", MODEL_WIRE, 0, frame, 1900, 0); /* than what the engine copies to */
	arrive("ix0", 0, 3);
	forward(a, 0, b, 0);
	for (uint32_t i = 1; i <= 3; i++)
		expect("ix1", 0, i, &left);
	expect_nothing("ix1", 0);
	CHECK(states[0].rx_dropped == 5 && states[0].rx_packets == 3, "%lu dropped, %lu received",
	      (unsigned long)states[0].rx_dropped, (unsigned long)states[0].rx_packets);
	port_close(a);
	port_close(b);
	printf("ok packets of several buffers, or too long, are dropped whole\n");
}

static void full(void)
{
	uint32_t left;
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < 100; i++)
			arrive("ix0", 0, i);
		CHECK(forward(a, 0, b, 0) == 100, "round %u", round);
		for (uint32_t i = 0; i < 100; i++)
			expect("ix1", 0, i, &left);
		no_violation();
	}
	port_close(a);
	port_close(b);
	printf("ok rings wrap around\n");
}

/* --- which rings --------------------------------------------------------------------------------------------- */

static void only_its_rings(void)
{
	uint32_t left;
	model_reset();
	model_device("ix0", 1, 2, 4, 1);
	struct mill_port *all = port_open("netmap:ix0", 0);
	CHECK(all->rx_rings == 4 && all->tx_rings == 2 && all->tx[1] != NULL && all->tx[2] == NULL, "rings");
	for (uint16_t r = 0; r < 4; r++) {
		arrive("ix0", r, r);
		forward(all, r, all, r % 2);
		expect("ix0", r % 2, r, &left);
	}
	port_close(all);
	struct mill_port *one = port_open("netmap:ix0-1", 0);
	CHECK(one->rx_rings == 1 && one->tx_rings == 1, "rings");
	CHECK(one->rx[0]->ringid == 1 && one->rx[0]->dir == 0 && one->tx[0]->dir == 1, "not ring 1");
	arrive("ix0", 1, 7);
	arrive("ix0", 0, 8);
	forward(one, 0, one, 0);
	expect("ix0", 1, 7, &left);
	expect_nothing("ix0", 0);
	port_close(one);
	static const char *const single[] = {"netmap:ix0-3/R", "netmap:ix0~3"};
	for (size_t i = 0; i < 2; i++) {
		struct mill_port *queue = port_open(single[i], 0);
		CHECK(queue->rx_rings == 1 && queue->tx_rings == 0 && queue->rx[0]->ringid == 3, "rings");
		arrive("ix0", 3, 1);
		queue->ops->rx_sync(queue, 0);
		CHECK(mill_ring_space(queue->rx[0]) == 1, "nothing came");
		queue->rx[0]->head = queue->rx[0]->cur = queue->rx[0]->tail;
		port_close(queue);
	}
	printf("ok no ring but those of the spec is opened or touched\n");
}

static void host_rings(void)
{
	uint8_t frame[2048];
	uint16_t length;
	uint32_t left;
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0*", 0);
	memset(frame, 3, sizeof(frame));
	for (uint32_t i = 0; i < 400; i++) {
		frame[20] = (uint8_t)i;
		CHECK(a->ops->inject(a, frame, 900), "frame %u is not taken", i);
		CHECK(model_sent("ix0", MODEL_HOST, 0, frame, &length, &left) && length == 900 &&
		          frame[20] == (uint8_t)i,
		      "frame %u has not reached the host", i);
	}
	CHECK(!a->ops->inject(a, frame, 3000), "a frame larger than a buffer was taken");
	for (uint32_t i = 0; i < 400; i++) {
		frame[20] = (uint8_t)i;
		model_receive("ix0", MODEL_HOST, 0, frame, 600, 0);
		a->ops->rx_arm(a, 0); /* before its owner sleeps, it looks */
		CHECK(model_sent("ix0", MODEL_WIRE, 0, frame, &length, &left) && length == 600 &&
		          frame[20] == (uint8_t)i,
		      "frame %u of the host has not left", i);
		no_violation();
	}
	port_close(a);
	struct mill_port *host = port_open("netmap:ix1^", 1);
	CHECK(states[1].ifindex == 0 && host->rx_rings == 1, "host rings stand for no device");
	frame[20] = 99;
	model_receive("ix1", MODEL_HOST, 0, frame, 600, 0);
	CHECK(forward(host, 0, host, 0) == 1, "nothing came from the host");
	CHECK(model_sent("ix1", MODEL_HOST, 0, frame, &length, &left) && frame[20] == 99,
	      "nothing went to it");
	port_close(host);
	printf("ok the host rings are the way to the kernel and from it\n");
}

static void hands_back(void)
{
	uint8_t frame[2048];
	uint16_t length;
	uint32_t left, n = 0;
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0);
	for (uint32_t i = 0; i < 50; i++)
		arrive("ix0", 0, i);
	port_close(a);
	while (model_sent("ix0", MODEL_HOST, 0, frame, &length, &left))
		n++;
	CHECK(n == 50, "%u of 50 packets reached the kernel", n);
	printf("ok what has come in when a port is closed goes to the kernel\n");
}

static void monitors(void)
{
	model_reset();
	model_device("ix0", 1, 1, 1, 1);
	struct mill_port *port = port_open("netmap:ix0/rt", 0);
	CHECK(port->tx_rings == 0 && port->rx_rings == 1 && states[0].ifindex == 0,
	      "a monitor only receives");
	port_close(port);
	struct mill_netmap_spec spec;
	struct mill_error error = {0};
	struct mill_port_config config = {.name = "p", .spec = "netmap:ix0/z"};
	CHECK(mill_netmap_spec_parse(&config, &spec, &error) &&
	          spec.monitor == (NR_ZCOPY_MON | NR_MONITOR_RX | NR_MONITOR_TX),
	      "zero-copy monitor");
	printf("ok monitors\n");
}

static void virtual_ports(void)
{
	uint32_t left;
	model_reset();
	model_device("vale0:a", 2, 1, 1, 0);
	model_device("x{1", 2, 1, 1, 0);
	struct mill_port *vale = port_open("netmap:vale0:a", 0), *pipe = port_open("netmap:x{1", 1);
	CHECK(states[0].ifindex == 0 && (states[0].mac[0] & 3) == 2 && vale->mtu == 1500 &&
	          (states[0].flags & MILL_PORT_UP) != 0,
	      "a port without a device");
	CHECK(memcmp(states[0].mac, states[1].mac, 6) != 0, "two ports with one address");
	arrive("vale0:a", 0, 4);
	forward(vale, 0, pipe, 0);
	expect("x{1", 0, 4, &left);
	CHECK(!vale->ops->inject(vale, (const uint8_t[64]){0}, 64), "there is no host behind it");
	port_close(vale);
	port_close(pipe);
	printf("ok VALE ports and pipes\n");
}

static void keep_offloads(void)
{
	CHECK(shell("ethtool -k ix0 > %s/before", rundir) == 0, "ethtool");
}

static void same_offloads(void)
{
	CHECK(shell("ethtool -k ix0 | cmp -s - %s/before", rundir) == 0, "offloads are not as they were");
}

static void refusals(void)
{
	two_devices(1);
	model_device("vale0:wide", 1, 18, 18, 0);
	CHECK(refused("netmap:", "no name") == EINVAL, "code");
	CHECK(refused("netmap:ix0/q", "unknown letter") == EINVAL, "code");
	CHECK(refused("netmap:ix0/R", "single queue") == EINVAL, "code");
	CHECK(refused("netmap:ix0~", "no ring number") == EINVAL, "code");
	CHECK(refused("netmap:eth0:1", "VALE") == EINVAL, "code");
	CHECK(refused("netmap:x{", "not a name") == EINVAL, "code");
	CHECK(refused("netmap:vale0:a^", "neither ring numbers") == EINVAL, "code");
	CHECK(refused("netmap:absent", "no interface") == ENODEV, "code");
	CHECK(refused("netmap:vale0:b", "no interface") == ENXIO, "code");
	CHECK(refused("netmap:ix0-5", "asks for another") == EINVAL, "code");
	CHECK(refused("netmap:vale0:wide", "serves 16") == E2BIG, "code");
	CHECK(refused("netmap:ix0", "!fallback 'kernel'") == EOPNOTSUPP, "code");
	CHECK(shell("ip link set ix0 mtu 3000") == 0, "mtu");
	CHECK(refused("netmap:ix0", "mtu 1500") == EMSGSIZE, "code");
	CHECK(shell("ip link set ix0 mtu 1500") == 0, "mtu");
	CHECK(model_users("ix0") == 0, "a refused port is open");
	model_reset();
	model_options.buffer_size = 1024;
	model_device("ix0", 1, 1, 1, 1);
	CHECK(refused("netmap:ix0", "buf_size") == EMSGSIZE, "code");
	CHECK(model_users("ix0") == 0, "a refused port is open");
	same_offloads();
	printf("ok what cannot be opened is refused with what to do\n");
}

/* --- sharing ------------------------------------------------------------------------------------------------- */

static void *close_later(void *port)
{
	usleep(100000);
	port_close(port);
	return NULL;
}

static void exclusive(void)
{
	pthread_t thread;
	two_devices(1);
	struct mill_port *first = port_open("netmap:ix0-0", 0);
	pthread_create(&thread, NULL, close_later, first);
	struct mill_port *second =
	    port_open("netmap:ix0", 1); /* as when a daemon is slow to close its duplicates */
	pthread_join(thread, NULL);
	struct mill_netmap *netmap = second->backend;
	struct mill_netmap_binding binding = {.mode = NR_REG_ONE_NIC, .flags = NR_NO_TX_POLL};
	struct mill_error error = {0};
	CHECK(mill_netmap_register(&netmap->spec, &binding, &error) < 0 && error.code == EBUSY &&
	          strstr(error.text, "another program") != NULL,
	      "somebody else can take our rings: %s", error.text);
	port_close(second);
	printf("ok rings are opened exclusively\n");
}

static uint32_t count_spares(struct mill_port *port)
{
	uint32_t n = 0;
	while (mill_netmap_spare(port) != 0)
		n++;
	return n;
}

static void short_grants(void)
{
	static const uint32_t grants[] = {64, 3, 0};
	static const uint32_t got[] = {MILL_NETMAP_SPARES, 3, 0};
	for (size_t i = 0; i < 3; i++) {
		two_devices(1);
		model_options.extra_most = grants[i];
		struct mill_port *port = port_open("netmap:ix0", 0);
		const uint32_t n = count_spares(port);
		CHECK(n == got[i], "%u spares of %u granted", n, grants[i]);
		port_close(port);
	}
	printf("ok extra buffers may be granted short\n");
}

static void offloads(void)
{
	two_devices(1);
	struct mill_port *port = port_open("netmap:ix0", 0);
	CHECK(shell("ethtool -k ix0 | grep -q 'tx-checksumming: off' && ethtool -k ix0 | grep -q "
	            "'tcp-segmentation-offload: off' && ethtool -k ix0 | grep -q 'tx-vlan-offload: off'") ==
	          0,
	      "offloads are on: netmap would drop what the kernel sends");
	port_close(port);
	same_offloads();
	printf("ok offloads are off while a port is open, and as before afterwards\n");
}

/* --- what goes wrong ------------------------------------------------------------------------------------------- */

static bool has_event(struct mill_port *port)
{
	struct pollfd wait = {.fd = port->ops->control_fd(port), .events = POLLIN};
	return poll(&wait, 1, 0) == 1;
}

static void stopped(void)
{
	uint32_t left;
	two_devices(1);
	model_options.stopped = 3;
	struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
	arrive("ix0", 0, 1);
	for (uint32_t i = 0; i < 8; i++)
		forward(a, 0, b, 0);
	expect("ix1", 0, 1, &left);
	CHECK(!has_event(a) && !a->ops->outdated(a), "a ring that is stopped for a moment is not lost");
	port_close(a);
	port_close(b);
	printf("ok rings that are stopped, as after opening, are waited for\n");
}

static void is_lost(struct mill_port *port, const char *why)
{
	CHECK(has_event(port) && port->ops->outdated(port), "%s: nobody is told", why);
	port->ops->control(port);
	CHECK(!has_event(port), "%s: told twice", why);
	port->ops->rx_sync(port, 0);
	CHECK(mill_ring_space(port->rx[0]) == 0, "%s: packets of a lost ring", why);
	port->ops->tx_sync(port, 0);
}

static void lost(void)
{
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0);
	model_remove("ix0");
	a->ops->rx_sync(a, 0);
	is_lost(a, "its device has gone");
	port_close(a);

	/* One that is being unregistered waits for us, with its rings stopped. */
	two_devices(1);
	model_options.stopped = UINT32_MAX;
	a = port_open("netmap:ix1", 0);
	CHECK(shell("ip link del ix1") == 0, "ip");
	usleep(30000);
	a->ops->rx_sync(a, 0);
	is_lost(a, "its device is being unregistered");
	port_close(a);
	CHECK(shell("ip link add ix1 type veth peer name peer1; ip link set ix1 up; ip link set peer1 up") ==
	          0,
	      "ip");

	two_devices(1);
	a = port_open("netmap:ix0", 0);
	arrive("ix0", 0, 1);
	a->ops->rx_sync(a, 0);
	a->rx[0]->head = 100; /* beyond tail */
	a->ops->rx_sync(a, 0);
	is_lost(a, "the kernel set its ring anew");
	port_close(a);

	two_devices(1);
	a = port_open("netmap:ix0", 0);
	model_receive("ix0", MODEL_WIRE, 0, (const uint8_t[100]){0}, 100, 0);
	((struct mill_netmap *)a->backend)->n_bufs =
	    2; /* as if the other end of a pipe had named another buffer */
	a->ops->rx_sync(a, 0);
	is_lost(a, "a slot names no buffer");
	port_close(a);
	printf("ok a port whose rings are lost is told to be opened again\n");
}

/* --- adoption -------------------------------------------------------------------------------------------------- */

/* The engine dies here: its memory goes, the descriptors live on elsewhere. */
static struct mill_held_fd *die(struct mill_port *port)
{
	static struct mill_held_fd held[64];
	const uint32_t n = port->ops->held_fds(port, held, 63);
	held[n].fd = -1;
	mill_netmap_memory_put(((struct mill_netmap *)port->backend)->memory);
	return held;
}

static struct mill_port *adopt(struct mill_port *dead, struct mill_error *error)
{
	struct mill_port *heir = port_make(dead->config.spec, dead->config.slot);
	if (heir->ops->adopt(heir, die(dead), error))
		return heir;
	free(heir);
	return NULL;
}

static void adoption(void)
{
	uint32_t left;
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
	for (uint32_t i = 0; i < 90; i++)
		arrive("ix0", 0, i);
	a->ops->rx_sync(a, 0);
	struct mill_error error = {0};
	struct mill_port *a2 = adopt(a, &error), *b2 = adopt(b, &error);
	CHECK(a2 != NULL && b2 != NULL, "%s", error.text);
	CHECK(a2->rx_rings == 1 && a2->mtu == 1500 && a2->ops->inject != NULL, "not the same port");
	CHECK(forward(a2, 0, b2, 0) == 90, "packets that waited are lost");
	for (uint32_t i = 0; i < 90; i++)
		expect("ix1", 0, i, &left);
	no_violation();
	CHECK(a2->ops->inject(a2, (const uint8_t[64]){0}, 64), "the way to the host");
	port_close(a2);
	port_close(b2);
	printf("ok a dead engine's ports go on with what waited in them\n");
}

/* An exchange that ended after `to` got its buffer (0), or, in the other order, after `from` did (1). One buffer is in two
 * slots then, another in none. */
static void tear(struct netmap_slot *to, struct netmap_slot *from, uint32_t order)
{
	if (order == 0) {
		to->buf_idx = from->buf_idx;
		return;
	}
	from->buf_idx = to->buf_idx;
	from->flags = NS_BUF_CHANGED;
}

static void torn(uint32_t order, bool receiver_first)
{
	uint32_t left;
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
	for (uint32_t i = 0; i < 5; i++)
		arrive("ix0", 0, i);
	a->ops->rx_sync(a, 0);
	tear(&b->tx[0]->slot[b->tx[0]->head], &a->rx[0]->slot[a->rx[0]->head], order);
	struct mill_error error = {0};
	struct mill_port *b2 = receiver_first ? adopt(b, &error) : NULL, *a2 = adopt(a, &error);
	if (!receiver_first)
		b2 = adopt(b, &error);
	CHECK(a2 != NULL && b2 != NULL, "%s", error.text);
	forward(a2, 0, b2, 0);
	/* The packet of the torn exchange is sent if it is there still, and never what else is in its buffer. */
	for (uint32_t i = order == 0 && !receiver_first ? 0 : 1; i < 5; i++)
		expect("ix1", 0, i, &left);
	expect_nothing("ix1", 0);
	for (uint32_t i = 0; i < 200; i++) {
		arrive("ix0", 0, i);
		forward(a2, 0, b2, 0);
		no_violation();
	}
	port_close(a2);
	port_close(b2);
}

static void all_torn(void)
{
	for (uint32_t i = 0; i < 4; i++)
		torn(i & 1, i >= 2);
	printf("ok an exchange that a dead engine left half done is mended\n");
}

static void out_of_range(void)
{
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0);
	a->tx[0]->slot[5].buf_idx = MODEL_BUFS + 7;
	a->tx[0]->slot[6].buf_idx = 0;
	struct mill_error error = {0};
	struct mill_port *heir = adopt(a, &error);
	CHECK(heir != NULL, "%s", error.text);
	for (uint32_t i = 0; i < 300; i++) {
		arrive("ix0", 0, i);
		forward(heir, 0, heir, 0);
		no_violation();
	}
	port_close(heir);

	two_devices(1);
	model_options.extra_most = 1;
	a = port_open("netmap:ix0", 0);
	a->tx[0]->slot[5].buf_idx = a->tx[0]->slot[6].buf_idx = 0;
	CHECK(adopt(a, &error) == NULL && strstr(error.text, "cannot be mended") != NULL,
	      "adopted with a slot that has no buffer");
	CHECK(model_users("ix0") == 0, "it is open still");
	(void)model_violation();
	printf("ok slots that name no buffer get a spare one, or the port is not adopted\n");
}

static void kernels_slots(void)
{
	model_reset();
	model_device("x{1", 2, 1, 1, 0);
	struct mill_port *pipe = port_open("netmap:x{1", 0);
	/* In a pipe the kernel's slots are the other end's, and may name whatever they did before. */
	struct netmap_ring *rx = pipe->rx[0];
	rx->slot[50].buf_idx = pipe->tx[0]->slot[3].buf_idx;
	struct netmap_slot before[MODEL_SLOTS];
	memcpy(before, rx->slot, sizeof(before));
	struct mill_error error = {0};
	struct mill_port *heir = adopt(pipe, &error);
	CHECK(heir != NULL, "%s", error.text);
	CHECK(memcmp(before, heir->rx[0]->slot, sizeof(before)) == 0, "a slot of the kernel's was changed");
	CHECK(count_spares(heir) == MILL_NETMAP_SPARES, "a spare was used");
	heir->ops->close(heir);
	free(heir);
	printf("ok slots of the kernel's are left alone\n");
}

/* Without one of: rings, the host's rings (which may be absent), what the heir must know. */
static void adoption_refused(void)
{
	for (uint32_t missing = 0; missing < 3; missing += 2) {
		two_devices(1);
		struct mill_port *a = port_open("netmap:ix0", 0);
		struct mill_held_fd *held = die(a);
		struct mill_error error = {0};
		CHECK(held[0].fd >= 0 && held[1].fd >= 0 && held[2].fd >= 0 && held[3].fd < 0, "descriptors");
		if (missing == 0)
			mill_netmap_sys->close(held[0].fd);
		else
			close(held[2].fd);
		held[missing] = held[missing == 0 ? 2 : 3];
		held[2].fd = -1;
		struct mill_port *heir = port_make("netmap:ix0", 0);
		CHECK(!heir->ops->adopt(heir, held, &error) && strstr(error.text, "missing") != NULL,
		      "adopted without: %s", error.text);
		CHECK(model_users("ix0") == 0, "open still");
		free(heir);
	}
	printf("ok a port without all its descriptors is not adopted\n");
}

/* --- all --------------------------------------------------------------------------------------------------------- */

static int tests(void)
{
	CHECK(shell("set -e; for i in 0 1; do ip link add ix$i type veth peer name peer$i; ip link set ix$i "
	            "up; ip "
	            "link set peer$i up; done") == 0,
	      "veth");
	snprintf(rundir, sizeof(rundir), "/tmp/mill-nm-%d", (int)getpid());
	CHECK(shell("mkdir -p %s", rundir) == 0, "%s", rundir);
	keep_offloads(); /* before the first port */
	mill_netmap_sys = &model_sys;
	exchanges();
	copies();
	lets_go();
	speaks_all_versions();
	chains();
	full();
	only_its_rings();
	host_rings();
	hands_back();
	monitors();
	virtual_ports();
	refusals();
	exclusive();
	short_grants();
	offloads();
	stopped();
	lost();
	adoption();
	all_torn();
	out_of_range();
	kernels_slots();
	adoption_refused();
	shell("rm -rf %s", rundir);
	return 0;
}

int main(void)
{
	return spaces_run("ethtool", tests);
}
