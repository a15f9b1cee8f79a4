/*
 * Plans: who serves which rings. Ownership comes from the configuration's worker masks; a ring that no worker was
 * given goes to worker 0, because a ring that nobody reads is a black hole. From ownership follow each worker's ways
 * out: a TX ring of its own, else a handoff ring, which the worker with the port's lowest owned TX ring empties.
 * Control thread only; a plan never changes once published.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "engine.h"
#include "os/events.h"

static uint32_t rings_of(const struct mill_port *port)
{
	return port->rx_rings > port->tx_rings ? port->rx_rings : port->tx_rings;
}

void mill_ownership_of(const struct mill_engine *engine, const struct mill_config *config,
                       struct mill_ownership *ownership)
{
	memset(ownership, 0xff, sizeof(*ownership));
	for (uint32_t local = 0; local < config->n_ports; local++) {
		const uint16_t slot = config->port[local].slot;
		const struct mill_port *port = engine->port[slot];
		for (uint32_t ring = 0; port != NULL && ring < rings_of(port); ring++) {
			ownership->owner[slot][ring] = 0;
			for (uint16_t w = 0; w < config->n_workers; w++)
				if ((config->worker[w].rx_rings[local] >> ring & 1) != 0)
					ownership->owner[slot][ring] = w;
		}
	}
}

/* Lowest TX ring of the port that `worker` owns (MILL_NONE: that anybody owns), or -1. */
static int tx_ring_of(const struct mill_port *port, const struct mill_ownership *ownership, uint16_t worker)
{
	for (uint32_t ring = 0; ring < port->tx_rings; ring++) {
		const uint16_t owner = ownership->owner[port->config.slot][ring];
		if (owner != MILL_NONE && (worker == MILL_NONE || owner == worker))
			return (int)ring;
	}
	return -1;
}

static bool add_way(struct mill_engine *engine, struct mill_port *port,
                    const struct mill_ownership *ownership, uint16_t worker, struct mill_way *way,
                    struct mill_error *error)
{
	const uint16_t slot = port->config.slot;
	const int own = tx_ring_of(port, ownership, worker);
	*way = (struct mill_way){.port = port};
	if (own >= 0) {
		way->ring = port->tx[own];
		way->index = (uint16_t)own;
		return true;
	}
	if (port->tx_rings == 0)
		return true;
	struct netmap_ring **handoff = &engine->handoff[slot][worker];
	if (*handoff == NULL)
		*handoff = mill_region_alloc_ring(&engine->region, slot, MILL_RING_HANDOFF, worker,
		                                  MILL_HANDOFF_SLOTS);
	if (*handoff == NULL) {
		mill_fail(error, ENOBUFS,
		          "port %s: no packet buffers left for worker %u to hand packets over: start the "
		          "engine with "
		          "more than --buffers %u",
		          port->config.name, worker, engine->region.n_bufs);
		return false;
	}
	const int shared = tx_ring_of(port, ownership, MILL_NONE);
	const uint16_t owner = shared < 0 ? worker : ownership->owner[slot][shared];
	way->ring = *handoff;
	way->owner = engine->worker[owner];
	return true;
}

static void add_rings(struct mill_worker_plan *plan, struct mill_port *port,
                      const struct mill_ownership *ownership, uint16_t worker,
                      void (*receive)(struct mill_worker *, struct netmap_ring *))
{
	for (uint32_t ring = 0; ring < rings_of(port); ring++) {
		if (ownership->owner[port->config.slot][ring] != worker)
			continue;
		plan->ring[plan->n_rings++] = (struct mill_owned_ring){
		    .port = port,
		    .rx = ring < port->rx_rings ? port->rx[ring] : NULL,
		    .receive = receive,
		    .ring = (uint16_t)ring,
		    .has_tx = ring < port->tx_rings,
		};
	}
}

/* Also those that nobody fills any more: what is left in them is sent. */
static void add_inbound(struct mill_engine *engine, struct mill_worker_plan *plan,
                        const struct mill_port *port, const struct mill_ownership *ownership, uint16_t worker)
{
	const uint16_t slot = port->config.slot;
	const int shared = tx_ring_of(port, ownership, MILL_NONE);
	if (shared < 0 || ownership->owner[slot][shared] != worker)
		return;
	for (uint32_t from = 0; from < MILL_MAX_WORKERS; from++)
		if (engine->handoff[slot][from] != NULL)
			plan->inbound[plan->n_inbound++] =
			    (struct mill_inbound){.ring = engine->handoff[slot][from], .port = slot};
}

