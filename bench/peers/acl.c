/*
 * Classification: a compiled list against DPDK's rte_acl on the same packets, in the same process, run by run in turn; and both
 * against a linear scan of the rules.
 *
 *   acl-load LIST.so RULES FAMILY PACKETS RUNS CHECKED
 *       RULES: a line each, `src/len dst/len sport-sport dport-dport proto/mask`; FAMILY: 4 or 6
 *
 * CHECKED packets are judged by the scan too. Times are the thread's own, so that what else the machine does costs little.
 * Prints one JSON object. Built without -DWITH_DPDK it measures the list alone.
 */
#include "netmill/classify.h"
#include <arpa/inet.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#ifdef WITH_DPDK
#include <rte_acl.h>
#include <rte_eal.h>
#include <rte_errno.h>
#endif

typedef unsigned __int128 address; /* IPv4: its lower 32 bits */

struct rule {
	address src, dst;
	uint32_t src_len, dst_len;
	uint16_t sport[2], dport[2];
	uint8_t proto, mask;
};

static bool ipv6;
static uint64_t (*addresses)[4]; /* of IPv6 keys: source, destination */
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

static address whole(void)
{
	return ipv6 ? ~(address)0 : (address)UINT32_MAX;
}

static address mask(uint32_t length)
{
	return length == 0 ? 0 : whole() & whole() << ((ipv6 ? 128 : 32) - length);
}

