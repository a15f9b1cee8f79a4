/* See end.h. */
#include "tools/end.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "os/events.h"
#include "os/system.h"
#include "port/netdev.h"

/* A program that is gone takes its ports along, so only one that hangs needs to be noticed: that may take a second.
 * Beaten for no longer than the engine's, a port would give its packets to the kernel whenever a busy machine kept
 * the program from its processor for a moment. */
#define AHEAD_NS 1000000000ull

/* Half as many of the largest, which take a quarter of a gigabyte then. */
#define BUFFERS 32768u

/* Ethernet and two tags */
#define LINK 22u

/* What back ends say of a port concerns routers. */
void mill_log(const char *format, ...)
{
	(void)format;
}

static const struct mill_port_ops *back_end(const char *spec)
{
	static const struct mill_port_ops *const all[] = {&mill_port_netmap, &mill_port_dpdk, &mill_port_pcap,
	                                                  NULL};
	const struct mill_port_ops *found = mill_port_kind(all, spec);
	return found != NULL ? found : mill_port_kind(mill_system_ports, spec);
}

/* The largest packet that may come from it; 0: whatever does, it has memory of its own. */
static uint32_t largest_of(const char *spec)
{
	struct mill_netdev_facts facts;
	if (spec == NULL)
		return 0;
	const char *name = strchr(spec, ':');
	if (strncmp(spec, "xdp:", 4) == 0 || strncmp(spec, "tap:", 4) == 0)
		return mill_netdev_facts(name + 1, &facts) ? facts.mtu : 0;
	if (strncmp(spec, "dpdk:", 5) == 0)
		return MILL_MTU_JUMBO;
	/* Nothing says it, but a file that is only written to brings none. */
	return strncmp(spec, "pcap:", 5) == 0 && strchr("-,", spec[5]) == NULL ? MILL_MTU_LARGE : 0;
}

bool mill_end_region(struct mill_region *region, const char *one, const char *two, uint32_t packet,
                     struct mill_error *error)
{
	const uint32_t wanted[] = {largest_of(one), largest_of(two)};
	for (size_t i = 0; i < 2; i++)
		packet = packet > wanted[i] ? packet : wanted[i];
	const uint32_t size = mill_region_size_for(packet);
	return mill_region_create(region, size == MILL_BUF_SIZE_LARGE ? BUFFERS / 2 : BUFFERS, size, error);
}

static void measure(struct mill_end *end)
{
	end->carried = UINT16_MAX;
	if (!end->is_peer && end->state.ifindex != 0)
		end->carried = end->port.mtu;
	else if (!end->is_peer && end->port.most_mtu != 0)
		end->carried = end->port.most_mtu;
	if (end->tx_rings == 0)
		return;
	const struct netmap_ring *ring = end->tx[0];
	const uint32_t held = ring->nr_buf_size - (uint32_t)(MILL_HEADROOM & ring->offset_mask) - LINK;
	const uint32_t most = held < end->carried ? held : end->carried;
	end->most = most < MILL_MTU_LARGE ? most : MILL_MTU_LARGE;
}

static bool attach(struct mill_end *end, const char *rundir, struct mill_error *error)
{
	char path[108];
	const int length =
	    snprintf(path, sizeof(path), "%s/pipe/%s.sock", rundir, end->spec + strlen("pipe:"));
	if (length >= (int)sizeof(path)) {
		mill_fail(error, EINVAL, "a pipe's socket has a path of at most %zu bytes, got %d: %s/pipe/…",
		          sizeof(path) - 1, length, rundir);
		return false;
	}
	const int code = -mill_pipe_open(&end->pipe, path);
	if (code != 0) {
		mill_fail(error, code, "%s: %s: %s%s", end->spec, path, strerror(code),
		          code == EBUSY ? "; it has a peer already"
		          : code == ENOENT
		              ? "; is an engine running there, with a port of that name in its policy?"
		          : code == EPROTO ? "; that engine is of another version"
		                           : "");
		return false;
	}
	end->is_peer = true;
	end->rx_rings = end->tx_rings = end->pipe.attach.rings;
	end->rx = end->pipe.rx;
	end->tx = end->pipe.tx;
	measure(end);
	memcpy(end->mac, (const uint8_t[6]){2, 0, 0, 0, 0, 1}, 6);
	return true;
}

/* Netmap's rings: looked at every millisecond, they would overflow in between, and latencies be a millisecond long. */
static bool watch(struct mill_end *end, struct mill_error *error)
{
	struct mill_port *port = &end->port;
	if (port->ops->watch == NULL)
		return true;
	end->wait_fd = mill_wait_create();
	for (uint32_t ring = 0; ring < end->rx_rings; ring++)
		if (end->wait_fd < 0 || !port->ops->watch(port, ring, end->wait_fd)) {
			mill_fail(error, errno, "%s: it cannot be waited for: %s", end->spec,
			          strerror(errno));
			return false;
		}
	return true;
}

