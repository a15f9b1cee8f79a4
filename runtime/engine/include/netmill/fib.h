/*
 * The FIB as a forwarder reads it: address → path group → adjacency. It lies in a memfd and holds offsets and
 * indices only, so that it may be mapped anywhere and outlive the engine that wrote it.
 *
 *   near4[2^24] ⇢ root4[2^24] → nodes4[256]   DIR-24-8, Gupta et al. 1998
 *   root6[2^24] → nodes6[256] → …       the same continued, one node a byte of the address: a trie
 *   lead6[2^16] → cells6[2^16] ⇢ runs   made from it for lookups: netmill/fib_flat6.h
 *   group[] → (bucket[] →) adjacency_slot[] → adjacency[]
 *   group[] ⇢ use[worker][]             packets and bytes that went by each group: shm/fib_use.h
 *
 * An entry of near4 is a byte, since misses of the caches are what lookups cost: 0 or a small group, and for all else
 * MILL_FIB_FAR, which sends the lookup to root4. An entry of the other tables is 0 (nothing but the default route, which stands in the header: changing it is one store), a group, or
 * a node (top bit set). Entries have 16 bits, as lookups are fast when their tables fit into the caches; nodes of
 * IPv6 are numbered by depth for that. Once 16 bits do not suffice for a family, tables of 32-bit entries take over.
 * Beside these flat tables there may be a compact structure made from them (netmill/fib_compact.h).
 * A group is one 64-bit word: an adjacency, or a power of two of buckets with one each.
 *
 * Threads: the FIB thread alone writes (fib/fib_writer.h). Everything that a reader follows is published by one
 * aligned store with release, is complete by then, and is not reused before each worker has passed a quiescent
 * point (fib/qsbr.h). So a reader sees the route before a change or the one after it, never a mixture. Group and
 * adjacency numbers are valid until the reader's next quiescent point.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "netmill/inline.h"
#include "shm/config.h"
#include "shm/fib_queue.h"
#include "shm/limits.h"
#include "shm/state.h"

#define MILL_FIB_MAGIC        0x4249464c4c494d00ull
#define MILL_FIB_GROUPS       (1u << 20)
#define MILL_FIB_BUCKETS      (1u << 22)
#define MILL_FIB_ADJACENCIES  (1u << 20)
#define MILL_FIB_ROOT         (1u << 24)
#define MILL_FIB_NARROW_LIMIT (1u << 15) /* groups, and nodes, that 16-bit entries can name */
#define MILL_FIB_NODES4       (1u << 18)
#define MILL_FIB_NODES6       (1u << 19)
#define MILL_FIB_NODE         256u
#define MILL_FIB_DEPTHS6      13u /* nodes on the way from /24 to /128 */
#define MILL_FIB_IS_NODE      0x80000000u
#define MILL_FIB_IS_NODE16    0x8000u
#define MILL_FIB_FAR          255u

/* Immutable once published: a change is another one in its place. */
struct mill_adjacency {
	uint8_t rewrite[24]; /* destination MAC, source MAC, tags: what stands before the EtherType */
	uint8_t rewrite_len; /* 12, 16 or 20; 0 unless kind is FORWARD */
	uint8_t kind;        /* enum mill_adjacency_kind */
	uint8_t family;      /* of `address`: 4, 6, or 0 for none; may differ from the packet's (RFC 8950) */
	uint8_t reserved;
	uint16_t iface; /* interface slot, MILL_NONE for none */
	uint16_t port;  /* port slot, MILL_NONE for none */
	uint16_t mtu;   /* of the interface, bytes of IP packet */
	uint16_t reserved2;
	uint32_t id;         /* what mill_services take and mill_fib_adjacency() finds again */
	uint32_t key;        /* the daemon's number for it */
	uint8_t address[16]; /* nexthop in network order, IPv4 in the first four bytes */
	uint8_t reserved3[4];
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct mill_adjacency) == 64, "an adjacency is one cache line");

