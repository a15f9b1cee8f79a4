/* Calls that change the table, or how it is kept. */
#include <linux/rtnetlink.h>
#include <set>
#include "own_arguments.h"
#include "engine_link.h"
#include "rib_object.h"

namespace mill
{

std::vector<uint32_t> tables_of(const Napi::Value &value)
{
	const Napi::Array list = as_array(value, "tables");
	std::vector<uint32_t> tables;
	for (uint32_t i = 0; i < list.Length(); i++)
		tables.push_back(static_cast<uint32_t>(as_integer(list.Get(i), "a table", 1, UINT32_MAX)));
	const std::set<uint32_t> different(tables.begin(), tables.end());
	if (tables.size() < 2 || tables.size() > max_tables || different.size() != tables.size() ||
	    tables[0] != RT_TABLE_LOCAL)
		throw bad_argument("the local table and 1 to " + std::to_string(max_tables - 1) +
		                   " others, each once");
	return tables;
}

uint32_t audit_period(const Napi::Value &value)
{
	return static_cast<uint32_t>(as_integer(value, "seconds between audits", 0, 1 << 20));
}

Napi::Value RibObject::set_audit(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		rib_->set_audit_seconds(audit_period(info[0]));
		return info.Env().Undefined();
	});
}

Napi::Value RibObject::set_tables(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		rib_->set_tables(tables_of(info[0]));
		return info.Env().Undefined();
	});
}

Napi::Value RibObject::set_interfaces(const Napi::CallbackInfo &info)
{
	return change(info, [&] {
		const Napi::Array map = as_array(info[0], "interfaces");
		std::unordered_map<uint32_t, uint16_t> slots;
		for (uint32_t i = 0; i < map.Length(); i++) {
			const Napi::Object item = as_object(map.Get(i), "interface");
			const auto ifindex = as_integer(item.Get("ifindex"), "ifindex", 1, UINT32_MAX);
			const auto slot = as_integer(item.Get("slot"), "slot", 0, MILL_MAX_IFACES - 1);
			slots[static_cast<uint32_t>(ifindex)] = static_cast<uint16_t>(slot);
		}
		rib_->locked([&](Rib &rib) { rib.set_interfaces(std::move(slots)); });
	});
}

Napi::Value RibObject::set_own(const Napi::CallbackInfo &info)
{
	return change(info, [&] {
		auto links = own_links_of(info[0]);
		auto routes = own_routes_of(info[1]);
		rib_->locked([&](Rib &rib) { rib.set_own(std::move(links), std::move(routes)); });
	});
}

Napi::Value RibObject::set_own_neighbours(const Napi::CallbackInfo &info)
{
	return change(info, [&] {
		const auto neighbours = own_neighbours_of(info[0]);
		rib_->locked([&](Rib &rib) { rib.set_own_neighbours(neighbours); });
	});
}

static Way way_of(const Napi::Value &value)
{
	const Napi::Array choices = as_array(value, "choices");
	Way way;
	for (uint32_t i = 0; i < choices.Length(); i++) {
		const Napi::Array given = as_array(choices.Get(i), "choice");
		std::vector<Gateway> choice;
		for (uint32_t k = 0; k < given.Length(); k++) {
			const Napi::Object item = as_object(given.Get(k), "gateway");
			choice.push_back(
			    {Address::parse(as_string(item.Get("address"), "address")),
			     static_cast<uint32_t>(as_integer(item.Get("weight"), "weight", 1, 256))});
		}
		way.push_back(std::move(choice));
	}
	if (way.empty() || way[0].empty())
		throw bad_argument("a way with a gateway");
	return way;
}

Napi::Value RibObject::set_gateways(const Napi::CallbackInfo &info)
{
	return change(info, [&] {
		const Napi::Array list = as_array(info[0], "ways");
		std::map<uint32_t, Way> ways;
		for (uint32_t i = 0; i < list.Length(); i++) {
			const Napi::Object item = as_object(list.Get(i), "way");
			const auto slot = as_integer(item.Get("slot"), "slot", 0, MILL_MAX_GATEWAYS - 1);
			ways[static_cast<uint32_t>(slot)] = way_of(item.Get("choices"));
		}
		rib_->locked([&](Rib &rib) { rib.set_gateways(ways); });
	});
}

