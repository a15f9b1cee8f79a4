/*
 * `pipe:NAME` (or `pipe:NAME/RINGS`) ports: a netmap pipe between the engine and one other process, without copies
 * and, while both are busy, without system calls. The peer connects to `<rundir>/pipe/NAME.sock` (SOCK_SEQPACKET) and
 * receives one struct mill_pipe_attach with 2 + rings descriptors: the region memfd (map it shared, read-write), the
 * eventfd that wakes the peer, and for each ring the eventfd that wakes the engine. Closing the connection detaches.
 * One peer at a time; a second one gets an attach with error = EBUSY and no descriptors. The peer can write to every
 * buffer of the region: it is trusted as the engine is. A new peer starts at the rings' present numbers: what was
 * for the one before it is discarded by setting consumed = produced.
 *
 * The peer works on netmap-shaped rings of its own in that region: tx (it sends) and rx (it receives), and syncs
 * them by the two numbers below, which lie in the ring's `sem` area. A ring has one producer, who fills slots, and
 * one consumer, who empties them (of the peer's tx ring: peer and engine; of its rx ring: engine and peer).
 *   producer: fills slots from produced up to (not including) the slot before `consumed`, then stores `produced`, release
 *   consumer: empties slots up to `produced` (acquire), then stores `consumed`, release
 * Who finds nothing to do sets its `..._asleep` to 1 (seq_cst), looks once more, then waits for its eventfd; who
 * stores its number looks at the other's flag (seq_cst fence between) and writes the other's eventfd if set.
 */
#pragma once
#include <stdint.h>
#include "shm/limits.h"

#define MILL_PIPE_MAGIC 0x45504950u

struct mill_ring_sync {
	_Alignas(64) uint32_t produced; /* slot after the last filled */
	uint32_t producer_asleep;
	_Alignas(64) uint32_t consumed; /* slot after the last emptied */
	uint32_t consumer_asleep;
};

struct mill_pipe_attach {
	uint32_t magic, abi;
	int32_t error;  /* 0, or a positive errno */
	uint32_t rings; /* of each direction */
	uint64_t region_size;
	uint64_t buf_offset; /* of buffer 0 in the region */
	uint32_t n_bufs;
	uint16_t port; /* slot */
	uint16_t reserved;
	uint64_t tx_offset[MILL_MAX_RINGS]; /* rings that the peer fills, in the region */
	uint64_t rx_offset[MILL_MAX_RINGS]; /* rings that the peer empties */
};
