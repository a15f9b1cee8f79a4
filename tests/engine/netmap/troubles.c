/* Rings that are stopped, set anew or gone. */
#include "netmap/bed.h"
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

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
	CHECK(mill_ring_space(port->tx[0]) == port->tx[0]->num_slots - 1, "%s: packets wait to be sent", why);
}

/* The model has told what was done to it here. */
static void close_lost(struct mill_port *port)
{
	(void)model_violation();
	port->ops->close(port);
	free(port);
	(void)model_violation();
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

	for (uint32_t from = 0; from < 2; from++) {
		two_devices(1);
		a = port_open("netmap:ix0", 0);
		arrive("ix0", 0, 1);
		a->rx[0]->slot[0].buf_idx = from == 0 ? 1 : MODEL_BUFS; /* by the other end of a pipe */
		a->ops->rx_sync(a, 0);
		is_lost(a, "a slot names no buffer");
		close_lost(a);
	}
	printf("ok a port whose rings are lost is told to be opened again\n");
}

/* Of the same name, with another number. */
static void other_device(void)
{
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0);
	CHECK(!a->ops->outdated(a), "the device is the same");
	((struct mill_netmap *)a->backend)->shared->ifindex += 1000;
	CHECK(a->ops->outdated(a), "another device is taken for it");
	port_close(a);
}

static void lost_in_sending(void)
{
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0);
	a->tx[0]->head = a->tx[0]->cur = MODEL_SLOTS;
	a->ops->tx_sync(a, 0);
	is_lost(a, "the kernel set its TX ring anew");
	close_lost(a);

	for (uint32_t tx = 0; tx < 2; tx++) {
		two_devices(1);
		model_device("x{1", 2, 1, 1, 0);
		a = port_open("netmap:x{1", 0);
		model_options.wild_tail = MODEL_SLOTS;
		if (tx != 0) {
			a->tx[0]->slot[0].len = 60;
			a->tx[0]->head = a->tx[0]->cur = 1;
			a->ops->tx_sync(a, 0);
			CHECK(mill_ring_space(a->tx[0]) == MODEL_SLOTS - 1, "a tail that is never reached");
		} else {
			a->ops->rx_sync(a, 0);
		}
		is_lost(a, "a tail out of range");
		close_lost(a);
	}
	two_devices(1);
	a = port_open("netmap:ix0", 0);
	model_options.wild_tail = MODEL_SLOTS;
	a->ops->rx_arm(a, 0);
	CHECK(a->tx[0]->head == 0, "the host's slots went to the wire");
	is_lost(a, "the tail of a host ring out of range");
	close_lost(a);
	printf("ok rings that the kernel has not believed, or whose tail is out of range, are not used\n");
}

/* What the host hands over is looked at before the wire gets it; what is injected waits for a ring with room. */
static void host_rings_in_trouble(void)
{
	static uint8_t frame[4096];
	uint16_t length;
	uint32_t left;
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0);
	model_receive("ix0", MODEL_HOST, 0, frame, 1500, NS_MOREFRAG);
	model_receive("ix0", MODEL_HOST, 0, frame, 3000, 0); /* longer than its buffer */
	model_receive("ix0", MODEL_HOST, 0, frame, 77, 0);
	a->ops->rx_arm(a, 0);
	CHECK(model_sent("ix0", MODEL_WIRE, 0, frame, &length, &left) && length == 77, "%u bytes", length);
	expect_nothing("ix0", 0);
	CHECK(!a->ops->inject(a, frame, 13) && !a->ops->inject(a, frame, 2049), "what is no frame was taken");
	no_violation();

	model_options.stopped = UINT32_MAX;
	for (uint32_t i = 0; i < 3 * MODEL_SLOTS; i++)
		CHECK(!a->ops->inject(a, frame, 64), "taken by a ring that is stopped");
	model_options.stopped = 0;
	CHECK(a->ops->inject(a, frame, 65), "not taken");
	CHECK(!a->ops->outdated(a), "its ring is lost");
	port_close(a);

	for (uint32_t wrong = 1; wrong <= MODEL_BUFS; wrong += MODEL_BUFS - 1) {
		two_devices(1);
		a = port_open("netmap:ix0", 0);
		struct netmap_ring *from = ((struct mill_netmap *)a->backend)->host_rx[0];
		model_receive("ix0", MODEL_HOST, 0, frame, 64, 0);
		from->slot[0].buf_idx = wrong;
		a->ops->rx_arm(a, 0);
		CHECK(a->tx[0]->head == 0 && from->slot[0].buf_idx == wrong, "buffer %u went to the wire",
		      wrong);
		close_lost(a);
	}
	printf("ok what the host's rings bring is looked at\n");
}

void test_troubles(void)
{
	stopped();
	lost();
	other_device();
	lost_in_sending();
	host_rings_in_trouble();
}
