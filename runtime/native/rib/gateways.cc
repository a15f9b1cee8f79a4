/*
 * Where people and policies point: the operator's own routes, and the gateways of ACLs and PBR, both resolved through
 * the kernel's routes, anew whenever those change.
 */
#include <linux/rtnetlink.h>
#include <utility>
#include "rib/rib.h"

namespace mill
{

void Rib::set_interfaces(std::unordered_map<uint32_t, uint16_t> slots)
{
	interfaces_known_ = true;
	if (slots == slots_)
		return;
	slots_ = std::move(slots);
	links_changed();
}

void Rib::set_gateways(const std::vector<std::pair<uint32_t, Address>> &gateways)
{
	std::map<uint32_t, GatewayState> next;
	for (const auto &[slot, address] : gateways) {
		const auto old = gateways_.find(slot);
		if (old != gateways_.end()) {
			next[slot] = old->second;
			if (old->second.address != address)
				next[slot].told = false;
		}
		next[slot].address = address;
	}
	for (auto &[slot, gateway] : gateways_) {
		if (next.count(slot) != 0)
			continue;
		if (gateway.fed != nullptr)
			feed_unref(gateway.fed);
		gone_gateways_.push_back(slot);
	}
	gateways_ = std::move(next);
	routes_changed_ = true;
}

void Rib::add_operator_route(const Prefix &prefix, const Address &gateway, uint32_t ifindex)
{
	OperatorRoute &route = operator_routes_[prefix];
	route.gateway = gateway;
	route.ifindex = ifindex;
	check_operator_routes();
}

bool Rib::delete_operator_route(const Prefix &prefix)
{
	if (operator_routes_.erase(prefix) == 0)
		return false;
	put_single(prefix, beside_main(Source::Operator), nullptr);
	return true;
}

/* The path to a gateway, through the kernel's routes. `only_ours`: over interfaces of the engine; what was told to
 * go there by a policy must not be left to the kernel, which would send it elsewhere. Null: there is no way. */
Path *Rib::resolve(const Address &gateway, bool only_ours)
{
	const Candidate *route = gateway.is_link_local() ? nullptr : match(gateway);
	if (route == nullptr)
		return nullptr;
	Path *path = route->path;
	if (path->type == RTN_BLACKHOLE || path->type == RTN_UNREACHABLE || path->type == RTN_PROHIBIT)
		return path;
	if (path->type != RTN_UNICAST)
		return nullptr;
	bool blackhole = false, same = path->nexthop_id == 0;
	std::vector<Leg> legs;
	for (Leg leg : legs_of(*path, blackhole)) {
		if (only_ours && slots_.count(leg.ifindex) == 0) {
			same = false;
			continue;
		}
		if (leg.gateway.family == 0) {
			leg.gateway = gateway;
			same = false;
		}
		legs.push_back(leg);
	}
	if (blackhole)
		return path;
	if (legs.empty())
		return nullptr;
	return same ? path : path_like(gateway.family, RTN_UNICAST, 0, Address(), legs);
}

void Rib::check_operator_routes()
{
	for (auto &[prefix, route] : operator_routes_) {
		Path *path = nullptr;
		if (route.gateway.family != 0 && route.ifindex == 0) {
			put_single(prefix, beside_main(Source::Operator),
			           nullptr); /* it must not lead to itself */
			path = resolve(route.gateway, false);
		} else if (links_.count(route.ifindex) != 0) {
			Leg leg;
			leg.ifindex = route.ifindex;
			leg.gateway = route.gateway;
			path = path_like(prefix.address.family, RTN_UNICAST, 0, Address(), {leg});
		}
		put_single(prefix, beside_main(Source::Operator), path);
	}
}

void Rib::check_gateways()
{
	for (auto &[slot, gateway] : gateways_) {
		Path *path = resolve(gateway.address, true);
		if (path == gateway.fed && gateway.told)
			continue;
		if (path != nullptr)
			feed_ref(path);
		if (gateway.fed != nullptr)
			feed_unref(gateway.fed);
		gateway.fed = path;
		gateway.told = false;
	}
}

} // namespace mill
