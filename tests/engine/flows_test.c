/*
 * Chosen flows to chosen queues (netdev_flows.c, netdev_spread.c) on a model of a card's driver (ethtool_model.c): what is
 * wanted is there, what was there stays, and everything is put back, by whoever comes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <string.h>
#include <unistd.h>
#include "lib/engine_test.h"
#include "lib/spaces.h"
#include "port/netdev_linux.h"
#include "port/port.h"

void model_swap(const char *file, const char *card);

static char rundir[] = "/tmp/netmill-flows-XXXXXX";
static struct mill_changes changes;
static int cards;

static struct mill_netdev device_with(struct mill_changes *of)
{
	return (struct mill_netdev){
	    .kind = "xdp", .ifname = "card", .rundir = rundir, .ifindex = 7, .changes = of};
}

/* "queues places table chooses". Each test has a card of its own: a name, since the model keeps the first file. */
static void new_card(uint32_t queues, uint32_t places, uint32_t table, uint32_t chooses)
{
	char file[64], text[64];
	snprintf(file, sizeof(file), "%s/card-%d", rundir, cards++);
	snprintf(text, sizeof(text), "%u %u %u %u 0", queues, places, table, chooses);
	setenv("ETHTOOL_MODEL_DEVICE", "card", 1);
	model_swap(file, text);
	memset(&changes, 0, sizeof(changes));
}

static struct mill_flow udp(const char *to, uint8_t length, uint16_t port, uint16_t queue)
{
	struct mill_flow flow = {
	    .queue = queue, .family = 4, .protocol = 17, .to_port = port, .to_length = length};
	inet_pton(AF_INET, to, flow.to);
	return flow;
}

static struct mill_port_config wanting(uint32_t n, const struct mill_flow *flows)
{
	struct mill_port_config config = {
	    .n_queues = 2, .queue = {1, 3}, .n_flows = (uint16_t)n, .name = "wan", .spec = "xdp:card"};
	memcpy(config.flow, flows, n * sizeof(*flows));
	return config;
}

static bool rule_at(uint32_t place, struct ethtool_rxnfc *rule)
{
	*rule = (struct ethtool_rxnfc){.cmd = ETHTOOL_GRXCLSRULE, .fs = {.location = place}};
	return mill_netdev_ethtool("card", rule) == 0;
}

static uint32_t count_rules(void)
{
	struct ethtool_rxnfc count = {.cmd = ETHTOOL_GRXCLSRLCNT};
	CHECK(mill_netdev_ethtool("card", &count) == 0, "filters: %s", strerror(errno));
	return count.rule_cnt;
}

static bool is_on(void)
{
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
	return mill_netdev_ethtool("card", &flags) == 0 && flags.data != 0;
}

/* The operator's own, TCP port 22 to queue 0. */
static void insert_own(uint32_t place)
{
	struct ethtool_value on = {.cmd = ETHTOOL_SFLAGS, .data = 1u << 27};
	struct ethtool_rxnfc rule = {.cmd = ETHTOOL_SRXCLSRLINS,
	                             .fs = {.flow_type = TCP_V4_FLOW, .location = place}};
	rule.fs.h_u.tcp_ip4_spec.pdst = htons(22);
	rule.fs.m_u.tcp_ip4_spec.pdst = 0xffff;
	CHECK(mill_netdev_ethtool("card", &on) == 0 && mill_netdev_ethtool("card", &rule) == 0,
	      "a filter of the operator: %s", strerror(errno));
}

static bool own_is_at(uint32_t place)
{
	struct ethtool_rxnfc rule;
	return rule_at(place, &rule) && rule.fs.flow_type == TCP_V4_FLOW &&
	       rule.fs.h_u.tcp_ip4_spec.pdst == htons(22);
}

static void read_table(uint32_t *table, uint32_t n)
{
	struct {
		struct ethtool_rxfh_indir head;
		uint32_t entry[64];
	} asked = {.head = {.cmd = ETHTOOL_GRXFHINDIR, .size = n}};
	CHECK(mill_netdev_ethtool("card", &asked) == 0, "the table: %s", strerror(errno));
	memcpy(table, asked.entry, n * sizeof(*table));
}

