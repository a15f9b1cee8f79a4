/*
 * netmill-engine --rundir DIR [--adopt] [--buffers N] [--buffer-bytes N] [--name NAME]
 * netmill-engine --guard DIR (host/guard.h; started by the engine itself)
 *
 * Opens ports, runs workers, loads generations of the forwarder; knows nothing of policies. Started by the daemon,
 * outlives it, and is told what to do through DIR/engine.sock (shm/engine_control.h). One engine per DIR.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>
#include "engine.h"
#include "host/guard.h"
#include "os/events.h"
#include "os/threads.h"

#define LOCK_PATIENCE_NS (2 * MILL_NS_PER_S)

struct options {
	const char *rundir, *name;
	bool adopt;
	uint32_t buffers, buffer_size;
};

static bool parse(int argc, char **argv, struct options *options)
{
	static const struct option known[] = {
	    {"rundir", required_argument, NULL, 'r'},  {"adopt", no_argument, NULL, 'a'},
	    {"buffers", required_argument, NULL, 'b'}, {"buffer-bytes", required_argument, NULL, 's'},
	    {"name", required_argument, NULL, 'n'},    {NULL, 0, NULL, 0}};
	*options = (struct options){.buffers = MILL_DEFAULT_BUFS, .buffer_size = MILL_BUF_SIZE};
	for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		char *end = NULL;
		if (c == 'r')
			options->rundir = optarg;
		else if (c == 'a')
			options->adopt = true;
		else if (c == 's')
			options->buffer_size = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 'n')
			options->name = optarg;
		else if (c == 'b')
			options->buffers = (uint32_t)strtoul(optarg, &end, 10);
		else
			return false;
		if (!mill_region_has_size(options->buffer_size)) {
			fprintf(stderr, "--buffer-bytes: expected 2048, 4096 or 16384, got '%s'\n", optarg);
			return false;
		}
		if (end != NULL && (*end != '\0' || options->buffers < 1024 || options->buffers > 1u << 22)) {
			fprintf(stderr, "--buffers: expected 1024 to 4194304, got '%s'\n", optarg);
			return false;
		}
	}
	return options->rundir != NULL && optind == argc;
}

/* A killed engine keeps its lock until the kernel has taken it apart: wait for that. */
static bool lock_rundir(const char *rundir, struct mill_error *error)
{
	char path[4096];
	const struct timespec pause = {.tv_nsec = 1000000};
	const uint64_t start = mill_now();
	snprintf(path, sizeof(path), "%s/engine.lock", rundir);
	const int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0) {
		mill_fail(error, errno, "%s: %s", path, strerror(errno));
		return false;
	}
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (mill_now() - start > LOCK_PATIENCE_NS) {
			mill_fail(error, EBUSY, "%s: another engine runs here", rundir);
			close(fd);
			return false;
		}
		nanosleep(&pause, NULL);
	}
	return true; /* open and locked as long as the process lives */
}

static bool make_memory(struct mill_engine *engine, const struct options *options, struct mill_error *error)
{
	const struct mill_fib_thread_options fib = {
	    .tables_fd = -1, .queue_fd = -1, .wake_fd = -1, .done_fd = -1};
	engine->events_fd = mill_bell_create(false);
	if (!mill_state_create(engine, error) ||
	    !mill_region_create(&engine->region, options->buffers, options->buffer_size, error))
		return false;
	struct mill_fib_thread_options with_state = fib;
	with_state.state = engine->state;
	with_state.ifaces = engine->iface;
	return mill_threads_start(engine, &with_state, error);
}

static void set_up_process(void)
{
	sigset_t signals;
	struct rlimit limit;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	mill_thread_name("controlplane");
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	static struct mill_engine engine;
	struct options options;
	struct mill_error error = {0};
	if (argc == 3 && strcmp(argv[1], "--guard") == 0)
		return mill_guard_main(argv[2]);
	if (!parse(argc, argv, &options)) {
		fprintf(stderr, "usage: netmill-engine --rundir DIR [--adopt] [--buffers N] [--buffer-bytes "
		                "N] [--name NAME]\n");
		return EX_USAGE;
	}
	set_up_process();
	engine.rundir = options.rundir;
	engine.adopting = options.adopt;
	engine.daemon_fd = engine.link_fd = engine.state_fd = engine.events_fd = -1;
	engine.wait_fd = mill_wait_create();
	if ((mkdir(options.rundir, 0755) != 0 && errno != EEXIST) || !lock_rundir(options.rundir, &error) ||
	    !mill_notices_create(&engine, &error) || (engine.own = mill_own_create(&engine)) == NULL ||
	    (!options.adopt && !make_memory(&engine, &options, &error)) ||
	    !mill_control_listen(&engine, &error)) {
		fprintf(stderr, "netmill-engine: %s\n", error.code != 0 ? error.text : strerror(errno));
		return error.code == EBUSY ? EX_TEMPFAIL : EX_OSERR;
	}
	if (options.name != NULL)
		mill_log("engine %s in %s", options.name, options.rundir);
	mill_control_run(&engine);
	mill_threads_stop(&engine);
	mill_own_free(engine.own);
	mill_log("stopped");
	return EX_OK;
}
