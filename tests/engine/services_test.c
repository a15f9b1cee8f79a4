/*
 * What the engine does for a forwarder: frames that wait for their neighbour, fragments, log events, the ACL switch, and
 * the compiled FIB's answers. Peer a sends, peer b receives; this program is the daemon.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include "lib/engine_test.h"
#include "lib/feed.h"

#define NET(last) (0x0a000100u + (last)) /* 10.0.1.x, on interface 1 */

static struct test_engine engine;
static struct mill_pipe_client a, b;
static struct feed feed;
static const uint8_t neighbour_mac[6] = {2, 0, 0, 0, 0, 9};

static uint16_t sum16(const uint8_t *data, uint32_t length)
{
	uint32_t sum = 0;
	for (uint32_t i = 0; i < length; i += 2)
		sum += (uint32_t)(data[i] << 8 | data[i + 1]);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* An IPv4 frame with `options` (a multiple of four bytes) and this many bytes of data, the first of which is `what`. */
static uint32_t make_frame(uint8_t *frame, uint32_t destination, char what, uint32_t data,
                           const uint8_t *options, uint32_t n_options, uint16_t field)
{
	const uint32_t header = 20 + n_options, total = header + data;
	uint8_t *ip = frame + 14;
	memset(frame, 0xee, 12);
	frame[12] = 8;
	frame[13] = 0;
	memset(ip, 0, 20);
	ip[0] = (uint8_t)(0x40 | header / 4);
	ip[2] = (uint8_t)(total >> 8);
	ip[3] = (uint8_t)total;
	ip[4] = 0x12;
	ip[6] = (uint8_t)(field >> 8);
	ip[7] = (uint8_t)field;
	ip[8] = 64;
	ip[9] = 17;
	ip[12] = 192;
	for (int i = 0; i < 4; i++)
		ip[16 + i] = (uint8_t)(destination >> (24 - 8 * i));
	if (n_options != 0)
		memcpy(ip + 20, options, n_options);
	const uint16_t sum = (uint16_t)~sum16(ip, header);
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
	for (uint32_t i = 0; i < data; i++)
		ip[header + i] = (uint8_t)(i * 31);
	ip[header] = (uint8_t)what;
	return 14 + total;
}

static void send_frame(const uint8_t *frame, uint32_t length)
{
	struct netmap_ring *tx = a.tx[0];
	struct netmap_slot *slot = &tx->slot[tx->head];
	const uint64_t before = engine.state->worker[0].iface[0].rx.packets, start = test_now();
	mill_slot_set_offset(tx, slot, MILL_HEADROOM);
	memcpy(mill_ring_buffer(tx, slot), frame, length);
	slot->len = (uint16_t)length;
	slot->flags = 0;
	tx->head = tx->cur = mill_ring_next(tx, tx->head);
	mill_pipe_tx_sync(&a, 0);
	while (engine.state->worker[0].iface[0].rx.packets == before)
		CHECK(test_now() - start < PATIENCE_NS, "the frame is taken");
}

static void send_one(uint32_t destination, char what, uint32_t data)
{
	uint8_t frame[2048];
	send_frame(frame, make_frame(frame, destination, what, data, NULL, 0, 0));
}

/* The next frame for b, 0 when none comes. */
static uint32_t take_frame(uint8_t *frame, int timeout_ms)
{
	struct netmap_ring *rx = b.rx[0];
	if (mill_pipe_wait(&b, timeout_ms, false) != 1)
		return 0;
	const struct netmap_slot *slot = &rx->slot[rx->cur];
	const uint32_t length = slot->len;
	memcpy(frame, mill_ring_buffer(rx, slot), length);
	rx->head = rx->cur = mill_ring_next(rx, rx->cur);
	mill_pipe_rx_sync(&b, 0);
	return length;
}

/* For one neighbour: at once, then once a second, or a tick of 5 ms earlier. */
static void expect_asked_since(uint64_t start)
{
	const uint64_t most = 1 + (test_now() - start) / 995000000u;
	CHECK(engine.n_resolves >= 1 && engine.n_resolves <= most, "asked %u times, where %llu are right",
	      engine.n_resolves, (unsigned long long)most);
}

static uint64_t unresolved(uint32_t iface)
{
	return engine.state->worker[0].iface[iface].drop[MILL_DROP_UNRESOLVED];
}

static void expect_deferred(uint32_t destination, uint32_t count)
{
	uint8_t frame[2048];
	for (uint32_t i = 0; i < count; i++) {
		const uint32_t length = take_frame(frame, PATIENCE_MS);
		CHECK(length == 14 + 20 + 100 + i, "frame %u has %u bytes", i, length);
		CHECK(memcmp(frame, neighbour_mac, 6) == 0, "the neighbour's MAC");
		CHECK(memcmp(frame + 6, engine.state->port[1].mac, 6) == 0, "the interface's MAC");
		CHECK(frame[12] == 8 && frame[13] == 0 && frame[33] == (uint8_t)destination,
		      "the packet itself");
	}
	CHECK(take_frame(frame, 20) == 0, "nothing more");
}

static void an_unknown_neighbour(void)
{
	uint8_t frame[2048];
	feed_adjacency(&feed, 1, MILL_ADJ_RESOLVE, 1, NET(9), NULL);
	feed_route(&feed, NET(0) + 0x100, 24, 1);
	const uint64_t start = test_now();
	for (uint32_t i = 0; i < 3; i++)
		send_one(NET(7) + 0x100, 'd', 100 + i);
	engine_listen_for(&engine, &engine.n_resolves, 1);
	engine_listen(&engine, 500);
	expect_asked_since(start);
	CHECK(engine.last_resolve.iface == 1 && engine.last_resolve.family == 4 &&
	          engine.last_resolve.address[3] == 9,
	      "for the right one");
	engine_listen_for(&engine, &engine.n_resolves, 2);
	expect_asked_since(start);
	CHECK(take_frame(frame, 10) == 0, "nothing is sent before");
	feed_adjacency(&feed, 1, MILL_ADJ_FORWARD, 1, NET(9), neighbour_mac);
	expect_deferred(NET(7), 3);
	printf("ok frames wait for their gateway and are sent when it is known\n");
}

static void a_gleaned_neighbour(void)
{
	feed_adjacency(&feed, 2, MILL_ADJ_GLEAN, 1, 0, NULL);
	feed_route(&feed, NET(0), 24, 2);
	engine.n_resolves = 0;
	const uint64_t start = test_now();
	for (uint32_t i = 0; i < 20; i++)
		send_one(NET(5), 'd', 100 + i);
	engine_listen_for(&engine, &engine.n_resolves, 1);
	engine_listen(&engine, 20);
	expect_asked_since(start);
	CHECK(engine.last_resolve.address[3] == 5, "the destination is asked for");
	CHECK(unresolved(0) == 4, "sixteen wait, four are dropped: %llu", (unsigned long long)unresolved(0));
	feed_adjacency(&feed, 3, MILL_ADJ_FORWARD, 1, NET(5), neighbour_mac);
	feed_route(&feed, NET(5), 32, 3);
	expect_deferred(NET(5), 16);
	printf("ok frames wait for a neighbour on the link, sixteen at most\n");
}

static void expect_unreachable(uint8_t last)
{
	uint8_t frame[2048];
	const uint8_t *ip = frame + 14;
	CHECK(take_frame(frame, PATIENCE_MS) == 14 + 20 + 8 + 120, "a message with all of the packet");
	CHECK(ip[9] == 1 && ip[20] == 3 && ip[21] == 1, "host unreachable: %u, %u", ip[20], ip[21]);
	CHECK(ip[12] == 198 && ip[15] == 7, "from where it leaves");
	CHECK(ip[28] == 0x45 && ip[28 + 19] == last && ip[48] == 'd', "what it is about");
	CHECK(sum16(ip + 20, 128) == 0xffff && sum16(ip, 20) == 0xffff, "its checksums");
}

/* Of ten neighbours sixteen packets each, given up together: more than a hundred sources are not told at once. */
static void too_many_to_tell(void)
{
	const struct mill_iface_counters *in = &engine.state->worker[0].iface[0],
	                                 *out = &engine.state->worker[0].iface[1];
	const uint64_t given_up = unresolved(1), elsewhere = in->said[MILL_SAID_WITHHELD],
	               withheld = out->said[MILL_SAID_WITHHELD], start = test_now();
	uint8_t frame[2048];
	for (uint32_t i = 0; i < 160; i++)
		send_one(NET(100 + i % 10), 'd', 100);
	while (unresolved(1) < given_up + 160)
		CHECK(test_now() - start < PATIENCE_NS, "all are given up");
	uint64_t told = 0;
	while (take_frame(frame, 50) != 0)
		told++;
	CHECK(told >= 100 && told + out->said[MILL_SAID_WITHHELD] == withheld + 160 &&
	          in->said[MILL_SAID_WITHHELD] == elsewhere,
	      "%llu are told, the others count where they would have left", (unsigned long long)told);
}

static void nobody_answers(void)
{
	const uint64_t start = test_now(), before = unresolved(1);
	uint8_t frame[2048];
	engine.n_resolves = 0;
	feed_route(&feed, 0xc0000000, 24, 4);
	send_one(NET(77), 'd', 100);
	send_one(NET(77), 'd', 100);
	send_frame(frame, make_frame(frame, NET(77), 'd', 100, NULL, 0, 1)); /* a later fragment */
	while (unresolved(1) == before)
		CHECK(test_now() - start < PATIENCE_NS, "the frame is given up");
	CHECK(test_now() - start > 2900000000u, "but not before three seconds");
	engine_listen_for(&engine, &engine.n_resolves, 3);
	expect_asked_since(start);
	expect_unreachable(77);
	expect_unreachable(77);
	CHECK(take_frame(frame, 50) == 0, "never about a later fragment");
	too_many_to_tell();
	feed_route_delete(&feed, 0xc0000000, 24);
	for (uint32_t i = 0; i < 1000; i++) /* a scan of the network: bounded, and the engine goes on */
		send_one(0x0a010000u + i, 'd', 100);
	printf("ok a frame is dropped and counted after three seconds, and its source is told\n");
}

/* Sends `what` as fragments and puts together what comes. */
static void fragments_of(uint32_t data, const uint8_t *options, uint32_t n_options, uint16_t field,
                         uint32_t mtu, uint32_t expected)
{
	uint8_t sent[2048], frame[2048], whole[2048] = {0};
	const uint32_t header = 20 + n_options,
	               length = make_frame(sent, NET(5), 'f', data, options, n_options, field);
	uint32_t n = 0, bytes = 0, length_of_last = 0;
	send_frame(sent, length);
	while (n < expected) {
		const uint32_t got = take_frame(frame, PATIENCE_MS);
		const uint8_t *ip = frame + 14;
		const uint32_t own = (ip[0] & 15u) * 4, total = (uint32_t)(ip[2] << 8 | ip[3]);
		const uint16_t flags = (uint16_t)(ip[6] << 8 | ip[7]);
		const uint32_t offset = (flags & 0x1fffu) * 8 - (field & 0x1fffu) * 8;
		CHECK(got == 14 + total && total <= mtu, "fragment %u of %u bytes", n, total);
		CHECK(sum16(ip, own) == 0xffff, "its checksum");
		CHECK(ip[4] == 0x12 && ip[8] == 64 && ip[9] == 17, "its header");
		CHECK((n == 0) == (offset == 0) && offset + total - own <= data, "its offset %u", offset);
		CHECK(((flags & 0x2000) != 0) == (offset + total - own < data || (field & 0x2000) != 0),
		      "more to come");
		CHECK(own == (n == 0 ? header : n_options != 0 ? 24u : 20u), "its options: %u bytes", own);
		memcpy(whole + offset, ip + own, total - own);
		bytes += total - own;
		length_of_last = total;
		n++;
	}
	CHECK(take_frame(frame, 10) == 0, "no more than %u fragments", expected);
	CHECK(bytes == data && memcmp(whole, sent + 14 + header, data) == 0, "the data comes whole: %u",
	      bytes);
	CHECK(length_of_last <= mtu, "last");
}

static void set_mtu(uint16_t mtu)
{
	const struct mill_iface_update update = {.slot = 1, .mtu = mtu, .up = 1};
	CHECK(engine_request(&engine, MILL_MSG_SET_IFACE, &update, sizeof(update), NULL, 0, NULL) == 0, "%s",
	      engine.error);
}

static void fragments(void)
{
	/* Router alert (copied), record route (not copied), end of list. */
	static const uint8_t options[16] = {0x94, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0};
	const uint64_t before = engine.state->worker[0].iface[0].drop[MILL_DROP_TOO_BIG];
	uint8_t frame[2048];
	set_mtu(600);
	fragments_of(1400, NULL, 0, 0, 600, 3);
	fragments_of(100, NULL, 0, 0, 600, 1);
	fragments_of(580, NULL, 0, 0, 600, 1);
	fragments_of(581, NULL, 0, 0, 600, 2);
	fragments_of(1400, options, 12, 0, 600, 3);
	fragments_of(1400, NULL, 0, 0x2000 | 100, 600, 3); /* a fragment itself, not the last */
	fragments_of(1400, NULL, 0, 200, 600, 3);          /* the last one */
	set_mtu(68);
	fragments_of(1400, NULL, 0, 0, 68, 30);
	set_mtu(600);
	CHECK(engine.state->worker[0].iface[0].drop[MILL_DROP_TOO_BIG] == before, "nothing dropped so far");
	send_frame(frame, make_frame(frame, NET(5), 'f', 1400, NULL, 0, 0x4000));
	CHECK(take_frame(frame, 20) == 0, "DF: never");
	const uint32_t length = make_frame(frame, NET(5), 'f', 1400, (const uint8_t[]){0x94, 60, 0, 0}, 4, 0);
	send_frame(frame, length);
	CHECK(take_frame(frame, 20) == 0, "malformed options: never");
	CHECK(engine.state->worker[0].iface[0].drop[MILL_DROP_TOO_BIG] == before + 2, "both are counted");
	set_mtu(1500);
	printf("ok IPv4 packets are sent in fragments\n");
}

static void set_address(uint16_t slot, uint8_t last)
{
	const struct mill_iface_update update = {
	    .slot = slot, .mtu = 1500, .up = 1, .address4 = {198, 51, 100, last}};
	CHECK(engine_request(&engine, MILL_MSG_SET_IFACE, &update, sizeof(update), NULL, 0, NULL) == 0, "%s",
	      engine.error);
}

static void expect_icmp_error(uint8_t source)
{
	uint8_t frame[2048];
	const uint8_t *ip = frame + 14;
	const uint32_t length = take_frame(frame, PATIENCE_MS);
	CHECK(length == 14 + 576 && ip[2] == 2 && ip[3] == 64, "576 bytes, %u", length);
	CHECK(memcmp(frame, neighbour_mac, 6) == 0 && ip[9] == 1 && sum16(ip, 20) == 0xffff, "its headers");
	CHECK(ip[12] == 198 && ip[15] == source && ip[16] == 192, "from %u", ip[15]);
	CHECK(ip[20] == 3 && ip[21] == 4 && ip[26] == 600 / 256 && ip[27] == 600 % 256, "the MTU");
	CHECK(sum16(ip + 20, 556) == 0xffff, "its checksum");
	CHECK(ip[28] == 0x45 && ip[48] == 'i', "what it is about");
}

/* The way to the sources, 192.0.0.0/24, leads out of b. */
static void icmp_errors(void)
{
	uint8_t frame[2048];
	feed_adjacency(&feed, 4, MILL_ADJ_FORWARD, 1, NET(9), neighbour_mac);
	send_one(NET(5), 'i', 1000);
	CHECK(take_frame(frame, 20) == 0, "no way back: nobody is told");
	feed_route(&feed, 0xc0000000, 24, 4);
	send_one(NET(5), 'i', 1000);
	CHECK(take_frame(frame, 20) == 0, "the router has no address");
	set_address(0, 8);
	send_one(NET(5), 'i', 1000);
	expect_icmp_error(8); /* where it leaves, the router has no address */
	set_address(1, 7);
	send_one(NET(5), 'i', 1000);
	expect_icmp_error(7);
	send_frame(frame, make_frame(frame, NET(5), 'i', 1000, NULL, 0, 1));
	CHECK(take_frame(frame, 20) == 0, "never about a later fragment");
	feed_adjacency(&feed, 4, MILL_ADJ_RESOLVE, 1, NET(9), NULL);
	send_one(NET(5), 'i', 1000);
	CHECK(take_frame(frame, 20) == 0, "the neighbour is not known");
	feed_adjacency(&feed, 4, MILL_ADJ_FORWARD, 1, NET(9), neighbour_mac);
	expect_icmp_error(7);

	usleep(200000); /* the bucket fills */
	const uint64_t start = test_now();
	for (uint32_t i = 0; i < 400; i++)
		send_one(NET(5), 'i', 1000);
	const uint64_t most = 100 + (test_now() - start) / 1000000u + 1;
	uint64_t n = 0;
	while (take_frame(frame, 50) != 0)
		n++;
	CHECK(n >= 100 && n <= most && (n < 400 || most >= 400), "%llu of 400, at most %llu",
	      (unsigned long long)n, (unsigned long long)most);
	feed_route_delete(&feed, 0xc0000000, 24);
	printf("ok sources are told what went wrong, and not too often\n");
}

/* A copy is what came in, byte by byte; without room it is lost, and the worker goes on. */
static void copies(void)
{
	uint8_t sent[2048], frame[2048];
	const uint64_t *const lost = &engine.state->worker[0].iface[0].drop[MILL_DROP_MIRROR_FULL];
	const uint32_t length = make_frame(sent, NET(5), 'm', 300, NULL, 0, 0);
	send_frame(sent, length);
	CHECK(take_frame(frame, 1000) == length && memcmp(frame, sent, length) == 0, "a copy");
	CHECK(*lost == 0, "none is lost");
	for (uint32_t i = 0; i < 5000 && *lost == 0; i++)
		send_frame(sent, length);
	CHECK(*lost > 0, "nobody reads: copies are lost, and nothing waits");
	while (take_frame(frame, 50) != 0)
		;
	printf("ok copies are exact, and never waited for\n");
}

static void limits(void)
{
	const uint64_t *const over = &engine.state->worker[0].iface[0].drop[MILL_DROP_POLICED];
	const uint64_t start = test_now();
	for (uint32_t i = 0; i < 200; i++)
		send_one(NET(5), 's', 20);
	const uint64_t most = 10 + (test_now() - start) / 1000000u + 1;
	CHECK(200 - *over >= 10 && 200 - *over <= most, "%llu over the limit, at most %llu are not",
	      (unsigned long long)*over, (unsigned long long)most);
	CHECK(engine.state->policer[1] != 0 && engine.state->policer[0] == 0, "in the state, of that rule");
	printf("ok a rule's limit holds\n");
}

/* UDP, so an ICMP error: communication administratively prohibited, from a bucket of its own. */
static void rejections(void)
{
	uint8_t frame[2048];
	uint64_t n = 0;
	feed_adjacency(&feed, 4, MILL_ADJ_FORWARD, 1, NET(9), neighbour_mac);
	feed_route(&feed, 0xc0000000, 24, 4);
	send_one(NET(5), 'r', 100);
	CHECK(take_frame(frame, 1000) == 14 + 20 + 8 + 120 && frame[14 + 20] == 3 && frame[14 + 21] == 13,
	      "prohibited");
	usleep(200000); /* the buckets fill */
	const uint64_t start = test_now();
	for (uint32_t i = 0; i < 300; i++)
		send_one(NET(5), 'r', 100);
	send_one(NET(5), 'i', 100);
	const uint64_t most = 100 + (test_now() - start) / 1000000u + 1;
	bool other = false;
	while (take_frame(frame, 50) != 0) {
		n += frame[14 + 21] == 13;
		other |= frame[14 + 21] == 4;
	}
	CHECK(n >= 100 && n <= most, "%llu of 300, at most %llu", (unsigned long long)n,
	      (unsigned long long)most);
	CHECK(other, "what else is to be told is told");
	feed_route_delete(&feed, 0xc0000000, 24);
	printf("ok sources of what is rejected are told, and not too often\n");
}

static uint32_t take_events(struct mill_event *last)
{
	struct mill_event_ring *ring = &engine.state->worker[0].events;
	uint32_t n = 0;
	for (; ring->tail != __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE); n++)
		*last = ring->event[ring->tail++ % MILL_EVENTS];
	return n;
}

