/*
 * Rib of runtime/native.ts over RibThread: arguments in, values out. Waits for the thread are tickets that the
 * thread hands back (on_event), resolved here on the main loop. The object keeps itself alive from start() to
 * stop(), but not the process, except while somebody waits for it.
 */
#include "rib_object.h"
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sys/stat.h>
#include <cstdio>
#include "engine_link.h"
#include "js.h"
#include "rib/text.h"
#include "rib_thread.h"
#include "rib/fpm.h"
#include "rib_views.h"
#include "signal.h"

namespace mill
{

/* Writes the table to a file, page by page, on a thread of the pool. The file appears whole, or not at all. */
class DumpWorker : public Napi::AsyncWorker
{
      public:
	DumpWorker(Napi::Env env, std::shared_ptr<RibThread> rib, std::string path)
	    : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), rib_(std::move(rib)),
	      path_(std::move(path))
	{
	}
	Napi::Value promise() const
	{
		return deferred_.Promise();
	}

      protected:
	void Execute() override
	{
		try {
			write_all();
		} catch (const Failure &failure) {
			failure_ = std::make_unique<Failure>(failure);
		}
	}
	void OnOK() override
	{
		if (failure_)
			deferred_.Reject(js_error(Env(), *failure_).Value());
		else
			deferred_.Resolve(js_u53(Env(), count_));
	}

      private:
	void write_all()
	{
		/* a name of its own: another dump to the same file may be under way, and in /tmp anybody makes links */
		std::string temporary = path_ + ".XXXXXX";
		Fd fd(mkostemp(temporary.data(), O_CLOEXEC));
		if (!fd)
			throw Failure(errno, "open", "cannot write " + temporary);
		try {
			for (const uint8_t family : {uint8_t(4), uint8_t(6)})
				write_family(fd, family);
			if (fchmod(fd.get(), 0644) < 0)
				throw Failure(errno, "fchmod", "cannot write " + temporary);
			if (fsync(fd.get()) < 0 && errno != EINVAL)
				throw Failure(errno, "fsync", "cannot write " + temporary);
			if (rename(temporary.c_str(), path_.c_str()) < 0)
				throw Failure(errno, "rename", "cannot write " + path_);
		} catch (const Failure &) {
			unlink(temporary.c_str());
			throw;
		}
	}
	void write_family(const Fd &fd, uint8_t family)
	{
		std::unique_ptr<Prefix> after;
		for (;;) {
			std::map<uint32_t, std::string> names;
			const auto page = rib_->locked([&](Rib &rib) {
				for (const auto &[ifindex, state] : rib.links())
					names[ifindex] = state.link.name;
				return rib.page(family, after.get(), 1000);
			});
			if (page.empty())
				return;
			std::string text;
			for (const RouteView &view : page)
				text += route_line(view, names);
			for (size_t done = 0; done < text.size();) {
				const ssize_t n = write(fd.get(), text.data() + done, text.size() - done);
				if (n < 0)
					throw Failure(errno, "write", "cannot write " + path_);
				done += static_cast<size_t>(n);
			}
			count_ += page.size();
			after = std::make_unique<Prefix>(page.back().prefix);
		}
	}

	Napi::Promise::Deferred deferred_;
	std::shared_ptr<RibThread> rib_;
	std::string path_;
	std::unique_ptr<Failure> failure_;
	uint64_t count_ = 0;
};

class RibObject : public Napi::ObjectWrap<RibObject>
{
      public:
	explicit RibObject(const Napi::CallbackInfo &info);
	~RibObject() override;
	static Napi::Function define(Napi::Env env);

