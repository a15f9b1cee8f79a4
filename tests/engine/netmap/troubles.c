/* Rings that are stopped, set anew or gone. */
#include "netmap/bed.h"
#include <poll.h>
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

void test_troubles(void)
{
	stopped();
	lost();
}
