/*
 * netdev.h: napi_defer_hard_irqs and gro_flush_timeout of a device. With both set, a device whose NAPI somebody
 * polls keeps its interrupts off, and the kernel polls by itself only when nobody has for that long, which also is what
 * happens when the poller dies. https://docs.kernel.org/networking/napi.html, "IRQ mitigation".
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>
#include "port/netdev_linux.h"

#define DEFER_HARD_IRQS   2u
#define GRO_FLUSH_TIMEOUT 200000u /* ns: two of these pass before a dead poller's interrupts are on again */

static bool write_number(int folder, const char *attribute, uint64_t value)
{
	const int fd = openat(folder, attribute, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	const bool ok = dprintf(fd, "%" PRIu64, value) > 0;
	const int code = errno;
	close(fd);
	errno = code;
	return ok;
}

static bool set(int folder, uint64_t defer_hard_irqs, uint64_t gro_flush_timeout)
{
	return write_number(folder, "napi_defer_hard_irqs", defer_hard_irqs) &&
	       write_number(folder, "gro_flush_timeout", gro_flush_timeout);
}

static bool rest(const struct mill_netdev *device, int folder)
{
	struct mill_changes *changes = device->changes;
	uint64_t defer;
	if (!mill_netdev_read(folder, "napi_defer_hard_irqs", &defer) ||
	    !mill_netdev_read(folder, "gro_flush_timeout", &changes->gro_flush_timeout))
		return false;
	changes->defer_hard_irqs = (uint32_t)defer;
	changes->napi = 1;
	mill_netdev_remember(device);
	return set(folder, DEFER_HARD_IRQS, GRO_FLUSH_TIMEOUT);
}

static bool put_back(const struct mill_netdev *device, int folder)
{
	struct mill_changes *changes = device->changes;
	const bool ok =
	    changes->napi == 0 || set(folder, changes->defer_hard_irqs, changes->gro_flush_timeout);
	changes->napi = 0;
	mill_netdev_remember(device);
	return ok;
}

bool mill_napi_defer(const struct mill_netdev *device, bool on)
{
	if (on == (device->changes->napi != 0))
		return true;
	const int folder = mill_netdev_folder(device->ifindex);
	if (folder < 0)
		return false;
	const bool ok = on ? rest(device, folder) : put_back(device, folder);
	const int code = errno;
	if (on && !ok)
		(void)put_back(device, folder);
	close(folder);
	errno = code;
	return ok;
}
