/*
 * The connection: HELLO, answers by their serial numbers, notices, its end.
 *
 * Adoption: the new link sends ADOPT for every descriptor that the old one holds, then ADOPT_DONE; once the engine
 * answers that (it forwards again), HELLO as in any other connection. A generation that is to be left behind is not sent: the
 * newest of the others stands in its place, so that not one packet meets it again.
 */
#include "engine_link.h"
#include <algorithm>
#include <cstring>
#include "config_pack.h"
#include "rib/address.h"
#include "state_view.h"

namespace mill
{

static const char *request_name(uint16_t type)
{
	switch (type) {
	case MILL_MSG_HELLO:
		return "hello";
	case MILL_MSG_PREPARE:
		return "prepare";
	case MILL_MSG_COMMIT:
		return "commit";
	case MILL_MSG_DISCARD:
		return "discard";
	case MILL_MSG_SET_IFACE:
		return "setInterface";
	case MILL_MSG_SET_NEIGHBOUR:
		return "setNeighbour";
	case MILL_MSG_WANT_NEIGHBOUR:
		return "wantNeighbour";
	case MILL_MSG_SET_ACL:
		return "setAcl";
	case MILL_MSG_LOOKUP:
		return "lookup";
	case MILL_MSG_SET_PUT:
		return "putSet";
	case MILL_MSG_SET_DROP:
		return "dropSet";
	case MILL_MSG_STOP:
		return "stop";
	default:
		return "adopt";
	}
}

EngineLink::EngineLink(const Napi::CallbackInfo &info) : Napi::ObjectWrap<EngineLink>(info)
{
}

EngineLink::~EngineLink()
{
	if (signal_)
		signal_->close();
	channel_.reset();
}

/* What identifies our own objects among others of JavaScript. */
static const napi_type_tag link_tag = {0x6e65746d696c6c01ull, 0x656e67696e656c6bull};

Napi::Function EngineLink::define(Napi::Env env)
{
	return DefineClass(env, "EngineLink",
	                   {InstanceAccessor<&EngineLink::pid>("pid"),
	                    InstanceAccessor<&EngineLink::running>("running"),
	                    InstanceAccessor<&EngineLink::retained>("retained"),
	                    InstanceAccessor<&EngineLink::state>("state"),
	                    InstanceMethod<&EngineLink::on_notice>("onNotice"),
	                    InstanceMethod<&EngineLink::prepare>("prepare"),
	                    InstanceMethod<&EngineLink::commit>("commit"),
	                    InstanceMethod<&EngineLink::discard>("discard"),
	                    InstanceMethod<&EngineLink::set_interface>("setInterface"),
	                    InstanceMethod<&EngineLink::set_neighbour>("setNeighbour"),
	                    InstanceMethod<&EngineLink::want_neighbour>("wantNeighbour"),
	                    InstanceMethod<&EngineLink::set_acl>("setAcl"),
	                    InstanceMethod<&EngineLink::lookup>("lookup"),
	                    InstanceMethod<&EngineLink::put_set>("putSet"),
	                    InstanceMethod<&EngineLink::drop_set>("dropSet"),
	                    InstanceMethod<&EngineLink::sets>("sets"),
	                    InstanceMethod<&EngineLink::read_set>("readSet"),
	                    InstanceMethod<&EngineLink::stop>("stop"),
	                    InstanceMethod<&EngineLink::running_configuration>("runningConfiguration"),
	                    InstanceMethod<&EngineLink::adopt_into>("adoptInto"),
	                    InstanceMethod<&EngineLink::release>("release")});
}

static bool of_generation(const mill_hold &hold)
{
	return hold.kind == MILL_HOLD_CONFIG || hold.kind == MILL_HOLD_FORWARDER;
}

/* 0 is none. */
static Holds leave_behind(Holds holds, int64_t generation)
{
	holds.erase(std::remove_if(holds.begin(), holds.end(),
	                           [generation](const auto &held) {
		                           return of_generation(held.first) &&
		                                  held.first.value == static_cast<uint64_t>(generation);
	                           }),
	            holds.end());
	std::map<uint16_t, uint16_t> places[2]; /* old index → new one */
	const auto of = [&places](const mill_hold &hold) -> auto &
	{
		return places[hold.kind == MILL_HOLD_FORWARDER];
	};
	for (const auto &held : holds)
		if (of_generation(held.first))
			of(held.first)[held.first.index] = 0;
	for (auto &kind : places) {
		uint16_t next = 0;
		for (auto &place : kind)
			place.second = next++;
	}
	for (auto &held : holds)
		if (of_generation(held.first))
			held.first.index = of(held.first)[held.first.index];
	return holds;
}

Napi::Value EngineLink::connect(Napi::Env env, const std::string &path, HoldTable *adopted, int64_t without)
{
	return guarded(env, [&]() -> Napi::Value {
		Napi::Promise::Deferred deferred = Napi::Promise::Deferred::New(env);
		try {
			auto channel = std::make_unique<EngineChannel>(path);
			Napi::Object object = define(env).New({});
			object.TypeTag(&link_tag);
			EngineLink *link = Unwrap(object);
			link->channel_ = std::move(channel);
			link->connecting_ = std::make_unique<Napi::Promise::Deferred>(deferred);
			link->open(env, adopted, without);
		} catch (const Failure &failure) {
			deferred.Reject(js_error(env, failure).Value());
		}
		return deferred.Promise();
	});
}

void EngineLink::open(Napi::Env env, HoldTable *adopted, int64_t without)
{
	signal_ = Signal::make(env, "netmill engine link", [this](Napi::Env e) { handle(e); });
	Ref();
	referenced_ = true;
	signal_->hold(env); /* until connected */
	channel_->start([signal = signal_] { signal->raise(); });
	try {
		if (adopted == nullptr) {
			hello();
			return;
		}
		adopting_ = leave_behind(adopted->duplicate_all(), without);
		for (const auto &[hold, fd] : adopting_)
			channel_->send(MILL_MSG_ADOPT, &hold, sizeof hold, {fd.get()});
		adopt_done_ = channel_->send(MILL_MSG_ADOPT_DONE, nullptr, 0, {});
	} catch (const Failure &failure) {
		fail_connecting(env, js_error(env, failure));
	}
}

void EngineLink::hello()
{
	channel_->send(MILL_MSG_HELLO, nullptr, 0, {});
}

void EngineLink::handle(Napi::Env env)
{
	Napi::HandleScope scope(env);
	bool closed = false;
	const auto messages = channel_->take(closed);
	Ref(); /* stays alive whatever the listener does */
	for (const mill_msg &message : messages)
		handle_message(env, message);
	if (closed && !closed_)
		handle_closed(env);
	Unref();
}

void EngineLink::handle_message(Napi::Env env, const mill_msg &message)
{
	switch (message.type) {
	case MILL_MSG_NOTICE_HELLO_DONE:
		ready(env);
		return;
	case MILL_MSG_NOTICE_LINK: {
		mill_link_notice link;
		memcpy(&link, message.payload, sizeof link);
		Napi::Object notice = Napi::Object::New(env);
		notice.Set("kind", "link");
		notice.Set("port", link.port);
		notice.Set("up", link.up != 0);
		notify(env, notice);
		return;
	}
	case MILL_MSG_NOTICE_RESOLVE: {
		mill_resolve resolve;
		memcpy(&resolve, message.payload, sizeof resolve);
		Napi::Object notice = Napi::Object::New(env);
		notice.Set("kind", "resolve");
		notice.Set("interface", resolve.iface);
		notice.Set("address", Address::of(resolve.family == 4 ? 4 : 6, resolve.address).text());
		notify(env, notice);
		return;
	}
	case MILL_MSG_NOTICE_NEIGHBOURS: {
		Napi::Object notice = Napi::Object::New(env);
		notice.Set("kind", "neighbours");
		notify(env, notice);
		return;
	}
	default:
		handle_answer(env, message);
	}
}

static Napi::Error answer_error(Napi::Env env, const mill_msg &message)
{
	const std::string text(reinterpret_cast<const char *>(message.payload),
	                       strnlen(reinterpret_cast<const char *>(message.payload), message.length));
	return js_error(env, Failure(message.error, request_name(message.type), text));
}

void EngineLink::handle_answer(Napi::Env env, const mill_msg &message)
{
	if (connecting_ && (message.type == MILL_MSG_HELLO || message.type == MILL_MSG_ADOPT ||
	                    message.type == MILL_MSG_ADOPT_DONE)) {
		if (message.error != 0) {
			fail_connecting(env, answer_error(env, message));
		} else if (message.type == MILL_MSG_HELLO) {
			memcpy(&hello_, message.payload, sizeof hello_);
		} else if (message.serial == adopt_done_) {
			adopting_.clear();
			hello();
		}
		return;
	}
	const auto found = requests_.find(message.serial);
	if (found == requests_.end())
		return;
	Request request = std::move(found->second);
	requests_.erase(found);
	if (message.error != 0) {
		request.deferred.Reject(answer_error(env, message).Value());
	} else {
		request.deferred.Resolve(request.answer ? request.answer(env, message) : env.Undefined());
	}
	signal_->unhold(env);
}

void EngineLink::ready(Napi::Env env)
{
	if (!connecting_)
		return;
	try {
		if (hello_.abi != MILL_ABI_VERSION)
			throw Failure(EPROTO, "hello",
			              "expected an engine of ABI " + std::to_string(MILL_ABI_VERSION) +
			                  ", got " + std::to_string(hello_.abi));
		if (hello_.adopting != 0)
			throw Failure(EAGAIN, "hello",
			              "the engine waits for somebody who has what it is to adopt");
		const Fd fd = held().duplicate(MILL_HOLD_STATE, 0, 0, nullptr);
		if (!fd)
			throw Failure(EPROTO, "hello", "the engine sent no state");
		auto state =
		    std::make_shared<Mapping>(map_shared(fd.get(), sizeof(mill_state), true, "state"));
		if (state->as<mill_state>()->magic != MILL_STATE_MAGIC ||
		    state->as<mill_state>()->abi != MILL_ABI_VERSION)
			throw Failure(EPROTO, "hello", "the engine's state is of another ABI");
		const Fd fib = held().duplicate(MILL_HOLD_FIB, 0, 0, nullptr);
		if (!fib)
			throw Failure(EPROTO, "hello", "the engine sent no FIB");
		auto tables =
		    std::make_shared<Mapping>(map_shared(fib.get(), sizeof(mill_fib_file), false, "FIB"));
		view_ = Napi::Persistent(make_state_view(env, std::move(state), std::move(tables)));
	} catch (const Failure &failure) {
		fail_connecting(env, js_error(env, failure));
		return;
	}
	const auto connecting = std::move(connecting_);
	signal_->unhold(env);
	connecting->Resolve(Value());
}

void EngineLink::fail_connecting(Napi::Env env, const Napi::Error &error)
{
	if (!connecting_)
		return;
	const auto connecting = std::move(connecting_);
	signal_->unhold(env);
	connecting->Reject(error.Value());
	channel_->stop();
	/* or a port would stay in use until this object is collected */
	adopting_.clear();
	channel_->held().clear();
	let_go(env);
}

void EngineLink::let_go(Napi::Env)
{
	signal_->close();
	if (std::exchange(referenced_, false))
		Unref();
}

void EngineLink::handle_closed(Napi::Env env)
{
	closed_ = true;
	const Failure gone(ECONNRESET, "recvmsg", "the engine closed the connection");
	fail_connecting(env, js_error(env, gone));
	auto requests = std::move(requests_);
	requests_.clear();
	for (auto &[serial, request] : requests) {
		/* an engine that was told to stop answers, or simply goes */
		if (request.type == MILL_MSG_STOP)
			request.deferred.Resolve(env.Undefined());
		else
			request.deferred.Reject(js_error(env, gone).Value());
		signal_->unhold(env);
	}
	Napi::Object notice = Napi::Object::New(env);
	notice.Set("kind", "closed");
	notify(env, notice);
	let_go(env);
}

void EngineLink::notify(Napi::Env, const Napi::Object &notice)
{
	if (!listener_.IsEmpty())
		listener_.Call({notice});
}

Napi::Value EngineLink::running(const Napi::CallbackInfo &info)
{
	if (view_.IsEmpty())
		return js_u53(info.Env(), hello_.running);
	return view_.Value().Get("running");
}

Napi::Value EngineLink::pid(const Napi::CallbackInfo &info)
{
	return js_u53(info.Env(), hello_.pid);
}

Napi::Value EngineLink::retained(const Napi::CallbackInfo &info)
{
	Napi::Array array = Napi::Array::New(info.Env());
	for (uint16_t index = 1; index <= 2; index++) {
		uint64_t generation = 0;
		if (held().duplicate(MILL_HOLD_CONFIG, 0, index, &generation) && generation != 0)
			array.Set(array.Length(), js_u53(info.Env(), generation));
	}
	return array;
}

Napi::Value EngineLink::state(const Napi::CallbackInfo &info)
{
	return view_.IsEmpty() ? info.Env().Undefined() : view_.Value();
}

Napi::Value EngineLink::on_notice(const Napi::CallbackInfo &info)
{
	listener_.Reset();
	if (info[0].IsFunction())
		listener_ = Napi::Persistent(info[0].As<Napi::Function>());
	return info.Env().Undefined();
}

Napi::Value EngineLink::running_configuration(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		const Fd fd = held().duplicate(MILL_HOLD_CONFIG, 0, 0, nullptr);
		if (!fd)
			throw Failure(ENOENT, "", "no generation is running");
		const Mapping mapping = map_shared(fd.get(), sizeof(mill_config), false, "configuration");
		return unpack_config(info.Env(), *mapping.as<mill_config>());
	});
}

Napi::Value EngineLink::adopt_into(const Napi::CallbackInfo &info)
{
	return asked(info.Env(), [&] {
		const int64_t without =
		    info[1].IsUndefined() ? 0 : as_integer(info[1], "generation", 1, INT64_C(1) << 53);
		return connect(info.Env(), as_string(info[0], "path"), &held(), without);
	});
}

Napi::Value EngineLink::release(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	listener_.Reset();
	channel_->stop();
	channel_->held().clear();
	if (!closed_)
		handle_closed(env);
	return env.Undefined();
}

Napi::Value connect_engine(Napi::Env env, const std::string &path)
{
	return EngineLink::connect(env, path, nullptr, 0);
}

HoldTable &held_by(const Napi::Value &link)
{
	if (!link.IsObject() || !link.As<Napi::Object>().CheckTypeTag(&link_tag))
		throw bad_argument("an EngineLink");
	return EngineLink::Unwrap(link.As<Napi::Object>())->held();
}

} // namespace mill
