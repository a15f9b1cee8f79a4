/* explain.h: by the same inline functions as the forwarder, so that it cannot say anything else. */
#include "fib/explain.h"

static void add_leg(const struct mill_fib *fib, struct mill_lookup_answer *answer, uint32_t id)
{
	const struct mill_adjacency *adjacency = mill_fib_adjacency(fib, id);
	for (uint32_t i = 0; i < answer->legs; i++)
		if (answer->leg[i].adjacency == adjacency->key && answer->leg[i].kind == adjacency->kind)
			return;
	if (answer->legs == sizeof(answer->leg) / sizeof(answer->leg[0]))
		return;
	const uint32_t n = answer->legs++;
	answer->leg[n].adjacency = adjacency->key;
	answer->leg[n].iface = adjacency->iface;
	answer->leg[n].kind = adjacency->kind;
	answer->leg[n].family = adjacency->family;
	memcpy(answer->leg[n].address, adjacency->address, sizeof(adjacency->address));
	memcpy(answer->leg[n].mac, adjacency->rewrite, sizeof(answer->leg[n].mac));
}

static uint32_t lookup(const struct mill_fib *fib, const struct mill_lookup *query)
{
	uint32_t group = 0, address;
	if (query->family == 0)
		return mill_fib_gateway(fib, query->gateway);
	if (query->family == 6) {
		mill_fib_lookup6(fib, (const uint8_t(*)[16])query->address, &group, 1);
		return group;
	}
	memcpy(&address, query->address, sizeof(address));
	address = __builtin_bswap32(address);
	mill_fib_lookup4(fib, &address, &group, 1);
	return group;
}

void mill_fib_explain(const struct mill_fib *fib, const struct mill_lookup *query,
                      struct mill_lookup_answer *answer)
{
	mill_fib_explain_group(fib, lookup(fib, query), answer);
}

void mill_fib_explain_group(const struct mill_fib *fib, uint32_t group, struct mill_lookup_answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	answer->group = group;
	const uint64_t word = MILL_FIB_AT(fib, uint64_t, MILL_FIB_GROUP_OFFSET)[answer->group];
	const uint32_t mask = (uint32_t)(word >> 32);
	const uint32_t *bucket = MILL_FIB_AT(fib, uint32_t, MILL_FIB_BUCKET_OFFSET) + (uint32_t)word;
	if (mask == 0 && (uint32_t)word != 0)
		add_leg(fib, answer, (uint32_t)word);
	for (uint32_t i = 0; mask != 0 && i <= mask; i++)
		add_leg(fib, answer, bucket[i]);
	answer->kind = answer->legs > 0 ? answer->leg[0].kind : MILL_ADJ_NONE;
}
