/*
 * The peer of the FIB bench: DPDK's rte_fib (DIR-24-8, next hops of 2 bytes) and rte_fib6 (trie, 4 bytes), looked up
 * with their AVX-512 functions.
 *
 *   rte-fib TABLE4 TABLE6          commands on standard input: fib.ts
 */
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_vect.h>
#include "../fib_table.h"
#include "eal.h"

#define UPDATE 20000u

static struct rte_fib *fib4;
static struct rte_fib6 *fib6;

static void forget(int family)
{
	if (family == 4)
		rte_fib_free(fib4);
	else
		rte_fib6_free(fib6);
}

static void make(int family)
{
	struct rte_fib_conf conf4 = {.type = RTE_FIB_DIR24_8, .default_nh = 0, .max_routes = 1 << 20};
	struct rte_fib6_conf conf6 = {.type = RTE_FIB6_TRIE, .default_nh = 0, .max_routes = 1 << 18};
	conf4.dir24_8.nh_sz = RTE_FIB_DIR24_8_2B;
	conf4.dir24_8.num_tbl8 = (1 << 15) - 1;
	conf6.trie.nh_sz = RTE_FIB6_TRIE_4B;
	conf6.trie.num_tbl8 = 1 << 18;
	if (family == 4)
		fib4 = rte_fib_create("v4", SOCKET_ID_ANY, &conf4);
	else
		fib6 = rte_fib6_create("v6", SOCKET_ID_ANY, &conf6);
	if (family == 4 ? fib4 == NULL : fib6 == NULL)
		table_fail("no memory for the table", "rte_fib");
}

static int set(const struct table *table, const struct table_entry *e)
{
	uint32_t address;
	memcpy(&address, e->address, 4);
	return table->family == 4
	           ? rte_fib_add(fib4, __builtin_bswap32(address), e->length, e->nexthop)
	           : rte_fib6_add(fib6, (uint8_t *)(uintptr_t)e->address, e->length, e->nexthop);
}

static int clear(const struct table *table, const struct table_entry *e)
{
	uint32_t address;
	memcpy(&address, e->address, 4);
	return table->family == 4 ? rte_fib_delete(fib4, __builtin_bswap32(address), e->length)
	                          : rte_fib6_delete(fib6, (uint8_t *)(uintptr_t)e->address, e->length);
}

/* Seconds, from nothing. */
static double build(const struct table *table)
{
	forget(table->family);
	const uint64_t from = table_own_ns();
	make(table->family);
	for (uint32_t i = 0; i < table->n; i++)
		if (set(table, &table->entry[i]) != 0)
			table_fail("a prefix found no room", "rte_fib");
	const double seconds = (double)(table_own_ns() - from) / 1e9;
	eal_collapse();
	if (table->family == 4 ? rte_fib_select_lookup(fib4, RTE_FIB_LOOKUP_DIR24_8_VECTOR_AVX512)
	                       : rte_fib6_select_lookup(fib6, RTE_FIB6_LOOKUP_TRIE_VECTOR_AVX512))
		table_fail("this processor or build has no AVX-512 lookup", "rte_fib");
	return seconds;
}

/* Microseconds of one change, the median. */
static double update(const struct table *table)
{
	static double took[2 * UPDATE];
	uint64_t state = 99;
	for (uint32_t i = 0; i < UPDATE; i++) {
		const struct table_entry *e = &table->entry[table_below(&state, table->n)];
		const uint64_t first = table_now_ns();
		clear(table, e);
		const uint64_t second = table_now_ns();
		set(table, e);
		took[2 * i] = (double)(second - first) / 1e3;
		took[2 * i + 1] = (double)(table_now_ns() - second) / 1e3;
	}
	return table_median(took, 2 * UPDATE);
}

/* Lookups a second. keep: TABLE_KEEP or TABLE_BURSTS. */
static double lookup(struct table *table, uint32_t keep)
{
	const uint64_t from = table_own_ns();
	for (uint32_t i = 0; i < TABLE_ADDRESSES; i += TABLE_BURST) {
		if (table->family == 4)
			rte_fib_lookup_bulk(fib4, table->address4 + i, table->answer + (i & keep),
			                    TABLE_BURST);
		else
			rte_fib6_lookup_bulk(fib6, table->address6 + i, table->answer + (i & keep),
			                     TABLE_BURST);
	}
	return TABLE_ADDRESSES * 1e9 / (double)(table_own_ns() - from);
}

static double answer(struct table *table, const char *command, const char *pattern)
{
	if (strcmp(command, "build") == 0)
		return build(table);
	if (strcmp(command, "update") == 0)
		return update(table);
	if (!table_draw(table, pattern))
		table_fail("no such pattern", pattern);
	if (strcmp(command, "answers") == 0) {
		lookup(table, TABLE_KEEP);
		return (double)table_answers(table);
	}
	lookup(table, TABLE_BURSTS);
	return lookup(table, TABLE_BURSTS);
}

int main(int argc, char **argv)
{
	char *eal[] = {argv[0],
	               "--no-huge",
	               "--no-shconf",
	               "-m",
	               "2048",
	               "--no-pci",
	               "--no-telemetry",
	               "--log-level=1",
	               "--force-max-simd-bitwidth=512"};
	char line[128], command[32], method[32], pattern[32];
	int family;
	if (argc != 3 || rte_eal_init(sizeof(eal) / sizeof(eal[0]), eal) < 0)
		table_fail("EAL does not start", argv[0]);
	struct table table[2] = {table_load(argv[1]), table_load(argv[2])};
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (sscanf(line, "%31s %31s %d %31s", command, method, &family, pattern) < 3)
			table_fail("no such command", line);
		printf("%.17g\n", answer(&table[family == 6], command, pattern));
		fflush(stdout);
	}
	return 0;
}
