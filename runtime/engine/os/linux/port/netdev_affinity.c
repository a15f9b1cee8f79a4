/*
 * netdev.h: interrupts of queues, and the threads that run their NAPI, go where the queue's owner runs, as an operator would do by
 * /proc/irq/N/smp_affinity_list and taskset(1). What stood there is written down before it is changed, and put back only where
 * what stands there then is still ours: somebody who moved it since had a reason. netdev_servers.c says which they are.
 * Documentation/core-api/irq/irq-affinity.rst, sched_setaffinity(2). Control thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "port/netdev_linux.h"
#include "port/port.h"

#define MAX_PROCESSORS (64u * MILL_MASK_WORDS)
#define TEXT_SIZE      4096 /* a list of processors: what the kernel takes at once */

_Static_assert(sizeof(cpu_set_t) == sizeof(((struct mill_steered *)0)->before), "a mask is a cpu_set_t");

/* --- masks of processors ---------------------------------------------------------------------------------------- */

static void only(uint64_t *mask, uint32_t core)
{
	memset(mask, 0, MILL_MASK_WORDS * sizeof(*mask));
	if (core < MAX_PROCESSORS)
		mask[core / 64] = 1ull << core % 64;
}

static bool is_only(const uint64_t *mask, uint32_t core)
{
	uint64_t one[MILL_MASK_WORDS];
	only(one, core);
	return memcmp(mask, one, sizeof(one)) == 0;
}

static bool has(const uint64_t *mask, uint32_t core)
{
	return core < MAX_PROCESSORS && (mask[core / 64] >> core % 64 & 1) != 0;
}

/* "0-3,8". False: it is no list, or one with processors that a mask has no room for. */
static bool parse_list(const char *text, uint64_t *mask)
{
	memset(mask, 0, MILL_MASK_WORDS * sizeof(*mask));
	while (*text >= '0' && *text <= '9') {
		char *end;
		const unsigned long first = strtoul(text, &end, 10);
		const unsigned long last = *end == '-' ? strtoul(end + 1, &end, 10) : first;
		if (last >= MAX_PROCESSORS || last < first)
			return false;
		for (unsigned long core = first; core <= last; core++)
			mask[core / 64] |= 1ull << core % 64;
		text = *end == ',' ? end + 1 : end;
	}
	return *text == '\n' || *text == '\0';
}

static void print_list(const uint64_t *mask, char *text, size_t size)
{
	size_t n = 0;
	text[0] = '\0';
	for (uint32_t first = 0; first < MAX_PROCESSORS; first++) {
		uint32_t last = first;
		if (!has(mask, first))
			continue;
		while (has(mask, last + 1))
			last++;
		const int more =
		    last == first ? snprintf(text + n, size - n, "%s%u", n != 0 ? "," : "", first)
		                  : snprintf(text + n, size - n, "%s%u-%u", n != 0 ? "," : "", first, last);
		if (more < 0 || (n += (size_t)more) >= size)
			return;
		first = last;
	}
}

/* --- interrupts and threads ------------------------------------------------------------------------------------- */

static int open_interrupt(uint32_t irq, int how)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/irq/%u/smp_affinity_list", irq);
	return open(path, how | O_CLOEXEC);
}

/* A number of a process is another one's in another namespace, and later, so a thread of the kernel's goes by its name, too:
 * napi/IFNAME-NAPI, of when it was made. False, with errno: it is none. */
static bool thread_name(uint32_t thread, char *name)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%u/comm", thread);
	memset(name, 0, MILL_THREAD_NAME);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd >= 0 ? read(fd, name, MILL_THREAD_NAME - 1) : -1;
	if (fd >= 0)
		close(fd);
	if (n > 0 && name[n - 1] == '\n')
		name[n - 1] = '\0';
	errno = ESRCH;
	return n > 0 && strncmp(name, "napi/", 5) == 0;
}

static bool is_there(const struct mill_steered *one)
{
	char name[MILL_THREAD_NAME];
	return thread_name(one->number, name) && memcmp(name, one->name, sizeof(name)) == 0;
}

/* Where it may be now. False, with errno: nobody says. */
static bool read_mask(const struct mill_steered *one, uint64_t *mask)
{
	char text[TEXT_SIZE];
	if (one->is_thread != 0)
		return is_there(one) &&
		       sched_getaffinity((pid_t)one->number, sizeof(cpu_set_t), (cpu_set_t *)mask) == 0;
	const int fd = open_interrupt(one->number, O_RDONLY);
	const ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	errno = ERANGE;
	return parse_list(text, mask);
}

