/* Which rings a spec names, and what is no spec. */
#include "netmap/bed.h"
#include <errno.h>
#include <string.h>

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
		CHECK(model_has_ring("ix0", MODEL_HOST, true, 0) &&
		          !model_has_ring("ix0", MODEL_HOST, false, 0),
		      "the kernel sends by the wire itself");
		arrive("ix0", 3, 1);
		queue->ops->rx_sync(queue, 0);
		CHECK(mill_ring_space(queue->rx[0]) == 1, "nothing came");
		queue->rx[0]->head = queue->rx[0]->cur = queue->rx[0]->tail;
		port_close(queue);
	}
	model_device("ix1", 1, 3, 1, 1);
	struct mill_port *more = port_open("netmap:ix1", 1); /* more to send by than to receive from */
	CHECK(more->rx_rings == 1 && more->tx_rings == 3 && more->tx[2] != NULL, "rings");
	port_close(more);
	printf("ok no ring but those of the spec is opened or touched\n");
}

static void steering(void)
{
	char text[512];
	model_reset();
	model_device("ix0", 1, 4, 4, 1);
	model_device("ix1", 1, 1, 1, 1);
	struct mill_port *queue = port_open("netmap:ix0-2/R", 0), *only = port_open("netmap:ix1~0", 1);
	mill_netmap_steering(queue, text, sizeof(text));
	CHECK(strstr(text, "ethtool -X ix0 weight 1 1 0 1;") != NULL &&
	          strstr(text, "ethtool -N ix0 flow-type udp4 dst-port 53 action 2") != NULL,
	      "%s", text);
	mill_netmap_steering(only, text, sizeof(text));
	CHECK(strstr(text, "all that it receives") != NULL && strstr(text, "ethtool -L ix1") != NULL, "%s",
	      text);
	port_close(queue);
	port_close(only);
	printf("ok how flows are steered to a single queue is told with the device's own numbers\n");
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
	CHECK(bed.state[1].ifindex == 0 && host->rx_rings == 1, "host rings stand for no device");
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

/* Two of three packets go to the host from their slots, one to the wire; then a ring of a port without a host. */
static void transparent(void)
{
	uint8_t frame[2048];
	uint16_t length;
	uint32_t left;
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
	struct netmap_ring *rx = a->rx[0];
	for (uint32_t i = 0; i < 300; i++) {
		arrive("ix0", 0, i);
		a->ops->rx_sync(a, 0);
		if (i % 3 == 0) {
			CHECK(forward(a, 0, b, 0) == 1, "packet %u", i);
			expect("ix1", 0, i, &left);
		} else {
			CHECK(a->ops->pass_up(a, 0, &rx->slot[rx->cur]), "packet %u stays", i);
			rx->head = rx->cur = mill_ring_next(rx, rx->cur);
			a->ops->rx_sync(a, 0);
			CHECK(model_sent("ix0", MODEL_HOST, 0, frame, &length, &left) && length == 100 &&
			          frame[99] == (uint8_t)i,
			      "packet %u has not reached the host", i);
		}
		CHECK(!model_sent("ix0", MODEL_HOST, 0, frame, &length, &left), "packet %u twice", i);
		no_violation();
	}
	CHECK(!a->ops->pass_up(a, 0, &(struct netmap_slot){.len = 13}), "what is no frame was passed up");
	port_close(a);
	port_close(b);
	model_reset();
	model_device("vale0:a", 2, 1, 1, 0);
	struct mill_port *vale = port_open("netmap:vale0:a", 0);
	CHECK(!vale->ops->pass_up(vale, 0, &(struct netmap_slot){.len = 60}), "there is no host behind it");
	port_close(vale);
	printf("ok what goes to the host whole stays in its slot, marked\n");
}

/* The next frame that a monitor sees has that number. */
static void sees(struct mill_port *monitor, uint32_t number)
{
	struct netmap_ring *rx = monitor->rx[0];
	CHECK(rx->cur != rx->tail, "frame %u is not seen", number);
	const uint8_t *frame = mill_ring_buffer(rx, &rx->slot[rx->cur]);
	CHECK(rx->slot[rx->cur].len == 100 && memcmp(frame + 14, &number, sizeof(number)) == 0 &&
	          frame[99] == (uint8_t)number,
	      "something else than frame %u is seen", number);
	rx->head = rx->cur = mill_ring_next(rx, rx->cur);
}

/* What of `i`, which comes to ix0, and `i` + 5000, which leaves it, a monitor sees: the first, the second, both. */
static void monitor(const char *spec, bool received, bool sent)
{
	uint32_t left;
	two_devices(1);
	CHECK(refused(spec, "must be open in netmap mode") == EINVAL, "code");
	struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
	struct mill_port *sight = port_open(spec, 2);
	CHECK(sight->tx_rings == 0 && sight->rx_rings == 1 && bed.state[2].ifindex == 0 &&
	          sight->ops->inject(sight, (const uint8_t[60]){0}, 60) == false,
	      "a monitor only receives");
	for (uint32_t i = 0; i < 300; i++) {
		arrive("ix0", 0, i);
		forward(a, 0, b, 0);
		expect("ix1", 0, i, &left);
		arrive("ix1", 0, i + 5000);
		forward(b, 0, a, 0);
		expect("ix0", 0, i + 5000, &left);
		sight->ops->rx_sync(sight, 0);
		if (received)
			sees(sight, i);
		if (sent)
			sees(sight, i + 5000);
		CHECK(sight->rx[0]->cur == sight->rx[0]->tail, "more is seen of frame %u", i);
		no_violation();
	}
	port_close(sight);
	arrive("ix0", 0, 7);
	CHECK(forward(a, 0, b, 0) == 1, "nothing comes after the monitor's end");
	port_close(a);
	port_close(b);
}

static void monitors(void)
{
	monitor("netmap:ix0/r", true, false);
	monitor("netmap:ix0/t", false, true);
	monitor("netmap:ix0/rt", true, true);
	monitor("netmap:ix0/tz", false, true);
	struct mill_netmap_spec spec;
	struct mill_error error = {0};
	struct mill_port_config config = {.name = "p", .spec = "netmap:ix0/z"};
	CHECK(mill_netmap_spec_parse(&config, &spec, &error) &&
	          spec.monitor == (NR_ZCOPY_MON | NR_MONITOR_RX | NR_MONITOR_TX),
	      "zero-copy monitor");
	printf("ok monitors see what another port receives, sends, or both\n");
}

static void virtual_ports(void)
{
	uint32_t left;
	model_reset();
	model_device("vale0:a", 2, 1, 1, 0);
	model_device("x{1", 2, 1, 1, 0);
	struct mill_port *vale = port_open("netmap:vale0:a", 0), *pipe = port_open("netmap:x{1", 1);
	CHECK(bed.state[0].ifindex == 0 && (bed.state[0].mac[0] & 3) == 2 && vale->mtu == 1500 &&
	          (bed.state[0].flags & MILL_PORT_UP) != 0,
	      "a port without a device");
	CHECK(memcmp(bed.state[0].mac, bed.state[1].mac, 6) != 0, "two ports with one address");
	arrive("vale0:a", 0, 4);
	forward(vale, 0, pipe, 0);
	expect("x{1", 0, 4, &left);
	CHECK(!vale->ops->inject(vale, (const uint8_t[64]){0}, 64), "there is no host behind it");
	port_close(vale);
	port_close(pipe);
	printf("ok VALE ports and pipes\n");
}

static void refusals(void)
{
	two_devices(1);
	model_device("vale0:wide", 1, 18, 18, 0);
	model_device("peer0", 1, 1, 1, 5);
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
	CHECK(refused("netmap:peer0", "5 host rings, and netmill serves 4") == E2BIG, "code");
	CHECK(refused("netmap:ix0", "!fallback 'kernel'") == EOPNOTSUPP, "code");
	for (uint16_t api = 0; api <= 14; api += 14) {
		model_options.api = api; /* the older requests say nothing of buffers */
		CHECK(shell("ip link set ix0 mtu 2027") == 0, "mtu");
		CHECK(refused("netmap:ix0", "echo 2112 > /sys/module/netmap/parameters/buf_size") == EMSGSIZE,
		      "code");
		CHECK(shell("ip link set ix0 mtu 16001") == 0, "mtu");
		CHECK(refused("netmap:ix0", "at most 16000: ip link set ix0 mtu 16000") == EMSGSIZE, "code");
		CHECK(model_users("ix0") == 0, "a refused port is open");
	}
	CHECK(shell("ip link set ix0 mtu 2026") == 0, "mtu");
	port_close(port_open("netmap:ix0", 0));
	CHECK(shell("ip link set ix0 mtu 1500") == 0, "mtu");
	model_reset();
	model_options.buffer_size = 1984;
	model_device("ix0", 1, 1, 1, 1);
	CHECK(refused("netmap:ix0", "buf_size") == EMSGSIZE, "code");
	CHECK(model_users("ix0") == 0, "a refused port is open");
	same_offloads();
	printf("ok what cannot be opened is refused with what to do\n");
}

void test_rings(void)
{
	only_its_rings();
	steering();
	host_rings();
	hands_back();
	transparent();
	monitors();
	virtual_ports();
	refusals();
}
