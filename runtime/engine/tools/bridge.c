/*
 * netmill-bridge: whatever one port receives leaves by another, and the other way round, or goes up to the host stack
 * behind the port. Without a copy where both ports have their buffers in one memory. What the far side has no room for
 * stays where it is. The program behind `netmill bridge`; it answers with JSON, a line a second and one at the end.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include "tools/end.h"

#define BEAT_NS   2000000ull
#define REPORT_NS 1000000000ull
#define SPIN_NS   200000ull /* without a packet, before it rests */
#define HOST      "host"

static volatile sig_atomic_t interrupted;

struct way {
	struct mill_end *from, *to; /* to NULL: the host stack of `from` */
	uint64_t packets, bytes, refused;
};

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void copy(const struct netmap_ring *from, const struct netmap_slot *in, struct netmap_ring *to,
                 struct netmap_slot *out)
{
	mill_slot_set_offset(to, out, MILL_HEADROOM);
	memcpy(mill_ring_buffer(to, out), mill_ring_buffer(from, in), in->len);
	out->len = in->len;
	out->flags &= NS_BUF_CHANGED;
}

static bool is_tag(const uint8_t *type)
{
	return (type[0] == 0x81 && type[1] == 0) || (type[0] == 0x88 && type[1] == 0xa8);
}

/* Does a packet of at most this size lie in the frame? Tags are no part of it. */
static bool holds(const uint8_t *frame, uint32_t len, uint32_t most)
{
	uint32_t link = 14;
	if (len <= most + link) /* so that frames are not looked at that need not be */
		return true;
	while (link + 4 <= len && link < 22 && is_tag(frame + link - 2))
		link += 4;
	return len <= most + link;
}

static void pass(struct way *way, struct netmap_ring *from, struct netmap_ring *to)
{
	struct netmap_slot *in = &from->slot[from->cur], *out = &to->slot[to->head];
	const bool one_memory = mill_same_memory(from, to);
	if (!holds(mill_ring_buffer(from, in), in->len, one_memory ? way->to->carried : way->to->most)) {
		way->refused++;
		return;
	}
	way->packets++;
	way->bytes += in->len;
	if (one_memory)
		mill_slot_swap(out, in, in->len);
	else
		copy(from, in, to, out);
	to->head = to->cur = mill_ring_next(to, to->head);
}

static void raise_frame(struct way *way, uint32_t number, struct netmap_ring *from)
{
	struct netmap_slot *slot = &from->slot[from->cur];
	struct mill_port *port = &way->from->port;
	const bool marked = port->ops->pass_up != NULL && port->ops->pass_up(port, number, slot);
	if (!marked && !port->ops->inject(port, mill_ring_buffer(from, slot), slot->len)) {
		way->refused++;
		return;
	}
	way->packets++;
	way->bytes += slot->len;
}

static bool serve_ring(struct way *way, uint32_t number)
{
	struct netmap_ring *from = way->from->rx[number], *to = NULL;
	const uint32_t out = way->to != NULL ? number % way->to->tx_rings : 0;
	mill_end_rx_sync(way->from, number);
	uint32_t n = mill_ring_space(from);
	if (way->to != NULL) {
		to = way->to->tx[out];
		const uint32_t room = mill_ring_space(to);
		n = n < room ? n : room;
	}
	for (uint32_t i = 0; i < n; i++, from->cur = mill_ring_next(from, from->cur))
		if (!mill_end_is_frame(&from->slot[from->cur]))
			continue;
		else if (to != NULL)
			pass(way, from, to);
		else
			raise_frame(way, number, from);
	from->head = from->cur;
	if (to != NULL)
		mill_end_tx_sync(way->to, out);
	return n != 0;
}

static bool serve(struct way *way)
{
	bool work = false;
	for (uint32_t ring = 0; ring < way->from->rx_rings; ring++)
		work |= serve_ring(way, ring);
	return work;
}

