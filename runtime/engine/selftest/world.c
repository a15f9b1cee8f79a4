/* selftest.h: memory shaped as netmap shapes it, a worker, a FIB. One thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "selftest/selftest.h"

static struct netmap_ring *make_ring(struct region *region, uint8_t *at, bool fills)
{
	struct netmap_ring *ring = (struct netmap_ring *)at;
	uint8_t *buffers = region->memory + (MILL_MAX_PORTS + 1u) * 4096u;
	const uint64_t mask = region->headroom != 0 ? MILL_BUF_SIZE - 1 : 0;
	const struct netmap_ring made = {.buf_ofs = buffers - at,
	                                 .num_slots = SELFTEST_SLOTS,
	                                 .nr_buf_size = MILL_BUF_SIZE,
	                                 .dir = fills ? 1 : 0,
	                                 .tail = fills ? SELFTEST_SLOTS - 1 : 0,
	                                 .offset_mask = mask};
	memcpy(at, &made, sizeof(made));
	for (uint32_t i = 0; i < SELFTEST_SLOTS; i++)
		ring->slot[i] = (struct netmap_slot){.buf_idx = region->n_bufs++, .ptr = region->headroom};
	return ring;
}

_Static_assert(sizeof(struct netmap_ring) + SELFTEST_SLOTS * sizeof(struct netmap_slot) <= 4096,
               "a ring has a page");

static bool make_regions(struct world *world, const struct mill_selftest_setup *setup)
{
	const size_t bytes = (MILL_MAX_PORTS + 1u) * (4096ull + SELFTEST_SLOTS * MILL_BUF_SIZE);
	for (uint32_t r = 0; r < SELFTEST_REGIONS; r++) {
		struct region *region = &world->region[r];
		region->memory = mill_fib_reserve(bytes);
		if (region->memory == NULL)
			return false;
		region->headroom = r == 0 ? MILL_HEADROOM : 0;
		region->rx = make_ring(region, region->memory, false);
		for (uint32_t port = r; port < setup->n_ports; port += SELFTEST_REGIONS) {
			struct netmap_ring *tx = make_ring(region, region->memory + (port + 1) * 4096u, true);
			region->tx[world->port_slot[port]] = tx;
			world->worker.tx[world->port_slot[port]] = tx;
		}
	}
	return true;
}

static bool make_fib(struct world *world, const struct mill_fib_record *records, uint32_t n)
{
	struct mill_fib *fib = mill_fib_reserve(mill_fib_bytes());
	world->state = mill_fib_reserve(sizeof(*world->state));
	if (fib == NULL || world->state == NULL)
		return false;
	mill_qsbr_init(&world->qsbr, world->state);
	if (!mill_fib_writer_init(&world->writer, fib, &world->qsbr, world->iface))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		if (mill_fib_writer_apply(&world->writer, &records[i]) != MILL_FIB_APPLIED) {
			fprintf(stderr, "record %u (op %u) was refused\n", i, records[i].op);
			return false;
		}
		mill_qsbr_poll(&world->qsbr);
	}
	mill_fib_writer_keep(&world->writer, 1u << MILL_FIB_FLAT | 1u << MILL_FIB_RADIX | 1u << MILL_FIB_DXR);
	world->worker.fib = fib;
	return true;
}

static void make_ifaces(struct world *world, const struct mill_selftest_setup *setup,
                        const struct mill_selftest_iface *given)
{
	memset(world->iface_local, 0xff, sizeof(world->iface_local));
	for (uint16_t i = 0; i < setup->n_ifaces; i++) {
		struct mill_iface *iface = &world->iface[given[i].slot];
		world->iface_slot[i] = given[i].slot;
		world->iface_local[given[i].slot] = i;
		memcpy(&iface->mac, given[i].mac, 6);
		memcpy(iface->tags, given[i].tags, sizeof(iface->tags));
		memcpy(iface->address4, given[i].address4, sizeof(iface->address4));
		memcpy(iface->address6, given[i].address6, sizeof(iface->address6));
		iface->slot = given[i].slot;
		iface->port = given[i].port;
		iface->mtu = given[i].mtu;
		iface->up = given[i].up;
		iface->host = given[i].host;
		iface->n_tags = given[i].n_tags;
	}
}

bool world_create(struct world *world, const struct mill_selftest_setup *setup, const uint16_t *port_slot,
                  const struct mill_selftest_iface *ifaces, const struct mill_fib_record *records)
{
	memset(world, 0, sizeof(*world));
	memcpy(world->port_slot, port_slot, setup->n_ports * sizeof(*port_slot));
	world->n_ifaces = setup->n_ifaces;
	world->n_rule_slots = setup->first_rule + setup->n_rules;
	world->rules = calloc(world->n_rule_slots + 1, sizeof(*world->rules));
	world->policed = calloc(world->n_rule_slots + 1, sizeof(*world->policed));
	world->rule_slot = calloc(setup->n_rules + 1, sizeof(*world->rule_slot));
	if (world->rules == NULL || world->policed == NULL || world->rule_slot == NULL ||
	    !make_regions(world, setup))
		return false;
	make_ifaces(world, setup, ifaces);
	for (uint32_t i = 0; i < setup->n_rules; i++)
		world->rule_slot[i] = setup->first_rule + i;
	for (uint32_t i = 0; i < setup->n_gateways; i++)
		world->gateway_slot[i] = (setup->first_gateway + i) % MILL_MAX_GATEWAYS;
	world->bindings = (struct mill_bindings){.iface = world->iface_slot,
	                                         .local = world->iface_local,
	                                         .port = world->port_slot,
	                                         .rule = world->rule_slot,
	                                         .gateway = world->gateway_slot,
	                                         .set = world->set_slot};
	for (uint32_t i = 0; i < setup->n_sets; i++)
		world->set_slot[i] = (uint16_t)(setup->first_set + i);
	world->worker.sets = world->set;
	world->worker.bind = &world->bindings;
	world->worker.ifaces = world->iface;
	world->worker.if_counters = world->counters;
	world->worker.rule_counters = world->rules;
	world->worker.policed = world->policed;
	world->worker.services = &trace_services;
	world->worker.now_ns = 1000000000;
	return make_fib(world, records, setup->n_records);
}

static void put(const struct region *region, uint32_t at, const struct received *frame, uint8_t filler)
{
	struct netmap_slot *slot = &region->rx->slot[at];
	slot->ptr = region->headroom;
	slot->len = frame->head->len;
	slot->flags = 0;
	uint8_t *to = mill_ring_buffer(region->rx, slot);
	memset(to - region->headroom, filler, MILL_BUF_SIZE);
	memcpy(to, frame->bytes, frame->head->len);
}

/* What a TX sync does: takes all frames, and gives their slots back. */
static void drain(struct world *world, uint16_t port)
{
	struct netmap_ring *tx = world->worker.tx[port];
	struct region *region = world->region[0].tx[port] == tx ? &world->region[0] : &world->region[1];
	const bool announced = (world->worker.tx_dirty >> port & 1) != 0;
	uint32_t at = world->tx_start[port];
	while (at != tx->head) {
		struct netmap_slot *slot = &tx->slot[at];
		trace_sent(world, port, mill_ring_buffer(tx, slot), slot->len);
		world->trace.unannounced += !announced;
		slot->ptr = region->headroom;
		at = mill_ring_next(tx, at);
	}
}

