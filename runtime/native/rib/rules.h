/*
 * The kernel's rules (`ip rule`), which say what tables are asked for which packets. They are not followed: the policy names the
 * tables and their order. But where they make the kernel go another way with a packet that it forwards, that is said.
 */
#pragma once
#include <linux/netlink.h>
#include <cstdint>
#include <string>
#include <vector>

namespace mill
{

struct Rule {
	uint8_t family = 0; /* 4 or 6 */
	uint32_t priority = 0, table = 0;
	bool asks = false;    /* a table; otherwise it refuses, jumps, … */
	bool selects = false; /* not for all packets */
	bool idle = false;    /* does nothing, or concerns the router's own packets alone */
	std::string words;    /* as `ip rule` has them, without the priority */
	bool operator==(const Rule &other) const
	{
		return family == other.family && priority == other.priority && words == other.words;
	}
};

/* Outside bytes, as those of messages.h. */
bool parse_rule(const nlmsghdr *message, Rule &rule);
/* In words, by what rules of one family differ from tables that are asked one after the other; empty: not at all. */
std::vector<std::string> rule_differences(std::vector<Rule> rules, const std::vector<uint32_t> &tables);

} // namespace mill
