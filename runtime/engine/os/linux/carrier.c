/*
 * How often the carriers of ports' devices came or went (carrier_changes, Documentation/ABI/testing/sysfs-class-net): the
 * kernel counts that at once and lets it be read without waiting, while a device's flags and the messages about it come from
 * work of its own, which may be put off for a second and waits for the lock on all configuration.
 *
 * Threads: the monitor follows; while it does, nobody reads (monitor.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "engine.h"
#include "port/netdev_linux.h"

static struct {
	uint32_t ifindex; /* 0: none is open */
	int fd;
} file[MILL_MAX_PORTS];

void mill_carrier_start(void)
{
	const int loopback = mill_netdev_folder(1);
	if (loopback >= 0)
		close(loopback);
	else
		mill_log(
		    "no sysfs (%s; this needs CAP_SYS_ADMIN): a lost carrier is seen when the kernel has "
		    "dealt with it, which may take a second",
		    strerror(errno));
}

static void forget(uint16_t slot)
{
	if (file[slot].ifindex != 0)
		close(file[slot].fd);
	file[slot].ifindex = 0;
}

static bool open_for(uint16_t slot, uint32_t ifindex)
{
	const int folder = mill_netdev_folder(ifindex);
	if (folder < 0)
		return false;
	const int fd = openat(folder, "carrier_changes", O_RDONLY | O_CLOEXEC);
	close(folder);
	if (fd < 0)
		return false;
	file[slot].fd = fd;
	file[slot].ifindex = ifindex;
	return true;
}

bool mill_carrier_follow(uint16_t slot, uint32_t ifindex)
{
	if (file[slot].ifindex == ifindex)
		return ifindex != 0;
	forget(slot);
	return ifindex != 0 && open_for(slot, ifindex);
}

bool mill_carrier_changes(uint16_t slot, uint32_t *count)
{
	uint64_t number;
	if (file[slot].ifindex == 0 || !mill_netdev_read_open(file[slot].fd, &number))
		return false;
	*count = (uint32_t)number;
	return true;
}
