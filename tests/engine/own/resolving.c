/* Neighbours that are asked for, kept, given up, and whom the sources of what waited for them are told of. */
#include "own/bed.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

static void expect_request(const uint8_t *target, const uint8_t *to)
{
	uint8_t frame[2048];
	CHECK(next_frame(&bed.b, frame, 1500) == 42 && frame[13] == 6 && frame[21] == 1, "a request");
	CHECK(memcmp(frame, to, 6) == 0 && memcmp(frame + 28, source2, 4) == 0 &&
	          memcmp(frame + 38, target, 4) == 0,
	      "for it, from our address there");
}

static void resolving(void)
{
	static const uint8_t far[4] = {10, 9, 0, 1};
	uint8_t frame[2048];
	const uint64_t before = dropped(1, MILL_DROP_UNRESOLVED);
	feed_adjacency(&bed.feed, 1, MILL_ADJ_RESOLVE, 1, 0x0a000207, NULL);
	feed_route(&bed.feed, 0x0a090000, 16, 1);
	for (uint32_t i = 0; i < 3; i++)
		send_packet(far, 100 + i);
	expect_request(gateway, broadcast);
	engine_listen(&bed.engine, 10);
	CHECK(bed.engine.n_resolves == 0, "the daemon is not asked");
	send_arp(&bed.b, engine_mac(1), 2, mac_b, gateway, source2);
	for (uint32_t i = 0; i < 3; i++) {
		CHECK(next_frame(&bed.b, frame, 500) == 14 + 28 + 100 + i, "packet %u", i);
		CHECK(memcmp(frame, mac_b, 6) == 0 && memcmp(frame + 6, engine_mac(1), 6) == 0, "its way");
		CHECK(frame[14 + 8] == 63, "its TTL");
	}
	send_packet(far, 100);
	CHECK(next_frame(&bed.b, frame, 500) == 142,
	      "and at once when it is known, though no daemon says so");
	CHECK(known(1, gateway, 4)->state == MILL_NEIGHBOUR_REACHABLE, "reachable");
	CHECK(dropped(1, MILL_DROP_UNRESOLVED) == before, "nothing is lost");
	engine_listen(&bed.engine, 10);
	CHECK(bed.engine.n_neighbours > 0, "the daemon is told");
	printf("ok neighbours are asked for, and what waits for them is sent\n");
}

static int want(uint16_t slot, const uint8_t *address)
{
	struct mill_resolve wish = {.iface = slot, .family = 4};
	memcpy(wish.address, address, 4);
	return engine_request(&bed.engine, MILL_MSG_WANT_NEIGHBOUR, &wish, sizeof(wish), NULL, 0, NULL);
}

/* A gateway that stands in: it must be known before packets go there. */
static void asked_for_without_a_packet(void)
{
	static const uint8_t stand_in[4] = {10, 0, 2, 77};
	uint8_t frame[2048];
	CHECK(want(1, stand_in) == 0, "%s", bed.engine.error);
	expect_request(stand_in, broadcast);
	CHECK(known(1, stand_in, 4)->state == MILL_NEIGHBOUR_INCOMPLETE, "asked for");
	CHECK(want(1, stand_in) == 0 && next_frame(&bed.b, frame, 10) == 0, "once");
	send_arp(&bed.b, engine_mac(1), 2, mac_b, stand_in, source2);
	usleep(20000);
	CHECK(known(1, stand_in, 4)->state == MILL_NEIGHBOUR_REACHABLE, "known");
	CHECK(want(1, stand_in) == 0 && next_frame(&bed.b, frame, 30) == 0, "who is known is not asked for");
	CHECK(want(MILL_MAX_IFACES - 1, stand_in) == ENOENT, "not on an interface that the kernel has");
	CHECK(want(MILL_MAX_IFACES, stand_in) == EINVAL, "nor on none");
	struct mill_neighbour_change gone = {.iface = 1, .family = 4};
	memcpy(gone.address, stand_in, 4);
	CHECK(engine_request(&bed.engine, MILL_MSG_SET_NEIGHBOUR, &gone, sizeof(gone), NULL, 0, NULL) == 0,
	      "%s", bed.engine.error);
	printf("ok the daemon has neighbours asked for that no packet is for\n");
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
	send_arp(&bed.b, engine_mac(1), 2, mac_b, gateway, source2);
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
	send_arp(&bed.b, engine_mac(1), 2, mac_c, gateway, source2);
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
	CHECK(next_frame(&bed.b, frame, 10) == 0, "no more requests");
	printf("ok a neighbour is asked now and then whether it is there, then looked for, and given up\n");
}

static void unreachable(void)
{
	static const uint8_t far[4] = {10, 9, 0, 1};
	uint8_t frame[2048];
	feed_adjacency(&bed.feed, 2, MILL_ADJ_FORWARD, 0, 0x0a000107, mac_a);
	feed_route(&bed.feed, 0x0a000107, 32, 2);
	send_packet(far, 100);
	const uint32_t length = next_frame(&bed.a, frame, 6000);
	CHECK(length == 14 + 28 + 128, "a message with all of the packet: %u", length);
	CHECK(frame[34] == 3 && frame[35] == 1, "host unreachable: %u, %u", frame[34], frame[35]);
	CHECK(memcmp(frame + 26, ours, 4) == 0 || memcmp(frame + 26, source2, 4) == 0, "from us");
	CHECK(bed.engine.state->worker[0].iface[0].said[MILL_SAID_UNREACHABLE] > 0, "it is counted");
	printf("ok nobody answers: the source is told\n");
}

void test_resolving(void)
{
	resolving();
	asked_for_without_a_packet();
	keeping_alive();
	unreachable();
}
