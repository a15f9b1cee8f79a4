/*
 * The packets of `netmill gen`: UDP of either family, one prepared header a flow, and behind it a mark that says which
 * packet it is and when it went. The rest is bytes that are the same in each, so that whoever receives them sees one that
 * is missing, or of another place.
 *
 *   flow f of n: destination f mod nd, source f / nd mod ns, ports likewise after that: all different up to the product
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GEN_MAX_FLOWS 65536u
#define GEN_MAX_SIZES 16u
#define GEN_MAX_FRAME 16022u /* Ethernet, two tags, and the largest packet that a buffer holds */

/* First thing behind the UDP header: 18 bytes, so that the smallest IPv4 frame has it. Host order: both ends are one
 * machine's. */
struct gen_mark {
	uint32_t magic;
	uint16_t flow;
	uint32_t sequence; /* within the flow; begins anew after 2^32 */
	uint64_t sent_ns;  /* CLOCK_MONOTONIC */
} __attribute__((packed));

/* `count` consecutive values from `first`. */
struct gen_ports {
	uint16_t first;
	uint32_t count;
};
struct gen_addresses {
	uint8_t first[16]; /* network order; IPv4 in the first four */
	uint32_t count;
};

struct gen_shape {
	int family; /* 4, 6 */
	uint8_t to_mac[6], from_mac[6];
	uint16_t vlan; /* 0: untagged */
	struct gen_addresses from, to;
	struct gen_ports from_port, to_port;
	uint32_t flows;
	uint16_t size[GEN_MAX_SIZES]; /* of the frame without FCS; taken in turn */
	uint32_t n_sizes;
	uint8_t ttl;
	uint32_t magic; /* of this run: frames of another one are none of ours */
};

struct gen_flow {
	uint8_t header[72]; /* Ethernet to UDP, lengths and checksums 0 */
	uint32_t ip_sum;    /* of the IPv4 header so far */
	uint32_t udp_sum;   /* of pseudo header and ports so far */
};

struct gen_packets {
	struct gen_shape shape;
	uint32_t body_sum[GEN_MAX_SIZES]; /* of what is behind the mark, by size */
	uint32_t ip_at, udp_at, header;   /* offsets in the frame */
	struct gen_flow *flow;
};

/* Smallest frame that holds the mark. */
uint16_t gen_smallest_frame(const struct gen_shape *);
/* What of a frame is before its IP packet. */
uint32_t gen_link_size(const struct gen_shape *);
/* Before the first packet is written or read, once. */
void gen_packets_begin(void);
/* False: no memory. */
bool gen_packets_make(struct gen_packets *, const struct gen_shape *);
void gen_packets_free(struct gen_packets *);
/* Writes packet `mark.sequence` of flow `mark.flow`, of the size of that number. */
void gen_packet_write(const struct gen_packets *, const struct gen_mark *, uint32_t size_number,
                      uint8_t *frame);
/* The mark of a received frame; false: it is none of the run's. Tags are passed over. `whole`: it is as long as it says, and
 * the bytes behind the mark are those that were sent. */
bool gen_packet_read(const struct gen_shape *, const uint8_t *frame, uint32_t size, struct gen_mark *,
                     bool *whole);
