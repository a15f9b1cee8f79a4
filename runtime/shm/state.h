/*
 * The state memfd: what outlives daemon, generation and (when adopted) engine. Counters are addressed by slots
 * that belong to identities: a rule keeps its slot as long as any mapped generation has it, so its counters go
 * on across deploys without ever being folded or copied. Every worker has counters of its own; readers sum.
 *
 * Owners: the registries are written by the daemon alone, before a generation that uses a slot is prepared.
 * `worker[w]` is written by worker w alone, and `port[p].ring[r]` by whoever owns that ring, with plain 64-bit stores (readers
 * tolerate a torn pair of packets and bytes, never a torn number). Everything else is written by the engine's control thread.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "shm/limits.h"

#define MILL_STATE_MAGIC 0x4c4c494d54454e00ull

struct mill_counter {
	uint64_t packets;
	uint64_t bytes; /* of the frame, without FCS */
};

/* Why a packet went nowhere. Text for operators: runtime/control/drops.ts; keep both in this order. */
enum mill_drop {
	MILL_DROP_TRUNCATED_FRAME, /* shorter than its Ethernet header and tags */
	MILL_DROP_OTHER_MAC,       /* unicast to another station: RFC 1812 §5.3.4 */
	MILL_DROP_UNKNOWN_VLAN,    /* tag combination that no interface has */
	MILL_DROP_IP_HEADER,       /* version, header length or total length wrong: RFC 1812 §5.2.2 */
	MILL_DROP_IP_CHECKSUM,
	MILL_DROP_MARTIAN_SOURCE, /* RFC 1812 §5.3.7 */
	MILL_DROP_MARTIAN_DESTINATION,
	MILL_DROP_ACL,
	MILL_DROP_BLACKHOLE,
	MILL_DROP_NO_ROUTE,    /* and the engine has told the source, if it may */
	MILL_DROP_UNRESOLVED,  /* neighbour did not answer, or its queue was full */
	MILL_DROP_EGRESS_DOWN, /* the egress interface has no port, or no carrier */
	MILL_DROP_TOO_BIG,     /* and could not be fragmented; the engine has told the source, if it may */
	MILL_DROP_TX_FULL,
	MILL_DROP_PUNT_FULL,    /* host queue of its class was full */
	MILL_DROP_PUNT_POLICED, /* RFC 6192 */
	MILL_DROP_HOST_REFUSED, /* kernel did not take the injected frame, or there is no host face */
	MILL_DROP_LINK_LOCAL, /* IPv6 link-local source or destination may not be forwarded: RFC 4291 §2.5.6 */
	MILL_DROP_ACL_OUT,    /* by the `out` ACL of its egress interface */
	MILL_DROP_POLICED,    /* over the limit of the rule that took it */
	MILL_DROP_MIRROR_FULL, /* a copy only: the mirror port had no room, the packet itself went on */
	MILL_DROP_TTL_EXPIRED, /* and the engine has told the source, if it may */
	MILL_DROP_NO_GATEWAY, /* no gateway of the rule that diverted it answers, and the rule says to drop */
	MILL_DROP_URPF,       /* no way back to its source that its interface asks for: BCP 38, BCP 84 */
	MILL_DROP_L4_HEADER,  /* cut short or not to be found, and an ACL reads it: RFC 1858, RFC 7112 */
	MILL_DROP_COUNT
};

/* What the engine says by itself. Text for operators: runtime/control/said.ts; keep both in this order. */
enum mill_said {
	MILL_SAID_ARP_REQUEST,
	MILL_SAID_ARP_REPLY,
	MILL_SAID_SOLICITATION,  /* RFC 4861 */
	MILL_SAID_ADVERTISEMENT, /* RFC 4861 */
	MILL_SAID_ECHO_REPLY,
	MILL_SAID_UNREACHABLE,
	MILL_SAID_TOO_BIG, /* IPv4's "fragmentation needed", too */
	MILL_SAID_TIME_EXCEEDED,
	MILL_SAID_PARAMETER_PROBLEM,
	MILL_SAID_WITHHELD, /* ICMP errors that there were too many of */
	MILL_SAID_LISTENER, /* MLD: RFC 3810 */
	MILL_SAID_COUNT
};

