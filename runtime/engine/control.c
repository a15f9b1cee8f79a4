/*
 * The control thread: one loop over the control socket (shm/engine_control.h), signals, notices of other threads
 * and control events of ports. It alone changes what runs; a request is answered when it is done, and what it does is
 * bounded, so a slow daemon waits and a dead one is forgotten: forwarding never knows.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "engine.h"
#include "os/events.h"
#include "os/system.h"

#define HEADER      offsetof(struct mill_msg, payload)
#define PATIENCE_MS 1000
#define SEND_BUFFER (1 << 20)

/* tags: what << 32 | port slot */
enum source { SOURCE_PORT = 1, SOURCE_LISTEN, SOURCE_DAEMON, SOURCE_NOTICE, SOURCE_SIGNAL };

static void watch(struct mill_engine *engine, int fd, enum source source)
{
	mill_wait_add(engine->wait_fd, fd, MILL_READY_IN, (uint64_t)source << 32);
}

static void forget_daemon(struct mill_engine *engine)
{
	if (engine->daemon_fd >= 0)
		close(engine->daemon_fd);
	engine->daemon_fd = -1;
	mill_outbox_clear();
}

/* --- messages out --------------------------------------------------------------------------------------- */

/* Waits for the socket to be writable as long as, and only when, something is to be sent. */
static void watch_output(struct mill_engine *engine)
{
	mill_wait_change(engine->wait_fd, engine->daemon_fd,
	                 mill_outbox_empty() ? MILL_READY_IN : MILL_READY_IN | MILL_READY_OUT,
	                 (uint64_t)SOURCE_DAEMON << 32);
}

static void give_up(struct mill_engine *engine)
{
	mill_log("control connection: %s", strerror(errno));
	forget_daemon(engine);
}

static void send_message(struct mill_engine *engine, const struct mill_msg *message, int fd)
{
	if (engine->daemon_fd < 0)
		return;
	const bool was_empty = mill_outbox_empty();
	if (!mill_outbox_send(engine->daemon_fd, message, fd))
		give_up(engine);
	else if (was_empty && !mill_outbox_empty())
		watch_output(engine);
}

static void send_waiting(struct mill_engine *engine)
{
	if (!mill_outbox_flush(engine->daemon_fd))
		give_up(engine);
	else if (mill_outbox_empty())
		watch_output(engine);
}

void mill_control_notify(struct mill_engine *engine, enum mill_msg_type type, const void *payload,
                         uint32_t length, int fd)
{
	struct mill_msg message = {.type = (uint16_t)type, .length = length};
	if (engine->daemon_fd < 0)
		return;
	if (length != 0)
		memcpy(message.payload, payload, length);
	send_message(engine, &message, fd);
}

static void answer(struct mill_engine *engine, const struct mill_msg *request, const struct mill_error *error,
                   const void *payload, uint32_t length)
{
	struct mill_msg message = {.type = request->type, .serial = request->serial, .length = length};
	if (error->code != 0) {
		message.error = error->code;
		message.length = (uint32_t)strlen(error->text) + 1;
		memcpy(message.payload, error->text, message.length);
	} else if (length != 0) {
		memcpy(message.payload, payload, length);
	}
	send_message(engine, &message, -1);
}

/* --- requests ------------------------------------------------------------------------------------------- */

static void hello(struct mill_engine *engine, const struct mill_msg *request)
{
	const struct mill_error none = {0};
	const struct mill_hello reply = {
	    .abi = MILL_ABI_VERSION,
	    .adopting = engine->adopting,
	    .pid = (uint64_t)getpid(),
	    .running = engine->running != NULL ? engine->running->number : 0,
	    .retained = {engine->retained[0] != NULL ? engine->retained[0]->number : 0,
	                 engine->retained[1] != NULL ? engine->retained[1]->number : 0},
	};
	answer(engine, request, &none, &reply, sizeof(reply));
	if (!engine->adopting)
		mill_hold_all(engine);
	mill_control_notify(engine, MILL_MSG_NOTICE_HELLO_DONE, NULL, 0, -1);
}

static bool expect(const struct mill_msg *request, uint32_t length, uint32_t n_fds, uint32_t fds,
                   struct mill_error *error)
{
	if (request->length == length && n_fds == fds)
		return true;
	mill_fail(error, EINVAL, "message %u: expected %u bytes and %u descriptors, got %u and %u",
	          request->type, length, fds, request->length, n_fds);
	return false;
}