/* What the processor has: code that needs it is compiled in, and asks before it runs. */
enum mill_vector {
	MILL_VECTOR_LOOKUP = 1, /* AVX-512 F, BW, VL: lookups */
	MILL_VECTOR_BYTES = 2   /* VBMI besides: classification */
};

#define MILL_OWN4_BITS 4096u

struct mill_fib {
	uint64_t magic;
	uint32_t abi;
	uint32_t bytes;    /* MILL_FIB_BYTES of who wrote it */
	uint64_t complete; /* batches applied since the last complete replay began; 0: never completed */
	uint64_t checksum; /* FNV-1a of the four above without `complete` */
	_Alignas(64) uint64_t ports_down; /* bit p: port slot p has no carrier */
	uint32_t wide4, wide6;            /* 1: root and nodes are the 32-bit ones */
	uint32_t ready[2]; /* IPv4, IPv6: bit m says that the structure of enum mill_fib_method m answers */
	uint32_t default4; /* group of 0.0.0.0/0, 0 for none */
	uint32_t default6;
	uint32_t vector;     /* enum mill_vector; 0: no AVX-512 */
	uint32_t far4;       /* 1: too many entries of near4 are MILL_FIB_FAR, look in root4 at once */
	uint32_t groups_end; /* numbers of groups from here on were never taken: shm/fib_use.h */
	/* A filter of the router's own IPv4 addresses: one whose bit (mill_own4_bit) is 0 is none of them. Written by
	 * fib/own4.c. Of Bloom's (CACM 1970) with one hash, as they are few. */
	_Alignas(64) uint64_t own4[MILL_OWN4_BITS / 64];
	_Alignas(64) uint32_t gateway[MILL_MAX_GATEWAYS]; /* group by gateway slot, 0: unresolvable */
};

/* Multiplication by 2^32 over the golden ratio: Knuth, TAOCP 3, 6.4. */
static inline uint32_t mill_own4_bit(uint32_t address)
{
	return (address * 0x9e3779b1u) >> 20;
}

/* False: surely not an address of the router. */
MILL_HOT bool mill_fib_may_be_own4(const struct mill_fib *fib, uint32_t address)
{
	const uint32_t bit = mill_own4_bit(address);
	return __atomic_load_n(&fib->own4[bit / 64], __ATOMIC_RELAXED) >> bit % 64 & 1;
}

/* Offsets from struct mill_fib. Sparse: what is not used costs no memory. */
#define MILL_FIB_HEADER           (64ull << 10)
#define MILL_FIB_GROUP_OFFSET     MILL_FIB_HEADER
#define MILL_FIB_BUCKET_OFFSET    (MILL_FIB_GROUP_OFFSET + MILL_FIB_GROUPS * 8ull)
#define MILL_FIB_SLOT_OFFSET      (MILL_FIB_BUCKET_OFFSET + MILL_FIB_BUCKETS * 4ull)
#define MILL_FIB_ADJACENCY_OFFSET (MILL_FIB_SLOT_OFFSET + MILL_FIB_ADJACENCIES * 4ull)
#define MILL_FIB_KEY_OFFSET       (MILL_FIB_ADJACENCY_OFFSET + MILL_FIB_ADJACENCIES * 64ull)
#define MILL_FIB_USE_OFFSET       (MILL_FIB_KEY_OFFSET + MILL_FIB_GROUPS * 8ull)
#define MILL_FIB_USE_STRIDE       (MILL_FIB_GROUPS * 16ull) /* one worker's */
#define MILL_FIB_NEAR4_OFFSET                                                                                \
	(((MILL_FIB_USE_OFFSET + MILL_MAX_WORKERS * MILL_FIB_USE_STRIDE) >> 21 << 21) + (2u << 20))