static address bits_of(const uint8_t *bytes, uint32_t n)
{
	address a = 0;
	for (uint32_t i = 0; i < n; i++)
		a = a << 8 | bytes[i];
	return a;
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

/* `text` is an address, a slash and a length. */
static address read_prefix(char *text, uint32_t *length)
{
	uint8_t bytes[16];
	char *slash = strchr(text, '/');
	if (slash != NULL)
		*slash = 0;
	if (slash == NULL || inet_pton(ipv6 ? AF_INET6 : AF_INET, text, bytes) != 1) {
		fprintf(stderr, "%s is no prefix\n", text);
		exit(1);
	}
	*length = (uint32_t)atoi(slash + 1);
	return bits_of(bytes, ipv6 ? 16 : 4) & mask(*length);
}

static void read_rules(const char *path)
{
	FILE *file = fopen(path, "r");
	char src[64], dst[64];
	unsigned v[6];
	if (file == NULL) {
		perror(path);
		exit(1);
	}
	rules = memory(1 << 17, sizeof(*rules));
	while (n_rules < 1 << 17 && fscanf(file, "%63s %63s %u-%u %u-%u %u/%u", src, dst, &v[0], &v[1], &v[2],
	                                   &v[3], &v[4], &v[5]) == 8) {
		struct rule *r = &rules[n_rules++];
		r->src = read_prefix(src, &r->src_len);
		r->dst = read_prefix(dst, &r->dst_len);
		r->sport[0] = (uint16_t)v[0], r->sport[1] = (uint16_t)v[1];
		r->dport[0] = (uint16_t)v[2], r->dport[1] = (uint16_t)v[3];
		r->proto = (uint8_t)v[4], r->mask = (uint8_t)v[5];
	}
	fclose(file);
}

static uint16_t within(const uint16_t range[2])
{
	return (uint16_t)(range[0] + draw() % (range[1] - range[0] + 1u));
}

static address drawn_address(void)
{
	const address high = draw(), middle = draw();
	return (high << 96 ^ middle << 48 ^ draw()) & whole();
}

static void set_addresses(uint32_t i, address src, address dst)
{
	if (!ipv6) {
		keys[i].src4 = (uint32_t)src;
		keys[i].dst4 = (uint32_t)dst;
		return;
	}
	addresses[i][0] = (uint64_t)(src >> 64), addresses[i][1] = (uint64_t)src;
	addresses[i][2] = (uint64_t)(dst >> 64), addresses[i][3] = (uint64_t)dst;
	keys[i].src6 = addresses[i];
	keys[i].dst6 = addresses[i] + 2;
}

static address src_of(const struct mill_key *k)
{
	return ipv6 ? (address)k->src6[0] << 64 | k->src6[1] : k->src4;
}

static address dst_of(const struct mill_key *k)
{
	return ipv6 ? (address)k->dst6[0] << 64 | k->dst6[1] : k->dst4;
}

/* Uniform over rules, and within a rule over its packets; without rules, over all packets. */
static void draw_packets(void)
{
	static const struct rule everything = {.sport = {0, 0xffff}, .dport = {0, 0xffff}};
	keys = memory(n_packets, sizeof(*keys));
	addresses = memory(n_packets, sizeof(*addresses));
	for (uint32_t i = 0; i < n_packets; i++) {
		const struct rule *r = n_rules != 0 ? &rules[draw() % n_rules] : &everything;
		set_addresses(i, r->src | (drawn_address() & ~mask(r->src_len)),
		              r->dst | (drawn_address() & ~mask(r->dst_len)));
		keys[i].sport = within(r->sport);
		keys[i].selector = within(r->dport);
		keys[i].proto = r->mask ? r->proto : (uint8_t)(draw() & 1 ? 6 : 17);
		keys[i].read = true;
	}
}

static uint32_t scan(const struct mill_key *k)
{
	const address src = src_of(k), dst = dst_of(k);
	for (uint32_t i = 0; i < n_rules; i++) {
		const struct rule *r = &rules[i];
		if (((src ^ r->src) & mask(r->src_len)) || ((dst ^ r->dst) & mask(r->dst_len)))
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
#define MOST_FIELDS 11
RTE_ACL_RULE_DEF(peer_rule, MOST_FIELDS);

static struct rte_acl_ctx *peer;
static const uint8_t **peer_data;
static uint32_t *theirs;
static const char *peer_method;

/* 32-bit words of an address. */
static uint32_t peer_words(void)
{
	return ipv6 ? 4 : 1;
}

/* What it reads of a packet, in network order: protocol and three bytes, source, destination, ports. It reads four bytes
 * at a time. */
static uint32_t peer_fields(struct rte_acl_field_def *field)
{
	const uint32_t words = 2 * peer_words(), n = words + 3;
	for (uint32_t i = 1; i < n; i++) {
		const bool port = i > words;
		field[i] = (struct rte_acl_field_def){
		    .type = port ? RTE_ACL_FIELD_TYPE_RANGE : RTE_ACL_FIELD_TYPE_MASK,
		    .size = port ? 2 : 4,
		    .field_index = (uint8_t)i,
		    .input_index = (uint8_t)(port ? words + 1 : i),
		    .offset = i == n - 1 ? 4 * i - 2 : 4 * i,
		};
	}
	field[0] = (struct rte_acl_field_def){RTE_ACL_FIELD_TYPE_BITMASK, 1, 0, 0, 0};
	return n;
}

static size_t peer_packet_size(void)
{
	return 8 + 8 * peer_words();
}

static uint32_t peer_word(address a, uint32_t word)
{
	return (uint32_t)(a >> 32 * (peer_words() - 1 - word));
}

/* Words of a prefix, each with its share of the length. */
static void peer_prefix(struct rte_acl_field *field, address bits, uint32_t length)
{
	for (uint32_t word = 0; word < peer_words(); word++) {
		const uint32_t before = 32 * word;
		field[word].value.u32 = peer_word(bits, word);
		field[word].mask_range.u32 = length <= before       ? 0
		                             : length - before < 32 ? length - before
		                                                    : 32;
	}
}

static void peer_packet(uint32_t *packet, const struct mill_key *k)
{
	const uint32_t words = peer_words();
	packet[0] = k->proto; /* its first byte */
	for (uint32_t word = 0; word < words; word++) {
		packet[1 + word] = htonl(peer_word(src_of(k), word));
		packet[1 + words + word] = htonl(peer_word(dst_of(k), word));
	}
	packet[1 + 2 * words] = htonl((uint32_t)k->sport << 16 | k->selector);
}

static void build_peer(double *build_ms)
{
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
	struct rte_acl_config config = {.num_categories = 1, .max_size = 0};
	config.num_fields = peer_fields(config.defs);
	if (rte_eal_init(11, arguments) < 0)
		return;
	struct rte_acl_param param = {"list", 0, RTE_ACL_RULE_SZ(config.num_fields), n_rules};
	const double begin = now();
	struct rte_acl_ctx *context = rte_acl_create(&param);
	if (context == NULL)
		return;
	uint8_t *all = memory(n_rules, param.rule_size);
	const uint32_t words = peer_words();
	for (uint32_t i = 0; i < n_rules; i++) {
		const struct rule *r = &rules[i];
		struct peer_rule *rule = (struct peer_rule *)(void *)(all + (size_t)i * param.rule_size);
		struct rte_acl_field *port = &rule->field[2 * words + 1];
		rule->data.userdata = i + 1;
		rule->data.category_mask = 1;
		rule->data.priority = (int32_t)(n_rules - i);
		rule->field[0].value.u8 = r->proto;
		rule->field[0].mask_range.u8 = r->mask;
		peer_prefix(&rule->field[1], r->src, r->src_len);
		peer_prefix(&rule->field[1 + words], r->dst, r->dst_len);
		port[0].value.u16 = r->sport[0];
		port[0].mask_range.u16 = r->sport[1];
		port[1].value.u16 = r->dport[0];
		port[1].mask_range.u16 = r->dport[1];
	}
	if (rte_acl_add_rules(context, (struct rte_acl_rule *)(void *)all, n_rules) != 0 ||
	    rte_acl_build(context, &config) != 0)
		return;
	*build_ms = (now() - begin) * 1e3;
	peer_method = "avx512x32";
	if (rte_acl_set_ctx_classify(context, RTE_ACL_CLASSIFY_AVX512X32) != 0) {
		peer_method = "avx2";
		if (rte_acl_set_ctx_classify(context, RTE_ACL_CLASSIFY_AVX2) != 0)
			peer_method = "scalar";
	}
	uint8_t *packets = memory(n_packets, peer_packet_size());
	peer_data = memory(n_packets, sizeof(*peer_data));
	theirs = memory(n_packets, sizeof(*theirs));
	for (uint32_t i = 0; i < n_packets; i++) {
		uint8_t *packet = packets + i * peer_packet_size();
		peer_packet((uint32_t *)(void *)packet, &keys[i]);
		peer_data[i] = packet;
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
	void *library = argc == 7 ? dlopen(argv[1], RTLD_NOW) : NULL;
	classify *plain = library ? (classify *)dlsym(library, "acl_classify_plain") : NULL;
	classify *list = library ? (classify *)dlsym(library, "acl_classify") : NULL;
	if (list == NULL || plain == NULL) {
		fprintf(stderr, "usage: acl-load LIST.so RULES FAMILY PACKETS RUNS CHECKED %s\n",
		        argc == 7 ? dlerror() : "");
		return 2;
	}
	ipv6 = atoi(argv[3]) == 6;
	read_rules(argv[2]);
	n_packets = (uint32_t)atoi(argv[4]);
	const uint32_t runs = (uint32_t)atoi(argv[5]);
	uint32_t checked = (uint32_t)atoi(argv[6]);
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