static bool write_mask(const struct mill_steered *one, const uint64_t *mask)
{
	char text[TEXT_SIZE];
	if (one->is_thread != 0)
		return is_there(one) &&
		       sched_setaffinity((pid_t)one->number, sizeof(cpu_set_t), (const cpu_set_t *)mask) == 0;
	print_list(mask, text, sizeof(text));
	const int fd = open_interrupt(one->number, O_WRONLY);
	const bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	const int code = errno;
	if (fd >= 0)
		close(fd);
	errno = code;
	return ok;
}

static bool is_at(const struct mill_steered *one, const uint64_t *now)
{
	return is_only(now, one->core) || is_only(now, one->last);
}

static void name(const struct mill_steered *one, char *text, size_t size)
{
	if (one->is_thread != 0)
		snprintf(text, size, "thread %u (%s)", one->number, one->name);
	else
		snprintf(text, size, "interrupt %u", one->number);
}

/* --- moving and putting back ------------------------------------------------------------------------------------ */

static void forget(const struct mill_netdev *device, uint32_t i)
{
	struct mill_changes *changes = device->changes;
	const uint32_t last = --changes->n_steered;
	changes->steered[i] = changes->steered[last];
	memset(&changes->steered[last], 0, sizeof(changes->steered[last]));
	mill_netdev_remember(device);
}

static void put_back(const struct mill_netdev *device, uint32_t i)
{
	const struct mill_steered *one = &device->changes->steered[i];
	uint64_t now[MILL_MASK_WORDS];
	char what[64];
	if (read_mask(one, now) && is_at(one, now) && !write_mask(one, one->before)) {
		name(one, what, sizeof(what));
		mill_log("%s:%s: %s stays on core %u: %s", device->kind, device->ifname, what, one->core,
		         strerror(errno));
	}
	forget(device, i);
}

static int find(const struct mill_changes *changes, const struct mill_steered *wanted)
{
	for (uint32_t i = 0; i < changes->n_steered; i++)
		if (changes->steered[i].number == wanted->number &&
		    memcmp(changes->steered[i].name, wanted->name, sizeof(wanted->name)) == 0)
			return (int)i;
	return -1;
}

/* One that is ours already: to another core, or where its driver asked for it anew and so put it where it was. */
static bool move(const struct mill_netdev *device, struct mill_steered *one, uint32_t core)
{
	uint64_t now[MILL_MASK_WORDS], mask[MILL_MASK_WORDS];
	const uint32_t from = one->core;
	if (!read_mask(one, now))
		return false;
	if (core == from && memcmp(now, one->before, sizeof(now)) != 0)
		return true;
	if (!is_at(one, now))
		memcpy(one->before, now, sizeof(now));
	one->last = from;
	one->core = core;
	mill_netdev_remember(device);
	only(mask, core);
	const bool ok = write_mask(one, mask);
	const int code = errno;
	if (!ok)
		one->core = from;
	one->last = one->core;
	mill_netdev_remember(device);
	errno = code;
	return ok;
}

static bool take(const struct mill_netdev *device, const struct mill_steered *wanted)
{
	struct mill_changes *changes = device->changes;
	struct mill_steered *one = &changes->steered[changes->n_steered];
	uint64_t mask[MILL_MASK_WORDS];
	*one = *wanted;
	const bool known = read_mask(one, one->before);
	if (!known || is_only(one->before, one->core)) {
		memset(one, 0, sizeof(*one));
		return known;
	}
	changes->n_steered++;
	mill_netdev_remember(device);
	only(mask, one->core);
	if (write_mask(one, mask))
		return true;
	const int code = errno;
	forget(device, changes->n_steered - 1);
	errno = code;
	return false;
}

/* --- what is wanted --------------------------------------------------------------------------------------------- */

struct targets {
	uint32_t n;
	bool all_known; /* each queue has something that is moved */
	struct mill_steered one[MILL_MAX_STEERED];
};

static void add_target(struct targets *targets, const struct mill_steered *wanted)
{
	for (uint32_t i = 0; i < targets->n; i++)
		if (targets->one[i].number == wanted->number &&
		    targets->one[i].is_thread == wanted->is_thread)
			return; /* serves several queues: it is with the first one's owner */
	if (targets->n < MILL_MAX_STEERED)
		targets->one[targets->n++] = *wanted;
}

