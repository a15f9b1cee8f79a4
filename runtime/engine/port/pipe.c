/*
 * `pipe:NAME` ports (shm/pipe.h): another process sends and receives on netmap-shaped rings in the engine's own region.
 *
 *   peer fills PEER_TX ──rx_sync──► RX ring → forwarder → TX ring ──tx_sync──► PEER_RX, peer empties
 *
 * A sync exchanges buffers between two rings, so nothing is copied; both are done by the worker that owns the port's
 * ring, and the only words that two processes write are the two of struct mill_ring_sync. Numbers from the peer are
 * checked before use. Without a peer the port has no carrier and what is sent is discarded, as from an unplugged cable.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "port/port.h"
#include "region.h"
#include "ring_sync.h"
#include "os/events.h"

#define SLOTS 512u
#define MTU   1500u

/* Indices of MILL_HOLD_LISTENER descriptors. */
enum { HELD_LISTENER, HELD_PEER, HELD_WAKE_PEER, HELD_WAKE_ENGINE };

struct pipe {
	int listener, peer, wait_fd;
	int wake_peer, wake_engine[MILL_MAX_RINGS];
	uint32_t rings;
	struct netmap_ring *peer_tx[MILL_MAX_RINGS], *peer_rx[MILL_MAX_RINGS];
	atomic_bool attached;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static void wake(int fd)
{
	const uint64_t one = 1;
	const ssize_t n = write(fd, &one, sizeof(one));
	(void)n;
}

/* --- packets: the ring's worker -------------------------------------------------------------------------- */

static bool sound(const struct mill_region *region, const struct netmap_ring *ring,
                  const struct netmap_slot *slot)
{
	return slot->buf_idx != 0 && slot->buf_idx < region->n_bufs && slot->len >= 14 &&
	       slot->len + mill_slot_offset(ring, slot) <= region->buf_size &&
	       (slot->flags & NS_MOREFRAG) == 0;
}

static void rx_sync(struct mill_port *port, uint32_t index)
{
	struct pipe *pipe = port->backend;
	struct netmap_ring *rx = port->rx[index], *from = pipe->peer_tx[index];
	struct mill_ring_sync *sync = mill_ring_sync(from);
	uint32_t at = mill_ring_load(from, &sync->consumed), tail = rx->tail;
	const uint32_t end = mill_ring_load(from, &sync->produced), stop = mill_ring_previous(rx, rx->head);
	uint64_t packets = 0, bytes = 0, dropped = 0;
	if (at == end || tail == stop)
		return;
	while (at != end && tail != stop) {
		struct netmap_slot *slot = &from->slot[at];
		at = mill_ring_next(from, at);
		if (!sound(port->region, from, slot)) {
			dropped++;
			continue;
		}
		packets++;
		bytes += slot->len;
		mill_slot_swap(&rx->slot[tail], slot, slot->len);
		tail = mill_ring_next(rx, tail);
	}
	rx->tail = tail;
	__atomic_store_n(&sync->consumed, at, __ATOMIC_RELEASE);
	if (mill_ring_must_wake(&sync->producer_asleep))
		wake(pipe->wake_peer);
	mill_tally(&port->state->ring[index].rx_packets, packets);
	mill_tally(&port->state->ring[index].rx_bytes, bytes);
	if (dropped != 0)
		mill_tally(&port->state->ring[index].rx_dropped, dropped);
}

static void tx_sync(struct mill_port *port, uint32_t index)
{
	struct pipe *pipe = port->backend;
	struct netmap_ring *tx = port->tx[index], *to = pipe->peer_rx[index];
	struct mill_ring_sync *sync = mill_ring_sync(to);
	uint32_t at = mill_ring_next(tx, tx->tail), end = mill_ring_load(to, &sync->produced);
	const uint32_t stop = mill_ring_previous(to, mill_ring_load(to, &sync->consumed));
	uint64_t packets = 0, bytes = 0;
	if (at == tx->head)
		return;
	if (!atomic_load_explicit(&pipe->attached, memory_order_acquire)) {
		tx->tail = mill_ring_previous(tx, tx->head);
		return;
	}
	while (at != tx->head && end != stop) {
		struct netmap_slot *slot = &tx->slot[at];
		at = mill_ring_next(tx, at);
		/* Length 0: a packet that lost its buffer when an engine died. */
		if (slot->len == 0)
			continue;
		packets++;
		bytes += slot->len;
		mill_slot_swap(&to->slot[end], slot, slot->len);
		slot->ptr = (slot->ptr & ~tx->offset_mask) | MILL_HEADROOM;
		end = mill_ring_next(to, end);
	}
	tx->tail = mill_ring_previous(tx, at);
	if (packets == 0)
		return;
	__atomic_store_n(&sync->produced, end, __ATOMIC_RELEASE);
	if (mill_ring_must_wake(&sync->consumer_asleep))
		wake(pipe->wake_peer);
	mill_tally(&port->state->ring[index].tx_packets, packets);
	mill_tally(&port->state->ring[index].tx_bytes, bytes);
}

static bool rx_arm(struct mill_port *port, uint32_t index)
{
	struct pipe *pipe = port->backend;
	struct mill_ring_sync *sync = mill_ring_sync(pipe->peer_tx[index]);
	uint64_t value;
	const ssize_t n = read(pipe->wake_engine[index], &value, sizeof(value));
	(void)n;
	__atomic_store_n(&sync->consumer_asleep, 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (mill_ring_load(pipe->peer_tx[index], &sync->produced) ==
	    mill_ring_load(pipe->peer_tx[index], &sync->consumed))
		return false;
	__atomic_store_n(&sync->consumer_asleep, 0, __ATOMIC_RELAXED);
	return true;
}

static int rx_fd(struct mill_port *port, uint32_t index)
{
	return ((struct pipe *)port->backend)->wake_engine[index];
}

/* --- peers: the control thread --------------------------------------------------------------------------- */

static void set_carrier(struct mill_port *port, bool up)
{
	struct pipe *pipe = port->backend;
	atomic_store_explicit(&pipe->attached, up, memory_order_release);
	if (up)
		__atomic_fetch_or(&port->state->flags, MILL_PORT_UP, __ATOMIC_ACQ_REL);
	else
		__atomic_fetch_and(&port->state->flags, ~(uint32_t)MILL_PORT_UP, __ATOMIC_ACQ_REL);
}

static void watch(struct pipe *pipe, int fd)
{
	mill_wait_add(pipe->wait_fd, fd, MILL_READY_IN | MILL_READY_END, (uint64_t)fd);
}

static bool send_attach(const struct mill_port *port, int fd, int32_t error)
{
	const struct pipe *pipe = port->backend;
	struct mill_pipe_attach attach = {.magic = MILL_PIPE_MAGIC,
	                                  .abi = MILL_ABI_VERSION,
	                                  .error = error,
	                                  .rings = pipe->rings,
	                                  .region_size = port->region->size,
	                                  .buf_offset =
	                                      mill_region_offset(port->region, port->region->buffers),
	                                  .n_bufs = port->region->n_bufs,
	                                  .port = port->config.slot};
	int fds[2 + MILL_MAX_RINGS] = {port->region->fd, pipe->wake_peer};
	for (uint32_t i = 0; i < pipe->rings; i++) {
		attach.tx_offset[i] = mill_region_offset(port->region, pipe->peer_tx[i]);
		attach.rx_offset[i] = mill_region_offset(port->region, pipe->peer_rx[i]);
		fds[2 + i] = pipe->wake_engine[i];
	}
	struct iovec data = {.iov_base = &attach, .iov_len = sizeof(attach)};
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(fds))] = {0};
	struct msghdr header = {.msg_iov = &data, .msg_iovlen = 1};
	if (error == 0) {
		const size_t size = (2 + pipe->rings) * sizeof(int);
		header.msg_control = room;
		header.msg_controllen = CMSG_SPACE(size);
		struct cmsghdr *control = CMSG_FIRSTHDR(&header);
		control->cmsg_level = SOL_SOCKET;
		control->cmsg_type = SCM_RIGHTS;
		control->cmsg_len = CMSG_LEN(size);
		memcpy(CMSG_DATA(control), fds, size);
	}
	return sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof(attach);
}