static void lookup(struct mill_engine *engine, const struct mill_msg *request, struct mill_error *error)
{
	struct mill_lookup ask;
	struct mill_lookup_answer found = {0};
	memcpy(&ask, request->payload, sizeof(ask));
	if (engine->fib == NULL || !mill_fib_thread_lookup(engine->fib, &ask, &found))
		mill_fail(error, EINVAL, "the compiled FIB cannot look that up");
	answer(engine, request, error, &found, sizeof(found));
}

static void commit(struct mill_engine *engine, const struct mill_msg *request, struct mill_error *error)
{
	struct mill_commit wish;
	memcpy(&wish, request->payload, sizeof(wish));
	if (mill_deploy_commit(engine, &wish, error))
		mill_hold_generations(engine);
}

static void discard(struct mill_engine *engine, const struct mill_msg *request, struct mill_error *error)
{
	struct mill_commit wish;
	memcpy(&wish, request->payload, sizeof(wish));
	mill_deploy_discard(engine, wish.generation, error);
}

static void set_iface(struct mill_engine *engine, const struct mill_msg *request, struct mill_error *error)
{
	struct mill_iface_update update;
	memcpy(&update, request->payload, sizeof(update));
	mill_iface_update(engine, &update, error);
}

static void set_neighbour(struct mill_engine *engine, const struct mill_msg *request,
                          struct mill_error *error)
{
	struct mill_neighbour_change change;
	memcpy(&change, request->payload, sizeof(change));
	mill_own_change(engine, &change, error);
}

static void want_neighbour(struct mill_engine *engine, const struct mill_msg *request,
                           struct mill_error *error)
{
	struct mill_resolve wish;
	memcpy(&wish, request->payload, sizeof(wish));
	mill_own_ask_for(engine, &wish, error);
}

static void set_acl(struct mill_engine *engine, const struct mill_msg *request)
{
	uint32_t enabled;
	memcpy(&enabled, request->payload, sizeof(enabled));
	__atomic_store_n(&engine->state->acl_enabled, enabled != 0, __ATOMIC_RELEASE);
}

static void drop_set(struct mill_engine *engine, const struct mill_msg *request, struct mill_error *error)
{
	char name[MILL_NAME_SIZE];
	memcpy(name, request->payload, sizeof(name));
	name[sizeof(name) - 1] = '\0';
	mill_set_drop(engine, name, error);
}

static void adopt(struct mill_engine *engine, const struct mill_msg *request, int fd,
                  struct mill_error *error)
{
	struct mill_hold hold;
	memcpy(&hold, request->payload, sizeof(hold));
	mill_adopt_take(engine, &hold, fd, error);
}

/* While it waits to adopt, an engine has no state to change. */
static bool allowed(const struct mill_engine *engine, uint16_t type, struct mill_error *error)
{
	const bool adoption = type == MILL_MSG_ADOPT || type == MILL_MSG_ADOPT_DONE;
	if (type == MILL_MSG_HELLO || type == MILL_MSG_STOP || adoption == engine->adopting)
		return true;
	mill_fail(error, EBUSY,
	          engine->adopting ? "the engine waits for descriptors to adopt"
	                           : "the engine was not started to adopt, or has done so");
	return false;
}

