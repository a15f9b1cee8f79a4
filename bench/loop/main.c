/*
 * Forwarders in memory, one core, nothing but rings: several shared objects with struct mill_forwarder's interface,
 * made from a policy or not, are given the same packets in turn (bench/loop/rounds.h), by the same FIB, through the
 * same rings. Each turn is the engine's: sync the RX ring, read the clock, one burst, sync the TX ring; a sync is that of
 * rings between two threads (ring_sync.h).
 *
 *   fill ──► RX ring of port 0 ──► receive ──► TX ring of port 1 ──► drain, and the buffers go back
 *
 *   forward-loop SETUP PACKETS NAME=FORWARDER.so…      commands: rounds_answer()
 *
 * SETUP is text, one line a thing: `table FILE`, `policy FILE`, `iface PORT MAC TAGS` (tags as bytes, hexadecimal, or -) in the
 * forwarder's order. Next hops of the tables are neighbours behind the last interface, 02:00:00:00:03:NN.
 */
#include <dlfcn.h>
#include <sched.h>
#include <sys/mman.h>
#include "../fib_table.h"
#include "fib/fib_writer.h"
#include "fib/tables.h"
#include "netmill/forwarder.h"
#include "ring_sync.h"
#include "rounds.h"

#define SLOTS    1024u
#define NEXTHOPS 64u
#define OWN      (NEXTHOPS + 1)
#define MOST     8u

struct loop {
	struct rounds_list list;
	struct netmap_ring *rx, *tx;
	struct mill_worker worker;
	void (*receive)(struct mill_worker *, struct netmap_ring *);
	uint32_t filled_at, sent_at; /* first slot of the round */
};

struct forwarder {
	char name[32];
	const struct mill_forwarder *made;
};

static struct mill_state *state;
static struct mill_iface ifaces[MILL_MAX_IFACES];
static uint32_t n_ifaces;
static uint16_t local_of[MILL_MAX_IFACES], slot_of[MILL_MAX_IFACES], port_of[MILL_MAX_PORTS];
static uint32_t rule_of[MILL_MAX_RULES];
static struct mill_bindings bindings = {
    .iface = slot_of, .local = local_of, .port = port_of, .rule = rule_of};
static struct mill_qsbr qsbr;
static struct mill_fib_writer writer;
static struct mill_fib_tables tables;
static char policy_path[256];
static struct forwarder forwarders[MOST];
static uint32_t n_forwarders;

/* --- services: what the bench never needs ----------------------------------------------------------------- */

static bool punt(struct mill_worker *w, uint16_t iface, enum mill_punt_class class, const uint8_t *frame,
                 uint16_t len, uint16_t l3)
{
	(void)w, (void)iface, (void)class, (void)frame, (void)len, (void)l3;
	return false;
}

static bool defer(struct mill_worker *w, uint32_t adjacency, const uint8_t *nexthop, const uint8_t *frame,
                  uint16_t len, uint16_t l3)
{
	(void)w, (void)adjacency, (void)nexthop, (void)frame, (void)len, (void)l3;
	return false;
}

static bool fragment(struct mill_worker *w, uint32_t adjacency, const uint8_t *frame, uint16_t len,
                     uint16_t l3)
{
	(void)w, (void)adjacency, (void)frame, (void)len, (void)l3;
	return false;
}

static const struct mill_services services = {.punt = punt, .defer = defer, .fragment = fragment};

/* --- the FIB ------------------------------------------------------------------------------------------------ */

static void apply(const struct mill_fib_record *record)
{
	if (mill_fib_writer_apply(&writer, record) != MILL_FIB_APPLIED)
		rounds_fail("a record found no room", "fib");
}

static void set_way(uint32_t key, uint8_t kind)
{
	struct mill_fib_record adjacency = {.op = MILL_FIB_ADJACENCY_SET,
	                                    .family = 4,
	                                    .kind = kind,
	                                    .id = key,
	                                    .iface = (uint16_t)(n_ifaces - 1),
	                                    .mac = {2, 0, 0, 0, 3, (uint8_t)key}};
	struct mill_fib_record group = {.op = MILL_FIB_GROUP_SET, .id = key, .length = 1, .leg_count = 1};
	apply(&adjacency);
	group.leg[0] = (struct mill_fib_leg){key, 1};
	apply(&group);
}

