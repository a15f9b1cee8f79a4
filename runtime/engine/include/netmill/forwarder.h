/*
 * The contract between the engine and a generated forwarder. A forwarder is a shared object that exports one
 * constant, `mill_forwarder`; it has no mutable state and calls back only through struct mill_services.
 * `receive` is called by one worker for one RX ring of one port with at least one packet waiting; it takes at
 * most MILL_BURST packets, leaves each of their slots with a free buffer, and advances head and cur.
 *
 * Numbers that the generated C knows are local (positions in the policy's configuration); `bind` turns them into
 * the slots of runtime/shm/state.h, so that the same .so serves whatever slots its names were given.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "netmill/netmap_abi.h"
#include "shm/config.h"
#include "shm/fib_queue.h"
#include "shm/state.h"

struct mill_fib; /* netmill/fib.h */
struct mill_set_image;

/* A logical interface as the data plane needs it now. Written by the control thread, in place: each field is
 * read once a packet and a stale one is as good as a packet that came a microsecond earlier. */
struct mill_iface {
	uint64_t mac; /* 48 bits in wire order, in the low six bytes as loaded from memory on little endian */
	uint16_t slot;
	uint16_t port; /* port slot */
	uint16_t mtu;  /* bytes of IP packet */
	uint8_t up;
	uint8_t host; /* enum mill_host_face */
	uint8_t n_tags;
	uint8_t reserved[3];
	uint32_t ifindex;
	uint8_t tags[8]; /* the tags as bytes of the wire, outermost first */
	/* What the router speaks from there, network order; all zero: none. Changed so rarely that whoever reads one
	 * half changed sends one message from a wrong address. */
	uint8_t address4[4], address6[16];
	uint8_t reserved2[8];
};

_Static_assert(sizeof(struct mill_iface) == 64, "the place of an interface is found by a shift");

struct mill_bindings {
	const uint16_t *iface;   /* local interface → interface slot */
	const uint16_t *local;   /* interface slot → local interface, or MILL_NONE */
	const uint16_t *port;    /* local port → port slot */
	const uint32_t *rule;    /* local rule → rule slot */
	const uint32_t *gateway; /* local gateway → gateway slot */
	const uint16_t *set;     /* local set → set slot */
};

struct mill_worker;

/* How a rejected packet's source is told, ORed: by default ICMP "administratively prohibited", for TCP too. */
enum mill_answer_how { MILL_ANSWER_RESETS = 1, MILL_ANSWER_PORT = 2 };

/* What needs a queue, a lock or another thread. `frame` stays the caller's: each of these copies. True: the service
 * has taken it. Then the forwarder has counted a punt as `punt`; frames of `defer` and `fragment` are counted as
 * `tx` by the service when they are sent. False: the forwarder counts the drop. Frames given to `defer` and
 * `fragment` end with the IP packet, their TTL is already lowered; only the link header is to be replaced. */
struct mill_services {
	/* To the host stack on interface slot `iface`. l3 = offset of the network header (after all tags). */
	bool (*punt)(struct mill_worker *, uint16_t iface, enum mill_punt_class, const uint8_t *frame,
	             uint16_t len, uint16_t l3);
	/* Neighbour of `adjacency` is unresolved: keep the frame and send it when it resolves, or drop it.
	 * `nexthop` is the neighbour's address, network order, for a GLEAN adjacency. */
	bool (*defer)(struct mill_worker *, uint32_t adjacency, const uint8_t *nexthop, const uint8_t *frame,
	              uint16_t len, uint16_t l3);
	/* IPv4 packet larger than the egress MTU and without DF: send it in fragments (RFC 791 §3.2). */
	bool (*fragment)(struct mill_worker *, uint32_t adjacency, const uint8_t *frame, uint16_t len,
	                 uint16_t l3);
	/* An ICMP error to the source of a packet, which the forwarder counts as dropped whether or not there may be
	 * one (RFC 1812 §4.3.2.7). Type and code are those of the packet's family; mtu: of "too big", else 0. */
	void (*icmp_error)(struct mill_worker *, uint16_t iface, uint8_t type, uint8_t code, uint32_t mtu,
	                   const uint8_t *frame, uint16_t len, uint16_t l3);
	/* A rule has dropped a packet and its source may be told: by a TCP reset, or an ICMP error. */
	void (*answer)(struct mill_worker *, uint16_t iface, uint8_t how, const uint8_t *frame, uint16_t len,
	               uint16_t l3);
	/* The token bucket of a rule, one for all workers. `cost` of one unit in 2^-26 ns, `burst` in 64ths of a ns.
	 * True: so many units conform, and are taken from it. */
	bool (*police)(struct mill_worker *, uint32_t rule_slot, uint64_t cost, uint64_t burst,
	               uint32_t amount);
	/* A copy of the frame, of one in `one_in`, to a port slot. False: there was no room for it. */
	bool (*mirror)(struct mill_worker *, uint16_t port, uint32_t one_in, const uint8_t *frame,
	               uint16_t len);
	/* One in `one_in` becomes an event of the rule. */
	void (*sample)(struct mill_worker *, uint32_t rule_slot, uint32_t one_in, uint16_t iface,
	               const uint8_t *frame, uint16_t len, uint16_t l3);
	/* A rule with `log` matched. per_second is the rule's own limit. */
	void (*log)(struct mill_worker *, uint32_t rule_slot, uint32_t per_second, uint16_t iface,
	            const uint8_t *frame, uint16_t len, uint16_t l3);
};

/* What a worker shows to the forwarder. Owned by the worker; constant during a burst but for the counters. */
struct mill_worker {
	struct netmap_ring *tx[MILL_MAX_PORTS]; /* by port slot; NULL: no way to that port */
	const struct mill_fib *fib;
	const struct mill_bindings *bind;
	const struct mill_iface *ifaces;         /* by interface slot */
	struct mill_iface_counters *if_counters; /* by interface slot */
	struct mill_counter *rule_counters;      /* by rule slot */
	struct mill_counter *policed;            /* by rule slot */
	const struct mill_services *services;
	const struct mill_set_image *const *sets; /* by set slot: those that change at run time */
	uint64_t now_ns;                          /* CLOCK_MONOTONIC, read once a burst */
	uint64_t tx_dirty;                        /* bit p: tx[p] has frames that no tx sync has pushed yet */
	bool acl_enabled;
	uint32_t number; /* of the worker */
};

struct mill_forwarder {
	uint32_t abi;    /* MILL_ABI_VERSION */
	uint32_t layout; /* MILL_LAYOUT: changes with the size of any struct here or in runtime/shm */
	uint8_t policy_hash[32];
	uint32_t n_ports, n_ifaces, n_rules, n_gateways, n_sets;
	/* by local port number */
	void (*const *receive)(struct mill_worker *, struct netmap_ring *rx);
};

#define MILL_LAYOUT                                                                                          \
	((uint32_t)(sizeof(struct mill_state) * 31 + sizeof(struct mill_config) * 17 +                       \
	            sizeof(struct mill_worker) * 7 + sizeof(struct mill_iface) * 5 +                         \
	            sizeof(struct mill_services) * 3 + sizeof(struct mill_bindings) * 11 +                   \
	            sizeof(struct mill_iface_counters)))

#define MILL_FORWARDER_SYMBOL "mill_forwarder"
