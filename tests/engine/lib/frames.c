/* See frames.h. */
#include "lib/frames.h"
#include <string.h>
#include "lib/engine_test.h"

void frames_send(struct mill_pipe_client *pipe, const uint8_t *frame, uint32_t length)
{
	struct netmap_ring *tx = pipe->tx[0];
	const uint64_t start = test_now();
	mill_pipe_tx_sync(pipe, 0);
	while (mill_ring_space(tx) == 0) {
		CHECK(test_now() - start < 2000000000u, "there is room to send");
		mill_pipe_tx_sync(pipe, 0);
	}
	struct netmap_slot *slot = &tx->slot[tx->head];
	mill_slot_set_offset(tx, slot, MILL_HEADROOM);
	memcpy(mill_ring_buffer(tx, slot), frame, length);
	slot->len = (uint16_t)length;
	slot->flags = 0;
	tx->head = tx->cur = mill_ring_next(tx, tx->head);
	mill_pipe_tx_sync(pipe, 0);
}

uint32_t frames_take(struct mill_pipe_client *pipe, uint8_t *frame, int timeout_ms)
{
	struct netmap_ring *rx = pipe->rx[0];
	if (mill_pipe_wait(pipe, timeout_ms, false) != 1)
		return 0;
	const struct netmap_slot *slot = &rx->slot[rx->cur];
	const uint32_t length = slot->len;
	memcpy(frame, mill_ring_buffer(rx, slot), length);
	rx->head = rx->cur = mill_ring_next(rx, rx->cur);
	mill_pipe_rx_sync(pipe, 0);
	return length;
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

uint16_t frames_sum(const uint8_t *bytes, uint32_t length, uint32_t begin)
{
	uint32_t sum = begin;
	for (uint32_t i = 0; i < length; i++)
		sum += (uint32_t)bytes[i] << (i % 2 == 0 ? 8 : 0);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint32_t frames_arp(uint8_t *frame, const uint8_t to[6], uint8_t operation, const uint8_t mac[6],
                    const uint8_t sender[4], const uint8_t target[4])
{
	static const uint8_t fixed[10] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 0};
	memcpy(frame, to, 6);
	memcpy(frame + 6, mac, 6);
	memcpy(frame + 12, fixed, sizeof(fixed));
	frame[21] = operation;
	memcpy(frame + 22, mac, 6);
	memcpy(frame + 28, sender, 4);
	memcpy(frame + 32, to, 6);
	memcpy(frame + 38, target, 4);
	return 42;
}

uint32_t frames_ipv4(uint8_t *frame, const uint8_t from_mac[6], const uint8_t to_mac[6],
                     const uint8_t from[4], const uint8_t to[4], uint8_t protocol, uint8_t ttl,
                     const uint8_t *payload, uint32_t length)
{
	uint8_t *ip = frame + 14;
	memcpy(frame, to_mac, 6);
	memcpy(frame + 6, from_mac, 6);
	put16(frame + 12, 0x0800);
	memset(ip, 0, 20);
	ip[0] = 0x45;
	put16(ip + 2, 20 + length);
	ip[8] = ttl;
	ip[9] = protocol;
	memcpy(ip + 12, from, 4);
	memcpy(ip + 16, to, 4);
	put16(ip + 10, 0xffffu - frames_sum(ip, 20, 0));
	memcpy(ip + 20, payload, length);
	return 34 + length;
}

uint32_t frames_udp(uint8_t *frame, const uint8_t from_mac[6], const uint8_t to_mac[6], const uint8_t from[4],
                    const uint8_t to[4], uint8_t ttl, uint32_t data)
{
	uint8_t udp[1500] = {0};
	put16(udp, 4000);
	put16(udp + 2, 5000);
	put16(udp + 4, 8 + data);
	return frames_ipv4(frame, from_mac, to_mac, from, to, 17, ttl, udp, 8 + data);
}

uint32_t frames_icmp6(uint8_t *frame, const uint8_t from_mac[6], const uint8_t to_mac[6],
                      const uint8_t from[16], const uint8_t to[16], uint8_t hop_limit, const uint8_t *message,
                      uint32_t length)
{
	uint8_t *ip = frame + 14, *icmp = ip + 40;
	memcpy(frame, to_mac, 6);
	memcpy(frame + 6, from_mac, 6);
	put16(frame + 12, 0x86dd);
	memset(ip, 0, 8);
	ip[0] = 0x60;
	put16(ip + 4, length);
	ip[6] = 58;
	ip[7] = hop_limit;
	memcpy(ip + 8, from, 16);
	memcpy(ip + 24, to, 16);
	memcpy(icmp, message, length);
	if (length >= 4) {
		put16(icmp + 2, 0);
		put16(icmp + 2, 0xffffu - frames_sum(icmp, length, frames_sum(ip + 8, 32, 58 + length)));
	}
	return 54 + length;
}
