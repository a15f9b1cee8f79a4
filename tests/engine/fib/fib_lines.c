/*
 * fib_lines: the FIB by hand, with all lookup structures. A line of standard input each; an `ask` is answered by a line, after
 * every method has said the same.
 *
 *   new                        from here on all is forgotten
 *   set ADDRESS LENGTH GROUP   GROUP is 1 to 9
 *   del ADDRESS LENGTH
 *   ask ADDRESS                → the group, 0 for none
 */
#include <arpa/inet.h>
#include <string.h>
#include "support.h"

#define GROUPS 9u

static struct fixture *fresh(struct fixture *old)
{
	if (old != NULL)
		fixture_free(old);
	struct fixture *f = fixture_new();
	for (uint32_t i = 1; i <= GROUPS; i++) {
		fixture_apply(f, record_adjacency(i, MILL_ADJ_FORWARD, (uint16_t)i, i));
		fixture_group1(f, i, i);
	}
	return f;
}

static int parse(const char *text, uint8_t address[16])
{
	memset(address, 0, 16);
	const int family = strchr(text, ':') != NULL ? 6 : 4;
	CHECK(inet_pton(family == 4 ? AF_INET : AF_INET6, text, address) == 1, "an address, not %s", text);
	return family;
}

static uint32_t answer(const struct fixture *f, const char *text)
{
	uint8_t address[16];
	uint32_t four;
	if (parse(text, address) == 6)
		return mill_fib_select(f->fib, lookup6(f->fib, address), 0)->key;
	memcpy(&four, address, sizeof(four));
	return key4(f->fib, __builtin_bswap32(four));
}

int main(void)
{
	struct fixture *f = NULL;
	char line[128], verb[8], text[64];
	uint8_t address[16];
	while (fgets(line, sizeof(line), stdin) != NULL) {
		unsigned length = 0, group = 0;
		CHECK(sscanf(line, "%7s %63s %u %u", verb, text, &length, &group) >= 1, "a line");
		if (strcmp(verb, "new") == 0) {
			f = fresh(f);
		} else if (strcmp(verb, "ask") == 0) {
			printf("%u\n", answer(f, text));
			fflush(stdout);
		} else {
			const int family = parse(text, address);
			const uint8_t op = strcmp(verb, "set") == 0 ? MILL_FIB_ROUTE_SET : MILL_FIB_ROUTE_DEL;
			fixture_apply(f, record_route(op, family, address, length, group));
		}
	}
	fixture_free(f);
	return 0;
}