static void write_table(const uint32_t *table, uint32_t n)
{
	struct {
		struct ethtool_rxfh_indir head;
		uint32_t entry[64];
	} set = {.head = {.cmd = ETHTOOL_SRXFHINDIR, .size = n}};
	memcpy(set.entry, table, n * sizeof(*table));
	CHECK(mill_netdev_ethtool("card", &set) == 0, "the table: %s", strerror(errno));
}

static void expect_table(const uint32_t *expected, uint32_t n)
{
	uint32_t table[64];
	read_table(table, n);
	for (uint32_t i = 0; i < n; i++)
		CHECK(table[i] == expected[i], "entry %u to be %u, got %u", i, expected[i], table[i]);
}

static void apply(const struct mill_netdev *device, const struct mill_port_config *config)
{
	struct mill_error error = {0};
	CHECK(mill_flows_apply(device, config, &error), "%s", error.text);
}

static void test_filters(void)
{
	const struct mill_flow three[] = {
	    udp("198.51.100.0", 28, 53, 1),
	    udp("198.51.100.0", 28, 123, 3),
	    {.queue = 3, .family = 6, .from_length = 48, .from = {0x20, 1, 0xd, 0xb8}}};
	struct ethtool_rxnfc rule;
	new_card(4, 8, 8, 0);
	insert_own(7);
	const struct mill_netdev device = device_with(&changes);
	const struct mill_port_config config = wanting(3, three), fewer = wanting(1, three + 1);
	apply(&device, &config);
	apply(&device, &config);
	CHECK(count_rules() == 4 && own_is_at(7), "three beside the operator's, got %u", count_rules());
	CHECK(rule_at(6, &rule) && rule.fs.flow_type == UDP_V4_FLOW && rule.fs.ring_cookie == 1, "the first");
	const struct ethtool_tcpip4_spec *value = &rule.fs.h_u.udp_ip4_spec,
	                                 *mask = &rule.fs.m_u.udp_ip4_spec;
	CHECK(value->ip4dst == htonl(0xc6336400) && mask->ip4dst == htonl(0xfffffff0) && mask->ip4src == 0 &&
	          value->pdst == htons(53) && mask->pdst == 0xffff && mask->psrc == 0 && mask->tos == 0,
	      "UDP to 198.51.100.0/28, port 53");
	CHECK(rule_at(4, &rule) && rule.fs.flow_type == IPV6_USER_FLOW && rule.fs.ring_cookie == 3 &&
	          rule.fs.h_u.usr_ip6_spec.ip6src[0] == htonl(0x20010db8) &&
	          rule.fs.m_u.usr_ip6_spec.ip6src[1] == htonl(0xffff0000) &&
	          rule.fs.m_u.usr_ip6_spec.ip6dst[0] == 0 && rule.fs.m_u.usr_ip6_spec.l4_proto == 0,
	      "IPv6 from 2001:db8::/48");
	apply(&device, &fewer);
	CHECK(count_rules() == 2 && rule_at(5, &rule) && rule.fs.ring_cookie == 3,
	      "the one that stays, in place");
	mill_flows_restore(&device);
	CHECK(count_rules() == 1 && own_is_at(7) && is_on(), "the operator's alone");
	printf("ok flows become filters beside those that are there, and go again\n");
}

static void test_places_chosen_by_driver(void)
{
	const struct mill_flow two[] = {udp("10.0.0.0", 8, 53, 1), udp("10.0.0.0", 8, 54, 1)};
	new_card(4, 8, 8, 1);
	const struct mill_netdev device = device_with(&changes);
	const struct mill_port_config config = wanting(2, two);
	CHECK(!is_on(), "filters that are off");
	apply(&device, &config);
	CHECK(count_rules() == 2 && is_on(), "two filters");
	changes.location[1] = RX_CLS_LOC_ANY; /* as one leaves it who dies at once */
	mill_flows_restore(&device);
	CHECK(count_rules() == 0 && !is_on(), "none, and off again");
	printf("ok filters whose place the driver chooses are found again\n");
}