static void log_events(void)
{
	struct mill_event event = {0};
	struct pollfd wake = {.fd = engine_held_fd(&engine, MILL_HOLD_EVENTS, 0, 0), .events = POLLIN};
	uint64_t count;
	CHECK(poll(&wake, 1, 0) == 0, "no events yet");
	for (uint32_t i = 0; i < 20; i++)
		send_one(NET(5), 'l', 200);
	CHECK(poll(&wake, 1, 1000) == 1 && read(wake.fd, &count, 8) == 8, "the daemon is woken");
	CHECK(take_events(&event) == 5, "five a second");
	CHECK(event.rule == 0 && event.iface == 0 && event.frame_len == 14 + 20 + 200 &&
	          event.captured == 104 && event.l3 == 14 && event.frame[33] == 5,
	      "what it says");
	usleep(1100000);
	send_one(NET(5), 'l', 20);
	CHECK(take_events(&event) == 1 && event.suppressed == 15, "and how many were swallowed: %u",
	      event.suppressed);
	CHECK(event.captured == 54, "short frame");
	for (uint32_t i = 0; i < 20; i++)
		send_one(NET(5), 'n', 200);
	CHECK(take_events(&event) == 20 && event.rule == 1, "samples have no rate");
	printf("ok log events are limited and counted\n");
}

