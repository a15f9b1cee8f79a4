/*
 * netdev.h: /sys/class/net/IFNAME/{napi_defer_hard_irqs,gro_flush_timeout}. With both set, a device whose NAPI somebody
 * polls keeps its interrupts off, and the kernel polls by itself only when nobody has for that long, which also is what
 * happens when the poller dies. https://docs.kernel.org/networking/napi.html, "IRQ mitigation".
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "port/netdev.h"

#define TEXT_SIZE         32
#define DEFER_HARD_IRQS   2u
#define GRO_FLUSH_TIMEOUT 200000u /* ns: two of these pass before a dead poller's interrupts are on again */

static int open_attribute(const char *ifname, const char *attribute, int flags)
{
	char path[96];
	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", ifname, attribute);
	return open(path, flags | O_CLOEXEC);
}

/* A line without its end; empty when it cannot be read. */
static void read_text(const char *ifname, const char *attribute, char text[TEXT_SIZE])
{
	const int fd = open_attribute(ifname, attribute, O_RDONLY);
	const ssize_t n = fd >= 0 ? read(fd, text, TEXT_SIZE - 1) : 0;
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

static bool read_number(const char *ifname, const char *attribute, uint64_t *value)
{
	char text[TEXT_SIZE];
	read_text(ifname, attribute, text);
	*value = strtoull(text, NULL, 10);
	return text[0] != '\0';
}

static bool write_number(const char *ifname, const char *attribute, uint64_t value)
{
	const int fd = open_attribute(ifname, attribute, O_WRONLY);
	if (fd < 0)
		return false;
	const bool ok = dprintf(fd, "%" PRIu64, value) > 0;
	const int code = errno;
	close(fd);
	errno = code;
	return ok;
}

/* A mount of sysfs shows the network namespace in which it was mounted, which need not be ours. */
static bool shows_our_device(const struct mill_netdev *device)
{
	uint64_t ifindex;
	struct ifreq ifr = {0};
	char address[TEXT_SIZE], ours[TEXT_SIZE];
	if (!read_number(device->ifname, "ifindex", &ifindex) ||
	    mill_netdev_request(device->ifname, SIOCGIFHWADDR, &ifr) != 0)
		return false;
	const uint8_t *mac = (const uint8_t *)ifr.ifr_hwaddr.sa_data;
	snprintf(ours, sizeof(ours), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
	         mac[5]);
	read_text(device->ifname, "address", address);
	errno = ENODEV;
	return ifindex == device->ifindex && strcmp(address, ours) == 0;
}

static bool set(const char *ifname, uint64_t defer_hard_irqs, uint64_t gro_flush_timeout)
{
	return write_number(ifname, "napi_defer_hard_irqs", defer_hard_irqs) &&
	       write_number(ifname, "gro_flush_timeout", gro_flush_timeout);
}

bool mill_napi_defer(const struct mill_netdev *device, bool on)
{
	struct mill_changes *changes = device->changes;
	if (on == (changes->napi != 0))
		return true;
	if (!shows_our_device(device))
		return false;
	if (!on) {
		changes->napi = 0;
		const bool ok = set(device->ifname, changes->defer_hard_irqs, changes->gro_flush_timeout);
		mill_netdev_remember(device);
		return ok;
	}
	uint64_t defer;
	if (!read_number(device->ifname, "napi_defer_hard_irqs", &defer) ||
	    !read_number(device->ifname, "gro_flush_timeout", &changes->gro_flush_timeout))
		return false;
	changes->defer_hard_irqs = (uint32_t)defer;
	changes->napi = 1;
	mill_netdev_remember(device);
	if (set(device->ifname, DEFER_HARD_IRQS, GRO_FLUSH_TIMEOUT))
		return true;
	const int code = errno;
	(void)mill_napi_defer(device, false);
	errno = code;
	return false;
}
