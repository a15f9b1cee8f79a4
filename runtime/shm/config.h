/*
 * The binary configuration that travels with a generation: one struct in one sealed memfd, made by the daemon,
 * read by the engine. A generation is its code and this; the engine compares the configuration of the running
 * generation with the next one's to learn which ports to open before the swap and which to close after it.
 * Slots are the stable numbers of runtime/shm/state.h; *local* numbers are positions in this configuration and
 * the numbers that the generated C uses.
 */
#pragma once
#include <stdint.h>
#include "shm/limits.h"
#include "shm/state.h"

#define MILL_CONFIG_MAGIC 0x4e4c494dU

enum mill_fallback { MILL_FALLBACK_KERNEL, MILL_FALLBACK_DROP };
enum mill_event_mode { MILL_EVENTS_POLL, MILL_EVENTS_BUSY, MILL_EVENTS_ADAPTIVE };
enum mill_fib_method { MILL_FIB_FLAT, MILL_FIB_RADIX, MILL_FIB_DXR }; /* lookup structure */
/* Where the interrupts of a port's queues run: AUTO is WORKER, but where workers spin and do not run NAPI themselves. */
enum mill_affinity_wish { MILL_AFFINITY_AUTO, MILL_AFFINITY_WORKER, MILL_AFFINITY_LEAVE };
enum mill_host_face { MILL_HOST_NONE, MILL_HOST_NETDEV, MILL_HOST_TAP };

enum mill_offload {
	MILL_OFF_RXCSUM = 1,
	MILL_OFF_TXCSUM = 2,
	MILL_OFF_TSO = 4,
	MILL_OFF_GSO = 8,
	MILL_OFF_GRO = 16,
	MILL_OFF_LRO = 32,
	MILL_OFF_RXVLAN = 64,
	MILL_OFF_TXVLAN = 128
};

/* Packets that a device puts into one of the queues that netmill takes of it. */
struct mill_flow {
	uint16_t queue;
	uint16_t from_port, to_port;    /* host order; 0: any */
	uint8_t family, protocol;       /* 4 or 6; 0: any */
	uint8_t from_length, to_length; /* 0: any */
	uint8_t from[16], to[16];       /* network order, IPv4 in the first four; nothing behind the length */
};

struct mill_port_config {
	char name[MILL_NAME_SIZE]; /* the policy's name for it */
	char spec[MILL_SPEC_SIZE]; /* always with its back end: "xdp:eth0" */
	uint16_t slot;
	uint8_t fallback;      /* enum mill_fallback */
	uint8_t busy_poll;     /* 1: its workers run the device's NAPI themselves */
	uint32_t offloads_off; /* enum mill_offload, ORed */
	uint8_t affinity;      /* enum mill_affinity_wish */
	uint8_t reserved[3];
	uint16_t
	    n_queues; /* that netmill takes of the device, ring r being queue[r]; 0: all that there are */
	uint16_t n_flows;
	uint16_t queue[MILL_MAX_RINGS]; /* ascending */
	struct mill_flow flow[MILL_MAX_FLOWS];
};

/* An address of an interface, with the length of its network. */
struct mill_address {
	uint8_t family, length;
	uint8_t reserved[2];
	uint8_t bytes[16]; /* network order, IPv4 in the first four */
};

struct mill_iface_config {
	char name[MILL_NAME_SIZE];
	char host_name[16]; /* tap or netdev name of the kernel's face, empty for none */
	uint16_t slot;
	uint16_t port;    /* port slot */
	uint8_t n_tags;   /* 0, 1 or 2 on the wire */
	uint8_t host;     /* enum mill_host_face */
	uint16_t tpid[2]; /* outermost first, host order */
	uint16_t vid[2];
	uint16_t mtu;   /* bytes of IP packet; 0: the port's own */
	uint8_t mac[6]; /* all zero: the port's own */
	uint8_t n_addresses;
	uint8_t reserved[3];
	struct mill_address
	    address[MILL_MAX_ADDRESSES]; /* with MILL_HOST_NONE: the engine stands for the router there */
};

struct mill_worker_config {
	int32_t core; /* -1: not pinned */
	uint32_t reserved;
	uint32_t rx_rings
	    [MILL_MAX_PORTS]; /* by local port number: bit r set = this worker owns RX and TX ring r */
};

struct mill_config {
	uint32_t magic, abi;
	uint64_t generation; /* sequence number, unique for the life of the state memfd, never reused */
	uint16_t event_mode; /* enum mill_event_mode */
	uint16_t lookup;     /* enum mill_fib_method */
	uint16_t n_ports, n_ifaces, n_workers, n_gateways;
	uint32_t n_rules;
	uint32_t n_sets;          /* that change at run time */
	uint32_t neighbour_tries; /* requests without an answer before a neighbour counts as gone */
	uint32_t punt_rate[MILL_PUNT_CLASSES]; /* packets a second for the host stack; 0: none */
	uint8_t policy_hash[32];               /* SHA-256, must equal the forwarder's own */
	struct mill_port_config port[MILL_MAX_PORTS];
	struct mill_iface_config iface[MILL_MAX_IFACES];
	struct mill_worker_config worker[MILL_MAX_WORKERS];
	char set[MILL_MAX_SETS][MILL_NAME_SIZE]; /* by local number */
	/* bindings: local number → slot */
	uint32_t gateway_slot[MILL_MAX_GATEWAYS];
	uint32_t rule_slot[MILL_MAX_RULES];
};
