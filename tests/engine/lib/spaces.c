/* See spaces.h. */
#include "spaces.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

char space_a[32], space_b[32], space_r[32];

int shell(const char *format, ...)
{
	char command[2048];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	const int status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

void enter(const char *space)
{
	char path[128];
	snprintf(path, sizeof(path), "/run/netns/%s", space);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && setns(fd, CLONE_NEWNET) == 0, "%s: %s", path, strerror(errno));
	close(fd);
}

/* /sys shows the devices of the namespace in which it was mounted. */
static void mount_sysfs(void)
{
	CHECK(unshare(CLONE_NEWNS) == 0 && mount("", "/", "none", MS_SLAVE | MS_REC, NULL) == 0 &&
	          mount("sysfs", "/sys", "sysfs", 0, NULL) == 0,
	      "the namespace's own /sys: %s", strerror(errno));
}

static void remove_spaces(void)
{
	const char *const names[] = {space_a, space_b, space_r};
	for (size_t i = 0; i < 3; i++)
		shell("ip netns pids %s 2>/dev/null | xargs -r kill -9 2>/dev/null; ip netns del %s "
		      "2>/dev/null",
		      names[i], names[i]);
	shell("rm -f /tmp/mill-ping-%d", (int)getpid());
}

int spaces_run(const char *needed_program, int (*tests)(void))
{
	int status = 1;
	if (geteuid() != 0 ||
	    shell("command -v %s >/dev/null && ip netns list >/dev/null 2>&1", needed_program) != 0) {
		printf("skip needs root, ip and %s\n", needed_program);
		return 0;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(space_a, sizeof(space_a), "mill-xa-%d", (int)getpid());
	snprintf(space_b, sizeof(space_b), "mill-xb-%d", (int)getpid());
	snprintf(space_r, sizeof(space_r), "mill-xr-%d", (int)getpid());
	const pid_t child = fork();
	if (child == 0) {
		CHECK(shell("set -e; for n in %s %s %s; do ip netns add $n; ip -n $n link set lo up; done",
		            space_a, space_b, space_r) == 0,
		      "namespaces");
		enter(space_r);
		mount_sysfs();
		exit(tests());
	}
	waitpid(child, &status, 0);
	remove_spaces();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* With a deadline (-w) ping waits for the last answer too, and not only for two round trips; it goes on sending until it
 * has `count` answers, so the first `count` are looked for by their numbers. */
void expect_ping(const char *space, const char *address, int count, const char *options)
{
	char log[64];
	snprintf(log, sizeof(log), "/tmp/mill-ping-%d", (int)getppid());
	if (shell("ip netns exec %s ping -O -i 0.002 -w 10 -c %d %s %s >%s 2>&1; awk -F icmp_seq= '/bytes "
	          "from/ && "
	          "!/DUP/ && $2 + 0 <= %d { n++ } END { exit n != %d }' %s",
	          space, count, options, address, log, count, count, log) == 0)
		return;
	shell("grep -m 3 'no answer' %s >&2; tail -3 %s >&2", log, log);
	CHECK(false, "every ping from %s to %s answered", space, address);
}
