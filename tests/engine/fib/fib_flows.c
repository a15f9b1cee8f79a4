/*
 * The flow hash on real headers: what tells flows apart, what does not, and how evenly series of flows that networks
 * have (addresses or ports in a row, one host behind another) are spread over legs of different weights.
 * fib_flows_symmetric.c compiles this once more with MILL_SYMMETRIC_FLOWS.
 */
#include <string.h>
#include "netmill/flow.h"
#include "support.h"

#ifdef MILL_SYMMETRIC_FLOWS
#define SYMMETRIC 1
#else
#define SYMMETRIC 0
#endif

struct flow {
	uint8_t family, proto;
	uint8_t src[16], dst[16]; /* IPv4: the last four bytes */
	uint16_t sport, dport;
};

struct about { /* what is not the flow */
	uint8_t ttl, dscp;
	uint16_t id, payload;
	uint32_t label;  /* IPv6 flow label */
	bool fragment;   /* a fragment … */
	uint16_t offset; /* … in units of eight bytes */
	bool hop_by_hop; /* IPv6 header before the transport */
};

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t put_transport(uint8_t *at, const struct flow *flow, const struct about *about)
{
	if (about->offset == 0 && (flow->proto == MILL_TCP || flow->proto == MILL_UDP)) {
		put16(at, flow->sport);
		put16(at + 2, flow->dport);
	} else {
		put16(at, about->payload * 7u); /* data, which is no port */
		put16(at + 2, about->id * 3u);
	}
	return 20u + about->payload;
}

static uint32_t make4(uint8_t *ip, const struct flow *flow, const struct about *about)
{
	const uint32_t total = 20 + put_transport(ip + 20, flow, about);
	uint32_t sum = 0;
	ip[0] = 0x45;
	ip[1] = (uint8_t)(about->dscp << 2);
	put16(ip + 2, total);
	put16(ip + 4, about->id);
	put16(ip + 6, about->fragment ? about->offset | (about->offset < 100 ? 0x2000u : 0) : 0);
	ip[8] = about->ttl;
	ip[9] = flow->proto;
	memcpy(ip + 12, flow->src + 12, 4);
	memcpy(ip + 16, flow->dst + 12, 4);
	for (uint32_t i = 0; i < 20; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, ~(sum + (sum >> 16)));
	return total;
}

static uint32_t make6(uint8_t *ip, const struct flow *flow, const struct about *about)
{
	uint32_t at = 40;
	uint8_t *next = ip + 6;
	if (about->hop_by_hop) {
		*next = 0;
		next = ip + at;
		at += 8;
	}
	if (about->fragment) {
		*next = MILL_FRAG;
		next = ip + at;
		put16(ip + at + 2, about->offset * 8u | (about->offset < 100));
		at += 8;
	}
	*next = flow->proto;
	at += put_transport(ip + at, flow, about);
	ip[0] = (uint8_t)(0x60 | about->dscp >> 2);
	ip[1] = (uint8_t)(about->dscp << 6 | (about->label >> 16 & 15));
	put16(ip + 2, about->label);
	put16(ip + 4, at - 40);
	ip[7] = about->ttl;
	memcpy(ip + 8, flow->src, 16);
	memcpy(ip + 24, flow->dst, 16);
	return at;
}

static uint32_t hash_of(const struct flow *flow, const struct about *about)
{
	uint8_t frame[2048] = {0};
	struct mill_packet p = {.frame = frame, .l3 = frame + 14};
	p.len = 14 + (flow->family == 4 ? make4(p.l3, flow, about) : make6(p.l3, flow, about));
	CHECK((flow->family == 4 ? mill_read_ipv4(&p) : mill_read_ipv6(&p)) < 0, "a packet in order");
	return mill_flow_hash(&p);
}

static const struct about plain = {.ttl = 64, .id = 1, .payload = 40};

static struct flow some_flow(struct random *random, uint8_t family, uint8_t proto)
{
	struct flow flow = {.family = family, .proto = proto};
	for (uint32_t i = 0; i < 16; i++) {
		flow.src[i] = (uint8_t)random_next(random);
		flow.dst[i] = (uint8_t)random_next(random);
	}
	flow.sport = (uint16_t)(1024 + random_below(random, 60000));
	flow.dport = (uint16_t)(1 + random_below(random, 1000));
	return flow;
}

static struct flow turned(const struct flow *flow)
{
	struct flow back = *flow;
	memcpy(back.src, flow->dst, 16);
	memcpy(back.dst, flow->src, 16);
	back.sport = flow->dport;
	back.dport = flow->sport;
	return back;
}

static void a_flow_is_its_five_fields(void)
{
	struct random random = {5};
	uint32_t turned_alike = 0;
	for (uint32_t i = 0; i < 4000; i++) {
		const struct flow flow = some_flow(&random, i % 2 ? 4 : 6, i % 4 < 2 ? MILL_TCP : MILL_UDP);
		const uint32_t hash = hash_of(&flow, &plain);
		const struct about other = {.ttl = 3,
		                            .dscp = 46,
		                            .id = (uint16_t)i,
		                            .payload = (uint16_t)random_below(&random, 900),
		                            .label = (uint32_t)random_next(&random) & 0xfffff,
		                            .hop_by_hop = i % 8 == 0};
		CHECK(hash_of(&flow, &other) == hash, "nothing else matters");
		struct flow changed[5];
		for (uint32_t k = 0; k < 5; k++)
			changed[k] = flow;
		changed[0].src[15] ^= 1;
		changed[1].dst[12] ^= 0x80;
		changed[2].sport ^= 1;
		changed[3].dport ^= 0x100;
		changed[4].proto ^= MILL_TCP ^ MILL_UDP;
		for (uint32_t k = 0; k < 5; k++)
			CHECK(hash_of(&changed[k], &plain) != hash, "field %u matters", k);
		const struct flow back = turned(&flow);
		turned_alike += hash_of(&back, &plain) == hash;
	}
	CHECK(turned_alike == (SYMMETRIC ? 4000 : 0), "the answers of %u flows of 4000 are theirs",
	      turned_alike);
}

