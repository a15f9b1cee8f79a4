/*
 * The thread `monitor`: hears from the kernel (rtnetlink(7), RTMGRP_LINK) when a port's device gains or loses its
 * carrier, and turns the FIB's paths over it off or on at once, whether or not a daemon lives. That a device is there or
 * has changed is told to the control thread, which looks whether a port has to be opened on it. Lost messages
 * (ENOBUFS) and new ports are covered by asking for all links.
 *
 * A lost carrier is looked for, too: the kernel tells of it only after it has taken away all that went by it, which takes
 * it 150 ms for 500,000 routes on one nexthop object. A message that a device has a carrier says, too, how often that had
 * changed by then; after an odd number of changes more (carrier.c) it is lost, after an even one it is back, and
 * messages of before are old. While the kernel takes away routes, this thread may have no processor: so a worker looks,
 * too, when a device refuses its frame.
 *
 * Only what holds `lock` changes MILL_PORT_UP of ports that have a device.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "engine.h"

#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP 0x10000
#endif

#define LOOK_MS      10
#define LOOK_IDLE_MS 40 /* while no packet comes */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Of the device of a port. */
static struct {
	uint32_t ran;     /* the device, if it ran when it was looked at since the kernel told of it, or 0 */
	uint32_t told;    /* the device, if it had a carrier when the kernel told of it last, or 0 */
	uint32_t then;    /* changes of its carrier that had been by then */
	uint32_t changes; /* … that have been by now */
} known[MILL_MAX_PORTS];

void mill_monitor_refresh(struct mill_engine *engine)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} ask = {.header = {.nlmsg_len = sizeof(ask),
	                    .nlmsg_type = RTM_GETLINK,
	                    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
	                    .nlmsg_seq = 1}};
	if (engine->link_fd >= 0 && send(engine->link_fd, &ask, sizeof(ask), MSG_DONTWAIT) < 0)
		mill_log("asking for the state of links: %s", strerror(errno));
}

static uint32_t ifindex_of(const struct mill_engine *engine, uint16_t slot)
{
	return __atomic_load_n(&engine->state->port[slot].ifindex, __ATOMIC_ACQUIRE);
}

static void set_carrier(struct mill_engine *engine, uint16_t slot, bool up)
{
	struct mill_port_state *port = &engine->state->port[slot];
	const uint32_t flags = __atomic_load_n(&port->flags, __ATOMIC_ACQUIRE);
	if ((flags & MILL_PORT_OPEN) == 0 || ((flags & MILL_PORT_UP) != 0) == up)
		return;
	if (up)
		__atomic_fetch_or(&port->flags, MILL_PORT_UP, __ATOMIC_ACQ_REL);
	else
		__atomic_fetch_and(&port->flags, ~(uint32_t)MILL_PORT_UP, __ATOMIC_ACQ_REL);
	if (engine->fib != NULL)
		mill_fib_port_down(engine->fib, slot, !up);
	mill_notice_links(engine, 1ull << slot);
	mill_log("port %.*s: carrier %s", MILL_NAME_SIZE, engine->state->port_name[slot], up ? "up" : "lost");
}

/* --- told ------------------------------------------------------------------------------------------------------- */

static bool changes_told(const struct nlmsghdr *header, uint32_t *changes)
{
	const struct ifinfomsg *link = NLMSG_DATA(header);
	size_t left = IFLA_PAYLOAD(header);
	for (const struct rtattr *at = IFLA_RTA(link); RTA_OK(at, left); at = RTA_NEXT(at, left))
		if (at->rta_type == IFLA_CARRIER_CHANGES && RTA_PAYLOAD(at) == sizeof(*changes)) {
			memcpy(changes, RTA_DATA(at), sizeof(*changes));
			return true;
		}
	return false;
}

static void take_link(struct mill_engine *engine, const struct nlmsghdr *header)
{
	const struct ifinfomsg *link = NLMSG_DATA(header);
	const uint32_t ifindex = (uint32_t)link->ifi_index;
	const bool carrier = header->nlmsg_type == RTM_NEWLINK && (link->ifi_flags & IFF_UP) != 0 &&
	                     (link->ifi_flags & IFF_LOWER_UP) != 0;
	uint32_t changes = 0;
	const bool counted = changes_told(header, &changes);
	for (uint16_t slot = 0; slot < MILL_MAX_PORTS; slot++) {
		if (ifindex_of(engine, slot) != ifindex)
			continue;
		if (carrier && known[slot].told == ifindex && (int32_t)(changes - known[slot].changes) < 0)
			continue; /* sent before what was seen since */
		known[slot].told = carrier && counted ? ifindex : 0;
		known[slot].then = known[slot].changes = changes;
		known[slot].ran = 0; /* just set up, it has a carrier first and runs a moment later */
		set_carrier(engine, slot, carrier);
	}
}

