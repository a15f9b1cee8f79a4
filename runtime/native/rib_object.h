/*
 * Rib of runtime/native.ts over RibThread: arguments in, values out. Main thread only. Waits for the thread are tickets
 * that the thread hands back (on_event), resolved here on the main loop. The object keeps itself alive from start()
 * to stop(), but not the process, except while somebody waits for it.
 *
 *   rib_object.cc life and waits · rib_changes.cc what changes it · rib_reading.cc what is asked of it
 */
#pragma once
#include <napi.h>
#include <map>
#include <memory>
#include <vector>
#include "js.h"
#include "rib/fpm.h"
#include "rib_thread.h"
#include "signal.h"

namespace mill
{

class RibObject : public Napi::ObjectWrap<RibObject>
{
      public:
	explicit RibObject(const Napi::CallbackInfo &info);
	~RibObject() override;
	static Napi::Function define(Napi::Env env);

      private:
	Napi::Value set_interfaces(const Napi::CallbackInfo &info);
	Napi::Value set_own(const Napi::CallbackInfo &info);
	Napi::Value set_own_neighbours(const Napi::CallbackInfo &info);
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
	Napi::Value on_own_gateway(const Napi::CallbackInfo &info);
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
	template <typename Body> Napi::Value change(const Napi::CallbackInfo &info, Body body)
	{
		return guarded(info.Env(), [&]() -> Napi::Value {
			body();
			rib_->wake();
			return info.Env().Undefined();
		});
	}

	std::shared_ptr<RibThread> rib_;
	std::shared_ptr<Signal> signal_;
	std::map<uint64_t, Napi::Promise::Deferred> waits_;
	uint64_t ticket_ = 0;
	FpmStream fpm_;
	Napi::FunctionReference listener_, audit_listener_, gateway_listener_;
};

Napi::Value create_rib(const Napi::CallbackInfo &info);
/* Arguments that options and calls share. Numbers of the kernel's tables; the local one is the first. Throws Failure. */
std::vector<uint32_t> tables_of(const Napi::Value &value);
uint32_t audit_period(const Napi::Value &value);

} // namespace mill