static void test_refused(void)
{
	struct mill_error error = {0};
	const struct mill_flow three[] = {udp("10.0.0.0", 8, 53, 1), udp("10.0.0.0", 8, 54, 1),
	                                  udp("10.0.0.0", 8, 55, 1)};
	new_card(4, 2, 8, 0);
	const struct mill_netdev device = device_with(&changes);
	const struct mill_port_config one = wanting(1, three), all = wanting(3, three);
	apply(&device, &one);
	CHECK(!mill_flows_apply(&device, &all, &error) && error.code == ENOSPC &&
	          strstr(error.text, "flow 3 of its `flows`") != NULL &&
	          strstr(error.text, "no room") != NULL,
	      "too many to be refused, got '%s'", error.text);
	struct ethtool_rxnfc rule;
	CHECK(count_rules() == 1 && rule_at(1, &rule) && rule.fs.h_u.udp_ip4_spec.pdst == htons(53),
	      "the one of before");
	mill_flows_restore(&device);
	new_card(4, 0, 8, 0);
	CHECK(!mill_flows_apply(&device, &one, &error) && error.code == EOPNOTSUPP &&
	          strstr(error.text, "no ntuple filters") != NULL,
	      "a card without filters to be refused, got '%s'", error.text);
	printf("ok what a card cannot do is refused, and changes nothing\n");
}

static void test_spread(void)
{
	static const uint32_t even[] = {0, 1, 2, 3, 0, 1, 2, 3}, without[] = {0, 0, 2, 2, 0, 0, 2, 2},
	                      odd[] = {1, 1, 0, 0, 1, 1, 0, 0}, odd_without[] = {0, 0, 0, 0, 0, 0, 0, 0},
	                      two[] = {0, 1, 0, 1, 0, 1, 0, 1}, ours[] = {1, 3, 1, 3, 1, 3, 1, 3};
	struct mill_error error = {0};
	const struct mill_port_config config = wanting(0, (struct mill_flow[]){{0}});
	new_card(4, 8, 8, 0);
	const struct mill_netdev device = device_with(&changes);
	apply(&device, &config);
	expect_table(without, 8);
	mill_flows_restore(&device);
	expect_table(even, 8);
	write_table(odd, 8);
	apply(&device, &config);
	expect_table(odd_without, 8);
	mill_flows_restore(&device);
	expect_table(odd, 8);
	write_table(two, 8);
	apply(&device, &config);
	mill_flows_restore(&device);
	expect_table(two, 8);
	write_table(ours, 8);
	CHECK(!mill_flows_apply(&device, &config, &error) &&
	          strstr(error.text, "no queue would be left") != NULL,
	      "a table that has ours alone to be refused, got '%s'", error.text);
	expect_table(ours, 8);
	new_card(4, 8, 0, 0);
	apply(&device, &config);
	CHECK(changes.n_spread == 0, "nothing changed of a card without a table");
	printf("ok RSS leaves the port's queues out, and has them back\n");
}

/* A successor that has nothing but the run directory. */
static void test_successor(void)
{
	static const uint32_t even[] = {0, 1, 2, 3, 0, 1, 2, 3};
	const struct mill_flow two[] = {udp("10.0.0.0", 8, 53, 1), udp("10.0.0.0", 8, 54, 1)};
	struct mill_changes later = {0}, none = {0};
	struct ethtool_rxnfc gone = {.cmd = ETHTOOL_SRXCLSRLDEL, .fs = {.location = 7}};
	new_card(4, 8, 8, 0);
	const struct mill_netdev device = device_with(&changes), successor = device_with(&later);
	const struct mill_port_config config = wanting(2, two);
	apply(&device, &config);
	CHECK(mill_netdev_ethtool("card", &gone) == 0 && count_rules() == 1, "one that never came, or went");
	mill_netdev_recall(&successor);
	apply(&successor, &config);
	CHECK(count_rules() == 2, "both again");
	mill_flows_restore(&successor);
	CHECK(count_rules() == 0 && !is_on() && memcmp(&later, &none, sizeof(none)) == 0, "all put back");
	expect_table(even, 8);
	CHECK(shell("test ! -e %s/device-card", rundir) == 0, "nothing left to put back");
	printf("ok a successor puts right what is missing, and puts back what was changed\n");
}

int main(void)
{
	CHECK(mkdtemp(rundir) != NULL, "a run directory");
	test_filters();
	test_places_chosen_by_driver();
	test_refused();
	test_spread();
	test_successor();
	return shell("rm -rf %s", rundir);
}
