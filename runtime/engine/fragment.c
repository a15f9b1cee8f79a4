/*
 * IPv4 fragmentation, RFC 791 §3.2: each fragment carries the header, with the options whose copied bit is set
 * (§3.1) on all but the first, and a multiple of eight bytes of data but for the last. A packet that is itself a
 * fragment keeps its offset and its more-fragments bit. Worker threads.
 */
#include <string.h>
#include "engine.h"

#define DONT_FRAGMENT  0x4000u
#define MORE_FRAGMENTS 0x2000u
#define OFFSET_MASK    0x1fffu

static uint16_t load16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void store16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static uint16_t checksum(const uint8_t *header, uint32_t length)
{
	uint32_t sum = 0;
	for (uint32_t i = 0; i < length; i += 2)
		sum += load16(header + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The header of every fragment but the first. Returns its length, 0 when the options are malformed. */
static uint32_t later_header(const uint8_t *header, uint32_t length, uint8_t out[60])
{
	uint32_t n = 20;
	memcpy(out, header, 20);
	for (uint32_t at = 20; at < length && header[at] != 0;) {
		const uint32_t size = header[at] == 1 ? 1 : at + 1 < length ? header[at + 1] : 0;
		if (size == 0 || (header[at] != 1 && size < 2) || at + size > length)
			return 0;
		if ((header[at] & 0x80) != 0) {
			memcpy(out + n, header + at, size);
			n += size;
		}
		at += size;
	}
	while (n % 4 != 0)
		out[n++] = 0;
	out[0] = (uint8_t)(0x40 | n / 4);
	return n;
}

static bool send_one(struct mill_worker *worker, const struct mill_adjacency *adjacency, const uint8_t *frame,
                     uint16_t len, uint16_t l3)
{
	enum mill_drop why;
	if (adjacency->kind == MILL_ADJ_FORWARD)
		return mill_emit(worker, adjacency, frame, len, l3, &why);
	return mill_service_defer(worker, adjacency->id, frame + l3 + 16, frame, len, l3);
}

bool mill_service_fragment(struct mill_worker *worker, uint32_t id, const uint8_t *frame, uint16_t len,
                           uint16_t l3)
{
	const struct mill_adjacency *adjacency = mill_fib_adjacency(worker->fib, id);
	if (l3 < 14 || len < l3 + 20u || len > MILL_BUF_SIZE_LARGE)
		return false;
	const uint8_t *packet = frame + l3;
	const uint32_t first_header = (packet[0] & 15u) * 4u, total = load16(packet + 2);
	const uint16_t field = load16(packet + 6);
	uint8_t later[60], out[MILL_BUF_SIZE_LARGE];
	if (first_header < 20 || total < first_header || total > (uint32_t)(len - l3) ||
	    (field & DONT_FRAGMENT) != 0 || (field & OFFSET_MASK) + (total - first_header) / 8 > OFFSET_MASK)
		return false;
	const uint32_t other_header = later_header(packet, first_header, later);
	if (other_header == 0 || adjacency->mtu < first_header + 8)
		return false;
	memcpy(out, frame, l3);
	for (uint32_t done = 0, data = total - first_header; done < data;) {
		const uint32_t header = done == 0 ? first_header : other_header;
		const uint32_t room = adjacency->mtu - header;
		const bool last = data - done <= room;
		const uint32_t part = last ? data - done : room & ~7u;
		memcpy(out + l3, done == 0 ? packet : later, header);
		memcpy(out + l3 + header, packet + first_header + done, part);
		store16(out + l3 + 2, header + part);
		store16(out + l3 + 6, ((field & OFFSET_MASK) + done / 8) |
		                          (last ? field & MORE_FRAGMENTS : MORE_FRAGMENTS));
		store16(out + l3 + 10, 0);
		store16(out + l3 + 10, checksum(out + l3, header));
		if (!send_one(worker, adjacency, out, (uint16_t)(l3 + header + part), l3))
			return false;
		done += part;
	}
	return true;
}
