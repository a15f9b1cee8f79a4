/*
 * netmill's side of the FIB bench: the engine's own FIB writer, fed with records as from the daemon, and the lookups
 * that forwarders call.
 *
 *   fib-lookup TABLE4 TABLE6       commands on standard input: fib.ts
 */
#include <sys/mman.h>
#include "fib/fib_writer.h"
#include "fib/tables.h"
#include "fib_table.h"

#define NEXTHOPS 64u
#define UPDATE   20000u
#define AHEAD    8u
#define BATCH    256u

static struct mill_state *state;
static struct mill_iface *ifaces;
static struct mill_fib_tables tables;
static struct mill_fib *fib;
static struct mill_qsbr qsbr;
static struct mill_fib_writer writer;

static void apply(const struct mill_fib_record *record)
{
	if (mill_fib_writer_apply(&writer, record) != MILL_FIB_APPLIED)
		table_fail("a record found no room", "fib");
}

static void set_way(uint32_t key)
{
	apply(&(struct mill_fib_record){
	    .op = MILL_FIB_ADJACENCY_SET, .family = 4, .kind = MILL_ADJ_LOCAL, .id = key});
	struct mill_fib_record group = {.op = MILL_FIB_GROUP_SET, .id = key, .length = 1, .leg_count = 1};
	group.leg[0] = (struct mill_fib_leg){key, 1};
	apply(&group);
}

static void forget(void)
{
	if (fib == NULL)
		return;
	mill_qsbr_finish(&qsbr);
	mill_fib_writer_finish(&writer);
	mill_fib_tables_close(&tables);
}

static void make(void)
{
	struct mill_error error;
	if (!mill_fib_tables_create(&tables, &error))
		table_fail(error.text, "fib");
	fib = mill_fib_tables_active(&tables);
	mill_qsbr_init(&qsbr, state);
	if (!mill_fib_writer_init(&writer, fib, &qsbr, ifaces))
		table_fail("no memory for a writer", "fib");
	for (uint32_t key = 1; key <= NEXTHOPS; key++)
		set_way(key);
}

static struct mill_fib_record record_of(uint8_t op, int family, const struct table_entry *e)
{
	struct mill_fib_record record = {
	    .op = op, .family = (uint8_t)family, .length = e->length, .id = e->nexthop};
	memcpy(record.address, e->address, family == 4 ? 4 : 16);
	return record;
}

static void change(uint8_t op, int family, const struct table_entry *e)
{
	const struct mill_fib_record record = record_of(op, family, e);
	apply(&record);
}

/* As the FIB thread goes through its queue: it looks a few records ahead. */
static void set_all(const struct table *table)
{
	struct mill_fib_record record[AHEAD];
	for (uint32_t i = 0; i < table->n + AHEAD; i++) {
		if (i >= AHEAD)
			apply(&record[i % AHEAD]);
		if (i % BATCH == 0)
			mill_qsbr_poll(&qsbr);
		if (i < table->n) {
			record[i % AHEAD] = record_of(MILL_FIB_ROUTE_SET, table->family, &table->entry[i]);
			mill_fib_writer_expect(&writer, &record[i % AHEAD]);
		}
	}
}

static double resident_mb(uint64_t from, uint64_t end)
{
	const size_t pages = (end - from) / 4096;
	unsigned char *resident = malloc(pages);
	size_t n = 0;
	if (resident == NULL || mincore((uint8_t *)fib + from, pages * 4096, resident) != 0)
		table_fail("mincore", "fib");
	for (size_t i = 0; i < pages; i++)
		n += resident[i] & 1;
	free(resident);
	return (double)n * 4096 / 1e6;
}

static double memory_mb;

static enum mill_fib_method method_of(const char *name)
{
	return strcmp(name, "radix") == 0 ? MILL_FIB_RADIX
	       : strcmp(name, "dxr") == 0 ? MILL_FIB_DXR
	                                  : MILL_FIB_FLAT;
}

/* Of the tables that lookups by the method read. */
static double method_mb(enum mill_fib_method method, int family)
{
	if (method == MILL_FIB_FLAT)
		return resident_mb(MILL_FIB_NEAR4_OFFSET, MILL_FIB_COMPACT_OFFSET);
	const uint64_t from = mill_fib_compact_offset(method, family);
	return resident_mb(from, from + MILL_COMPACT_BYTES);
}

