/*
 * EngineLink: requests to the engine as promises, in order; its notices as calls of one listener; the duplicates
 * of its descriptors. The reader thread (engine_channel.h) queues what arrives, this file handles it on the main
 * thread. The object lives while the connection does, or JavaScript holds it; the process does not stay alive for
 * it, but for a request that is under way.
 *
 * Adoption: the new link sends ADOPT for every descriptor that the old one holds, then ADOPT_DONE; once the engine
 * answers that (it forwards again), HELLO as in any other connection.
 */
#include "engine_link.h"
#include <arpa/inet.h>
#include <cstring>
#include <map>
#include "config_pack.h"
#include "js.h"
#include "rib/address.h"
#include "rib/text.h"
#include "signal.h"
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
	case MILL_MSG_SET_ACL:
		return "setAcl";
	case MILL_MSG_LOOKUP:
		return "lookup";
	case MILL_MSG_STOP:
		return "stop";
	default:
		return "adopt";
	}
}

class EngineLink : public Napi::ObjectWrap<EngineLink>
{
      public:
	explicit EngineLink(const Napi::CallbackInfo &info);
	~EngineLink() override;
	static Napi::Function define(Napi::Env env);
	static Napi::Value connect(Napi::Env env, const std::string &path, HoldTable *adopted);

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
	Napi::Value set_acl(const Napi::CallbackInfo &info);
	Napi::Value lookup(const Napi::CallbackInfo &info);
	Napi::Value stop(const Napi::CallbackInfo &info);
	Napi::Value running_configuration(const Napi::CallbackInfo &info);
	Napi::Value adopt_into(const Napi::CallbackInfo &info);
	Napi::Value release(const Napi::CallbackInfo &info);

	void open(Napi::Env env, HoldTable *adopted);
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
	template <typename Body> Napi::Value asked(Napi::Env env, Body body);

	std::unique_ptr<EngineChannel> channel_;
	std::shared_ptr<Signal> signal_;
	std::map<uint32_t, Request> requests_;
	std::unique_ptr<Napi::Promise::Deferred> connecting_;
	std::vector<std::pair<mill_hold, Fd>> adopting_;
	uint32_t adopt_done_ = 0; /* serial of ADOPT_DONE while its answer is awaited */
	mill_hello hello_ = {};
	Napi::FunctionReference listener_;
	Napi::ObjectReference view_;
	bool closed_ = false, referenced_ = false;
};

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
	return DefineClass(
	    env, "EngineLink",
	    {InstanceAccessor<&EngineLink::pid>("pid"), InstanceAccessor<&EngineLink::running>("running"),
	     InstanceAccessor<&EngineLink::retained>("retained"),
	     InstanceAccessor<&EngineLink::state>("state"),
	     InstanceMethod<&EngineLink::on_notice>("onNotice"),
	     InstanceMethod<&EngineLink::prepare>("prepare"), InstanceMethod<&EngineLink::commit>("commit"),
	     InstanceMethod<&EngineLink::discard>("discard"),
	     InstanceMethod<&EngineLink::set_interface>("setInterface"),
	     InstanceMethod<&EngineLink::set_acl>("setAcl"), InstanceMethod<&EngineLink::lookup>("lookup"),
	     InstanceMethod<&EngineLink::stop>("stop"),
	     InstanceMethod<&EngineLink::running_configuration>("runningConfiguration"),
	     InstanceMethod<&EngineLink::adopt_into>("adoptInto"),
	     InstanceMethod<&EngineLink::release>("release")});
}

Napi::Value EngineLink::connect(Napi::Env env, const std::string &path, HoldTable *adopted)
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
			link->open(env, adopted);
		} catch (const Failure &failure) {
			deferred.Reject(js_error(env, failure).Value());
		}
		return deferred.Promise();
	});
}

void EngineLink::open(Napi::Env env, HoldTable *adopted)
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
		adopting_ = adopted->duplicate_all();
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

/* Wrong arguments and failed sends reject the promise as failed requests do. */
template <typename Body> Napi::Value EngineLink::asked(Napi::Env env, Body body)
{
	try {
		return body();
	} catch (const Failure &failure) {
		Napi::Promise::Deferred deferred = Napi::Promise::Deferred::New(env);
		deferred.Reject(js_error(env, failure).Value());
		return deferred.Promise();
	}
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
		const Address address = Address::parse(as_string(info[0], "address"));
		mill_lookup lookup = {};
		lookup.family = address.family;
		memcpy(lookup.address, address.bytes, address.size());
		return request(info.Env(), MILL_MSG_LOOKUP, &lookup, sizeof lookup, {}, compiled_route);
	});
}

Napi::Value EngineLink::stop(const Napi::CallbackInfo &info)
{
	return asked(info.Env(), [&] { return request(info.Env(), MILL_MSG_STOP, nullptr, 0, {}, nullptr); });
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
	return asked(info.Env(), [&] { return connect(info.Env(), as_string(info[0], "path"), &held()); });
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
	return EngineLink::connect(env, path, nullptr);
}

HoldTable &held_by(const Napi::Value &link)
{
	if (!link.IsObject() || !link.As<Napi::Object>().CheckTypeTag(&link_tag))
		throw bad_argument("an EngineLink");
	return EngineLink::Unwrap(link.As<Napi::Object>())->held();
}

} // namespace mill
