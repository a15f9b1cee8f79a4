/*
 * netdev_linux.h: what serves the queues of a device: NAPI, which an interrupt wakes, and which runs in the softirq behind it or in a
 * thread of its own. Linux 6.8 tells, by the generic netlink family "netdev" (Documentation/netlink/specs/netdev.yaml):
 *
 *   queue-get   queue 2, receive → NAPI 261          drivers that say so
 *   napi-get    NAPI 261 → interrupt 41, thread 1234
 *
 * Where that says nothing of interrupts, their names may (netdev_names.c). Nothing is guessed: a wrong answer would move
 * another device's work. Control thread.
 */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "port/netdev_linux.h"

/* linux/netdev.h, which is younger than the headers that this is built with. */
#define FAMILY         "netdev"
#define QUEUE_GET      10
#define QUEUE_ID       1
#define QUEUE_IFINDEX  2
#define QUEUE_TYPE     3
#define QUEUE_NAPI     4
#define NAPI_GET       11
#define NAPI_IFINDEX   1
#define NAPI_ID        2
#define NAPI_IRQ       3
#define NAPI_THREAD    4
#define MAX_ATTRIBUTES 16
#define MAX_NAPIS      512u
#define ANSWER_SIZE    65536u

struct queue {
	uint32_t number, type, napi;
};
struct napi {
	uint32_t number, irq, thread;
};

struct told {
	uint32_t n_queues, n_receive, n_napis;
	bool by_queue; /* some queue named its NAPI */
	struct queue queue[2 * MILL_MAX_QUEUES];
	struct napi napi[MAX_NAPIS];
};

/* By type; 0 where there is none: no number that is asked for here is 0 but for a queue's and its type. */
struct attributes {
	uint32_t number[MAX_ATTRIBUTES];
};

/* --- generic netlink -------------------------------------------------------------------------------------------- */

static void read_attributes(const struct nlmsghdr *message, struct attributes *found)
{
	const size_t head = NLMSG_LENGTH(GENL_HDRLEN);
	memset(found, 0, sizeof(*found));
	for (size_t at = head; at + NLA_HDRLEN <= message->nlmsg_len;) {
		const struct nlattr *one = (const void *)((const uint8_t *)message + at);
		const size_t length = one->nla_len - (size_t)NLA_HDRLEN;
		const uint16_t type = one->nla_type & NLA_TYPE_MASK;
		if (one->nla_len < NLA_HDRLEN || at + one->nla_len > message->nlmsg_len)
			return;
		if (type < MAX_ATTRIBUTES && (length == 2 || length == 4))
			memcpy(&found->number[type], one + 1, length); /* little-endian */
		at += NLA_ALIGN(one->nla_len);
	}
}

static bool ask(int fd, uint16_t family, uint8_t command, uint16_t type, const void *value, uint16_t length,
                bool all)
{
	struct {
		struct nlmsghdr head;
		struct genlmsghdr command;
		struct nlattr attribute;
		uint8_t value[16];
	} question = {
	    .head = {.nlmsg_len = (uint32_t)(NLMSG_LENGTH(GENL_HDRLEN) + NLA_HDRLEN + NLA_ALIGN(length)),
	             .nlmsg_type = family,
	             .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | (all ? NLM_F_DUMP : NLM_F_ACK))},
	    .command = {.cmd = command, .version = 1},
	    .attribute = {.nla_type = type, .nla_len = (uint16_t)(NLA_HDRLEN + length)}};
	memcpy(question.value, value, length);
	return send(fd, &question, question.head.nlmsg_len, 0) == (ssize_t)question.head.nlmsg_len;
}

/* Each part of the answer. False, with errno: the kernel says that it cannot, or nothing. */
static bool hear(int fd, void (*take)(void *, const struct attributes *), void *into)
{
	_Alignas(struct nlmsghdr) static uint8_t buffer[ANSWER_SIZE];
	for (;;) {
		const ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		size_t left = (size_t)n;
		for (struct nlmsghdr *message = (void *)buffer; NLMSG_OK(message, left);
		     message = NLMSG_NEXT(message, left)) {
			struct attributes found;
			const int *code = NLMSG_DATA(message);
			if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
				errno = message->nlmsg_len < NLMSG_LENGTH(sizeof(*code)) ? 0 : -*code;
				return errno == 0;
			}
			read_attributes(message, &found);
			take(into, &found);
		}
	}
}

static void take_family(void *into, const struct attributes *found)
{
	*(uint16_t *)into = (uint16_t)found->number[CTRL_ATTR_FAMILY_ID];
}

