/*
 * The netmap back end on a model of the kernel's side (model.h), which rejects what a process must not do: other rings
 * than its own, buffers that are somebody else's, in two slots or out of range, exchanges that are not told, slots that are the
 * kernel's. Then what may go wrong: short grants, stopped rings, rings set anew, devices that go, engines that die in the middle of
 * an exchange. Devices are veths ix0 and ix1 in a namespace of this test's own, because the back end asks them for MAC and MTU.
 * bed.c has what the parts share.
 */
#pragma once
#include "lib/engine_test.h"
#include "lib/spaces.h"
#include "netmap/model.h"
#include "port/netmap.h"

struct netmap_bed {
	struct mill_port_state state[4]; /* by slot */
	char rundir[64];
};
extern struct netmap_bed bed;

/* The model has noticed nothing. */
void no_violation(void);
struct mill_port *port_make(const char *spec, uint16_t slot);
struct mill_port *port_open(const char *spec, uint16_t slot);
void port_close(struct mill_port *);
/* What the forwarder does with each packet of a ring: exchange, or copy where it must. How many there were. */
uint32_t forward(struct mill_port *from, uint32_t ring, struct mill_port *to, uint32_t to_ring);
/* A frame of 100 bytes comes from the wire. */
void arrive(const char *device, uint16_t ring, uint32_t number);
/* It has left by the wire, in that buffer. */
void expect(const char *device, uint16_t ring, uint32_t number, uint32_t *buffer);
void expect_nothing(const char *device, uint16_t ring);
/* The model anew, with ix0 in memory 1 and ix1 in that one; a ring pair and a host ring pair each. */
void two_devices(uint16_t memory_of_second);
void two_devices_of(uint16_t memory_of_second, uint32_t buffer_size, bool offsets);
uint32_t count_spares(struct mill_port *);

/* Offloads of ix0: as they are, and that they are so again. */
void keep_offloads(void);
void same_offloads(void);

void test_packets(void);
void test_rings(void);
void test_sharing(void);
void test_troubles(void);
void test_adoption(void);
void test_vale(void);
