/* support.h. */
#include <string.h>
#include <time.h>
#include "support.h"

_Atomic int refuse_memory;

/* The linker puts these before the C library's: Makefile, --wrap. */
void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_realloc(void *, size_t);

void *__wrap_malloc(size_t size)
{
	return refuse_memory ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return refuse_memory ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return refuse_memory ? NULL : __real_realloc(p, size);
}

void fixture_ifaces(struct mill_iface *iface)
{
	for (uint16_t i = 0; i < MILL_MAX_IFACES; i++) {
		const uint8_t mac[6] = {2, 0, 0, 0, 1, (uint8_t)i};
		memset(&iface[i], 0, sizeof(iface[i]));
		memcpy(&iface[i].mac, mac, 6);
		iface[i].slot = i;
		iface[i].port = i % 8;
		iface[i].mtu = (uint16_t)(1500 + i);
		iface[i].n_tags = i % 3;
		for (uint32_t t = 0; t < iface[i].n_tags; t++)
			memcpy(iface[i].tags + 4 * t, (uint8_t[]){0x81, 0, 0, (uint8_t)(i + t)}, 4);
	}
}

struct fixture *fixture_new(void)
{
	struct fixture *f = mill_fib_reserve(sizeof(*f));
	f->state = mill_fib_reserve(sizeof(*f->state));
	struct mill_error error;
	CHECK(mill_fib_tables_create(&f->tables, &error), "%s", error.text);
	f->fib = mill_fib_tables_active(&f->tables);
	fixture_ifaces(f->iface);
	mill_qsbr_init(&f->qsbr, f->state);
	CHECK(mill_fib_writer_init(&f->writer, f->fib, &f->qsbr, f->iface), "a writer");
	CHECK(mill_fib_writer_keep(&f->writer, ALL_METHODS) == ALL_METHODS, "all methods");
	return f;
}

void fixture_free(struct fixture *f)
{
	mill_qsbr_finish(&f->qsbr);
	mill_fib_writer_finish(&f->writer);
	mill_fib_tables_close(&f->tables);
	mill_fib_unreserve(f->state, sizeof(*f->state));
	mill_fib_unreserve(f, sizeof(*f));
}

uint64_t random_next(struct random *random)
{
	uint64_t x = random->state;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	random->state = x;
	return x * 0x2545f4914f6cdd1dull;
}

uint32_t random_below(struct random *random, uint32_t n)
{
	return (uint32_t)((random_next(random) >> 32) * n >> 32);
}

struct mill_fib_record record_adjacency(uint32_t key, uint8_t kind, uint16_t iface, uint32_t mac)
{
	struct mill_fib_record record = {
	    .op = MILL_FIB_ADJACENCY_SET, .family = 4, .kind = kind, .id = key, .iface = iface};
	record.mac[0] = 2;
	memcpy(record.mac + 2, &mac, 4);
	memcpy(record.address, &key, 4);
	return record;
}

struct mill_fib_record record_route(uint8_t op, int family, const uint8_t *address, unsigned length,
                                    uint32_t group)
{
	struct mill_fib_record record = {
	    .op = op, .family = (uint8_t)family, .length = (uint8_t)length, .id = group};
	memcpy(record.address, address, family == 4 ? 4 : 16);
	return record;
}

struct mill_fib_record record_simple(uint8_t op, uint32_t id, uint64_t value)
{
	return (struct mill_fib_record){.op = op, .id = id, .value = value};
}

uint32_t records_group(uint32_t key, const struct mill_fib_leg *leg, uint32_t n,
                       struct mill_fib_record *record)
{
	uint32_t count = 0, done = 0;
	do {
		const uint32_t some = n - done < 4 ? n - done : 4;
		record[count] =
		    (struct mill_fib_record){.op = count == 0 ? MILL_FIB_GROUP_SET : MILL_FIB_GROUP_LEGS,
		                             .id = key,
		                             .length = (uint8_t)some};
		record[count].leg_count = (uint16_t)n;
		memcpy(record[count++].leg, leg + done, some * sizeof(*leg));
		done += some;
	} while (done < n);
	return count;
}

enum mill_fib_result fixture_apply(struct fixture *f, struct mill_fib_record record)
{
	const enum mill_fib_result result = mill_fib_writer_apply(&f->writer, &record);
	mill_qsbr_poll(&f->qsbr);
	return result;
}

void fixture_group(struct fixture *f, uint32_t key, const struct mill_fib_leg *leg, uint32_t n)
{
	struct mill_fib_record record[MILL_GROUP_MAX_LEGS / 4 + 1];
	const uint32_t count = records_group(key, leg, n, record);
	for (uint32_t i = 0; i < count; i++)
		CHECK(fixture_apply(f, record[i]) == MILL_FIB_APPLIED, "group %u", key);
}

void fixture_group1(struct fixture *f, uint32_t key, uint32_t adjacency)
{
	fixture_group(f, key, &(struct mill_fib_leg){adjacency, 1}, 1);
}

uint32_t lookup4(const struct mill_fib *fib, uint32_t address)
{
	uint32_t group, radix, dxr;
	mill_fib_lookup4(fib, &address, &group, 1);
	mill_radix_lookup4(fib, &address, &radix, 1);
	mill_dxr_lookup4(fib, &address, &dxr, 1);
	CHECK(radix == group && dxr == group, "%08x: flat %u, radix %u, dxr %u", address, group, radix, dxr);
	return group;
}

uint32_t lookup6(const struct mill_fib *fib, const uint8_t address[16])
{
	uint32_t group, radix, dxr, trie;
	mill_fib_lookup6(fib, (const uint8_t(*)[16])address, &group, 1);
	mill_fib_trie6(fib, (const uint8_t(*)[16])address, &trie, 1);
	mill_radix_lookup6(fib, (const uint8_t(*)[16])address, &radix, 1);
	mill_dxr_lookup6(fib, (const uint8_t(*)[16])address, &dxr, 1);
	CHECK(radix == group && dxr == group && trie == group,
	      "%02x%02x…: flat %u, radix %u, dxr %u, trie %u", address[0], address[1], group, radix, dxr,
	      trie);
	return group;
}

uint32_t key4(const struct mill_fib *fib, uint32_t address)
{
	return mill_fib_select(fib, lookup4(fib, address), 0)->key;
}

uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
