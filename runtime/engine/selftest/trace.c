/* What a forwarder did with a frame: calls of its services, frames in TX rings, counters. One thread. */
#include <stdlib.h>
#include <string.h>
#include "answer.h"
#include "icmp_message.h"
#include "netmill/packet.h"
#include "selftest/selftest.h"

/* FNV-1a, Fowler, Noll and Vo. */
static uint64_t fnv(uint64_t hash, const void *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ ((const uint8_t *)data)[i]) * 0x100000001b3ull;
	return hash;
}

static void append(struct trace *trace, const void *data, size_t n)
{
	if (trace->n + n > trace->capacity) {
		trace->capacity = (trace->n + n) * 2;
		trace->bytes = realloc(trace->bytes, trace->capacity);
		if (trace->bytes == NULL)
			abort();
	}
	memcpy(trace->bytes + trace->n, data, n);
	trace->n += n;
}

static void action(struct world *world, const struct mill_selftest_action *done, const uint8_t *frame)
{
	struct trace *trace = &world->trace;
	append(trace, done, sizeof(*done));
	append(trace, frame, done->len);
	trace->n_actions++;
	const uint64_t hash = fnv(fnv(0xcbf29ce484222325ull, done, sizeof(*done)), frame, done->len);
	if (done->kind == MILL_SELFTEST_SENT)
		trace->sent[done->slot] = fnv(trace->sent[done->slot], &hash, sizeof(hash));
	else
		trace->sum += hash;
}

void trace_sent(struct world *world, uint16_t port_slot, const uint8_t *frame, uint16_t len)
{
	const struct mill_selftest_action done = {
	    .kind = MILL_SELFTEST_SENT, .slot = port_slot, .len = len, .l3 = 0};
	action(world, &done, frame);
}

static bool punt(struct mill_worker *worker, uint16_t iface, enum mill_punt_class class, const uint8_t *frame,
                 uint16_t len, uint16_t l3)
{
	struct world *world = (struct world *)worker;
	const struct mill_selftest_action done = {
	    .kind = MILL_SELFTEST_PUNT, .class = (uint8_t) class, .slot = iface, .len = len, .l3 = l3};
	if (world->services_take)
		action(world, &done, frame);
	return world->services_take;
}

static bool defer(struct mill_worker *worker, uint32_t adjacency, const uint8_t *nexthop,
                  const uint8_t *frame, uint16_t len, uint16_t l3)
{
	struct world *world = (struct world *)worker;
	const struct mill_adjacency *to = mill_fib_adjacency(worker->fib, adjacency);
	struct mill_selftest_action done = {
	    .kind = MILL_SELFTEST_DEFER, .number = to->key, .len = len, .l3 = l3};
	const bool v4 = to->kind == MILL_ADJ_GLEAN ? frame[l3] >> 4 == 4 : to->family == 4;
	memcpy(done.neighbour, nexthop, v4 ? 4 : 16);
	if (world->services_take)
		action(world, &done, frame);
	return world->services_take;
}

static bool fragment(struct mill_worker *worker, uint32_t adjacency, const uint8_t *frame, uint16_t len,
                     uint16_t l3)
{
	struct world *world = (struct world *)worker;
	const struct mill_adjacency *to = mill_fib_adjacency(worker->fib, adjacency);
	const struct mill_selftest_action done = {
	    .kind = MILL_SELFTEST_FRAGMENT, .number = to->key, .len = len, .l3 = l3};
	if (world->services_take)
		action(world, &done, frame);
	return world->services_take;
}

static void log_event(struct mill_worker *worker, uint32_t rule_slot, uint32_t per_second, uint16_t iface,
                      const uint8_t *frame, uint16_t len, uint16_t l3)
{
	const struct mill_selftest_action done = {.kind = MILL_SELFTEST_LOG,
	                                          .slot = iface,
	                                          .number = rule_slot,
	                                          .per_second = per_second,
	                                          .len = len,
	                                          .l3 = l3};
	action((struct world *)worker, &done, frame);
}

/* As the engine's own does, but for its rate, and the way back. */
static void icmp_error(struct mill_worker *worker, uint16_t iface, uint8_t type, uint8_t code, uint32_t mtu,
                       const uint8_t *frame, uint16_t len, uint16_t l3)
{
	struct world *world = (struct world *)worker;
	const struct mill_iface *from = &worker->ifaces[iface];
	const struct mill_icmp_error error = {.type = type, .code = code, .mtu = mtu};
	struct mill_selftest_action done = {.kind = MILL_SELFTEST_ICMP_ERROR, .slot = iface};
	uint8_t out[MILL_ICMP_LARGEST6];
	struct mill_packet about;
	if (!world->services_take || !mill_icmp_answerable(&about, frame, len, l3))
		return;
	const bool v4 = about.family == 4;
	done.len = (uint16_t)mill_icmp_write(out, v4 ? MILL_ICMP_LARGEST4 : MILL_ICMP_LARGEST6, &about,
	                                     &error, v4 ? from->address4 : from->address6, 0);
	action(world, &done, out);
}

