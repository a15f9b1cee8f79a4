/*
 * sabotage: what an audit has to find, done from outside to processes that know nothing of it.
 *
 *   sabotage deafen PID            its netlink subscriptions hear of no route any more, and of no loss either
 *   sabotage route PID ADDRESS     the engine's lookup table leads this IPv4 address nowhere
 *   sabotage mac PID MAC           the engine's adjacencies to this neighbour get another one
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "netmill/fib.h"
#include "shm/fib_use.h"

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

static bool is_rtnetlink(int fd)
{
	int domain = 0, protocol = -1;
	socklen_t size = sizeof(domain);
	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_NETLINK &&
	       getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == NETLINK_ROUTE;
}

/* Messages of a subscription come one by one: nlmsg_type is at offset 4. */
static void deafen(int pid)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), 1, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	    BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
	};
	const struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
	const int process = (int)syscall(SYS_pidfd_open, pid, 0);
	int deaf = 0;
	if (process < 0)
		err(1, "pidfd_open");
	for (int number = 3; number < 256; number++) {
		const int fd = (int)syscall(SYS_pidfd_getfd, process, number, 0);
		if (fd >= 0 && is_rtnetlink(fd) &&
		    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0)
			deaf++;
		if (fd >= 0)
			close(fd);
	}
	if (deaf == 0)
		errx(1, "process %d has no netlink socket", pid);
}

static struct mill_fib *fib_of(int pid)
{
	char path[64], target[64];
	for (int number = 3; number < 256; number++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, number);
		const ssize_t n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = 0;
		if (strncmp(target, "/memfd:netmill-fib ", 19) != 0)
			continue;
		const int fd = open(path, O_RDWR);
		struct mill_fib_file head;
		if (fd < 0 || pread(fd, &head, sizeof(head), 0) != sizeof(head))
			err(1, "%s", path);
		const size_t size = head.first_place + 2 * head.place_bytes;
		uint8_t *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
		if (base == MAP_FAILED)
			err(1, "mmap %s", path);
		return (struct mill_fib *)(base + head.first_place + head.active * head.place_bytes);
	}
	errx(1, "process %d has no FIB", pid);
}

static void spoil_route(struct mill_fib *fib, const char *text)
{
	struct in_addr address;
	if (inet_pton(AF_INET, text, &address) != 1)
		errx(1, "expected an IPv4 address, got '%s'", text);
	uint16_t *root = (uint16_t *)((uint8_t *)fib + MILL_FIB_NARROW_ROOT4_OFFSET);
	uint8_t *near = (uint8_t *)fib + MILL_FIB_NEAR4_OFFSET;
	root[ntohl(address.s_addr) >> 8] = 0;
	near[ntohl(address.s_addr) >> 8] = 0;
}

static void spoil_mac(struct mill_fib *fib, const char *text)
{
	uint8_t mac[6];
	struct mill_adjacency *adjacency =
	    (struct mill_adjacency *)((uint8_t *)fib + MILL_FIB_ADJACENCY_OFFSET);
	int spoilt = 0;
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
	           &mac[5]) != 6)
		errx(1, "expected a MAC address, got '%s'", text);
	for (uint32_t i = 1; i < 4096; i++) {
		if (adjacency[i].kind == MILL_ADJ_FORWARD && memcmp(adjacency[i].rewrite, mac, 6) == 0) {
			adjacency[i].rewrite[5] ^= 0x55;
			spoilt++;
		}
	}
	if (spoilt == 0)
		errx(1, "no adjacency to %s", text);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		errx(64, "usage: sabotage deafen|route|mac PID [ADDRESS|MAC]");
	const int pid = atoi(argv[2]);
	if (strcmp(argv[1], "deafen") == 0)
		deafen(pid);
	else if (strcmp(argv[1], "route") == 0 && argc == 4)
		spoil_route(fib_of(pid), argv[3]);
	else if (strcmp(argv[1], "mac") == 0 && argc == 4)
		spoil_mac(fib_of(pid), argv[3]);
	else
		errx(64, "no such sabotage: %s", argv[1]);
	return 0;
}