static void set_route(int family, const uint8_t *address, uint8_t length, uint32_t group)
{
	struct mill_fib_record record = {
	    .op = MILL_FIB_ROUTE_SET, .family = (uint8_t)family, .length = length, .id = group};
	memcpy(record.address, address, family == 4 ? 4 : 16);
	apply(&record);
}

static void make_fib(void)
{
	struct mill_error error;
	state = mill_fib_reserve(sizeof(*state));
	if (state == NULL || !mill_fib_tables_create(&tables, &error))
		rounds_fail("no memory", "fib");
	mill_qsbr_init(&qsbr, state);
	if (!mill_fib_writer_init(&writer, mill_fib_tables_active(&tables), &qsbr, ifaces))
		rounds_fail("no memory for a writer", "fib");
	mill_fib_writer_keep(&writer, 1u << MILL_FIB_FLAT);
	for (uint32_t key = 1; key <= NEXTHOPS; key++)
		set_way(key, MILL_ADJ_FORWARD);
	set_way(OWN, MILL_ADJ_LOCAL);
	set_route(4, (const uint8_t[4]){10, 0, 1, 1}, 32, OWN);
	set_route(4, (const uint8_t[4]){10, 0, 2, 1}, 32, OWN);
}

static void load_table(const char *path)
{
	const struct table table = table_load(path);
	for (uint32_t i = 0; i < table.n; i++) {
		set_route(table.family, table.entry[i].address, table.entry[i].length,
		          table.entry[i].nexthop);
		if (i % 256 == 0)
			mill_qsbr_poll(&qsbr);
	}
}

static void condense(void)
{
	uint32_t chunk = 0;
	while (mill_fib_tables_condense(mill_fib_tables_active(&tables), &chunk))
		;
}

/* --- rings ---------------------------------------------------------------------------------------------------- */

static struct netmap_ring *make_ring(uint8_t *memory, size_t at, size_t buffers, uint32_t *next, bool fills)
{
	struct netmap_ring *ring = (struct netmap_ring *)(memory + at);
	const struct netmap_ring made = {.buf_ofs = (int64_t)(buffers - at),
	                                 .num_slots = SLOTS,
	                                 .nr_buf_size = MILL_BUF_SIZE,
	                                 .dir = fills ? 1 : 0,
	                                 .tail = fills ? SLOTS - 1 : 0,
	                                 .offset_mask = MILL_BUF_SIZE - 1};
	memcpy(ring, &made, sizeof(made));
	for (uint32_t i = 0; i < SLOTS; i++) {
		ring->slot[i] = (struct netmap_slot){.buf_idx = *next, .ptr = MILL_HEADROOM};
		(*next)++;
	}
	return ring;
}

static void make_rings(struct loop *loop)
{
	const size_t ring = 32768, buffers = 2 * ring;
	const size_t bytes = buffers + 2 * SLOTS * (size_t)MILL_BUF_SIZE + (2u << 20);
	uint8_t *memory = mill_fib_reserve(bytes);
	uint32_t next = 1; /* 0 is nobody's, as in the engine's region */
	if (memory == NULL)
		rounds_fail("no memory", "rings");
	loop->rx = make_ring(memory, 0, buffers, &next, false);
	loop->tx = make_ring(memory, ring, buffers, &next, true);
}

/* --- a round ---------------------------------------------------------------------------------------------------- */

static void fill(void *of)
{
	struct loop *loop = of;
	struct netmap_ring *rx = loop->rx;
	uint32_t at = rx->head;
	loop->filled_at = at;
	loop->sent_at = loop->tx->head;
	for (uint32_t i = 0; i < loop->list.n; i++) {
		struct netmap_slot *slot = &rx->slot[at];
		slot->ptr = MILL_HEADROOM;
		slot->len = loop->list.frame[i].len;
		memcpy(mill_ring_buffer(rx, slot), loop->list.frame[i].bytes, 64);
		if (slot->len > 64)
			memcpy(mill_ring_buffer(rx, slot) + 64, loop->list.frame[i].bytes + 64, 62);
		at = mill_ring_next(rx, at);
	}
	mill_ring_sync(rx)->produced = at;
}

