/*
 * What the daemon asks (shm/engine_control.h): a request is answered when it is done, and what it does is bounded.
 * Control thread only.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "engine.h"

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
	mill_daemon_answer(engine, request, &none, &reply, sizeof(reply));
	if (!engine->adopting)
		mill_hold_all(engine);
	mill_daemon_tell(engine, MILL_MSG_NOTICE_HELLO_DONE, NULL, 0, -1);
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
	mill_daemon_answer(engine, request, error, &found, sizeof(found));
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

void mill_request_serve(struct mill_engine *engine, const struct mill_msg *request, const int *fds,
                        uint32_t n_fds)
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
	mill_daemon_answer(engine, request, &error, NULL, 0);
	if (request->type == MILL_MSG_ADOPT_DONE && error.code == 0)
		mill_hold_all(engine);
}
