/* fib_writer.h. One function an operation; each checks what it was given, as the daemon is another process. */
#include <string.h>
#include "fib/fib_writer.h"

#define KEEP_WAIT_MS 1000u

/* One family's part. */
struct family {
	struct mill_dir *dir;
	struct mill_prefixes *prefixes;
	uint32_t *fallback; /* default4 or default6 */
	unsigned bits;
};

size_t mill_fib_bytes(void)
{
	return (size_t)((MILL_FIB_BYTES + (2u << 20) - 1) >> 21 << 21);
}

/* FNV-1a, Fowler, Noll and Vo. */
static uint64_t checksum(const struct mill_fib *fib)
{
	const uint64_t part[3] = {fib->magic, fib->abi, fib->bytes};
	uint64_t hash = 0xcbf29ce484222325ull;
	for (size_t i = 0; i < sizeof(part); i++)
		hash = (hash ^ ((const uint8_t *)part)[i]) * 0x100000001b3ull;
	return hash;
}

bool mill_fib_valid(const struct mill_fib *fib)
{
	return fib->magic == MILL_FIB_MAGIC && fib->abi == MILL_ABI_VERSION &&
	       fib->bytes == (uint32_t)MILL_FIB_BYTES && fib->checksum == checksum(fib);
}

static uint32_t has_vector(void)
{
#ifdef MILL_FIB_HAS_VECTOR
	if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
	    !__builtin_cpu_supports("avx512vl"))
		return 0;
	return MILL_VECTOR_LOOKUP | (__builtin_cpu_supports("avx512vbmi") ? MILL_VECTOR_BYTES : 0);
#else
	return 0;
#endif
}

bool mill_fib_writer_init(struct mill_fib_writer *writer, struct mill_fib *fib, struct mill_qsbr *qsbr,
                          const struct mill_iface *ifaces)
{
	memset(writer, 0, sizeof(*writer));
	writer->fib = fib;
	writer->qsbr = qsbr;
	fib->magic = MILL_FIB_MAGIC;
	fib->abi = MILL_ABI_VERSION;
	fib->bytes = (uint32_t)MILL_FIB_BYTES;
	fib->checksum = checksum(fib);
	fib->vector = has_vector();
	mill_prefixes_init(&writer->prefixes4, 4);
	mill_prefixes_init(&writer->prefixes6, 6);
	mill_own4_init(&writer->own4, fib);
	if (mill_adjacencies_init(&writer->adjacencies, fib, qsbr, ifaces) &&
	    mill_groups_init(&writer->groups, fib, qsbr, &writer->adjacencies) &&
	    mill_dir_init(&writer->dir4, fib, qsbr, 4) && mill_dir_init(&writer->dir6, fib, qsbr, 6))
		return true;
	mill_fib_writer_finish(writer);
	return false;
}

void mill_fib_writer_finish(struct mill_fib_writer *writer)
{
	mill_dir_finish(&writer->dir4);
	mill_dir_finish(&writer->dir6);
	mill_groups_finish(&writer->groups);
	mill_adjacencies_finish(&writer->adjacencies);
	mill_prefixes_finish(&writer->prefixes4);
	mill_prefixes_finish(&writer->prefixes6);
	mill_own4_finish(&writer->own4);
}

static struct family family_of(struct mill_fib_writer *writer, int family)
{
	if (family == 4)
		return (struct family){&writer->dir4, &writer->prefixes4, &writer->fib->default4, 32};
	return (struct family){&writer->dir6, &writer->prefixes6, &writer->fib->default6, 128};
}

/* Into the lookup structure. `was`: the group before, 0 for a new prefix. */
static bool write_route(const struct family *family, const struct mill_prefix *prefix, uint32_t group,
                        uint32_t was)
{
	uint8_t address[16];
	if (prefix->length == 0) {
		__atomic_store_n(family->fallback, group, __ATOMIC_RELEASE);
		return true;
	}
	mill_prefix_bytes(prefix, address);
	return mill_dir_set(family->dir, address, prefix->length, group, was != 0);
}

/* The way that packets to the prefix have gone so far, in the FIB that is in force: 0 for none. */
static uint32_t way_before(const struct mill_fib *before, const struct mill_prefix *prefix, int family)
{
	uint32_t group = 0, address;
	uint8_t bytes[16];
	mill_prefix_bytes(prefix, bytes);
	if (family == 6) {
		mill_fib_lookup6(before, (const uint8_t(*)[16])bytes, &group, 1);
		return group;
	}
	memcpy(&address, bytes, sizeof(address));
	address = __builtin_bswap32(address);
	mill_fib_lookup4(before, &address, &group, 1);
	return group;
}

