/*
 * Both sides of the guard of guard.h: what the engine's control thread asks, and the process that answers. The guard
 * is this same program, started anew (fork and exec, so that it shares nothing with the engine but what it is sent).
 */
#include "host/guard.h"
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include "guard_wire.h"
#include "port/port.h"

#define MAX_GUARDED       MILL_MAX_PORTS
#define LINGER_MS         500  /* with nothing to hold */
#define LOOK_MS           2000 /* how often the guard looks whether its links' devices still exist */
#define ATTEMPTS          3
#define START_PATIENCE_US 2000000

/* --- the engine's side ---------------------------------------------------------------------------------- */

static void close_all(const struct mill_guarded *fds)
{
	const int list[MILL_GUARD_FDS] = {fds->link, fds->program, fds->map};
	for (int i = 0; i < MILL_GUARD_FDS; i++)
		if (list[i] >= 0)
			close(list[i]);
}

static bool ask(const char *rundir, enum mill_guard_op what, uint32_t ifindex,
                const struct mill_guarded *give, struct mill_guarded *get)
{
	struct mill_guard_message message = {.op = what, .ifindex = ifindex};
	struct mill_guarded came = {-1, -1, -1};
	const int fd = mill_guard_socket(rundir, false);
	if (fd < 0)
		return false;
	const bool ok =
	    mill_guard_send(fd, &message, give) && mill_guard_receive(fd, &message, &came) && message.op == 1;
	close(fd);
	if (ok && get != NULL && came.link >= 0)
		*get = came;
	else
		close_all(&came);
	return ok && (get == NULL || came.link >= 0);
}

/* A grandchild, so that nobody has to wait for it. Between fork and exec only what signal handlers may do. */
static bool start_guard(const char *rundir)
{
	char *const arguments[] = {"netmill-guard", "--guard", (char *)(uintptr_t)rundir, NULL};
	const pid_t child = fork();
	if (child == 0) {
		setsid();
		if (fork() == 0) {
			execv("/proc/self/exe", arguments);
			_exit(EX_OSERR);
		}
		_exit(EX_OK);
	}
	return child > 0 && waitpid(child, NULL, 0) == child;
}

bool mill_guard_hold(const char *rundir, uint32_t ifindex, const struct mill_guarded *fds,
                     struct mill_error *error)
{
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		if (ask(rundir, MILL_GUARD_HOLD, ifindex, fds, NULL))
			return true;
		if (!start_guard(rundir))
			break;
		for (int waited = 0; waited < START_PATIENCE_US; waited += 2000) {
			if (ask(rundir, MILL_GUARD_HOLD, ifindex, fds, NULL))
				return true;
			usleep(2000);
		}
	}
	mill_fail(error, EAGAIN,
	          "the guard that keeps ports with fallback 'drop' closed does not start in %s: %s; see the "
	          "engine's log",
	          rundir, strerror(errno));
	return false;
}

bool mill_guard_take(const char *rundir, uint32_t ifindex, struct mill_guarded *fds)
{
	return ask(rundir, MILL_GUARD_TAKE, ifindex, NULL, fds);
}

void mill_guard_drop(const char *rundir, uint32_t ifindex)
{
	(void)ask(rundir, MILL_GUARD_DROP, ifindex, NULL, NULL);
}

/* --- the guard ------------------------------------------------------------------------------------------ */

struct guard {
	uint32_t n;
	uint32_t ifindex[MAX_GUARDED];
	struct mill_guarded held[MAX_GUARDED];
};

static int find(const struct guard *guard, uint32_t ifindex)
{
	for (uint32_t i = 0; i < guard->n; i++)
		if (guard->ifindex[i] == ifindex)
			return (int)i;
	return -1;
}

static void forget(struct guard *guard, int i)
{
	if (i < 0)
		return;
	close_all(&guard->held[i]);
	guard->n--;
	guard->held[i] = guard->held[guard->n];
	guard->ifindex[i] = guard->ifindex[guard->n];
}

static bool hold(struct guard *guard, uint32_t ifindex, const struct mill_guarded *fds)
{
	if (fds->link < 0 || (find(guard, ifindex) < 0 && guard->n == MAX_GUARDED))
		return false;
	const int known = find(guard, ifindex);
	const uint32_t i = known >= 0 ? (uint32_t)known : guard->n++;
	if (known >= 0)
		close_all(&guard->held[i]); /* the new link lives already, or is the same */
	guard->ifindex[i] = ifindex;
	guard->held[i] = *fds;
	return true;
}

static bool trusted(int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static void answer(struct guard *guard, int fd)
{
	struct mill_guard_message message;
	struct mill_guarded came;
	const struct mill_guarded *give = NULL;
	if (!mill_guard_receive(fd, &message, &came) || !trusted(fd)) {
		close_all(&came);
		return;
	}
	const int known = find(guard, message.ifindex);
	bool yes = known >= 0;
	if (message.op == MILL_GUARD_HOLD) {
		yes = hold(guard, message.ifindex, &came);
		if (yes)
			came = (struct mill_guarded){-1, -1, -1};
	} else if (message.op == MILL_GUARD_TAKE && yes) {
		give = &guard->held[known];
	} else if (message.op == MILL_GUARD_DROP) {
		forget(guard, known);
	}
	close_all(&came);
	message.op = yes;
	(void)mill_guard_send(fd, &message, give);
}

/* Links of devices that are gone, or that somebody detached, guard nothing. */
static void forget_dead(struct guard *guard)
{
	for (int i = (int)guard->n - 1; i >= 0; i--) {
		struct bpf_link_info info = {0};
		uint32_t length = sizeof(info);
		if (bpf_obj_get_info_by_fd(guard->held[i].link, &info, &length) == 0 && info.xdp.ifindex == 0)
			forget(guard, i);
	}
}

static bool sole(const char *rundir)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/guard.lock", rundir);
	const int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0; /* as long as the process lives */
}

int mill_guard_main(const char *rundir)
{
	struct guard guard = {.n = 0};
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	prctl(PR_SET_NAME, "netmill-guard");
	/* Nobody shall wait for the end of a pipe that we have only inherited. */
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (!sole(rundir))
		return EX_TEMPFAIL;
	const int listener = mill_guard_socket(rundir, true);
	if (listener < 0) {
		fprintf(stderr, "netmill-guard: %s/guard.sock: %s\n", rundir, strerror(errno));
		return EX_OSERR;
	}
	do {
		struct pollfd ready = {.fd = listener, .events = POLLIN};
		if (poll(&ready, 1, guard.n == 0 ? LINGER_MS : LOOK_MS) > 0) {
			const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			const struct timeval patience = {.tv_sec = 1};
			if (fd >= 0) {
				(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
				answer(&guard, fd);
				close(fd);
			}
		} else {
			forget_dead(&guard);
			if (guard.n == 0)
				break;
		}
	} while (true);
	char path[4096];
	snprintf(path, sizeof(path), "%s/guard.sock", rundir);
	unlink(path);
	return EX_OK;
}