static void acl_switch(void)
{
	uint64_t *const counted = &engine.state->worker[0].rule[1].packets;
	const uint32_t off = 0, on = 1;
	send_one(NET(5), 'a', 20);
	CHECK(*counted == 1, "ACLs are on");
	CHECK(engine_request(&engine, MILL_MSG_SET_ACL, &off, sizeof(off), NULL, 0, NULL) == 0, "%s",
	      engine.error);
	send_one(NET(5), 'a', 20);
	CHECK(*counted == 1, "and off from the next packet on");
	CHECK(engine_request(&engine, MILL_MSG_SET_ACL, &on, sizeof(on), NULL, 0, NULL) == 0, "%s",
	      engine.error);
	send_one(NET(5), 'a', 20);
	CHECK(*counted == 2, "and on again");
	printf("ok ACLs are switched at once\n");
}

static struct mill_lookup_answer look_up(uint32_t address)
{
	struct mill_lookup ask = {.family = 4};
	struct mill_msg message;
	struct mill_lookup_answer answer;
	for (int i = 0; i < 4; i++)
		ask.address[i] = (uint8_t)(address >> (24 - 8 * i));
	CHECK(engine_request(&engine, MILL_MSG_LOOKUP, &ask, sizeof(ask), NULL, 0, &message) == 0, "%s",
	      engine.error);
	CHECK(message.length == sizeof(answer), "%u bytes", message.length);
	memcpy(&answer, message.payload, sizeof(answer));
	return answer;
}