/* Classes of packets for the host stack, strict priority, 0 first. */
enum mill_punt_class {
	MILL_PUNT_BGP,  /* BGP, BFD, LDP: sessions */
	MILL_PUNT_OSPF, /* OSPF, RIP, PIM, VRRP: routers of the same link */
	MILL_PUNT_ARP,
	MILL_PUNT_ND,        /* Neighbour Discovery, and who listens to which group: MLD, IGMP */
	MILL_PUNT_LOCAL,     /* everything else for the router itself */
	MILL_PUNT_TTL,       /* TTL expired: the kernel answers */
	MILL_PUNT_EXCEPTION, /* too big, options, no route: the kernel answers */
	MILL_PUNT_CLASSES
};

struct mill_iface_counters {
	struct mill_counter rx;
	struct mill_counter tx;
	struct mill_counter punt[MILL_PUNT_CLASSES]; /* handed to the host queue */
	uint64_t punt_full[MILL_PUNT_CLASSES];       /* MILL_DROP_PUNT_FULL, by class */
	uint64_t punt_policed[MILL_PUNT_CLASSES];    /* MILL_DROP_PUNT_POLICED, by class */
	uint64_t drop[32];                           /* by enum mill_drop */
	uint64_t said[16];                           /* by enum mill_said, where it left by */
};

/* What is known of a neighbour on an interface without a face in the kernel: RFC 826, RFC 4861 §7.3.2. */
enum mill_neighbour_state {
	MILL_NEIGHBOUR_FREE,
	MILL_NEIGHBOUR_INCOMPLETE, /* asked for */
	MILL_NEIGHBOUR_REACHABLE,  /* it has answered not long ago */
	MILL_NEIGHBOUR_STALE,
	MILL_NEIGHBOUR_PROBE, /* asked whether it is still there */
	MILL_NEIGHBOUR_FAILED,
	MILL_NEIGHBOUR_PERMANENT /* an operator's */
};

/* Written by the engine alone, under a lock of its own; others copy an entry and look whether its version has stayed. */
struct mill_neighbour {
	uint32_t version; /* odd: being written */
	uint16_t iface;   /* slot */
	uint8_t family, state;
	uint8_t mac[6];
	uint8_t tries; /* requests since it last answered */
	uint8_t reserved;
	uint8_t address[16];
	uint64_t due_ns, asked_ns; /* CLOCK_MONOTONIC: next step of its state, last request */
	uint64_t reserved2[2];
};

_Static_assert(sizeof(struct mill_neighbour) == 64, "a neighbour is one cache line");

/* Addresses of an interface without a face in the kernel, by their order in the configuration; a link-local one that the
 * engine has made comes last. Neither: an IPv6 address that is being verified (RFC 4862 §5.4). Written by the engine. */
struct mill_own_claims {
	uint16_t ours, duplicate;
};

/* One ACL log event, written by a worker, read by the daemon. */
struct mill_event {
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint32_t rule;    /* rule slot */
	uint16_t iface;   /* interface slot */
	uint16_t frame_len;
	uint32_t suppressed; /* events of this rule swallowed by its rate limit since the last one */
	uint8_t captured;    /* bytes of `frame` that are valid */
	uint8_t l3;          /* offset of the IP header in `frame` */
	uint8_t reserved[2];
	uint8_t frame[104];
};

#define MILL_EVENTS 1024u /* power of two */

/* Single producer (worker), single consumer (daemon). Full: the event is lost and counted, never waited for. */
struct mill_event_ring {
	_Alignas(64) uint64_t head; /* next to write, release by the worker */
	uint64_t lost;
	_Alignas(64) uint64_t tail; /* next to read, release by the daemon */
	_Alignas(64) struct mill_event event[MILL_EVENTS];
};

/* Token bucket of a logging rule; tokens in events × 2^32 / s would be overkill: plain ns of credit. */
struct mill_log_bucket {
	uint64_t refilled_ns;
	uint32_t tokens;
	uint32_t suppressed;
};

struct mill_worker_state {
	_Alignas(
	    64) uint64_t epoch; /* raised at each quiescent point; even: asleep (offline), odd: running */
	uint64_t generation;    /* sequence number it last took */
	uint64_t loops, bursts;
	uint64_t heartbeat_ns;
	uint32_t tid, core;
	_Alignas(64) struct mill_iface_counters iface[MILL_MAX_IFACES]; /* by interface slot */
	struct mill_counter rule[MILL_MAX_RULES];                       /* by rule slot */
	struct mill_counter policed[MILL_MAX_RULES];                    /* dropped over the rule's limit */
	struct mill_log_bucket log[MILL_MAX_RULES];
	struct mill_event_ring events;
};