Napi::Value RibObject::attach(const Napi::CallbackInfo &info)
{
	return change(info, [&] {
		std::unique_ptr<FibQueue> queue;
		std::shared_ptr<const CompiledFib> compiled;
		if (!info[0].IsUndefined() && !info[0].IsNull()) {
			const HoldTable &held = held_by(info[0]);
			Fd memory = held.duplicate(MILL_HOLD_FIB_QUEUE, 0, 0, nullptr);
			Fd wake = held.duplicate(MILL_HOLD_FIB_WAKE, 0, 0, nullptr);
			Fd done = held.duplicate(MILL_HOLD_FIB_DONE, 0, 0, nullptr);
			if (!memory || !wake || !done)
				throw Failure(ENOENT, "attach", "the engine lent no FIB queue");
			queue =
			    std::make_unique<FibQueue>(std::move(memory), std::move(wake), std::move(done));
			const Fd fib = held.duplicate(MILL_HOLD_FIB, 0, 0, nullptr);
			if (fib)
				compiled = std::make_shared<CompiledFib>(fib);
		}
		rib_->set_compiled(std::move(compiled));
		rib_->locked([&](Rib &rib) { rib.attach(std::move(queue)); });
	});
}

Napi::Value RibObject::couple(const Napi::CallbackInfo &info)
{
	return change(info, [&] { rib_->locked([](Rib &rib) { rib.couple(true); }); });
}

Napi::Value RibObject::decouple(const Napi::CallbackInfo &info)
{
	return change(info, [&] { rib_->locked([](Rib &rib) { rib.couple(false); }); });
}

Napi::Value RibObject::add_local(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		const Prefix prefix = Prefix::parse(as_string(info[0], "prefix"));
		Address gateway;
		uint32_t ifindex = 0;
		if (!info[1].IsUndefined())
			gateway = Address::parse(as_string(info[1], "gateway"));
		if (!info[2].IsUndefined())
			ifindex = static_cast<uint32_t>(as_integer(info[2], "ifindex", 1, UINT32_MAX));
		if (gateway.family == 0 && ifindex == 0)
			throw bad_argument("a gateway or an interface for " + prefix.text());
		if (gateway.family != 0 && gateway.family != prefix.address.family)
			throw bad_argument("prefix and gateway of one family, got " + prefix.text() +
			                   " via " + gateway.text());
		const bool has_way =
		    rib_->locked([&](Rib &rib) { return rib.add_operator_route(prefix, gateway, ifindex); });
		rib_->wake();
		return Napi::Boolean::New(info.Env(), has_way);
	});
}

Napi::Value RibObject::delete_local(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		const Prefix prefix = Prefix::parse(as_string(info[0], "prefix"));
		const bool found = rib_->locked([&](Rib &rib) { return rib.delete_operator_route(prefix); });
		rib_->wake();
		return Napi::Boolean::New(info.Env(), found);
	});
}

Napi::Value RibObject::resolve(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		const auto ifindex = static_cast<uint32_t>(as_integer(info[0], "ifindex", 1, UINT32_MAX));
		rib_->resolve({Address::parse(as_string(info[1], "address")), ifindex});
		return info.Env().Undefined();
	});
}

/* --- zebra's routes by FPM ------------------------------------------------------------------------------------- */

Napi::Value RibObject::fpm_open(const Napi::CallbackInfo &info)
{
	fpm_ = FpmStream();
	rib_->locked([](Rib &rib) { rib.begin_fpm(); });
	return info.Env().Undefined();
}

Napi::Value RibObject::fpm_take(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		if (!info[0].IsTypedArray() ||
		    info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
			throw bad_argument("bytes of an FPM stream");
		const auto bytes = info[0].As<Napi::Uint8Array>();
		std::vector<uint8_t> acknowledged;
		rib_->locked([&](Rib &rib) {
			fpm_.push(bytes.Data(), bytes.ByteLength(), [&](const nlmsghdr *message) {
				if (rib.take_fpm(message))
					acknowledge_fpm_route(message, acknowledged);
			});
		});
		rib_->wake();
		return Napi::Buffer<uint8_t>::Copy(info.Env(), acknowledged.data(), acknowledged.size());
	});
}

Napi::Value RibObject::fpm_sweep(const Napi::CallbackInfo &info)
{
	const size_t gone = rib_->locked([](Rib &rib) { return rib.sweep_fpm(); });
	rib_->wake();
	return js_u53(info.Env(), gone);
}

} // namespace mill