/* Flows that the prefix has now stay where they are, as far as the new group's legs allow. */
static void keep_flows(struct mill_fib_writer *writer, const struct mill_prefix *prefix, int family,
                       uint32_t group, uint32_t was)
{
	if (!mill_groups_may_follow(&writer->groups, group))
		return;
	if (was != 0)
		mill_groups_follow(&writer->groups, group, writer->fib, was);
	else if (writer->before != NULL)
		mill_groups_follow(&writer->groups, group, writer->before,
		                   way_before(writer->before, prefix, family));
}

static void note_own(struct mill_fib_writer *writer, const struct mill_prefix *prefix, uint32_t group)
{
	if (mill_groups_lead_here(&writer->groups, group))
		mill_own4_add(&writer->own4, prefix);
	else
		mill_own4_remove(&writer->own4, prefix);
}

/* An adjacency or a group that routes go by has begun or ceased to mean the router itself. No daemon of ours does that. */
static void note_own_anew(struct mill_fib_writer *writer)
{
	struct mill_prefix prefix;
	uint32_t at = 0, group;
	while (mill_prefixes_next(&writer->prefixes4, &at, &prefix, &group))
		note_own(writer, &prefix, group);
}

static enum mill_fib_result set_route(struct mill_fib_writer *writer, const struct mill_fib_record *record)
{
	const struct family family = family_of(writer, record->family);
	const struct mill_prefix prefix = mill_prefix_of(record->address, record->family, record->length);
	const uint32_t group = mill_groups_slot(&writer->groups, record->id);
	uint32_t was;
	if (group == MILL_GROUP_VOID && writer->behind)
		return MILL_FIB_NO_ROOM; /* there was none for the group */
	if (!mill_prefixes_put(family.prefixes, &prefix, group, &was))
		return MILL_FIB_NO_ROOM;
	if (was == group)
		return MILL_FIB_APPLIED;
	keep_flows(writer, &prefix, record->family, group, was);
	if (!write_route(&family, &prefix, group, was)) {
		if (was == 0)
			mill_prefixes_remove(family.prefixes, &prefix);
		else
			mill_prefixes_put(family.prefixes, &prefix, was, &was);
		return MILL_FIB_NO_ROOM;
	}
	mill_groups_hold(&writer->groups, group);
	if (was != 0)
		mill_groups_drop(&writer->groups, was);
	if (record->family == 4)
		note_own(writer, &prefix, group);
	return group == MILL_GROUP_VOID ? MILL_FIB_REFUSED : MILL_FIB_APPLIED;
}

static void remove_route(struct mill_fib_writer *writer, const struct family *family,
                         const struct mill_prefix *prefix)
{
	uint8_t address[16];
	unsigned cover_length;
	const uint32_t was = mill_prefixes_get(family->prefixes, prefix);
	if (was == 0)
		return;
	mill_prefixes_remove(family->prefixes, prefix);
	if (prefix->length == 0) {
		__atomic_store_n(family->fallback, 0, __ATOMIC_RELEASE);
	} else {
		const uint32_t cover = mill_prefixes_cover(family->prefixes, prefix, &cover_length);
		mill_prefix_bytes(prefix, address);
		mill_dir_clear(family->dir, address, prefix->length, cover, cover_length);
	}
	if (family->bits == 32)
		mill_own4_remove(&writer->own4, prefix);
	mill_groups_drop(&writer->groups, was);
}

static enum mill_fib_result change_route(struct mill_fib_writer *writer, const struct mill_fib_record *record)
{
	if (record->family != 4 && record->family != 6)
		return MILL_FIB_REFUSED;
	const struct family family = family_of(writer, record->family);
	if (record->length > family.bits)
		return MILL_FIB_REFUSED;
	if (record->op == MILL_FIB_ROUTE_SET)
		return set_route(writer, record);
	const struct mill_prefix prefix = mill_prefix_of(record->address, record->family, record->length);
	remove_route(writer, &family, &prefix);
	return MILL_FIB_APPLIED;
}

/* While some did not find room, a group is not given legs that lead nowhere: it stays as it is. */
static bool lacks_legs(const struct mill_fib_writer *writer)
{
	bool lacks = false;
	for (uint32_t i = 0; writer->behind && i < writer->want_legs; i++)
		lacks = lacks || mill_adjacencies_id(&writer->adjacencies, writer->leg[i].adjacency) == 0;
	return lacks;
}

static bool set_group(struct mill_fib_writer *writer)
{
	const struct mill_groups *groups = &writer->groups;
	const uint32_t slot = mill_groups_slot(groups, writer->group_key);
	const bool was = mill_groups_lead_here(groups, slot);
	if (!mill_groups_set(&writer->groups, writer->group_key, writer->leg, writer->want_legs))
		return false;
	if (groups->group[slot].references != 0 && mill_groups_lead_here(groups, slot) != was)
		note_own_anew(writer);
	return true;
}