static uint64_t clock_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* With a burst of less than 64, packets come in as many at a time. */
static void forward(void *of, uint32_t burst)
{
	struct loop *loop = of;
	struct netmap_ring *rx = loop->rx;
	const uint32_t end = mill_ring_sync(rx)->produced;
	uint32_t at = rx->head;
	while (rx->head != end) {
		const uint32_t left = mill_ring_distance(rx, at, end);
		at += left < burst ? left : burst;
		at -= at >= SLOTS ? SLOTS : 0;
		mill_ring_sync(rx)->produced = at;
		mill_ring_consume(rx);
		loop->worker.now_ns = clock_ns();
		loop->receive(&loop->worker, rx);
		mill_ring_produce(loop->tx);
	}
}

static uint64_t drain(void *of, bool look)
{
	struct loop *loop = of;
	struct netmap_ring *rx = loop->rx, *tx = loop->tx;
	uint64_t hash = 0xcbf29ce484222325ull;
	uint32_t from = loop->filled_at;
	for (uint32_t at = loop->sent_at; at != tx->head; at = mill_ring_next(tx, at)) {
		struct netmap_slot *slot = &tx->slot[at];
		if (look)
			hash = rounds_hash(hash, mill_ring_buffer(tx, slot), slot->len);
		const uint32_t buffer = slot->buf_idx;
		slot->buf_idx = rx->slot[from].buf_idx;
		slot->ptr = MILL_HEADROOM;
		rx->slot[from].buf_idx = buffer;
		from = mill_ring_next(rx, from);
	}
	mill_ring_sync(tx)->consumed = tx->head;
	mill_ring_produce(tx);
	return hash;
}

/* --- commands ------------------------------------------------------------------------------------------------- */

static void add_iface(const char *line)
{
	struct mill_iface *iface = &ifaces[n_ifaces];
	unsigned mac[6];
	char tags[17];
	if (n_ifaces == MILL_MAX_IFACES ||
	    sscanf(line, "iface %hu %x:%x:%x:%x:%x:%x %16s", &iface->port, &mac[0], &mac[1], &mac[2], &mac[3],
	           &mac[4], &mac[5], tags) != 8)
		rounds_fail("expected `iface PORT MAC TAGS`", line);
	for (unsigned i = 0; i < 6; i++)
		iface->mac |= (uint64_t)mac[i] << 8 * i;
	for (unsigned i = 0; tags[0] != '-' && tags[2 * i] != 0; i++) {
		unsigned byte;
		sscanf(tags + 2 * i, "%2x", &byte);
		iface->tags[i] = (uint8_t)byte;
		iface->n_tags = (uint8_t)((i + 1) / 4);
	}
	iface->slot = (uint16_t)n_ifaces;
	iface->mtu = 1500;
	iface->up = 1;
	slot_of[n_ifaces] = local_of[n_ifaces] = (uint16_t)n_ifaces;
	n_ifaces++;
}

static void read_setup(const char *path)
{
	char line[300], tables_of[2][256] = {"", ""}, table[256];
	uint32_t n_tables = 0;
	FILE *file = fopen(path, "r");
	if (file == NULL)
		rounds_fail("expected a setup, got no such file", path);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "iface ", 6) == 0)
			add_iface(line);
		else if (sscanf(line, "table %255s", table) == 1 && n_tables < 2)
			memcpy(tables_of[n_tables++], table, sizeof(table));
		else if (sscanf(line, "policy %255s", policy_path) != 1)
			rounds_fail("expected iface, table or policy", line);
	}
	fclose(file);
	if (n_ifaces == 0)
		rounds_fail("expected interfaces", path);
	make_fib();
	for (uint32_t i = 0; i < n_tables; i++)
		load_table(tables_of[i]);
	condense();
}

