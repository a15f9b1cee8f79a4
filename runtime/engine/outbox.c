/*
 * Messages to the daemon that its socket does not take yet: a FIFO, sent when the socket is writable again, so that a
 * stopped or slow daemon never holds up the control thread and loses nothing but what is asked again anyway. (The
 * kernel queues only a few messages of a SEQPACKET socket: net.unix.max_dgram_qlen.) Control thread only.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "engine.h"

#define HEADER      offsetof(struct mill_msg, payload)
#define MAX_WAITING 4096u

struct letter {
	struct letter *next;
	int fd;                  /* own duplicate, or -1 */
	struct mill_msg message; /* cut off after its payload */
};

static struct letter *first, **last = &first;
static uint32_t waiting;

static void drop_first(void)
{
	struct letter *letter = first;
	first = letter->next;
	if (first == NULL)
		last = &first;
	if (letter->fd >= 0)
		close(letter->fd);
	free(letter);
	waiting--;
}

static bool send_now(int to, const struct mill_msg *message, int fd)
{
	struct iovec data = {.iov_base = (void *)(uintptr_t)message, .iov_len = HEADER + message->length};
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {0};
	struct msghdr header = {.msg_iov = &data, .msg_iovlen = 1};
	if (fd >= 0) {
		header.msg_control = room;
		header.msg_controllen = sizeof(room);
		struct cmsghdr *control = CMSG_FIRSTHDR(&header);
		control->cmsg_level = SOL_SOCKET;
		control->cmsg_type = SCM_RIGHTS;
		control->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(control), &fd, sizeof(int));
	}
	return sendmsg(to, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static bool try_again(void)
{
	return errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ETOOMANYREFS;
}

static bool keep(const struct mill_msg *message, int fd)
{
	struct letter *letter = waiting < MAX_WAITING
	                            ? malloc(offsetof(struct letter, message) + HEADER + message->length)
	                            : NULL;
	if (letter == NULL)
		return false;
	letter->next = NULL;
	letter->fd = fd >= 0 ? dup(fd) : -1;
	memcpy(&letter->message, message, HEADER + message->length);
	if (fd >= 0 && letter->fd < 0) {
		free(letter);
		return false;
	}
	*last = letter;
	last = &letter->next;
	waiting++;
	return true;
}

bool mill_outbox_send(int to, const struct mill_msg *message, int fd)
{
	if (first == NULL && send_now(to, message, fd))
		return true;
	if (first == NULL && !try_again())
		return false;
	/* Who still wants that neighbour asks again in a second. */
	return message->type == MILL_MSG_NOTICE_RESOLVE || keep(message, fd);
}

bool mill_outbox_flush(int to)
{
	while (first != NULL) {
		if (!send_now(to, &first->message, first->fd))
			return try_again();
		drop_first();
	}
	return true;
}

void mill_outbox_finish(int to, int timeout_ms)
{
	struct pollfd wait = {.fd = to, .events = POLLOUT};
	while (first != NULL && poll(&wait, 1, timeout_ms) == 1 && mill_outbox_flush(to))
		;
}

bool mill_outbox_empty(void)
{
	return first == NULL;
}

void mill_outbox_clear(void)
{
	while (first != NULL)
		drop_first();
}
