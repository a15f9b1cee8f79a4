/*
 * What back ends over a netdev have in common: its offloads, switched off by the policy's names for them through
 * ETHTOOL_SFEATURES and switched on again by whoever closes the port. Control thread only.
 */
#pragma once
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct mill_error;
struct mill_port;

#define MILL_FEATURE_WORDS 4u

/* Beside enum mill_offload: the device drops tags of VLANs that the kernel does not know. */
#define MILL_OFF_VLAN_FILTER (1u << 31)

/* A device whose offloads a port changes. */
struct mill_offloads {
	const char *kind; /* of the port, for messages */
	const char *ifname;
	const char *rundir; /* where what we switched off is written down; NULL: nowhere */
	uint32_t ifindex;
	uint32_t
	    *features_off; /* MILL_FEATURE_WORDS: what we switched off, by feature bit; outlives the engine */
	bool
	    tags_may_hide; /* a driver that cannot be told to leave tags in the frame is taken all the same */
};

/* ioctl(2) of netdevice(7) or ethtool on a device. */
int mill_netdev_request(const char *ifname, unsigned long what, struct ifreq *);
int mill_netdev_ethtool(const char *ifname, void *command);

/* Brings the device to "these offloads are off, and nothing else that we ever switched off". */
bool mill_offloads_apply(const struct mill_offloads *, uint32_t off, struct mill_error *);
void mill_offloads_restore(const struct mill_offloads *);
/* What an engine that died without a heir had switched off. */
void mill_offloads_recall(const struct mill_offloads *);

/* A line in the log for each family that the kernel would not forward. */
void mill_netdev_warn(const struct mill_port *, const char *ifname);
