/* What the parts of own_test share: bed.h. */
#include "own/bed.h"
#include <string.h>

struct own_bed bed;

const uint8_t *engine_mac(uint32_t port)
{
	return bed.engine.state->port[port].mac;
}

uint64_t dropped(uint32_t iface, enum mill_drop why)
{
	return bed.engine.state->worker[0].iface[iface].drop[why];
}

struct mill_neighbour *known(uint16_t iface, const uint8_t *address, uint32_t size)
{
	for (uint32_t i = 0; i < MILL_MAX_NEIGHBOURS; i++) {
		struct mill_neighbour *n = &bed.engine.state->neighbour[i];
		if (n->state != MILL_NEIGHBOUR_FREE && n->iface == iface &&
		    memcmp(n->address, address, size) == 0)
			return n;
	}
	return NULL;
}

/* What the router says of its own accord: announcements, its groups, and to a whether its stations are still there. */
static bool unasked(const struct mill_pipe_client *pipe, const uint8_t *frame)
{
	if (frame[12] == 8 && frame[13] == 6)
		return memcmp(frame + 28, frame + 38, 4) == 0 || (pipe == &bed.a && frame[21] == 1);
	if (frame[12] == 0x86 && frame[20] == 0 && (frame[62] == 131 || frame[62] == 143)) /* MLD */
		return true;
	return frame[12] == 0x86 && frame[20] == 58 &&
	       (frame[54] == 135 || (frame[54] == 136 && (frame[58] & 0x40) == 0));
}

uint32_t next_frame(struct mill_pipe_client *pipe, uint8_t *frame, int ms)
{
	uint32_t length;
	while ((length = frames_take(pipe, frame, ms)) != 0 && unasked(pipe, frame))
		;
	return length;
}

void no_answer(struct mill_pipe_client *pipe, const char *why)
{
	uint8_t frame[2048];
	CHECK(next_frame(pipe, frame, 30) == 0, "%s", why);
}

void send_packet(const uint8_t *destination, uint32_t data)
{
	uint8_t frame[2048];
	frames_send(&bed.a, frame, frames_udp(frame, mac_a, engine_mac(0), theirs, destination, 64, data));
}

void send_arp(struct mill_pipe_client *pipe, const uint8_t *to, uint8_t operation, const uint8_t *mac,
              const uint8_t *sender, const uint8_t *target)
{
	uint8_t frame[64];
	frames_send(pipe, frame, frames_arp(frame, to, operation, mac, sender, target));
}

uint32_t discovery_message(uint8_t *message, uint8_t type, uint8_t flags, const uint8_t *target,
                           uint8_t option, const uint8_t *mac)
{
	memset(message, 0, 32);
	message[0] = type;
	message[4] = flags;
	memcpy(message + 8, target, 16);
	if (option == 0)
		return 24;
	message[24] = option;
	message[25] = 1;
	memcpy(message + 26, mac, 6);
	return 32;
}

void send_discovery(const uint8_t *to_mac, const uint8_t *from, const uint8_t *to, uint8_t hop_limit,
                    const uint8_t *message, uint32_t length)
{
	uint8_t frame[256];
	frames_send(&bed.a, frame, frames_icmp6(frame, mac_a, to_mac, from, to, hop_limit, message, length));
}

uint32_t make_query(uint8_t *frame, const uint8_t *to, const uint8_t options[8], const uint8_t *message,
                    uint32_t length)
{
	static const uint8_t querier[16] = {0xfe, 0x80, [15] = STATION}, mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	frames_icmp6(frame, mac_a, mac, querier, to, 1, message, length);
	memmove(frame + 62, frame + 54, length);
	memcpy(frame + 54, options, 8);
	frame[19] = (uint8_t)(8 + length);
	frame[20] = 0;
	return 62 + length;
}
