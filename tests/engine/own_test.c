/*
 * Interfaces without a face in the kernel: the engine's own ARP, Neighbour Discovery and ICMP. This program is the daemon,
 * which mostly keeps still, and the stations on both sides:
 *
 *   a ──── 10.0.1.1/24, fd01::1/64 (0) engine (1) 10.0.2.1/24 ──── b
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "lib/engine_test.h"
#include "lib/feed.h"
#include "lib/frames.h"

#define STATION 7 /* last byte of the stations' addresses */

static struct test_engine engine;
static struct mill_pipe_client a, b;
static struct feed feed;
static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 0xaa}, mac_b[6] = {2, 0, 0, 0, 0, 0xbb};
static const uint8_t mac_c[6] = {2, 0, 0, 0, 0, 0xcc};
static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t ours[4] = {10, 0, 1, 1}, theirs[4] = {10, 0, 1, STATION};
static const uint8_t twice6[16] = {0xfd, 1, [15] = 2}; /* ours, and somebody else's */
static const uint8_t ours6[16] = {0xfd, 1, [15] = 1}, theirs6[16] = {0xfd, 1, [15] = STATION};

static const uint8_t *engine_mac(uint32_t port)
{
	return engine.state->port[port].mac;
}

static uint64_t dropped(uint32_t iface, enum mill_drop why)
{
	return engine.state->worker[0].iface[iface].drop[why];
}

