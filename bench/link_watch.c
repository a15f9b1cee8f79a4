/*
 * Follows a port of an engine and its device, in the device's namespace, looking every 100 us at real-time priority:
 *
 *   link-watch PID PORT DEVICE MILLISECONDS
 *
 * One JSON line when it begins, and one at the end, in nanoseconds of CLOCK_REALTIME: the last look before the kernel had
 * counted a loss of the device's carrier, and the first one after the engine had given the port its last packet, sent
 * or not. So the time between them is never too short.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "shm/state.h"

#define PAUSE_NS 100000

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int open_number(const char *device, const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "/sys/class/net/%s/%s", device, name);
	const int fd = open(path, O_RDONLY);
	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static uint64_t number(int fd)
{
	char text[32] = "";

	if (pread(fd, text, sizeof text - 1, 0) <= 0) {
		perror("a device's number");
		exit(1);
	}
	return strtoull(text, NULL, 10);
}

/* The memfd of the engine's state, among its descriptors. */
static const struct mill_state *state_of(const char *pid)
{
	char folder[64], path[320], target[64] = "";
	const struct dirent *entry;

	snprintf(folder, sizeof folder, "/proc/%s/fd", pid);
	DIR *all = opendir(folder);
	while (all && (entry = readdir(all))) {
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		const ssize_t n = readlink(path, target, sizeof target - 1);
		target[n > 0 ? n : 0] = 0;
		if (strncmp(target, "/memfd:netmill-state", 20) != 0)
			continue;
		const int fd = open(path, O_RDONLY);
		const void *p = mmap(NULL, sizeof(struct mill_state), PROT_READ, MAP_SHARED, fd, 0);
		if (fd >= 0 && p != MAP_FAILED)
			return p;
	}
	fprintf(stderr, "%s: no engine's state\n", folder);
	exit(1);
}

static const struct mill_port_state *port_of(const struct mill_state *state, const char *port)
{
	for (uint32_t slot = 0; slot < MILL_MAX_PORTS; slot++)
		if (strncmp(state->port_name[slot], port, MILL_NAME_SIZE) == 0)
			return &state->port[slot];
	fprintf(stderr, "%s: no such port\n", port);
	exit(1);
}

int main(int argc, char **argv)
{
	const struct sched_param priority = {.sched_priority = 2};
	const struct timespec pause = {0, PAUSE_NS};

	if (argc != 5) {
		fprintf(stderr, "usage: link-watch PID PORT DEVICE MILLISECONDS\n");
		return 2;
	}
	const struct mill_port_state *given_to = port_of(state_of(argv[1]), argv[2]);
	const int losses = open_number(argv[3], "carrier_down_count");
	if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0)
		perror("real-time priority");
	const uint64_t before = number(losses), end = now_ns() + strtoull(argv[4], NULL, 10) * 1000000u;
	uint64_t lost_at = 0, given = 0, given_at = 0;
	printf("{}\n");
	fflush(stdout);
	for (uint64_t now = now_ns(); now < end; now = now_ns()) {
		if (number(losses) == before)
			lost_at = now;
		const uint64_t count = mill_port_sum(given_to).tx_packets;
		if (count != given)
			given_at = now_ns();
		given = count;
		nanosleep(&pause, NULL);
	}
	if (number(losses) == before)
		lost_at = 0;
	printf("{\"lostNs\":%lu,\"givenNs\":%lu}\n", lost_at, given_at);
	return 0;
}