static void serve(struct mill_engine *engine, const struct mill_msg *request, const int *fds, uint32_t n_fds)
{
	struct mill_error error = {0};
	const bool ok = allowed(engine, request->type, &error);
	switch (ok ? request->type : 0) {
	case 0:
		break;
	case MILL_MSG_HELLO:
		hello(engine, request);
		return;
	case MILL_MSG_PREPARE:
		if (expect(request, 0, n_fds, 2, &error))
			mill_deploy_prepare(engine, fds[0], fds[1], &error);
		break;
	case MILL_MSG_COMMIT:
		if (expect(request, sizeof(struct mill_commit), n_fds, 0, &error))
			commit(engine, request, &error);
		break;
	case MILL_MSG_DISCARD:
		if (expect(request, sizeof(struct mill_commit), n_fds, 0, &error))
			discard(engine, request, &error);
		break;
	case MILL_MSG_SET_IFACE:
		if (expect(request, sizeof(struct mill_iface_update), n_fds, 0, &error))
			set_iface(engine, request, &error);
		break;
	case MILL_MSG_SET_NEIGHBOUR:
		if (expect(request, sizeof(struct mill_neighbour_change), n_fds, 0, &error))
			set_neighbour(engine, request, &error);
		break;
	case MILL_MSG_WANT_NEIGHBOUR:
		if (expect(request, sizeof(struct mill_resolve), n_fds, 0, &error))
			want_neighbour(engine, request, &error);
		break;
	case MILL_MSG_SET_ACL:
		if (expect(request, sizeof(uint32_t), n_fds, 0, &error))
			set_acl(engine, request);
		break;
	case MILL_MSG_SET_PUT:
		if (expect(request, 0, n_fds, 1, &error))
			mill_set_put(engine, fds[0], &error);
		break;
	case MILL_MSG_SET_DROP:
		if (expect(request, MILL_NAME_SIZE, n_fds, 0, &error))
			drop_set(engine, request, &error);
		break;
	case MILL_MSG_LOOKUP:
		if (!expect(request, sizeof(struct mill_lookup), n_fds, 0, &error))
			break;
		lookup(engine, request, &error);
		return;
	case MILL_MSG_STOP:
		mill_deploy_stop(engine);
		engine->stopping = true;
		break;
	case MILL_MSG_ADOPT:
		if (expect(request, sizeof(struct mill_hold), n_fds, 1, &error))
			adopt(engine, request, fds[0], &error);
		break;
	case MILL_MSG_ADOPT_DONE:
		mill_adopt_finish(engine, &error);
		break;
	default:
		mill_fail(&error, ENOSYS, "message %u is none that this engine knows", request->type);
	}
	/* Of interfaces the daemon speaks before the generation that has them runs. */
	if (error.code != 0 && (request->type != MILL_MSG_SET_IFACE || error.code != ENOENT))
		mill_log("message %u: %s", request->type, error.text);
	answer(engine, request, &error, NULL, 0);
	if (request->type == MILL_MSG_ADOPT_DONE && error.code == 0)
		mill_hold_all(engine);
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
		mill_log("the daemon is gone; forwarding goes on");
		forget_daemon(engine);
		return;
	}
	const uint32_t n_fds = take_fds(&header, fds);
	if ((size_t)n < HEADER || message.length > MILL_MSG_PAYLOAD || (size_t)n < HEADER + message.length ||
	    (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		mill_log("control connection: a message of %zd bytes is not one of the protocol", n);
		forget_daemon(engine);
	} else {
		serve(engine, &message, fds, n_fds);
	}
	for (uint32_t i = 0; i < n_fds; i++)
		close(fds[i]);
}

/* --- connections ---------------------------------------------------------------------------------------- */

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
	mill_socket_send_room(fd, SEND_BUFFER);
	forget_daemon(engine);
	engine->daemon_fd = fd;
	watch(engine, fd, SOURCE_DAEMON);
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
	watch(engine, engine->listen_fd, SOURCE_LISTEN);
	watch(engine, engine->notice_fd, SOURCE_NOTICE);
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
	watch(engine, signal_fd, SOURCE_SIGNAL);
	while (!engine->stopping) {
		struct mill_ready ready;
		if (mill_wait_for(engine->wait_fd, &ready, 1, -1) != 1)
			continue;
		switch ((enum source)(ready.tag >> 32)) {
		case SOURCE_PORT:
			serve_port(engine, (uint16_t)ready.tag);
			break;
		case SOURCE_LISTEN:
			accept_daemon(engine);
			break;
		case SOURCE_DAEMON:
			if ((ready.what & MILL_READY_OUT) != 0)
				send_waiting(engine);
			if ((ready.what & ~MILL_READY_OUT) != 0 && engine->daemon_fd >= 0)
				receive(engine);
			break;
		case SOURCE_NOTICE:
			mill_notices_serve(engine);
			break;
		case SOURCE_SIGNAL:
			serve_signal(engine, signal_fd);
			break;
		}
	}
	if (engine->daemon_fd >= 0)
		mill_outbox_finish(engine->daemon_fd, PATIENCE_MS);
	forget_daemon(engine);
	close(engine->listen_fd);
	close(signal_fd);
}
