/*
 * What back ends over a netdev have in common: its offloads, switched off by the policy's names for them which a driver
 * that netmap or AF_XDP works on cannot follow, how long its interrupts rest, and where they run; all is put back by whoever
 * closes the port. os/ has how it is done. Control thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "shm/config.h"

struct mill_error;
struct mill_port;

#define MILL_FEATURE_WORDS 4u
#define MILL_MAX_SPREAD    2048u /* entries of a device's RSS indirection table */

/* Beside enum mill_offload: the device drops tags of VLANs that the kernel does not know. */
#define MILL_OFF_VLAN_FILTER (1u << 31)

/* An interrupt of a device's, or a thread of the kernel's that runs a NAPI of it, which is where its queue's owner is. */
#define MILL_MASK_WORDS  16u /* of 64 processors */
#define MILL_THREAD_NAME 32u /* napi/IFNAME-NAPI */
#define MILL_MAX_STEERED (4u * MILL_MAX_RINGS)
struct mill_steered {
	uint32_t number;     /* of the interrupt or thread */
	uint32_t core, last; /* where it is by us, and was by us before that */
	uint32_t is_thread;  /* of this name */
	char name[MILL_THREAD_NAME];
	uint64_t before[MILL_MASK_WORDS]; /* where it was: the first processor is bit 0 */
};

/* What a port has changed of its device, to be put back. In memory that outlives the engine. */
struct mill_changes {
	uint32_t features_off[MILL_FEATURE_WORDS]; /* that were on, by feature bit */
	uint32_t napi;                             /* 1: the two below are what they were before */
	uint32_t defer_hard_irqs;
	uint64_t gro_flush_timeout;
	uint32_t ntuple;                  /* 1: its filters were off */
	uint32_t n_spread;                /* entries of its indirection table; 0: that is as it was */
	uint16_t spread[MILL_MAX_SPREAD]; /* as it was */
	uint32_t n_rules;                 /* that we gave it: which flow, and where it has it */
	struct mill_flow rule[MILL_MAX_FLOWS];
	uint32_t location[MILL_MAX_FLOWS];
	uint32_t n_steered;
	struct mill_steered steered[MILL_MAX_STEERED];
};

/* Queues of a device whose owners have a processor of their own. */
struct mill_affinity {
	uint32_t n_queues; /* that the device has */
	uint32_t n;
	bool whole; /* all of them are among these */
	uint16_t queue[MILL_MAX_RINGS];
	uint32_t core[MILL_MAX_RINGS];
};

/* A device that a port has. */
struct mill_netdev {
	const char *kind; /* of the port, for messages */
	const char *ifname;
	const char *rundir; /* where the changes are written down; NULL: nowhere */
	uint32_t ifindex;
	struct mill_changes *changes;
	bool tags_may_hide; /* a driver that cannot be told to leave tags in the frame is taken, too */
};

struct mill_netdev_facts {
	uint8_t mac[6];
	uint32_t mtu;
	bool up; /* and has a carrier */
};

/* False: there is no Ethernet interface of this name. */
bool mill_netdev_facts(const char *ifname, struct mill_netdev_facts *);

/* Brings the device to "these offloads are off, and nothing else that we ever switched off". */
bool mill_offloads_apply(const struct mill_netdev *, uint32_t off, struct mill_error *);

/* Lets the device's interrupts rest between two calls of whoever polls it, or no longer: sysfs. False, with errno: it
 * cannot be done here. */
bool mill_napi_defer(const struct mill_netdev *, bool on);

/* Brings the device to "these flows come to these queues, and nothing else does": its RSS indirection leaves the port's
 * queues out, and its ntuple filters are the port's flows. Without chosen queues: as it was. On error nothing changed. */
bool mill_flows_apply(const struct mill_netdev *, const struct mill_port_config *, struct mill_error *);
/* All flows are the kernel's again. */
void mill_flows_restore(const struct mill_netdev *);

/* Brings the device to "what wakes these queues does so where their owners run, and nothing else is moved by us". What somebody
 * moved since is his. Whatever cannot be done is left as it is, with a reason for the log, and never an error. */
void mill_affinity_apply(const struct mill_netdev *, const struct mill_affinity *, struct mill_error *why);
void mill_affinity_restore(const struct mill_netdev *);

/* What an engine that died without a heir had changed. */
void mill_netdev_recall(const struct mill_netdev *);
/* Writes down what has been changed by now. */
void mill_netdev_remember(const struct mill_netdev *);
/* Puts everything back. */
void mill_netdev_restore(const struct mill_netdev *);

/* Is netmap not in the device's driver, but between it and the kernel? False also where nobody can say. */
bool mill_netdev_is_emulated(const char *ifname);

/* A line in the log for each family that the kernel would not forward. */
void mill_netdev_warn(const struct mill_port *, const char *ifname);
