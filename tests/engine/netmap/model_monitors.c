/*
 * Monitors: receive rings that get what another port's rings carry. A port can be monitored while it is open. One that copies gets
 * each frame when it comes or goes; one that does not takes each slot in exchange when it is released, with what is in it then. See model.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "netmap/model_inside.h"

static struct device *rings_for(const struct device *device)
{
	char name[sizeof(device->name) + 8];
	snprintf(name, sizeof(name), "%s/monitor", device->name);
	name[sizeof(device->name) - 1] = '\0';
	if (model_find(name) == NULL)
		model_device(name, device->memory->id, 0,
		             device->n[0] > device->n[1] ? device->n[0] : device->n[1], 0);
	return model_find(name);
}

struct device *model_monitor(struct device *device, uint32_t ring, uint64_t flags)
{
	static const uint64_t wanted[2] = {NR_MONITOR_RX, NR_MONITOR_TX};
	errno = EINVAL;
	if (device->users == 0)
		return NULL;
	if ((flags & NR_EXCLUSIVE) != 0)
		model_reject("a monitor of %s is opened exclusively", device->name);
	struct device *monitor = rings_for(device);
	monitor->monitored = device;
	for (uint32_t tx = 0; tx < 2; tx++)
		if ((flags & wanted[tx]) != 0 && ring < device->n[tx]) {
			device->kring[tx][ring].monitor = &monitor->kring[0][ring];
			device->kring[tx][ring].is_taken = (flags & NR_ZCOPY_MON) != 0;
		}
	return monitor;
}

void model_monitor_ends(const struct device *monitor, uint32_t ring)
{
	for (uint32_t tx = 0; tx < 2; tx++)
		monitor->monitored->kring[tx][ring].monitor = NULL;
}

void model_take_slot(struct kring *kring, uint32_t at)
{
	struct kring *monitor = kring->monitor;
	struct netmap_slot *slot = &kring->ring->slot[at];
	const uint32_t index = slot->buf_idx;
	if (monitor == NULL || !kring->is_taken)
		return;
	const uint32_t to = (monitor->hwtail + monitor->ahead) % MODEL_SLOTS;
	if ((to + 1) % MODEL_SLOTS == monitor->hwcur)
		return;
	slot->buf_idx = monitor->ring->slot[to].buf_idx;
	monitor->ring->slot[to] = monitor->saved[to] =
	    (struct netmap_slot){.buf_idx = index, .len = slot->len, .ptr = slot->ptr};
	monitor->ahead++;
}
