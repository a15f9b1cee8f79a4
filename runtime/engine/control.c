/*
 * The control thread: one loop over the control socket (shm/engine_control.h), signals, notices of other threads
 * and control events of ports. It alone changes what runs (requests.c). A slow daemon waits and a dead one is forgotten:
 * forwarding never knows.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "engine.h"
#include "os/events.h"
#include "os/system.h"

#define HEADER offsetof(struct mill_msg, payload)

static void watch(struct mill_engine *engine, int fd, enum mill_source source)
{
	mill_wait_add(engine->wait_fd, fd, MILL_READY_IN, MILL_READY_TAG(source, 0));
}

static uint32_t take_fds(struct msghdr *header, int *fds)
{
	uint32_t n = 0;
	for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control != NULL;
	     control = CMSG_NXTHDR(header, control)) {
		if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
			continue;
		n = (uint32_t)((control->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(control), n * sizeof(int));
	}
	return n;
}

static void receive(struct mill_engine *engine)
{
	struct mill_msg message;
	int fds[MILL_MSG_FDS];
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(fds))];
	struct iovec data = {.iov_base = &message, .iov_len = sizeof(message)};
	struct msghdr header = {
	    .msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	const ssize_t n = recvmsg(engine->daemon_fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* One that has nothing yet is in the way of others. */
		mill_log("the daemon is gone; %s",
		         engine->adopting ? "nothing was adopted: stopping" : "forwarding goes on");
		mill_daemon_forget(engine);
		engine->stopping = engine->stopping || engine->adopting;
		return;
	}
	const uint32_t n_fds = take_fds(&header, fds);
	if ((size_t)n < HEADER || message.length > MILL_MSG_PAYLOAD || (size_t)n < HEADER + message.length ||
	    (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		mill_log("control connection: a message of %zd bytes is not one of the protocol", n);
		mill_daemon_forget(engine);
	} else {
		mill_request_serve(engine, &message, fds, n_fds);
	}
	for (uint32_t i = 0; i < n_fds; i++)
		close(fds[i]);
}

static void accept_daemon(struct mill_engine *engine)
{
	uid_t uid = (uid_t)-1;
	const int fd = accept4(engine->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (!mill_peer_uid(fd, &uid) || (uid != 0 && uid != geteuid())) {
		mill_log("control connection: refused to uid %d", (int)uid);
		close(fd);
		return;
	}
	mill_daemon_connect(engine, fd);
}

bool mill_control_listen(struct mill_engine *engine, struct mill_error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/engine.sock", engine->rundir);
	if (n < 0 || (size_t)n >= sizeof(address.sun_path)) {
		mill_fail(error, ENAMETOOLONG, "%s/engine.sock: a socket's path has at most %zu bytes",
		          engine->rundir, sizeof(address.sun_path) - 1);
		return false;
	}
	engine->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const mode_t mask = umask(0177);
	unlink(address.sun_path);
	const bool ok = engine->listen_fd >= 0 &&
	                bind(engine->listen_fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	                listen(engine->listen_fd, 4) == 0;
	umask(mask);
	if (!ok) {
		mill_fail(error, errno, "%s: %s", address.sun_path, strerror(errno));
		return false;
	}
	watch(engine, engine->listen_fd, MILL_SOURCE_LISTEN);
	watch(engine, engine->notice_fd, MILL_SOURCE_NOTICE);
	return true;
}

/* A pipe's peer came or went: carrier of a port without a device. Or a port has lost its rings and is to be opened again. */
static void serve_port(struct mill_engine *engine, uint16_t slot)
{
	struct mill_port *port = engine->port[slot];
	if (port == NULL)
		return;
	const uint32_t before = port->state->flags & MILL_PORT_UP;
	mill_hold_port_control(engine, port);
	const uint32_t after = port->state->flags & MILL_PORT_UP;
	if (before != after) {
		if (engine->fib != NULL)
			mill_fib_port_down(engine->fib, slot, after == 0);
		mill_notice_links(engine, 1ull << slot);
	}
	if (port->ops->outdated != NULL && port->ops->outdated(port))
		mill_deploy_follow_devices(engine);
}

static void serve_signal(struct mill_engine *engine, int fd)
{
	const int number = mill_signals_take(fd);
	if (number == 0)
		return;
	mill_log("signal %d: stopping", number);
	mill_deploy_stop(engine);
	engine->stopping = true;
}

void mill_control_run(struct mill_engine *engine)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	const int signal_fd = mill_signals_open(&signals);
	watch(engine, signal_fd, MILL_SOURCE_SIGNAL);
	while (!engine->stopping) {
		struct mill_ready ready;
		if (mill_wait_for(engine->wait_fd, &ready, 1, -1) != 1)
			continue;
		switch ((enum mill_source)(ready.tag >> 32)) {
		case MILL_SOURCE_PORT:
			serve_port(engine, (uint16_t)ready.tag);
			break;
		case MILL_SOURCE_LISTEN:
			accept_daemon(engine);
			break;
		case MILL_SOURCE_DAEMON:
			if ((ready.what & MILL_READY_OUT) != 0)
				mill_daemon_send_waiting(engine);
			if ((ready.what & ~MILL_READY_OUT) != 0 && engine->daemon_fd >= 0)
				receive(engine);
			break;
		case MILL_SOURCE_NOTICE:
			mill_follow_notices(engine);
			break;
		case MILL_SOURCE_SIGNAL:
			serve_signal(engine, signal_fd);
			break;
		}
	}
	mill_daemon_leave(engine);
	close(engine->listen_fd);
	close(signal_fd);
}
