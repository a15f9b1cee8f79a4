/* own_arguments.h. */
#include "own_arguments.h"
#include <linux/if.h>
#include "js.h"
#include "rib/text.h"
#include "shm/limits.h"

namespace mill
{

static uint32_t own_number(const Napi::Object &item)
{
	return own_ifindex |
	       static_cast<uint32_t>(as_integer(item.Get("slot"), "slot", 0, MILL_MAX_IFACES - 1));
}

static bool put_mac(const Napi::Value &value, uint8_t mac[6])
{
	return value.IsString() && parse_mac(value.As<Napi::String>().Utf8Value(), mac);
}

static OwnLink link_of(const Napi::Object &item)
{
	OwnLink own;
	own.link.ifindex = own_number(item);
	own.link.name = as_string(item.Get("name"), "name");
	own.link.kind = "netmill";
	own.link.mtu = static_cast<uint32_t>(as_integer(item.Get("mtu"), "mtu", 0, UINT16_MAX));
	own.link.flags = IFF_UP | (item.Get("up").ToBoolean() ? unsigned(IFF_LOWER_UP) : 0u);
	own.link.has_mac = put_mac(item.Get("mac"), own.link.mac);
	const Napi::Array addresses = as_array(item.Get("addresses"), "addresses");
	for (uint32_t i = 0; i < addresses.Length(); i++) {
		Address address;
		uint8_t length;
		parse_interface_address(as_string(addresses.Get(i), "address"), address, length);
		own.addresses[address] = length;
	}
	return own;
}

std::map<uint32_t, OwnLink> own_links_of(const Napi::Value &value)
{
	const Napi::Array list = as_array(value, "links");
	std::map<uint32_t, OwnLink> links;
	for (uint32_t i = 0; i < list.Length(); i++) {
		OwnLink own = link_of(as_object(list.Get(i), "link"));
		links[own.link.ifindex] = std::move(own);
	}
	return links;
}

std::map<Prefix, Address> own_routes_of(const Napi::Value &value)
{
	const Napi::Array list = as_array(value, "routes");
	std::map<Prefix, Address> routes;
	for (uint32_t i = 0; i < list.Length(); i++) {
		const Napi::Object item = as_object(list.Get(i), "route");
		const Prefix prefix = Prefix::parse(as_string(item.Get("prefix"), "prefix"));
		routes[prefix] = Address::parse(as_string(item.Get("gateway"), "gateway"));
	}
	return routes;
}

std::vector<NeighbourMessage> own_neighbours_of(const Napi::Value &value)
{
	const Napi::Array list = as_array(value, "neighbours");
	std::vector<NeighbourMessage> neighbours;
	for (uint32_t i = 0; i < list.Length(); i++) {
		const Napi::Object item = as_object(list.Get(i), "neighbour");
		NeighbourMessage neighbour;
		neighbour.ifindex = own_number(item);
		neighbour.address = Address::parse(as_string(item.Get("address"), "address"));
		neighbour.state = neighbour_state_of(as_string(item.Get("state"), "state"));
		neighbour.has_mac = put_mac(item.Get("mac"), neighbour.mac);
		neighbours.push_back(neighbour);
	}
	return neighbours;
}

} // namespace mill
