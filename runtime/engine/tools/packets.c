/* See packets.h. */
#include "tools/packets.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* What is behind the marks. No power of two, such as the sizes of pages and buffers, is a multiple of its period. */
#define PERIOD 251u

static uint8_t body[GEN_MAX_FRAME];

void gen_packets_begin(void)
{
	for (uint32_t i = 0; i < GEN_MAX_FRAME; i++)
		body[i] = (uint8_t)(i % PERIOD);
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

/* Ones' complement sum (RFC 1071) of an even number of bytes, not folded. */
static uint32_t sum_of(const uint8_t *bytes, uint32_t n, uint32_t sum)
{
	for (uint32_t i = 0; i < n; i += 2)
		sum += get16(bytes + i);
	return sum;
}

/* Of its first n bytes; an odd one is followed by nothing. */
static uint32_t sum_of_body(uint32_t n)
{
	return sum_of(body, n & ~1u, (n & 1) != 0 ? (uint32_t)body[n - 1] << 8 : 0);
}

static uint16_t folded(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint32_t gen_link_size(const struct gen_shape *shape)
{
	return shape->vlan != 0 ? 18 : 14;
}

static uint32_t header_size(const struct gen_shape *shape)
{
	return gen_link_size(shape) + (shape->family == 4 ? 20 : 40) + 8;
}

uint16_t gen_smallest_frame(const struct gen_shape *shape)
{
	const uint32_t size = header_size(shape) + (uint32_t)sizeof(struct gen_mark);
	return (uint16_t)(size < 60 ? 60 : size);
}

static void add_to_address(uint8_t address[16], int family, uint32_t n)
{
	for (int i = family == 4 ? 3 : 15; i >= 0 && n != 0; i--) {
		n += address[i];
		address[i] = (uint8_t)n;
		n >>= 8;
	}
}

/* The digit of flow `*rest` in a number system whose digits have `count` values. */
static uint32_t digit(uint32_t *rest, uint32_t count)
{
	const uint32_t value = *rest % count;
	*rest /= count;
	return value;
}

static void make_ip(const struct gen_shape *shape, uint8_t *ip, const uint8_t *from, const uint8_t *to)
{
	if (shape->family == 4) {
		ip[0] = 0x45;
		ip[8] = shape->ttl;
		ip[9] = IPPROTO_UDP;
		memcpy(ip + 12, from, 4);
		memcpy(ip + 16, to, 4);
	} else {
		ip[0] = 0x60;
		ip[6] = IPPROTO_UDP;
		ip[7] = shape->ttl;
		memcpy(ip + 8, from, 16);
		memcpy(ip + 24, to, 16);
	}
}

static void make_flow(const struct gen_packets *packets, uint32_t number, struct gen_flow *flow)
{
	const struct gen_shape *shape = &packets->shape;
	uint8_t from[16], to[16], *ip = flow->header + packets->ip_at, *udp = flow->header + packets->udp_at;
	memset(flow, 0, sizeof(*flow));
	memcpy(from, shape->from.first, 16);
	memcpy(to, shape->to.first, 16);
	add_to_address(to, shape->family, digit(&number, shape->to.count));
	add_to_address(from, shape->family, digit(&number, shape->from.count));
	memcpy(flow->header, shape->to_mac, 6);
	memcpy(flow->header + 6, shape->from_mac, 6);
	if (shape->vlan != 0) {
		put16(flow->header + 12, 0x8100);
		put16(flow->header + 14, shape->vlan);
	}
	put16(ip - 2, shape->family == 4 ? 0x0800 : 0x86dd);
	make_ip(shape, ip, from, to);
	put16(udp, shape->from_port.first + digit(&number, shape->from_port.count));
	put16(udp + 2, shape->to_port.first + digit(&number, shape->to_port.count));
	flow->ip_sum = shape->family == 4 ? sum_of(ip, 20, 0) : 0;
	const uint32_t addresses = shape->family == 4 ? 12 : 8, length = shape->family == 4 ? 8 : 32;
	flow->udp_sum = sum_of(udp, 4, sum_of(ip + addresses, length, IPPROTO_UDP));
}

bool gen_packets_make(struct gen_packets *packets, const struct gen_shape *shape)
{
	*packets = (struct gen_packets){.shape = *shape};
	packets->header = header_size(shape);
	packets->udp_at = packets->header - 8;
	packets->ip_at = gen_link_size(shape);
	packets->flow = calloc(shape->flows, sizeof(*packets->flow));
	if (packets->flow == NULL)
		return false;
	for (uint32_t i = 0; i < shape->flows; i++)
		make_flow(packets, i, &packets->flow[i]);
	for (uint32_t i = 0; i < shape->n_sizes; i++)
		packets->body_sum[i] =
		    sum_of_body(shape->size[i] - packets->header - (uint32_t)sizeof(struct gen_mark));
	return true;
}

void gen_packets_free(struct gen_packets *packets)
{
	free(packets->flow);
	packets->flow = NULL;
}

void gen_packet_write(const struct gen_packets *packets, const struct gen_mark *mark, uint32_t size_number,
                      uint8_t *frame)
{
	const uint32_t size = packets->shape.size[size_number];
	const struct gen_flow *made = &packets->flow[mark->flow];
	uint8_t *ip = frame + packets->ip_at, *udp = frame + packets->udp_at;
	const uint32_t udp_length = size - packets->udp_at;
	memcpy(frame, made->header, packets->header);
	memcpy(frame + packets->header, mark, sizeof(*mark));
	memcpy(frame + packets->header + sizeof(*mark), body, size - packets->header - sizeof(*mark));
	if (packets->shape.family == 4) {
		const uint32_t length = size - packets->ip_at;
		put16(ip + 2, length);
		put16(ip + 10, folded(made->ip_sum + length));
	} else {
		put16(ip + 4, udp_length);
	}
	put16(udp + 4, udp_length);
	const uint16_t sum = folded(sum_of(frame + packets->header, (uint32_t)sizeof(*mark),
	                                   made->udp_sum + 2 * udp_length + packets->body_sum[size_number]));
	put16(udp + 6, sum == 0 ? 0xffff : sum);
}

/* Where IP begins behind any tags; 0: it is no IP. */
static uint32_t find_ip(const uint8_t *frame, uint32_t size, uint32_t *type)
{
	uint32_t at = 14;
	for (; at + 4 <= size; at += 4) {
		*type = get16(frame + at - 2);
		if (*type != 0x8100 && *type != 0x88a8)
			return *type == 0x0800 || *type == 0x86dd ? at : 0;
	}
	return 0;
}

bool gen_packet_read(const struct gen_shape *shape, const uint8_t *frame, uint32_t size,
                     struct gen_mark *mark, bool *whole)
{
	uint32_t type = 0;
	const uint32_t ip = find_ip(frame, size, &type);
	if (ip == 0)
		return false;
	const uint32_t at = ip + (type == 0x0800 ? (frame[ip] & 15u) * 4 : 40) + 8;
	if (at + sizeof(*mark) > size || frame[ip + (type == 0x0800 ? 9 : 6)] != IPPROTO_UDP)
		return false;
	memcpy(mark, frame + at, sizeof(*mark));
	const uint32_t end = ip + (type == 0x0800 ? get16(frame + ip + 2) : 40 + get16(frame + ip + 4));
	const uint32_t behind = at + (uint32_t)sizeof(*mark);
	*whole = end >= behind && end <= size && end - behind <= GEN_MAX_FRAME &&
	         memcmp(frame + behind, body, end - behind) == 0;
	return mark->magic == shape->magic && mark->flow < shape->flows;
}