static void lookups(void)
{
	const struct mill_lookup_answer host = look_up(NET(5)), glean = look_up(NET(6)),
	                                none = look_up(0x08080808);
	CHECK(host.kind == MILL_ADJ_FORWARD && host.legs == 1 &&
	          memcmp(host.leg[0].mac, neighbour_mac, 6) == 0 && host.leg[0].iface == 1 &&
	          host.leg[0].address[3] == 5,
	      "the host route");
	CHECK(glean.kind == MILL_ADJ_GLEAN, "the connected network");
	CHECK(none.kind == MILL_ADJ_NONE, "no route");
	const uint8_t few = 4;
	CHECK(engine_request(&engine, MILL_MSG_LOOKUP, &few, 1, NULL, 0, NULL) == EINVAL,
	      "a short message is refused");
	CHECK(engine_request(&engine, (enum mill_msg_type)50, NULL, 0, NULL, 0, NULL) == ENOSYS,
	      "an unknown one too");
	CHECK(engine_request(&engine, MILL_MSG_ADOPT_DONE, NULL, 0, NULL, 0, NULL) == EBUSY,
	      "nothing to adopt");
	printf("ok the compiled FIB answers\n");
}

static void an_unplugged_port(void)
{
	const uint64_t before = engine.state->worker[0].iface[0].drop[MILL_DROP_TOO_BIG];
	engine.n_links = 0;
	mill_pipe_close(&b);
	engine_listen_for(&engine, &engine.n_links, 1);
	CHECK(engine.n_links == 1 && engine.last_link.port == 1 && engine.last_link.up == 0,
	      "the daemon is told");
	send_one(NET(5), 'f', 100);
	CHECK(engine.state->worker[0].iface[0].drop[MILL_DROP_TOO_BIG] == before + 1,
	      "nothing is sent there");
	pipe_connect(&engine, &b, "b");
	engine_listen_for(&engine, &engine.n_links, 2);
	CHECK(engine.n_links == 2 && engine.last_link.up == 1, "and when it is back");
	send_one(NET(5), 'f', 100);
	uint8_t frame[2048];
	CHECK(take_frame(frame, PATIENCE_MS) == 134, "frames are sent again");
	printf("ok a port without its peer is down\n");
}

