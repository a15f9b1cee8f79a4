/*
 * EngineLink of runtime/native.ts: requests to the engine as promises, in order; its notices as calls of one listener;
 * the duplicates of its descriptors. Main thread only: the reader thread (engine_channel.h) queues what arrives. The
 * object lives while the connection does, or JavaScript holds it; the process does not stay alive for it, but for a
 * request that is under way.
 *
 *   engine_link.cc connection, adoption, answers and notices · engine_requests.cc what is asked of the engine
 */
#pragma once
#include <napi.h>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>
#include "engine_channel.h"
#include "error.h"
#include "js.h"
#include "shm.h"
#include "signal.h"

namespace mill
{

class EngineLink : public Napi::ObjectWrap<EngineLink>
{
      public:
	explicit EngineLink(const Napi::CallbackInfo &info);
	~EngineLink() override;
	static Napi::Function define(Napi::Env env);
	static Napi::Value connect(Napi::Env env, const std::string &path, HoldTable *adopted,
	                           int64_t without);

	HoldTable &held()
	{
		return channel_->held();
	}

      private:
	using Answer = std::function<Napi::Value(Napi::Env, const mill_msg &)>;
	struct Request {
		uint16_t type;
		Napi::Promise::Deferred deferred;
		Answer answer;
	};

	Napi::Value running(const Napi::CallbackInfo &info);
	Napi::Value pid(const Napi::CallbackInfo &info);
	Napi::Value retained(const Napi::CallbackInfo &info);
	Napi::Value state(const Napi::CallbackInfo &info);
	Napi::Value on_notice(const Napi::CallbackInfo &info);
	Napi::Value prepare(const Napi::CallbackInfo &info);
	Napi::Value commit(const Napi::CallbackInfo &info);
	Napi::Value discard(const Napi::CallbackInfo &info);
	Napi::Value set_interface(const Napi::CallbackInfo &info);
	Napi::Value set_neighbour(const Napi::CallbackInfo &info);
	Napi::Value want_neighbour(const Napi::CallbackInfo &info);
	Napi::Value set_acl(const Napi::CallbackInfo &info);
	Napi::Value put_set(const Napi::CallbackInfo &info);
	Napi::Value drop_set(const Napi::CallbackInfo &info);
	Napi::Value sets(const Napi::CallbackInfo &info);
	Napi::Value read_set(const Napi::CallbackInfo &info);
	Napi::Value lookup(const Napi::CallbackInfo &info);
	Napi::Value stop(const Napi::CallbackInfo &info);
	Napi::Value running_configuration(const Napi::CallbackInfo &info);
	Napi::Value adopt_into(const Napi::CallbackInfo &info);
	Napi::Value release(const Napi::CallbackInfo &info);

	void open(Napi::Env env, HoldTable *adopted, int64_t without);
	void hello();
	void handle(Napi::Env env);
	void handle_message(Napi::Env env, const mill_msg &message);
	void handle_answer(Napi::Env env, const mill_msg &message);
	void handle_closed(Napi::Env env);
	void ready(Napi::Env env);
	void fail_connecting(Napi::Env env, const Napi::Error &error);
	void notify(Napi::Env env, const Napi::Object &notice);
	void let_go(Napi::Env env);
	Napi::Value request(Napi::Env env, uint16_t type, const void *payload, size_t length,
	                    const std::vector<int> &fds, Answer answer);
	/* Wrong arguments and failed sends reject the promise as failed requests do. */
	template <typename Body> Napi::Value asked(Napi::Env env, Body body)
	{
		try {
			return body();
		} catch (const Failure &failure) {
			Napi::Promise::Deferred deferred = Napi::Promise::Deferred::New(env);
			deferred.Reject(js_error(env, failure).Value());
			return deferred.Promise();
		}
	}

	std::unique_ptr<EngineChannel> channel_;
	std::shared_ptr<Signal> signal_;
	std::map<uint32_t, Request> requests_;
	std::unique_ptr<Napi::Promise::Deferred> connecting_;
	Holds adopting_;
	uint32_t adopt_done_ = 0; /* serial of ADOPT_DONE while its answer is awaited */
	mill_hello hello_ = {};
	Napi::FunctionReference listener_;
	Napi::ObjectReference view_;
	bool closed_ = false, referenced_ = false;
};

/* Promise of an EngineLink to the engine that listens on `path`. */
Napi::Value connect_engine(Napi::Env env, const std::string &path);
/* The descriptors of an EngineLink object. Throws Failure(EINVAL) for anything else. */
HoldTable &held_by(const Napi::Value &link);

} // namespace mill
