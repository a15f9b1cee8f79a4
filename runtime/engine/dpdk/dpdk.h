/*
 * The plugin for `dpdk:DEVARGS` ports: netmap-shaped rings over a device of DPDK's (librte_ethdev).
 *
 *   eal.c     DPDK's environment, once in a process
 *   pool.c    one mbuf for each packet buffer of the region, so that nothing is copied on the way in or out
 *   device.c  a device from its devargs to its queues, and back
 *   rings.c   packets
 *   plugin.c  a port's life
 *
 * Control thread, but for the syncs (the ring's worker).
 */
#pragma once
#include <net/if.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include "port/netdev.h"
#include "port/port.h"
#include "region.h"

#define MILL_DPDK_TAG         4u
#define MILL_DPDK_RX_SLOTS    256u
#define MILL_DPDK_TX_SLOTS    512u
#define MILL_DPDK_DESCRIPTORS 512u /* of a queue, where the device leaves the choice */

/* Largest frame that an mbuf takes: DPDK leaves RTE_PKTMBUF_HEADROOM in front. */
#define MILL_DPDK_FRAME (MILL_BUF_SIZE - RTE_PKTMBUF_HEADROOM)

struct mill_dpdk_spec {
	char devargs[MILL_SPEC_SIZE + 40]; /* without netmill's own keys, with what it adds */
	char driver[32];                   /* `net_tap` of `net_tap0`; empty: an address on a bus */
	uint16_t rings;                    /* 0: as many as the device is made for */
	bool keeps_mac;                    /* the devargs say whose MAC it has */
	bool beside_kernel;                /* what it receives are copies: the kernel has the frames, too */
};

struct mill_dpdk {
	struct mill_dpdk_spec spec;
	uint16_t id; /* DPDK's number of the device */
	bool probed, configured, started;
	uint16_t rx_descriptors, tx_descriptors;
	uint16_t first_mtu; /* as the device was made */
	uint32_t ifindex;   /* of the kernel's device at it, or 0 */
	char ifname[IF_NAMESIZE];
	struct mill_netdev device; /* of those that stand beside the kernel */
	struct mill_changes changes;
	int timer;                 /* when to look at the carrier */
	uint32_t lent;             /* buffers that DPDK has for this port */
	uint64_t rx_lost, tx_lost; /* counted so far */
	uint32_t most_frame;       /* untagged; longer ones are not sent. Written by the control thread */
	uint32_t most_tags;
	bool said_too_long;
	struct {
		uint32_t n_spare;
		struct rte_mbuf *spare[MILL_BURST]; /* to put in place of those that are sent */
		uint64_t accepted;                  /* by the device's queue */
	} tx[MILL_MAX_RINGS];
};

/* eal.c. Starts DPDK unless it runs; `n_bufs`: of the region. */
bool mill_dpdk_start(uint32_t n_bufs, struct mill_error *);
/* Between these two DPDK's messages are heard, the first one for an error's text, and it takes no signal. */
void mill_dpdk_begin(void);
void mill_dpdk_end(void);
/* "; DPDK says: …" or nothing. */
const char *mill_dpdk_said(void);

/* Calls it on DPDK's interrupt thread, which handles nothing else meanwhile, and waits for its end. */
void mill_dpdk_in_interrupts(void (*call)(void *), void *argument);

/* pool.c */
/* One pool over the region's buffers, made when first asked for. */
struct rte_mempool *mill_dpdk_pool(struct mill_region *, struct mill_error *);
/* Free buffers of the region become mbufs that DPDK may use, and back. lend: all of them or none. */
bool mill_dpdk_lend(struct mill_region *, uint32_t n);
/* Returns how many DPDK did not have any more; the last port that is open takes back all that there are. */
uint32_t mill_dpdk_take_back(struct mill_region *, uint32_t n);

extern struct rte_mempool *mill_dpdk_mempool;
extern struct rte_mbuf **mill_dpdk_mbuf; /* by buffer index */

/* device.c */
bool mill_dpdk_parse(const struct mill_port_config *, struct mill_dpdk_spec *, struct mill_error *);
/* The largest IP packet that the device is known to carry, and how many tags may be in front of it. */
uint16_t mill_dpdk_mtu(const struct mill_dpdk *);
uint32_t mill_dpdk_tags(const struct mill_dpdk *);
/* Sets the device to `wanted_mtu`, or to what it had at first if that is more. */
bool mill_dpdk_set_mtu(struct mill_port *, struct mill_error *);
/* Finds or makes the device. */
bool mill_dpdk_probe(struct mill_port *, struct mill_error *);
/* Its queues, and starts it. rx_rings and tx_rings are known after `plan`. */
bool mill_dpdk_plan(struct mill_port *, struct mill_error *);
bool mill_dpdk_run(struct mill_port *, struct mill_error *);
/* From any of these states. */
void mill_dpdk_release(struct mill_port *);
bool mill_dpdk_has_carrier(const struct mill_dpdk *);

/* rings.c */
void mill_dpdk_rx_sync(struct mill_port *, uint32_t ring);
void mill_dpdk_tx_sync(struct mill_port *, uint32_t ring);
void mill_dpdk_count_drops(struct mill_port *, uint32_t ring);
/* What its queues hold goes back to the pool; nobody serves them. */
void mill_dpdk_drain(struct mill_port *);
