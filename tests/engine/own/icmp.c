/* Echo replies, errors, and packets with options. */
#include "own/bed.h"
#include <string.h>

static uint32_t send_echo(const uint8_t *to, uint8_t code, uint16_t spoil, uint32_t data)
{
	uint8_t frame[2048], icmp[1500] = {8, code, 0, 0, 0x12, 0x34, 0, 1};
	for (uint32_t i = 0; i < data; i++)
		icmp[8 + i] = (uint8_t)(i * 7);
	const uint16_t sum = (uint16_t)(0xffff - frames_sum(icmp, 8 + data, 0) + spoil);
	icmp[2] = (uint8_t)(sum >> 8);
	icmp[3] = (uint8_t)sum;
	const uint32_t length = frames_ipv4(frame, mac_a, engine_mac(0), theirs, to, 1, 64, icmp, 8 + data);
	frames_send(&bed.a, frame, length);
	return length;
}

static void echo(void)
{
	static const uint8_t all[4] = {10, 0, 1, 255};
	uint8_t frame[2048], message[60] = {128, 0, 0, 0, 0x12, 0x34, 0, 1};
	feed_adjacency(&bed.feed, 3, MILL_ADJ_LOCAL, MILL_NONE, 0, NULL);
	feed_route(&bed.feed, 0x0a000101, 32, 3);
	feed_adjacency(&bed.feed, 4, MILL_ADJ_BROADCAST, 0, 0, NULL);
	feed_route(&bed.feed, 0x0a0001ff, 32, 4);
	for (uint32_t data = 0; data < 1400; data = data * 2 + 1) {
		const uint32_t length = send_echo(ours, 0, 0, data);
		CHECK(next_frame(&bed.a, frame, 500) == length, "a reply as long as the request");
		CHECK(memcmp(frame + 26, ours, 4) == 0 && memcmp(frame + 30, theirs, 4) == 0, "from us");
		CHECK(frame[34] == 0 && frame[38] == 0x12 && frame[22] == 64, "it is the reply");
		CHECK(frames_sum(frame + 14, 20, 0) == 0xffff &&
		          frames_sum(frame + 34, 8 + data, 0) == 0xffff,
		      "its checksums");
		for (uint32_t i = 0; i < data; i++)
			CHECK(frame[42 + i] == (uint8_t)(i * 7), "its data");
	}
	send_echo(ours, 0, 1, 8);
	no_answer(&bed.a, "a wrong checksum");
	send_echo(all, 0, 0, 8);
	no_answer(&bed.a, "to all: RFC 1812 §4.3.3.6");
	frames_send(&bed.a, frame,
	            frames_icmp6(frame, mac_a, (const uint8_t[6]){0x33, 0x33, 0, 0, 0, 1}, theirs6, all_nodes,
	                         64, message, sizeof(message)));
	CHECK(next_frame(&bed.a, frame, 50) == 0, "no way back to fd01::7 is known to the FIB");
	static const uint8_t station[16] = {0xfe, 0x80, [15] = STATION};
	frames_send(&bed.a, frame,
	            frames_icmp6(frame, mac_a, (const uint8_t[6]){0x33, 0x33, 0, 0, 0, 1}, station, all_nodes,
	                         64, message, sizeof(message)));
	CHECK(next_frame(&bed.a, frame, 500) == 54 + sizeof(message) && frame[54] == 129,
	      "a reply to the group's request");
	CHECK(memcmp(frame, mac_a, 6) == 0 && frame[22] == 0xfe && memcmp(frame + 38, station, 16) == 0,
	      "from one address of ours, to who asked");
	CHECK(frames_sum(frame + 54, sizeof(message), frames_sum(frame + 22, 32, 58 + sizeof(message))) ==
	          0xffff,
	      "its checksum");
	printf("ok echo requests are answered\n");
}

