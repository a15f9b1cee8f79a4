/* What a port takes for itself, and gives back. */
#include "netmap/bed.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

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
	model_options.slow_us = 50000; /* as of a device that is emulated, on a busy machine */
	const uint64_t start = test_now();
	CHECK(mill_netmap_register(&netmap->spec, &binding, &error) < 0 && error.code == EBUSY &&
	          strstr(error.text, "another program") != NULL,
	      "somebody else can take our rings: %s", error.text);
	const uint64_t took_ms = (test_now() - start) / 1000000;
	CHECK(took_ms >= 1900 && took_ms < 6000, "who has them was waited for %u ms", (unsigned)took_ms);
	model_options.slow_us = 0;
	port_close(second);
	printf("ok rings are opened exclusively\n");
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

void test_sharing(void)
{
	exclusive();
	short_grants();
	offloads();
}
