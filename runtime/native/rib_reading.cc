/* Calls that read the table. */
#include "rib/text.h"
#include "rib_dump.h"
#include "rib_object.h"
#include "rib_views.h"

namespace mill
{

Napi::Value RibObject::lookup(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		const Address address = Address::parse(as_string(info[0], "address"));
		RouteView view;
		if (!rib_->locked([&](Rib &rib) { return rib.lookup(address, view); }))
			return info.Env().Undefined();
		return js_route(info.Env(), view);
	});
}

Napi::Value RibObject::kernel_lookup(const Napi::CallbackInfo &info)
{
	return promised(info.Env(), [&]() -> Napi::Value {
		RouteView view;
		if (!ask_kernel_route(Address::parse(as_string(info[0], "address")), view))
			return info.Env().Undefined();
		return js_route(info.Env(), view);
	});
}

Napi::Value RibObject::routes(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		const auto family = static_cast<uint8_t>(as_integer(info[0], "family", 4, 6));
		const auto limit = static_cast<size_t>(as_integer(info[2], "limit", 1, 1 << 24));
		Prefix after;
		const bool from_start = info[1].IsUndefined();
		if (!from_start)
			after = Prefix::parse(as_string(info[1], "after"));
		if (family == 5 || (!from_start && after.address.family != family))
			throw bad_argument("family 4 or 6, and `after` of the same");
		const auto page = rib_->locked(
		    [&](Rib &rib) { return rib.page(family, from_start ? nullptr : &after, limit); });
		Napi::Array array = Napi::Array::New(info.Env(), page.size());
		for (uint32_t i = 0; i < page.size(); i++)
			array.Set(i, js_route(info.Env(), page[i]));
		return array;
	});
}

Napi::Value RibObject::paths(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		const Napi::Array list = as_array(info[0], "groups");
		std::unordered_set<uint32_t> groups;
		for (uint32_t i = 0; i < list.Length(); i++)
			groups.insert(static_cast<uint32_t>(as_integer(list.Get(i), "group", 1, UINT32_MAX)));
		const auto views = rib_->locked([&](Rib &rib) { return rib.paths(groups); });
		Napi::Array array = Napi::Array::New(info.Env(), views.size());
		for (uint32_t i = 0; i < views.size(); i++)
			array.Set(i, js_path(info.Env(), views[i]));
		return array;
	});
}

Napi::Value RibObject::dump(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		return dump_table(info.Env(), rib_, as_string(info[0], "path"));
	});
}

Napi::Value RibObject::links(const Napi::CallbackInfo &info)
{
	return rib_->locked([&](Rib &rib) -> Napi::Value {
		Napi::Array array = Napi::Array::New(info.Env());
		for (const auto &[ifindex, state] : rib.links())
			array.Set(array.Length(), js_link(info.Env(), state));
		return array;
	});
}

Napi::Value RibObject::neighbours(const Napi::CallbackInfo &info)
{
	return rib_->locked([&](Rib &rib) -> Napi::Value {
		Napi::Env env = info.Env();
		Napi::Array array = Napi::Array::New(env);
		for (const NeighbourView &view : rib.neighbours()) {
			Napi::Object object = Napi::Object::New(env);
			object.Set("ifindex", view.ifindex);
			object.Set("address", view.address.text());
			object.Set("mac", view.state->has_mac
			                      ? Napi::String::New(env, format_mac(view.state->mac))
			                      : env.Undefined());
			object.Set("state", neighbour_state_name(view.state->state));
			object.Set("used", view.used);
			array.Set(array.Length(), object);
		}
		return array;
	});
}

Napi::Value RibObject::status(const Napi::CallbackInfo &info)
{
	return rib_->locked([&](Rib &rib) -> Napi::Value {
		Napi::Env env = info.Env();
		const Statistics &statistics = rib.statistics;
		Napi::Object object = Napi::Object::New(env);
		object.Set("coupled", rib.coupled());
		object.Set("routes4", js_u53(env, statistics.routes[0]));
		object.Set("routes6", js_u53(env, statistics.routes[1]));
		object.Set("fpmRoutes", js_u53(env, statistics.fpm_routes));
		object.Set("neighbours", js_u53(env, rib.neighbours().size()));
		object.Set("messages", js_u64(env, statistics.messages));
		object.Set("batches", js_u64(env, statistics.batches));
		object.Set("overruns", statistics.overruns);
		object.Set("resyncs", statistics.resyncs);
		object.Set("corrections", js_u53(env, statistics.corrections));
		object.Set("audits", statistics.audits);
		object.Set("divergences", js_u53(env, statistics.divergences));
		object.Set("repaired", js_u53(env, statistics.repaired));
		object.Set("pending", js_u53(env, rib.pending()));
		object.Set("synced", rib.synced());
		Napi::Array rules = Napi::Array::New(env);
		for (const std::string &words : rib.rule_words())
			rules.Set(rules.Length(), words);
		object.Set("rules", rules);
		return object;
	});
}

} // namespace mill
