/*
 * rib_lines: the RIB by hand. A line of standard input each, as the kernel would tell it; an `ask` is answered by a line.
 *
 *   new                                              from here on all is forgotten; tables 255, 100, 254
 *   link IFINDEX up | down | nocarrier
 *   route FLAGS PREFIX TABLE METRIC TYPE [IFINDEX[/GATEWAY]…]     FLAGS of the message: add, append, prepend, replace, del
 *   ask ADDRESS                                      → `none`, or TYPE [IFINDEX[/GATEWAY]…] of the route that counts
 */
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <algorithm>
#include <iostream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include "netlink_socket.h"
#include "rib/rib.h"
#include "rib/text.h"

using namespace mill;

static uint16_t flags_of(const std::string &word)
{
	if (word == "add")
		return NLM_F_CREATE | NLM_F_EXCL;
	if (word == "append")
		return NLM_F_CREATE | NLM_F_APPEND;
	if (word == "replace")
		return NLM_F_REPLACE;
	return word == "prepend" ? NLM_F_CREATE : 0;
}

static uint8_t type_of(const std::string &word)
{
	for (uint8_t type = 0; type <= RTN_THROW; type++)
		if (type_name(type) == word)
			return type;
	throw std::invalid_argument(word);
}

static void put_address(NetlinkRequest &request, uint16_t type, const Address &address)
{
	mnl_attr_put(request.message(), type, address.size(), address.bytes);
}

struct Hop {
	uint32_t ifindex = 0;
	Address gateway;
	explicit Hop(const std::string &word)
	{
		const size_t slash = word.find('/');
		ifindex = static_cast<uint32_t>(std::stoul(word.substr(0, slash)));
		if (slash != std::string::npos)
			gateway = Address::parse(word.substr(slash + 1));
	}
};

static void put_ways(NetlinkRequest &request, const std::vector<Hop> &ways)
{
	if (ways.size() == 1) {
		mnl_attr_put_u32(request.message(), RTA_OIF, ways[0].ifindex);
		if (ways[0].gateway.family != 0)
			put_address(request, RTA_GATEWAY, ways[0].gateway);
	}
	if (ways.size() < 2)
		return;
	nlattr *nest = mnl_attr_nest_start(request.message(), RTA_MULTIPATH);
	for (const Hop &way : ways) {
		auto *hop = static_cast<rtnexthop *>(mnl_nlmsg_get_payload_tail(request.message()));
		const uint32_t before = request.message()->nlmsg_len;
		*hop = {};
		hop->rtnh_ifindex = static_cast<int>(way.ifindex);
		request.message()->nlmsg_len += sizeof *hop;
		if (way.gateway.family != 0)
			put_address(request, RTA_GATEWAY, way.gateway);
		hop->rtnh_len = static_cast<uint16_t>(request.message()->nlmsg_len - before);
	}
	mnl_attr_nest_end(request.message(), nest);
}

static void take_route(Rib &rib, std::istream &line)
{
	std::string flags, prefix, type, word;
	uint32_t table = 0, metric = 0;
	line >> flags >> prefix >> table >> metric >> type;
	std::vector<Hop> ways;
	while (line >> word)
		ways.emplace_back(word);
	const Prefix to = Prefix::parse(prefix);
	NetlinkRequest request(flags == "del" ? RTM_DELROUTE : RTM_NEWROUTE, 0);
	auto *header = request.header<rtmsg>();
	header->rtm_family = to.address.family == 4 ? AF_INET : AF_INET6;
	header->rtm_dst_len = to.length;
	header->rtm_table = static_cast<uint8_t>(table);
	header->rtm_type = type_of(type);
	put_address(request, RTA_DST, to.address);
	mnl_attr_put_u32(request.message(), RTA_PRIORITY, metric);
	put_ways(request, ways);
	request.message()->nlmsg_flags = flags_of(flags);
	rib.take(request.message(), false);
}

static void take_link(Rib &rib, std::istream &line)
{
	int ifindex = 0;
	std::string state;
	line >> ifindex >> state;
	NetlinkRequest request(RTM_NEWLINK, 0);
	auto *header = request.header<ifinfomsg>();
	header->ifi_index = ifindex;
	header->ifi_flags = state == "up" ? IFF_UP | IFF_LOWER_UP : state == "nocarrier" ? IFF_UP : 0;
	mnl_attr_put_strz(request.message(), IFLA_IFNAME, ("v" + std::to_string(ifindex)).c_str());
	rib.take(request.message(), false);
}

static std::string answer(const Rib &rib, const std::string &address)
{
	RouteView view;
	if (!rib.lookup(Address::parse(address), view))
		return "none";
	std::vector<std::string> ways;
	for (const RouteView::Hop &hop : view.hops)
		ways.push_back(std::to_string(hop.ifindex) +
		               (hop.gateway.family != 0 ? "/" + hop.gateway.text() : ""));
	std::sort(ways.begin(), ways.end());
	std::string words = type_name(view.type);
	for (const std::string &way : ways)
		words += " " + way;
	return words;
}

int main()
{
	std::unique_ptr<Rib> rib;
	std::string text, verb, word;
	while (std::getline(std::cin, text)) {
		std::istringstream line(text);
		line >> verb;
		if (verb == "new") {
			rib = std::make_unique<Rib>();
			rib->set_tables({RT_TABLE_LOCAL, 100, RT_TABLE_MAIN});
			rib->set_loaded();
		} else if (verb == "link") {
			take_link(*rib, line);
		} else if (verb == "route") {
			take_route(*rib, line);
		} else {
			line >> word;
			std::cout << answer(*rib, word) << std::endl;
		}
		rib->flush();
	}
}
