/*
 * DPDK's environment (EAL) in a process that is not its own: started when the first dpdk: port is opened, and never
 * ended. It gets one core number and no core (threads of netmill's are strangers to it), no files, no telemetry, no other processes
 * to talk to, no devices but those that ports name, and virtual addresses for I/O, since packet buffers are netmill's.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <rte_alarm.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include "dpdk/dpdk.h"

#define MBUF_BYTES 256u /* an mbuf with what DPDK puts around it */
/* One device of a PCI bus that is allowed forbids all others, until a port names one. */
#define NO_DEVICE "ffff:ff:1f.7"
#define POOL_KIND "lf_stack" /* threads of ours share processors: nobody may wait for one that holds a lock */
#define BASE_MIB  64u        /* for all else that DPDK keeps */

/* --- what it says --------------------------------------------------------------------------------------- */

/* Of an opening's messages the first of the gravest kind: DPDK tells of the cause, then of what failed for it. */
static char message[200];
static uint32_t gravity;

static ssize_t hear(void *cookie, const char *text, size_t length)
{
	(void)cookie;
	const uint32_t level = (uint32_t)rte_log_cur_msg_loglevel();
	size_t n = 0;
	while (n < length && text[n] != '\n')
		n++;
	if (n > 0 && (message[0] == '\0' || (level != 0 && level < gravity))) {
		snprintf(message, sizeof(message), "%.*s", (int)n, text);
		gravity = level > RTE_LOG_ERR ? level : RTE_LOG_ERR;
	}
	return (ssize_t)length;
}

static void listen_to_it(void)
{
	FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = hear});
	if (stream == NULL)
		return;
	setvbuf(stream, NULL, _IOLBF, 512);
	rte_openlog_stream(stream);
}

const char *mill_dpdk_said(void)
{
	static char text[sizeof(message) + 16];
	if (message[0] == '\0')
		return "";
	snprintf(text, sizeof(text), "; DPDK says: %s", message);
	return text;
}

/* --- what it may not take ------------------------------------------------------------------------------- */

/* net_tap would have itself interrupted, and so every thread of ours, by each packet; without a free real-time signal it
 * looks at its device instead. So none is free while a device is made. */
static void hold_signals(bool hold)
{
	for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++) {
		struct sigaction action;
		if (sigaction(signal, NULL, &action) != 0 || action.sa_handler != (hold ? SIG_DFL : SIG_IGN))
			continue;
		action.sa_handler = hold ? SIG_IGN : SIG_DFL;
		sigaction(signal, &action, NULL);
	}
}

void mill_dpdk_begin(void)
{
	message[0] = '\0';
	hold_signals(true);
	rte_log_set_global_level(RTE_LOG_WARNING);
}

void mill_dpdk_end(void)
{
	rte_log_set_global_level(RTE_LOG_CRIT); /* nothing about single packets */
	hold_signals(false);
}

/* --- its thread ----------------------------------------------------------------------------------------- */

struct errand {
	void (*call)(void *);
	void *argument;
	sem_t done;
};

static void run_errand(void *argument)
{
	struct errand *errand = argument;
	errand->call(errand->argument);
	sem_post(&errand->done);
}

/* Alarms are that thread's work. */
void mill_dpdk_in_interrupts(void (*call)(void *), void *argument)
{
	struct errand errand = {.call = call, .argument = argument};
	sem_init(&errand.done, 0, 0);
	if (rte_eal_alarm_set(1, run_errand, &errand) != 0)
		call(argument);
	else
		while (sem_wait(&errand.done) != 0)
			; /* interrupted */
	sem_destroy(&errand.done);
}

/* --- starting ------------------------------------------------------------------------------------------- */

/* MiB of huge pages that nobody has, of any size. */
static uint64_t free_huge_pages(void)
{
	static const char folder[] = "/sys/kernel/mm/hugepages";
	uint64_t total = 0;
	DIR *sizes = opendir(folder);
	for (const struct dirent *entry; sizes != NULL && (entry = readdir(sizes)) != NULL;) {
		char path[300];
		unsigned long kib = 0, pages = 0;
		if (sscanf(entry->d_name, "hugepages-%lukB", &kib) != 1)
			continue;
		snprintf(path, sizeof(path), "%s/%s/free_hugepages", folder, entry->d_name);
		FILE *file = fopen(path, "r");
		if (file != NULL && fscanf(file, "%lu", &pages) == 1)
			total += (uint64_t)pages * kib / 1024;
		if (file != NULL)
			fclose(file);
	}
	if (sizes != NULL)
		closedir(sizes);
	return total;
}

/* The one core number that DPDK knows stands for all processors that we may use. */
static void write_cores(char *text, size_t size)
{
	cpu_set_t set;
	size_t at = (size_t)snprintf(text, size, "0@(");
	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && at < size; cpu++)
		if (CPU_ISSET(cpu, &set))
			at += (size_t)snprintf(text + at, size - at, "%s%u", text[at - 1] == '(' ? "" : ",",
			                       cpu);
	if (at < size)
		snprintf(text + at, size - at, ")");
}

struct start {
	uint64_t mib;
	int code;
};

/* On a thread of its own: DPDK binds the thread that starts it to its cores. */
static void *start_eal(void *argument)
{
	struct start *start = argument;
	char cores[8192], memory[24], prefix[40];
	write_cores(cores, sizeof(cores));
	snprintf(memory, sizeof(memory), "%llu", (unsigned long long)start->mib);
	snprintf(prefix, sizeof(prefix), "netmill-%d", (int)getpid());
	char *argv[] = {"netmill",
	                "--lcores",
	                cores,
	                "--no-telemetry",
	                "--no-shconf",
	                "--file-prefix",
	                prefix,
	                "--iova-mode=va",
	                "--allow",
	                NO_DEVICE,
	                "--mbuf-pool-ops-name=" POOL_KIND,
	                "--log-level=warning",
	                "--in-memory",
	                NULL,
	                NULL,
	                NULL};
	int argc = 13;
	if (free_huge_pages() < start->mib) {
		argv[argc - 1] = "--no-huge";
		argv[argc++] = "-m";
		argv[argc++] = memory;
	}
	start->code = rte_eal_init(argc, argv) >= 0 ? 0 : rte_errno != 0 ? rte_errno : EIO;
	return NULL;
}

/* DPDK's interrupt thread has no end: drivers and their libraries, a hundred and more, are not taken down while it runs. */
static void leave(int status, void *unused)
{
	(void)unused;
	fflush(NULL);
	_exit(status);
}

bool mill_dpdk_start(uint32_t n_bufs, struct mill_error *error)
{
	static bool runs;
	pthread_t thread;
	struct start start = {.mib = BASE_MIB + ((uint64_t)n_bufs * MBUF_BYTES >> 20)};
	if (runs)
		return true;
	listen_to_it();
	mill_dpdk_begin();
	int code = pthread_create(&thread, NULL, start_eal, &start);
	if (code == 0) {
		pthread_join(thread, NULL);
		code = start.code;
	}
	mill_dpdk_end();
	runs = code == 0;
	(void)on_exit(leave, NULL);
	if (!runs)
		mill_fail(error, code, "DPDK does not start: %s%s", rte_strerror(code), mill_dpdk_said());
	return runs;
}
