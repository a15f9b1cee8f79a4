/* See port/tap.h; Documentation/networking/tuntap.rst. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "port/tap.h"

int mill_tap_make(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	snprintf(ifr.ifr_name, IFNAMSIZ, "%.15s", name);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &ifr) != 0) {
		const int code = errno;
		close(fd);
		errno = code;
		fd = -1;
	}
	return fd;
}

const char *mill_tap_hint(int code)
{
	switch (code) {
	case EBUSY:
		return "; another process has a tap of this name: stop it, or name this one otherwise";
	case EINVAL:
		return "; an interface of this name exists and is no tap of one queue: name this one "
		       "otherwise";
	case ENOENT:
		return "; /dev/net/tun is missing: modprobe tun";
	case EPERM:
		return "; this needs CAP_NET_ADMIN";
	default:
		return "";
	}
}