static void load_forwarder(const char *argument)
{
	struct forwarder *forwarder = &forwarders[n_forwarders++];
	const char *path = strchr(argument, '=');
	if (path == NULL || n_forwarders > MOST || path - argument >= (long)sizeof(forwarder->name))
		rounds_fail("expected NAME=FORWARDER.so", argument);
	memcpy(forwarder->name, argument, (size_t)(path - argument));
	void *library = dlopen(path + 1, RTLD_NOW | RTLD_LOCAL);
	forwarder->made = library == NULL ? NULL : dlsym(library, MILL_FORWARDER_SYMBOL);
	if (forwarder->made == NULL)
		rounds_fail(dlerror(), path + 1);
	if (forwarder->made->abi != MILL_ABI_VERSION || forwarder->made->layout != MILL_LAYOUT)
		rounds_fail("compiled for another engine", path + 1);
	void (*policy)(const char *) = (void (*)(const char *))dlsym(library, "bench_policy");
	if (policy != NULL)
		policy(policy_path);
}

static const struct mill_forwarder *find(const char *name)
{
	for (uint32_t i = 0; i < n_forwarders; i++)
		if (strcmp(forwarders[i].name, name) == 0)
			return forwarders[i].made;
	rounds_fail("no such forwarder", name);
	return NULL;
}

static struct loop make_loop(const char *packets)
{
	struct loop loop = {.list = rounds_load(packets)};
	make_rings(&loop);
	loop.worker = (struct mill_worker){.fib = mill_fib_tables_active(&tables),
	                                   .bind = &bindings,
	                                   .ifaces = ifaces,
	                                   .if_counters = state->worker[0].iface,
	                                   .rule_counters = state->worker[0].rule,
	                                   .policed = state->worker[0].policed,
	                                   .services = &services,
	                                   .acl_enabled = true};
	loop.worker.tx[1] = loop.tx;
	return loop;
}

/* What was counted since the last call, so that forwarders can be compared. */
static uint64_t counted(void)
{
	uint64_t hash = rounds_hash(0xcbf29ce484222325ull, state->worker[0].iface,
	                            4 * sizeof(struct mill_iface_counters));
	hash = rounds_hash(hash, state->worker[0].rule, sizeof(state->worker[0].rule));
	memset(state->worker[0].iface, 0, 4 * sizeof(struct mill_iface_counters));
	memset(state->worker[0].rule, 0, sizeof(state->worker[0].rule));
	return hash;
}

static void check(struct loop *loop, const struct rounds_program *program, uint32_t burst)
{
	counted();
	const uint32_t from = loop->tx->head;
	const uint64_t sent = rounds_check(program, burst);
	const uint32_t n = mill_ring_distance(loop->tx, from, loop->tx->head);
	printf("{\"sent\":\"%016lx\",\"counted\":\"%016lx\",\"packets\":%u,\"of\":%u}\n", sent, counted(), n,
	       loop->list.n);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[128], command[32], name[32];
	uint32_t burst;
	if (argc < 4)
		rounds_fail("expected SETUP PACKETS NAME=FORWARDER.so…", argv[0]);
	for (uint32_t i = 0; i < MILL_MAX_RULES; i++)
		rule_of[i] = i;
	for (uint16_t i = 0; i < MILL_MAX_PORTS; i++)
		port_of[i] = i;
	read_setup(argv[1]);
	for (int i = 3; i < argc; i++)
		load_forwarder(argv[i]);
	struct loop loop = make_loop(argv[2]);
	const struct rounds_program program = {
	    .fill = fill, .forward = forward, .drain = drain, .of = &loop, .list = &loop.list};
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (sscanf(line, "%31s %31s %u", command, name, &burst) != 3 || burst == 0 ||
		    burst > MILL_BURST)
			rounds_fail("expected COMMAND NAME BURST", line);
		loop.receive = find(name)->receive[0];
		if (strcmp(command, "check") == 0)
			check(&loop, &program, burst);
		else
			rounds_answer(&program, command, burst);
	}
	return 0;
}
