/* Frames by hand, and pipes to send and take them one by one. All functions that make a frame return its length. */
#pragma once
#include "client/pipe_client.h"

void frames_send(struct mill_pipe_client *, const uint8_t *frame, uint32_t length);
/* The next frame, 0 when none comes in time. `frame`: 2048 bytes. */
uint32_t frames_take(struct mill_pipe_client *, uint8_t *frame, int timeout_ms);

uint32_t frames_arp(uint8_t *frame, const uint8_t to[6], uint8_t operation, const uint8_t mac[6],
                    const uint8_t sender[4], const uint8_t target[4]);
/* IPv4 with that protocol and payload, checksums right. */
uint32_t frames_ipv4(uint8_t *frame, const uint8_t from_mac[6], const uint8_t to_mac[6],
                     const uint8_t from[4], const uint8_t to[4], uint8_t protocol, uint8_t ttl,
                     const uint8_t *payload, uint32_t length);
uint32_t frames_udp(uint8_t *frame, const uint8_t from_mac[6], const uint8_t to_mac[6], const uint8_t from[4],
                    const uint8_t to[4], uint8_t ttl, uint32_t data);
/* ICMPv6, whose checksum is filled in. */
uint32_t frames_icmp6(uint8_t *frame, const uint8_t from_mac[6], const uint8_t to_mac[6],
                      const uint8_t from[16], const uint8_t to[16], uint8_t hop_limit, const uint8_t *message,
                      uint32_t length);
/* One's complement sum, folded; 0xffff for what carries a right checksum. */
uint16_t frames_sum(const uint8_t *bytes, uint32_t length, uint32_t begin);
