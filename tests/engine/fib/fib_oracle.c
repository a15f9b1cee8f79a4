/*
 * Random operations on the FIB writer, and beside it a model that cannot be wrong: lists, searched from one end to
 * the other. After each round both must agree, for the first and last address of every prefix, the neighbours of
 * those, and random addresses, in both families. Replays in between change every number of the daemon's, and
 * sometimes leave routes out. At the end everything is deleted, and nothing may be left allocated.
 *
 *   fib_oracle SEED ROUNDS
 */
#include <string.h>
#include "support.h"

#define ROUTES      400u
#define GROUPS      40u
#define ADJACENCIES 30u
#define OPERATIONS  60u

struct route {
	bool used;
	int family;
	uint8_t address[16];
	uint8_t length;
	uint32_t group; /* index into the model's groups */
};

struct group {
	bool used;
	uint32_t n;
	struct mill_fib_leg leg[12]; /* adjacency = index into the model's adjacencies */
};

struct adjacency {
	bool used;
	uint8_t kind;
	uint16_t iface;
	uint32_t mac;
};

struct model {
	struct random random;
	struct fixture *f;
	uint32_t base; /* the daemon's numbers are base + index: another base in each replay */
	struct route route[ROUTES];
	struct group group[GROUPS];
	struct adjacency adjacency[ADJACENCIES];
	uint32_t gateway[32]; /* group index + 1, 0 none */
	uint64_t checks;
};

static void apply(struct model *m, struct mill_fib_record record)
{
	CHECK(fixture_apply(m->f, record) == MILL_FIB_APPLIED, "operation %u of id %u", record.op, record.id);
}

/* Few different bits, so that prefixes nest, touch and share nodes; all depths of the trie. */
static void random_address(struct model *m, int family, uint8_t address[16])
{
	static const uint8_t bytes[] = {0, 1, 0x7f, 0x80, 0xfe, 0xff};
	memset(address, 0, 16);
	const uint32_t fixed = random_below(&m->random, family == 4 ? 4 : 16);
	for (uint32_t i = 0; i < (family == 4 ? 4u : 16u); i++)
		address[i] = i < fixed ? (i == 0 ? 10 : 1) : bytes[random_below(&m->random, sizeof(bytes))];
	if (random_below(&m->random, 4) == 0)
		address[random_below(&m->random, family == 4 ? 4 : 16)] = (uint8_t)random_next(&m->random);
}