bool mill_end_open(struct mill_end *end, const char *spec, struct mill_region *region, uint16_t slot,
                   const char *rundir, struct mill_error *error)
{
	memset(end, 0, sizeof(*end));
	end->spec = spec;
	end->wait_fd = -1;
	if (strncmp(spec, "pipe:", 5) == 0)
		return attach(end, rundir, error);
	struct mill_port *port = &end->port;
	if (strlen(spec) >= sizeof(port->config.spec)) {
		mill_fail(error, EINVAL, "a port spec has at most %zu bytes, got %zu: %s",
		          sizeof(port->config.spec) - 1, strlen(spec), spec);
		return false;
	}
	port->ops = back_end(spec);
	if (port->ops == NULL) {
		mill_fail(error, EINVAL,
		          "'%s' names no port: expected netmap:, xdp:, dpdk:, pipe:, pcap: or tap:", spec);
		return false;
	}
	snprintf(port->config.name, sizeof(port->config.name), "%.*s", (int)sizeof(port->config.name) - 1,
	         spec);
	strcpy(port->config.spec, spec);
	port->config.slot = slot;
	port->config.fallback = MILL_FALLBACK_KERNEL;
	port->state = &end->state;
	port->region = region;
	port->rundir = rundir;
	port->share = mill_region_n_free(region) / 2;
	if (!port->ops->open(port, error)) {
		port->ops = NULL;
		return false;
	}
	end->rx_rings = port->rx_rings;
	end->tx_rings = port->tx_rings;
	end->rx = port->rx;
	end->tx = port->tx;
	measure(end);
	memcpy(end->mac, end->state.mac, 6);
	return watch(end, error);
}

bool mill_end_lost(const struct mill_end *end, struct mill_error *error)
{
	struct pollfd ask = {.fd = end->is_peer ? end->pipe.fd : -1};
	if (poll(&ask, 1, 0) != 1 || (ask.revents & (POLLHUP | POLLERR)) == 0)
		return false;
	mill_fail(error, EPIPE, "%s: its engine has closed the port: it has ended, or runs another policy",
	          end->spec);
	return true;
}

bool mill_end_carries(const struct mill_end *end)
{
	struct mill_netdev_facts facts;
	char name[IF_NAMESIZE];
	return end->is_peer || end->port.ops == NULL || end->state.ifindex == 0 ||
	       if_indextoname(end->state.ifindex, name) == NULL || !mill_netdev_facts(name, &facts) ||
	       facts.up;
}

void mill_end_close(struct mill_end *end)
{
	if (end->is_peer)
		mill_pipe_close(&end->pipe);
	else if (end->port.ops != NULL)
		end->port.ops->close(&end->port);
	if (end->port.ops != NULL && end->wait_fd >= 0)
		close(end->wait_fd);
	end->port.ops = NULL;
	end->wait_fd = -1;
	end->is_peer = false;
}

void mill_end_rx_sync(struct mill_end *end, uint32_t ring)
{
	if (end->is_peer)
		mill_pipe_rx_sync(&end->pipe, ring);
	else
		end->port.ops->rx_sync(&end->port, ring);
}

void mill_end_tx_sync(struct mill_end *end, uint32_t ring)
{
	if (end->is_peer)
		mill_pipe_tx_sync(&end->pipe, ring);
	else
		end->port.ops->tx_sync(&end->port, ring);
}

void mill_end_beat(struct mill_end *end, uint64_t now_ns)
{
	if (end->is_peer || end->port.ops->heartbeat == NULL)
		return;
	for (uint32_t ring = 0; ring < end->rx_rings; ring++) {
		end->port.ops->heartbeat(&end->port, ring, now_ns == 0 ? 0 : now_ns + AHEAD_NS);
		if (end->port.ops->count_drops != NULL)
			end->port.ops->count_drops(&end->port, ring);
	}
}

void mill_end_wait(struct mill_end *end, int timeout_ms)
{
	struct pollfd fds[MILL_MAX_RINGS];
	struct mill_ready ready[1];
	nfds_t n = 0;
	if (end->is_peer) {
		(void)mill_pipe_wait(&end->pipe, timeout_ms, false);
		return;
	}
	for (uint32_t ring = 0; ring < end->rx_rings; ring++) {
		if (end->port.ops->rx_arm != NULL && end->port.ops->rx_arm(&end->port, ring))
			return;
		const int fd = end->wait_fd < 0 ? end->port.ops->rx_fd(&end->port, ring) : -1;
		if (fd >= 0)
			fds[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
	}
	if (end->wait_fd >= 0)
		(void)mill_wait_for(end->wait_fd, ready, 1, timeout_ms);
	else
		(void)poll(fds, n, n == 0 ? 1 : timeout_ms);
}
