/* Messages between engine and guard, with descriptors (unix(7), SCM_RIGHTS). Any thread. */
#include "guard_wire.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

union control {
	struct cmsghdr header;
	uint8_t bytes[CMSG_SPACE(MILL_GUARD_FDS * sizeof(int))];
};

bool mill_guard_send(int socket, const struct mill_guard_message *message, const struct mill_guarded *fds)
{
	struct iovec data = {.iov_base = (void *)(uintptr_t)message, .iov_len = sizeof(*message)};
	struct msghdr out = {.msg_iov = &data, .msg_iovlen = 1};
	union control control = {0};
	if (fds != NULL) {
		const int list[MILL_GUARD_FDS] = {fds->link, fds->program, fds->map};
		control.header = (struct cmsghdr){
		    .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(list))};
		memcpy(CMSG_DATA(&control.header), list, sizeof(list));
		out.msg_control = &control;
		out.msg_controllen = sizeof(control);
	}
	return sendmsg(socket, &out, MSG_NOSIGNAL) == (ssize_t)sizeof(*message);
}

bool mill_guard_receive(int socket, struct mill_guard_message *message, struct mill_guarded *fds)
{
	struct iovec data = {.iov_base = message, .iov_len = sizeof(*message)};
	union control control = {0};
	struct msghdr in = {
	    .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	*fds = (struct mill_guarded){-1, -1, -1};
	const ssize_t n = recvmsg(socket, &in, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *header = n >= 0 ? CMSG_FIRSTHDR(&in) : NULL;
	if (header != NULL && header->cmsg_type == SCM_RIGHTS) {
		int list[MILL_GUARD_FDS];
		const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(list, CMSG_DATA(header),
		       (count < MILL_GUARD_FDS ? count : MILL_GUARD_FDS) * sizeof(int));
		if (count == MILL_GUARD_FDS)
			*fds = (struct mill_guarded){list[0], list[1], list[2]};
		else
			for (size_t i = 0; i < count && i < MILL_GUARD_FDS; i++)
				close(list[i]);
	}
	return n == (ssize_t)sizeof(*message);
}

int mill_guard_socket(const char *rundir, bool listens)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int dir = open(rundir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/guard.sock", dir);
	bool ok = dir >= 0 && fd >= 0;
	if (ok && listens) {
		unlink(address.sun_path);
		const mode_t mask = umask(0177);
		ok = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 16) == 0;
		umask(mask);
	} else if (ok) {
		const struct timeval patience = {.tv_sec = 2};
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		ok = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	}
	const int code = errno;
	if (dir >= 0)
		close(dir);
	if (!ok && fd >= 0)
		close(fd);
	errno = code;
	return ok ? fd : -1;
}
