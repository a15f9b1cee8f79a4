/* Neighbour Discovery: RFC 4861, and addresses that are verified before they are used: RFC 4862. */
#include "own/bed.h"
#include <string.h>
#include <unistd.h>

static void expect_advertisement(const uint8_t *to, uint8_t flags, const uint8_t *target)
{
	uint8_t frame[2048];
	const uint8_t *ip = frame + 14, *icmp = frame + 54;
	uint32_t length;
	do /* announcements look like the answer to nobody in particular */
		length = frames_take(&bed.a, frame, 500);
	while (length != 0 && (frame[12] != 0x86 || icmp[4] != flags));
	CHECK(length == 14 + 40 + 32 && icmp[0] == 136 && icmp[4] == flags, "an advertisement");
	CHECK(memcmp(ip + 24, to, 16) == 0 && ip[7] == 255, "to who asked, with a hop limit of 255");
	CHECK(memcmp(icmp + 8, target, 16) == 0 && icmp[24] == 2 && icmp[25] == 1, "of the target");
	CHECK(memcmp(icmp + 26, engine_mac(0), 6) == 0, "whose MAC is ours");
	CHECK(frames_sum(icmp, 32, frames_sum(ip + 8, 32, 58 + 32)) == 0xffff, "its checksum");
}

/* RFC 4862 §5.4: asked for before it is used. */
void test_verification(void)
{
	static const uint8_t nobody[16], listeners[16] = {0xff, 2, [15] = 0x16};
	static const uint8_t twice_group[16] = {0xff, 2, [11] = 1, 0xff, 0, 0, 2};
	static const uint8_t twice_mac[6] = {0x33, 0x33, 0xff, 0, 0, 2};
	uint8_t frame[2048], message[32], *ip = frame + 14;
	bool reported = false, asked = false;
	while (!asked) {
		CHECK(frames_take(&bed.a, frame, 5000) != 0, "it asks whether somebody has its addresses");
		const bool report = frame[12] == 0x86 && ip[6] == 0 && memcmp(ip + 24, listeners, 16) == 0;
		reported |= report && memcmp(ip + 8, nobody, 16) == 0 && ip[7] == 1;
		asked = frame[12] == 0x86 && ip[6] == 58 && memcmp(frame + 62, twice6, 16) == 0;
	}
	CHECK(reported, "it joins the group before");
	CHECK(ip[5] == 24 && frame[54] == 135 && memcmp(ip + 8, nobody, 16) == 0 && ip[7] == 255 &&
	          memcmp(ip + 24, twice_group, 16) == 0 && frame[2] == 0xff && frame[5] == 2,
	      "from nobody, to the address's group, without an option");
	frames_send(&bed.a, frame, 14 + 40 + 24); /* our own question, come back */
	send_discovery(twice_mac, nobody, twice_group, 255, message,
	               discovery_message(message, 135, 0, twice6, 0, NULL));
	while (bed.engine.state->claims[0].duplicate != 1 << 2)
		CHECK(frames_take(&bed.a, frame, 5000) != 0, "who asks at the same time keeps us from it");
	const uint32_t claimed = bed.engine.state->claims[0].ours & 7;
	CHECK(claimed == 1 || (claimed == 3 && test_now() - bed.deployed_ns >= 1000000000u),
	      "the IPv4 address is ours, this one nobody's, and the other not within RETRANS_TIMER");
	send_discovery(group_mac, theirs6, group, 255, message,
	               discovery_message(message, 135, 0, ours6, 1, mac_a));
	CHECK(next_frame(&bed.a, frame, 100) == 0 || (bed.engine.state->claims[0].ours & 2) != 0,
	      "no answer before it is ours");
	while ((bed.engine.state->claims[0].ours & 2) == 0)
		CHECK(frames_take(&bed.a, frame, 5000) != 0, "nobody else has the other");
	send_discovery(twice_mac, theirs6, twice_group, 255, message,
	               discovery_message(message, 135, 0, twice6, 1, mac_a));
	no_answer(&bed.a, "the duplicate is not ours");
	printf("ok an IPv6 address is asked for before it is used, and left to who has it\n");
}

