/* ARP: what is answered, what is learned from it, and what is not. RFC 826, RFC 5227. */
#include "own/bed.h"
#include <string.h>
#include <unistd.h>

void test_announcements(void)
{
	uint8_t frame[2048];
	bool v4 = false, v6 = false;
	for (uint32_t i = 0, length;
	     i < 40 && (length = frames_take(&bed.a, frame, 1500)) != 0 && !(v4 && v6); i++) {
		if (frame[12] == 8 && frame[13] == 6)
			v4 |= memcmp(frame, broadcast, 6) == 0 && frame[21] == 1 &&
			      memcmp(frame + 28, ours, 4) == 0 && memcmp(frame + 38, ours, 4) == 0;
		else
			v6 |= frame[54] == 136 && memcmp(frame + 62, ours6, 16) == 0 && frame[58] == 0xa0;
		CHECK(frame[54] != 136 || memcmp(frame + 62, twice6, 16) != 0,
		      "a duplicate is not announced");
	}
	CHECK(v4 && v6, "both addresses are announced");
	printf("ok an interface that comes up tells all whose its addresses are\n");
}

static void arp_requests(void)
{
	static const uint8_t nobody[4], foreign[4] = {10, 0, 9, 9}, other[4] = {10, 0, 1, 99};
	uint8_t frame[2048];
	send_arp(&bed.a, broadcast, 1, mac_a, theirs, other);
	no_answer(&bed.a, "for another station");
	CHECK(known(0, theirs, 4) == NULL, "who asks others is not learned");
	send_arp(&bed.a, broadcast, 1, mac_a, foreign, ours);
	no_answer(&bed.a, "from another network");
	send_arp(&bed.a, broadcast, 1, mac_a, nobody, ours);
	CHECK(next_frame(&bed.a, frame, 500) == 42 && frame[21] == 2, "a probe is answered: RFC 5227 §2.4");
	CHECK(known(0, nobody, 4) == NULL, "and nothing learned from it");
	send_arp(&bed.a, broadcast, 1, mac_a, theirs, ours);
	CHECK(next_frame(&bed.a, frame, 500) == 42, "a reply");
	CHECK(memcmp(frame, mac_a, 6) == 0 && memcmp(frame + 6, engine_mac(0), 6) == 0, "from MAC to MAC");
	CHECK(frame[21] == 2 && memcmp(frame + 22, engine_mac(0), 6) == 0 && memcmp(frame + 28, ours, 4) == 0,
	      "we are here");
	CHECK(memcmp(frame + 32, mac_a, 6) == 0 && memcmp(frame + 38, theirs, 4) == 0, "to who asked");
	const struct mill_neighbour *n = known(0, theirs, 4);
	CHECK(n != NULL && n->state == MILL_NEIGHBOUR_STALE && memcmp(n->mac, mac_a, 6) == 0,
	      "who asks us is learned");
	printf("ok requests for the router's own addresses are answered, and no others\n");
}

static void arp_updates(void)
{
	static const uint8_t unknown[4] = {10, 0, 1, 50};
	uint8_t frame[2048];
	send_arp(&bed.a, broadcast, 1, mac_c, unknown, unknown);
	send_arp(&bed.a, engine_mac(0), 2, mac_c, unknown, ours);
	send_arp(&bed.a, broadcast, 1, mac_c, theirs, theirs);
	send_arp(&bed.a, broadcast, 1, mac_a, ours, ours); /* an impostor */
	CHECK(frames_take(&bed.a, frame, 500) == 42 && memcmp(frame + 28, ours, 4) == 0 &&
	          memcmp(frame + 6, engine_mac(0), 6) == 0,
	      "our address is defended");
	CHECK(known(0, unknown, 4) == NULL, "nobody is learned from what nobody asked");
	CHECK(known(0, ours, 4) == NULL, "least of all ourselves");
	CHECK(memcmp(known(0, theirs, 4)->mac, mac_c, 6) == 0, "a known one may change its MAC");
	send_arp(&bed.a, broadcast, 1, mac_a, ours, ours);
	CHECK(frames_take(&bed.a, frame, 30) == 0, "not more than once in ten seconds");
	send_arp(&bed.a, broadcast, 1, mac_a, theirs, theirs);
	usleep(20000);
	CHECK(memcmp(known(0, theirs, 4)->mac, mac_a, 6) == 0, "and back");
	printf("ok gratuitous ARP counts for known neighbours alone, and our address is defended\n");
}

void test_arp(void)
{
	arp_requests();
	arp_updates();
}