/* False: it has nothing that could be moved. */
static bool add_server(struct targets *targets, const struct mill_servers *servers,
                       const struct mill_server *server, uint32_t core)
{
	const struct mill_steered interrupt = {.number = server->irq, .core = core, .last = core};
	struct mill_steered thread = {.number = server->thread, .core = core, .last = core, .is_thread = 1};
	if (server->irq != 0)
		add_target(targets, &interrupt);
	if (server->thread == 0 || !thread_name(server->thread, thread.name))
		return server->irq != 0;
	add_target(targets, &thread);
	return server->irq != 0 || !servers->has_msi;
}

/* All queues are ours, and in one place: then it does not matter which is whose. */
static bool in_one_place(const struct mill_affinity *wanted)
{
	for (uint32_t i = 1; i < wanted->n; i++)
		if (wanted->core[i] != wanted->core[0])
			return false;
	return wanted->whole;
}

static void choose(const struct mill_affinity *wanted, const struct mill_servers *servers,
                   struct targets *targets)
{
	const bool any = in_one_place(wanted);
	targets->all_known = true;
	for (uint32_t i = 0; i < wanted->n; i++) {
		bool known = false;
		for (uint32_t s = 0; s < servers->n; s++) {
			const struct mill_server *server = &servers->server[s];
			if (server->queue != wanted->queue[i] && !(any && server->queue == MILL_ANY_QUEUE))
				continue;
			known |= add_server(targets, servers, server, wanted->core[i]);
		}
		targets->all_known &= known;
	}
}

static void say_unknown(const struct mill_netdev *device, const struct mill_servers *servers,
                        struct mill_error *why)
{
	if (servers->n == 0 && !servers->has_msi)
		mill_fail(
		    why, ENODEV,
		    "it has no interrupts of its own, so the kernel polls it where its packets come from; "
		    "with threads (echo 1 > /sys/class/net/%s/threaded, before netmill starts) it would be "
		    "polled on its workers' cores",
		    device->ifname);
	else
		mill_fail(
		    why, ENODATA,
		    "which interrupts are those of its queues nobody says%s, so they stay where they are: "
		    "put "
		    "them on the cores of its workers by /proc/irq/*/smp_affinity_list; their names are in "
		    "/proc/interrupts",
		    servers->asked ? " (neither its driver, nor their names)"
		                   : " (their names do not, and a kernel before 6.8 cannot be asked)");
}

static void say_failed(const struct mill_steered *one, struct mill_error *why)
{
	const int code = errno;
	char what[64];
	name(one, what, sizeof(what));
	mill_fail(why, code, "%s does not go to core %u, its worker's: %s%s", what, one->core, strerror(code),
	          code == EIO ? "; the kernel places it by itself"
	          : code == EACCES || code == EPERM || code == EROFS
	              ? "; this needs uid 0 and a /proc that can be "
	                "written to"
	          : code == EINVAL ? "; is there such a core?"
	                           : "");
}

static void steer(const struct mill_netdev *device, const struct targets *targets, struct mill_error *why)
{
	struct mill_changes *changes = device->changes;
	for (uint32_t i = changes->n_steered; i-- > 0;) {
		bool wanted = false;
		for (uint32_t t = 0; t < targets->n; t++)
			wanted |= find(changes, &targets->one[t]) == (int)i;
		if (!wanted)
			put_back(device, i);
	}
	for (uint32_t t = 0; t < targets->n; t++) {
		const struct mill_steered *target = &targets->one[t];
		const int known = find(changes, target);
		const bool ok =
		    known >= 0 ? move(device, &changes->steered[known], target->core) : take(device, target);
		if (!ok && why->code == 0)
			say_failed(target, why);
	}
}

void mill_affinity_apply(const struct mill_netdev *device, const struct mill_affinity *wanted,
                         struct mill_error *why)
{
	struct mill_servers servers;
	struct targets targets = {.n = 0};
	if (wanted->n == 0) {
		mill_affinity_restore(device);
		return;
	}
	if (!mill_netdev_servers(device, wanted->n_queues, &servers))
		return;
	if (servers.n == 0 && device->changes->n_steered > 0)
		return; /* the kernel had no answer this time */
	choose(wanted, &servers, &targets);
	steer(device, &targets, why);
	if (!targets.all_known && why->code == 0)
		say_unknown(device, &servers, why);
}

void mill_affinity_restore(const struct mill_netdev *device)
{
	while (device->changes->n_steered > 0)
		put_back(device, device->changes->n_steered - 1);
}
