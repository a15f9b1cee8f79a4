/*
 * The self-test of a forwarder: a small world in private memory (rings, one worker, a FIB), in which frames are
 * received one by one, and then once more in bursts from other memory. Never part of the engine; one thread.
 */
#pragma once
#include <stdbool.h>
#include "fib/fib_writer.h"
#include "netmill/forwarder.h"
#include "selftest/protocol.h"

#define SELFTEST_SLOTS   128u
#define SELFTEST_REGIONS 2u

/* Frames of the first region begin behind headroom, those of the second at their buffer's first byte, and buffers
 * cannot be exchanged between the two. */
struct region {
	uint8_t *memory;
	struct netmap_ring *rx;
	struct netmap_ring *tx[MILL_MAX_PORTS]; /* by port slot; NULL: the port is in the other region */
	uint32_t n_bufs, headroom;
};

/* Everything that was done since the last reset. `bytes` are the results as they are written; the sums tell whether
 * a burst did the same as its frames did one by one: without order, but for what each port sends. */
struct trace {
	uint8_t *bytes;
	size_t n, capacity;
	uint32_t n_actions, unannounced;
	uint64_t sum, sent[MILL_MAX_PORTS];
};

struct world {
	struct mill_worker worker; /* first: services find the world by it */
	struct mill_bindings bindings;
	uint16_t iface_slot[MILL_MAX_IFACES], iface_local[MILL_MAX_IFACES], port_slot[MILL_MAX_PORTS];
	uint32_t *rule_slot, gateway_slot[MILL_MAX_GATEWAYS];
	uint16_t set_slot[MILL_MAX_SETS];
	const struct mill_set_image *set[2 * MILL_MAX_SETS]; /* by slot */
	struct mill_iface iface[MILL_MAX_IFACES];
	struct mill_iface_counters counters[MILL_MAX_IFACES];
	struct mill_counter *rules, *policed; /* by slot */
	uint32_t n_rule_slots, n_ifaces;
	struct region region[SELFTEST_REGIONS];
	uint32_t tx_start[MILL_MAX_PORTS]; /* head of each TX ring before the burst */
	struct mill_state *state;          /* the FIB's writer looks for readers there: none */
	struct mill_qsbr qsbr;
	struct mill_fib_writer writer;
	struct trace trace;
	bool services_take;
};

/* True: all of it could be made. `records` that the FIB's writer refuses are an error, too. */
bool world_create(struct world *, const struct mill_selftest_setup *, const uint16_t *port_slot,
                  const struct mill_selftest_iface *, const struct mill_fib_record *records);

/* Receives frames of one port in one burst, of at most MILL_BURST. */
struct received {
	const struct mill_selftest_frame *head;
	const uint8_t *bytes;
};
typedef void receive_function(struct mill_worker *, struct netmap_ring *);
/* `region`: whose RX ring; `filler`: what stands around the frames. False: it lost or doubled a buffer, or left
 * frames in the ring. What was done is in the trace, but for the counters. */
bool world_receive(struct world *, receive_function *, const struct received *, uint32_t n, uint32_t region,
                   uint8_t filler);

extern const struct mill_services trace_services;
void trace_sent(struct world *, uint16_t port_slot, const uint8_t *frame, uint16_t len);
/* Counters go into the trace and back to zero. Returns how many of interfaces and of rules have changed. */
struct changed {
	uint32_t n_counters, n_rules;
};
struct changed trace_counters(struct world *);
void trace_reset(struct trace *);
