/* netdev_linux.h: a device by its name, over a socket that is there for one request. */
#include "port/netdev_linux.h"
#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int mill_netdev_request(const char *ifname, unsigned long what, struct ifreq *ifr)
{
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	strncpy(ifr->ifr_name, ifname, IFNAMSIZ - 1);
	const int result = ioctl(fd, what, ifr);
	const int code = errno;
	close(fd);
	errno = code;
	return result;
}

int mill_netdev_ethtool(const char *ifname, void *command)
{
	struct ifreq ifr = {.ifr_data = command};
	return mill_netdev_request(ifname, SIOCETHTOOL, &ifr);
}