static void wait_for(struct mill_worker_plan *plan, int fd)
{
	for (uint32_t i = 0; i < plan->n_wait; i++)
		if (plan->wait[i].fd == fd)
			return; /* rings of one port may share a descriptor */
	plan->wait[plan->n_wait++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

/* For poll(2), which is with the sockets only while the worker sleeps. A set of events.h always is, and AF_XDP then
 * pays for a wake-up with each packet that has been sent: a fifth of what a worker forwards over veth. */
static bool list_descriptors(struct mill_engine *engine, struct mill_worker_plan *plan, uint16_t worker,
                             struct mill_error *error)
{
	bool watches = false;
	for (uint32_t i = 0; i < plan->n_rings; i++)
		watches |= plan->ring[i].rx != NULL && plan->ring[i].port->ops->watch != NULL;
	plan->wait = calloc(plan->n_rings + plan->n_taps + 2u, sizeof(*plan->wait));
	plan->watched = watches ? mill_wait_create() : -1;
	if (plan->wait == NULL || (watches && plan->watched < 0)) {
		mill_fail(error, errno, "worker %u: what it waits for: %s", worker, strerror(errno));
		return false;
	}
	wait_for(plan, engine->worker[worker]->wake);
	if (watches)
		wait_for(plan, plan->watched);
	for (uint32_t i = 0; i < plan->n_rings; i++) {
		const struct mill_owned_ring *ring = &plan->ring[i];
		if (ring->rx == NULL || ring->port->ops->watch != NULL)
			continue;
		const int fd = ring->port->ops->rx_fd(ring->port, ring->ring);
		if (fd >= 0)
			wait_for(plan, fd);
		else
			plan->must_poll = true;
	}
	for (uint32_t i = 0; i < plan->n_taps; i++)
		wait_for(plan, mill_host_tap_fd(engine->host, plan->tap[i]));
	return true;
}

static bool build_worker(struct mill_engine *engine, const struct mill_generation *generation,
                         const struct mill_ownership *ownership, struct mill_plan *plan, uint16_t worker,
                         struct mill_error *error)
{
	const struct mill_config *config = generation->config;
	struct mill_worker_plan *part = &plan->worker[worker];
	part->ring = calloc(config->n_ports * MILL_MAX_RINGS + 1, sizeof(*part->ring));
	part->inbound = calloc(config->n_ports * MILL_MAX_WORKERS + 1, sizeof(*part->inbound));
	part->tap = calloc(config->n_ifaces + 1u, sizeof(*part->tap));
	if (part->ring == NULL || part->inbound == NULL || part->tap == NULL) {
		mill_fail(error, ENOMEM, "no memory for the plan of worker %u", worker);
		return false;
	}
	for (uint32_t local = 0; local < config->n_ports; local++) {
		struct mill_port *port = engine->port[config->port[local].slot];
		if (port == NULL)
			continue;
		add_rings(part, port, ownership, worker, generation->forwarder->receive[local]);
		if (!add_way(engine, port, ownership, worker, &part->way[port->config.slot], error))
			return false;
	}
	for (uint32_t i = 0; i < config->n_ifaces; i++) {
		const struct mill_iface_config *iface = &config->iface[i];
		const struct mill_port *port = engine->port[iface->port];
		const int shared = port != NULL ? tx_ring_of(port, ownership, MILL_NONE) : -1;
		if (engine->tap_open[iface->slot] && iface->host == MILL_HOST_TAP && shared >= 0 &&
		    ownership->owner[iface->port][shared] == worker)
			part->tap[part->n_taps++] = iface->slot;
	}
	part->event_mode = config->event_mode;
	part->active = true;
	return list_descriptors(engine, part, worker, error);
}

struct mill_plan *mill_plan_build(struct mill_engine *engine, const struct mill_generation *generation,
                                  const struct mill_ownership *ownership, struct mill_error *error)
{
	struct mill_plan *plan = calloc(1, sizeof(*plan));
	if (plan == NULL) {
		mill_fail(error, ENOMEM, "no memory for a plan");
		return NULL;
	}
	plan->generation = generation;
	for (uint32_t w = 0; w < MILL_MAX_WORKERS; w++)
		plan->worker[w].watched = -1;
	for (uint16_t w = 0; w < generation->config->n_workers; w++)
		if (!build_worker(engine, generation, ownership, plan, w, error)) {
			mill_plan_free(plan);
			return NULL;
		}
	/* Second pass: every handoff ring exists now. */
	for (uint16_t w = 0; w < generation->config->n_workers; w++)
		for (uint32_t local = 0; local < generation->config->n_ports; local++) {
			const struct mill_port *port = engine->port[generation->config->port[local].slot];
			if (port != NULL)
				add_inbound(engine, &plan->worker[w], port, ownership, w);
		}
	return plan;
}

void mill_plan_free(const struct mill_plan *plan)
{
	if (plan == NULL)
		return;
	for (uint32_t w = 0; w < MILL_MAX_WORKERS; w++) {
		if (plan->worker[w].watched >= 0)
			close(plan->worker[w].watched);
		free(plan->worker[w].wait);
		free(plan->worker[w].ring);
		free(plan->worker[w].inbound);
		free(plan->worker[w].tap);
	}
	free((void *)(uintptr_t)plan);
}
