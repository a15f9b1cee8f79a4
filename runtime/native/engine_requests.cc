/* Requests to the engine: arguments packed as runtime/shm says, answers as values. */
#include <cstring>
#include <iterator>
#include "config_pack.h"
#include "engine_link.h"
#include "rib/address.h"
#include "rib/text.h"
#include "state_view.h"

namespace mill
{

Napi::Value EngineLink::request(Napi::Env env, uint16_t type, const void *payload, size_t length,
                                const std::vector<int> &fds, Answer answer)
{
	const uint32_t serial = channel_->send(type, payload, length, fds);
	Request request{type, Napi::Promise::Deferred::New(env), std::move(answer)};
	Napi::Value promise = request.deferred.Promise();
	requests_.emplace(serial, std::move(request));
	signal_->hold(env);
	return promise;
}

Napi::Value EngineLink::prepare(const Napi::CallbackInfo &info)
{
	return asked(info.Env(), [&] {
		const Fd config = pack_config(as_object(info[0], "configuration"));
		const Fd forwarder = sealed_copy(as_string(info[1], "forwarder path"));
		return request(info.Env(), MILL_MSG_PREPARE, nullptr, 0, {config.get(), forwarder.get()},
		               nullptr);
	});
}

static uint64_t generation_number(const Napi::Value &value)
{
	return static_cast<uint64_t>(as_integer(value, "generation", 0, 1ll << 53));
}

Napi::Value EngineLink::commit(const Napi::CallbackInfo &info)
{
	return asked(info.Env(), [&] {
		const mill_commit commit = {generation_number(info[0]), generation_number(info[1])};
		return request(info.Env(), MILL_MSG_COMMIT, &commit, sizeof commit, {}, nullptr);
	});
}

Napi::Value EngineLink::discard(const Napi::CallbackInfo &info)
{
	return asked(info.Env(), [&] {
		const mill_commit commit = {generation_number(info[0]), 0};
		return request(info.Env(), MILL_MSG_DISCARD, &commit, sizeof commit, {}, nullptr);
	});
}

/* Undefined: stays zero. */
static void copy_address(const Napi::Value &text, uint8_t family, uint8_t *to)
{
	if (text.IsUndefined())
		return;
	const Address address = Address::parse(as_string(text, "address"));
	if (address.family != family)
		throw bad_argument("an IPv" + std::to_string(family) + " address, got '" + address.text() +
		                   "'");
	memcpy(to, address.bytes, address.size());
}

Napi::Value EngineLink::set_interface(const Napi::CallbackInfo &info)
{
	return asked(info.Env(), [&] {
		const Napi::Object from = as_object(info[0], "interface update");
		mill_iface_update update = {};
		update.slot =
		    static_cast<uint16_t>(as_integer(from.Get("slot"), "slot", 0, MILL_MAX_IFACES - 1));
		update.mtu = static_cast<uint16_t>(as_integer(from.Get("mtu"), "mtu", 0, 65535));
		const std::string mac = as_string(from.Get("mac"), "mac");
		if (!mac.empty() && !parse_mac(mac, update.mac))
			throw bad_argument("a MAC address like 02:00:00:00:00:01, got '" + mac + "'");
		update.up = from.Get("up").ToBoolean().Value() ? 1 : 0;
		update.ifindex =
		    static_cast<uint32_t>(as_integer(from.Get("ifindex"), "ifindex", 0, INT32_MAX));
		copy_address(from.Get("address4"), 4, update.address4);
		copy_address(from.Get("address6"), 6, update.address6);
		return request(info.Env(), MILL_MSG_SET_IFACE, &update, sizeof update, {}, nullptr);
	});
}

Napi::Value EngineLink::set_neighbour(const Napi::CallbackInfo &info)
{
	return asked(info.Env(), [&] {
		mill_neighbour_change change = {};
		change.iface = static_cast<uint16_t>(as_integer(info[0], "slot", 0, MILL_MAX_IFACES - 1));
		const Address address = Address::parse(as_string(info[1], "address"));
		change.family = address.family;
		memcpy(change.address, address.bytes, sizeof change.address);
		if (!info[2].IsUndefined() && !parse_mac(as_string(info[2], "mac"), change.mac))
			throw bad_argument("a MAC address like 02:00:00:00:00:01");
		return request(info.Env(), MILL_MSG_SET_NEIGHBOUR, &change, sizeof change, {}, nullptr);
	});
}

Napi::Value EngineLink::want_neighbour(const Napi::CallbackInfo &info)
{
	return asked(info.Env(), [&] {
		mill_resolve wish = {};
		wish.iface = static_cast<uint16_t>(as_integer(info[0], "slot", 0, MILL_MAX_IFACES - 1));
		const Address address = Address::parse(as_string(info[1], "address"));
		wish.family = address.family;
		memcpy(wish.address, address.bytes, sizeof wish.address);
		return request(info.Env(), MILL_MSG_WANT_NEIGHBOUR, &wish, sizeof wish, {}, nullptr);
	});
}

Napi::Value EngineLink::set_acl(const Napi::CallbackInfo &info)
{
	return asked(info.Env(), [&] {
		const uint32_t enabled = info[0].ToBoolean().Value() ? 1 : 0;
		return request(info.Env(), MILL_MSG_SET_ACL, &enabled, sizeof enabled, {}, nullptr);
	});
}

static Napi::Value compiled_route(Napi::Env env, const mill_msg &message)
{
	mill_lookup_answer answer;
	memcpy(&answer, message.payload, sizeof answer);
	static const uint8_t nothing[16] = {};
	Napi::Object object = Napi::Object::New(env);
	object.Set("group", answer.group);
	object.Set("kind", adjacency_kind_name(answer.kind));
	Napi::Array legs = Napi::Array::New(env);
	for (uint32_t i = 0; i < answer.legs && i < std::size(answer.leg); i++) {
		const auto &leg = answer.leg[i];
		Napi::Object item = Napi::Object::New(env);
		item.Set("interface", leg.iface);
		item.Set("kind", adjacency_kind_name(leg.kind));
		const bool named =
		    (leg.family == 4 || leg.family == 6) && memcmp(leg.address, nothing, 16) != 0;
		item.Set("nexthop", named
		                        ? Napi::String::New(env, Address::of(leg.family, leg.address).text())
		                        : env.Undefined());
		const bool has_mac = memcmp(leg.mac, nothing, 6) != 0;
		item.Set("mac", has_mac ? Napi::String::New(env, format_mac(leg.mac)) : env.Undefined());
		legs.Set(i, item);
	}
	object.Set("legs", legs);
	return object;
}

Napi::Value EngineLink::lookup(const Napi::CallbackInfo &info)
{
	return asked(info.Env(), [&] {
		mill_lookup lookup = {};
		if (info[0].IsNumber()) {
			lookup.gateway = static_cast<uint16_t>(
			    as_integer(info[0], "gateway slot", 0, MILL_MAX_GATEWAYS - 1));
		} else {
			const Address address = Address::parse(as_string(info[0], "address"));
			lookup.family = address.family;
			memcpy(lookup.address, address.bytes, address.size());
		}
		return request(info.Env(), MILL_MSG_LOOKUP, &lookup, sizeof lookup, {}, compiled_route);
	});
}

Napi::Value EngineLink::stop(const Napi::CallbackInfo &info)
{
	return asked(info.Env(), [&] { return request(info.Env(), MILL_MSG_STOP, nullptr, 0, {}, nullptr); });
}

} // namespace mill
