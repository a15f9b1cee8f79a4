/*
 * Taps: the kernel's face of interfaces that have no kernel device of their own (VLANs where the kernel has no 802.1Q,
 * ports without a netdev). Wire → kernel: the host thread writes the frame without its tags. Kernel → wire: the worker
 * that owns the port's TX ring reads straight into a free slot's buffer and puts the tags in; when the ring is full
 * the frames wait in the tap, whose queue the kernel bounds. Documentation/networking/tuntap.rst.
 *
 * While a tap exists its parent receives all multicast: a packet socket of ours asks for that, so it ends with the engine.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "host/host_inside.h"
#include "port/tap.h"

#define MACS 12u
#define TAG  4u

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static bool set_up_device(const char *name, const uint8_t mac[6], uint16_t mtu)
{
	struct ifreq ifr = {0};
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	snprintf(ifr.ifr_name, IFNAMSIZ, "%.15s", name);
	ifr.ifr_hwaddr.sa_family = 1; /* ARPHRD_ETHER */
	memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
	bool ok = ioctl(fd, SIOCSIFHWADDR, &ifr) == 0;
	ifr.ifr_mtu = mtu;
	ok = ok && ioctl(fd, SIOCSIFMTU, &ifr) == 0;
	ok = ok && ioctl(fd, SIOCGIFFLAGS, &ifr) == 0;
	ifr.ifr_flags |= IFF_UP;
	ok = ok && ioctl(fd, SIOCSIFFLAGS, &ifr) == 0;
	const int code = errno;
	close(fd);
	errno = code;
	return ok;
}

int mill_host_join_multicast(uint32_t ifindex)
{
	const struct packet_mreq request = {.mr_ifindex = (int)ifindex, .mr_type = PACKET_MR_ALLMULTI};
	int fd = ifindex == 0 ? -1 : socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd >= 0 && setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof(request)) != 0)
		close_fd(&fd);
	return fd;
}

bool mill_host_tap_open(struct mill_host *host, const struct mill_iface_config *config, const uint8_t mac[6],
                        uint16_t mtu, int held_fd, struct mill_error *error)
{
	const char *name = config->host_name;
	if (name[0] == '\0' || strnlen(name, sizeof(config->host_name)) >= IFNAMSIZ) {
		mill_fail(error, EINVAL,
		          "interface %s: its tap needs a name of 1 to 15 characters, got '%.16s'",
		          config->name, name);
		close_fd(&held_fd);
		return false;
	}
	struct mill_tap tap = {.fd = held_fd >= 0 ? held_fd : mill_tap_make(name), .members = -1};
	/* The operator may have changed an adopted tap's settings since: they stay. */
	if (tap.fd < 0 || (held_fd < 0 && !set_up_device(name, mac, mtu))) {
		mill_fail(error, errno, "interface %s: tap %s: %s%s", config->name, name, strerror(errno),
		          mill_tap_hint(errno));
		close_fd(&tap.fd);
		return false;
	}
	tap.members = mill_host_join_multicast(host->options.state->port[config->port].ifindex);
	pthread_mutex_lock(&host->lock);
	host->tap[config->slot] = tap;
	pthread_mutex_unlock(&host->lock);
	return true;
}

void mill_host_tap_close(struct mill_host *host, uint16_t slot)
{
	pthread_mutex_lock(&host->lock);
	close_fd(&host->tap[slot].fd);
	close_fd(&host->tap[slot].members);
	pthread_mutex_unlock(&host->lock);
}

int mill_host_tap_fd(struct mill_host *host, uint16_t slot)
{
	return host->tap[slot].fd;
}

bool mill_tap_send(const struct mill_tap *tap, const uint8_t *frame, uint16_t len, uint16_t l3)
{
	if (tap->fd < 0 || l3 < MACS + 2 || l3 > len)
		return false;
	const size_t rest = (size_t)len - l3 + 2; /* from the EtherType behind the tags */
	const struct iovec part[2] = {{.iov_base = (void *)(uintptr_t)frame, .iov_len = MACS},
	                              {.iov_base = (void *)(uintptr_t)(frame + l3 - 2), .iov_len = rest}};
	return writev(tap->fd, part, 2) == (ssize_t)(MACS + rest);
}

/* Reads one frame into the slot's buffer, tags in place. False: the tap has none. */
static bool read_frame(int fd, struct netmap_ring *ring, struct netmap_slot *slot,
                       const struct mill_iface *iface)
{
	const uint32_t tags = TAG * iface->n_tags;
	mill_slot_set_offset(ring, slot, MILL_HEADROOM);
	uint8_t *frame = mill_ring_buffer(ring, slot);
	const ssize_t n = read(fd, frame + tags, ring->nr_buf_size - mill_slot_offset(ring, slot) - tags);
	if (n <= (ssize_t)MACS)
		return false;
	if (tags != 0) {
		memmove(frame, frame + tags, MACS);
		memcpy(frame + MACS, iface->tags, tags);
	}
	slot->len = (uint16_t)((uint32_t)n + tags);
	slot->flags = NS_BUF_CHANGED;
	return true;
}

/* Nowhere to send to: what the kernel sends is lost, as with a cable unplugged. */
static uint32_t discard(int fd)
{
	uint8_t frame[MILL_BUF_SIZE_LARGE];
	uint32_t n = 0;
	while (n < MILL_BURST && read(fd, frame, sizeof(frame)) > 0)
		n++;
	return n;
}

uint32_t mill_host_tap_receive(struct mill_host *host, struct mill_worker *worker, uint16_t slot)
{
	const struct mill_iface *iface = &host->options.ifaces[slot];
	const int fd = host->tap[slot].fd;
	struct netmap_ring *ring = iface->port < MILL_MAX_PORTS ? worker->tx[iface->port] : NULL;
	if (fd < 0)
		return 0;
	if (ring == NULL)
		return discard(fd);
	uint32_t n = 0;
	struct mill_counter *sent = &worker->if_counters[slot].tx;
	while (n < MILL_BURST && ring->head != ring->tail) {
		struct netmap_slot *free_slot = &ring->slot[ring->head];
		if (!read_frame(fd, ring, free_slot, iface))
			break;
		sent->packets++;
		sent->bytes += free_slot->len;
		ring->head = ring->cur = mill_ring_next(ring, ring->head);
		n++;
	}
	if (n != 0)
		worker->tx_dirty |= 1ull << iface->port;
	return n;
}

uint32_t mill_host_held_fds(struct mill_host *host, struct mill_held_fd *held, uint32_t max)
{
	uint32_t n = 0;
	for (uint16_t slot = 0; slot < MILL_MAX_IFACES && n < max; slot++)
		if (host->tap[slot].fd >= 0)
			held[n++] = (struct mill_held_fd){.hold = {.kind = MILL_HOLD_TAP, .slot = slot},
			                                  .fd = host->tap[slot].fd};
	return n;
}
