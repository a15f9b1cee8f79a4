/*
 * The engine's side: a port of one queue on the kernel's rings of kernel.c, what a forwarder does between its two netmap rings,
 * and the count of all buffers.
 */
#pragma once
#include "port/xdp.h"
#include "region.h"
#include "xdp_rings/kernel.h"

#define SLOT_OF_PORT 3
#define FILL         (MILL_BUF_KERNEL_FILL | SLOT_OF_PORT)
#define SENT         (MILL_BUF_KERNEL_TX | SLOT_OF_PORT)
#define BUFFERS      1024u

extern struct mill_region region;
extern struct mill_port_state state;
extern struct mill_port port;
extern struct mill_xdp_shared shared;
extern struct kernel *kernel;

void open_port(uint32_t ring_size, uint32_t slots);
/* Whatever was lost on the way comes back with the port's end. */
void close_port(void);
/* As a forwarder does: up to `most` packets from the RX ring to the TX ring, and each some bytes further on in its buffer or not. */
void forward(uint32_t most, bool moves);
void sync_all(uint32_t forwards, bool moves);
/* Until nothing is under way. */
void drain(void);
/* Every buffer is in one place, or the test fails; returns how many are nowhere. */
uint32_t count_lost(void);
void expect_all(const char *when);
uint32_t drawn_length(void);
/* death.c */
void test_in_hand(void);
void test_death(void);
