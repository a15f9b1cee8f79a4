/*
 * `tap:NAME` ports: a cable between the port and a network device NAME of the kernel's, which may stand in any namespace, in a bridge
 * or under a container. What the kernel sends by NAME the port receives, and the other way round; each packet is copied by a system
 * call of its own. Documentation/networking/tuntap.rst.
 *
 *   RX ring ◄── read ── tap ◄── the kernel sends by NAME         one ring each way; the worker that owns it makes both calls
 *   TX ring ── write ──► tap ──► the kernel receives by NAME
 *
 * NAME is made and set up, and goes with the last descriptor; one that 'ip tuntap' has made stays. The descriptor is held by the daemon,
 * so NAME keeps its addresses when an engine dies. The port is at the far end of the cable: NAME is no face of its interfaces, and
 * state->ifindex is 0. Its carrier is whether NAME is up, which the descriptor itself tells (POLLOUT), wherever NAME is now.
 */
#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>
#include "os/events.h"
#include "port/netdev.h"
#include "port/netdev_linux.h"
#include "port/port.h"
#include "port/tap.h"
#include "region.h"
#include "ring_sync.h"

#define SLOTS   512u
#define MTU     1500u
#define LOOK_NS 50000000u /* between two looks at the carrier */

struct tap {
	int fd, timer;
	bool gone; /* NAME was deleted; control thread */
};

/* --- packets: the rings' worker --------------------------------------------------------------------------- */

static void rx_sync(struct mill_port *port, uint32_t index)
{
	const struct tap *tap = port->backend;
	struct netmap_ring *rx = port->rx[index];
	const uint32_t stop = mill_ring_previous(rx, rx->head);
	uint64_t packets = 0, bytes = 0;
	while (packets < MILL_BURST && rx->tail != stop) {
		struct netmap_slot *slot = &rx->slot[rx->tail];
		mill_slot_set_offset(rx, slot, MILL_HEADROOM);
		const size_t room = rx->nr_buf_size - MILL_HEADROOM;
		uint8_t more; /* is there, when the frame is larger than the buffer */
		const struct iovec part[2] = {{.iov_base = mill_ring_buffer(rx, slot), .iov_len = room},
		                              {.iov_base = &more, .iov_len = 1}};
		const ssize_t n = readv(tap->fd, part, 2);
		if (n <= 0)
			break;
		if ((size_t)n > room) {
			mill_tally(&port->state->ring[index].rx_dropped, 1);
			mill_tally(&port->state->ring[index].rx_too_long, 1);
			continue;
		}
		slot->len = (uint16_t)n;
		slot->flags = 0;
		packets++;
		bytes += slot->len;
		rx->tail = mill_ring_next(rx, rx->tail);
	}
	if (packets == 0)
		return;
	mill_tally(&port->state->ring[index].rx_packets, packets);
	mill_tally(&port->state->ring[index].rx_bytes, bytes);
}

/* The kernel takes a frame or has no use for it, but never keeps us waiting. To a device that is down frames are lost, as to an
 * unplugged cable. */
static void tx_sync(struct mill_port *port, uint32_t index)
{
	const struct tap *tap = port->backend;
	struct netmap_ring *tx = port->tx[index];
	uint64_t packets = 0, bytes = 0, refused = 0;
	for (uint32_t at = mill_ring_next(tx, tx->tail); at != tx->head; at = mill_ring_next(tx, at)) {
		const struct netmap_slot *slot = &tx->slot[at];
		if (slot->len == 0) /* a packet that lost its buffer when an engine died */
			continue;
		if (write(tap->fd, mill_ring_buffer(tx, slot), slot->len) == (ssize_t)slot->len) {
			packets++;
			bytes += slot->len;
		} else if (errno != EIO)
			refused++;
	}
	tx->tail = mill_ring_previous(tx, tx->head);
	if (packets != 0) {
		mill_tally(&port->state->ring[index].tx_packets, packets);
		mill_tally(&port->state->ring[index].tx_bytes, bytes);
	}
	if (refused != 0)
		mill_tally(&port->state->ring[index].tx_full, refused);
}

static int rx_fd(struct mill_port *port, uint32_t index)
{
	(void)index;
	return ((struct tap *)port->backend)->fd;
}

/* --- the device: the control thread ----------------------------------------------------------------------- */

static void look(struct mill_port *port)
{
	struct tap *tap = port->backend;
	struct pollfd ask = {.fd = tap->fd, .events = POLLOUT};
	(void)poll(&ask, 1, 0);
	tap->gone = (ask.revents & POLLERR) != 0;
	if ((ask.revents & POLLOUT) != 0 && !tap->gone)
		__atomic_fetch_or(&port->state->flags, MILL_PORT_UP, __ATOMIC_ACQ_REL);
	else
		__atomic_fetch_and(&port->state->flags, ~(uint32_t)MILL_PORT_UP, __ATOMIC_ACQ_REL);
}

static int control_fd(struct mill_port *port)
{
	return ((struct tap *)port->backend)->timer;
}

static void control(struct mill_port *port)
{
	uint64_t times;
	if (read(((struct tap *)port->backend)->timer, &times, sizeof(times)) > 0)
		look(port);
}

static bool outdated(const struct mill_port *port)
{
	return ((const struct tap *)port->backend)->gone;
}

