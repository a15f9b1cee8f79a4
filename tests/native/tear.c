/*
 * tear: kills a daemon in the middle of a batch.
 *
 *   tear ENGINE DAEMON AHEAD
 *
 * Says `ready` when it watches the engine's FIB queue, kills DAEMON as soon as that has written AHEAD records, and says as
 * JSON what it left: how many records are whole batches, how many behind them are torn, and the IPv4 prefixes of the whole
 * ones in their order, deletions with a minus sign. The queue has to be still before; nobody but the daemon writes behind
 * `committed`, so what is there can be marked as not yet written.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "shm/fib_queue.h"

#define UNWRITTEN   0xff
#define SECONDS_MAX 30

static struct mill_fib_queue *queue_of(int pid)
{
	char path[64], target[64];
	for (int number = 3; number < 256; number++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, number);
		const ssize_t n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = 0;
		if (strncmp(target, "/memfd:netmill-fib-queue ", 25) != 0)
			continue;
		const int fd = open(path, O_RDWR);
		void *queue =
		    mmap(NULL, sizeof(struct mill_fib_queue), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (fd < 0 || queue == MAP_FAILED)
			err(1, "%s", path);
		return queue;
	}
	errx(1, "process %d has no FIB queue", pid);
}

static struct mill_fib_record *at(struct mill_fib_queue *queue, uint64_t position)
{
	return &queue->record[position % MILL_FIB_RECORDS];
}

static uint8_t op_at(struct mill_fib_queue *queue, uint64_t position)
{
	return __atomic_load_n(&at(queue, position)->op, __ATOMIC_ACQUIRE);
}

static void die(int pidfd)
{
	struct pollfd dead = {.fd = pidfd, .events = POLLIN};
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) != 0)
		err(1, "killing the daemon");
	if (poll(&dead, 1, 10000) != 1)
		errx(1, "the daemon does not die");
}

static void tell(struct mill_fib_queue *queue, uint64_t start)
{
	const uint64_t committed = __atomic_load_n(&queue->committed, __ATOMIC_ACQUIRE);
	uint64_t end = committed;
	while (end - start < MILL_FIB_RECORDS - 2 && op_at(queue, end) != UNWRITTEN)
		end++;
	printf("{\"whole\":%llu,\"torn\":%llu,\"changes\":[", (unsigned long long)(committed - start),
	       (unsigned long long)(end - committed));
	const char *comma = "";
	for (uint64_t i = start; i != committed; i++) {
		const struct mill_fib_record *record = at(queue, i);
		char text[INET_ADDRSTRLEN];
		if ((record->op != MILL_FIB_ROUTE_SET && record->op != MILL_FIB_ROUTE_DEL) ||
		    record->family != 4)
			continue;
		inet_ntop(AF_INET, record->address, text, sizeof(text));
		printf("%s\"%s%s/%u\"", comma, record->op == MILL_FIB_ROUTE_DEL ? "-" : "", text,
		       record->length);
		comma = ",";
	}
	printf("]}\n");
}

int main(int argc, char **argv)
{
	if (argc != 4)
		errx(64, "usage: tear ENGINE DAEMON AHEAD");
	struct mill_fib_queue *queue = queue_of(atoi(argv[1]));
	const int pidfd = (int)syscall(SYS_pidfd_open, atoi(argv[2]), 0);
	const uint64_t start = __atomic_load_n(&queue->committed, __ATOMIC_ACQUIRE);
	const uint64_t ahead = strtoull(argv[3], NULL, 10);
	if (pidfd < 0)
		err(1, "process %s", argv[2]);
	if (ahead < 1 || ahead > MILL_FIB_RECORDS - 2 ||
	    __atomic_load_n(&queue->applied, __ATOMIC_ACQUIRE) != start)
		errx(1, "the queue is not still, or %s records are none or too many", argv[3]);
	for (uint64_t i = 0; i < MILL_FIB_RECORDS - 2; i++)
		at(queue, start + i)->op = UNWRITTEN;
	printf("ready\n");
	fflush(stdout);
	alarm(SECONDS_MAX);
	while (op_at(queue, start + ahead - 1) == UNWRITTEN)
		;
	die(pidfd);
	tell(queue, start);
	return 0;
}
