/*
 * `pcap:IN,OUT` ports: IN is replayed once, as fast as it is taken; what the port sends is appended to OUT with
 * nanosecond time stamps. Either may be empty or `-`: nothing to replay, nothing to keep. Format: pcap-savefile(5),
 * micro- and nanoseconds, both byte orders, Ethernet only; draft-ietf-opsawg-pcap. One ring; the worker that owns it
 * does all reading and writing. IN's file offset is kept at the next record to replay, so an adopting engine goes on
 * there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "port/port.h"
#include "region.h"
#include "ring_sync.h"
#include "os/events.h"

#define SLOTS         512u
#define MTU           1500u
#define MAGIC_MICRO   0xa1b2c3d4u
#define MAGIC_NANO    0xa1b23c4du
#define LINK_ETHERNET 1u
#define MAX_RECORD    262144u
#define BUFFER        (1u << 19)

enum { HELD_IN, HELD_OUT };

struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, snaplen, link;
};

struct record_header {
	uint32_t seconds, fraction, captured, length;
};

struct pcap {
	int in, out;
	int ready; /* a bell, readable while there is something to replay */
	bool swapped, failed;
	off_t at; /* file offset of buffer[start] */
	uint32_t start, end;
	uint8_t *buffer, *sending;
};

static uint32_t order(const struct pcap *pcap, uint32_t value)
{
	return pcap->swapped ? __builtin_bswap32(value) : value;
}

/* At least `need` bytes in the buffer; false at the end of the file. */
static bool fill(struct pcap *pcap, uint32_t need)
{
	if (pcap->end - pcap->start >= need)
		return true;
	memmove(pcap->buffer, pcap->buffer + pcap->start, pcap->end - pcap->start);
	pcap->end -= pcap->start;
	pcap->start = 0;
	while (pcap->end < need) {
		const ssize_t n =
		    pread(pcap->in, pcap->buffer + pcap->end, BUFFER - pcap->end, pcap->at + pcap->end);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		pcap->end += (uint32_t)n;
	}
	return true;
}

static void skip(struct pcap *pcap, uint32_t bytes)
{
	pcap->start += bytes;
	pcap->at += bytes;
}

static void finish(struct pcap *pcap)
{
	uint64_t value;
	const ssize_t n = read(pcap->ready, &value, sizeof(value));
	(void)n;
	/* The daemon holds it still, and an engine that adopts must find it at its end. */
	(void)lseek(pcap->in, pcap->at, SEEK_SET);
	close(pcap->in);
	pcap->in = -1;
}

/* The next record that is a frame; NULL: there are none any more. Records that no Ethernet frame of ours can be are
 * counted and left out; a length beyond all sense ends the replay. */
static const uint8_t *next_frame(struct mill_port *port, struct pcap *pcap, uint16_t *length)
{
	struct record_header record;
	for (;;) {
		if (!fill(pcap, sizeof(record)))
			return NULL;
		memcpy(&record, pcap->buffer + pcap->start, sizeof(record));
		const uint32_t captured = order(pcap, record.captured);
		if (captured > MAX_RECORD || !fill(pcap, (uint32_t)sizeof(record) + captured))
			return NULL;
		const uint8_t *frame = pcap->buffer + pcap->start + sizeof(record);
		skip(pcap, (uint32_t)sizeof(record) + captured);
		if (captured >= 14 && captured <= port->region->buf_size - MILL_HEADROOM) {
			*length = (uint16_t)captured;
			return frame;
		}
		mill_tally(&port->state->ring[0].rx_dropped, 1);
	}
}

static void rx_sync(struct mill_port *port, uint32_t index)
{
	struct pcap *pcap = port->backend;
	struct netmap_ring *rx = port->rx[index];
	const uint32_t stop = mill_ring_previous(rx, rx->head);
	uint64_t packets = 0, bytes = 0;
	while (pcap->in >= 0 && rx->tail != stop) {
		struct netmap_slot *slot = &rx->slot[rx->tail];
		const uint8_t *frame = next_frame(port, pcap, &slot->len);
		if (frame == NULL) {
			finish(pcap);
			break;
		}
		slot->flags = 0;
		mill_slot_set_offset(rx, slot, MILL_HEADROOM);
		memcpy(mill_ring_buffer(rx, slot), frame, slot->len);
		packets++;
		bytes += slot->len;
		rx->tail = mill_ring_next(rx, rx->tail);
	}
	if (packets == 0)
		return;
	if (pcap->in >= 0)
		(void)lseek(pcap->in, pcap->at, SEEK_SET);
	mill_tally(&port->state->ring[0].rx_packets, packets);
	mill_tally(&port->state->ring[0].rx_bytes, bytes);
}

