/*
 * What an XDP port says of packets for which nobody made room: each is received or dropped, and counted once.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "lib/engine_test.h"
#include "lib/spaces.h"
#include "tools/end.h"

#define FRAMES 6000 /* more than there are buffers to receive into */

static struct mill_region region;

static void flood(struct mill_end *end)
{
	static const uint8_t frame[60] = {[12] = 8};
	const int fd = socket(AF_PACKET, SOCK_RAW, 0);
	const struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("wire")};
	CHECK(fd >= 0, "%s", strerror(errno));
	for (uint32_t i = 0; i < FRAMES; i++) {
		mill_end_beat(end, test_now());
		CHECK(sendto(fd, frame, sizeof(frame), 0, (const struct sockaddr *)&to, sizeof(to)) ==
		          (ssize_t)sizeof(frame),
		      "%s", strerror(errno));
		if (i % 100 == 0)
			usleep(1000);
	}
	close(fd);
}

static void receive(struct mill_end *end)
{
	for (uint32_t i = 0; i < 100; i++) {
		mill_end_rx_sync(end, 0);
		end->rx[0]->head = end->rx[0]->cur = end->rx[0]->tail;
	}
}

static int run_tests(void)
{
	static struct mill_end end;
	struct mill_error error = {0};
	/* Without IPv6 the kernel has nothing to say by it. */
	CHECK(shell("ip link add left type veth peer name wire;"
	            "sysctl -qw net.ipv6.conf.left.disable_ipv6=1 net.ipv6.conf.wire.disable_ipv6=1;"
	            "ip link set left up && ip link set wire up") == 0,
	      "a device");
	CHECK(mill_end_region(&region, "xdp:left", NULL, 0, &error), "%s", error.text);
	CHECK(mill_end_open(&end, "xdp:left", &region, 0, NULL, &error), "%s", error.text);
	flood(&end);
	usleep(100000);
	mill_end_beat(&end, test_now());
	receive(&end);
	const struct mill_port_counters *counted = &end.state.ring[0];
	CHECK(counted->rx_dropped > 0 && counted->rx_packets + counted->rx_dropped == FRAMES,
	      "%u frames, got %llu and %llu dropped", FRAMES, (unsigned long long)counted->rx_packets,
	      (unsigned long long)counted->rx_dropped);
	mill_end_close(&end);
	printf("ok a frame that finds no buffer is counted once\n");
	return 0;
}

int main(void)
{
	return spaces_run("ethtool", run_tests);
}