      private:
	Napi::Value set_interfaces(const Napi::CallbackInfo &info);
	Napi::Value set_gateways(const Napi::CallbackInfo &info);
	Napi::Value attach(const Napi::CallbackInfo &info);
	Napi::Value start(const Napi::CallbackInfo &info);
	Napi::Value stop(const Napi::CallbackInfo &info);
	Napi::Value couple(const Napi::CallbackInfo &info);
	Napi::Value decouple(const Napi::CallbackInfo &info);
	Napi::Value recouple(const Napi::CallbackInfo &info);
	Napi::Value add_local(const Napi::CallbackInfo &info);
	Napi::Value delete_local(const Napi::CallbackInfo &info);
	Napi::Value lookup(const Napi::CallbackInfo &info);
	Napi::Value kernel_lookup(const Napi::CallbackInfo &info);
	Napi::Value routes(const Napi::CallbackInfo &info);
	Napi::Value paths(const Napi::CallbackInfo &info);
	Napi::Value fpm_open(const Napi::CallbackInfo &info);
	Napi::Value fpm_take(const Napi::CallbackInfo &info);
	Napi::Value fpm_sweep(const Napi::CallbackInfo &info);
	Napi::Value dump(const Napi::CallbackInfo &info);
	Napi::Value links(const Napi::CallbackInfo &info);
	Napi::Value neighbours(const Napi::CallbackInfo &info);
	Napi::Value resolve(const Napi::CallbackInfo &info);
	Napi::Value status(const Napi::CallbackInfo &info);
	Napi::Value on_links(const Napi::CallbackInfo &info);
	Napi::Value settled(const Napi::CallbackInfo &info);
	Napi::Value audit(const Napi::CallbackInfo &info);
	Napi::Value set_audit(const Napi::CallbackInfo &info);
	Napi::Value on_audit(const Napi::CallbackInfo &info);
	Napi::Value set_tables(const Napi::CallbackInfo &info);

	void handle(Napi::Env env);
	void resolve_wait(Napi::Env env, uint64_t ticket, const Napi::Value &value);
	/* A promise that is kept when `ask(ticket)` is answered. */
	Napi::Value wait(Napi::Env env, void (RibThread::*ask)(uint64_t));
	/* Changes the table and wakes the thread. */
	template <typename Body> Napi::Value change(const Napi::CallbackInfo &info, Body body);

	std::shared_ptr<RibThread> rib_;
	std::shared_ptr<Signal> signal_;
	std::map<uint64_t, Napi::Promise::Deferred> waits_;
	uint64_t ticket_ = 0;
	FpmStream fpm_;
	Napi::FunctionReference listener_, audit_listener_;
};

/* Numbers of the kernel's tables; the local one is the first. */
static std::vector<uint32_t> tables_of(const Napi::Value &value)
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

static uint32_t audit_period(const Napi::Value &value)
{
	return static_cast<uint32_t>(as_integer(value, "seconds between audits", 0, 1 << 20));
}

RibObject::RibObject(const Napi::CallbackInfo &info) : Napi::ObjectWrap<RibObject>(info)
{
	guarded(info.Env(), [&] {
		const Napi::Object options = as_object(info[0], "options");
		RibOptions values;
		values.receive_buffer = static_cast<int>(
		    as_integer(options.Get("receiveBuffer"), "receiveBuffer", 4096, 1 << 30));
		values.arp_max_tries =
		    static_cast<uint32_t>(as_integer(options.Get("arpMaxTries"), "arpMaxTries", 0, 1 << 30));
		values.tables = tables_of(options.Get("tables"));
		values.audit_seconds = audit_period(options.Get("audit"));
		rib_ = std::make_shared<RibThread>(values);
	});
}

RibObject::~RibObject()
{
	if (signal_)
		signal_->close();
	if (rib_)
		rib_->stop();
}