static void expect_error(uint8_t type, uint8_t code, const char *why)
{
	uint8_t frame[2048];
	const uint32_t length = next_frame(&bed.a, frame, 500);
	CHECK(length != 0 && frame[34] == type && frame[35] == code, "%s: %u, %u", why, frame[34], frame[35]);
	CHECK(memcmp(frame + 26, ours, 4) == 0 && memcmp(frame + 30, theirs, 4) == 0, "%s: from here", why);
	CHECK(frames_sum(frame + 34, length - 34, 0) == 0xffff, "%s: its checksum", why);
}

static void errors(void)
{
	static const uint8_t nowhere[4] = {172, 16, 0, 1}, refused[4] = {172, 17, 0, 1},
	                     prohibited[4] = {172, 18, 0, 1}, hole[4] = {172, 19, 0, 1},
	                     far[4] = {10, 9, 0, 1};
	static const uint8_t nothing[4];
	uint8_t frame[2048], payload[20] = {0};
	feed_adjacency(&bed.feed, 5, MILL_ADJ_UNREACHABLE, MILL_NONE, 0, NULL);
	feed_route(&bed.feed, 0xac110000, 16, 5);
	feed_adjacency(&bed.feed, 8, MILL_ADJ_PROHIBIT, MILL_NONE, 0, NULL);
	feed_route(&bed.feed, 0xac120000, 16, 8);
	feed_adjacency(&bed.feed, 9, MILL_ADJ_BLACKHOLE, MILL_NONE, 0, NULL);
	feed_route(&bed.feed, 0xac130000, 16, 9);
	const uint64_t no_route = dropped(0, MILL_DROP_NO_ROUTE), expired = dropped(0, MILL_DROP_TTL_EXPIRED);
	send_packet(nowhere, 100);
	expect_error(3, 0, "no route");
	send_packet(refused, 100);
	expect_error(3, 1, "a route that refuses");
	send_packet(prohibited, 100);
	expect_error(3, 13, "a route that an administrator forbids");
	CHECK(dropped(0, MILL_DROP_NO_ROUTE) == no_route + 3, "all are counted");
	send_packet(hole, 100);
	no_answer(&bed.a, "a blackhole");
	frames_send(&bed.a, frame, frames_udp(frame, mac_a, engine_mac(0), theirs, far, 1, 100));
	expect_error(11, 0, "TTL expired");
	CHECK(dropped(0, MILL_DROP_TTL_EXPIRED) == expired + 1, "it is counted");
	send_packet(ours, 100);
	expect_error(3, 3, "nobody listens at this port");
	frames_send(&bed.a, frame,
	            frames_ipv4(frame, mac_a, engine_mac(0), theirs, ours, 47, 64, payload, 20));
	expect_error(3, 2, "a protocol that nobody speaks");
	frames_send(&bed.a, frame, frames_udp(frame, mac_a, broadcast, theirs, ours, 64, 100));
	no_answer(&bed.a, "what came by broadcast");
	frames_send(&bed.a, frame, frames_udp(frame, mac_a, engine_mac(0), nothing, ours, 64, 100));
	no_answer(&bed.a, "from nobody");
	payload[0] = 3; /* destination unreachable */
	frames_send(&bed.a, frame,
	            frames_ipv4(frame, mac_a, engine_mac(0), theirs, nowhere, 1, 64, payload, 20));
	no_answer(&bed.a, "about an error");
	printf("ok sources are told what became of their packets, and never what must not be told\n");
}

/* UDP for far away with four bytes of options, the first two as given. */
static void send_options(uint8_t option, uint8_t length)
{
	static const uint8_t far[4] = {10, 9, 0, 1};
	uint8_t frame[256], *ip = frame + 14;
	const uint32_t whole = frames_udp(frame, mac_a, engine_mac(0), theirs, far, 64, 40);
	memmove(ip + 24, ip + 20, whole - 34);
	memcpy(ip + 20, (const uint8_t[4]){option, length, 0, 0}, 4);
	ip[0] = 0x46;
	ip[3] = (uint8_t)(ip[3] + 4);
	ip[10] = ip[11] = 0;
	const uint16_t sum = (uint16_t)~frames_sum(ip, 24, 0);
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
	frames_send(&bed.a, frame, whole + 4);
}