enum mill_port_flags {
	MILL_PORT_OPEN = 1,
	MILL_PORT_UP = 2,
	MILL_PORT_NATIVE_XDP = 4, /* the program runs in the driver */
	MILL_PORT_ZERO_COPY = 8,  /* the device itself reads and writes packet memory */
	MILL_PORT_POLLED = 16     /* by its workers */
};

/* What came and went by one ring each way. The rings of a port may belong to several workers, which count with every burst: so each
 * has a cache line, which its owner alone writes. Another worker owns it only when the one before has let go (engine/deploy.c). */
struct mill_port_counters {
	_Alignas(64) uint64_t rx_packets;
	uint64_t rx_bytes, tx_packets, tx_bytes;
	uint64_t rx_dropped;  /* by the back end: no free buffer, ring full, too long */
	uint64_t rx_too_long; /* of these: frames larger than a buffer, or than MILL_BUF_SIZE_LARGE */
	uint64_t tx_full;
};

struct mill_port_state {
	_Alignas(64) uint32_t flags; /* this line is read by all workers, and changes with the port */
	uint32_t ifindex;            /* 0 when the port is no netdev */
	uint16_t rx_rings, tx_rings;
	uint8_t mac[6];
	uint8_t reserved[2];
	struct mill_port_counters ring[MILL_MAX_RINGS];
};

_Static_assert(sizeof(struct mill_port_counters) == 64 && offsetof(struct mill_port_state, ring) == 64,
               "what a port is has a line, and so has each ring");

/* For who owns the counter; readers never see half a number. */
static inline void mill_tally(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* Of all rings, those included that the port no longer has: what they counted stays. */
static inline struct mill_port_counters mill_port_sum(const struct mill_port_state *port)
{
	struct mill_port_counters sum = {0, 0, 0, 0, 0, 0, 0};
	for (uint32_t i = 0; i < MILL_MAX_RINGS; i++) {
		const struct mill_port_counters *ring = &port->ring[i];
		sum.rx_packets += __atomic_load_n(&ring->rx_packets, __ATOMIC_RELAXED);
		sum.rx_bytes += __atomic_load_n(&ring->rx_bytes, __ATOMIC_RELAXED);
		sum.tx_packets += __atomic_load_n(&ring->tx_packets, __ATOMIC_RELAXED);
		sum.tx_bytes += __atomic_load_n(&ring->tx_bytes, __ATOMIC_RELAXED);
		sum.rx_dropped += __atomic_load_n(&ring->rx_dropped, __ATOMIC_RELAXED);
		sum.rx_too_long += __atomic_load_n(&ring->rx_too_long, __ATOMIC_RELAXED);
		sum.tx_full += __atomic_load_n(&ring->tx_full, __ATOMIC_RELAXED);
	}
	return sum;
}
_Static_assert(sizeof(struct mill_worker_state) % 64 == 0 && sizeof(struct mill_event_ring) % 64 == 0,
               "no line of two workers, nor of a worker and who reads its events");

struct mill_state {
	uint64_t magic;
	uint32_t abi, size_kib;
	uint64_t engine_pid, started_ns, adopted; /* adopted: how often an engine took this state over */
	uint64_t running;                         /* sequence number of the running generation, 0 for none */
	uint32_t acl_enabled; /* 0: no rule of an ACL or PBR list is applied (`netmill acl disable`) */
	uint32_t n_workers;

	/* registries, daemon's: a slot is free when its name or id is empty */
	char port_name[MILL_MAX_PORTS][MILL_NAME_SIZE];
	char iface_name[MILL_MAX_IFACES][MILL_NAME_SIZE];
	uint64_t rule_id[MILL_MAX_RULES];

	/* Token buckets of rules, by rule slot: when they are full again, in 64ths of a nanosecond of CLOCK_MONOTONIC.
	 * Every worker changes them, by compare and exchange: engine/police.c. */
	uint64_t policer[MILL_MAX_RULES];

	struct mill_port_state port[MILL_MAX_PORTS];
	struct mill_neighbour neighbour[MILL_MAX_NEIGHBOURS];
	struct mill_own_claims claims[MILL_MAX_IFACES];
	struct mill_worker_state worker[MILL_MAX_WORKERS];
};

_Static_assert(offsetof(struct mill_state, port) % 64 == 0 && offsetof(struct mill_state, worker) % 64 == 0,
               "the memory begins with a page");
