/*
 * The two halves of `netmill gen`: a thread that sends the packets of a shape at a rate, a thread that receives and
 * checks them. What they count may be read at any time, the latencies when the receiver is joined.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "tools/end.h"
#include "tools/histogram.h"
#include "tools/packets.h"

#define GEN_WINDOW 1024u /* packets of a flow: an older one is late, whether it came before or not */

struct gen_sender {
	struct mill_end *end;
	const struct gen_packets *packets;
	uint64_t rate;  /* packets/s, 0: as fast as it goes */
	uint64_t count; /* packets, 0: until stop */
	uint32_t burst;
	atomic_bool stop, done;
	_Atomic uint64_t sent, bytes;
	_Atomic uint64_t stuck; /* packets that lie in the rings, which nobody empties; 0: they leave */
	pthread_t thread;
};

struct gen_receiver {
	struct mill_end *end;
	const struct gen_shape *shape;
	bool from_first; /* the first packets of flows count, too: both ends are this process's */
	atomic_bool stop;
	_Atomic uint64_t received, bytes, gaps, reordered, duplicates, late, damaged, other;
	struct gen_sequence *sequence; /* by flow */
	struct histogram *latency;
	pthread_t thread;
};

uint64_t gen_now_ns(void);
/* 0 or an errno. */
int gen_sender_start(struct gen_sender *);
void gen_sender_join(struct gen_sender *);
int gen_receiver_start(struct gen_receiver *);
void gen_receiver_join(struct gen_receiver *);