/* As the engine's own does, but for its rate, and the way back. */
static void answer(struct mill_worker *worker, uint16_t iface, uint8_t how, const uint8_t *frame,
                   uint16_t len, uint16_t l3)
{
	struct world *world = (struct world *)worker;
	struct mill_selftest_action done = {.kind = MILL_SELFTEST_RESET, .slot = iface};
	struct mill_icmp_error error = {0};
	struct mill_packet about;
	uint8_t out[MILL_RESET_LARGEST];
	const enum mill_answer_kind kind =
	    mill_answer_kind_of(worker->fib, &about, &error, how, frame, len, l3);
	if (kind == MILL_ANSWER_ICMP)
		icmp_error(worker, iface, error.type, error.code, 0, frame, len, l3);
	if (kind != MILL_ANSWER_RESET || !world->services_take)
		return;
	done.len = (uint16_t)mill_reset_write(out, &about);
	action(world, &done, out);
}

static bool police(struct mill_worker *worker, uint32_t rule_slot, uint64_t cost, uint64_t burst,
                   uint32_t amount)
{
	struct world *world = (struct world *)worker;
	struct mill_selftest_action done = {
	    .kind = MILL_SELFTEST_POLICE, .number = rule_slot, .per_second = amount};
	memcpy(done.neighbour, &cost, sizeof(cost));
	memcpy(done.neighbour + sizeof(cost), &burst, sizeof(burst));
	action(world, &done, done.neighbour);
	return world->services_take;
}

static bool mirror(struct mill_worker *worker, uint16_t port, uint32_t one_in, const uint8_t *frame,
                   uint16_t len)
{
	struct world *world = (struct world *)worker;
	const struct mill_selftest_action done = {
	    .kind = MILL_SELFTEST_MIRROR, .slot = port, .per_second = one_in, .len = len};
	if (world->services_take)
		action(world, &done, frame);
	return world->services_take;
}

static void sample(struct mill_worker *worker, uint32_t rule_slot, uint32_t one_in, uint16_t iface,
                   const uint8_t *frame, uint16_t len, uint16_t l3)
{
	const struct mill_selftest_action done = {.kind = MILL_SELFTEST_SAMPLE,
	                                          .slot = iface,
	                                          .number = rule_slot,
	                                          .per_second = one_in,
	                                          .len = len,
	                                          .l3 = l3};
	action((struct world *)worker, &done, frame);
}

const struct mill_services trace_services = {.punt = punt,
                                             .defer = defer,
                                             .fragment = fragment,
                                             .icmp_error = icmp_error,
                                             .answer = answer,
                                             .police = police,
                                             .mirror = mirror,
                                             .sample = sample,
                                             .log = log_event};

/* A counter's part in the sum is linear, so that frames counted one by one give what their burst gives. */
static void weigh(struct trace *trace, uint64_t of, uint64_t packets, uint64_t bytes)
{
	trace->sum += fnv(0xcbf29ce484222325ull, &of, sizeof(of)) * (packets * 0x9e3779b97f4a7c15ull + bytes);
}

static uint32_t counter(struct world *world, uint16_t iface, uint16_t what, uint64_t packets, uint64_t bytes)
{
	const struct mill_selftest_counter changed = {iface, what, (uint32_t)packets, (uint32_t)bytes};
	if (packets == 0 && bytes == 0)
		return 0;
	append(&world->trace, &changed, sizeof(changed));
	weigh(&world->trace, (uint64_t)iface << 16 | what, packets, bytes);
	return 1;
}

static uint32_t iface_counters(struct world *world, uint16_t slot)
{
	struct mill_iface_counters *now = &world->counters[slot];
	uint32_t n = counter(world, slot, 0, now->rx.packets, now->rx.bytes);
	n += counter(world, slot, 1, now->tx.packets, now->tx.bytes);
	for (uint16_t i = 0; i < MILL_PUNT_CLASSES; i++)
		n += counter(world, slot, 2 + i, now->punt[i].packets, now->punt[i].bytes);
	for (uint16_t i = 0; i < sizeof(now->drop) / sizeof(now->drop[0]); i++)
		n += counter(world, slot, 16 + i, now->drop[i], 0);
	memset(now, 0, sizeof(*now));
	return n;
}

struct changed trace_counters(struct world *world)
{
	struct changed changed = {0, 0};
	for (uint32_t i = 0; i < MILL_MAX_IFACES; i++)
		changed.n_counters += iface_counters(world, (uint16_t)i);
	for (uint32_t i = 0; i < world->n_rule_slots; i++) {
		struct mill_counter *now = &world->rules[i], *policed = &world->policed[i];
		if (now->packets == 0 && now->bytes == 0)
			continue;
		const struct mill_selftest_rule hit = {i, (uint32_t)now->packets, (uint32_t)now->bytes,
		                                       (uint32_t)policed->packets, (uint32_t)policed->bytes};
		append(&world->trace, &hit, sizeof(hit));
		weigh(&world->trace, 1ull << 32 | i, now->packets, now->bytes);
		weigh(&world->trace, 2ull << 32 | i, policed->packets, policed->bytes);
		*now = *policed = (struct mill_counter){0, 0};
		changed.n_rules++;
	}
	return changed;
}

void trace_reset(struct trace *trace)
{
	trace->n = 0;
	trace->n_actions = trace->unannounced = 0;
}
