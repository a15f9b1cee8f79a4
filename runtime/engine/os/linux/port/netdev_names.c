/*
 * netdev_linux.h: interrupts of queues by their names, for kernels and drivers that do not tell (netdev_servers.c). A device's
 * message-signalled interrupts are in its folder in sysfs (msi_irqs, Documentation/ABI/testing/sysfs-bus-pci); a driver gave
 * each a name when it asked for it, which /proc/irq/N has as a folder. They are believed if there is exactly one for each
 * receive queue, from 0 on:
 *
 *   eth0-TxRx-2   ice-eth0-TxRx-2   eth0-Tx-Rx-2   eth0-rx-2 and eth0-tx-2   virtio4-input.2 and virtio4-output.2
 *
 * or if a device with one queue has one interrupt. Control thread.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "port/netdev_linux.h"

#define RECEIVES 1u
#define SENDS    2u

static const struct {
	const char *text;
	bool of_bus; /* behind the name that the device has on its bus, not behind that of the interface */
	uint32_t what;
} endings[] = {
    {"-TxRx-", false, RECEIVES | SENDS}, {"-Tx-Rx-", false, RECEIVES | SENDS},
    {"-rx-", false, RECEIVES},           {"-tx-", false, SENDS},
    {"-input.", true, RECEIVES},         {"-output.", true, SENDS},
};

struct search {
	const char *ifname;
	char bus[64]; /* "virtio4", or empty */
	uint32_t n_queues, n_interrupts, last;
	uint32_t irq[2][MILL_MAX_QUEUES]; /* that receive; that send */
	uint32_t found[2];
	bool doubtful;
};

static DIR *folder_at(int folder, const char *path)
{
	const int fd = openat(folder, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *opened = fd >= 0 ? fdopendir(fd) : NULL;
	if (opened == NULL && fd >= 0)
		close(fd);
	return opened;
}

/* "eth0", or "ice-eth0". */
static bool is_ours(const char *name, size_t length, const char *whose)
{
	const size_t n = strlen(whose);
	return n != 0 && length >= n && memcmp(name + length - n, whose, n) == 0 &&
	       (length == n || name[length - n - 1] == '-');
}

static void put(struct search *search, uint32_t way, uint32_t queue, uint32_t irq)
{
	if (queue >= MILL_MAX_QUEUES || search->irq[way][queue] != 0) {
		search->doubtful = true;
		return;
	}
	search->irq[way][queue] = irq;
	search->found[way]++;
}

static void read_name(struct search *search, const char *name, uint32_t irq)
{
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		const char *at = strstr(name, endings[i].text),
		           *whose = endings[i].of_bus ? search->bus : search->ifname;
		if (at == NULL || !is_ours(name, (size_t)(at - name), whose))
			continue;
		const char *number = at + strlen(endings[i].text);
		char *end;
		const unsigned long queue = strtoul(number, &end, 10);
		if (number[0] < '0' || number[0] > '9' || *end != '\0')
			continue;
		for (uint32_t way = 0; way < 2; way++)
			if ((endings[i].what >> way & 1) != 0)
				put(search, way, queue < MILL_MAX_QUEUES ? (uint32_t)queue : MILL_MAX_QUEUES,
				    irq);
		return;
	}
}

static void read_interrupt(struct search *search, const char *number)
{
	char path[64];
	const uint32_t irq = (uint32_t)strtoul(number, NULL, 10);
	snprintf(path, sizeof(path), "/proc/irq/%u", irq);
	DIR *names = irq != 0 ? folder_at(AT_FDCWD, path) : NULL;
	bool used = false;
	for (struct dirent *one; names != NULL && (one = readdir(names)) != NULL;) {
		if (one->d_name[0] == '.' || one->d_type == DT_REG)
			continue;
		used = true;
		read_name(search, one->d_name, irq);
	}
	if (names != NULL)
		closedir(names);
	if (used) {
		search->n_interrupts++;
		search->last = irq;
	}
}

/* A virtio device's are its parent's, whose only child it is; its own name is in theirs. */
static DIR *interrupts_of(int folder, struct search *search)
{
	char target[PATH_MAX];
	DIR *own = folder_at(folder, "device/msi_irqs");
	const ssize_t n = own == NULL ? readlinkat(folder, "device", target, sizeof(target) - 1) : -1;
	if (n <= 0)
		return own;
	target[n] = '\0';
	const char *slash = strrchr(target, '/'), *name = slash != NULL ? slash + 1 : target;
	if (strncmp(name, "virtio", 6) != 0 || strlen(name) >= sizeof(search->bus))
		return NULL;
	strcpy(search->bus, name);
	return folder_at(folder, "device/../msi_irqs");
}

static bool is_whole(const struct search *search, uint32_t way)
{
	if (search->found[way] != search->n_queues)
		return false;
	for (uint32_t q = 0; q < search->n_queues; q++)
		if (search->irq[way][q] == 0)
			return false;
	return true;
}

static void add(struct mill_servers *servers, uint32_t queue, uint32_t irq)
{
	if (servers->n < MILL_MAX_SERVERS)
		servers->server[servers->n++] = (struct mill_server){.queue = queue, .irq = irq};
}

void mill_netdev_named_interrupts(const struct mill_netdev *device, uint32_t n_queues,
                                  struct mill_servers *servers)
{
	struct search search = {.ifname = device->ifname, .n_queues = n_queues};
	const int folder = mill_netdev_folder(device->ifindex);
	DIR *interrupts = folder >= 0 ? interrupts_of(folder, &search) : NULL;
	if (interrupts != NULL)
		servers->has_msi = true;
	for (struct dirent *one; interrupts != NULL && (one = readdir(interrupts)) != NULL;)
		read_interrupt(&search, one->d_name);
	if (interrupts != NULL)
		closedir(interrupts);
	if (folder >= 0)
		close(folder);
	if (!search.doubtful && is_whole(&search, 0)) {
		for (uint32_t way = 0; way < 2; way++)
			for (uint32_t q = 0; q < n_queues; q++)
				if (search.irq[way][q] != 0)
					add(servers, q, search.irq[way][q]);
	} else if (!search.doubtful && search.n_interrupts == 1 && n_queues == 1) {
		add(servers, 0, search.last);
	}
}
