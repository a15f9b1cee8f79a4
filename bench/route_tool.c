/*
 * Routes into the kernel of the namespace that it runs in, as fast as the kernel takes them: messages are made
 * beforehand, sent in datagrams of many, and the last of each is acknowledged. One command a line, one JSON line back.
 *
 *   load SET FILE               makes messages of lines `PREFIX GATEWAY` or `PREFIX #NEXTHOP_ID`
 *   add|replace|del SET [N]     sends the first N (all) of a set; how many, how many failed, and nanoseconds
 *   change PREFIX GATEWAY       replaces one; when (CLOCK_REALTIME) it was sent
 *   record FILE                 from now on what the kernel tells its listeners of it goes into a file,
 *                               after a dump of links, addresses and neighbours
 *   recorded                    closes it; how many messages
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#define SETS     8
#define DATAGRAM 65536u

struct set {
	char *bytes; /* messages, one after the other */
	size_t used, room;
	uint64_t n;
};

static struct set sets[SETS];
static struct mnl_socket *kernel, *listener;
static FILE *record;
static uint64_t recorded, failed;
static uint32_t sequence;

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct mnl_socket *open_socket(void)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

	if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		perror("netlink");
		exit(1);
	}
	return socket;
}

/* --- messages --------------------------------------------------------------------------------------------------- */

static bool put_route(char *at, char *prefix, const char *way)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(at);
	struct rtmsg *header = mnl_nlmsg_put_extra_header(message, sizeof *header);
	char *slash = strchr(prefix, '/');
	uint8_t address[16], gateway[16];

	header->rtm_family = strchr(prefix, ':') ? AF_INET6 : AF_INET;
	const size_t size = header->rtm_family == AF_INET ? 4 : 16;
	if (!slash)
		return false;
	*slash = 0;
	header->rtm_dst_len = (unsigned char)atoi(slash + 1);
	header->rtm_table = RT_TABLE_MAIN;
	header->rtm_protocol = RTPROT_BGP;
	header->rtm_type = RTN_UNICAST;
	if (inet_pton(header->rtm_family, prefix, address) != 1)
		return false;
	mnl_attr_put(message, RTA_DST, size, address);
	if (*way == '#') {
		mnl_attr_put_u32(message, RTA_NH_ID, (uint32_t)atoi(way + 1));
		return true;
	}
	if (inet_pton(header->rtm_family, way, gateway) != 1)
		return false;
	mnl_attr_put(message, RTA_GATEWAY, size, gateway);
	return true;
}

static const char *load(struct set *set, const char *path)
{
	FILE *file = fopen(path, "r");
	char prefix[64], way[64];

	if (!file)
		return "cannot open the file";
	set->used = set->n = 0;
	while (fscanf(file, "%63s %63s", prefix, way) == 2) {
		if (set->room - set->used < 256) {
			set->room = set->room ? 2 * set->room : 1 << 20;
			set->bytes = realloc(set->bytes, set->room);
		}
		if (!put_route(set->bytes + set->used, prefix, way)) {
			fclose(file);
			return "a line is no route";
		}
		set->used += MNL_ALIGN(((struct nlmsghdr *)(set->bytes + set->used))->nlmsg_len);
		set->n++;
	}
	fclose(file);
	return NULL;
}

/* --- listening -------------------------------------------------------------------------------------------------- */

/* Each message with its header, as it came; they say how long they are. */
static void write_messages(const char *buffer, ssize_t got)
{
	int left = (int)got;

	for (const struct nlmsghdr *m = (const void *)buffer; mnl_nlmsg_ok(m, left);
	     m = mnl_nlmsg_next(m, &left)) {
		if (m->nlmsg_type < RTM_BASE)
			continue;
		fwrite(m, 1, MNL_ALIGN(m->nlmsg_len), record);
		recorded++;
	}
}

static const char *listen_more(void)
{
	static char buffer[DATAGRAM];

	for (;;) {
		const ssize_t got = recv(mnl_socket_get_fd(listener), buffer, sizeof buffer, MSG_DONTWAIT);
		if (got < 0)
			return errno == EAGAIN ? NULL : "the kernel dropped messages";
		write_messages(buffer, got);
	}
}

static bool is_end(const char *buffer, ssize_t got)
{
	int left = (int)got;

	for (const struct nlmsghdr *m = (const void *)buffer; mnl_nlmsg_ok(m, left);
	     m = mnl_nlmsg_next(m, &left))
		if (m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR)
			return true;
	return false;
}

static void record_dump(uint16_t type)
{
	static char buffer[DATAGRAM];
	struct mnl_socket *socket = open_socket();
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	memset(mnl_nlmsg_put_extra_header(request, 16), 0, 16);
	mnl_socket_sendto(socket, request, request->nlmsg_len);
	for (ssize_t got;;) {
		got = mnl_socket_recvfrom(socket, buffer, sizeof buffer);
		if (got <= 0)
			break;
		write_messages(buffer, got);
		if (is_end(buffer, got))
			break;
	}
	mnl_socket_close(socket);
}