/* Seconds, from nothing. */
static double build(const struct table *table, enum mill_fib_method method)
{
	uint32_t chunk = 0;
	forget();
	const uint64_t from = table_own_ns();
	make();
	if (method == MILL_FIB_FLAT) /* kept all the while; the others are made from the whole */
		mill_fib_writer_keep(&writer, 1u << method);
	set_all(table);
	if (!(mill_fib_writer_keep(&writer, 1u << method) >> method & 1))
		table_fail("the structure found no room", "fib");
	const double seconds = (double)(table_own_ns() - from) / 1e9;
	memory_mb = method_mb(method, table->family);
	while (mill_fib_tables_condense(fib, &chunk))
		;
	return seconds;
}

/* Microseconds of one change, the median. */
static double update(const struct table *table)
{
	static double took[2 * UPDATE];
	uint64_t random = 99;
	for (uint32_t i = 0; i < UPDATE; i++) {
		const struct table_entry *e = &table->entry[table_below(&random, table->n)];
		const uint64_t first = table_now_ns();
		change(MILL_FIB_ROUTE_DEL, table->family, e);
		const uint64_t second = table_now_ns();
		change(MILL_FIB_ROUTE_SET, table->family, e);
		took[2 * i] = (double)(second - first) / 1e3;
		took[2 * i + 1] = (double)(table_now_ns() - second) / 1e3;
		mill_qsbr_poll(&qsbr);
	}
	return table_median(took, 2 * UPDATE);
}

/* Numbers of groups as the peer gives its next hops: 64 bits each, in an array. */
__attribute__((target_clones("avx2", "default"))) static void store(uint64_t *restrict answer,
                                                                    const uint32_t *restrict group)
{
	for (uint32_t i = 0; i < TABLE_BURST; i++)
		answer[i] = group[i];
}

#define LOOP(lookup)                                                                                         \
	for (uint32_t i = 0; i < TABLE_ADDRESSES; i += TABLE_BURST) {                                        \
		lookup;                                                                                      \
		store(table->answer + (i & keep), group);                                                    \
	}
#define LOOP4(name) LOOP(name(fib, table->address4 + i, group, TABLE_BURST))
#define LOOP6(name) LOOP(name(fib, (const uint8_t(*)[16])table->address6 + i, group, TABLE_BURST))

/* Lookups a second. keep: TABLE_KEEP or TABLE_BURSTS. */
static double lookup(struct table *table, enum mill_fib_method method, uint32_t keep)
{
	uint32_t group[TABLE_BURST];
	const uint64_t from = table_own_ns();
	if (table->family == 4 && method == MILL_FIB_FLAT)
		LOOP4(mill_fib_lookup4)
	else if (table->family == 4 && method == MILL_FIB_RADIX)
		LOOP4(mill_radix_lookup4)
	else if (table->family == 4)
		LOOP4(mill_dxr_lookup4)
	else if (method == MILL_FIB_FLAT)
		LOOP6(mill_fib_lookup6)
	else if (method == MILL_FIB_RADIX)
		LOOP6(mill_radix_lookup6)
	else
		LOOP6(mill_dxr_lookup6)
	return TABLE_ADDRESSES * 1e9 / (double)(table_own_ns() - from);
}

/* Groups in the table's numbers of next hops. */
static double answers(struct table *table)
{
	for (uint32_t i = 0; i < TABLE_ADDRESSES; i++)
		table->answer[i] =
		    table->answer[i] == 0 ? 0 : mill_fib_select(fib, (uint32_t)table->answer[i], 0)->key;
	return (double)table_answers(table);
}

static double answer(struct table *table, const char *command, enum mill_fib_method method,
                     const char *pattern)
{
	if (strcmp(command, "build") == 0)
		return build(table, method);
	if (strcmp(command, "memory") == 0)
		return memory_mb;
	if (strcmp(command, "update") == 0)
		return update(table);
	if (!table_draw(table, pattern))
		table_fail("no such pattern", pattern);
	if (strcmp(command, "answers") == 0) {
		lookup(table, method, TABLE_KEEP);
		return answers(table);
	}
	lookup(table, method, TABLE_BURSTS);
	return lookup(table, method, TABLE_BURSTS);
}

int main(int argc, char **argv)
{
	char line[128], command[32], method[32], pattern[32] = "";
	int family;
	if (argc != 3)
		table_fail("expected TABLE4 TABLE6", argv[0]);
	struct table table[2] = {table_load(argv[1]), table_load(argv[2])};
	state = mill_fib_reserve(sizeof(*state));
	ifaces = calloc(MILL_MAX_IFACES, sizeof(*ifaces));
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (sscanf(line, "%31s %31s %d %31s", command, method, &family, pattern) < 3)
			table_fail("no such command", line);
		printf("%.17g\n", answer(&table[family == 6], command, method_of(method), pattern));
		fflush(stdout);
	}
	return 0;
}