static void make_room(struct world *world, uint16_t port, bool room)
{
	struct netmap_ring *tx = world->worker.tx[port];
	world->tx_start[port] = tx->cur = tx->head;
	tx->tail = room ? (tx->head + SELFTEST_SLOTS - 1) % SELFTEST_SLOTS : tx->head;
}

/* Each buffer of the region is in exactly one slot. */
static bool buffers_complete(const struct region *region)
{
	uint8_t seen[(MILL_MAX_PORTS + 1) * SELFTEST_SLOTS] = {0};
	for (uint32_t r = 0; r <= MILL_MAX_PORTS; r++) {
		const struct netmap_ring *ring = r == 0 ? region->rx : region->tx[r - 1];
		for (uint32_t i = 0; ring != NULL && i < SELFTEST_SLOTS; i++) {
			const uint32_t buffer = ring->slot[i].buf_idx;
			if (buffer >= region->n_bufs || seen[buffer]++ != 0)
				return false;
		}
	}
	return true;
}

static void without_gateways(struct world *world, receive_function *receive, struct netmap_ring *rx)
{
	uint32_t *gateway = world->writer.fib->gateway, kept[MILL_MAX_GATEWAYS];
	memcpy(kept, gateway, sizeof(kept));
	memset(gateway, 0, sizeof(kept));
	receive(&world->worker, rx);
	memcpy(gateway, kept, sizeof(kept));
}

bool world_receive(struct world *world, receive_function *receive, const struct received *frames, uint32_t n,
                   uint32_t region, uint8_t filler)
{
	struct netmap_ring *rx = world->region[region].rx;
	const uint8_t flags = frames[0].head->flags;
	for (uint32_t i = 0; i < n; i++)
		put(&world->region[region], (rx->cur + i) % SELFTEST_SLOTS, &frames[i], filler);
	rx->tail = (rx->cur + n) % SELFTEST_SLOTS;
	for (uint16_t port = 0; port < MILL_MAX_PORTS; port++)
		if (world->worker.tx[port] != NULL)
			make_room(world, port, (flags & MILL_SELFTEST_TX_FULL) == 0);
	world->services_take = (flags & MILL_SELFTEST_SERVICES_REFUSE) == 0;
	world->worker.acl_enabled = (flags & MILL_SELFTEST_NO_ACL) == 0;
	world->worker.tx_dirty = 0;
	if ((flags & MILL_SELFTEST_NO_GATEWAYS) != 0)
		without_gateways(world, receive, rx);
	else
		receive(&world->worker, rx);
	for (uint16_t port = 0; port < MILL_MAX_PORTS; port++)
		if (world->worker.tx[port] != NULL)
			drain(world, port);
	return rx->head == rx->tail && rx->cur == rx->tail && buffers_complete(&world->region[0]) &&
	       buffers_complete(&world->region[1]);
}
