/*
 * Classification: a compiled list against DPDK's rte_acl on the same packets, in the same process, run by run in turn; and both
 * against a linear scan of the rules.
 *
 *   acl-load LIST.so RULES PACKETS RUNS CHECKED      RULES: a line each, `src/len dst/len sport-sport dport-dport proto/mask`
 *
 * CHECKED packets are judged by the scan too. Times are the thread's own, so that what else the machine does costs little.
 * Prints one JSON object. Built without -DWITH_DPDK it measures the list alone.
 */
#include "netmill/classify.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#ifdef WITH_DPDK
#include <rte_acl.h>
#include <rte_eal.h>
#include <rte_errno.h>
#endif

struct rule {
	uint32_t src, src_len, dst, dst_len;
	uint16_t sport[2], dport[2];
	uint8_t proto, mask;
};

struct peer_packet { /* network order, as rte_acl reads it */
	uint8_t proto, pad[3];
	uint32_t src, dst;
	uint16_t sport, dport;
};

static struct rule *rules;
static uint32_t n_rules, n_packets;
static struct mill_key *keys;
static uint32_t *ours, *expected;
static uint64_t seed = 0x9e3779b97f4a7c15ull;

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1dull >> 16;
}

static uint32_t mask(uint32_t length)
{
	return length == 0 ? 0 : ~0u << (32 - length);
}

static void *memory(size_t n, size_t size)
{
	void *made = calloc(n, size);
	if (made == NULL) {
		perror("calloc");
		exit(1);
	}
	return made;
}

static void read_rules(const char *path)
{
	FILE *file = fopen(path, "r");
	unsigned a[4], b[4], v[10];
	if (file == NULL) {
		perror(path);
		exit(1);
	}
	rules = memory(1 << 20, sizeof(*rules));
	while (fscanf(file, "%u.%u.%u.%u/%u %u.%u.%u.%u/%u %u-%u %u-%u %u/%u", &a[0], &a[1], &a[2], &a[3],
	              &v[0], &b[0], &b[1], &b[2], &b[3], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6],
	              &v[7]) == 16) {
		rules[n_rules++] = (struct rule){
		    .src = (a[0] << 24 | a[1] << 16 | a[2] << 8 | a[3]) & mask(v[0]),
		    .src_len = v[0],
		    .dst = (b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3]) & mask(v[1]),
		    .dst_len = v[1],
		    .sport = {(uint16_t)v[2], (uint16_t)v[3]},
		    .dport = {(uint16_t)v[4], (uint16_t)v[5]},
		    .proto = (uint8_t)v[6],
		    .mask = (uint8_t)v[7],
		};
	}
	fclose(file);
}

static uint16_t within(const uint16_t range[2])
{
	return (uint16_t)(range[0] + draw() % (range[1] - range[0] + 1u));
}

/* Uniform over rules, and within a rule over its packets; without rules, over all packets. */
static void draw_packets(void)
{
	static const struct rule everything = {.sport = {0, 0xffff}, .dport = {0, 0xffff}};
	keys = memory(n_packets, sizeof(*keys));
	for (uint32_t i = 0; i < n_packets; i++) {
		const struct rule *r = n_rules != 0 ? &rules[draw() % n_rules] : &everything;
		keys[i].src4 = r->src | ((uint32_t)draw() & ~mask(r->src_len));
		keys[i].dst4 = r->dst | ((uint32_t)draw() & ~mask(r->dst_len));
		keys[i].sport = within(r->sport);
		keys[i].selector = within(r->dport);
		keys[i].proto = r->mask ? r->proto : (uint8_t)(draw() & 1 ? 6 : 17);
		keys[i].read = true;
	}
}