#define MILL_FIB_NARROW_ROOT4_OFFSET  (MILL_FIB_NEAR4_OFFSET + MILL_FIB_ROOT)
#define MILL_FIB_NARROW_NODES4_OFFSET (MILL_FIB_NARROW_ROOT4_OFFSET + MILL_FIB_ROOT * 2ull)
#define MILL_FIB_NARROW_DEPTH         (MILL_FIB_NARROW_LIMIT * MILL_FIB_NODE * 2ull) /* nodes of one depth */
#define MILL_FIB_NARROW_ROOT6_OFFSET  (MILL_FIB_NARROW_NODES4_OFFSET + MILL_FIB_NARROW_DEPTH)
#define MILL_FIB_NARROW_NODES6_OFFSET (MILL_FIB_NARROW_ROOT6_OFFSET + MILL_FIB_ROOT * 2ull)
#define MILL_FIB_ROOT6_OFFSET         (MILL_FIB_NARROW_NODES6_OFFSET + MILL_FIB_DEPTHS6 * MILL_FIB_NARROW_DEPTH)
#define MILL_FIB_NODES6_OFFSET        (MILL_FIB_ROOT6_OFFSET + MILL_FIB_ROOT * 4ull)
#define MILL_FIB_ROOT4_OFFSET         (MILL_FIB_NODES6_OFFSET + MILL_FIB_NODES6 * MILL_FIB_NODE * 4ull)
#define MILL_FIB_NODES4_OFFSET        (MILL_FIB_ROOT4_OFFSET + MILL_FIB_ROOT * 4ull)
#define MILL_FIB_FLAT6_OFFSET         (MILL_FIB_NODES4_OFFSET + MILL_FIB_NODES4 * MILL_FIB_NODE * 4ull)
#define MILL_FIB_COMPACT_OFFSET       (MILL_FIB_FLAT6_OFFSET + MILL_FLAT6_BYTES)
#define MILL_FIB_BYTES                (MILL_FIB_COMPACT_OFFSET + 4 * MILL_COMPACT_BYTES)

_Static_assert(sizeof(struct mill_fib) <= MILL_FIB_HEADER, "the header has its place");

/* Array of `type` at an offset of MILL_FIB_*_OFFSET. */
#define MILL_FIB_AT(fib, type, offset) ((const type *)((const uint8_t *)(fib) + (offset)))

/* The adjacency of that id, as it is now. Id 0 is MILL_ADJ_NONE. */
static inline const struct mill_adjacency *mill_fib_adjacency(const struct mill_fib *fib, uint32_t id)
{
	const uint32_t *slots = MILL_FIB_AT(fib, uint32_t, MILL_FIB_SLOT_OFFSET);
	const uint32_t slot = __atomic_load_n(&slots[id], __ATOMIC_ACQUIRE);
	return MILL_FIB_AT(fib, struct mill_adjacency, MILL_FIB_ADJACENCY_OFFSET) + slot;
}

/* False: the adjacency's port has lost its carrier, or it has no port. Only for kinds that send. */
static inline bool mill_fib_egress_up(const struct mill_fib *fib, const struct mill_adjacency *adjacency)
{
	return adjacency->port < MILL_MAX_PORTS &&
	       !(__atomic_load_n(&fib->ports_down, __ATOMIC_RELAXED) >> adjacency->port & 1);
}

static inline bool mill_fib_leg_dead(const struct mill_fib *fib, const struct mill_adjacency *adjacency)
{
	return adjacency->port < MILL_MAX_PORTS &&
	       (__atomic_load_n(&fib->ports_down, __ATOMIC_RELAXED) >> adjacency->port & 1);
}

#define MILL_FIB_DETOURS 8u

/* Where the flows of a bucket whose leg is dead look next, for the i-th time. fib/deal.c knows it too: when the leg has
 * gone for good, they stay where this sent them. */
