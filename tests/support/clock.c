/*
 * Preloaded into a process: its wall clock is off by the nanoseconds that the file WALL_CLOCK says, an int64_t that may
 * change at any time. Clocks that nobody can set are left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ll

static const int64_t none;
static const int64_t *shift = &none;
static int (*real_clock)(clockid_t, struct timespec *);

static void open_shift(void)
{
	const char *name = getenv("WALL_CLOCK");
	const int fd = name != NULL ? open(name, O_RDONLY | O_CLOEXEC) : -1;
	*(void **)&real_clock = dlsym(RTLD_NEXT, "clock_gettime");
	if (fd < 0)
		return;
	void *memory = mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (memory != MAP_FAILED)
		shift = memory;
}

int clock_gettime(clockid_t id, struct timespec *time)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, open_shift);
	const int code = real_clock(id, time);
	if (code != 0 || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE && id != CLOCK_TAI))
		return code;
	const int64_t ns = time->tv_sec * NS_PER_S + time->tv_nsec + __atomic_load_n(shift, __ATOMIC_RELAXED);
	time->tv_sec = ns / NS_PER_S;
	time->tv_nsec = ns % NS_PER_S;
	return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
	struct timespec now;
	(void)zone;
	const int code = clock_gettime(CLOCK_REALTIME, &now);
	*time = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
	return code;
}

time_t time(time_t *into)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (into != NULL)
		*into = now.tv_sec;
	return now.tv_sec;
}
