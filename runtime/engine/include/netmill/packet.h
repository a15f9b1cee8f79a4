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

#define MILL_NO_GATEWAY    0xffffu
#define MILL_OR_DROP       0x8000u /* beside a gateway's number: while none answers, its packets are dropped */
#define MILL_NO_MARK       0xffu
#define MILL_PREFETCH_SPAN 6u /* frames ahead: about the memory latency over the work on one packet */

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

struct mill_packet {
	uint8_t *frame;
	uint8_t *l3; /* network header */
	struct netmap_slot *slot;
	uint64_t tags; /* MILL_TAGS: those that the port's interfaces are told by */
	struct mill_address6 src6, dst6;
	uint32_t src4, dst4; /* host order */
	uint32_t len;        /* of the frame as received */
	uint32_t ip_len;     /* of the IP packet as its header says */
	uint32_t group;      /* path group that it goes by */
	uint32_t entry;      /* what a long list has found for it */
	uint16_t iface;      /* interface slot */
	uint16_t local;      /* interface number in the policy */
	uint16_t gateway;    /* of the ACL: a local number, perhaps with MILL_OR_DROP, or MILL_NO_GATEWAY */
	uint16_t vlan;       /* id of the innermost of them, 0 untagged */
	uint16_t ethertype;
	uint16_t sport, dport;
	uint16_t l4_offset; /* from l3 */
	uint8_t family;     /* 4 or 6 */
	uint8_t mark;       /* DSCP that it leaves with, or MILL_NO_MARK */
	uint8_t proto;      /* IPv6: only after mill_read_l4 */
	uint8_t l4;         /* enum mill_l4 */
	uint8_t tcp_flags, icmp_type, icmp_code;
	bool fragment;       /* IPv6: only after mill_read_l4 */
	bool later_fragment; /* not the first */
	bool options;        /* IPv4 options or an IPv6 hop-by-hop header */
	bool to_host;        /* multicast, broadcast or link-local destination: never forwarded */
	bool link_group;     /* came in a broadcast or multicast frame */
#ifdef MILL_SETS
	const struct mill_worker *worker; /* who shows the sets */
#endif
#ifdef MILL_URPF
	uint8_t urpf; /* enum mill_urpf, of the interface that it came in by */
#endif
};

#ifdef MILL_URPF
/* The last answer of netmill/urpf.h: the sources of a burst are mostly behind one group. */
struct mill_way_back {
	uint32_t group; /* 0: none yet */
	uint16_t iface;
	bool leads;
};
#endif

/* What a burst asks the FIB, and is answered. By itself: what a lookup gets to see, the compiler cannot keep in registers. */
struct mill_keys {
	uint32_t dst4[MILL_BURST], group4[MILL_BURST];
	uint32_t src4[MILL_BURST], from4[MILL_BURST]; /* from4: path groups back to the sources */
	uint8_t dst6[MILL_BURST][16];
	uint32_t group6[MILL_BURST];
#ifdef MILL_URPF
	uint8_t src6[MILL_BURST][16];
	uint32_t from6[MILL_BURST];
#endif
};

struct mill_burst {
	struct netmap_ring *rx;
	struct mill_keys *keys;
	uint32_t at, left;        /* next slot, and how many are still to take */
	uint32_t entered, judged; /* where rules judge all of them at once */
	uint32_t kept, routed;
	uint32_t foreign4; /* path group known to lead away from the router */
	uint32_t n4, n6;   /* of either family: kept, then routed */
#ifdef MILL_URPF
	uint32_t m6; /* sources that are asked for, then those that have been answered */
	struct mill_way_back way_back;
#endif
	struct mill_packet packet[MILL_BURST + 1]; /* the kept ones; one more to write the next into */
};

static inline void mill_prefetch_slot(const struct netmap_ring *rx, uint32_t index)
{
	if (index >= rx->num_slots)
		index -= rx->num_slots;
	__builtin_prefetch(mill_ring_buffer(rx, &rx->slot[index]), 1);
}

static inline void mill_burst_begin(struct mill_burst *burst, struct mill_keys *keys, struct netmap_ring *rx)
{
	uint32_t waiting = mill_ring_space(rx);
	burst->rx = rx;
	burst->keys = keys;
	burst->at = rx->cur;
	burst->left = waiting < MILL_BURST ? waiting : MILL_BURST;
	burst->kept = burst->n4 = burst->n6 = 0;
#ifdef MILL_URPF
	burst->m6 = 0;
	burst->way_back.group = 0;
#endif
	for (uint32_t i = 0; i < MILL_PREFETCH_SPAN && i < burst->left; i++)
		mill_prefetch_slot(rx, burst->at + i);
}

/* The next packet of the burst, or NULL. */
static inline struct mill_packet *mill_burst_next(struct mill_burst *burst)
{
	struct mill_packet *p = &burst->packet[burst->kept];
	if (burst->left == 0)
		return NULL;
	if (burst->left > MILL_PREFETCH_SPAN)
		mill_prefetch_slot(burst->rx, burst->at + MILL_PREFETCH_SPAN);
	p->slot = &burst->rx->slot[burst->at];
	p->frame = mill_ring_buffer(burst->rx, p->slot);
	p->len = p->slot->len;
	burst->at = mill_ring_next(burst->rx, burst->at);
	burst->left--;
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

static inline void mill_burst_lookup(const struct mill_worker *w, struct mill_burst *burst)
{
	struct mill_keys *keys = burst->keys;
	if (burst->n4 != 0) {
		MILL_LOOKUP4(w->fib, keys->dst4, keys->group4, burst->n4);
		MILL_LOOKUP4(w->fib, keys->src4, keys->from4, burst->n4);
	}
	if (burst->n6 != 0)
		MILL_LOOKUP6(w->fib, (const uint8_t(*)[16])keys->dst6, keys->group6, burst->n6);
#ifdef MILL_URPF
	if (burst->m6 != 0)
		MILL_LOOKUP6(w->fib, (const uint8_t(*)[16])keys->src6, keys->from6, burst->m6);
	burst->m6 = 0;
#endif
	burst->n4 = burst->n6 = burst->routed = 0;
	burst->foreign4 = 0;
}

/* Every slot taken holds a free buffer again: its own, or the one that sending gave in exchange. */
static inline void mill_burst_end(struct mill_burst *burst)
{
	burst->rx->head = burst->rx->cur = burst->at;
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
