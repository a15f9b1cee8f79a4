/*
 * How Linux is asked about a device: netdevice(7) and ethtool by ioctl(2), through ETHTOOL_SFEATURES for its offloads
 * (netdev.c), and sysfs (netdev_sysfs.c, netdev_napi.c).
 */
#pragma once
#include <net/if.h>
#include "port/netdev.h"

/* ioctl(2) of netdevice(7) or ethtool on a device. */
int mill_netdev_request(const char *ifname, unsigned long what, struct ifreq *);
int mill_netdev_ethtool(const char *ifname, void *command);

/* netdev_spread.c: the part of mill_flows_apply and mill_flows_restore (netdev_flows.c) that is about all other flows. */
bool mill_spread_apply(const struct mill_netdev *, const struct mill_port_config *, struct mill_error *);
void mill_spread_restore(const struct mill_netdev *);

/* The folder of a device in sysfs, for openat(2); what is opened in it stays that device's. -1, with errno: there is no such
 * device, or no sysfs to be had, which takes CAP_SYS_ADMIN. Any thread, as the two below. */
int mill_netdev_folder(uint32_t ifindex);
/* A number in that folder, or in a file of it that is open. */
bool mill_netdev_read(int folder, const char *attribute, uint64_t *number);
bool mill_netdev_read_open(int fd, uint64_t *number);