/* RFC 791: the later parts have no ports. All parts of a packet go one way, and it is that of their 3-tuple. */
static void fragments_stay_together(void)
{
	struct random random = {6};
	for (uint32_t i = 0; i < 2000; i++) {
		const struct flow flow = some_flow(&random, i % 2 ? 4 : 6, MILL_UDP);
		const uint32_t label = i & 0xfffff;
		struct about part = {
		    .ttl = 64, .id = (uint16_t)i, .payload = 80, .label = label, .fragment = true};
		const uint32_t first = hash_of(&flow, &part);
		part.offset = 10;
		CHECK(hash_of(&flow, &part) == first, "the second part");
		part.offset = 150;
		part.payload = 3;
		CHECK(hash_of(&flow, &part) == first, "the last part");
		struct flow other = flow;
		other.sport++;
		part.offset = 0;
		CHECK(hash_of(&other, &part) == first, "whatever the ports");
		other = turned(&flow);
		CHECK((hash_of(&other, &part) == first) == SYMMETRIC, "both directions");
	}
}

/* ESP and the like have no ports: the label is all that tells their flows apart. RFC 6438 */
static void labels_stand_in_for_ports(void)
{
	struct random random = {7};
	uint32_t alike = 0;
	for (uint32_t i = 0; i < 2000; i++) {
		const struct flow flow = some_flow(&random, 6, 50);
		struct about about = plain;
		const uint32_t hash = hash_of(&flow, &about);
		about.label = 1 + i;
		alike += hash_of(&flow, &about) == hash;
	}
	CHECK(alike == (SYMMETRIC ? 2000 : 0), "%u of 2000 flows do not depend on their label", alike);
}

enum series { HOSTS, PORTS, NETWORKS, PAIRS, ANYTHING, SERIES };

static struct flow flow_in_series(enum series series, uint8_t family, uint32_t i, struct random *random)
{
	struct flow flow = {.family = family,
	                    .proto = MILL_UDP,
	                    .src = {0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1},
	                    .dst = {0x20, 1, 0xd, 0xb8, 0, 2, 0, 0, 0, 0, 0, 0, 10, 9, 0, 1},
	                    .sport = 40000,
	                    .dport = 443};
	switch (series) {
	case HOSTS:
		put16(flow.src + 14, i);
		return flow;
	case PORTS:
		flow.sport = (uint16_t)(1024 + i);
		return flow;
	case NETWORKS: /* one host each */
		put16(family == 4 ? flow.dst + 13 : flow.dst + 4, i);
		return flow;
	case PAIRS: /* source and destination count together */
		put16(flow.src + 14, i);
		put16(flow.dst + 14, i);
		return flow;
	default:
		return some_flow(random, family, MILL_UDP);
	}
}

#define N 40000u

/* Three legs of weights 1, 2 and 5: due shares within 5 % of what is due, as chance has it for so many flows. */
static void series_are_spread_by_weight(uint8_t family)
{
	struct fixture *f = fixture_new();
	struct mill_fib_leg leg[3] = {{1, 1}, {2, 2}, {3, 5}};
	struct random random = {8};
	const uint8_t any[16] = {0};
	for (uint32_t i = 1; i <= 3; i++)
		fixture_apply(f, record_adjacency(i, MILL_ADJ_FORWARD, (uint16_t)i, i));
	fixture_group(f, 1, leg, 3);
	fixture_apply(f, record_route(MILL_FIB_ROUTE_SET, 4, any, 0, 1));
	for (enum series series = HOSTS; series < SERIES; series++) {
		uint32_t got[4] = {0}, bucket[64] = {0};
		for (uint32_t i = 0; i < N; i++) {
			const struct flow flow = flow_in_series(series, family, i, &random);
			const uint32_t hash = hash_of(&flow, &plain);
			got[mill_fib_select(f->fib, f->fib->default4, hash)->iface]++;
			bucket[hash & 63]++;
		}
		double square = 0;
		for (uint32_t i = 0; i < 64; i++)
			square += (bucket[i] - N / 64.0) * (bucket[i] - N / 64.0) / (N / 64.0);
		CHECK(square < 120, "series %u over 64 buckets: chi-square %.0f for 63 degrees", series,
		      square);
		for (uint32_t i = 0; i < 3; i++) {
			const double due = (double)N * leg[i].weight / 8;
			CHECK(got[i + 1] > due * 0.95 && got[i + 1] < due * 1.05,
			      "series %u, leg %u: %.0f due, got %u", series, i, due, got[i + 1]);
		}
		printf("ok IPv%u, series %u: %.1f %.1f %.1f %% for weights 1 2 5, chi-square %.0f\n", family,
		       series, got[1] * 100.0 / N, got[2] * 100.0 / N, got[3] * 100.0 / N, square);
	}
	fixture_free(f);
}

int main(void)
{
	a_flow_is_its_five_fields();
	printf("ok a flow is its five fields\n");
	fragments_stay_together();
	printf("ok fragments stay together\n");
	labels_stand_in_for_ports();
	printf("ok labels stand in for ports\n");
	series_are_spread_by_weight(4);
	series_are_spread_by_weight(6);
	return 0;
}