static uint32_t held_fds(struct mill_port *port, struct mill_held_fd *held, uint32_t max)
{
	if (max == 0)
		return 0;
	held[0] = (struct mill_held_fd){.hold = {.kind = MILL_HOLD_LISTENER, .slot = port->config.slot},
	                                .fd = ((struct tap *)port->backend)->fd};
	return 1;
}

/* --- open, adopt, close ----------------------------------------------------------------------------------- */

static void close_tap(struct mill_port *port)
{
	struct tap *tap = port->backend;
	mill_region_free_ring(port->region, port->rx[0]);
	mill_region_free_ring(port->region, port->tx[0]);
	if (tap->fd >= 0)
		close(tap->fd);
	if (tap->timer >= 0)
		close(tap->timer);
	free(tap);
	port->backend = NULL;
}

static struct tap *make(struct mill_port *port, int fd, struct mill_error *error)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	if (tap == NULL) {
		mill_fail(error, ENOMEM, "port %s: no memory", port->config.name);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	port->backend = tap;
	tap->fd = fd;
	tap->timer = mill_timer_create(LOOK_NS);
	if (tap->timer >= 0)
		return tap;
	mill_fail(error, errno, "port %s: a timer: %s", port->config.name, strerror(errno));
	close_tap(port);
	return NULL;
}

static bool set_up(const char *name)
{
	struct ifreq ifr = {0};
	if (mill_netdev_request(name, SIOCGIFFLAGS, &ifr) != 0)
		return false;
	ifr.ifr_flags |= IFF_UP;
	return mill_netdev_request(name, SIOCSIFFLAGS, &ifr) == 0;
}

static bool attach(struct mill_port *port, const char *name, struct mill_error *error)
{
	struct tap *tap = port->backend;
	const size_t length = strlen(name);
	if (length == 0 || length >= IFNAMSIZ || strpbrk(name, "/%: ") != NULL) {
		mill_fail(error, EINVAL,
		          "port %s: expected tap:NAME, a name of 1 to 15 characters without '/', '%%' and "
		          "':', got '%s'",
		          port->config.name, port->config.spec);
		return false;
	}
	const bool is_new = if_nametoindex(name) == 0;
	tap->fd = mill_tap_make(name);
	/* Offloads that another program, a virtual machine, may have left: we take no unfinished checksums, no segments. */
	if (tap->fd < 0 || ioctl(tap->fd, TUNSETOFFLOAD, 0) != 0 || (is_new && !set_up(name))) {
		mill_fail(error, errno, "port %s: tap %s: %s%s", port->config.name, name, strerror(errno),
		          mill_tap_hint(errno));
		return false;
	}
	return true;
}

static void describe(struct mill_port *port)
{
	const char *name = port->config.spec + strlen("tap:");
	const uint32_t most = mill_region_mtu(port->region);
	struct mill_netdev_facts facts;
	port->mtu = MTU;
	if (mill_netdev_facts(name, &facts))
		port->mtu = (uint16_t)(facts.mtu < most ? facts.mtu : most);
	port->rx_rings = port->tx_rings = 1;
	port->state->ifindex = 0;
	port->state->rx_rings = port->state->tx_rings = 1;
	mill_name_mac(port->config.spec, port->state->mac);
	look(port);
}

static bool open_tap(struct mill_port *port, struct mill_error *error)
{
	if (make(port, -1, error) == NULL)
		return false;
	if (!attach(port, port->config.spec + strlen("tap:"), error)) {
		close_tap(port);
		return false;
	}
	port->rx[0] = mill_region_alloc_ring(port->region, port->config.slot, MILL_RING_RX, 0, SLOTS);
	port->tx[0] = mill_region_alloc_ring(port->region, port->config.slot, MILL_RING_TX, 0, SLOTS);
	if (port->rx[0] == NULL || port->tx[0] == NULL) {
		mill_fail(error, ENOBUFS,
		          "port %s: it needs %u packet buffers and %u are free: start the engine with more "
		          "than --buffers %u",
		          port->config.name, 2 * SLOTS, port->region->n_free, port->region->n_bufs);
		close_tap(port);
		return false;
	}
	describe(port);
	return true;
}

static bool adopt(struct mill_port *port, const struct mill_held_fd *fds, struct mill_error *error)
{
	int fd = -1;
	for (; fds->fd >= 0; fds++)
		if (fd < 0)
			fd = fds->fd;
		else
			close(fds->fd);
	if (make(port, fd, error) == NULL)
		return false;
	struct netmap_ring *const rx =
	                              mill_region_find_ring(port->region, port->config.slot, MILL_RING_RX, 0),
	                          *const tx =
	                              mill_region_find_ring(port->region, port->config.slot, MILL_RING_TX, 0);
	port->rx[0] = rx;
	port->tx[0] = tx;
	if (fd >= 0 && rx != NULL && tx != NULL) {
		describe(port);
		return true;
	}
	mill_fail(error, ENOENT, "port %s: its rings or its tap are missing", port->config.name);
	close_tap(port);
	return false;
}

const struct mill_port_ops mill_port_tap = {
    .kind = "tap",
    .open = open_tap,
    .adopt = adopt,
    .close = close_tap,
    .rx_sync = rx_sync,
    .tx_sync = tx_sync,
    .rx_fd = rx_fd,
    .control_fd = control_fd,
    .control = control,
    .outdated = outdated,
    .held_fds = held_fds,
};
