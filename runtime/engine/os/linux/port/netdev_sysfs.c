/*
 * netdev.h: devices in sysfs. The sysfs of /sys shows the network namespace in which it was mounted, which need not be ours,
 * so there is one of our own, mounted nowhere. fsopen(2), fsmount(2), Linux 5.2.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "port/netdev_linux.h"

static struct {
	pthread_once_t once;
	int fd, code; /* fd < 0: it cannot be had, for this reason */
} sysfs = {PTHREAD_ONCE_INIT, -1, 0};

static void open_sysfs(void)
{
	const unsigned attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	const int context = (int)syscall(SYS_fsopen, "sysfs", FSOPEN_CLOEXEC);
	if (context >= 0 && syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		sysfs.fd = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
	sysfs.code = errno;
	if (context >= 0)
		close(context);
}

bool mill_netdev_read(int folder, const char *attribute, uint64_t *number)
{
	const int fd = openat(folder, attribute, O_RDONLY | O_CLOEXEC);
	const bool ok = fd >= 0 && mill_netdev_read_open(fd, number);
	if (fd >= 0)
		close(fd);
	return ok;
}

bool mill_netdev_read_open(int fd, uint64_t *number)
{
	char text[24];
	const ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return false;
	text[n] = 0;
	*number = strtoull(text, NULL, 10);
	return true;
}

int mill_netdev_folder(uint32_t ifindex)
{
	struct ifreq name = {.ifr_ifindex = (int)ifindex};
	char path[64];
	uint64_t found = 0;
	pthread_once(&sysfs.once, open_sysfs);
	if (sysfs.fd < 0) {
		errno = sysfs.code;
		return -1;
	}
	if (mill_netdev_request("", SIOCGIFNAME, &name) != 0)
		return -1;
	snprintf(path, sizeof(path), "class/net/%.*s", IFNAMSIZ, name.ifr_name);
	const int folder = openat(sysfs.fd, path, O_PATH | O_CLOEXEC);
	if (folder < 0 || (mill_netdev_read(folder, "ifindex", &found) && found == ifindex))
		return folder;
	close(folder); /* renamed meanwhile */
	errno = ENODEV;
	return -1;
}