static bool write_all(int fd, const uint8_t *data, size_t length)
{
	while (length > 0) {
		const ssize_t n = write(fd, data, length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		length -= (size_t)n;
	}
	return true;
}

static void tx_sync(struct mill_port *port, uint32_t index)
{
	struct pcap *pcap = port->backend;
	struct netmap_ring *tx = port->tx[index];
	uint32_t at = mill_ring_next(tx, tx->tail), used = 0;
	uint64_t packets = 0, bytes = 0;
	struct timespec now;
	if (at == tx->head)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	for (; at != tx->head; at = mill_ring_next(tx, at)) {
		const struct netmap_slot *slot = &tx->slot[at];
		const struct record_header record = {(uint32_t)now.tv_sec, (uint32_t)now.tv_nsec, slot->len,
		                                     slot->len};
		if (pcap->out < 0 || slot->len == 0)
			continue;
		if (used + sizeof(record) + slot->len > BUFFER) {
			pcap->failed |= !write_all(pcap->out, pcap->sending, used);
			used = 0;
		}
		memcpy(pcap->sending + used, &record, sizeof(record));
		memcpy(pcap->sending + used + sizeof(record), mill_ring_buffer(tx, slot), slot->len);
		used += (uint32_t)sizeof(record) + slot->len;
		packets++;
		bytes += slot->len;
	}
	tx->tail = mill_ring_previous(tx, tx->head);
	if (used > 0)
		pcap->failed |= !write_all(pcap->out, pcap->sending, used);
	if (pcap->failed) { /* disk full: half a record is no use to any reader, stop writing */
		close(pcap->out);
		pcap->out = -1;
		mill_tally(&port->state->ring[0].tx_full, packets);
		pcap->failed = false;
		return;
	}
	mill_tally(&port->state->ring[0].tx_packets, packets);
	mill_tally(&port->state->ring[0].tx_bytes, bytes);
}

static int rx_fd(struct mill_port *port, uint32_t index)
{
	(void)index;
	return ((struct pcap *)port->backend)->ready;
}

static uint32_t held_fds(struct mill_port *port, struct mill_held_fd *held, uint32_t max)
{
	const struct pcap *pcap = port->backend;
	const int fds[] = {pcap->in, pcap->out};
	uint32_t n = 0;
	for (uint16_t i = HELD_IN; i <= HELD_OUT && n < max; i++)
		if (fds[i] >= 0)
			held[n++] = (struct mill_held_fd){
			    .hold = {.kind = MILL_HOLD_LISTENER, .slot = port->config.slot, .index = i},
			    .fd = fds[i]};
	return n;
}

static void close_pcap(struct mill_port *port)
{
	struct pcap *pcap = port->backend;
	if (port->tx[0] != NULL && pcap->sending != NULL)
		tx_sync(port, 0);
	mill_region_free_ring(port->region, port->rx[0]);
	mill_region_free_ring(port->region, port->tx[0]);
	const int fds[] = {pcap->in, pcap->out, pcap->ready};
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(pcap->buffer);
	free(pcap->sending);
	free(pcap);
	port->backend = NULL;
}

static struct pcap *make(struct mill_port *port, struct mill_error *error)
{
	struct pcap *pcap = calloc(1, sizeof(*pcap));
	if (pcap == NULL) {
		mill_fail(error, ENOMEM, "port %s: no memory", port->config.name);
		return NULL;
	}
	port->backend = pcap;
	pcap->in = pcap->out = -1;
	pcap->ready = mill_bell_create(false);
	pcap->buffer = malloc(BUFFER);
	pcap->sending = malloc(BUFFER);
	if (pcap->ready >= 0 && pcap->buffer != NULL && pcap->sending != NULL)
		return pcap;
	mill_fail(error, ENOMEM, "port %s: no memory", port->config.name);
	close_pcap(port);
	return NULL;
}

static bool read_header(struct mill_port *port, struct pcap *pcap, struct mill_error *error)
{
	struct file_header header;
	if (pread(pcap->in, &header, sizeof(header), 0) != (ssize_t)sizeof(header)) {
		mill_fail(error, EINVAL, "port %s: the file to replay is no pcap: too short",
		          port->config.name);
		return false;
	}
	pcap->swapped =
	    header.magic == __builtin_bswap32(MAGIC_MICRO) || header.magic == __builtin_bswap32(MAGIC_NANO);
	const uint32_t magic = order(pcap, header.magic);
	if ((magic != MAGIC_MICRO && magic != MAGIC_NANO) ||
	    (order(pcap, header.link) & 0xffff) != LINK_ETHERNET) {
		mill_fail(error, EINVAL, "port %s: expected an Ethernet pcap, got magic %#x and link type %u",
		          port->config.name, magic, order(pcap, header.link));
		return false;
	}
	return true;
}

static bool given(const char *name)
{
	return name[0] != '\0' && strcmp(name, "-") != 0;
}

static bool open_in(struct mill_port *port, struct pcap *pcap, const char *name, struct mill_error *error)
{
	if (!given(name))
		return true;
	pcap->in = open(name, O_RDONLY | O_CLOEXEC);
	if (pcap->in < 0) {
		mill_fail(error, errno, "port %s: %s: %s", port->config.name, name, strerror(errno));
		return false;
	}
	pcap->at = sizeof(struct file_header);
	return read_header(port, pcap, error);
}

static bool open_out(struct mill_port *port, struct pcap *pcap, const char *name, struct mill_error *error)
{
	const struct file_header header = {
	    .magic = MAGIC_NANO, .major = 2, .minor = 4, .snaplen = MAX_RECORD, .link = LINK_ETHERNET};
	if (!given(name))
		return true;
	pcap->out = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (pcap->out >= 0 && write_all(pcap->out, (const uint8_t *)&header, sizeof(header)))
		return true;
	mill_fail(error, errno, "port %s: %s: %s", port->config.name, name, strerror(errno));
	return false;
}

static void describe(struct mill_port *port, struct pcap *pcap)
{
	const uint64_t one = 1;
	port->rx_rings = port->tx_rings = 1;
	port->mtu = MTU;
	/* Of the name, since captures are made for it and files come and go. */
	mill_name_mac(port->config.name, port->state->mac);
	port->state->ifindex = 0;
	port->state->rx_rings = port->state->tx_rings = 1;
	__atomic_fetch_or(&port->state->flags, MILL_PORT_UP, __ATOMIC_ACQ_REL);
	if (pcap->in >= 0) {
		const ssize_t n = write(pcap->ready, &one, sizeof(one));
		(void)n;
	}
}

static bool open_pcap(struct mill_port *port, struct mill_error *error)
{
	struct pcap *pcap = make(port, error);
	if (pcap == NULL)
		return false;
	char names[MILL_SPEC_SIZE];
	snprintf(names, sizeof(names), "%s", port->config.spec + strlen("pcap:"));
	char *comma = strchr(names, ',');
	if (comma != NULL)
		*comma = '\0';
	if (!open_in(port, pcap, names, error) ||
	    !open_out(port, pcap, comma != NULL ? comma + 1 : "", error)) {
		close_pcap(port);
		return false;
	}
	port->rx[0] = mill_region_alloc_ring(port->region, port->config.slot, MILL_RING_RX, 0, SLOTS);
	port->tx[0] = mill_region_alloc_ring(port->region, port->config.slot, MILL_RING_TX, 0, SLOTS);
	if (port->rx[0] == NULL || port->tx[0] == NULL) {
		mill_fail(error, ENOBUFS, "port %s: it needs %u packet buffers and %u are free",
		          port->config.name, 2 * SLOTS, port->region->n_free);
		close_pcap(port);
		return false;
	}
	describe(port, pcap);
	return true;
}

static bool adopt(struct mill_port *port, const struct mill_held_fd *fds, struct mill_error *error)
{
	struct pcap *pcap = make(port, error);
	for (; fds->fd >= 0; fds++) {
		int *const place = pcap == NULL ? NULL : fds->hold.index == HELD_IN ? &pcap->in : &pcap->out;
		if (place != NULL && *place < 0)
			*place = fds->fd;
		else
			close(fds->fd);
	}
	if (pcap == NULL)
		return false;
	port->rx[0] = mill_region_find_ring(port->region, port->config.slot, MILL_RING_RX, 0);
	port->tx[0] = mill_region_find_ring(port->region, port->config.slot, MILL_RING_TX, 0);
	if (port->rx[0] == NULL || port->tx[0] == NULL ||
	    (pcap->in >= 0 && !read_header(port, pcap, error))) {
		if (error->code == 0)
			mill_fail(error, ENOENT, "port %s: its rings are missing", port->config.name);
		close_pcap(port);
		return false;
	}
	if (pcap->in >= 0)
		pcap->at = lseek(pcap->in, 0, SEEK_CUR);
	if (pcap->at < (off_t)sizeof(struct file_header))
		pcap->at = sizeof(struct file_header);
	describe(port, pcap);
	return true;
}

const struct mill_port_ops mill_port_pcap = {
    .kind = "pcap",
    .open = open_pcap,
    .adopt = adopt,
    .close = close_pcap,
    .rx_sync = rx_sync,
    .tx_sync = tx_sync,
    .rx_fd = rx_fd,
    .held_fds = held_fds,
};
