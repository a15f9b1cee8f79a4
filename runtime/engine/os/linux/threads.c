/* os/threads.h by prctl(2), sched_setaffinity(2) and time_namespaces(7). */
#include "os/threads.h"
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NS_PER_S 1000000000ll

void mill_thread_name(const char *name)
{
	prctl(PR_SET_NAME, name);
}

uint32_t mill_thread_number(void)
{
	return (uint32_t)syscall(SYS_gettid);
}

int mill_thread_pin(pthread_t thread, int processor)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (processor < 0 || i == processor)
			CPU_SET((size_t)i, &set);
	return pthread_setaffinity_np(thread, sizeof(set), &set);
}

void mill_thread_attr_pin(pthread_attr_t *attributes, uint32_t processor)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	pthread_attr_setaffinity_np(attributes, sizeof(set), &set);
}

uint32_t mill_processors(uint32_t ends[2])
{
	cpu_set_t set;
	uint32_t n = 0;
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 0;
	for (uint32_t i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			ends[n++ == 0 ? 0 : 1] = i;
	return n;
}

/* 0 where the kernel has no time namespaces. */
uint64_t mill_clock_shift(void)
{
	long long seconds, ns, shift = 0;
	FILE *file = fopen("/proc/self/timens_offsets", "re");
	if (file == NULL)
		return 0;
	if (fscanf(file, "monotonic %lld %lld", &seconds, &ns) == 2)
		shift = seconds * NS_PER_S + ns;
	fclose(file);
	return (uint64_t)shift;
}