Napi::Function RibObject::define(Napi::Env env)
{
	return DefineClass(env, "Rib",
	                   {InstanceMethod<&RibObject::set_interfaces>("setInterfaces"),
	                    InstanceMethod<&RibObject::set_gateways>("setGateways"),
	                    InstanceMethod<&RibObject::attach>("attach"),
	                    InstanceMethod<&RibObject::start>("start"),
	                    InstanceMethod<&RibObject::stop>("stop"),
	                    InstanceMethod<&RibObject::couple>("couple"),
	                    InstanceMethod<&RibObject::decouple>("decouple"),
	                    InstanceMethod<&RibObject::recouple>("recouple"),
	                    InstanceMethod<&RibObject::add_local>("addLocal"),
	                    InstanceMethod<&RibObject::delete_local>("deleteLocal"),
	                    InstanceMethod<&RibObject::lookup>("lookup"),
	                    InstanceMethod<&RibObject::kernel_lookup>("kernelLookup"),
	                    InstanceMethod<&RibObject::routes>("routes"),
	                    InstanceMethod<&RibObject::paths>("paths"),
	                    InstanceMethod<&RibObject::fpm_open>("fpmOpen"),
	                    InstanceMethod<&RibObject::fpm_take>("fpmTake"),
	                    InstanceMethod<&RibObject::fpm_sweep>("fpmSweep"),
	                    InstanceMethod<&RibObject::dump>("dump"),
	                    InstanceMethod<&RibObject::links>("links"),
	                    InstanceMethod<&RibObject::neighbours>("neighbours"),
	                    InstanceMethod<&RibObject::resolve>("resolve"),
	                    InstanceMethod<&RibObject::status>("status"),
	                    InstanceMethod<&RibObject::on_links>("onLinks"),
	                    InstanceMethod<&RibObject::settled>("settled"),
	                    InstanceMethod<&RibObject::audit>("audit"),
	                    InstanceMethod<&RibObject::set_audit>("setAudit"),
	                    InstanceMethod<&RibObject::set_tables>("setTables"),
	                    InstanceMethod<&RibObject::on_audit>("onAudit")});
}

/* --- life --------------------------------------------------------------------------------------------------- */

Napi::Value RibObject::start(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		if (signal_)
			throw Failure(EALREADY, "start", "the RIB runs already");
		signal_ = Signal::make(info.Env(), "netmill rib", [this](Napi::Env env) { handle(env); });
		try {
			rib_->start([signal = signal_] { signal->raise(); });
		} catch (const Failure &) {
			signal_->close();
			signal_.reset();
			throw;
		}
		Ref();
		return info.Env().Undefined();
	});
}

Napi::Value RibObject::stop(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	if (!signal_)
		return env.Undefined();
	rib_->stop();
	handle(env);
	for (auto &[ticket, deferred] : std::exchange(waits_, {})) {
		deferred.Reject(js_error(env, Failure(ECANCELED, "settled", "the RIB was stopped")).Value());
		signal_->unhold(env);
	}
	signal_->close();
	signal_.reset();
	rib_->set_compiled(nullptr);
	rib_->locked([](Rib &rib) { rib.attach(nullptr); });
	Unref();
	return env.Undefined();
}

void RibObject::resolve_wait(Napi::Env env, uint64_t ticket, const Napi::Value &value)
{
	const auto found = waits_.find(ticket);
	if (found == waits_.end())
		return;
	found->second.Resolve(value);
	waits_.erase(found);
	signal_->unhold(env);
}

void RibObject::handle(Napi::Env env)
{
	Napi::HandleScope scope(env);
	Ref();
	for (const uint64_t ticket : rib_->take_done())
		resolve_wait(env, ticket, env.Undefined());
	for (const auto &[ticket, report] : rib_->take_audits()) {
		const Napi::Object object = js_audit(env, report);
		resolve_wait(env, ticket, object);
		if (!audit_listener_.IsEmpty())
			audit_listener_.Call({object});
	}
	if (rib_->take_links_changed() && !listener_.IsEmpty())
		listener_.Call({});
	Unref();
}

Napi::Value RibObject::wait(Napi::Env env, void (RibThread::*ask)(uint64_t))
{
	Napi::Promise::Deferred deferred = Napi::Promise::Deferred::New(env);
	if (!signal_) {
		deferred.Reject(js_error(env, Failure(ENOTCONN, "wait", "the RIB is not started")).Value());
		return deferred.Promise();
	}
	const uint64_t ticket = ++ticket_;
	waits_.emplace(ticket, deferred);
	signal_->hold(env);
	((*rib_).*ask)(ticket);
	return deferred.Promise();
}