static struct mill_neighbour *known(uint16_t iface, const uint8_t *address, uint32_t size)
{
	for (uint32_t i = 0; i < MILL_MAX_NEIGHBOURS; i++) {
		struct mill_neighbour *n = &engine.state->neighbour[i];
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
		return memcmp(frame + 28, frame + 38, 4) == 0 || (pipe == &a && frame[21] == 1);
	if (frame[12] == 0x86 && frame[20] == 0 && (frame[62] == 131 || frame[62] == 143)) /* MLD */
		return true;
	return frame[12] == 0x86 && frame[20] == 58 &&
	       (frame[54] == 135 || (frame[54] == 136 && (frame[58] & 0x40) == 0));
}

/* The next frame that somebody asked for, within that time; 0 for none. */
static uint32_t next(struct mill_pipe_client *pipe, uint8_t *frame, int ms)
{
	uint32_t length;
	while ((length = frames_take(pipe, frame, ms)) != 0 && unasked(pipe, frame))
		;
	return length;
}

static void no_answer(struct mill_pipe_client *pipe, const char *why)
{
	uint8_t frame[2048];
	CHECK(next(pipe, frame, 30) == 0, "%s", why);
}

/* --- ARP ---------------------------------------------------------------------------------------------------- */

static void send_arp(struct mill_pipe_client *pipe, const uint8_t *to, uint8_t operation, const uint8_t *mac,
                     const uint8_t *sender, const uint8_t *target)
{
	uint8_t frame[64];
	frames_send(pipe, frame, frames_arp(frame, to, operation, mac, sender, target));
}

static void announcements(void)
{
	uint8_t frame[2048];
	bool v4 = false, v6 = false;
	for (uint32_t i = 0, length; i < 40 && (length = frames_take(&a, frame, 1500)) != 0 && !(v4 && v6);
	     i++) {
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
	send_arp(&a, broadcast, 1, mac_a, theirs, other);
	no_answer(&a, "for another station");
	CHECK(known(0, theirs, 4) == NULL, "who asks others is not learned");
	send_arp(&a, broadcast, 1, mac_a, foreign, ours);
	no_answer(&a, "from another network");
	send_arp(&a, broadcast, 1, mac_a, nobody, ours);
	CHECK(next(&a, frame, 500) == 42 && frame[21] == 2, "a probe is answered: RFC 5227 §2.4");
	CHECK(known(0, nobody, 4) == NULL, "and nothing learned from it");
	send_arp(&a, broadcast, 1, mac_a, theirs, ours);
	CHECK(next(&a, frame, 500) == 42, "a reply");
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
	send_arp(&a, broadcast, 1, mac_c, unknown, unknown);
	send_arp(&a, engine_mac(0), 2, mac_c, unknown, ours);
	send_arp(&a, broadcast, 1, mac_c, theirs, theirs);
	send_arp(&a, broadcast, 1, mac_a, ours, ours); /* an impostor */
	CHECK(frames_take(&a, frame, 500) == 42 && memcmp(frame + 28, ours, 4) == 0 &&
	          memcmp(frame + 6, engine_mac(0), 6) == 0,
	      "our address is defended");
	CHECK(known(0, unknown, 4) == NULL, "nobody is learned from what nobody asked");
	CHECK(known(0, ours, 4) == NULL, "least of all ourselves");
	CHECK(memcmp(known(0, theirs, 4)->mac, mac_c, 6) == 0, "a known one may change its MAC");
	send_arp(&a, broadcast, 1, mac_a, ours, ours);
	CHECK(frames_take(&a, frame, 30) == 0, "not more than once in ten seconds");
	send_arp(&a, broadcast, 1, mac_a, theirs, theirs);
	usleep(20000);
	CHECK(memcmp(known(0, theirs, 4)->mac, mac_a, 6) == 0, "and back");
	printf("ok gratuitous ARP counts for known neighbours alone, and our address is defended\n");
}

/* --- resolving ------------------------------------------------------------------------------------------------ */

static void send_packet(const uint8_t *destination, uint32_t data)
{
	uint8_t frame[2048];
	frames_send(&a, frame, frames_udp(frame, mac_a, engine_mac(0), theirs, destination, 64, data));
}

static const uint8_t gateway[4] = {10, 0, 2, STATION}, source2[4] = {10, 0, 2, 1};

static void expect_request(const uint8_t *target, const uint8_t *to)
{
	uint8_t frame[2048];
	CHECK(next(&b, frame, 1500) == 42 && frame[13] == 6 && frame[21] == 1, "a request");
	CHECK(memcmp(frame, to, 6) == 0 && memcmp(frame + 28, source2, 4) == 0 &&
	          memcmp(frame + 38, target, 4) == 0,
	      "for it, from our address there");
}

static void resolving(void)
{
	static const uint8_t far[4] = {10, 9, 0, 1};
	uint8_t frame[2048];
	const uint64_t before = dropped(1, MILL_DROP_UNRESOLVED);
	feed_adjacency(&feed, 1, MILL_ADJ_RESOLVE, 1, 0x0a000207, NULL);
	feed_route(&feed, 0x0a090000, 16, 1);
	for (uint32_t i = 0; i < 3; i++)
		send_packet(far, 100 + i);
	expect_request(gateway, broadcast);
	engine_listen(&engine, 10);
	CHECK(engine.n_resolves == 0, "the daemon is not asked");
	send_arp(&b, engine_mac(1), 2, mac_b, gateway, source2);
	for (uint32_t i = 0; i < 3; i++) {
		CHECK(next(&b, frame, 500) == 14 + 28 + 100 + i, "packet %u", i);
		CHECK(memcmp(frame, mac_b, 6) == 0 && memcmp(frame + 6, engine_mac(1), 6) == 0, "its way");
		CHECK(frame[14 + 8] == 63, "its TTL");
	}
	send_packet(far, 100);
	CHECK(next(&b, frame, 500) == 142, "and at once when it is known, though no daemon says so");
	CHECK(known(1, gateway, 4)->state == MILL_NEIGHBOUR_REACHABLE, "reachable");
	CHECK(dropped(1, MILL_DROP_UNRESOLVED) == before, "nothing is lost");
	engine_listen(&engine, 10);
	CHECK(engine.n_neighbours > 0, "the daemon is told");
	printf("ok neighbours are asked for, and what waits for them is sent\n");
}

static void keeping_alive(void)
{
	uint8_t frame[2048];
	struct mill_neighbour *n = known(1, gateway, 4);
	n->due_ns = 0; /* time passes */
	const uint64_t start = test_now();
	while (__atomic_load_n(&n->state, __ATOMIC_ACQUIRE) != MILL_NEIGHBOUR_STALE)
		CHECK(test_now() - start < 1000000000u, "it becomes stale");
	n->due_ns = 0;
	expect_request(gateway, mac_b); /* unicast */
	CHECK(n->state == MILL_NEIGHBOUR_PROBE, "it is probed");
	send_arp(&b, engine_mac(1), 2, mac_b, gateway, source2);
	usleep(20000);
	CHECK(n->state == MILL_NEIGHBOUR_REACHABLE, "and is there");
	n->state = MILL_NEIGHBOUR_STALE;
	n->due_ns = 0;
	const uint64_t began = test_now();
	for (uint32_t i = 0; i < 3; i++)
		expect_request(gateway, mac_b);
	CHECK(test_now() - began > 1800000000u, "a second apart");
	expect_request(gateway, broadcast); /* nobody there: who has it now? */
	CHECK(known(1, gateway, 4)->state == MILL_NEIGHBOUR_INCOMPLETE, "it is resolved anew");
	send_arp(&b, engine_mac(1), 2, mac_c, gateway, source2);
	usleep(20000);
	CHECK(n->state == MILL_NEIGHBOUR_REACHABLE && memcmp(n->mac, mac_c, 6) == 0,
	      "found with another MAC, of which it had said nothing");
	n->state = MILL_NEIGHBOUR_STALE;
	for (uint32_t i = 0; i < 6; i++) {
		n->due_ns = 0; /* time passes */
		expect_request(gateway, i < 3 ? mac_c : broadcast);
	}
	n->due_ns = 0;
	const uint64_t asked = test_now();
	while (__atomic_load_n(&n->state, __ATOMIC_ACQUIRE) != MILL_NEIGHBOUR_FAILED)
		CHECK(test_now() - asked < 5000000000u, "without an answer it has failed");
	CHECK(next(&b, frame, 10) == 0, "no more requests");
	printf("ok a neighbour is asked now and then whether it is there, then looked for, and given up\n");
}

static void unreachable(void)
{
	static const uint8_t far[4] = {10, 9, 0, 1};
	uint8_t frame[2048];
	feed_adjacency(&feed, 2, MILL_ADJ_FORWARD, 0, 0x0a000107, mac_a);
	feed_route(&feed, 0x0a000107, 32, 2);
	send_packet(far, 100);
	const uint32_t length = next(&a, frame, 6000);
	CHECK(length == 14 + 28 + 128, "a message with all of the packet: %u", length);
	CHECK(frame[34] == 3 && frame[35] == 1, "host unreachable: %u, %u", frame[34], frame[35]);
	CHECK(memcmp(frame + 26, ours, 4) == 0 || memcmp(frame + 26, source2, 4) == 0, "from us");
	CHECK(engine.state->worker[0].iface[0].said[MILL_SAID_UNREACHABLE] > 0, "it is counted");
	printf("ok nobody answers: the source is told\n");
}

/* --- Neighbour Discovery -------------------------------------------------------------------------------------- */

/* With a link-layer address option of that type, 0 for none. */
static uint32_t discovery_message(uint8_t *message, uint8_t type, uint8_t flags, const uint8_t *target,
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

static void send_discovery(const uint8_t *to_mac, const uint8_t *from, const uint8_t *to, uint8_t hop_limit,
                           const uint8_t *message, uint32_t length)
{
	uint8_t frame[256];
	frames_send(&a, frame, frames_icmp6(frame, mac_a, to_mac, from, to, hop_limit, message, length));
}

static const uint8_t group[16] = {0xff, 2, [11] = 1, 0xff, 0, 0, 1}; /* solicited-node of fd01::1 */
static const uint8_t group_mac[6] = {0x33, 0x33, 0xff, 0, 0, 1};
static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};

static void expect_advertisement(const uint8_t *to, uint8_t flags, const uint8_t *target)
{
	uint8_t frame[2048];
	const uint8_t *ip = frame + 14, *icmp = frame + 54;
	uint32_t length;
	do /* announcements look like the answer to nobody in particular */
		length = frames_take(&a, frame, 500);
	while (length != 0 && (frame[12] != 0x86 || icmp[4] != flags));
	CHECK(length == 14 + 40 + 32 && icmp[0] == 136 && icmp[4] == flags, "an advertisement");
	CHECK(memcmp(ip + 24, to, 16) == 0 && ip[7] == 255, "to who asked, with a hop limit of 255");
	CHECK(memcmp(icmp + 8, target, 16) == 0 && icmp[24] == 2 && icmp[25] == 1, "of the target");
	CHECK(memcmp(icmp + 26, engine_mac(0), 6) == 0, "whose MAC is ours");
	CHECK(frames_sum(icmp, 32, frames_sum(ip + 8, 32, 58 + 32)) == 0xffff, "its checksum");
}

/* RFC 4862 §5.4: asked for before it is used. */
static void verification(void)
{
	static const uint8_t nobody[16], listeners[16] = {0xff, 2, [15] = 0x16};
	static const uint8_t twice_group[16] = {0xff, 2, [11] = 1, 0xff, 0, 0, 2};
	static const uint8_t twice_mac[6] = {0x33, 0x33, 0xff, 0, 0, 2};
	uint8_t frame[2048], message[32], *ip = frame + 14;
	bool reported = false, asked = false;
	while (!asked) {
		CHECK(frames_take(&a, frame, 5000) != 0, "it asks whether somebody has its addresses");
		const bool report = frame[12] == 0x86 && ip[6] == 0 && memcmp(ip + 24, listeners, 16) == 0;
		reported |= report && memcmp(ip + 8, nobody, 16) == 0 && ip[7] == 1;
		asked = frame[12] == 0x86 && ip[6] == 58 && memcmp(frame + 62, twice6, 16) == 0;
	}
	CHECK(reported, "it joins the group before");
	CHECK(ip[5] == 24 && frame[54] == 135 && memcmp(ip + 8, nobody, 16) == 0 && ip[7] == 255 &&
	          memcmp(ip + 24, twice_group, 16) == 0 && frame[2] == 0xff && frame[5] == 2,
	      "from nobody, to the address's group, without an option");
	frames_send(&a, frame, 14 + 40 + 24); /* our own question, come back */
	send_discovery(twice_mac, nobody, twice_group, 255, message,
	               discovery_message(message, 135, 0, twice6, 0, NULL));
	while (engine.state->claims[0].duplicate != 1 << 2)
		CHECK(frames_take(&a, frame, 5000) != 0, "who asks at the same time keeps us from it");
	CHECK((engine.state->claims[0].ours & 7) == 1, "the IPv4 address is ours, the others nobody's yet");
	send_discovery(group_mac, theirs6, group, 255, message,
	               discovery_message(message, 135, 0, ours6, 1, mac_a));
	CHECK(next(&a, frame, 100) == 0 || (engine.state->claims[0].ours & 2) != 0,
	      "no answer before it is ours");
	while ((engine.state->claims[0].ours & 2) == 0)
		CHECK(frames_take(&a, frame, 5000) != 0, "nobody else has the other");
	send_discovery(twice_mac, theirs6, twice_group, 255, message,
	               discovery_message(message, 135, 0, twice6, 1, mac_a));
	no_answer(&a, "the duplicate is not ours");
	printf("ok an IPv6 address is asked for before it is used, and left to who has it\n");
}

/* --- Multicast Listener Discovery ----------------------------------------------------------------------------- */

static uint32_t query(uint8_t *frame, const uint8_t *to, const uint8_t options[8], const uint8_t *message,
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

static void send_query(const uint8_t *to, uint8_t option, const uint8_t *about, uint32_t length)
{
	uint8_t frame[256], message[28] = {130, [5] = 20}, options[8] = {58, 0, option, 2, 0, 0, 1, 0};
	memcpy(message + 8, about, 16);
	frames_send(&a, frame, query(frame, to, options, message, length));
}

/* The next MLD message within that time; 0 for none. */
static uint32_t next_report(uint8_t *frame, int ms)
{
	uint32_t length;
	while ((length = frames_take(&a, frame, ms)) != 0 && (frame[12] != 0x86 || frame[20] != 0))
		;
	return length;
}

static void listening(void)
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

static void solicitations(void)
{
	static const uint8_t nobody[16], other[16] = {0xfd, 1, [15] = 99}, anycast[16] = {0xfd, 1};
	uint8_t message[32], link_local[16] = {0xfe, 0x80};
	memcpy(link_local + 8, engine_mac(0), 3);
	memcpy(link_local + 13, engine_mac(0) + 3, 3);
	link_local[8] ^= 2;
	link_local[11] = 0xff;
	link_local[12] = 0xfe;
	const uint32_t length = discovery_message(message, 135, 0, ours6, 1, mac_a);
	send_discovery(group_mac, theirs6, group, 254, message, length);
	no_answer(&a, "a hop limit that a router has lowered");
	send_discovery(group_mac, nobody, group, 255, message, length);
	no_answer(&a, "from nobody, yet with an address");
	send_discovery(group_mac, theirs6, group, 255, message,
	               discovery_message(message, 135, 0, other, 1, mac_a));
	no_answer(&a, "for another station");
	CHECK(known(0, theirs6, 16) == NULL, "nothing learned");
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
		const uint64_t rx = engine.state->worker[0].iface[0].rx.packets, start = test_now();
		n->due_ns = UINT64_MAX;
		n->state = rows[i].state;
		memcpy(n->mac, mac_a, 6);
		send_discovery(engine_mac(0), theirs6, ours6, 255, message,
		               discovery_message(message, 136, rows[i].flags, theirs6,
		                                 rows[i].mac != NULL ? 2 : 0, rows[i].mac));
		while (engine.state->worker[0].iface[0].rx.packets == rx)
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

/* --- ICMP ------------------------------------------------------------------------------------------------------- */

static uint32_t send_echo(const uint8_t *to, uint8_t code, uint16_t spoil, uint32_t data)
{
	uint8_t frame[2048], icmp[1500] = {8, code, 0, 0, 0x12, 0x34, 0, 1};
	for (uint32_t i = 0; i < data; i++)
		icmp[8 + i] = (uint8_t)(i * 7);
	const uint16_t sum = (uint16_t)(0xffff - frames_sum(icmp, 8 + data, 0) + spoil);
	icmp[2] = (uint8_t)(sum >> 8);
	icmp[3] = (uint8_t)sum;
	const uint32_t length = frames_ipv4(frame, mac_a, engine_mac(0), theirs, to, 1, 64, icmp, 8 + data);
	frames_send(&a, frame, length);
	return length;
}

static void echo(void)
{
	static const uint8_t all[4] = {10, 0, 1, 255};
	uint8_t frame[2048], message[60] = {128, 0, 0, 0, 0x12, 0x34, 0, 1};
	feed_adjacency(&feed, 3, MILL_ADJ_LOCAL, MILL_NONE, 0, NULL);
	feed_route(&feed, 0x0a000101, 32, 3);
	feed_adjacency(&feed, 4, MILL_ADJ_BROADCAST, 0, 0, NULL);
	feed_route(&feed, 0x0a0001ff, 32, 4);
	for (uint32_t data = 0; data < 1400; data = data * 2 + 1) {
		const uint32_t length = send_echo(ours, 0, 0, data);
		CHECK(next(&a, frame, 500) == length, "a reply as long as the request");
		CHECK(memcmp(frame + 26, ours, 4) == 0 && memcmp(frame + 30, theirs, 4) == 0, "from us");
		CHECK(frame[34] == 0 && frame[38] == 0x12 && frame[22] == 64, "it is the reply");
		CHECK(frames_sum(frame + 14, 20, 0) == 0xffff &&
		          frames_sum(frame + 34, 8 + data, 0) == 0xffff,
		      "its checksums");
		for (uint32_t i = 0; i < data; i++)
			CHECK(frame[42 + i] == (uint8_t)(i * 7), "its data");
	}
	send_echo(ours, 0, 1, 8);
	no_answer(&a, "a wrong checksum");
	send_echo(all, 0, 0, 8);
	no_answer(&a, "to all: RFC 1812 §4.3.3.6");
	frames_send(&a, frame,
	            frames_icmp6(frame, mac_a, (const uint8_t[6]){0x33, 0x33, 0, 0, 0, 1}, theirs6, all_nodes,
	                         64, message, sizeof(message)));
	CHECK(next(&a, frame, 50) == 0, "no way back to fd01::7 is known to the FIB");
	static const uint8_t station[16] = {0xfe, 0x80, [15] = STATION};
	frames_send(&a, frame,
	            frames_icmp6(frame, mac_a, (const uint8_t[6]){0x33, 0x33, 0, 0, 0, 1}, station, all_nodes,
	                         64, message, sizeof(message)));
	CHECK(next(&a, frame, 500) == 54 + sizeof(message) && frame[54] == 129,
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
	const uint32_t length = next(&a, frame, 500);
	CHECK(length != 0 && frame[34] == type && frame[35] == code, "%s: %u, %u", why, frame[34], frame[35]);
	CHECK(memcmp(frame + 26, ours, 4) == 0 && memcmp(frame + 30, theirs, 4) == 0, "%s: from here", why);
	CHECK(frames_sum(frame + 34, length - 34, 0) == 0xffff, "%s: its checksum", why);
}

static void errors(void)
{
	static const uint8_t nowhere[4] = {172, 16, 0, 1}, refused[4] = {172, 17, 0, 1},
	                     far[4] = {10, 9, 0, 1};
	static const uint8_t nothing[4];
	uint8_t frame[2048], payload[20] = {0};
	feed_adjacency(&feed, 5, MILL_ADJ_UNREACHABLE, MILL_NONE, 0, NULL);
	feed_route(&feed, 0xac110000, 16, 5);
	const uint64_t no_route = dropped(0, MILL_DROP_NO_ROUTE), expired = dropped(0, MILL_DROP_TTL_EXPIRED);
	send_packet(nowhere, 100);
	expect_error(3, 0, "no route");
	send_packet(refused, 100);
	expect_error(3, 1, "a route that refuses");
	CHECK(dropped(0, MILL_DROP_NO_ROUTE) == no_route + 2, "both are counted");
	frames_send(&a, frame, frames_udp(frame, mac_a, engine_mac(0), theirs, far, 1, 100));
	expect_error(11, 0, "TTL expired");
	CHECK(dropped(0, MILL_DROP_TTL_EXPIRED) == expired + 1, "it is counted");
	send_packet(ours, 100);
	expect_error(3, 3, "nobody listens at this port");
	frames_send(&a, frame, frames_ipv4(frame, mac_a, engine_mac(0), theirs, ours, 47, 64, payload, 20));
	expect_error(3, 2, "a protocol that nobody speaks");
	frames_send(&a, frame, frames_udp(frame, mac_a, broadcast, theirs, ours, 64, 100));
	no_answer(&a, "what came by broadcast");
	frames_send(&a, frame, frames_udp(frame, mac_a, engine_mac(0), nothing, ours, 64, 100));
	no_answer(&a, "from nobody");
	payload[0] = 3; /* destination unreachable */
	frames_send(&a, frame, frames_ipv4(frame, mac_a, engine_mac(0), theirs, nowhere, 1, 64, payload, 20));
	no_answer(&a, "about an error");
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
	frames_send(&a, frame, whole + 4);
}

static void options(void)
{
	static const uint8_t alert[2] = {148, 4}, far6[16] = {0xfd, 9, [15] = 1};
	static const uint8_t refused[] = {7, 68, 131, 137};
	uint8_t frame[256], message[8] = {128};
	feed_adjacency(&feed, 6, MILL_ADJ_FORWARD, 1, 0x0a000207, mac_b);
	feed_route(&feed, 0x0a090000, 16, 6);
	send_options(alert[0], alert[1]);
	CHECK(next(&b, frame, 500) == 14 + 24 + 8 + 40 && frame[14] == 0x46 && frame[22] == 63 &&
	          memcmp(frame + 34, alert, 2) == 0 && frames_sum(frame + 14, 24, 0) == 0xffff,
	      "what is no router's business goes on as it is");
	const uint64_t before = dropped(0, MILL_DROP_HOST_REFUSED);
	for (uint32_t i = 0; i < sizeof(refused); i++) {
		send_options(refused[i], 4);
		no_answer(&b, "source routes and records of the way");
	}
	CHECK(dropped(0, MILL_DROP_HOST_REFUSED) == before + sizeof(refused), "they are counted");
	send_options(alert[0], 9);
	CHECK(next(&a, frame, 500) != 0 && frame[34] == 12 && frame[35] == 0 && frame[38] == 21,
	      "a wrong length is told of, and where it is");
	feed_route6(&feed, far6, 64, 6);
	const uint32_t whole =
	    frames_icmp6(frame, mac_a, engine_mac(0), theirs6, far6, 64, message, sizeof(message));
	memmove(frame + 62, frame + 54, sizeof(message));
	memcpy(frame + 54, (const uint8_t[8]){58, 0, 5, 2, 0, 0, 1, 0}, 8);
	frame[19] = (uint8_t)(frame[19] + 8);
	frame[20] = 0;
	frames_send(&a, frame, whole + 8);
	CHECK(next(&b, frame, 500) == whole + 8 && frame[20] == 0 && frame[21] == 63 && frame[56] == 5,
	      "a hop-by-hop header goes on as it is");
	printf("ok packets with options go on, unless they ask routers for what this one does not do\n");
}

/* --- bytes from outside ------------------------------------------------------------------------------------------- */

/* ARP and ND of every length, whole and with single bytes changed: nothing is learned from what is cut short, and the engine lives. */
static void malformed(void)
{
	static const uint8_t stranger[4] = {10, 0, 1, 66}, stranger6[16] = {0xfd, 1, [15] = 66};
	uint8_t whole[2][256], frame[256], message[32], taken[2048];
	const uint32_t option = discovery_message(message, 135, 0, ours6, 1, mac_a);
	const uint32_t length[2] = {
	    frames_arp(whole[0], broadcast, 1, mac_a, stranger, ours),
	    frames_icmp6(whole[1], mac_a, group_mac, stranger6, group, 255, message, option)};
	for (uint32_t kind = 0; kind < 2; kind++) {
		for (uint32_t cut = 14; cut < length[kind]; cut++)
			frames_send(&a, whole[kind], cut);
		while (frames_take(&a, taken, 50) != 0)
			;
		CHECK(known(0, kind == 0 ? stranger : stranger6, kind == 0 ? 4 : 16) == NULL,
		      "nothing from what is cut short");
	}
	uint32_t random = 1;
	for (uint32_t i = 0; i < 20000; i++) {
		const uint32_t kind = i % 2;
		memcpy(frame, whole[kind], length[kind]);
		for (uint32_t k = 0; k < 1 + i % 3; k++) {
			random = random * 1664525 + 1013904223; /* Numerical Recipes' generator */
			frame[14 + (random >> 8) % (length[kind] - 14)] = (uint8_t)(random >> 24);
		}
		if (kind == 1) /* a checksum that is right lets more through */
			frames_icmp6(frame, mac_a, group_mac, frame + 22, frame + 38, 255,
			             memcpy(message, frame + 54, 32), 32);
		frames_send(&a, frame, length[kind]);
		if (i % 64 == 0)
			while (frames_take(&a, taken, 0) != 0)
				;
	}
	for (uint32_t i = 0; i < 10000; i++) { /* queries: options of any kind, messages of any length */
		uint8_t options[8] = {58, 0, 5, 2, 0, 0, 1, 0}, asked[28] = {130};
		for (uint32_t k = 0; k < 1 + i % 3; k++) {
			random = random * 1664525 + 1013904223;
			if ((random >> 8) % 3 == 0)
				options[(random >> 16) % 8] = (uint8_t)(random >> 24);
			else
				asked[4 + (random >> 16) % 24] = (uint8_t)(random >> 24);
		}
		frames_send(&a, frame, query(frame, all_nodes, options, asked, i % 29));
		if (i % 64 == 0)
			while (frames_take(&a, taken, 0) != 0)
				;
	}
	while (frames_take(&a, taken, 50) != 0)
		;
	usleep(300000); /* limits recover */
	send_arp(&a, broadcast, 1, mac_a, theirs, ours);
	CHECK(next(&a, taken, 500) == 42, "it answers as before");
	printf("ok malformed ARP, Neighbour Discovery and MLD do no harm\n");
}

static void discovery(void)
{
	solicitations();
	advertisements();
	listening();
}

int main(void)
{
	static const char *const specs[] = {"pipe:a", "pipe:b", "pipe:c", "pipe:d"};
	engine_start(&engine);
	struct mill_config *config = config_make(1, 4, specs);
	config->iface[0].host = config->iface[1].host = MILL_HOST_NONE;
	config->iface[0].n_addresses = 3;
	config->iface[0].address[0] = (struct mill_address){4, 24, {0}, {10, 0, 1, 1}};
	config->iface[0].address[1] = (struct mill_address){6, 64, {0}, {0xfd, 1, [15] = 1}};
	config->iface[0].address[2] = (struct mill_address){6, 64, {0}, {0xfd, 1, [15] = 2}};
	config->iface[1].n_addresses = 1;
	config->iface[1].address[0] = (struct mill_address){4, 24, {0}, {10, 0, 2, 1}};
	engine_deploy(&engine, config, "forwarder_route");
	free(config);
	feed_open(&feed, &engine);
	pipe_connect(&engine, &a, "a");
	pipe_connect(&engine, &b, "b");
	verification();
	announcements();
	arp_requests();
	arp_updates();
	resolving();
	keeping_alive();
	unreachable();
	discovery();
	echo();
	errors();
	options();
	malformed();
	engine_stop(&engine);
	return 0;
}
