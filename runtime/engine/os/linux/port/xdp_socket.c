/*
 * AF_XDP sockets by the raw interface of linux/if_xdp.h: one for each queue of a port. The first registers the
 * region's buffers as the port's UMEM, the others share that. The kernel holds the rings' memory as long as a
 * descriptor of the socket exists, so an adopting engine maps them again and goes on where the dead one stopped.
 * Control thread only.
 */
#include "xdp.h"
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef AF_XDP
#define AF_XDP 44
#endif
#ifndef SOL_XDP
#define SOL_XDP 283
#endif
#define XDP_TX_BUDGET 9 /* XDP_MAX_TX_SKB_BUDGET, Linux 6.17: frames that one sendto takes in copy mode */
#define SEND_BUFFER   (16 << 20)
#define CHUNK         (1u << MILL_XDP_CHUNK_SHIFT)

#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif
#ifndef SO_BUSY_POLL_BUDGET
#define SO_BUSY_POLL_BUDGET 70
#endif
#define BUSY_POLL_US     20 /* above 0; a call that must not wait polls once whatever it says */
#define BUSY_POLL_BUDGET 64 /* packets a poll */

static bool map_ring(struct mill_xsk_ring *ring, int fd, const struct xdp_ring_offset *offset, uint64_t page,
                     uint32_t size, size_t entry)
{
	ring->map_size = offset->desc + size * entry;
	ring->map =
	    mmap(NULL, ring->map_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)page);
	if (ring->map == MAP_FAILED) {
		ring->map = NULL;
		return false;
	}
	uint8_t *base = ring->map;
	ring->producer = (uint32_t *)(void *)(base + offset->producer);
	ring->consumer = (uint32_t *)(void *)(base + offset->consumer);
	ring->flags = (uint32_t *)(void *)(base + offset->flags);
	ring->entry = base + offset->desc;
	ring->size = size;
	ring->mask = size - 1;
	return true;
}

static bool map_rings(struct mill_xdp_queue *queue, const struct mill_xdp_shared *shared, bool transmits)
{
	struct xdp_mmap_offsets at;
	socklen_t length = sizeof(at);
	if (getsockopt(queue->fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &length) != 0)
		return false;
	const size_t desc = sizeof(struct xdp_desc), address = sizeof(uint64_t);
	const int fd = queue->fd;
	return map_ring(&queue->rx, fd, &at.rx, XDP_PGOFF_RX_RING, shared->fill_size, desc) &&
	       map_ring(&queue->fill, fd, &at.fr, XDP_UMEM_PGOFF_FILL_RING, shared->fill_size, address) &&
	       map_ring(&queue->completion, fd, &at.cr, XDP_UMEM_PGOFF_COMPLETION_RING, shared->tx_size,
	                address) &&
	       (!transmits || map_ring(&queue->tx, fd, &at.tx, XDP_PGOFF_TX_RING, shared->tx_size, desc));
}

static bool set_size(int fd, int option, uint32_t size)
{
	return setsockopt(fd, SOL_XDP, option, &size, sizeof(size)) == 0;
}

static bool register_umem(int fd, const struct mill_region *region)
{
	const struct xdp_umem_reg umem = {.addr = (uint64_t)(uintptr_t)region->buffers,
	                                  .len = (uint64_t)region->n_bufs << region->buf_shift,
	                                  .chunk_size = region->buf_size < CHUNK ? region->buf_size : CHUNK};
	return setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem)) == 0;
}

static bool bind_as(const struct mill_xdp *xdp, uint32_t queue, bool in_pieces)
{
	struct sockaddr_xdp address = {.sxdp_family = AF_XDP,
	                               .sxdp_ifindex = xdp->ifindex,
	                               .sxdp_queue_id = xdp->shared->queue_of[queue]};
	if (queue > 0) {
		address.sxdp_flags = XDP_SHARED_UMEM;
		address.sxdp_shared_umem_fd = (uint32_t)xdp->queue[0].fd;
	} else {
		address.sxdp_flags = XDP_USE_NEED_WAKEUP | (xdp->shared->generic != 0 ? XDP_COPY : 0) |
		                     (in_pieces ? XDP_USE_SG : 0);
	}
	return bind(xdp->queue[queue].fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

/* A kernel without frames in pieces refuses the flag; it serves devices whose frames fit into a page. */
static bool bind_queue(struct mill_xdp *xdp, uint32_t queue)
{
	if (queue > 0 || !xdp->wants_pieces)
		return bind_as(xdp, queue, false);
	xdp->shared->in_pieces = bind_as(xdp, 0, true);
	return xdp->shared->in_pieces != 0 ||
	       (errno == EINVAL && !xdp->needs_pieces && bind_as(xdp, 0, false));
}

static const char *hint(const struct mill_xdp *xdp, int code)
{
	if (code == EINVAL && xdp->needs_pieces)
		return "; frames larger than a page need Linux 6.6: give the device an MTU of at most 3360";
	switch (code) {
	case ENOBUFS:
		return "; raise the limit of locked memory (LimitMEMLOCK=infinity) or grant CAP_IPC_LOCK";
	case EBUSY:
		return "; another process has an AF_XDP socket on this queue: stop it";
	case EPERM:
		return "; this needs CAP_NET_RAW";
	default:
		return "";
	}
}

bool mill_xdp_socket_open(struct mill_port *port, uint32_t queue, struct mill_error *error)
{
	struct mill_xdp *xdp = port->backend;
	const struct mill_xdp_shared *shared = xdp->shared;
	const bool transmits = queue < shared->tx_rings;
	const char *step = "socket";
	const int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	xdp->queue[queue].fd = fd;
	bool ok = fd >= 0;
	if (ok && queue == 0) {
		step = "registering packet memory";
		ok = register_umem(fd, port->region);
	}
	if (ok) {
		step = "sizing rings";
		ok = set_size(fd, XDP_UMEM_FILL_RING, shared->fill_size) &&
		     set_size(fd, XDP_UMEM_COMPLETION_RING, shared->tx_size) &&
		     set_size(fd, XDP_RX_RING, shared->fill_size) &&
		     (!transmits || set_size(fd, XDP_TX_RING, shared->tx_size));
	}
	if (ok) {
		step = "mapping rings";
		ok = map_rings(&xdp->queue[queue], shared, transmits);
	}
	if (ok) {
		step = "buffers to receive into";
		errno = ENOMEM;
		ok = mill_xdp_fill(port, queue, shared->fill_size);
	}
	if (ok) {
		const int bytes = SEND_BUFFER;
		step = "binding";
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
		ok = bind_queue(xdp, queue);
	}
	if (ok) {
		step = "entering it in the port's map";
		(void)set_size(fd, XDP_TX_BUDGET, shared->tx_size);
		const uint32_t key = shared->queue_of[queue];
		ok = bpf_map_update_elem(xdp->xskmap, &key, &fd, BPF_ANY) == 0;
	}
	if (!ok)
		mill_fail(error, errno, "xdp:%s: AF_XDP socket of queue %u, %s: %s%s", xdp->ifname,
		          shared->queue_of[queue], step, strerror(errno), hint(xdp, errno));
	return ok;
}

/* Which NAPI a socket is to poll: told at bind by drivers that say which NAPI serves which queue. Until Linux 6.13 a socket
 * learned it from the first packet, of any driver. */
static bool knows_napi(int fd)
{
	int id = 0;
	socklen_t length = sizeof(id);
	struct utsname name;
	unsigned major = 0, minor = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_INCOMING_NAPI_ID, &id, &length) == 0 && id != 0)
		return true;
	const bool learns = uname(&name) == 0 && sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	                    (major < 6 || (major == 6 && minor < 13));
	errno = EOPNOTSUPP;
	return learns;
}

