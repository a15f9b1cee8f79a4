/*
 * ICMP errors as bytes: which packets may be answered with one, and what it says. Pure functions, of the engine's
 * icmp.c and of the self-test, which compares them with the evaluator's.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct mill_packet; /* netmill/packet.h */

#define MILL_ICMP_LARGEST4 576u  /* RFC 1812 §4.3.2.3 */
#define MILL_ICMP_LARGEST6 1280u /* RFC 4443 §2.4 (c) */

/* One's complement sum of 16-bit words, not folded; an odd last byte counts as a word with zero behind it. RFC 1071. */
uint32_t mill_sum16(const uint8_t *bytes, uint32_t n);
/* The checksum of what adds up to that. */
uint16_t mill_sum_fold(uint32_t sum);

struct mill_icmp_error {
	uint8_t type, code; /* of the packet's family */
	uint32_t mtu;       /* of the next hop for "too big" (RFC 1191 §4, RFC 4443 §3.2), else 0 */
};

/* Reads the packet in the frame (l3: where it begins) into `p`. False: there must be no error about it. */
bool mill_icmp_answerable(struct mill_packet *p, const uint8_t *frame, uint16_t len, uint16_t l3);
/* The IP packet that tells the source of `about`, of at most `largest` bytes. `source` is in network order, of the
 * packet's family; `id` is the IPv4 identification. Returns its length. */
uint32_t mill_icmp_write(uint8_t *out, uint32_t largest, const struct mill_packet *about,
                         const struct mill_icmp_error *, const uint8_t *source, uint16_t id);
