/*
 * What netmill-selftest reads and writes: little-endian structs, one after the other. Its other end is
 * codegen/selftest/protocol.ts.
 *
 *   stdin   setup, port_slot[n_ports] (u16), iface[n_ifaces], record[n_records], n_sets of: u64 bytes, an image (shm/set.h);
 *           then n_frames of: frame, bytes
 *   stdout  for each frame: result, counter[n_counters], rule[n_rules], n_actions of: action, bytes; at last: end
 */
#pragma once
#include <stdint.h>
#include "shm/limits.h"

#define MILL_SELFTEST_MAGIC 0x74736c66u
#define MILL_SELFTEST_FRAME 1700u /* longest: buffers hold it with headroom and two more tags */

struct mill_selftest_setup {
	uint32_t magic;
	uint32_t n_ports, n_ifaces, n_rules, n_gateways, n_sets; /* of the policy */
	uint32_t n_records, n_frames;
	uint32_t first_rule, first_gateway, first_set; /* slot of number 0; the others follow */
	uint8_t policy_hash[32];
};

struct mill_selftest_iface {
	uint8_t mac[6];
	uint16_t slot;
	uint16_t port; /* slot */
	uint16_t mtu;
	uint8_t up, host, n_tags, reserved;
	uint8_t tags[8];
	uint8_t address4[4], address6[16];
};

enum mill_selftest_flags {
	MILL_SELFTEST_NO_ACL = 1,
	MILL_SELFTEST_SERVICES_REFUSE = 2,
	MILL_SELFTEST_TX_FULL = 4,
	MILL_SELFTEST_NO_GATEWAYS = 8, /* none answers */
};

struct mill_selftest_frame {
	uint16_t port; /* local number */
	uint16_t len;
	uint8_t flags;
	uint8_t reserved[3];
};

struct mill_selftest_result {
	uint32_t n_counters, n_rules, n_actions;
	uint32_t unannounced; /* frames in TX rings that tx_dirty does not tell of */
};

/* What has changed. `what`: 0 received, 1 sent, 2 + class punted, 16 + reason dropped (no bytes). */
struct mill_selftest_counter {
	uint16_t iface; /* slot */
	uint16_t what;
	uint32_t packets, bytes;
};

struct mill_selftest_rule {
	uint32_t slot;
	uint32_t packets, bytes;
	uint32_t policed, policed_bytes; /* of them, dropped over the limit */
};

enum mill_selftest_kind {
	MILL_SELFTEST_SENT = 1,
	MILL_SELFTEST_PUNT,
	MILL_SELFTEST_DEFER,
	MILL_SELFTEST_FRAGMENT,
	MILL_SELFTEST_LOG,
	MILL_SELFTEST_ICMP_ERROR, /* bytes: the IP packet, with identification 0 */
	MILL_SELFTEST_RESET,      /* bytes: the IP packet */
	MILL_SELFTEST_POLICE,     /* neighbour: cost and burst */
	MILL_SELFTEST_MIRROR,
	MILL_SELFTEST_SAMPLE,
};

struct mill_selftest_action {
	uint8_t kind;
	uint8_t class;       /* of a punt */
	uint16_t slot;       /* of the port for SENT and MIRROR; of the interface for others */
	uint32_t number;     /* DEFER, FRAGMENT: number of the adjacency; LOG, POLICE, SAMPLE: rule slot */
	uint32_t per_second; /* one_in for MIRROR and SAMPLE, amount for POLICE */
	uint16_t len, l3;
	uint8_t neighbour[16]; /* for DEFER */
};

/* Bursts of several frames must do what their frames do one by one: the first that does not, or UINT32_MAX. */
struct mill_selftest_end {
	uint32_t burst, n;
};
