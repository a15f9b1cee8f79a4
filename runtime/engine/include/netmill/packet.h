/*
 * One packet on its way through the forwarder, and the burst that it came in. Everything here lives on the stack
 * of one call of `receive`: nothing survives a burst.
 *
 *   take → classify (parse, interface, checks, `in` ACL) → FIB lookup of all kept → local | divert | FIB → send
 *
 * Where an `in` ACL is a long list, all packets enter first (parse, interface, checks), and are judged then.
 * Thread: the worker that owns the RX ring.
 */
#pragma once
#include "netmill/bytes.h"
#include "netmill/fib.h"
#include "netmill/forwarder.h"

_Static_assert(MILL_BURST <= 64, "a bit for each packet of a burst");

#define MILL_NO_GATEWAY 0xffffu
#define MILL_OR_DROP    0x8000u /* beside a gateway's number: while none answers, its packets are dropped */
#define MILL_NO_MARK    0xffu

/* Whether there must be a way back to a packet's source: by the interface where it came in, or by any. */
enum mill_urpf { MILL_URPF_OFF, MILL_URPF_STRICT, MILL_URPF_LOOSE };

/* What is known of the transport header; read on demand, since most rules and routes never ask. */
enum mill_l4 {
	MILL_L4_UNREAD,
	MILL_L4_READ,   /* TCP, UDP or ICMP: fields are valid */
	MILL_L4_ABSENT, /* another protocol, or a fragment that is not the first: fields are 0 */
	MILL_L4_BROKEN, /* cut short, or behind extension headers that cannot be walked: RFC 1858, RFC 7112 */
};

struct mill_address6 {
	uint64_t high, low; /* host order */
};

/* The first cache line is what every packet needs twice, when it comes and when it goes. Numbers that are the same for all
 * plain packets stand side by side, as the compiler writes neighbours by one store. */
struct mill_packet {
	uint8_t *frame;
	uint8_t *l3; /* network header */
	struct netmap_slot *slot;
	uint32_t len;        /* of the frame as received */
	uint32_t ip_len;     /* of the IP packet as its header says */
	uint32_t group;      /* path group that it goes by */
	uint32_t entry;      /* what a long list has found for it */
	uint16_t iface;      /* interface slot */
	uint16_t local;      /* interface number in the policy */
	uint16_t vlan;       /* id of the innermost tag, 0 untagged */
	uint16_t ethertype;  /* not of plain packets on ports without VLANs */
	uint16_t gateway;    /* of the ACL: a local number, perhaps with MILL_OR_DROP, or MILL_NO_GATEWAY */
	uint16_t l4_offset;  /* from l3 */
	uint8_t family;      /* 4 or 6 */
	uint8_t l4;          /* enum mill_l4 */
	uint8_t mark;        /* DSCP that it leaves with, or MILL_NO_MARK */
	bool fragment;       /* IPv6: only after mill_read_l4 */
	bool later_fragment; /* not the first */
	bool options;        /* IPv4 options or an IPv6 hop-by-hop header */
	bool to_host;        /* multicast, broadcast or link-local destination: never forwarded */
	bool link_group;     /* came in a broadcast or multicast frame */
	bool doubtful;       /* not plain (netmill/enter.h): perhaps not to be forwarded */
	uint8_t proto;       /* IPv6: only after mill_read_l4 */

	uint32_t src4, dst4; /* host order */
	struct mill_address6 src6, dst6;
	uint64_t tags; /* MILL_TAGS, where a port has several interfaces, which are told by them */
	uint16_t sport, dport;
	uint8_t tcp_flags, icmp_type, icmp_code;
#ifdef MILL_SETS
	const struct mill_worker *worker; /* who shows the sets */
#endif
#ifdef MILL_URPF
	uint8_t urpf; /* enum mill_urpf, of the interface that it came in by */
#endif
} __attribute__((aligned(64)));

#ifdef MILL_URPF
/* The last answer of netmill/urpf.h: the sources of a burst are mostly behind one group. */
struct mill_way_back {
	uint32_t group; /* 0: none yet */
	uint16_t iface;
	bool leads;
};
#endif

/* What is kept of a burst, packet by packet. */
struct mill_kept {
	uint32_t dst4[MILL_BURST], group4[MILL_BURST];
	uint32_t src4[MILL_BURST], from4[MILL_BURST]; /* sources asked about, path groups back to them */
	uint8_t dst6[MILL_BURST][16];
	uint32_t group6[MILL_BURST];
	const struct mill_adjacency *path4[MILL_BURST], *path6[MILL_BURST]; /* NULL: several, by flow */
#ifdef MILL_URPF
	uint8_t src6[MILL_BURST][16];
	uint32_t from6[MILL_BURST];
#endif
	uint8_t *frame[MILL_BURST];                /* of all that were taken */
	struct mill_packet packet[MILL_BURST + 1]; /* one more to write the next into */
};

