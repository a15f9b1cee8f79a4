/*
 * Buffer numbers after a crash. An engine that dies in the middle of an exchange leaves one buffer in two slots and one in
 * none: who sends and receives by both slots would overwrite what others read, and netmap takes a number out of range for
 * buffer 0 without a word. So before an adopted port is served, each slot that is ours must name a buffer of its own, in
 * this port and among the ports adopted before it; one that does not gets an extra buffer, which the port has for this,
 * and a packet of length 0, which nobody forwards. Slots that are the kernel's are compared, never changed: the slots from
 * head to tail are ours, the others its own. In a pipe the kernel's slots are the other end's, and are not even
 * compared. Control thread only.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "port/netmap.h"

struct audit {
	struct mill_port *port;
	uint8_t *seen; /* by buffer */
	uint32_t mended, beyond;
};

uint32_t mill_netmap_spare(struct mill_port *port)
{
	struct mill_netmap *netmap = port->backend;
	struct netmap_if *nifp = netmap->pair[0].nifp;
	const struct netmap_ring *ring = port->rx[0] != NULL ? port->rx[0] : port->tx[0];
	uint32_t *head = (uint32_t *)(uintptr_t)&nifp->ni_bufs_head;
	const uint32_t index = *head;
	if (index < MILL_NETMAP_FIRST || index >= netmap->n_bufs)
		return 0;
	/* The first word of an extra buffer is the number of the next. */
	const struct netmap_slot slot = {.buf_idx = index};
	memcpy(head, mill_ring_buffer(ring, &slot), sizeof(*head));
	return index;
}

static uint32_t until(const struct netmap_ring *ring, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + ring->num_slots - from;
}

static bool is_buffer(const struct audit *audit, uint32_t index)
{
	const struct mill_netmap *netmap = audit->port->backend;
	return index >= MILL_NETMAP_FIRST && index < netmap->n_bufs;
}

static void claim_kernels(struct audit *audit, const struct netmap_ring *ring)
{
	const uint32_t n = ring->num_slots - until(ring, ring->head, ring->tail);
	for (uint32_t i = 0, at = ring->tail; i < n; i++, at = mill_ring_next(ring, at)) {
		const uint32_t index = ring->slot[at].buf_idx;
		if (!is_buffer(audit, index) || audit->seen[index])
			audit->beyond++;
		else
			audit->seen[index] = 1;
	}
}

static void mend(struct audit *audit, struct netmap_slot *slot)
{
	uint32_t spare = mill_netmap_spare(audit->port);
	for (uint32_t i = 0; i < MILL_NETMAP_SPARES && spare != 0 && audit->seen[spare]; i++)
		spare = mill_netmap_spare(audit->port);
	if (spare == 0 || audit->seen[spare]) {
		audit->beyond++;
		return;
	}
	audit->seen[spare] = 1;
	audit->mended++;
	*slot = (struct netmap_slot){.buf_idx = spare, .flags = NS_BUF_CHANGED};
}

/* An RX slot that the forwarder had emptied already, in the middle of a burst, holds another packet's remains. */
static void claim_ours(struct audit *audit, struct netmap_ring *ring, bool receives)
{
	const uint32_t n = until(ring, ring->head, ring->tail);
	for (uint32_t i = 0, at = ring->head; i < n; i++, at = mill_ring_next(ring, at)) {
		struct netmap_slot *slot = &ring->slot[at];
		if (receives && (slot->flags & NS_BUF_CHANGED) != 0)
			slot->len = 0;
		if (!is_buffer(audit, slot->buf_idx) || audit->seen[slot->buf_idx])
			mend(audit, slot);
		else
			audit->seen[slot->buf_idx] = 1;
	}
}

static bool is_sane(const struct netmap_ring *ring)
{
	return ring->head < ring->num_slots && ring->tail < ring->num_slots;
}

static bool each(struct audit *audit, struct netmap_ring *ring, bool receives, bool kernels)
{
	const struct mill_netmap *netmap = audit->port->backend;
	if (ring == NULL)
		return true;
	if (!is_sane(ring))
		return false;
	if (!kernels)
		claim_ours(audit, ring, receives);
	else if (!netmap->spec.is_pipe)
		claim_kernels(audit, ring);
	return true;
}

/* The kernel's slots of all rings first: what is in one of ours too is ours to change. */
static bool all(struct audit *audit, bool kernels)
{
	const struct mill_port *port = audit->port;
	const struct mill_netmap *netmap = port->backend;
	bool sane = each(audit, netmap->host_tx, false, kernels);
	for (uint32_t r = 0; r < MILL_MAX_RINGS && sane; r++)
		sane = each(audit, port->rx[r], true, kernels) && each(audit, port->tx[r], false, kernels);
	for (uint32_t r = 0; r < netmap->n_host_rx && sane; r++)
		sane = each(audit, netmap->host_rx[r], true, kernels);
	return sane;
}

bool mill_netmap_audit(struct mill_port *port, struct mill_error *error)
{
	struct mill_netmap *netmap = port->backend;
	struct mill_netmap_memory *memory = netmap->memory;
	if (memory->seen == NULL)
		memory->seen = calloc(netmap->n_bufs, 1);
	struct audit audit = {.port = port, .seen = memory->seen};
	if (audit.seen == NULL) {
		mill_fail(error, ENOMEM, "netmap:%s: no memory to sort %u buffers", netmap->spec.name,
		          netmap->n_bufs);
		return false;
	}
	const bool sane = all(&audit, true) && all(&audit, false);
	if (audit.mended != 0)
		mill_log("port %s (%s): %u slots had lost their buffer and have another", port->config.name,
		         port->config.spec, audit.mended);
	if (sane && audit.beyond == 0)
		return true;
	mill_fail(error, EINVAL, "netmap:%s: its rings cannot be mended: %s", netmap->spec.name,
	          sane ? "buffers are missing that only the kernel could give back"
	               : "a ring's head or tail is out of range");
	return false;
}