static void solicitations(void)
{
	static const uint8_t nobody[16], other[16] = {0xfd, 1, [15] = 99}, anycast[16] = {0xfd, 1};
	uint8_t message[32], link_local[16] = {0xfe, 0x80};
	memcpy(link_local + 8, engine_mac(0), 3);
	memcpy(link_local + 13, engine_mac(0) + 3, 3);
	link_local[8] ^= 2;
	link_local[11] = 0xff;
	link_local[12] = 0xfe;
	const bool learned =
	    known(0, theirs6, 16) != NULL; /* it asked when the address had just become ours */
	const uint32_t length = discovery_message(message, 135, 0, ours6, 1, mac_a);
	send_discovery(group_mac, theirs6, group, 254, message, length);
	no_answer(&bed.a, "a hop limit that a router has lowered");
	send_discovery(group_mac, nobody, group, 255, message, length);
	no_answer(&bed.a, "from nobody, yet with an address");
	send_discovery(group_mac, theirs6, group, 255, message,
	               discovery_message(message, 135, 0, other, 1, mac_a));
	no_answer(&bed.a, "for another station");
	CHECK(learned || known(0, theirs6, 16) == NULL, "nothing learned");
	send_discovery(group_mac, theirs6, group, 255, message,
	               discovery_message(message, 135, 0, ours6, 1, mac_a));
	expect_advertisement(theirs6, 0xe0, ours6);
	CHECK(memcmp(known(0, theirs6, 16)->mac, mac_a, 6) == 0, "who asks us is learned");
	send_discovery(engine_mac(0), theirs6, ours6, 255, message,
	               discovery_message(message, 135, 0, ours6, 0, NULL));
	expect_advertisement(theirs6, 0xe0, ours6);
	send_discovery(engine_mac(0), theirs6, link_local, 255, message,
	               discovery_message(message, 135, 0, link_local, 1, mac_a));
	expect_advertisement(theirs6, 0xe0, link_local);
	send_discovery(engine_mac(0), theirs6, anycast, 255, message,
	               discovery_message(message, 135, 0, anycast, 1, mac_a));
	expect_advertisement(theirs6, 0xc0, anycast);
	send_discovery(group_mac, nobody, group, 255, message,
	               discovery_message(message, 135, 0, ours6, 0, NULL));
	expect_advertisement(all_nodes, 0xa0, ours6);
	printf("ok solicitations are answered as RFC 4861 has it\n");
}

static void advertisements(void)
{
	static const uint8_t unknown[16] = {0xfd, 1, [15] = 50};
	uint8_t message[32];
	struct mill_neighbour *n = known(0, theirs6, 16);
	const struct {
		const char *what;
		uint8_t state, flags; /* before; of the advertisement */
		const uint8_t *mac;   /* of the advertisement; NULL: none */
		uint8_t after;
		const uint8_t *mac_after;
	} rows[] = {
	    /* RFC 4861, appendix C; flags: 0x40 solicited, 0x20 override */
	    {"an answer", MILL_NEIGHBOUR_STALE, 0x60, mac_a, MILL_NEIGHBOUR_REACHABLE, mac_a},
	    {"an answer without an address", MILL_NEIGHBOUR_PROBE, 0x40, NULL, MILL_NEIGHBOUR_REACHABLE,
	     mac_a},
	    {"another MAC without override", MILL_NEIGHBOUR_REACHABLE, 0x40, mac_c, MILL_NEIGHBOUR_STALE,
	     mac_a},
	    {"the same, when stale", MILL_NEIGHBOUR_STALE, 0x40, mac_c, MILL_NEIGHBOUR_STALE, mac_a},
	    {"another MAC with override", MILL_NEIGHBOUR_REACHABLE, 0x20, mac_c, MILL_NEIGHBOUR_STALE, mac_c},
	    {"the same MAC, unsolicited", MILL_NEIGHBOUR_REACHABLE, 0x20, mac_a, MILL_NEIGHBOUR_REACHABLE,
	     mac_a},
	    {"solicited and with override", MILL_NEIGHBOUR_REACHABLE, 0x60, mac_c, MILL_NEIGHBOUR_REACHABLE,
	     mac_c},
	    {"for a permanent one", MILL_NEIGHBOUR_PERMANENT, 0x60, mac_c, MILL_NEIGHBOUR_PERMANENT, mac_a},
	};
	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint64_t rx = bed.engine.state->worker[0].iface[0].rx.packets, start = test_now();
		n->due_ns = UINT64_MAX;
		n->state = rows[i].state;
		memcpy(n->mac, mac_a, 6);
		send_discovery(engine_mac(0), theirs6, ours6, 255, message,
		               discovery_message(message, 136, rows[i].flags, theirs6,
		                                 rows[i].mac != NULL ? 2 : 0, rows[i].mac));
		while (bed.engine.state->worker[0].iface[0].rx.packets == rx)
			CHECK(test_now() - start < 2000000000u, "it is taken");
		usleep(5000);
		CHECK(n->state == rows[i].after && memcmp(n->mac, rows[i].mac_after, 6) == 0, "%s: %u, %02x",
		      rows[i].what, n->state, n->mac[5]);
	}
	n->state = MILL_NEIGHBOUR_STALE;
	send_discovery(engine_mac(0), unknown, ours6, 255, message,
	               discovery_message(message, 136, 0x60, unknown, 2, mac_c));
	usleep(20000);
	CHECK(known(0, unknown, 16) == NULL, "nobody is learned from what nobody asked");
	printf("ok advertisements change what is known as RFC 4861 has it\n");
}

void test_discovery(void)
{
	solicitations();
	advertisements();
}