/* The daemon is stopped, or slow: what it has to know waits for it, and the engine serves others meanwhile. */
static void a_stopped_daemon(void)
{
	engine.n_links = 0;
	for (uint32_t i = 0; i < 50; i++) {
		mill_pipe_close(&b);
		const uint64_t start = test_now();
		pipe_connect(&engine, &b, "b");
		CHECK(test_now() - start < PATIENCE_NS, "the engine is not held up");
		usleep(2000);
	}
	/* Of what came and went while nobody listened, only the last has to be told. */
	engine_listen_for(&engine, &engine.n_links, 2);
	engine_listen(&engine, 500);
	CHECK(engine.last_link.up == 1, "the last of %u notices", engine.n_links);
	CHECK(engine_held_fd(&engine, MILL_HOLD_LISTENER, 1, 1) >= 0,
	      "the descriptor of the last connection");
	printf("ok a stopped daemon holds nothing up and misses nothing\n");
}

/* How often the worker turns without traffic, beside once in 100 ms. Its processor time is for the bench. */
static void idle(enum mill_event_mode mode)
{
	static const char *const specs[] = {"pipe:a", "pipe:b"};
	struct mill_config *config = config_make(engine.state->running + 1, 2, specs);
	config->event_mode = mode;
	engine_deploy(&engine, config, "forwarder_services");
	free(config);
	usleep(300000);
	const uint64_t *turns = &engine.state->worker[0].loops, before = *turns, start = test_now();
	usleep(2000000);
	const uint64_t made = *turns - before, expected = (test_now() - start) / 100000000u;
	CHECK(made > 0 && made <= 2 * expected, "%llu turns, where %llu are enough", (unsigned long long)made,
	      (unsigned long long)expected);
	printf("ok an idle worker rests, mode %d\n", (int)mode);
}

int main(void)
{
	static const char *const specs[] = {"pipe:a", "pipe:b"};
	engine_start(&engine);
	struct mill_config *config = config_make(1, 2, specs);
	engine_deploy(&engine, config, "forwarder_services");
	free(config);
	feed_open(&feed, &engine);
	pipe_connect(&engine, &a, "a");
	pipe_connect(&engine, &b, "b");
	engine_listen(&engine, 20);
	an_unknown_neighbour();
	a_gleaned_neighbour();
	fragments();
	icmp_errors();
	copies();
	limits();
	rejections();
	log_events();
	acl_switch();
	lookups();
	an_unplugged_port();
	a_stopped_daemon();
	nobody_answers();
	usleep(3100000); /* the scan's frames are given up */
	idle(MILL_EVENTS_POLL);
	idle(MILL_EVENTS_ADAPTIVE);
	mill_pipe_close(&a);
	mill_pipe_close(&b);
	engine_stop(&engine);
	return 0;
}
