/* text.h. Numbers as in linux/rtnetlink.h and linux/neighbour.h, words as iproute2 has them. */
#include "rib/text.h"
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <iterator>
#include "rib/rib.h"

namespace mill
{

std::string type_name(uint8_t type)
{
	switch (type) {
	case RTN_UNICAST:
		return "unicast";
	case RTN_LOCAL:
		return "local";
	case RTN_BROADCAST:
		return "broadcast";
	case RTN_BLACKHOLE:
		return "blackhole";
	case RTN_UNREACHABLE:
		return "unreachable";
	case RTN_PROHIBIT:
		return "prohibit";
	case RTN_THROW:
		return "throw";
	case RTN_ANYCAST:
		return "anycast";
	case RTN_MULTICAST:
		return "multicast";
	default:
		return "other";
	}
}

std::string protocol_name(uint8_t protocol)
{
	static const std::pair<uint8_t, const char *> names[] = {
	    {RTPROT_UNSPEC, "unspec"}, {RTPROT_REDIRECT, "redirect"},
	    {RTPROT_KERNEL, "kernel"}, {RTPROT_BOOT, "boot"},
	    {RTPROT_STATIC, "static"}, {RTPROT_RA, "ra"},
	    {RTPROT_ZEBRA, "zebra"},   {RTPROT_BIRD, "bird"},
	    {RTPROT_DHCP, "dhcp"},     {RTPROT_KEEPALIVED, "keepalived"},
	    {RTPROT_BABEL, "babel"},   {RTPROT_BGP, "bgp"},
	    {RTPROT_ISIS, "isis"},     {RTPROT_OSPF, "ospf"},
	    {RTPROT_RIP, "rip"},       {RTPROT_EIGRP, "eigrp"}};
	for (const auto &[number, name] : names)
		if (number == protocol)
			return name;
	return std::to_string(protocol);
}

static const std::pair<uint16_t, const char *> neighbour_states[] = {
    {NUD_PERMANENT, "permanent"},   {NUD_NOARP, "noarp"},  {NUD_REACHABLE, "reachable"},
    {NUD_PROBE, "probe"},           {NUD_STALE, "stale"},  {NUD_DELAY, "delay"},
    {NUD_INCOMPLETE, "incomplete"}, {NUD_FAILED, "failed"}};

std::string neighbour_state_name(uint16_t state)
{
	for (const auto &[bit, name] : neighbour_states)
		if (state & bit)
			return name;
	return "none";
}

uint16_t neighbour_state_of(const std::string &text)
{
	for (const auto &[bit, name] : neighbour_states)
		if (text == name)
			return bit;
	return NUD_NONE;
}

std::string adjacency_kind_name(uint8_t kind)
{
	static const char *const names[] = {"none",   "forward",   "resolve",     "glean",     "local",
	                                    "kernel", "blackhole", "unreachable", "broadcast", "prohibit"};
	return names[kind < std::size(names) ? kind : 0];
}

std::string route_protocol(const RouteView &view)
{
	if (view.by_operator)
		return "netmill";
	if (view.by_own)
		return view.protocol == RTPROT_KERNEL ? "connected" : "static";
	return protocol_name(view.protocol);
}

std::string route_words(const RouteView &view, const std::map<uint32_t, std::string> &names)
{
	std::string line = type_name(view.type);
	for (const RouteView::Hop &hop : view.hops) {
		const auto name = names.find(hop.ifindex);
		if (hop.gateway.family != 0)
			line += " via " + hop.gateway.text();
		line += " dev " + (name != names.end() ? name->second : std::to_string(hop.ifindex));
		if (view.hops.size() > 1)
			line += " weight " + std::to_string(hop.weight);
		if (hop.dead)
			line += " dead";
	}
	line += " proto " + route_protocol(view);
	if (view.metric != 0)
		line += " metric " + std::to_string(view.metric);
	return line;
}

std::string answer_words(const mill_lookup_answer &answer)
{
	static const uint8_t nothing[16] = {};
	std::string words;
	for (uint32_t i = 0; i < answer.legs && i < std::size(answer.leg); i++) {
		const auto &leg = answer.leg[i];
		words += (i == 0 ? "" : ", ") + adjacency_kind_name(leg.kind);
		if (memcmp(leg.address, nothing, sizeof nothing) != 0)
			words += " to " + Address::of(leg.family == 6 ? 6 : 4, leg.address).text();
		if (memcmp(leg.mac, nothing, sizeof leg.mac) != 0)
			words += " (" + format_mac(leg.mac) + ")";
		if (leg.iface != MILL_NONE)
			words += " on interface " + std::to_string(leg.iface);
	}
	return words.empty() ? "no route" : words;
}

} // namespace mill
