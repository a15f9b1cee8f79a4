/*
 * Kernel settings that JavaScript makes: addresses, routes, static neighbours, link state, MTU. Each call is one request on a socket
 * of its own and waits for the acknowledgement (tens of microseconds); errors carry the kernel's errno and words.
 */
#include "kernel.h"
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <net/if.h>
#include <sys/socket.h>
#include "js.h"
#include "netlink_socket.h"
#include "rib/address.h"

namespace mill
{

static uint8_t kernel_family(const Address &address)
{
	return address.family == 4 ? AF_INET : AF_INET6;
}

static int ifindex_of(const Napi::Value &value)
{
	return static_cast<int>(as_integer(value, "ifindex", 1, INT32_MAX));
}

static void put_address(NetlinkRequest &request, uint16_t type, const Address &address)
{
	mnl_attr_put(request.message(), type, address.size(), address.bytes);
}

static Napi::Value change_address(const Napi::CallbackInfo &info, uint16_t type, uint16_t flags,
                                  const char *call)
{
	return guarded(info.Env(), [&] {
		Address address;
		uint8_t length = 0;
		const int ifindex = ifindex_of(info[0]);
		parse_interface_address(as_string(info[1], "address"), address, length);
		NetlinkRequest request(type, flags);
		auto *header = request.header<ifaddrmsg>();
		header->ifa_family = kernel_family(address);
		header->ifa_prefixlen = length;
		header->ifa_index = static_cast<uint32_t>(ifindex);
		if (address.family == 6)
			header->ifa_flags = IFA_F_NODAD; /* a router's address serves at once */
		put_address(request, IFA_LOCAL, address);
		put_address(request, IFA_ADDRESS, address);
		if (address.family == 4 && length < 31 && type == RTM_NEWADDR) {
			const Address broadcast = Prefix(address, length).last();
			put_address(request, IFA_BROADCAST, broadcast);
		}
		NetlinkSocket().request(request, call);
		return info.Env().Undefined();
	});
}

static Napi::Value add_address(const Napi::CallbackInfo &info)
{
	return change_address(info, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, "addAddress");
}

static Napi::Value delete_address(const Napi::CallbackInfo &info)
{
	return change_address(info, RTM_DELADDR, 0, "deleteAddress");
}

static Napi::Value change_route(const Napi::CallbackInfo &info, uint16_t type, uint16_t flags,
                                const char *call)
{
	return guarded(info.Env(), [&] {
		const Prefix prefix = Prefix::parse(as_string(info[0], "prefix"));
		const Address gateway = Address::parse(as_string(info[1], "gateway"));
		if (gateway.family != prefix.address.family)
			throw bad_argument("prefix and gateway of one family, got " + prefix.text() +
			                   " via " + gateway.text());
		NetlinkRequest request(type, flags);
		auto *header = request.header<rtmsg>();
		header->rtm_family = kernel_family(prefix.address);
		header->rtm_dst_len = prefix.length;
		header->rtm_table = RT_TABLE_MAIN;
		header->rtm_protocol = type == RTM_NEWROUTE ? RTPROT_STATIC : RTPROT_UNSPEC;
		header->rtm_scope = type == RTM_NEWROUTE ? RT_SCOPE_UNIVERSE : RT_SCOPE_NOWHERE;
		header->rtm_type = type == RTM_NEWROUTE ? RTN_UNICAST : RTN_UNSPEC;
		put_address(request, RTA_DST, prefix.address);
		put_address(request, RTA_GATEWAY, gateway);
		NetlinkSocket().request(request, call);
		return info.Env().Undefined();
	});
}

static Napi::Value add_route(const Napi::CallbackInfo &info)
{
	return change_route(info, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, "addRoute");
}

/* Of one with another gateway, and there must be one. */
static Napi::Value replace_route(const Napi::CallbackInfo &info)
{
	return change_route(info, RTM_NEWROUTE, NLM_F_REPLACE, "replaceRoute");
}

static Napi::Value delete_route(const Napi::CallbackInfo &info)
{
	return change_route(info, RTM_DELROUTE, 0, "deleteRoute");
}

/* A static one, or with no MAC none at all. */
static Napi::Value set_neighbour(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&] {
		const bool remove = info[2].IsUndefined();
		const Address address = Address::parse(as_string(info[1], "address"));
		uint8_t mac[6];
		if (!remove && !parse_mac(as_string(info[2], "mac"), mac))
			throw bad_argument("a MAC address like 02:00:00:00:00:01");
		NetlinkRequest request(remove ? RTM_DELNEIGH : RTM_NEWNEIGH,
		                       remove ? 0 : NLM_F_CREATE | NLM_F_REPLACE);
		auto *header = request.header<ndmsg>();
		header->ndm_family = kernel_family(address);
		header->ndm_ifindex = ifindex_of(info[0]);
		header->ndm_state = NUD_PERMANENT;
		put_address(request, NDA_DST, address);
		if (!remove)
			mnl_attr_put(request.message(), NDA_LLADDR, sizeof mac, mac);
		NetlinkSocket().request(request, "setNeighbour");
		return info.Env().Undefined();
	});
}

static Napi::Value set_up(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&] {
		NetlinkRequest request(RTM_NEWLINK, 0);
		auto *header = request.header<ifinfomsg>();
		header->ifi_index = ifindex_of(info[0]);
		header->ifi_change = IFF_UP;
		header->ifi_flags = info[1].ToBoolean().Value() ? IFF_UP : 0;
		NetlinkSocket().request(request, "setUp");
		return info.Env().Undefined();
	});
}

static Napi::Value set_mtu(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&] {
		NetlinkRequest request(RTM_NEWLINK, 0);
		auto *header = request.header<ifinfomsg>();
		header->ifi_index = ifindex_of(info[0]);
		mnl_attr_put_u32(request.message(), IFLA_MTU,
		                 static_cast<uint32_t>(as_integer(info[1], "mtu", 68, 65535)));
		NetlinkSocket().request(request, "setMtu");
		return info.Env().Undefined();
	});
}

Napi::Object make_kernel(Napi::Env env)
{
	Napi::Object kernel = Napi::Object::New(env);
	kernel.Set("addAddress", Napi::Function::New<add_address>(env, "addAddress"));
	kernel.Set("deleteAddress", Napi::Function::New<delete_address>(env, "deleteAddress"));
	kernel.Set("addRoute", Napi::Function::New<add_route>(env, "addRoute"));
	kernel.Set("replaceRoute", Napi::Function::New<replace_route>(env, "replaceRoute"));
	kernel.Set("deleteRoute", Napi::Function::New<delete_route>(env, "deleteRoute"));
	kernel.Set("setNeighbour", Napi::Function::New<set_neighbour>(env, "setNeighbour"));
	kernel.Set("setUp", Napi::Function::New<set_up>(env, "setUp"));
	kernel.Set("setMtu", Napi::Function::New<set_mtu>(env, "setMtu"));
	return kernel;
}

} // namespace mill
