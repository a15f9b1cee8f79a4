/*
 * netdev.h: what we changed of a device is remembered by the caller, in memory that outlives the engine, and in
 * RUNDIR/device-IFNAME, so that whoever closes the port can put it back: this engine, one that adopts the port, or one
 * that starts with nothing after everybody died.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "port/netdev_linux.h"

struct record {
	uint32_t ifindex, reserved;
	struct mill_changes changes;
};

static void record_path(const struct mill_netdev *device, char *path, size_t size)
{
	snprintf(path, size, "%s/device-%s", device->rundir, device->ifname);
}

void mill_netdev_recall(const struct mill_netdev *device)
{
	char path[4096];
	struct record record;
	if (device->rundir == NULL)
		return;
	record_path(device, path, sizeof(path));
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const bool ok = fd >= 0 && read(fd, &record, sizeof(record)) == (ssize_t)sizeof(record);
	if (fd >= 0)
		close(fd);
	if (ok && record.ifindex == device->ifindex)
		*device->changes = record.changes;
}

/* Failure costs only what a death of everybody would lose. */
void mill_netdev_remember(const struct mill_netdev *device)
{
	static const struct mill_changes none;
	char path[4096];
	struct record record = {.ifindex = device->ifindex, .changes = *device->changes};
	if (device->rundir == NULL)
		return;
	record_path(device, path, sizeof(path));
	if (memcmp(device->changes, &none, sizeof(none)) == 0) {
		unlink(path);
		return;
	}
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const ssize_t n = fd >= 0 ? write(fd, &record, sizeof(record)) : 0;
	(void)n;
	if (fd >= 0)
		close(fd);
}