static bool set_busy_poll(int fd, bool on)
{
	const int prefer = on, us = on ? BUSY_POLL_US : 0, budget = BUSY_POLL_BUDGET;
	return setsockopt(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &prefer, sizeof(prefer)) == 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &us, sizeof(us)) == 0 &&
	       (!on || setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &budget, sizeof(budget)) == 0);
}

void mill_xdp_busy_poll(struct mill_port *port, bool on)
{
	struct mill_xdp *xdp = port->backend;
	const struct mill_netdev device = mill_xdp_netdev(port);
	bool ok = (!on || knows_napi(xdp->queue[0].fd)) && mill_napi_defer(&device, on);
	for (uint32_t q = 0; ok && q < port->rx_rings; q++)
		ok = set_busy_poll(xdp->queue[q].fd, on);
	if (!ok && on) {
		mill_log("port %s (%s): its workers cannot poll the device (%s), so the kernel does: busy "
		         "polling needs "
		         "Linux 5.11, a driver that takes part in it, CAP_NET_ADMIN and CAP_SYS_ADMIN",
		         port->config.name, port->config.spec, strerror(errno));
		mill_xdp_busy_poll(port, false);
	} else {
		__atomic_store_n(&xdp->shared->busy_poll, on, __ATOMIC_RELAXED);
	}
}

bool mill_xdp_zero_copy(int fd)
{
	struct xdp_options options = {0};
	socklen_t length = sizeof(options);
	return getsockopt(fd, SOL_XDP, XDP_OPTIONS, &options, &length) != 0 ||
	       (options.flags & XDP_OPTIONS_ZEROCOPY) != 0;
}

void mill_xdp_tell_mode(struct mill_port *port)
{
	const struct mill_xdp *xdp = port->backend;
	const uint32_t all = MILL_PORT_NATIVE_XDP | MILL_PORT_ZERO_COPY | MILL_PORT_POLLED;
	const uint32_t flags = (xdp->shared->generic != 0 ? 0u : MILL_PORT_NATIVE_XDP) |
	                       (mill_xdp_zero_copy(xdp->queue[0].fd) ? MILL_PORT_ZERO_COPY : 0u) |
	                       (xdp->shared->busy_poll != 0 ? MILL_PORT_POLLED : 0u);
	/* monitor.c has a bit of it, too. */
	__atomic_fetch_and(&port->state->flags, ~all | flags, __ATOMIC_ACQ_REL);
	__atomic_fetch_or(&port->state->flags, flags, __ATOMIC_ACQ_REL);
}

bool mill_xdp_socket_adopt(struct mill_port *port, uint32_t queue, int fd, struct mill_error *error)
{
	struct mill_xdp *xdp = port->backend;
	xdp->queue[queue].fd = fd;
	if (map_rings(&xdp->queue[queue], xdp->shared, queue < xdp->shared->tx_rings))
		return true;
	mill_fail(error, errno, "xdp:%s: mapping the rings of queue %u to adopt: %s", xdp->ifname, queue,
	          strerror(errno));
	return false;
}

static void unmap_ring(struct mill_xsk_ring *ring)
{
	if (ring->map != NULL)
		munmap(ring->map, ring->map_size);
	ring->map = NULL;
}

void mill_xdp_socket_close(struct mill_xdp_queue *queue)
{
	unmap_ring(&queue->rx);
	unmap_ring(&queue->fill);
	unmap_ring(&queue->tx);
	unmap_ring(&queue->completion);
	if (queue->fd >= 0)
		close(queue->fd);
	queue->fd = -1;
}
