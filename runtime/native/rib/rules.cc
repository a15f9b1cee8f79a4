/* rules.h. Attributes of linux/fib_rules.h. */
#include "rib/rules.h"
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <algorithm>
#include <cstring>
#include "rib/address.h"
#include "rib/attributes.h"

namespace mill
{

static std::string table_name(uint32_t table)
{
	switch (table) {
	case RT_TABLE_LOCAL:
		return "local";
	case RT_TABLE_MAIN:
		return "main";
	case RT_TABLE_DEFAULT:
		return "default";
	default:
		return std::to_string(table);
	}
}

static std::string action_words(const Rule &rule, uint8_t action)
{
	switch (action) {
	case FR_ACT_TO_TBL:
		return "lookup " + table_name(rule.table);
	case FR_ACT_GOTO:
		return "goto";
	case FR_ACT_NOP:
		return "nop";
	case FR_ACT_BLACKHOLE:
		return "blackhole";
	case FR_ACT_UNREACHABLE:
		return "unreachable";
	case FR_ACT_PROHIBIT:
		return "prohibit";
	default:
		return "action " + std::to_string(action);
	}
}

static std::string hexadecimal(uint32_t number)
{
	char text[16];
	snprintf(text, sizeof text, "0x%x", number);
	return text;
}

/* The attribute as a selector in words; empty for none. */
static std::string selector(const nlattr *attribute, Rule &rule)
{
	const size_t size = mnl_attr_get_payload_len(attribute);
	const uint32_t number = size == 4 ? mnl_attr_get_u32(attribute) : 0;
	const bool text = mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0;
	switch (mnl_attr_get_type(attribute)) {
	case FRA_IIFNAME:
		rule.idle |= text && strcmp(mnl_attr_get_str(attribute), "lo") == 0;
		return std::string("iif ") + (text ? mnl_attr_get_str(attribute) : "?");
	case FRA_OIFNAME: /* what is forwarded has none before the lookup */
		rule.idle = true;
		return std::string("oif ") + (text ? mnl_attr_get_str(attribute) : "?");
	case FRA_FWMARK:
		return "fwmark " + hexadecimal(number);
	case FRA_SUPPRESS_PREFIXLEN:
		return number == UINT32_MAX ? "" : "suppress_prefixlength " + std::to_string(number);
	case FRA_SUPPRESS_IFGROUP:
		return number == UINT32_MAX ? "" : "suppress_ifgroup " + std::to_string(number);
	case FRA_L3MDEV:
		return "l3mdev";
	case FRA_UID_RANGE:
		rule.idle = true; /* of a local socket */
		return "uidrange";
	case FRA_TUN_ID:
		return "tun_id";
	case FRA_IP_PROTO:
		return "ipproto";
	case FRA_SPORT_RANGE:
		return "sport";
	case FRA_DPORT_RANGE:
		return "dport";
	default:
		return "";
	}
}

static std::string prefix_words(const char *side, const nlattr *attribute, uint8_t family, uint8_t length)
{
	if (attribute == nullptr || mnl_attr_get_payload_len(attribute) != (family == 4 ? 4u : 16u))
		return std::string(side) + " /" + std::to_string(length);
	return std::string(side) + " " + Address::of(family, mnl_attr_get_payload(attribute)).text() + "/" +
	       std::to_string(length);
}

bool parse_rule(const nlmsghdr *message, Rule &rule)
{
	const fib_rule_hdr *header = nullptr;
	const nlattr *from = nullptr, *to = nullptr;
	uint32_t table = 0;
	std::string selectors;
	const bool whole = message_attributes(message, header, [&](const nlattr *attribute) {
		const uint16_t type = mnl_attr_get_type(attribute);
		const bool number = mnl_attr_get_payload_len(attribute) == 4;
		from = type == FRA_SRC ? attribute : from;
		to = type == FRA_DST ? attribute : to;
		if (type == FRA_PRIORITY && number)
			rule.priority = mnl_attr_get_u32(attribute);
		if (type == FRA_TABLE && number)
			table = mnl_attr_get_u32(attribute);
		const std::string one = selector(attribute, rule);
		selectors += one.empty() ? "" : " " + one;
		return true;
	});
	if (!whole || (header->family != AF_INET && header->family != AF_INET6))
		return false;
	rule.family = header->family == AF_INET ? 4 : 6;
	rule.table = table != 0 ? table : header->table;
	rule.asks = header->action == FR_ACT_TO_TBL;
	rule.idle |= header->action == FR_ACT_NOP;
	if (header->dst_len != 0)
		selectors = " " + prefix_words("to", to, rule.family, header->dst_len) + selectors;
	if (header->tos != 0)
		selectors += " tos " + hexadecimal(header->tos);
	rule.selects = !selectors.empty() || header->src_len != 0 || (header->flags & FIB_RULE_INVERT) != 0;
	rule.words = ((header->flags & FIB_RULE_INVERT) != 0 ? "not " : "") +
	             (header->src_len != 0 ? prefix_words("from", from, rule.family, header->src_len)
	                                   : std::string("from all")) +
	             selectors + " " + action_words(rule, header->action);
	return true;
}

static std::string names_of(const std::vector<uint32_t> &tables)
{
	std::string names;
	for (const uint32_t table : tables)
		names += (names.empty() ? "" : ", ") + table_name(table);
	return names;
}

std::vector<std::string> rule_differences(std::vector<Rule> rules, const std::vector<uint32_t> &tables)
{
	std::vector<std::string> differences;
	std::vector<uint32_t> order;
	std::stable_sort(rules.begin(), rules.end(),
	                 [](const Rule &a, const Rule &b) { return a.priority < b.priority; });
	for (const Rule &rule : rules) {
		if (rule.idle)
			continue;
		if (rule.selects || !rule.asks)
			differences.push_back("IPv" + std::to_string(rule.family) + " rule " +
			                      std::to_string(rule.priority) + ": " + rule.words);
		else if (std::find(order.begin(), order.end(), rule.table) == order.end())
			order.push_back(rule.table);
	}
	const bool follows_default =
	    std::find(tables.begin(), tables.end(), uint32_t(RT_TABLE_DEFAULT)) != tables.end();
	if (!order.empty() && order.back() == RT_TABLE_DEFAULT && !follows_default)
		order.pop_back(); /* the kernel's last resort, empty as a rule */
	if (!rules.empty() && order != tables)
		differences.push_back("IPv" + std::to_string(rules[0].family) + " rules ask the tables " +
		                      names_of(order) + "; daemon.tables: " + names_of(tables));
	return differences;
}

} // namespace mill
