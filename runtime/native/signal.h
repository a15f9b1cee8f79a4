/*
 * "Something happened" from any thread to the main loop, coalesced: however often it is raised, the handler runs
 * once after. It does not keep the process alive, except between hold() and unhold().
 */
#pragma once
#include <napi.h>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>

namespace mill
{

class Signal : public std::enable_shared_from_this<Signal>
{
      public:
	/* Main thread. */
	static std::shared_ptr<Signal> make(Napi::Env env, const char *name,
	                                    std::function<void(Napi::Env)> handler)
	{
		auto signal = std::make_shared<Signal>();
		signal->handler_ = std::move(handler);
		auto *reference = new std::shared_ptr<Signal>(signal);
		signal->function_ = Function::New(
		    env, name, 0, 1, reference,
		    [](Napi::Env, void *, std::shared_ptr<Signal> *context) { finalize(context); });
		signal->function_.Unref(env);
		signal->open_ = true;
		return signal;
	}

	/* Any thread. */
	void raise()
	{
		const std::lock_guard<std::mutex> guard(lock_);
		if (!open_ || raised_.exchange(true))
			return;
		if (function_.NonBlockingCall() != napi_ok)
			open_ = false;
	}

	/* Main thread: the process stays alive until as many unhold() came. */
	void hold(Napi::Env env)
	{
		if (holds_++ == 0 && open_)
			function_.Ref(env);
	}
	void unhold(Napi::Env env)
	{
		if (--holds_ == 0 && open_)
			function_.Unref(env);
	}

	/* Main thread: no more calls. */
	void close()
	{
		const std::lock_guard<std::mutex> guard(lock_);
		handler_ = nullptr;
		if (std::exchange(open_, false))
			function_.Abort();
	}

      private:
	static void call(Napi::Env env, Napi::Function, std::shared_ptr<Signal> *context, void *)
	{
		Signal *self = context->get();
		self->raised_ = false;
		if (env != nullptr && self->handler_) {
			const auto handler = self->handler_; /* it may close us */
			handler(env);
		}
	}
	static void finalize(std::shared_ptr<Signal> *context)
	{
		{
			const std::lock_guard<std::mutex> guard((*context)->lock_);
			(*context)->open_ = false;
		}
		delete context;
	}
	using Function = Napi::TypedThreadSafeFunction<std::shared_ptr<Signal>, void, call>;

	Function function_;
	std::function<void(Napi::Env)> handler_;
	std::mutex lock_; /* of open_ and function_ */
	bool open_ = false;
	std::atomic<bool> raised_{false};
	int holds_ = 0;
};

} // namespace mill