/* How far a burst has come. Its address never leaves the functions that are inlined into `receive`, so that it lives in
 * registers; what may not is in struct mill_kept. */
struct mill_burst {
	struct netmap_ring *rx;
	const uint8_t *memory; /* of its buffers */
	struct mill_kept *kept;
	struct netmap_slot *slot, *last;      /* the next to take, and the ring's last */
	uint32_t n, taken;                    /* packets of the burst */
	uint32_t n4, n6;                      /* of either family: kept, then routed */
	uint64_t bytes;                       /* of those taken */
	struct mill_packet *end;              /* of the kept ones */
	struct mill_packet *entered, *judged; /* where rules judge all of them at once */
	struct mill_packet *routed;
	struct mill_counter *use; /* this worker's, by path group */
	uint64_t asked4;          /* bit i: the source of the i-th of IPv4 is in src4 */
	uint32_t m4;              /* sources there, then those that have been answered */
#ifdef MILL_URPF
	uint32_t m6; /* the same of IPv6 */
	struct mill_way_back way_back;
#endif
};

static inline struct netmap_slot *mill_burst_next_slot(const struct mill_burst *burst,
                                                       struct netmap_slot *slot)
{
	return slot == burst->last ? burst->rx->slot : slot + 1;
}

/* All frames are asked for at once: who waits for the first has the others when it comes. */
MILL_HOT struct mill_burst mill_burst_begin(struct mill_worker *w, struct netmap_ring *rx,
                                            struct mill_kept *kept)
{
	const uint32_t waiting = mill_ring_space(rx);
	struct mill_burst burst = {.rx = rx,
	                           .memory = mill_ring_memory(rx),
	                           .kept = kept,
	                           .slot = &rx->slot[rx->cur],
	                           .last = &rx->slot[rx->num_slots - 1],
	                           .n = waiting < MILL_BURST ? waiting : MILL_BURST,
	                           .end = kept->packet,
	                           .use = mill_fib_use(w->fib, w->number)};
	struct netmap_slot *slot = burst.slot;
	for (uint32_t i = 0; i < burst.n; i++) {
		kept->frame[i] = mill_ring_buffer(rx, slot);
		__builtin_prefetch(kept->frame[i], 1);
		slot = mill_burst_next_slot(&burst, slot);
	}
	return burst;
}

/* The next packet of the burst, or NULL. */
MILL_HOT struct mill_packet *mill_burst_next(struct mill_burst *burst)
{
	struct mill_packet *p = burst->end;
	if (burst->taken == burst->n)
		return NULL;
	p->slot = burst->slot;
	p->frame = burst->kept->frame[burst->taken++];
	p->len = p->slot->len;
	burst->bytes += p->len;
	burst->slot = mill_burst_next_slot(burst, burst->slot);
	return p;
}

/* The method that the policy names: `engine.lookup`. */
#if defined(MILL_LINKED_LOOKUPS) && defined(MILL_LOOKUP_RADIX)
#define MILL_LOOKUP4 mill_linked_radix4
#define MILL_LOOKUP6 mill_linked_radix6
#elif defined(MILL_LINKED_LOOKUPS) && defined(MILL_LOOKUP_DXR)
#define MILL_LOOKUP4 mill_linked_dxr4
#define MILL_LOOKUP6 mill_linked_dxr6
#elif defined(MILL_LINKED_LOOKUPS)
#define MILL_LOOKUP4 mill_linked_flat4
#define MILL_LOOKUP6 mill_linked_flat6
#elif defined(MILL_LOOKUP_RADIX)
#define MILL_LOOKUP4 mill_radix_lookup4
#define MILL_LOOKUP6 mill_radix_lookup6
#elif defined(MILL_LOOKUP_DXR)
#define MILL_LOOKUP4 mill_dxr_lookup4
#define MILL_LOOKUP6 mill_dxr_lookup6
#else
#define MILL_LOOKUP4 mill_fib_lookup4
#define MILL_LOOKUP6 mill_fib_lookup6
#endif

/* Every slot taken holds a free buffer again: its own, or the one that sending gave in exchange. */
MILL_HOT void mill_burst_end(struct mill_burst *burst)
{
	burst->rx->head = burst->rx->cur = (uint32_t)(burst->slot - burst->rx->slot);
}

static inline void mill_count(struct mill_counter *counter, uint32_t bytes)
{
	counter->packets++;
	counter->bytes += bytes;
}

/* Always false, so that a check can end with it. */
MILL_COLD bool mill_drop(struct mill_worker *w, const struct mill_packet *p, enum mill_drop reason)
{
	w->if_counters[p->iface].drop[reason]++;
	return false;
}
