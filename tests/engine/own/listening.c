/* Multicast Listener Discovery: RFC 3810, and RFC 2710 to who speaks that. */
#include "own/bed.h"
#include <string.h>

static void send_query(const uint8_t *to, uint8_t option, const uint8_t *about, uint32_t length)
{
	uint8_t frame[256], message[28] = {130, [5] = 20}, options[8] = {58, 0, option, 2, 0, 0, 1, 0};
	memcpy(message + 8, about, 16);
	frames_send(&bed.a, frame, make_query(frame, to, options, message, length));
}

/* The next MLD message within that time; 0 for none. */
static uint32_t next_report(uint8_t *frame, int ms)
{
	uint32_t length;
	while ((length = frames_take(&bed.a, frame, ms)) != 0 && (frame[12] != 0x86 || frame[20] != 0))
		;
	return length;
}

void test_listening(void)
{
	static const uint8_t every[16], other[16] = {0xff, 2, [11] = 1, 0xff, 9, 9, 9};
	static const uint8_t routers[16] = {0xff, 2, [15] = 2};
	uint8_t frame[2048], *ip = frame + 14, *icmp = frame + 62;
	while (next_report(frame, 1500) != 0) /* those of the start */
		;
	send_query(all_nodes, 1, every, 28);
	send_query(all_nodes, 5, other, 28);
	CHECK(next_report(frame, 200) == 0, "without an alert, or about another's group");
	send_query(all_nodes, 5, every, 28);
	const uint32_t length = next_report(frame, 1000);
	CHECK(length == 14 + 40 + 8 + 8 + 4 * 20, "a report of four groups, %u bytes", length);
	CHECK(memcmp(frame, (const uint8_t[6]){0x33, 0x33, 0, 0, 0, 0x16}, 6) == 0, "to all who listen in");
	CHECK(ip[7] == 1 && ip[8] == 0xfe && frame[54] == 58 && frame[56] == 5, "from a link-local address");
	CHECK(icmp[0] == 143 && icmp[7] == 4 && icmp[8] == 2, "what it listens to");
	CHECK(memcmp(icmp + 12, routers, 16) == 0 && memcmp(icmp + 32, group, 16) == 0, "which groups");
	CHECK(frames_sum(icmp, length - 62, frames_sum(ip + 8, 32, 58 + length - 62)) == 0xffff,
	      "its checksum");
	send_query(group, 5, group, 24);
	for (uint32_t i = 0; i < 4; i++)
		CHECK(next_report(frame, 1000) == 62 + 24 && icmp[0] == 131 && ip[7] == 1 &&
		          memcmp(icmp + 8, ip + 24, 16) == 0 && frame[5] == icmp[23],
		      "the first version is spoken to who speaks it, to the group itself");
	printf("ok groups are told of to who asks, in either version\n");
}