static void detach(struct mill_port *port)
{
	struct pipe *pipe = port->backend;
	set_carrier(port, false);
	/* The daemon holds a copy of it, so closing ours would not end the watch. */
	mill_wait_remove(pipe->wait_fd, pipe->peer);
	close(pipe->peer);
	pipe->peer = -1;
}

static void welcome(struct mill_port *port)
{
	struct pipe *pipe = port->backend;
	const int fd = accept4(pipe->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	if (pipe->peer >= 0) {
		send_attach(port, fd, EBUSY);
		close(fd);
		return;
	}
	pipe->peer = fd;
	set_carrier(port, true); /* first: the peer may send at once */
	if (send_attach(port, fd, 0))
		watch(pipe, fd);
	else
		detach(port);
}

static void control(struct mill_port *port)
{
	struct pipe *pipe = port->backend;
	struct mill_ready ready[2];
	const int n = mill_wait_for(pipe->wait_fd, ready, 2, 0);
	for (int i = 0; i < n; i++) {
		char byte;
		if ((int)ready[i].tag != pipe->peer)
			continue;
		const ssize_t got = recv(pipe->peer, &byte, 1, MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
			detach(port);
			return; /* a new peer, with maybe the same number, is another event */
		}
	}
	for (int i = 0; i < n; i++)
		if ((int)ready[i].tag == pipe->listener)
			welcome(port);
}

static int control_fd(struct mill_port *port)
{
	return ((struct pipe *)port->backend)->wait_fd;
}

static uint32_t held_fds(struct mill_port *port, struct mill_held_fd *held, uint32_t max)
{
	const struct pipe *pipe = port->backend;
	const int fds[HELD_WAKE_ENGINE] = {pipe->listener, pipe->peer, pipe->wake_peer};
	uint32_t n = 0;
	for (uint32_t i = 0; i < HELD_WAKE_ENGINE + pipe->rings && n < max; i++) {
		const int fd = i < HELD_WAKE_ENGINE ? fds[i] : pipe->wake_engine[i - HELD_WAKE_ENGINE];
		if (fd >= 0)
			held[n++] = (struct mill_held_fd){.hold = {.kind = MILL_HOLD_LISTENER,
			                                           .slot = port->config.slot,
			                                           .index = (uint16_t)i},
			                                  .fd = fd};
	}
	return n;
}

/* --- open, adopt, close ---------------------------------------------------------------------------------- */

static void free_pipe(struct mill_port *port)
{
	struct pipe *pipe = port->backend;
	if (pipe->peer >= 0) /* before its rings are gone, and whoever else holds the descriptor */
		shutdown(pipe->peer, SHUT_RDWR);
	for (uint32_t i = 0; i < pipe->rings; i++) {
		mill_region_free_ring(port->region, port->rx[i]);
		mill_region_free_ring(port->region, port->tx[i]);
		mill_region_free_ring(port->region, pipe->peer_tx[i]);
		mill_region_free_ring(port->region, pipe->peer_rx[i]);
		if (pipe->wake_engine[i] >= 0)
			close(pipe->wake_engine[i]);
	}
	const int fds[] = {pipe->listener, pipe->peer, pipe->wait_fd, pipe->wake_peer};
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(pipe);
	port->backend = NULL;
}

static void close_pipe(struct mill_port *port)
{
	unlink(((struct pipe *)port->backend)->path);
	free_pipe(port);
}

static bool parse(const struct mill_port *port, struct pipe *pipe, struct mill_error *error)
{
	const char *name = port->config.spec + strlen("pipe:"), *slash = strchr(name, '/');
	const size_t length = slash != NULL ? (size_t)(slash - name) : strlen(name);
	char *end = NULL;
	const unsigned long rings = slash != NULL ? strtoul(slash + 1, &end, 10) : 1;
	if (length == 0 || name[0] == '.' || rings < 1 || rings > MILL_MAX_RINGS ||
	    (end != NULL && *end != '\0')) {
		mill_fail(error, EINVAL,
		          "port %s: expected pipe:NAME or pipe:NAME/RINGS with 1 to %u rings, got '%s'",
		          port->config.name, MILL_MAX_RINGS, port->config.spec);
		return false;
	}
	pipe->rings = (uint32_t)rings;
	const int n =
	    snprintf(pipe->path, sizeof(pipe->path), "%s/pipe/%.*s.sock", port->rundir, (int)length, name);
	if (n > 0 && (size_t)n < sizeof(pipe->path))
		return true;
	mill_fail(error, ENAMETOOLONG, "port %s: a socket's path has at most %zu bytes", port->config.name,
	          sizeof(pipe->path) - 1);
	return false;
}

static struct pipe *make(struct mill_port *port, struct mill_error *error)
{
	struct pipe *pipe = calloc(1, sizeof(*pipe));
	if (pipe == NULL) {
		mill_fail(error, ENOMEM, "port %s: no memory", port->config.name);
		return NULL;
	}
	pipe->listener = pipe->peer = pipe->wake_peer = -1;
	for (uint32_t i = 0; i < MILL_MAX_RINGS; i++)
		pipe->wake_engine[i] = -1;
	pipe->wait_fd = mill_wait_create();
	port->backend = pipe;
	return pipe;
}

static bool listen_at(struct mill_port *port, struct pipe *pipe, struct mill_error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char folder[sizeof(address.sun_path)];
	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(pipe->path, '/') - pipe->path), pipe->path);
	memcpy(address.sun_path, pipe->path, sizeof(address.sun_path));
	(void)mkdir(folder, 0755);
	unlink(pipe->path);
	const mode_t mask = umask(0177);
	pipe->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const bool ok = pipe->listener >= 0 &&
	                bind(pipe->listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	                listen(pipe->listener, 1) == 0;
	umask(mask);
	if (!ok)
		mill_fail(error, errno, "port %s: %s: %s", port->config.name, pipe->path, strerror(errno));
	return ok;
}

