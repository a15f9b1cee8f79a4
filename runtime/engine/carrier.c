/*
 * How often the carriers of ports' devices came or went (carrier_changes, Documentation/ABI/testing/sysfs-class-net): the
 * kernel counts that at once and lets it be read without waiting, while a device's flags and the messages about it come from
 * work of its own, which may be put off for a second and waits for the lock on all configuration. Read in a sysfs of
 * this process's network namespace, mounted nowhere; the one of /sys may be another's.
 *
 * Threads: the monitor follows; while it does, nobody reads (monitor.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "engine.h"

static struct {
	int sysfs_fd; /* -1: cannot be had */
	struct {
		uint32_t ifindex; /* 0: none is open */
		int fd;
	} file[MILL_MAX_PORTS];
} carrier = {.sysfs_fd = -1};

void mill_carrier_start(void)
{
	const unsigned attributes =
	    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	const int context = (int)syscall(SYS_fsopen, "sysfs", FSOPEN_CLOEXEC);
	if (context >= 0 && syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		carrier.sysfs_fd = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
	if (carrier.sysfs_fd < 0)
		mill_log(
		    "no sysfs (%s; this needs CAP_SYS_ADMIN): a lost carrier is seen when the kernel has "
		    "dealt with it, which may take a second",
		    strerror(errno));
	if (context >= 0)
		close(context);
}

static bool read_number(int fd, uint32_t *number)
{
	char text[16];
	const ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return false;
	text[n] = 0;
	*number = (uint32_t)strtoul(text, NULL, 10);
	return true;
}

/* The folder of the device that has this name now; what is opened in it stays that device's. */
static int folder_of(const struct mill_engine *engine, uint32_t ifindex)
{
	struct ifreq name = {.ifr_ifindex = (int)ifindex};
	char path[64];
	if (carrier.sysfs_fd < 0 || ioctl(engine->link_fd, SIOCGIFNAME, &name) != 0)
		return -1;
	snprintf(path, sizeof(path), "class/net/%.*s", IFNAMSIZ, name.ifr_name);
	return openat(carrier.sysfs_fd, path, O_PATH | O_CLOEXEC);
}

static bool is_device(int folder, uint32_t ifindex)
{
	uint32_t number = 0;
	const int fd = openat(folder, "ifindex", O_RDONLY | O_CLOEXEC);
	const bool same = fd >= 0 && read_number(fd, &number) && number == ifindex;
	if (fd >= 0)
		close(fd);
	return same;
}

static void forget(uint16_t slot)
{
	if (carrier.file[slot].ifindex != 0)
		close(carrier.file[slot].fd);
	carrier.file[slot].ifindex = 0;
}

static bool open_for(const struct mill_engine *engine, uint16_t slot, uint32_t ifindex)
{
	const int folder = folder_of(engine, ifindex);
	if (folder < 0)
		return false;
	const int fd =
	    is_device(folder, ifindex) ? openat(folder, "carrier_changes", O_RDONLY | O_CLOEXEC) : -1;
	close(folder);
	if (fd < 0)
		return false;
	carrier.file[slot].fd = fd;
	carrier.file[slot].ifindex = ifindex;
	return true;
}

bool mill_carrier_follow(const struct mill_engine *engine, uint16_t slot, uint32_t ifindex)
{
	if (carrier.file[slot].ifindex == ifindex)
		return ifindex != 0;
	forget(slot);
	return ifindex != 0 && open_for(engine, slot, ifindex);
}

bool mill_carrier_changes(uint16_t slot, uint32_t *count)
{
	return carrier.file[slot].ifindex != 0 && read_number(carrier.file[slot].fd, count);
}