static void options(void)
{
	static const uint8_t alert[2] = {148, 4}, far6[16] = {0xfd, 9, [15] = 1};
	static const uint8_t refused[] = {7, 68, 131, 137};
	uint8_t frame[256], message[8] = {128};
	feed_adjacency(&bed.feed, 6, MILL_ADJ_FORWARD, 1, 0x0a000207, mac_b);
	feed_route(&bed.feed, 0x0a090000, 16, 6);
	send_options(alert[0], alert[1]);
	CHECK(next_frame(&bed.b, frame, 500) == 14 + 24 + 8 + 40 && frame[14] == 0x46 && frame[22] == 63 &&
	          memcmp(frame + 34, alert, 2) == 0 && frames_sum(frame + 14, 24, 0) == 0xffff,
	      "what is no router's business goes on as it is");
	const uint64_t before = dropped(0, MILL_DROP_HOST_REFUSED);
	for (uint32_t i = 0; i < sizeof(refused); i++) {
		send_options(refused[i], 4);
		no_answer(&bed.b, "source routes and records of the way");
	}
	CHECK(dropped(0, MILL_DROP_HOST_REFUSED) == before + sizeof(refused), "they are counted");
	send_options(alert[0], 9);
	CHECK(next_frame(&bed.a, frame, 500) != 0 && frame[34] == 12 && frame[35] == 0 && frame[38] == 21,
	      "a wrong length is told of, and where it is");
	feed_route6(&bed.feed, far6, 64, 6);
	const uint32_t whole =
	    frames_icmp6(frame, mac_a, engine_mac(0), theirs6, far6, 64, message, sizeof(message));
	memmove(frame + 62, frame + 54, sizeof(message));
	memcpy(frame + 54, (const uint8_t[8]){58, 0, 5, 2, 0, 0, 1, 0}, 8);
	frame[19] = (uint8_t)(frame[19] + 8);
	frame[20] = 0;
	frames_send(&bed.a, frame, whole + 8);
	CHECK(next_frame(&bed.b, frame, 500) == whole + 8 && frame[20] == 0 && frame[21] == 63 &&
	          frame[56] == 5,
	      "a hop-by-hop header goes on as it is");
	printf("ok packets with options go on, unless they ask routers for what this one does not do\n");
}

static void set_mtu(uint16_t mtu)
{
	const struct mill_iface_update update = {.slot = 1, .mtu = mtu, .up = 1};
	CHECK(engine_request(&bed.engine, MILL_MSG_SET_IFACE, &update, sizeof(update), NULL, 0, NULL) == 0,
	      "%s", bed.engine.error);
}

/* RFC 8200 §5: what is larger than its way is not sent. It came by another interface than the answer leaves by. */
static void replies_that_do_not_fit(void)
{
	static const uint8_t far6[16] = {0xfd, 9, [15] = 1};
	uint8_t frame[2048], message[1400] = {128};
	feed_route6(&bed.feed, ours6, 128, 3);
	set_mtu(1280);
	const uint64_t before = dropped(0, MILL_DROP_HOST_REFUSED);
	frames_send(&bed.a, frame, frames_icmp6(frame, mac_a, engine_mac(0), far6, ours6, 64, message, 1240));
	CHECK(next_frame(&bed.b, frame, 500) == 54 + 1240 && frame[54] == 129, "of exactly the MTU");
	frames_send(&bed.a, frame, frames_icmp6(frame, mac_a, engine_mac(0), far6, ours6, 64, message, 1241));
	no_answer(&bed.b, "one byte too large");
	CHECK(dropped(0, MILL_DROP_HOST_REFUSED) == before + 1, "it is counted");
	set_mtu(1500);
	printf("ok nothing is sent that is larger than its way\n");
}

void test_icmp(void)
{
	echo();
	errors();
	options();
	replies_that_do_not_fit();
}