static const char *start_record(const char *path)
{
	static const int groups[] = {RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE};
	int bytes = 1 << 30;

	record = fopen(path, "w");
	if (!record)
		return "cannot write the file";
	recorded = 0;
	listener = open_socket();
	setsockopt(mnl_socket_get_fd(listener), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
	for (unsigned i = 0; i < 2; i++)
		mnl_socket_setsockopt(listener, NETLINK_ADD_MEMBERSHIP, (void *)&groups[i], sizeof groups[i]);
	record_dump(RTM_GETLINK);
	record_dump(RTM_GETADDR);
	record_dump(RTM_GETNEIGH);
	return NULL;
}

static const char *end_record(void)
{
	mnl_socket_close(listener);
	listener = NULL;
	return fclose(record) == 0 ? NULL : "the file is not whole";
}

/* --- sending ---------------------------------------------------------------------------------------------------- */

/* Refusals on the way to the acknowledgement of the last message are counted. */
static const char *await(uint32_t last)
{
	static char buffer[DATAGRAM];

	for (;;) {
		const ssize_t got = mnl_socket_recvfrom(kernel, buffer, sizeof buffer);
		int left = (int)got;
		if (got < 0)
			return "no answer from the kernel";
		for (struct nlmsghdr *m = (void *)buffer; mnl_nlmsg_ok(m, left);
		     m = mnl_nlmsg_next(m, &left)) {
			if (m->nlmsg_type != NLMSG_ERROR)
				continue;
			failed += ((struct nlmsgerr *)mnl_nlmsg_get_payload(m))->error != 0;
			if (m->nlmsg_seq == last)
				return NULL;
		}
	}
}

static const char *send_all(char *bytes, size_t size, uint16_t type, uint16_t flags, uint64_t n)
{
	const char *end = bytes + size;

	failed = 0;
	while (bytes < end && n > 0) {
		char *begin = bytes;
		struct nlmsghdr *last = NULL;
		for (; bytes < end && n > 0; n--) {
			struct nlmsghdr *message = (struct nlmsghdr *)bytes;
			if (bytes + message->nlmsg_len - begin > DATAGRAM / 2)
				break;
			message->nlmsg_type = type;
			message->nlmsg_flags = flags;
			message->nlmsg_seq = ++sequence;
			bytes += MNL_ALIGN(message->nlmsg_len);
			last = message;
		}
		last->nlmsg_flags |= NLM_F_ACK;
		if (mnl_socket_sendto(kernel, begin, (size_t)(bytes - begin)) < 0)
			return "the kernel took no message";
		const char *failure = await(sequence);
		if (!failure && listener)
			failure = listen_more();
		if (failure)
			return failure;
	}
	return NULL;
}

static const char *order(const char *verb, const struct set *set, uint64_t n)
{
	const uint16_t create = NLM_F_REQUEST | NLM_F_CREATE;

	if (!strcmp(verb, "add"))
		return send_all(set->bytes, set->used, RTM_NEWROUTE, create | NLM_F_EXCL, n);
	if (!strcmp(verb, "replace"))
		return send_all(set->bytes, set->used, RTM_NEWROUTE, create | NLM_F_REPLACE, n);
	if (!strcmp(verb, "del"))
		return send_all(set->bytes, set->used, RTM_DELROUTE, NLM_F_REQUEST, n);
	return "no such command";
}

static const char *run(char *line, uint64_t *count, uint64_t *ns)
{
	char verb[16] = "", first[256] = "", second[256] = "", message[256];

	sscanf(line, "%15s %255s %255s", verb, first, second);
	if (!strcmp(verb, "change")) {
		if (!put_route(message, first, second))
			return "change: PREFIX GATEWAY";
		*ns = clock_ns(CLOCK_REALTIME);
		return send_all(message, ((struct nlmsghdr *)message)->nlmsg_len, RTM_NEWROUTE,
		                NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE, *count = 1);
	}
	if (!strcmp(verb, "record"))
		return start_record(first);
	if (!strcmp(verb, "recorded")) {
		const char *failure = end_record();
		*count = recorded;
		return failure;
	}
	struct set *set = &sets[(unsigned)atoi(first) % SETS];
	if (!strcmp(verb, "load")) {
		const char *failure = load(set, second);
		*count = set->n;
		return failure;
	}
	*count = *second ? strtoull(second, NULL, 0) : set->n;
	const uint64_t begin = clock_ns(CLOCK_MONOTONIC);
	const char *failure = order(verb, set, *count);
	*ns = clock_ns(CLOCK_MONOTONIC) - begin;
	return failure;
}

int main(void)
{
	char line[512];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	kernel = open_socket();
	while (fgets(line, sizeof line, stdin)) {
		uint64_t count = 0, ns = 0;
		failed = 0;
		const char *failure = run(line, &count, &ns);
		if (failure)
			printf("{\"ok\":false,\"error\":\"%s\"}\n", failure);
		else
			printf("{\"ok\":true,\"count\":%lu,\"failed\":%lu,\"ns\":%lu}\n", count, failed, ns);
	}
	return 0;
}