static void report(const struct way *there, const struct way *back, uint64_t elapsed_ns, bool done)
{
	printf("{%s\"ms\":%" PRIu64 ",\"there\":{\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64
	       ",\"refused\":%" PRIu64 "}",
	       done ? "\"done\":true," : "", elapsed_ns / 1000000, there->packets, there->bytes,
	       there->refused);
	if (back->from != NULL)
		printf(",\"back\":{\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"refused\":%" PRIu64 "}",
		       back->packets, back->bytes, back->refused);
	printf("}\n");
	fflush(stdout);
}

static void run(struct way *there, struct way *back, uint64_t limit_ns, struct mill_error *error)
{
	const uint64_t start = now_ns();
	uint64_t beaten = 0, reported = start, worked = start, now;
	struct mill_end *resting = there->from;
	while (!interrupted && ((now = now_ns()) - start < limit_ns || limit_ns == 0)) {
		if (now - beaten > BEAT_NS) {
			mill_end_beat(there->from, beaten = now);
			if (back->from != NULL)
				mill_end_beat(back->from, now);
			if (mill_end_lost(there->from, error) ||
			    (back->from != NULL && mill_end_lost(back->from, error)))
				break;
		}
		const bool work = serve(there) | (back->from != NULL && serve(back));
		worked = work ? now : worked;
		if (now - reported >= REPORT_NS) {
			reported += REPORT_NS;
			report(there, back, now - start, false);
		}
		if (now - worked < SPIN_NS)
			continue;
		/* One port can be waited for: each in its turn. */
		mill_end_wait(resting, 1);
		resting = resting == there->from && back->from != NULL ? back->from : there->from;
	}
	mill_end_beat(there->from, 0);
	if (back->from != NULL)
		mill_end_beat(back->from, 0);
	report(there, back, now_ns() - start, true);
}

static bool to_host(const struct mill_end *end, struct mill_error *error)
{
	if (!end->is_peer && end->port.ops->inject != NULL)
		return true;
	mill_fail(error, EINVAL, "%s: there is no host stack behind this port", end->spec);
	return false;
}

static bool sends(const struct mill_end *end, struct mill_error *error)
{
	if (end->tx_rings != 0)
		return true;
	mill_fail(error, EINVAL, "%s: it only receives", end->spec);
	return false;
}

/* PORT PORT|host MILLISECONDS RUNDIR; 0 milliseconds: until it is interrupted. */
int main(int argc, char **argv)
{
	static struct mill_region region;
	static struct mill_end one, two;
	struct mill_error error = {0};
	char *end = NULL;
	const uint64_t ms = argc == 5 ? strtoull(argv[3], &end, 10) : 0;
	if (argc != 5 || *end != '\0') {
		fprintf(stderr, "usage: netmill-bridge PORT PORT|" HOST
		                " MILLISECONDS RUNDIR; see netmill bridge --help\n");
		return EX_USAGE;
	}
	const bool host = strcmp(argv[2], HOST) == 0;
	signal(SIGINT, interrupt);
	signal(SIGTERM, interrupt);
	bool ok = mill_end_region(&region, argv[1], host ? NULL : argv[2], 0, &error) &&
	          mill_end_open(&one, argv[1], &region, 0, argv[4], &error);
	ok = ok && (host ? to_host(&one, &error)
	                 : sends(&one, &error) && mill_end_open(&two, argv[2], &region, 1, argv[4], &error) &&
	                       sends(&two, &error));
	if (ok) {
		struct way there = {.from = &one, .to = host ? NULL : &two};
		struct way back = {.from = host ? NULL : &two, .to = &one};
		run(&there, &back, ms * 1000000u, &error);
	}
	mill_end_close(&two);
	mill_end_close(&one);
	if (error.code != 0)
		fprintf(stderr, "netmill-bridge: %s\n", error.text);
	return error.code == 0 ? EX_OK : error.code == EINVAL ? EX_USAGE : EX_UNAVAILABLE;
}
