/*
 * Batches of FIB changes from the RIB (addon thread, sole producer) to the engine's FIB thread (sole consumer):
 * a ring of 64-byte records in a memfd. A batch ends with MILL_FIB_COMMIT; `committed` is raised to the record
 * after it only then, and the consumer never looks past `committed`: a daemon killed in the middle of a batch
 * leaves no trace. `applied` tells the producer how far the engine is; full ring: the producer waits for it.
 *
 * Numbers (ids) of adjacencies, groups and gateways are the producer's; a SET of a known id replaces it.
 * A full replay stands between SYNC_BEGIN and SYNC_END, which sweeps what was not set in between.
 */
#pragma once
#include <stdint.h>

#define MILL_FIB_RECORDS (1u << 16)

enum mill_fib_op {
	MILL_FIB_COMMIT = 1, /* value = batch number */
	MILL_FIB_SYNC_BEGIN,
	MILL_FIB_SYNC_END,
	MILL_FIB_ROUTE_SET, /* family, length, address → id = group */
	MILL_FIB_ROUTE_DEL, /* family, length, address */
	MILL_FIB_GROUP_SET, /* id; leg_count legs in this and the following GROUP_LEGS records */
	MILL_FIB_GROUP_LEGS,
	MILL_FIB_GROUP_DEL,
	MILL_FIB_ADJACENCY_SET, /* id; kind, iface, mac, family, address */
	MILL_FIB_ADJACENCY_DEL,
	MILL_FIB_GATEWAY_SET, /* id = gateway slot; value = group, 0 = unresolvable */
};

enum mill_adjacency_kind {
	MILL_ADJ_NONE,        /* empty: treated as no route */
	MILL_ADJ_FORWARD,     /* neighbour known: rewrite and send */
	MILL_ADJ_RESOLVE,     /* neighbour not known yet: queue, ask the kernel */
	MILL_ADJ_GLEAN,       /* connected prefix without a host route: the destination is the neighbour */
	MILL_ADJ_LOCAL,       /* an address of the router */
	MILL_ADJ_KERNEL,      /* egress is not one of our ports: policed punt */
	MILL_ADJ_BLACKHOLE,   /* drop silently */
	MILL_ADJ_UNREACHABLE, /* refused; the source is told that there is no way */
	MILL_ADJ_BROADCAST, /* directed or limited broadcast of an interface: to the host, never forwarded */
	MILL_ADJ_PROHIBIT,  /* refused; the source is told that an administrator forbids it */
	MILL_ADJ_KINDS
};

struct mill_fib_leg {
	uint32_t adjacency; /* id */
	uint32_t weight;    /* 1 to 65536 */
};

struct mill_fib_record {
	uint8_t op;
	uint8_t family; /* 4 or 6 */
	uint8_t length; /* prefix length, or number of legs in this record (GROUP_*) */
	uint8_t kind;   /* enum mill_adjacency_kind */
	uint32_t id;
	uint64_t value;
	uint16_t iface; /* interface slot */
	uint8_t mac[6];
	uint16_t leg_count;
	uint8_t reserved[6];
	union {
		uint8_t address[16];
		struct mill_fib_leg leg[4];
	};
};

_Static_assert(sizeof(struct mill_fib_record) == 64, "a record is one cache line");

struct mill_fib_queue {
	_Alignas(64) uint64_t committed; /* producer, release: records below this are whole batches */
	_Alignas(64) uint64_t applied;   /* consumer, release: records below this may be overwritten */
	uint64_t batches;                /* consumer: number of the last batch applied */
	uint64_t failed;                 /* consumer: records that found no room, ever */
	/* consumer: something found no room since the last SYNC_BEGIN. What was there before is in force; a replay, a
	 * little later, is what brings the rest. */
	uint32_t behind;
	_Alignas(64) struct mill_fib_record record[MILL_FIB_RECORDS];
};