static inline uint32_t mill_fib_detour(uint32_t bucket, uint32_t i, uint32_t mask)
{
	uint32_t h = (bucket + (i + 1) * 0x9e3779b9u) * 0x85ebca6bu;
	h = (h ^ h >> 15) * 0xc2b2ae35u;
	return (h ^ h >> 16) & mask;
}

/* The chosen leg's port is down: another bucket, so that only this leg's flows move. */
MILL_COLD const struct mill_adjacency *mill_fib_select_other(const struct mill_fib *fib,
                                                             const uint32_t *bucket, uint32_t mask,
                                                             uint32_t hash,
                                                             const struct mill_adjacency *first)
{
	for (uint32_t i = 0; i <= mask + MILL_FIB_DETOURS; i++) {
		const uint32_t at =
		    i < MILL_FIB_DETOURS ? mill_fib_detour(hash & mask, i, mask) : (hash + i) & mask;
		const uint32_t id = __atomic_load_n(&bucket[at], __ATOMIC_ACQUIRE);
		const struct mill_adjacency *adjacency = mill_fib_adjacency(fib, id);
		if (!mill_fib_leg_dead(fib, adjacency))
			return adjacency;
	}
	return first;
}

/* What a group says: one adjacency's id, or how many buckets less one (upper half) and the first of them. */
static inline uint64_t mill_fib_group(const struct mill_fib *fib, uint32_t group)
{
	return __atomic_load_n(MILL_FIB_AT(fib, uint64_t, MILL_FIB_GROUP_OFFSET) + group, __ATOMIC_ACQUIRE);
}

/* True: the group has more than one path, and a flow hash picks one. */
static inline bool mill_fib_has_legs(uint64_t word)
{
	return mill_unlikely(word >> 32 != 0);
}

/* One of several paths: one whose port is up, if there is one. All low 16 bits of `flow_hash` must be well mixed. */
static inline const struct mill_adjacency *mill_fib_leg(const struct mill_fib *fib, uint64_t word,
                                                        uint32_t flow_hash)
{
	const uint32_t mask = (uint32_t)(word >> 32);
	const uint32_t *bucket = MILL_FIB_AT(fib, uint32_t, MILL_FIB_BUCKET_OFFSET) + (uint32_t)word;
	const uint32_t id = __atomic_load_n(&bucket[flow_hash & mask], __ATOMIC_ACQUIRE);
	const struct mill_adjacency *adjacency = mill_fib_adjacency(fib, id);
	if (mill_unlikely(mill_fib_leg_dead(fib, adjacency)))
		return mill_fib_select_other(fib, bucket, mask, flow_hash, adjacency);
	return adjacency;
}

/* Never NULL. Group 0 gives an adjacency of kind MILL_ADJ_NONE. */
MILL_HOT const struct mill_adjacency *mill_fib_select(const struct mill_fib *fib, uint32_t group,
                                                      uint32_t flow_hash)
{
	const uint64_t word = mill_fib_group(fib, group);
	if (mill_fib_has_legs(word))
		return mill_fib_leg(fib, word, flow_hash);
	return mill_fib_adjacency(fib, (uint32_t)word);
}

/* The use counters of a worker, by group: the one thing that readers write, each its own part (shm/fib_use.h). */
static inline struct mill_counter *mill_fib_use(const struct mill_fib *fib, uint32_t worker)
{
	return (struct mill_counter *)((uintptr_t)fib + MILL_FIB_USE_OFFSET + worker * MILL_FIB_USE_STRIDE);
}

/* Group of a gateway slot; 0: it cannot be resolved now. */
static inline uint32_t mill_fib_gateway(const struct mill_fib *fib, uint32_t gateway_slot)
{
	return __atomic_load_n(&fib->gateway[gateway_slot], __ATOMIC_RELAXED);
}

#ifdef MILL_LINKED_LOOKUPS
#include "netmill/fib_linked.h"
#else
#include "netmill/fib_lookup.h"
#include "netmill/fib_flat6.h"
#include "netmill/fib_compact.h"
#endif
