/* Life of the Rib object: made, started, stopped; its waits and its listeners. */
#include "rib_object.h"
#include <utility>
#include "error.h"
#include "rib_views.h"

namespace mill
{

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
	                    InstanceMethod<&RibObject::set_own>("setOwn"),
	                    InstanceMethod<&RibObject::set_own_neighbours>("setOwnNeighbours"),
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
	                    InstanceMethod<&RibObject::on_own_gateway>("onOwnGateway"),
	                    InstanceMethod<&RibObject::settled>("settled"),
	                    InstanceMethod<&RibObject::audit>("audit"),
	                    InstanceMethod<&RibObject::set_audit>("setAudit"),
	                    InstanceMethod<&RibObject::set_tables>("setTables"),
	                    InstanceMethod<&RibObject::on_audit>("onAudit")});
}

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
	for (const auto &[address, ifindex] : rib_->take_own_wanted())
		if (!gateway_listener_.IsEmpty())
			gateway_listener_.Call({Napi::Number::New(env, ifindex - own_ifindex),
			                        Napi::String::New(env, address.text())});
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

Napi::Value RibObject::on_audit(const Napi::CallbackInfo &info)
{
	audit_listener_.Reset();
	if (info[0].IsFunction())
		audit_listener_ = Napi::Persistent(info[0].As<Napi::Function>());
	return info.Env().Undefined();
}

Napi::Value RibObject::on_links(const Napi::CallbackInfo &info)
{
	listener_.Reset();
	if (info[0].IsFunction())
		listener_ = Napi::Persistent(info[0].As<Napi::Function>());
	return info.Env().Undefined();
}

Napi::Value RibObject::on_own_gateway(const Napi::CallbackInfo &info)
{
	gateway_listener_.Reset();
	if (info[0].IsFunction())
		gateway_listener_ = Napi::Persistent(info[0].As<Napi::Function>());
	return info.Env().Undefined();
}

Napi::Value create_rib(const Napi::CallbackInfo &info)
{
	return RibObject::define(info.Env()).New({info[0]});
}

} // namespace mill