static void take_queue(void *into, const struct attributes *found)
{
	struct told *told = into;
	const struct queue queue = {.number = found->number[QUEUE_ID],
	                            .type = found->number[QUEUE_TYPE],
	                            .napi = found->number[QUEUE_NAPI]};
	told->n_receive += queue.type == 0;
	told->by_queue |= queue.napi != 0;
	if (told->n_queues < sizeof(told->queue) / sizeof(told->queue[0]))
		told->queue[told->n_queues++] = queue;
}

static void take_napi(void *into, const struct attributes *found)
{
	struct told *told = into;
	if (told->n_napis < MAX_NAPIS)
		told->napi[told->n_napis++] = (struct napi){.number = found->number[NAPI_ID],
		                                            .irq = found->number[NAPI_IRQ],
		                                            .thread = found->number[NAPI_THREAD]};
}

/* 0, with errno: the kernel has none. */
static uint16_t family_number(int fd)
{
	uint16_t number = 0;
	const bool ok =
	    ask(fd, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, FAMILY, sizeof(FAMILY), false) &&
	    hear(fd, take_family, &number);
	return ok ? number : 0;
}

static bool ask_all(uint32_t ifindex, struct told *told)
{
	const struct timeval patience = {.tv_sec = 1};
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (fd < 0)
		return false;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	const uint16_t family = family_number(fd);
	const bool ok = family != 0 &&
	                ask(fd, family, QUEUE_GET, QUEUE_IFINDEX, &ifindex, sizeof(ifindex), true) &&
	                hear(fd, take_queue, told) &&
	                ask(fd, family, NAPI_GET, NAPI_IFINDEX, &ifindex, sizeof(ifindex), true) &&
	                hear(fd, take_napi, told);
	close(fd);
	return ok;
}

/* --- what follows from that ------------------------------------------------------------------------------------- */

static void add(struct mill_servers *servers, uint32_t queue, const struct napi *napi)
{
	if (servers->n < MILL_MAX_SERVERS && (napi->irq != 0 || napi->thread != 0))
		servers->server[servers->n++] =
		    (struct mill_server){.queue = queue, .irq = napi->irq, .thread = napi->thread};
}

static int by_number(const void *a, const void *b)
{
	const uint32_t left = ((const struct napi *)a)->number, right = ((const struct napi *)b)->number;
	return (left > right) - (left < right);
}

static bool is_veth(const char *ifname)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	return mill_netdev_ethtool(ifname, &info) == 0 && strcmp(info.driver, "veth") == 0;
}

/* One NAPI is that of the one queue; veth, which says nothing of queues, makes one for each in turn. Of others it is known only
 * that they are the device's. */
static void add_unnamed(const char *ifname, struct told *told, struct mill_servers *servers)
{
	const bool in_turn = told->n_napis == told->n_receive && (told->n_napis == 1 || is_veth(ifname));
	qsort(told->napi, told->n_napis, sizeof(told->napi[0]), by_number);
	for (uint32_t i = 0; i < told->n_napis; i++)
		add(servers, in_turn ? i : MILL_ANY_QUEUE, &told->napi[i]);
}

static void add_named(const struct told *told, struct mill_servers *servers)
{
	for (uint32_t q = 0; q < told->n_queues; q++)
		for (uint32_t i = 0; told->queue[q].napi != 0 && i < told->n_napis; i++)
			if (told->napi[i].number == told->queue[q].napi)
				add(servers, told->queue[q].number, &told->napi[i]);
}

static bool has_interrupts(const struct mill_servers *servers)
{
	for (uint32_t i = 0; i < servers->n; i++)
		if (servers->server[i].irq != 0)
			return true;
	return false;
}

static bool is_up(const char *ifname)
{
	struct ifreq ifr = {0};
	return mill_netdev_request(ifname, SIOCGIFFLAGS, &ifr) == 0 && (ifr.ifr_flags & IFF_UP) != 0;
}

bool mill_netdev_servers(const struct mill_netdev *device, uint32_t n_queues, struct mill_servers *servers)
{
	struct told *told = calloc(1, sizeof(*told));
	memset(servers, 0, sizeof(*servers));
	if (told == NULL || !is_up(device->ifname)) {
		free(told);
		return false;
	}
	servers->asked = ask_all(device->ifindex, told);
	if (servers->asked && told->by_queue)
		add_named(told, servers);
	else if (servers->asked)
		add_unnamed(device->ifname, told, servers);
	free(told);
	if (!has_interrupts(servers))
		mill_netdev_named_interrupts(device, n_queues, servers);
	return true;
}
