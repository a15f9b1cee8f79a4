/*
 * Ports that are load: a plugin with the ABI of netmill-dpdk.so, which an unmodified engine loads for `dpdk:` ports. Packets come
 * from nowhere, each one written anew into its buffer by the worker that asks, 64 at a time, and those that are sent
 * are counted: so every worker has its own load, and takes part of its time for it.
 *
 *   dpdk:loadN,rings=R,file=FILE
 *
 * FILE is shared with the bench: cells of 128 bytes at its start, one a ring, then the packets, 64 KiB of them a ring. Ring r of
 * load N has cell N + r.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "port/dpdk.h"
#include "ring_sync.h"

#define SLOTS     256u
#define CELLS     8u
#define PACKETS   4096u /* where they begin in the file */
#define SHARE     65536u
#define FRAME     60u
#define FILE_SIZE (PACKETS + CELLS * SHARE)

/* One writer for each of its lines. */
struct cell {
	_Alignas(64) uint32_t n; /* packets of the ring's part that are sent in turn; 0: silence */
	_Alignas(64) uint64_t sent;
};

/* One ring's; its worker alone writes it. */
struct source {
	_Alignas(64) struct cell *cell;
	const uint8_t (*packet)[64];
	uint32_t turn;
};

struct load {
	void *file;
	struct source source[MILL_MAX_RINGS];
};

static void rx_sync(struct mill_port *port, uint32_t index)
{
	struct source *source = &((struct load *)port->backend)->source[index];
	struct netmap_ring *rx = port->rx[index];
	const uint32_t n = __atomic_load_n(&source->cell->n, __ATOMIC_RELAXED), there = mill_ring_space(rx);
	if (n == 0 || there >= MILL_BURST)
		return;
	for (uint32_t i = there; i < MILL_BURST; i++) {
		struct netmap_slot *slot = &rx->slot[rx->tail];
		mill_slot_set_offset(rx, slot, MILL_HEADROOM);
		slot->len = FRAME;
		memcpy(mill_ring_buffer(rx, slot), source->packet[source->turn], 64);
		source->turn = source->turn + 1 < n ? source->turn + 1 : 0;
		rx->tail = mill_ring_next(rx, rx->tail);
	}
	mill_tally(&port->state->ring[index].rx_packets, MILL_BURST - there);
	mill_tally(&port->state->ring[index].rx_bytes, (uint64_t)FRAME * (MILL_BURST - there));
}

static void tx_sync(struct mill_port *port, uint32_t index)
{
	const struct source *source = &((struct load *)port->backend)->source[index];
	struct netmap_ring *tx = port->tx[index];
	uint64_t packets = 0, bytes = 0;
	for (uint32_t at = mill_ring_next(tx, tx->tail); at != tx->head; at = mill_ring_next(tx, at)) {
		packets++;
		bytes += tx->slot[at].len;
	}
	if (packets == 0)
		return;
	tx->tail = mill_ring_previous(tx, tx->head);
	mill_tally(&port->state->ring[index].tx_packets, packets);
	mill_tally(&port->state->ring[index].tx_bytes, bytes);
	__atomic_store_n(&source->cell->sent, source->cell->sent + packets, __ATOMIC_RELAXED);
}

static int rx_fd(struct mill_port *port, uint32_t index)
{
	(void)port;
	(void)index;
	return -1;
}

static void close_port(struct mill_port *port)
{
	struct load *load = port->backend;
	for (uint32_t ring = 0; ring < port->rx_rings; ring++) {
		mill_region_free_ring(port->region, port->rx[ring]);
		mill_region_free_ring(port->region, port->tx[ring]);
	}
	munmap(load->file, FILE_SIZE);
	free(load);
	port->backend = NULL;
}

static bool open_ring(struct mill_port *port, struct load *load, uint32_t ring, uint32_t cell)
{
	port->rx[ring] = mill_region_alloc_ring(port->region, port->config.slot, MILL_RING_RX, ring, SLOTS);
	port->tx[ring] = mill_region_alloc_ring(port->region, port->config.slot, MILL_RING_TX, ring, SLOTS);
	load->source[ring] = (struct source){
	    .cell = (struct cell *)load->file + cell,
	    .packet = (const uint8_t(*)[64])((uint8_t *)load->file + PACKETS + cell * SHARE),
	};
	return port->rx[ring] != NULL && port->tx[ring] != NULL;
}

static bool open_port(struct mill_port *port, struct mill_error *error)
{
	struct load *load = aligned_alloc(64, sizeof(*load));
	char path[MILL_SPEC_SIZE];
	uint32_t number, rings, ring = 0;
	if (load == NULL ||
	    sscanf(port->config.spec, "dpdk:load%u,rings=%u,file=%127s", &number, &rings, path) != 3 ||
	    rings == 0 || rings > CELLS || number > CELLS - rings) {
		mill_fail(error, EINVAL, "port %s: expected dpdk:loadN,rings=R,file=FILE", port->config.name);
		free(load);
		return false;
	}
	const int fd = open(path, O_RDWR | O_CLOEXEC);
	load->file = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	while (load->file != MAP_FAILED && ring < rings && open_ring(port, load, ring, number + ring))
		ring++;
	if (ring < rings) {
		mill_fail(error, ENOMEM, "port %s: %s, or no buffers", port->config.name, path);
		return false;
	}
	port->backend = load;
	port->rx_rings = port->tx_rings = port->state->rx_rings = port->state->tx_rings = (uint16_t)rings;
	port->mtu = 1500;
	mill_name_mac(port->config.spec, port->state->mac);
	__atomic_fetch_or(&port->state->flags, MILL_PORT_UP, __ATOMIC_ACQ_REL);
	return true;
}

static const struct mill_port_ops ops = {.kind = "dpdk",
                                         .open = open_port,
                                         .close = close_port,
                                         .rx_sync = rx_sync,
                                         .tx_sync = tx_sync,
                                         .rx_fd = rx_fd};

extern const struct mill_dpdk_plugin mill_dpdk_plugin;
const struct mill_dpdk_plugin mill_dpdk_plugin = {.abi = MILL_ABI_VERSION,
                                                  .port_size = sizeof(struct mill_port),
                                                  .region_size = sizeof(struct mill_region),
                                                  .ops = &ops};
