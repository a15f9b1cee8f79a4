/*
 * How Linux is asked about a device: netdevice(7) and ethtool by ioctl(2) (netdev_request.c), through ETHTOOL_SFEATURES for
 * its offloads (netdev_offloads.c), and sysfs (netdev_sysfs.c, netdev_napi.c).
 */
#pragma once
#include <net/if.h>
#include "port/netdev.h"

/* ioctl(2) of netdevice(7) or ethtool on a device. */
int mill_netdev_request(const char *ifname, unsigned long what, struct ifreq *);
int mill_netdev_ethtool(const char *ifname, void *command);

/* netdev_offloads.c: those that we switched off, on again. */
void mill_offloads_restore(const struct mill_netdev *);

/* netdev_spread.c: the part of mill_flows_apply and mill_flows_restore (netdev_flows.c) that is about all other flows. */
bool mill_spread_apply(const struct mill_netdev *, const struct mill_port_config *, struct mill_error *);
void mill_spread_restore(const struct mill_netdev *);

/* netdev_servers.c, netdev_names.c: what serves a queue. 0: there is none, or nobody says. */
#define MILL_MAX_SERVERS (4u * MILL_MAX_QUEUES)
#define MILL_ANY_QUEUE   UINT32_MAX /* some queue of the device */
struct mill_server {
	uint32_t queue, irq;
	uint32_t thread; /* the kernel's, which runs its NAPI */
};
struct mill_servers {
	uint32_t n;
	bool asked;   /* the kernel knows the question */
	bool has_msi; /* message-signalled interrupts: it is no device of software alone */
	struct mill_server server[MILL_MAX_SERVERS];
};
/* `n_queues`: how many receive queues the device has. False: it is down, and serves nothing. */
bool mill_netdev_servers(const struct mill_netdev *, uint32_t n_queues, struct mill_servers *);
/* Adds interrupts whose names say whose they are. */
void mill_netdev_named_interrupts(const struct mill_netdev *, uint32_t n_queues, struct mill_servers *);

/* The folder of a device in sysfs, for openat(2); what is opened in it stays that device's. -1, with errno: there is no such
 * device, or no sysfs to be had, which takes CAP_SYS_ADMIN. Any thread, as the two below. */
int mill_netdev_folder(uint32_t ifindex);
/* A number in that folder, or in a file of it that is open. */
bool mill_netdev_read(int folder, const char *attribute, uint64_t *number);
bool mill_netdev_read_open(int fd, uint64_t *number);