Napi::Value RibObject::settled(const Napi::CallbackInfo &info)
{
	return wait(info.Env(), &RibThread::ask_settled);
}

Napi::Value RibObject::recouple(const Napi::CallbackInfo &info)
{
	return wait(info.Env(), &RibThread::ask_recouple);
}

Napi::Value RibObject::audit(const Napi::CallbackInfo &info)
{
	return wait(info.Env(), &RibThread::ask_audit);
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

Napi::Value RibObject::on_audit(const Napi::CallbackInfo &info)
{
	audit_listener_.Reset();
	if (info[0].IsFunction())
		audit_listener_ = Napi::Persistent(info[0].As<Napi::Function>());
	return info.Env().Undefined();
}

/* --- changes ------------------------------------------------------------------------------------------------ */

template <typename Body> Napi::Value RibObject::change(const Napi::CallbackInfo &info, Body body)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		body();
		rib_->wake();
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
			const auto ifindex = as_integer(item.Get("ifindex"), "ifindex", 1, INT32_MAX);
			const auto slot = as_integer(item.Get("slot"), "slot", 0, MILL_MAX_IFACES - 1);
			slots[static_cast<uint32_t>(ifindex)] = static_cast<uint16_t>(slot);
		}
		rib_->locked([&](Rib &rib) { rib.set_interfaces(std::move(slots)); });
	});
}

Napi::Value RibObject::set_gateways(const Napi::CallbackInfo &info)
{
	return change(info, [&] {
		const Napi::Array list = as_array(info[0], "gateways");
		std::vector<std::pair<uint32_t, Address>> gateways;
		for (uint32_t i = 0; i < list.Length(); i++) {
			const Napi::Object item = as_object(list.Get(i), "gateway");
			const auto slot = as_integer(item.Get("slot"), "slot", 0, MILL_MAX_GATEWAYS - 1);
			gateways.emplace_back(static_cast<uint32_t>(slot),
			                      Address::parse(as_string(item.Get("address"), "address")));
		}
		rib_->locked([&](Rib &rib) { rib.set_gateways(gateways); });
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
	return change(info, [&] {
		const Prefix prefix = Prefix::parse(as_string(info[0], "prefix"));
		Address gateway;
		uint32_t ifindex = 0;
		if (!info[1].IsUndefined())
			gateway = Address::parse(as_string(info[1], "gateway"));
		if (!info[2].IsUndefined())
			ifindex = static_cast<uint32_t>(as_integer(info[2], "ifindex", 1, INT32_MAX));
		if (gateway.family == 0 && ifindex == 0)
			throw bad_argument("a gateway or an interface for " + prefix.text());
		if (gateway.family != 0 && gateway.family != prefix.address.family)
			throw bad_argument("prefix and gateway of one family, got " + prefix.text() +
			                   " via " + gateway.text());
		rib_->locked([&](Rib &rib) { rib.add_operator_route(prefix, gateway, ifindex); });
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
		const auto ifindex = static_cast<uint32_t>(as_integer(info[0], "ifindex", 1, INT32_MAX));
		rib_->resolve({Address::parse(as_string(info[1], "address")), ifindex});
		return info.Env().Undefined();
	});
}

Napi::Value RibObject::on_links(const Napi::CallbackInfo &info)
{
	listener_.Reset();
	if (info[0].IsFunction())
		listener_ = Napi::Persistent(info[0].As<Napi::Function>());
	return info.Env().Undefined();
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

/* --- reading ------------------------------------------------------------------------------------------------ */

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
		auto *worker = new DumpWorker(info.Env(), rib_, as_string(info[0], "path"));
		Napi::Value promise = worker->promise();
		worker->Queue();
		return promise;
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
		return object;
	});
}

Napi::Value create_rib(const Napi::CallbackInfo &info)
{
	return RibObject::define(info.Env()).New({info[0]});
}

} // namespace mill