/* Forwarders look the interface of such an adjacency up without asking whether it has one. */
static bool leaves(const struct mill_fib_record *record)
{
	return record->kind == MILL_ADJ_FORWARD || record->kind == MILL_ADJ_RESOLVE ||
	       record->kind == MILL_ADJ_GLEAN;
}

static enum mill_fib_result set_adjacency(struct mill_fib_writer *writer,
                                          const struct mill_fib_record *record)
{
	if (leaves(record) && record->iface >= MILL_MAX_IFACES)
		return MILL_FIB_REFUSED;
	const uint32_t id = mill_adjacencies_id(&writer->adjacencies, record->id);
	const bool was = mill_fib_adjacency(writer->fib, id)->kind == MILL_ADJ_LOCAL;
	if (!mill_adjacencies_set(&writer->adjacencies, record))
		return MILL_FIB_NO_ROOM;
	if (id != 0 && was != (record->kind == MILL_ADJ_LOCAL))
		note_own_anew(writer);
	return MILL_FIB_APPLIED;
}

/* Collects legs until there are as many as the first record said. */
static enum mill_fib_result add_legs(struct mill_fib_writer *writer, const struct mill_fib_record *record)
{
	if (record->op == MILL_FIB_GROUP_SET) {
		writer->group_key = record->id;
		writer->want_legs = record->leg_count;
		writer->n_legs = 0;
	}
	if (record->length > 4 || record->id != writer->group_key ||
	    writer->want_legs > MILL_GROUP_MAX_LEGS || writer->n_legs + record->length > writer->want_legs)
		return MILL_FIB_REFUSED;
	memcpy(&writer->leg[writer->n_legs], record->leg, record->length * sizeof(record->leg[0]));
	if (writer->n_legs + record->length == writer->want_legs &&
	    (lacks_legs(writer) || !set_group(writer)))
		return MILL_FIB_NO_ROOM;
	writer->n_legs += record->length;
	return MILL_FIB_APPLIED;
}

static void point_gateway(struct mill_fib_writer *writer, uint32_t slot, uint32_t group)
{
	uint32_t *gateway = &writer->fib->gateway[slot];
	const uint32_t was = *gateway;
	if (group != 0 && mill_groups_may_follow(&writer->groups, group)) {
		if (was != 0)
			mill_groups_follow(&writer->groups, group, writer->fib, was);
		else if (writer->before != NULL)
			mill_groups_follow(&writer->groups, group, writer->before,
			                   writer->before->gateway[slot]);
	}
	if (group != 0)
		mill_groups_hold(&writer->groups, group);
	__atomic_store_n(gateway, group, __ATOMIC_RELEASE);
	if (was != 0)
		mill_groups_drop(&writer->groups, was);
}

static enum mill_fib_result set_gateway(struct mill_fib_writer *writer, const struct mill_fib_record *record)
{
	if (record->id >= MILL_MAX_GATEWAYS)
		return MILL_FIB_REFUSED;
	const uint32_t group =
	    record->value == 0 ? 0 : mill_groups_slot(&writer->groups, (uint32_t)record->value);
	if (group == MILL_GROUP_VOID && writer->behind)
		return MILL_FIB_NO_ROOM;
	writer->gateway_session[record->id] = writer->groups.session;
	point_gateway(writer, record->id, group == MILL_GROUP_VOID ? 0 : group);
	return group == MILL_GROUP_VOID ? MILL_FIB_REFUSED : MILL_FIB_APPLIED;
}

static void begin_replay(struct mill_fib_writer *writer)
{
	writer->replaying = true;
	writer->behind = false;
	writer->want_legs = writer->n_legs = 0;
	mill_prefixes_unmark(&writer->prefixes4);
	mill_prefixes_unmark(&writer->prefixes6);
	mill_adjacencies_new_session(&writer->adjacencies);
	mill_groups_new_session(&writer->groups);
}

static void sweep_routes(struct mill_fib_writer *writer, int number)
{
	const struct family family = family_of(writer, number);
	struct mill_prefix prefix;
	uint32_t at = 0;
	while (mill_prefixes_next_unmarked(family.prefixes, &at, &prefix)) {
		remove_route(writer, &family, &prefix);
		at--;
	}
}