static bool make_rings(struct mill_port *port, struct pipe *pipe, struct mill_error *error)
{
	struct mill_region *region = port->region;
	const uint16_t slot = port->config.slot;
	for (uint32_t i = 0; i < pipe->rings; i++) {
		port->rx[i] = mill_region_alloc_ring(region, slot, MILL_RING_RX, i, SLOTS);
		port->tx[i] = mill_region_alloc_ring(region, slot, MILL_RING_TX, i, SLOTS);
		pipe->peer_tx[i] = mill_region_alloc_ring(region, slot, MILL_RING_PEER_TX, i, SLOTS);
		pipe->peer_rx[i] = mill_region_alloc_ring(region, slot, MILL_RING_PEER_RX, i, SLOTS);
		pipe->wake_engine[i] = mill_bell_create(false);
		if (port->rx[i] == NULL || port->tx[i] == NULL || pipe->peer_tx[i] == NULL ||
		    pipe->peer_rx[i] == NULL || pipe->wake_engine[i] < 0) {
			mill_fail(error, ENOBUFS,
			          "port %s: it needs %u packet buffers and %u are free: start the engine "
			          "with more than "
			          "--buffers %u",
			          port->config.name, 4 * SLOTS * pipe->rings, region->n_free, region->n_bufs);
			return false;
		}
	}
	return true;
}