static void read_links(struct mill_engine *engine, const void *buffer, size_t length)
{
	bool devices = false;
	for (const struct nlmsghdr *header = buffer; NLMSG_OK(header, length);
	     header = NLMSG_NEXT(header, length)) {
		if (header->nlmsg_type != RTM_NEWLINK && header->nlmsg_type != RTM_DELLINK)
			continue;
		if (header->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifinfomsg)))
			continue;
		const struct ifinfomsg *link = NLMSG_DATA(header);
		if (link->ifi_family != AF_UNSPEC ||
		    link->ifi_index <= 0) /* AF_BRIDGE speaks of something else */
			continue;
		take_link(engine, header);
		devices |= header->nlmsg_type == RTM_NEWLINK;
	}
	if (devices)
		mill_notice_devices(engine);
}

/* --- looked for ------------------------------------------------------------------------------------------------- */

/* netdevice(7): these wait for nobody, while questions by netlink wait for the kernel's lock on all configuration. */
static bool is_running(struct mill_engine *engine, uint32_t ifindex)
{
	struct ifreq ask = {.ifr_ifindex = (int)ifindex};
	return ioctl(engine->link_fd, SIOCGIFNAME, &ask) == 0 &&
	       ioctl(engine->link_fd, SIOCGIFFLAGS, &ask) == 0 && (ask.ifr_flags & IFF_RUNNING) != 0;
}

static bool has_stopped(struct mill_engine *engine, uint16_t slot, uint32_t ifindex)
{
	const bool ran = known[slot].ran == ifindex, runs = is_running(engine, ifindex);
	known[slot].ran = runs ? ifindex : 0;
	return ran && !runs;
}

/* Under `lock`. */
static void take_changes(struct mill_engine *engine, uint16_t slot, uint32_t ifindex, uint32_t changes)
{
	if (known[slot].told != ifindex || (int32_t)(changes - known[slot].changes) <= 0)
		return;
	known[slot].changes = changes;
	set_carrier(engine, slot, (changes - known[slot].then) % 2 == 0);
}

/* The lock is not held while the kernel is asked: who is kept from the processor there keeps no worker from it. */
static void look_at_port(struct mill_engine *engine, uint16_t slot)
{
	const uint32_t ifindex = ifindex_of(engine, slot);
	const uint32_t flags = __atomic_load_n(&engine->state->port[slot].flags, __ATOMIC_ACQUIRE);
	const bool open = (flags & MILL_PORT_OPEN) != 0 && ifindex != 0;
	uint32_t changes;
	pthread_mutex_lock(&lock);
	const bool counted = mill_carrier_follow(slot, open ? ifindex : 0);
	if (!counted)
		known[slot].told = 0;
	pthread_mutex_unlock(&lock);
	const bool seen = counted && mill_carrier_changes(slot, &changes);
	const bool stopped = open && has_stopped(engine, slot, ifindex);
	if (!seen && !stopped)
		return;
	pthread_mutex_lock(&lock);
	if (seen)
		take_changes(engine, slot, ifindex, changes);
	if (stopped)
		set_carrier(engine, slot, false);
	pthread_mutex_unlock(&lock);
}

static void look_at_ports(struct mill_engine *engine)
{
	for (uint16_t slot = 0; slot < MILL_MAX_PORTS; slot++)
		look_at_port(engine, slot);
}

void mill_monitor_look(struct mill_engine *engine, uint16_t slot)
{
	uint32_t changes;
	if (pthread_mutex_trylock(&lock) != 0)
		return;
	if (mill_carrier_changes(slot, &changes))
		take_changes(engine, slot, ifindex_of(engine, slot), changes);
	pthread_mutex_unlock(&lock);
}

static void *run(void *argument)
{
	struct mill_engine *engine = argument;
	_Alignas(NLMSG_ALIGNTO) static uint8_t buffer[65536];
	prctl(PR_SET_NAME, "monitor");
	mill_carrier_start();
	uint64_t seen = 0;
	for (bool lost = false;;) {
		struct pollfd wait = {.fd = engine->link_fd, .events = POLLIN};
		if (poll(&wait, 1, mill_state_busy(engine, &seen) ? LOOK_MS : LOOK_IDLE_MS) == 0) {
			if (lost)
				mill_monitor_refresh(engine);
			lost = false;
			look_at_ports(engine);
			continue;
		}
		const ssize_t n = recv(engine->link_fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		if (n > 0) {
			pthread_mutex_lock(&lock);
			read_links(engine, buffer, (size_t)n);
			pthread_mutex_unlock(&lock);
		} else if (n < 0 && errno == ENOBUFS) {
			/* Until the socket is empty the kernel goes on dropping, and says so no more: asked again then. */
			lost = true;
			mill_monitor_refresh(engine);
		} else if (n < 0 && errno != EINTR && errno != EAGAIN) {
			break;
		}
	}
	mill_log("link monitor: %s", strerror(errno));
	return NULL;
}

bool mill_monitor_start(struct mill_engine *engine, struct mill_error *error)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	const int size = 4 << 20;
	pthread_t thread;
	engine->link_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (engine->link_fd < 0 || bind(engine->link_fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		mill_fail(error, errno, "listening for links: %s", strerror(errno));
		return false;
	}
	if (setsockopt(engine->link_fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		(void)setsockopt(engine->link_fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	const int code = pthread_create(&thread, NULL, run, engine);
	if (code != 0) {
		mill_fail(error, code, "starting the link monitor: %s", strerror(code));
		return false;
	}
	pthread_detach(thread);
	return true;
}
