/*
 * netdev.h: a device deals flows out to its queues by a table, which a hash of the packet looks up (RSS; ethtool -x). Queues that
 * netmill takes for chosen flows alone are left out of it, which is what `ethtool -X ix0 weight 1 1 0 1` does.
 * linux/ethtool.h, ETHTOOL_GRXFHINDIR. Control thread.
 */
#include <errno.h>
#include <linux/ethtool.h>
#include <stdlib.h>
#include <string.h>
#include "port/netdev_linux.h"
#include "port/port.h"

static struct ethtool_rxfh_indir *table_of(uint32_t cmd, uint32_t size)
{
	struct ethtool_rxfh_indir *table = calloc(1, sizeof(*table) + size * sizeof(table->ring_index[0]));
	if (table != NULL) {
		table->cmd = cmd;
		table->size = size;
	}
	return table;
}

/* The table as it is, into `changes`. False, with errno: it has none, or it cannot be read. */
static bool read_spread(const struct mill_netdev *device)
{
	struct ethtool_rxfh_indir size = {.cmd = ETHTOOL_GRXFHINDIR};
	struct mill_changes *changes = device->changes;
	if (mill_netdev_ethtool(device->ifname, &size) != 0)
		return false;
	errno = size.size == 0 ? EOPNOTSUPP : E2BIG;
	if (size.size == 0 || size.size > MILL_MAX_SPREAD)
		return false;
	struct ethtool_rxfh_indir *table = table_of(ETHTOOL_GRXFHINDIR, size.size);
	const bool ok = table != NULL && mill_netdev_ethtool(device->ifname, table) == 0;
	for (uint32_t i = 0; ok && i < size.size; i++)
		changes->spread[i] = (uint16_t)table->ring_index[i];
	if (ok)
		changes->n_spread = size.size;
	free(table);
	return ok;
}

static bool write_spread(const struct mill_netdev *device, const uint16_t *queue, uint32_t n)
{
	struct ethtool_rxfh_indir *table = table_of(ETHTOOL_SRXFHINDIR, n);
	for (uint32_t i = 0; table != NULL && i < n; i++)
		table->ring_index[i] = queue[i];
	const bool ok = table != NULL && mill_netdev_ethtool(device->ifname, table) == 0;
	const int code = errno;
	free(table);
	errno = code;
	return ok;
}

static bool is_taken(const struct mill_port_config *config, uint32_t queue)
{
	for (uint32_t i = 0; i < config->n_queues; i++)
		if (config->queue[i] == queue)
			return true;
	return false;
}

/* Queues that packets went to before and that stay the kernel's. */
static uint32_t others_of(const struct mill_changes *changes, const struct mill_port_config *config,
                          uint16_t *others)
{
	bool seen[MILL_MAX_QUEUES] = {false};
	uint32_t n = 0;
	for (uint32_t i = 0; i < changes->n_spread; i++) {
		const uint16_t queue = changes->spread[i];
		if (queue < MILL_MAX_QUEUES && !seen[queue] && !is_taken(config, queue))
			others[n++] = queue;
		if (queue < MILL_MAX_QUEUES)
			seen[queue] = true;
	}
	return n;
}

static bool leave_out(const struct mill_netdev *device, const struct mill_port_config *config)
{
	const struct mill_changes *changes = device->changes;
	uint16_t table[MILL_MAX_SPREAD], others[MILL_MAX_QUEUES];
	const uint32_t n = others_of(changes, config, others);
	uint32_t next = 0;
	errno = ENOSPC;
	if (n == 0)
		return false;
	for (uint32_t i = 0; i < changes->n_spread; i++) {
		const bool ours = is_taken(config, changes->spread[i]);
		table[i] = ours ? others[next++ % n] : changes->spread[i];
	}
	return write_spread(device, table, changes->n_spread);
}

bool mill_spread_apply(const struct mill_netdev *device, const struct mill_port_config *config,
                       struct mill_error *error)
{
	if (config->n_queues == 0) {
		mill_spread_restore(device);
		return true;
	}
	const bool known = device->changes->n_spread != 0 || read_spread(device);
	if (!known && errno == EOPNOTSUPP) {
		mill_log("%s:%s: its driver deals flows out to queues by itself (it has no RSS indirection "
		         "table), so "
		         "others than those that are meant may come to the queues that netmill takes",
		         device->kind, device->ifname);
		return true;
	}
	mill_netdev_remember(device);
	if (known && leave_out(device, config))
		return true;
	mill_fail(error, errno, "%s:%s: leaving its queues out of what RSS deals out (ethtool -X): %s%s",
	          device->kind, device->ifname, strerror(errno),
	          errno == ENOSPC ? "; no queue would be left to the kernel: `queues` takes all that RSS uses"
	                          : "");
	mill_spread_restore(device);
	return false;
}

/* Packets were dealt out as they are when nobody says otherwise: then nobody does, from now on. */
static bool is_default(const struct mill_netdev *device)
{
	const struct mill_changes *changes = device->changes;
	struct ethtool_rxnfc queues = {.cmd = ETHTOOL_GRXRINGS};
	if (mill_netdev_ethtool(device->ifname, &queues) != 0 || queues.data == 0)
		return false;
	for (uint32_t i = 0; i < changes->n_spread; i++)
		if (changes->spread[i] != i % queues.data)
			return false;
	return true;
}

void mill_spread_restore(const struct mill_netdev *device)
{
	struct mill_changes *changes = device->changes;
	if (changes->n_spread == 0)
		return;
	if (!is_default(device) || !write_spread(device, NULL, 0))
		(void)write_spread(device, changes->spread, changes->n_spread);
	changes->n_spread = 0;
	memset(changes->spread, 0, sizeof(changes->spread));
	mill_netdev_remember(device);
}