static uint32_t scan(const struct mill_key *k)
{
	for (uint32_t i = 0; i < n_rules; i++) {
		const struct rule *r = &rules[i];
		if (((k->src4 ^ r->src) & mask(r->src_len)) || ((k->dst4 ^ r->dst) & mask(r->dst_len)))
			continue;
		if (k->selector < r->dport[0] || k->selector > r->dport[1])
			continue;
		if (k->sport >= r->sport[0] && k->sport <= r->sport[1] &&
		    ((k->proto ^ r->proto) & r->mask) == 0)
			return i;
	}
	return MILL_CLASSIFY_NONE;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

typedef void classify(const struct mill_key *, uint32_t, uint32_t *);

static double run_ours(classify *list)
{
	const double begin = now();
	for (uint32_t i = 0; i < n_packets; i += MILL_CLASSIFY_BURST) {
		const uint32_t n = n_packets - i < MILL_CLASSIFY_BURST ? n_packets - i : MILL_CLASSIFY_BURST;
		list(keys + i, n, ours + i);
	}
	return n_packets / (now() - begin) / 1e6;
}

#ifdef WITH_DPDK
RTE_ACL_RULE_DEF(peer_rule, 5);

static struct rte_acl_ctx *peer;
static const uint8_t **peer_data;
static uint32_t *theirs;
static const char *peer_method;

static void build_peer(double *build_ms)
{
	static const struct rte_acl_field_def fields[5] = {
	    {RTE_ACL_FIELD_TYPE_BITMASK, 1, 0, 0, 0}, {RTE_ACL_FIELD_TYPE_MASK, 4, 1, 1, 4},
	    {RTE_ACL_FIELD_TYPE_MASK, 4, 2, 2, 8},    {RTE_ACL_FIELD_TYPE_RANGE, 2, 3, 3, 12},
	    {RTE_ACL_FIELD_TYPE_RANGE, 2, 4, 3, 14},
	};
	char *arguments[] = {"acl-load",
	                     "--no-huge",
	                     "--no-pci",
	                     "--no-shconf",
	                     "-m",
	                     "1024",
	                     "--no-telemetry",
	                     "-l",
	                     "0",
	                     "--log-level=4",
	                     "--force-max-simd-bitwidth=512",
	                     NULL};
	struct rte_acl_config config = {.num_categories = 1, .num_fields = 5, .max_size = 0};
	if (rte_eal_init(11, arguments) < 0)
		return;
	struct rte_acl_param param = {"list", 0, RTE_ACL_RULE_SZ(5), n_rules};
	const double begin = now();
	struct rte_acl_ctx *context = rte_acl_create(&param);
	if (context == NULL)
		return;
	struct peer_rule *all = memory(n_rules, sizeof(*all));
	for (uint32_t i = 0; i < n_rules; i++) {
		const struct rule *r = &rules[i];
		all[i].data.userdata = i + 1;
		all[i].data.category_mask = 1;
		all[i].data.priority = (int32_t)(n_rules - i);
		all[i].field[0].value.u8 = r->proto;
		all[i].field[0].mask_range.u8 = r->mask;
		all[i].field[1].value.u32 = r->src;
		all[i].field[1].mask_range.u32 = r->src_len;
		all[i].field[2].value.u32 = r->dst;
		all[i].field[2].mask_range.u32 = r->dst_len;
		all[i].field[3].value.u16 = r->sport[0];
		all[i].field[3].mask_range.u16 = r->sport[1];
		all[i].field[4].value.u16 = r->dport[0];
		all[i].field[4].mask_range.u16 = r->dport[1];
	}
	memcpy(config.defs, fields, sizeof(fields));
	if (rte_acl_add_rules(context, (struct rte_acl_rule *)all, n_rules) != 0 ||
	    rte_acl_build(context, &config) != 0)
		return;
	*build_ms = (now() - begin) * 1e3;
	peer_method = "avx512x32";
	if (rte_acl_set_ctx_classify(context, RTE_ACL_CLASSIFY_AVX512X32) != 0) {
		peer_method = "avx2";
		if (rte_acl_set_ctx_classify(context, RTE_ACL_CLASSIFY_AVX2) != 0)
			peer_method = "scalar";
	}
	struct peer_packet *packets = memory(n_packets, sizeof(*packets));
	peer_data = memory(n_packets, sizeof(*peer_data));
	theirs = memory(n_packets, sizeof(*theirs));
	for (uint32_t i = 0; i < n_packets; i++) {
		packets[i] = (struct peer_packet){
		    keys[i].proto,
		    {0},
		    __builtin_bswap32(keys[i].src4),
		    __builtin_bswap32(keys[i].dst4),
		    __builtin_bswap16(keys[i].sport),
		    __builtin_bswap16(keys[i].selector),
		};
		peer_data[i] = (const uint8_t *)&packets[i];
	}
	free(all);
	peer = context;
}

static double run_peer(void)
{
	const double begin = now();
	for (uint32_t i = 0; i < n_packets; i += MILL_CLASSIFY_BURST) {
		const uint32_t n = n_packets - i < MILL_CLASSIFY_BURST ? n_packets - i : MILL_CLASSIFY_BURST;
		rte_acl_classify(peer, peer_data + i, theirs + i, n, 1);
	}
	return n_packets / (now() - begin) / 1e6;
}
#endif

/* Packets that the list, or the peer, judges otherwise than the scan does. */
static uint32_t differences(const uint32_t *answers, uint32_t offset, uint32_t checked)
{
	uint32_t wrong = 0;
	for (uint32_t i = 0; i < checked; i++)
		wrong += answers[i] - offset != expected[i];
	return wrong;
}

int main(int argc, char **argv)
{
	void *library = argc == 6 ? dlopen(argv[1], RTLD_NOW) : NULL;
	classify *plain = library ? (classify *)dlsym(library, "acl_classify_plain") : NULL;
	classify *list = library ? (classify *)dlsym(library, "acl_classify") : NULL;
	if (list == NULL || plain == NULL) {
		fprintf(stderr, "usage: acl-load LIST.so RULES PACKETS RUNS CHECKED %s\n",
		        argc == 6 ? dlerror() : "");
		return 2;
	}
	read_rules(argv[2]);
	n_packets = (uint32_t)atoi(argv[3]);
	const uint32_t runs = (uint32_t)atoi(argv[4]);
	uint32_t checked = (uint32_t)atoi(argv[5]);
	if (checked > n_packets)
		checked = n_packets;
	draw_packets();
	ours = memory(n_packets, sizeof(*ours));
	expected = memory(n_packets, sizeof(*expected));
	for (uint32_t i = 0; i < checked; i++)
		expected[i] = scan(&keys[i]);
	run_ours(plain);
	printf("{\"plain_differences\": %u", differences(ours, 0, checked));
	if (!__builtin_cpu_supports("avx512vbmi") || !__builtin_cpu_supports("avx512bw"))
		list = plain;
	run_ours(list);
	printf(", \"differences\": %u", differences(ours, 0, checked));
#ifdef WITH_DPDK
	double build_ms = 0;
	build_peer(&build_ms);
	if (peer != NULL) {
		run_peer();
		printf(", \"peer_method\": \"%s\", \"peer_build_ms\": %.1f, \"peer_differences\": %u",
		       peer_method, build_ms, differences(theirs, 1, checked));
	}
#endif
	printf(", \"ours\": [");
	double *peer_runs = memory(runs, sizeof(*peer_runs));
	for (uint32_t i = 0; i < runs; i++) {
		printf("%s%.2f", i ? ", " : "", run_ours(list));
#ifdef WITH_DPDK
		if (peer != NULL)
			peer_runs[i] = run_peer();
#endif
	}
	printf("], \"peer\": [");
	for (uint32_t i = 0; i < runs && peer_runs[0] > 0; i++)
		printf("%s%.2f", i ? ", " : "", peer_runs[i]);
	printf("]}\n");
	return 0;
}
