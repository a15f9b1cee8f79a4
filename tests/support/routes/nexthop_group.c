/*
 * nexthop-group ID MEMBER WEIGHT [MEMBER WEIGHT…]: makes or replaces a group of nexthop objects with weights to 65535, which
 * Linux knows since 6.11 and iproute2 of 2023 does not. Exit code 77: the kernel has no such weights.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MOST 8

struct member { /* struct nexthop_grp of Linux 6.11 */
	uint32_t id;
	uint8_t weight, weight_high;
	uint16_t reserved;
};

struct request {
	struct nlmsghdr head;
	struct nhmsg nexthop;
	struct rtattr about_id;
	uint32_t id;
	struct rtattr about_group;
	struct member member[MOST];
};

static int answer(int fd)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[512];
	} reply;
	if (recv(fd, &reply, sizeof reply, 0) < (ssize_t)sizeof reply.head + 4 ||
	    reply.head.nlmsg_type != NLMSG_ERROR)
		return EPROTO;
	return -reply.error.error;
}

int main(int argc, char **argv)
{
	const int n = (argc - 2) / 2;
	struct request request = {0};
	if (argc < 4 || argc % 2 != 0 || n > MOST) {
		fputs("usage: nexthop-group ID MEMBER WEIGHT [MEMBER WEIGHT…]\n", stderr);
		return 64;
	}
	for (int i = 0; i < n; i++) {
		const unsigned weight = (unsigned)atoi(argv[3 + 2 * i]) - 1;
		request.member[i] = (struct member){.id = (uint32_t)atoi(argv[2 + 2 * i]),
		                                    .weight = (uint8_t)weight,
		                                    .weight_high = (uint8_t)(weight >> 8)};
	}
	request.about_id = (struct rtattr){.rta_len = RTA_LENGTH(4), .rta_type = NHA_ID};
	request.id = (uint32_t)atoi(argv[1]);
	request.about_group =
	    (struct rtattr){.rta_len = (unsigned short)RTA_LENGTH((unsigned)n * sizeof request.member[0]),
	                    .rta_type = NHA_GROUP};
	request.head =
	    (struct nlmsghdr){.nlmsg_len = (uint32_t)(offsetof(struct request, member) +
	                                              (unsigned)n * sizeof request.member[0]),
	                      .nlmsg_type = RTM_NEWNEXTHOP,
	                      .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE};
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0 || send(fd, &request, request.head.nlmsg_len, 0) < 0)
		return perror("nexthop-group"), 1;
	const int error = answer(fd);
	if (error != 0)
		fprintf(stderr, "nexthop-group: %s\n", strerror(error));
	return error == 0 ? 0 : error == EINVAL ? 77 : 1;
}
