/*
 * route-storm INTERFACE GATEWAY CHANGES SEED: adds and deletes of IPv4 routes as fast as the kernel takes them, many
 * messages in one sendmsg and none acknowledged. Each change is of a random /24 of 32.0.0.0/4: one that is there goes, one that
 * is not comes. At the end one line: {"added":N,"deleted":N,"left":N,"refused":N,"seconds":S}.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FIRST   0x20000000u
#define PLACES  (1u << 20)
#define AT_ONCE 512u /* messages */

struct change {
	struct nlmsghdr head;
	struct rtmsg route;
	struct rtattr to;
	uint32_t prefix;
	struct rtattr by;
	uint32_t gateway;
	struct rtattr out;
	uint32_t interface;
};

static uint8_t there[PLACES];

static void fail(const char *what)
{
	fprintf(stderr, "route-storm: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* xorshift64*, S. Vigna. */
static uint64_t draw(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull;
}

static void describe(struct change *change, bool add, uint32_t place, uint32_t gateway, uint32_t interface)
{
	const struct rtattr head = {.rta_len = RTA_LENGTH(4)};
	memset(change, 0, sizeof *change);
	change->head.nlmsg_len = sizeof *change;
	change->head.nlmsg_type = add ? RTM_NEWROUTE : RTM_DELROUTE;
	change->head.nlmsg_flags = NLM_F_REQUEST | (add ? NLM_F_CREATE | NLM_F_EXCL : 0);
	change->route.rtm_family = AF_INET;
	change->route.rtm_dst_len = 24;
	change->route.rtm_table = RT_TABLE_MAIN;
	change->route.rtm_protocol = RTPROT_STATIC;
	change->route.rtm_type = RTN_UNICAST;
	change->to = change->by = change->out = head;
	change->to.rta_type = RTA_DST;
	change->prefix = htonl(FIRST + (place << 8));
	change->by.rta_type = RTA_GATEWAY;
	change->gateway = gateway;
	change->out.rta_type = RTA_OIF;
	change->interface = interface;
}

static uint64_t count_refusals(int fd)
{
	char buffer[8192];
	uint64_t count = 0;
	while (recv(fd, buffer, sizeof buffer, MSG_DONTWAIT) > 0 || errno == ENOBUFS)
		count++;
	return count;
}

int main(int argc, char **argv)
{
	static struct change changes[AT_ONCE];
	uint64_t done[2] = {0}, refused = 0, state;
	struct in_addr gateway;
	struct timespec begin, end;
	if (argc != 5 || inet_pton(AF_INET, argv[2], &gateway) != 1) {
		fputs("usage: route-storm INTERFACE GATEWAY CHANGES SEED\n", stderr);
		return 64;
	}
	const uint32_t interface = if_nametoindex(argv[1]);
	uint64_t left = strtoull(argv[3], NULL, 10);
	state = strtoull(argv[4], NULL, 10) * 0x9e3779b97f4a7c15ull + 1;
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const int size = 1 << 20;
	if (interface == 0 || fd < 0)
		fail(interface == 0 ? argv[1] : "socket");
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (left > 0) {
		uint32_t n = 0;
		for (; n < AT_ONCE && left > 0; n++, left--) {
			const uint32_t place = (uint32_t)(draw(&state) >> 44);
			there[place] ^= 1;
			done[there[place]]++;
			describe(&changes[n], there[place], place, gateway.s_addr, interface);
		}
		if (send(fd, changes, n * sizeof changes[0], 0) < 0)
			fail("send");
		refused += count_refusals(fd);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("{\"added\":%llu,\"deleted\":%llu,\"left\":%llu,\"refused\":%llu,\"seconds\":%.3f}\n",
	       (unsigned long long)done[1], (unsigned long long)done[0],
	       (unsigned long long)(done[1] - done[0]), (unsigned long long)refused,
	       (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
	return 0;
}
