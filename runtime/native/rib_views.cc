/* What JavaScript sees of the RIB, and what the kernel says of an address. */
#include "rib_views.h"
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <cerrno>
#include "error.h"
#include "js.h"
#include "netlink_socket.h"
#include "rib/text.h"

namespace mill
{

Napi::Object js_link(Napi::Env env, const LinkState &state)
{
	const LinkMessage &link = state.link;
	Napi::Object object = Napi::Object::New(env);
	object.Set("ifindex", link.ifindex);
	object.Set("name", link.name);
	object.Set("mac", link.has_mac ? format_mac(link.mac) : "");
	object.Set("mtu", link.mtu);
	object.Set("up", state.up());
	object.Set("carrier", state.carrier());
	Napi::Array addresses = Napi::Array::New(env);
	for (const auto &[own, stamp] : state.addresses)
		addresses.Set(addresses.Length(), own.address.text() + "/" + std::to_string(own.length));
	object.Set("addresses", addresses);
	object.Set("kind", link.kind);
	object.Set("parent", link.parent);
	if (link.vlan_protocol != 0) {
		Napi::Object vlan = Napi::Object::New(env);
		vlan.Set("id", link.vlan_id);
		vlan.Set("tpid", link.vlan_protocol);
		object.Set("vlan", vlan);
	} else {
		object.Set("vlan", env.Undefined());
	}
	return object;
}

static Napi::Array js_hops(Napi::Env env, const std::vector<RouteView::Hop> &list)
{
	Napi::Array hops = Napi::Array::New(env, list.size());
	for (uint32_t i = 0; i < list.size(); i++) {
		const RouteView::Hop &hop = list[i];
		Napi::Object item = Napi::Object::New(env);
		item.Set("gateway", hop.gateway.family != 0 ? Napi::String::New(env, hop.gateway.text())
		                                            : env.Undefined());
		item.Set("ifindex", hop.ifindex);
		item.Set("weight", hop.weight);
		item.Set("dead", hop.dead);
		hops.Set(i, item);
	}
	return hops;
}

Napi::Object js_route(Napi::Env env, const RouteView &view)
{
	Napi::Object object = Napi::Object::New(env);
	object.Set("prefix", view.prefix.text());
	object.Set("source", view.by_operator ? "local"
	                     : view.by_own    ? "engine"
	                     : view.by_fpm    ? "fpm"
	                                      : "kernel");
	object.Set("protocol", route_protocol(view));
	object.Set("type", type_name(view.type));
	object.Set("metric", view.metric);
	object.Set("age", view.age);
	object.Set("group", view.group);
	object.Set("nexthops", js_hops(env, view.hops));
	return object;
}

Napi::Object js_path(Napi::Env env, const PathView &view)
{
	Napi::Object object = Napi::Object::New(env);
	object.Set("group", view.group);
	object.Set("uses", view.uses);
	object.Set("type", type_name(view.type));
	object.Set("prefix", view.prefix.address.family != 0 ? Napi::String::New(env, view.prefix.text())
	                                                     : env.Undefined());
	object.Set("nexthops", js_hops(env, view.hops));
	return object;
}

Napi::Object js_audit(Napi::Env env, const AuditReport &report)
{
	Napi::Object object = Napi::Object::New(env);
	object.Set("startedAt", js_u53(env, report.started_ms));
	object.Set("milliseconds", js_u53(env, report.ns / 1000000));
	object.Set("prefixes", js_u53(env, report.prefixes));
	object.Set("addresses", js_u53(env, report.addresses));
	object.Set("compiled", report.compiled);
	object.Set("divergences", js_u53(env, report.divergences));
	object.Set("repaired", js_u53(env, report.repaired));
	Napi::Array last = Napi::Array::New(env);
	for (const Divergence &divergence : report.last) {
		Napi::Object item = Napi::Object::New(env);
		item.Set("prefix", divergence.prefix.text());
		item.Set("between", divergence.compiled ? "rib-fib" : "kernel-rib");
		item.Set("expected", divergence.expected);
		item.Set("got", divergence.got);
		last.Set(last.Length(), item);
	}
	object.Set("last", last);
	return object;
}

std::string route_line(const RouteView &view, const std::map<uint32_t, std::string> &names)
{
	return view.prefix.text() + " " + route_words(view, names) + "\n";
}

/* Routes that refuse answer with an error of their own. */
static uint8_t type_of_error(int error)
{
	switch (error) {
	case EHOSTUNREACH:
		return RTN_UNREACHABLE;
	case EACCES:
		return RTN_PROHIBIT;
	case EINVAL:
		return RTN_BLACKHOLE;
	default:
		return RTN_UNSPEC;
	}
}

bool ask_kernel_route(const Address &address, RouteView &view)
{
	NetlinkRequest request(RTM_GETROUTE, 0);
	auto *header = request.header<rtmsg>();
	header->rtm_family = address.family == 4 ? AF_INET : AF_INET6;
	header->rtm_dst_len = address.bits();
	header->rtm_flags = RTM_F_LOOKUP_TABLE;
	mnl_attr_put(request.message(), RTA_DST, address.size(), address.bytes);
	RouteMessage route;
	bool parsed = false;
	view = RouteView();
	view.prefix = Prefix(address, address.bits());
	try {
		NetlinkSocket().request(request, "getroute", [&](const nlmsghdr *message) {
			parsed = parse_route(message, route);
		});
	} catch (const Failure &failure) {
		view.type = type_of_error(failure.number);
		if (view.type != RTN_UNSPEC)
			return true;
		if (failure.number == ENETUNREACH)
			return false;
		throw;
	}
	if (!parsed)
		throw Failure(EPROTO, "getroute", "the kernel's answer is not a route");
	view.protocol = route.protocol;
	view.type = route.type;
	view.metric = route.metric;
	for (const Leg &leg : route.legs)
		view.hops.push_back({leg.gateway, leg.ifindex, leg.weight, false});
	return true;
}

} // namespace mill
