/* What the parts of netmap_test share: bed.h. */
#include "netmap/bed.h"
#include <string.h>
#include "netmill/packet.h"
#include "netmill/transmit.h"

struct netmap_bed bed;

void no_violation(void)
{
	const char *told = model_violation();
	CHECK(told[0] == '\0', "%s", told);
}

struct mill_port *port_make(const char *spec, uint16_t slot)
{
	struct mill_port *port = calloc(1, sizeof(*port));
	memset(&bed.state[slot], 0, sizeof(bed.state[slot]));
	port->ops = &mill_port_netmap;
	port->state = &bed.state[slot];
	port->rundir = bed.rundir;
	port->config.slot = slot;
	port->config.fallback = MILL_FALLBACK_KERNEL;
	snprintf(port->config.name, sizeof(port->config.name), "p%u", slot);
	snprintf(port->config.spec, sizeof(port->config.spec), "%s", spec);
	return port;
}

struct mill_port *port_open(const char *spec, uint16_t slot)
{
	struct mill_port *port = port_make(spec, slot);
	struct mill_error error = {0};
	CHECK(port->ops->open(port, &error), "%s: %s", spec, error.text);
	return port;
}

void port_close(struct mill_port *port)
{
	port->ops->close(port);
	free(port);
	no_violation();
}

uint32_t forward(struct mill_port *from, uint32_t ring, struct mill_port *to, uint32_t to_ring)
{
	struct netmap_ring *rx = from->rx[ring], *tx = to->tx[to_ring];
	uint32_t n = 0;
	from->ops->rx_sync(from, ring);
	for (; rx->cur != rx->tail && tx->head != tx->tail; n++) {
		struct netmap_slot *slot = &rx->slot[rx->cur], *out = &tx->slot[tx->head];
		const uint16_t length = slot->len;
		if (length >= 14) {
			if (!mill_exchange(rx, mill_ring_memory(rx), tx, out, slot, 0, slot->len)) {
				memcpy(mill_ring_buffer(tx, out), mill_ring_buffer(rx, slot), length);
				out->flags &= NS_BUF_CHANGED;
			}
			out->len = length;
			tx->head = tx->cur = mill_ring_next(tx, tx->head);
		}
		rx->head = rx->cur = mill_ring_next(rx, rx->cur);
	}
	to->ops->tx_sync(to, to_ring);
	return n;
}

void arrive(const char *device, uint16_t ring, uint32_t number)
{
	uint8_t frame[100];
	memset(frame, (int)number, sizeof(frame));
	memcpy(frame + 14, &number, sizeof(number));
	model_receive(device, MODEL_WIRE, ring, frame, sizeof(frame), 0);
}

void expect(const char *device, uint16_t ring, uint32_t number, uint32_t *buffer)
{
	uint8_t frame[2048];
	uint16_t length;
	uint32_t got;
	CHECK(model_sent(device, MODEL_WIRE, ring, frame, &length, buffer), "frame %u has not left", number);
	memcpy(&got, frame + 14, sizeof(got));
	CHECK(length == 100 && got == number && frame[99] == (uint8_t)number, "frame %u: %u bytes, number %u",
	      number, length, got);
}

void expect_nothing(const char *device, uint16_t ring)
{
	uint8_t frame[2048];
	uint16_t length;
	uint32_t buffer;
	CHECK(!model_sent(device, MODEL_WIRE, ring, frame, &length, &buffer), "%u bytes too many", length);
}

void two_devices(uint16_t memory_of_second)
{
	two_devices_of(memory_of_second, 2048, false);
}

void two_devices_of(uint16_t memory_of_second, uint32_t buffer_size, bool offsets)
{
	model_reset();
	model_options.buffer_size = buffer_size;
	model_options.offsets = offsets;
	model_device("ix0", 1, 1, 1, 1);
	model_device("ix1", memory_of_second, 1, 1, 1);
}

uint32_t count_spares(struct mill_port *port)
{
	uint32_t n = 0;
	while (mill_netmap_spare(port) != 0)
		n++;
	return n;
}

void keep_offloads(void)
{
	CHECK(shell("ethtool -k ix0 > %s/before", bed.rundir) == 0, "ethtool");
}

void same_offloads(void)
{
	CHECK(shell("ethtool -k ix0 | cmp -s - %s/before", bed.rundir) == 0, "offloads are not as they were");
}
