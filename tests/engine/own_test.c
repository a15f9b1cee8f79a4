/* Interfaces without a face in the kernel: own/bed.h. */
#include "own/bed.h"

int main(void)
{
	static const char *const specs[] = {"pipe:a", "pipe:b", "pipe:c", "pipe:d"};
	engine_start(&bed.engine);
	struct mill_config *config = config_make(1, 4, specs);
	config->iface[0].host = config->iface[1].host = MILL_HOST_NONE;
	config->iface[0].n_addresses = 3;
	config->iface[0].address[0] = (struct mill_address){4, 24, {0}, {10, 0, 1, 1}};
	config->iface[0].address[1] = (struct mill_address){6, 64, {0}, {0xfd, 1, [15] = 1}};
	config->iface[0].address[2] = (struct mill_address){6, 64, {0}, {0xfd, 1, [15] = 2}};
	config->iface[1].n_addresses = 1;
	config->iface[1].address[0] = (struct mill_address){4, 24, {0}, {10, 0, 2, 1}};
	bed.deployed_ns = test_now();
	engine_deploy(&bed.engine, config, "forwarder_route");
	free(config);
	feed_open(&bed.feed, &bed.engine);
	pipe_connect(&bed.engine, &bed.a, "a");
	pipe_connect(&bed.engine, &bed.b, "b");
	test_verification();
	test_announcements();
	test_arp();
	test_resolving();
	test_discovery();
	test_listening();
	test_icmp();
	test_malformed();
	engine_stop(&bed.engine);
	return 0;
}
