/* The IPv4 header checksum: verified whole (RFC 1071), updated by difference (RFC 1624). */
#pragma once
#include <stdbool.h>
#include "netmill/bytes.h"

/* True: the one's complement sum of the header's 16-bit words is 0xffff, RFC 1071 §1. Such a sum is the number modulo
 * 65535 that the words make side by side, in any width and byte order (§2 (A), (B)): 64-bit words are added with their
 * carries, and what they make is a multiple of 65535 for a correct header, of which no sum is 0. `bytes` is a multiple of
 * four, at least 20. */
static inline bool mill_ipv4_checksum_ok(const uint8_t *header, uint32_t bytes)
{
	uint64_t sum, second;
	uint32_t word;
	memcpy(&sum, header, sizeof(sum));
	memcpy(&second, header + 8, sizeof(second));
	uint64_t carry = __builtin_add_overflow(sum, second, &sum);
	for (uint32_t at = 16; at < bytes; at += 4) {
		memcpy(&word, header + at, sizeof(word));
		carry = __builtin_add_overflow(sum, word + carry, &sum);
	}
	return (sum + carry) % 65535 == 0;
}

/* Another DSCP, ECN as it was. The first word changes: RFC 1624 [Eqn. 3], HC' = ~(~HC + ~m + m'). */
static inline void mill_ipv4_set_dscp(uint8_t *header, uint8_t dscp)
{
	const uint32_t before = mill_load16(header);
	header[1] = (uint8_t)(dscp << 2 | (header[1] & 3));
	uint32_t sum = (~mill_load16(header + 10) & 0xffffu) + (~before & 0xffffu) + mill_load16(header);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	mill_store16(header + 10, (uint16_t)~sum);
}

/* RFC 8200 §3: the traffic class is bits 4 to 11. */
static inline void mill_ipv6_set_dscp(uint8_t *header, uint8_t dscp)
{
	const uint32_t first = mill_load16(header);
	mill_store16(header, (uint16_t)((first & 0xf03f) | (uint32_t)dscp << 6));
}

/* TTL less one. The word of TTL and protocol falls by 0x0100, so the checksum rises by as much: RFC 1624 [Eqn. 3].
 * It is added as the bytes lie in memory (RFC 1071 §2 (B)). A sum of 0xffff becomes 0, as it does in the kernel, so
 * that both emit the same bytes. */
static inline void mill_ipv4_lower_ttl(uint8_t *header)
{
	uint16_t stored;
	memcpy(&stored, header + 10, sizeof(stored));
	const uint32_t sum = stored + 1u;
	stored = (uint16_t)(sum + (sum >= 0xffff));
	memcpy(header + 10, &stored, sizeof(stored));
	header[8]--;
}