static void describe(struct mill_port *port, const struct pipe *pipe)
{
	port->rx_rings = port->tx_rings = (uint16_t)pipe->rings;
	port->mtu = MTU;
	port->state->ifindex = 0;
	port->state->rx_rings = port->state->tx_rings = (uint16_t)pipe->rings;
	mill_name_mac(port->config.spec, port->state->mac);
}

static bool open_pipe(struct mill_port *port, struct mill_error *error)
{
	struct pipe *pipe = make(port, error);
	if (pipe == NULL)
		return false;
	pipe->wake_peer = mill_bell_create(false);
	if (!parse(port, pipe, error) || !make_rings(port, pipe, error) || !listen_at(port, pipe, error)) {
		free_pipe(port);
		return false;
	}
	watch(pipe, pipe->listener);
	describe(port, pipe);
	set_carrier(port, false);
	return true;
}

static bool find_rings(struct mill_port *port, struct pipe *pipe)
{
	for (uint32_t i = 0; i < pipe->rings; i++) {
		port->rx[i] = mill_region_find_ring(port->region, port->config.slot, MILL_RING_RX, i);
		port->tx[i] = mill_region_find_ring(port->region, port->config.slot, MILL_RING_TX, i);
		pipe->peer_tx[i] =
		    mill_region_find_ring(port->region, port->config.slot, MILL_RING_PEER_TX, i);
		pipe->peer_rx[i] =
		    mill_region_find_ring(port->region, port->config.slot, MILL_RING_PEER_RX, i);
		if (port->rx[i] == NULL || port->tx[i] == NULL || pipe->peer_tx[i] == NULL ||
		    pipe->peer_rx[i] == NULL || pipe->wake_engine[i] < 0)
			return false;
	}
	return pipe->listener >= 0 && pipe->wake_peer >= 0;
}

static bool adopt(struct mill_port *port, const struct mill_held_fd *fds, struct mill_error *error)
{
	struct pipe *pipe = make(port, error);
	if (pipe == NULL)
		return false;
	for (; fds->fd >= 0; fds++) {
		const uint32_t index = fds->hold.index;
		int *const place = index == HELD_LISTENER    ? &pipe->listener
		                   : index == HELD_PEER      ? &pipe->peer
		                   : index == HELD_WAKE_PEER ? &pipe->wake_peer
		                   : index < HELD_WAKE_ENGINE + MILL_MAX_RINGS
		                       ? &pipe->wake_engine[index - HELD_WAKE_ENGINE]
		                       : NULL;
		if (place != NULL && *place < 0)
			*place = fds->fd;
		else
			close(fds->fd);
	}
	if (!parse(port, pipe, error))
		pipe->rings = 0;
	if (pipe->rings == 0 || !find_rings(port, pipe)) {
		if (error->code == 0)
			mill_fail(error, ENOENT, "port %s: rings or descriptors are missing",
			          port->config.name);
		free_pipe(port);
		return false;
	}
	watch(pipe, pipe->listener);
	if (pipe->peer >= 0)
		watch(pipe, pipe->peer);
	describe(port, pipe);
	set_carrier(port, pipe->peer >= 0);
	return true;
}

const struct mill_port_ops mill_port_pipe = {
    .kind = "pipe",
    .open = open_pipe,
    .adopt = adopt,
    .close = close_pipe,
    .rx_sync = rx_sync,
    .tx_sync = tx_sync,
    .rx_fd = rx_fd,
    .rx_arm = rx_arm,
    .control_fd = control_fd,
    .control = control,
    .held_fds = held_fds,
};
