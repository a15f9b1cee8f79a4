/*
 * The connection to the daemon, and what goes out by it: answers and notices. What its socket does not take waits
 * (outbox.c). Without a daemon nothing is sent: a new one is told everything anyway. Control thread only.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "engine.h"
#include "os/events.h"
#include "os/system.h"

#define PATIENCE_MS 1000
#define SEND_BUFFER (1 << 20)

void mill_daemon_connect(struct mill_engine *engine, int fd)
{
	mill_daemon_forget(engine);
	mill_socket_send_room(fd, SEND_BUFFER);
	engine->daemon_fd = fd;
	mill_wait_add(engine->wait_fd, fd, MILL_READY_IN, MILL_READY_TAG(MILL_SOURCE_DAEMON, 0));
}

void mill_daemon_forget(struct mill_engine *engine)
{
	if (engine->daemon_fd >= 0)
		close(engine->daemon_fd);
	engine->daemon_fd = -1;
	mill_outbox_clear();
}

/* Waits for the socket to be writable as long as, and only when, something is to be sent. */
static void watch_output(struct mill_engine *engine)
{
	mill_wait_change(engine->wait_fd, engine->daemon_fd,
	                 mill_outbox_empty() ? MILL_READY_IN : MILL_READY_IN | MILL_READY_OUT,
	                 MILL_READY_TAG(MILL_SOURCE_DAEMON, 0));
}

static void give_up(struct mill_engine *engine)
{
	mill_log("control connection: %s", strerror(errno));
	mill_daemon_forget(engine);
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

void mill_daemon_send_waiting(struct mill_engine *engine)
{
	if (!mill_outbox_flush(engine->daemon_fd))
		give_up(engine);
	else if (mill_outbox_empty())
		watch_output(engine);
}

void mill_daemon_tell(struct mill_engine *engine, enum mill_msg_type type, const void *payload,
                      uint32_t length, int fd)
{
	struct mill_msg message = {.type = (uint16_t)type, .length = length};
	if (engine->daemon_fd < 0)
		return;
	if (length != 0)
		memcpy(message.payload, payload, length);
	send_message(engine, &message, fd);
}

void mill_daemon_answer(struct mill_engine *engine, const struct mill_msg *request,
                        const struct mill_error *error, const void *payload, uint32_t length)
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

void mill_daemon_leave(struct mill_engine *engine)
{
	if (engine->daemon_fd >= 0)
		mill_outbox_finish(engine->daemon_fd, PATIENCE_MS);
	mill_daemon_forget(engine);
}