static void cut(uint8_t address[16], unsigned length)
{
	for (unsigned bit = length; bit < 128; bit++)
		address[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
}

static unsigned random_length(struct model *m, int family)
{
	const unsigned bits = family == 4 ? 32 : 128;
	switch (random_below(&m->random, 6)) {
	case 0:
		return 8 * random_below(&m->random, bits / 8 + 1);
	case 1:
		return bits - random_below(&m->random, 3);
	case 2:
		return 20 + random_below(&m->random, 12);
	default:
		return random_below(&m->random, bits + 1);
	}
}

static struct route *find_route(struct model *m, int family, const uint8_t *address, unsigned length)
{
	for (uint32_t i = 0; i < ROUTES; i++)
		if (m->route[i].used && m->route[i].family == family && m->route[i].length == length &&
		    memcmp(m->route[i].address, address, 16) == 0)
			return &m->route[i];
	return NULL;
}

static void set_adjacency(struct model *m, uint32_t i)
{
	struct adjacency *a = &m->adjacency[i];
	*a = (struct adjacency){true, (uint8_t)(1 + random_below(&m->random, 8)),
	                        (uint16_t)random_below(&m->random, 200), (uint32_t)random_next(&m->random)};
	apply(m, record_adjacency(m->base + i, a->kind, a->iface, a->mac));
}

static void send_group(struct model *m, uint32_t i)
{
	struct mill_fib_leg leg[12];
	for (uint32_t k = 0; k < m->group[i].n; k++)
		leg[k] =
		    (struct mill_fib_leg){m->base + m->group[i].leg[k].adjacency, m->group[i].leg[k].weight};
	fixture_group(m->f, m->base + i, leg, m->group[i].n);
}

static void set_group(struct model *m, uint32_t i)
{
	struct group *g = &m->group[i];
	g->used = true;
	g->n = random_below(&m->random, 3) ? 1 : random_below(&m->random, 13);
	for (uint32_t k = 0; k < g->n; k++) {
		g->leg[k].adjacency = random_below(&m->random, ADJACENCIES);
		g->leg[k].weight = 1 + random_below(&m->random, 9);
		if (!m->adjacency[g->leg[k].adjacency].used)
			set_adjacency(m, g->leg[k].adjacency);
	}
	send_group(m, i);
}

static void set_route(struct model *m)
{
	uint8_t address[16];
	const int family = random_below(&m->random, 2) ? 4 : 6;
	const unsigned length = random_length(m, family);
	const uint32_t group = random_below(&m->random, GROUPS);
	random_address(m, family, address);
	cut(address, length);
	struct route *route = find_route(m, family, address, length);
	for (uint32_t i = 0; route == NULL && i < ROUTES; i++)
		if (!m->route[i].used)
			route = &m->route[i];
	if (route == NULL)
		return;
	if (!m->group[group].used)
		set_group(m, group);
	route->used = true;
	route->family = family;
	route->length = (uint8_t)length;
	route->group = group;
	memcpy(route->address, address, 16);
	apply(m, record_route(MILL_FIB_ROUTE_SET, family, address, length, m->base + group));
}

static void delete_route(struct model *m, struct route *route)
{
	if (!route->used)
		return;
	route->used = false;
	apply(m, record_route(MILL_FIB_ROUTE_DEL, route->family, route->address, route->length, 0));
}

static bool group_in_use(const struct model *m, uint32_t i)
{
	for (uint32_t r = 0; r < ROUTES; r++)
		if (m->route[r].used && m->route[r].group == i)
			return true;
	for (uint32_t g = 0; g < 32; g++)
		if (m->gateway[g] == i + 1)
			return true;
	return false;
}

static bool adjacency_in_use(const struct model *m, uint32_t i)
{
	for (uint32_t g = 0; g < GROUPS; g++)
		for (uint32_t k = 0; m->group[g].used && k < m->group[g].n; k++)
			if (m->group[g].leg[k].adjacency == i)
				return true;
	return false;
}

static void delete_group(struct model *m, uint32_t i)
{
	if (!m->group[i].used || group_in_use(m, i))
		return;
	m->group[i].used = false;
	apply(m, record_simple(MILL_FIB_GROUP_DEL, m->base + i, 0));
}

static void delete_adjacency(struct model *m, uint32_t i)
{
	if (!m->adjacency[i].used || adjacency_in_use(m, i))
		return;
	m->adjacency[i].used = false;
	apply(m, record_simple(MILL_FIB_ADJACENCY_DEL, m->base + i, 0));
}

static void set_gateway(struct model *m)
{
	const uint32_t slot = random_below(&m->random, 32);
	const uint32_t group = random_below(&m->random, GROUPS);
	m->gateway[slot] = random_below(&m->random, 3) && m->group[group].used ? group + 1 : 0;
	apply(m, record_simple(MILL_FIB_GATEWAY_SET, slot, m->gateway[slot] ? m->base + group : 0));
}

static void change_iface(struct model *m)
{
	const uint16_t slot = (uint16_t)random_below(&m->random, 200);
	m->f->iface[slot].mac ^= 1ull << (24 + random_below(&m->random, 24));
	m->f->iface[slot].n_tags = (uint8_t)random_below(&m->random, 3);
	m->f->iface[slot].port = (uint16_t)random_below(&m->random, 8);
	CHECK(mill_fib_writer_iface_changed(&m->f->writer, slot), "room");
}

/* A new daemon: other numbers for everything; what it does not say is gone afterwards. */
static void replay(struct model *m, bool finish)
{
	m->base = m->base * 3 + 1000;
	apply(m, record_simple(MILL_FIB_SYNC_BEGIN, 0, 0));
	for (uint32_t i = 0; i < ADJACENCIES; i++)
		if (m->adjacency[i].used)
			apply(m, record_adjacency(m->base + i, m->adjacency[i].kind, m->adjacency[i].iface,
			                          m->adjacency[i].mac));
	for (uint32_t i = 0; i < GROUPS; i++)
		if (m->group[i].used)
			send_group(m, i);
	for (uint32_t i = 0; i < 32; i++)
		if (m->gateway[i])
			apply(m, record_simple(MILL_FIB_GATEWAY_SET, i, m->base + m->gateway[i] - 1));
	for (uint32_t i = 0; i < ROUTES; i++) {
		struct route *route = &m->route[i];
		if (!route->used)
			continue;
		if (finish && random_below(&m->random, 20) == 0)
			route->used = false;
		else if (finish || random_below(&m->random, 2))
			apply(m, record_route(MILL_FIB_ROUTE_SET, route->family, route->address,
			                      route->length, m->base + route->group));
	}
	if (finish)
		apply(m, record_simple(MILL_FIB_SYNC_END, 0, 0));
}

static void operate(struct model *m)
{
	const uint32_t what = random_below(&m->random, 100);
	if (what < 45)
		set_route(m);
	else if (what < 70)
		delete_route(m, &m->route[random_below(&m->random, ROUTES)]);
	else if (what < 78)
		set_group(m, random_below(&m->random, GROUPS));
	else if (what < 82)
		delete_group(m, random_below(&m->random, GROUPS));
	else if (what < 88)
		set_adjacency(m, random_below(&m->random, ADJACENCIES));
	else if (what < 92)
		delete_adjacency(m, random_below(&m->random, ADJACENCIES));
	else if (what < 96)
		set_gateway(m);
	else
		change_iface(m);
}

/* --- comparison ------------------------------------------------------------------------------------------- */

static bool contains(const struct route *route, const uint8_t *address)
{
	uint8_t masked[16];
	memcpy(masked, address, 16);
	cut(masked, route->length);
	return memcmp(masked, route->address, 16) == 0;
}

static const struct route *longest(const struct model *m, int family, const uint8_t *address)
{
	const struct route *best = NULL;
	for (uint32_t i = 0; i < ROUTES; i++) {
		const struct route *route = &m->route[i];
		if (route->used && route->family == family && contains(route, address) &&
		    (best == NULL || route->length > best->length))
			best = route;
	}
	return best;
}

static void check_rewrite(const struct model *m, const struct mill_adjacency *found, uint32_t index)
{
	const struct adjacency *a = &m->adjacency[index];
	const struct mill_iface *iface = &m->f->iface[a->iface];
	CHECK(found->kind == a->kind && found->iface == a->iface, "adjacency %u", index);
	CHECK(memcmp(found->rewrite + 2, &a->mac, 4) == 0, "MAC of adjacency %u", index);
	CHECK(mill_fib_adjacency(m->f->fib, found->id) == found, "id of adjacency %u", index);
	if (a->kind != MILL_ADJ_FORWARD)
		return;
	CHECK(found->rewrite_len == 12 + 4 * iface->n_tags, "tags of adjacency %u", index);
	CHECK(memcmp(found->rewrite + 6, &iface->mac, 6) == 0, "source MAC of adjacency %u", index);
	CHECK(memcmp(found->rewrite + 12, iface->tags, 4 * iface->n_tags) == 0, "tags of adjacency %u",
	      index);
	CHECK(found->port == iface->port && found->mtu == iface->mtu, "port of adjacency %u", index);
}

static void check_group(struct model *m, uint32_t slot, const struct group *group)
{
	const struct mill_fib *fib = m->f->fib;
	if (group == NULL || group->n == 0) {
		CHECK(mill_fib_select(fib, slot, 7)->kind == MILL_ADJ_NONE, "no path from group slot %u",
		      slot);
		return;
	}
	for (uint32_t try = 0; try < 4; try++) {
		const struct mill_adjacency *found =
		    mill_fib_select(fib, slot, (uint32_t)random_next(&m->random));
		uint32_t k = 0;
		while (k < group->n && m->base + group->leg[k].adjacency != found->key)
			k++;
		CHECK(k < group->n, "a leg of the group, got adjacency key %u", found->key);
		check_rewrite(m, found, group->leg[k].adjacency);
	}
}

static bool leads_here(const struct model *m, const struct group *group)
{
	for (uint32_t k = 0; k < group->n; k++)
		if (m->adjacency[group->leg[k].adjacency].kind == MILL_ADJ_LOCAL)
			return true;
	return false;
}

/* The filter of the router's own addresses: all bits while a network is its own, else those of its hosts. */
static void check_own4(const struct model *m)
{
	uint64_t bits[MILL_OWN4_BITS / 64] = {0};
	for (uint32_t i = 0; i < ROUTES; i++) {
		const struct route *route = &m->route[i];
		uint32_t host;
		if (!route->used || route->family != 4 || !leads_here(m, &m->group[route->group]))
			continue;
		if (route->length != 32)
			memset(bits, 0xff, sizeof(bits));
		memcpy(&host, route->address, 4);
		const uint32_t bit = mill_own4_bit(__builtin_bswap32(host));
		bits[bit / 64] |= 1ull << bit % 64;
	}
	CHECK(memcmp(bits, m->f->fib->own4, sizeof(bits)) == 0, "the filter of own addresses");
}

static void check_address(struct model *m, int family, const uint8_t *address)
{
	uint32_t host;
	memcpy(&host, address, 4);
	const uint32_t slot =
	    family == 4 ? lookup4(m->f->fib, __builtin_bswap32(host)) : lookup6(m->f->fib, address);
	const struct route *route = longest(m, family, address);
	CHECK((slot != 0) == (route != NULL), "family %d address %08x: group slot %u, length %d", family,
	      __builtin_bswap32(host), slot, route ? route->length : -1);
	check_group(m, slot, route ? &m->group[route->group] : NULL);
	m->checks++;
}

static void step(uint8_t address[16], int family, int by)
{
	for (int i = (family == 4 ? 4 : 16) - 1; i >= 0; i--) {
		address[i] = (uint8_t)(address[i] + by);
		if (address[i] != (by > 0 ? 0 : 0xff))
			return;
	}
}

static void check_all(struct model *m)
{
	uint8_t address[16];
	check_own4(m);
	for (uint32_t i = 0; i < ROUTES; i++) {
		const struct route *route = &m->route[i];
		if (!route->used)
			continue;
		memcpy(address, route->address, 16);
		check_address(m, route->family, address);
		step(address, route->family, -1);
		check_address(m, route->family, address);
		memcpy(address, route->address, 16);
		for (unsigned bit = route->length; bit < (route->family == 4 ? 32u : 128u); bit++)
			address[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
		check_address(m, route->family, address);
		step(address, route->family, 1);
		check_address(m, route->family, address);
	}
	for (uint32_t i = 0; i < 200; i++) {
		const int family = i % 2 ? 4 : 6;
		random_address(m, family, address);
		check_address(m, family, address);
	}
	for (uint32_t i = 0; i < 32; i++) {
		const uint32_t slot = mill_fib_gateway(m->f->fib, i);
		CHECK((slot != 0) == (m->gateway[i] != 0), "gateway %u", i);
		check_group(m, slot, m->gateway[i] ? &m->group[m->gateway[i] - 1] : NULL);
	}
}

/* Lookups of many at once say the same as of one, whatever way the processor takes. */
static void check_batches(struct model *m)
{
	uint32_t host[150], group[150];
	uint8_t address[150][16];
	const uint32_t n = 1 + random_below(&m->random, 150);
	for (uint32_t i = 0; i < n; i++) {
		const struct route *route = &m->route[random_below(&m->random, ROUTES)];
		random_address(m, 4, address[i]);
		if (route->used && route->family == 4)
			memcpy(address[i], route->address, 16);
		host[i] =
		    (uint32_t)address[i][0] << 24 | address[i][1] << 16 | address[i][2] << 8 | address[i][3];
	}
	static void (*const by4[])(const struct mill_fib *, const uint32_t *, uint32_t *,
	                           unsigned) = {mill_fib_lookup4, mill_radix_lookup4, mill_dxr_lookup4};
	static void (*const by6[])(const struct mill_fib *, const uint8_t(*)[16], uint32_t *,
	                           unsigned) = {mill_fib_lookup6, mill_radix_lookup6, mill_dxr_lookup6};
	for (uint32_t method = 0; method < 3; method++) {
		by4[method](m->f->fib, host, group, n);
		for (uint32_t i = 0; i < n; i++)
			CHECK(group[i] == lookup4(m->f->fib, host[i]), "method %u: %08x, number %u of %u",
			      method, host[i], i, n);
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct route *route = &m->route[random_below(&m->random, ROUTES)];
		random_address(m, 6, address[i]);
		if (route->used && route->family == 6)
			memcpy(address[i], route->address, 16);
	}
	for (uint32_t method = 0; method < 3; method++) {
		by6[method](m->f->fib, (const uint8_t(*)[16])address, group, n);
		for (uint32_t i = 0; i < n; i++)
			CHECK(group[i] == lookup6(m->f->fib, address[i]), "method %u: IPv6, number %u of %u",
			      method, i, n);
	}
}

/* Nothing is left in a structure but what was freed. */
static void check_freed(const struct mill_compact *compact)
{
	uint32_t freed = 0;
	if (!compact->on)
		return; /* given up when the tables became wide */
	for (uint32_t units = 1; units < MILL_COMPACT_CLASSES; units++)
		for (uint32_t at = compact->free[units]; at != 0; freed += units)
			memcpy(&at, compact->blocks + (size_t)(at - 1) * 8, sizeof(at));
	CHECK(freed == compact->next - MILL_COMPACT_FIRST, "%u units freed of %u", freed,
	      compact->next - MILL_COMPACT_FIRST);
	for (uint32_t i = 0; i < MILL_COMPACT_INDEX / 4; i++)
		CHECK(compact->index[i] == 0, "nothing in index word %u", i);
}

/* The same of IPv6's cells and runs. */
static void check_flat6_freed(const struct mill_flat6 *flat)
{
	uint32_t freed = 0;
	for (uint32_t i = 0; i < MILL_FLAT6_BLOCK; i++)
		CHECK(flat->longer[i] == 0, "no longer prefixes in /16 number %x", i);
	if (!flat->on)
		return;
	for (uint32_t size = 0; size < MILL_FLAT6_SIZES; size++)
		for (uint32_t at = flat->free[size]; at != 0; freed += 1u << size)
			memcpy(&at, flat->runs + (size_t)(at - 1) * MILL_FLAT6_UNIT, sizeof(at));
	CHECK(freed == flat->next, "%u units freed of %u", freed, flat->next);
	CHECK(flat->blocks.n_free == flat->blocks.next - 1, "%u blocks freed of %u", flat->blocks.n_free,
	      flat->blocks.next - 1);
	for (uint32_t i = 0; i < MILL_FLAT6_BLOCK; i++)
		CHECK(flat->lead[i] == 0, "nothing in lead word %x", i);
}

/* No more nodes of two depths: as soon as one of them is wanted, entries of 32 bits take over. */
static void crowd(struct model *m)
{
	struct mill_dir *dir4 = &m->f->writer.dir4, *dir6 = &m->f->writer.dir6;
	dir4->slots[0].limit = dir4->slots[0].next - dir4->slots[0].n_free;
	dir6->slots[2].limit = dir6->slots[2].next - dir6->slots[2].n_free;
}

/* After a replay of nothing, everything is free again. */
static void check_empty(struct model *m)
{
	struct mill_fib_writer *w = &m->f->writer;
	mill_fib_writer_keep(w, ALL_METHODS);
	apply(m, record_simple(MILL_FIB_SYNC_BEGIN, 0, 0));
	apply(m, record_simple(MILL_FIB_SYNC_END, 0, 0));
	mill_qsbr_drain(&m->f->qsbr, 100);
	CHECK(w->prefixes4.n == 0 && w->prefixes6.n == 0, "no prefixes");
	CHECK(mill_dir_nodes(&w->dir4) == 0, "no IPv4 nodes");
	CHECK(mill_dir_nodes(&w->dir6) == 0, "no IPv6 nodes");
	CHECK(w->groups.n == 0 && w->groups.slots.n_free == w->groups.slots.next - 2, "no groups");
	CHECK(w->adjacencies.n == 0 && w->adjacencies.ids.n_free == w->adjacencies.ids.next - 1, "no ids");
	CHECK(w->adjacencies.slots.n_free == w->adjacencies.slots.next - 1, "no adjacencies");
	const struct mill_fib *fib = m->f->fib;
	const uint16_t *narrow6 = MILL_FIB_AT(fib, uint16_t, MILL_FIB_NARROW_ROOT6_OFFSET);
	const uint32_t *wide6 = MILL_FIB_AT(fib, uint32_t, MILL_FIB_ROOT6_OFFSET);
	for (uint32_t i = 0; i < MILL_FIB_ROOT; i++)
		CHECK(lookup4(fib, i << 8) == 0 && (fib->wide6 ? wide6[i] : narrow6[i]) == 0,
		      "nothing in root entry %06x", i);
	CHECK(w->refused == 0 && w->failed == 0, "no record refused");
	check_freed(&w->dir4.radix);
	check_freed(&w->dir4.dxr);
	check_freed(&w->dir6.radix);
	check_freed(&w->dir6.dxr);
	check_flat6_freed(&w->dir6.flat6);
	memset(m->route, 0, sizeof(m->route));
	memset(m->group, 0, sizeof(m->group));
	memset(m->adjacency, 0, sizeof(m->adjacency));
	memset(m->gateway, 0, sizeof(m->gateway));
}

static void run(struct model *m, uint32_t rounds)
{
	for (uint32_t round = 0; round < rounds; round++) {
		for (uint32_t i = 0; i < OPERATIONS; i++)
			operate(m);
		if (round % 5 == 4) /* structures go and come back */
			mill_fib_writer_keep(&m->f->writer, random_below(&m->random, ALL_METHODS + 1));
		check_all(m);
		for (uint32_t i = 0; i < 20; i++)
			check_batches(m);
		if (round % 16 == 7)
			replay(m, false); /* the daemon dies in the middle */
		if (round % 8 == 7) {
			replay(m, true);
			check_all(m);
		}
	}
	check_empty(m);
}

int main(int argc, char **argv)
{
	static struct model m;
	m.random.state = argc > 1 ? strtoull(argv[1], NULL, 0) * 2654435761u + 1 : 1;
	const uint32_t rounds = argc > 2 ? (uint32_t)atoi(argv[2]) : 200;
	m.f = fixture_new();
	m.base = 7;
	run(&m, rounds - rounds / 4);
	CHECK(!m.f->fib->wide4 && !m.f->fib->wide6, "entries of 16 bits so far");
	crowd(&m);
	run(&m, rounds / 4);
	CHECK(m.f->fib->wide4 && m.f->fib->wide6, "entries of 32 bits now");
	CHECK(m.f->fib->ready[0] == 0 && m.f->fib->ready[1] == 0, "flat tables alone are ever wide");
	printf("ok random operations against a linear scan: %llu addresses compared\n",
	       (unsigned long long)m.checks);
	fixture_free(m.f);
	return 0;
}
