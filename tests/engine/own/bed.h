/*
 * Interfaces without a face in the kernel: the engine's own ARP, Neighbour Discovery and ICMP. This program is the daemon,
 * which mostly keeps still, and the stations on both sides:
 *
 *   a ──── 10.0.1.1/24, fd01::1/64 (0) engine (1) 10.0.2.1/24 ──── b
 *
 * One engine lives through all of it, in the order of own_test.c; bed.c has what the parts share.
 */
#pragma once
#include "lib/engine_test.h"
#include "lib/feed.h"
#include "lib/frames.h"

#define STATION 7 /* last byte of the stations' addresses */

struct own_bed {
	struct test_engine engine;
	struct mill_pipe_client a, b;
	struct feed feed;
	uint64_t deployed_ns; /* right before it had its addresses */
};
extern struct own_bed bed;

static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 0xaa}, mac_b[6] = {2, 0, 0, 0, 0, 0xbb};
static const uint8_t mac_c[6] = {2, 0, 0, 0, 0, 0xcc};
static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t ours[4] = {10, 0, 1, 1}, theirs[4] = {10, 0, 1, STATION};
static const uint8_t gateway[4] = {10, 0, 2, STATION}, source2[4] = {10, 0, 2, 1};
static const uint8_t ours6[16] = {0xfd, 1, [15] = 1}, theirs6[16] = {0xfd, 1, [15] = STATION};
static const uint8_t twice6[16] = {0xfd, 1, [15] = 2};               /* ours, and somebody else's */
static const uint8_t group[16] = {0xff, 2, [11] = 1, 0xff, 0, 0, 1}; /* solicited-node of fd01::1 */
static const uint8_t group_mac[6] = {0x33, 0x33, 0xff, 0, 0, 1};
static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};

const uint8_t *engine_mac(uint32_t port);
uint64_t dropped(uint32_t iface, enum mill_drop);
struct mill_neighbour *known(uint16_t iface, const uint8_t *address, uint32_t size);
/* The next frame that somebody asked for, within that time; 0 for none. */
uint32_t next_frame(struct mill_pipe_client *, uint8_t *frame, int ms);
void no_answer(struct mill_pipe_client *, const char *why);
/* UDP from a's station. */
void send_packet(const uint8_t *destination, uint32_t data);
void send_arp(struct mill_pipe_client *, const uint8_t *to, uint8_t operation, const uint8_t *mac,
              const uint8_t *sender, const uint8_t *target);
/* With a link-layer address option of that type, 0 for none. 32 bytes at most. */
uint32_t discovery_message(uint8_t *message, uint8_t type, uint8_t flags, const uint8_t *target,
                           uint8_t option, const uint8_t *mac);
void send_discovery(const uint8_t *to_mac, const uint8_t *from, const uint8_t *to, uint8_t hop_limit,
                    const uint8_t *message, uint32_t length);
/* An MLD message behind a hop-by-hop header. */
uint32_t make_query(uint8_t *frame, const uint8_t *to, const uint8_t options[8], const uint8_t *message,
                    uint32_t length);

void test_verification(void);
void test_announcements(void);
void test_arp(void);
void test_resolving(void);
void test_discovery(void);
void test_listening(void);
void test_icmp(void);
void test_malformed(void);
