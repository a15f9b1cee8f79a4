/*
 * The engine's private control socket: Unix SOCK_SEQPACKET, mode 0600, `<rundir>/engine.sock`. One message is
 * one struct mill_msg with its payload and up to MILL_MSG_FDS descriptors (SCM_RIGHTS). The daemon asks, the
 * engine answers in order with the same `type` and `serial`; notices (MILL_MSG_NOTICE_*) come unasked, serial 0.
 * One daemon at a time: a second connection takes over, the first is closed.
 */
#pragma once
#include <stdint.h>
#include "shm/limits.h"

#define MILL_MSG_PAYLOAD 1024u
#define MILL_MSG_FDS     16u

enum mill_msg_type {
	MILL_MSG_HELLO =
	    1, /* → ; ← struct mill_hello, then one HOLD notice per descriptor, then HELLO_DONE notice */
	MILL_MSG_PREPARE, /* fds: config memfd, forwarder .so memfd (sealed). Opens what is new. ← empty */
	MILL_MSG_COMMIT, /* struct mill_commit: swap to a prepared or retained generation. ← after the grace period */
	MILL_MSG_DISCARD, /* struct mill_commit.generation: forget a prepared generation, close what it opened */
	MILL_MSG_SET_IFACE, /* struct mill_iface_update */
	MILL_MSG_SET_ACL,   /* uint32_t enabled */
	MILL_MSG_LOOKUP,    /* struct mill_lookup ← struct mill_lookup_answer: what the compiled FIB says */
	MILL_MSG_STOP,      /* drain, hand ports back, restore offloads, ← then exit 0 */
	MILL_MSG_ADOPT, /* to a fresh engine started with --adopt: struct mill_hold + fd, one message each */
	MILL_MSG_ADOPT_DONE, /* all descriptors sent: resume forwarding with the state's running generation */
	MILL_MSG_SET_NEIGHBOUR, /* struct mill_neighbour_change: on an interface without a face in the kernel */
	MILL_MSG_SET_PUT, /* fd: a set's memfd (sealed), shm/set.h; takes the place of that of the same name. ← after the grace period */
	MILL_MSG_SET_DROP,       /* char[MILL_NAME_SIZE]: a set that no generation names */
	MILL_MSG_WANT_NEIGHBOUR, /* struct mill_resolve: asked for, unless it is known; no face in the kernel */
	/* notices */
	MILL_MSG_NOTICE_HOLD = 64, /* struct mill_hold + fd: keep a duplicate of this */
	MILL_MSG_NOTICE_RELEASE,   /* struct mill_hold: close yours */
	MILL_MSG_NOTICE_HELLO_DONE,
	MILL_MSG_NOTICE_LINK,    /* struct mill_link_notice */
	MILL_MSG_NOTICE_RESOLVE, /* struct mill_resolve: somebody wants this neighbour (at most 1/s each) */
	MILL_MSG_NOTICE_NEIGHBOURS, /* empty: mill_state.neighbour has changed */
};

struct mill_msg {
	uint16_t type;
	uint16_t reserved;
	uint32_t serial;
	int32_t
	    error; /* answers: 0 or a positive errno; then payload is a NUL-terminated text for the operator */
	uint32_t length; /* of payload */
	uint8_t payload[MILL_MSG_PAYLOAD];
};

struct mill_hello {
	uint32_t abi;
	uint32_t adopting; /* started with --adopt and still waiting */
	uint64_t pid;
	uint64_t running;
	uint64_t retained[2]; /* generations that COMMIT can roll back to, newest first, 0 for none */
};

/* What the descriptors are. Key of a descriptor: (kind, slot, index). */
enum mill_hold_kind {
	MILL_HOLD_STATE,       /* state memfd */
	MILL_HOLD_REGION,      /* rings and packet buffers; slot = region number */
	MILL_HOLD_FIB,         /* FIB tables memfd */
	MILL_HOLD_FIB_QUEUE,   /* batch ring memfd, runtime/shm/fib_queue.h */
	MILL_HOLD_FIB_WAKE,    /* eventfd: daemon → FIB thread */
	MILL_HOLD_FIB_DONE,    /* eventfd: FIB thread → daemon */
	MILL_HOLD_CONFIG,      /* config memfd of generation `value`; index 0 running, 1 and 2 retained */
	MILL_HOLD_FORWARDER,   /* .so memfd of generation `value`, the same index */
	MILL_HOLD_PORT_SOCKET, /* slot = port slot, index = ring */
	MILL_HOLD_PORT_LINK,   /* bpf_link */
	MILL_HOLD_PORT_PROGRAM,
	MILL_HOLD_PORT_MAP, /* index 0 XSKMAP, 1 heartbeat */
	MILL_HOLD_TAP,      /* slot = interface slot */
	MILL_HOLD_LISTENER, /* pipe: listening socket, slot = port slot */
	MILL_HOLD_EVENTS,   /* eventfd: workers → daemon, "there are log events" */
	MILL_HOLD_SET,      /* memfd of shm/set.h; slot = set slot */
};

struct mill_hold {
	uint16_t kind, slot, index, reserved;
	uint64_t value;
};

struct mill_commit {
	uint64_t generation;
	uint64_t expected_running; /* compare-and-swap: EAGAIN when another one runs */
};

struct mill_iface_update {
	uint16_t slot;
	uint16_t mtu;
	uint8_t mac[6];
	uint8_t up; /* administratively up, with carrier */
	uint8_t reserved;
	uint32_t ifindex; /* of the kernel's face, 0 none */
	/* What the router speaks from there, network order; all zero: none. */
	uint8_t address4[4], address6[16];
};

struct mill_lookup {
	uint8_t family; /* of the address: 4 or 6; 0: of a gateway slot instead */
	uint8_t reserved;
	uint16_t gateway;
	uint8_t reserved2[4];
	uint8_t address[16]; /* network order, IPv4 in the first four bytes */
};

struct mill_lookup_answer {
	uint32_t group;
	uint8_t kind; /* enum mill_adjacency_kind of the first leg */
	uint8_t legs; /* that follow, at most 16 */
	uint8_t reserved[2];
	struct {
		uint32_t adjacency;
		uint16_t iface; /* slot */
		uint8_t kind;
		uint8_t family;
		uint8_t address[16]; /* nexthop */
		uint8_t mac[6];
		uint8_t reserved[2];
	} leg[16];
};

struct mill_link_notice {
	uint16_t port;
	uint8_t up;
	uint8_t reserved[5];
};

/* A static entry, or with a MAC of zeros: forget what is known. ENOENT: there is nothing to forget, or no such interface. */
struct mill_neighbour_change {
	uint16_t iface;
	uint8_t family;
	uint8_t reserved[7];
	uint8_t mac[6];
	uint8_t address[16];
};

struct mill_resolve {
	uint16_t iface;
	uint8_t family;
	uint8_t reserved[5];
	uint8_t address[16];
};