/* Routes before groups before adjacencies: nothing goes that something still names. */
static enum mill_fib_result end_replay(struct mill_fib_writer *writer)
{
	if (!writer->replaying)
		return MILL_FIB_REFUSED;
	writer->replaying = false;
	if (writer->behind) { /* what was there before stays in force, beside what did find room */
		mill_groups_sweep(&writer->groups, true);
		mill_adjacencies_sweep(&writer->adjacencies, true);
		return MILL_FIB_NO_ROOM;
	}
	sweep_routes(writer, 4);
	sweep_routes(writer, 6);
	for (uint32_t slot = 0; slot < MILL_MAX_GATEWAYS; slot++)
		if (writer->gateway_session[slot] != writer->groups.session)
			point_gateway(writer, slot, 0);
	mill_groups_sweep(&writer->groups, false);
	mill_adjacencies_sweep(&writer->adjacencies, false);
	__atomic_store_n(&writer->fib->complete, 1, __ATOMIC_RELEASE);
	return MILL_FIB_APPLIED;
}

static enum mill_fib_result apply(struct mill_fib_writer *writer, const struct mill_fib_record *record)
{
	switch (record->op) {
	case MILL_FIB_COMMIT:
		if (writer->fib->complete != 0)
			__atomic_store_n(&writer->fib->complete, writer->fib->complete + 1, __ATOMIC_RELEASE);
		return MILL_FIB_APPLIED;
	case MILL_FIB_SYNC_BEGIN:
		begin_replay(writer);
		return MILL_FIB_APPLIED;
	case MILL_FIB_SYNC_END:
		return end_replay(writer);
	case MILL_FIB_ROUTE_SET:
	case MILL_FIB_ROUTE_DEL:
		return change_route(writer, record);
	case MILL_FIB_GROUP_SET:
	case MILL_FIB_GROUP_LEGS:
		return add_legs(writer, record);
	case MILL_FIB_GROUP_DEL:
		mill_groups_delete(&writer->groups, record->id);
		return MILL_FIB_APPLIED;
	case MILL_FIB_ADJACENCY_SET:
		return set_adjacency(writer, record);
	case MILL_FIB_ADJACENCY_DEL:
		mill_adjacencies_delete(&writer->adjacencies, record->id);
		return MILL_FIB_APPLIED;
	case MILL_FIB_GATEWAY_SET:
		return set_gateway(writer, record);
	default:
		return MILL_FIB_REFUSED;
	}
}

enum mill_fib_result mill_fib_writer_apply(struct mill_fib_writer *writer,
                                           const struct mill_fib_record *record)
{
	const enum mill_fib_result result = apply(writer, record);
	writer->refused += result == MILL_FIB_REFUSED;
	return result;
}

void mill_fib_writer_expect(const struct mill_fib_writer *writer, const struct mill_fib_record *record)
{
	if ((record->op != MILL_FIB_ROUTE_SET && record->op != MILL_FIB_ROUTE_DEL) || record->length > 128)
		return;
	const struct mill_prefix prefix = mill_prefix_of(record->address, record->family, record->length);
	mill_prefixes_expect(record->family == 4 ? &writer->prefixes4 : &writer->prefixes6, &prefix);
}

void mill_fib_writer_give_up(struct mill_fib_writer *writer)
{
	writer->failed++;
	writer->behind = true;
}

bool mill_fib_writer_iface_changed(struct mill_fib_writer *writer, uint16_t iface)
{
	return mill_adjacencies_rebuild(&writer->adjacencies, iface);
}

/* True when it answers. */
static bool keep(struct mill_fib_writer *writer, struct mill_compact *compact, uint32_t methods)
{
	const bool wanted = methods >> compact->method & 1;
	if (!wanted)
		mill_compact_drop(compact);
	else if (!compact->on && compact->dropping)
		mill_qsbr_drain(writer->qsbr, KEEP_WAIT_MS);
	if (wanted && !compact->on && !compact->dropping)
		mill_compact_build(compact);
	return compact->on;
}

static void keep_flat6(struct mill_fib_writer *writer, bool wanted)
{
	struct mill_flat6 *flat = &writer->dir6.flat6;
	if (!wanted)
		mill_flat6_drop(flat);
	else if (flat->dropping)
		mill_qsbr_drain(writer->qsbr, KEEP_WAIT_MS);
	if (wanted && !flat->on && !flat->dropping)
		mill_flat6_build(flat);
}

uint32_t mill_fib_writer_keep(struct mill_fib_writer *writer, uint32_t methods)
{
	const bool radix4 = keep(writer, &writer->dir4.radix, methods);
	const bool radix6 = keep(writer, &writer->dir6.radix, methods);
	const bool dxr4 = keep(writer, &writer->dir4.dxr, methods);
	const bool dxr6 = keep(writer, &writer->dir6.dxr, methods);
	keep_flat6(writer, methods >> MILL_FIB_FLAT & 1);
	return 1u << MILL_FIB_FLAT | (uint32_t)(radix4 && radix6) << MILL_FIB_RADIX |
	       (uint32_t)(dxr4 && dxr6) << MILL_FIB_DXR;
}
