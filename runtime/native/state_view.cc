/*
 * The state memfd as JavaScript sees it: registries that the daemon writes, counters and events that it reads.
 * Every counter is a plain 64-bit word written by one worker; sums are read without disturbing anybody (a pair of
 * packets and bytes may be torn, a number never is). The event rings have one reader: this file, main thread.
 */
#include "state_view.h"
#include <algorithm>
#include <cstring>
#include <iterator>
#include <unordered_map>
#include <unordered_set>
#include "js.h"
#include "rib/address.h"
#include "shm.h"

namespace mill
{

static uint64_t load(const uint64_t &word)
{
	return __atomic_load_n(&word, __ATOMIC_RELAXED);
}

/* Reading a page of a memfd that nobody wrote allocates it: leave the counters of workers that never were alone.
 * Those of an earlier configuration count: what they forwarded was forwarded. */
static bool ever_ran(const mill_worker_state &worker)
{
	return (load(worker.loops) | load(worker.bursts) | load(worker.heartbeat_ns) |
	        load(worker.generation)) != 0;
}

class StateView : public Napi::ObjectWrap<StateView>
{
      public:
	explicit StateView(const Napi::CallbackInfo &info) : Napi::ObjectWrap<StateView>(info)
	{
		state_ = *info[0].As<Napi::External<std::shared_ptr<Mapping>>>().Data();
		fib_ = *info[1].As<Napi::External<std::shared_ptr<Mapping>>>().Data();
	}

	static Napi::Function define(Napi::Env env)
	{
		return DefineClass(env, "StateView",
		                   {InstanceAccessor<&StateView::running>("running"),
		                    InstanceAccessor<&StateView::engine_pid>("enginePid"),
		                    InstanceAccessor<&StateView::started>("startedNs"),
		                    InstanceAccessor<&StateView::adopted>("adopted"),
		                    InstanceAccessor<&StateView::acl_enabled>("aclEnabled"),
		                    InstanceAccessor<&StateView::workers>("workers"),
		                    InstanceAccessor<&StateView::events_lost>("eventsLost"),
		                    InstanceMethod<&StateView::port_slot>("portSlot"),
		                    InstanceMethod<&StateView::interface_slot>("interfaceSlot"),
		                    InstanceMethod<&StateView::rule_slots>("ruleSlots"),
		                    InstanceMethod<&StateView::port>("port"),
		                    InstanceMethod<&StateView::interface_counters>("interfaceCounters"),
		                    InstanceMethod<&StateView::claims>("claims"),
		                    InstanceMethod<&StateView::rule_counters>("ruleCounters"),
		                    InstanceMethod<&StateView::policed_counters>("policedCounters"),
		                    InstanceMethod<&StateView::neighbours>("neighbours"),
		                    InstanceMethod<&StateView::group_use>("groupUse"),
		                    InstanceMethod<&StateView::take_events>("takeEvents")});
	}

      private:
	mill_state &state() const
	{
		return *state_->as<mill_state>();
	}
	uint32_t n_workers() const
	{
		return std::min(__atomic_load_n(&state().n_workers, __ATOMIC_RELAXED), MILL_MAX_WORKERS);
	}
	Napi::Value running(const Napi::CallbackInfo &info)
	{
		return js_u53(info.Env(), load(state().running));
	}
	Napi::Value engine_pid(const Napi::CallbackInfo &info)
	{
		return js_u53(info.Env(), load(state().engine_pid));
	}
	Napi::Value started(const Napi::CallbackInfo &info)
	{
		return js_u64(info.Env(), load(state().started_ns));
	}
	Napi::Value adopted(const Napi::CallbackInfo &info)
	{
		return js_u53(info.Env(), load(state().adopted));
	}
	Napi::Value acl_enabled(const Napi::CallbackInfo &info)
	{
		return Napi::Boolean::New(info.Env(), state().acl_enabled != 0);
	}
	Napi::Value workers(const Napi::CallbackInfo &info);
	Napi::Value events_lost(const Napi::CallbackInfo &info);
	Napi::Value port_slot(const Napi::CallbackInfo &info);
	Napi::Value interface_slot(const Napi::CallbackInfo &info);
	Napi::Value rule_slots(const Napi::CallbackInfo &info);
	Napi::Value port(const Napi::CallbackInfo &info);
	Napi::Value interface_counters(const Napi::CallbackInfo &info);
	Napi::Value claims(const Napi::CallbackInfo &info);
	Napi::Value rule_counters(const Napi::CallbackInfo &info);
	Napi::Value policed_counters(const Napi::CallbackInfo &info);
	/* Of all workers together: `of` is a worker's counters by rule slot. */
	Napi::Value sums_by_rule(const Napi::CallbackInfo &info,
	                         mill_counter (mill_worker_state::*of)[MILL_MAX_RULES]);
	Napi::Value neighbours(const Napi::CallbackInfo &info);
	Napi::Value group_use(const Napi::CallbackInfo &info);
	Napi::Value take_events(const Napi::CallbackInfo &info);
	void clear_rule(uint32_t slot);
	std::vector<uint32_t> assign_rules(const std::vector<uint64_t> &ids,
	                                   const std::unordered_set<uint64_t> &keep);

	std::shared_ptr<Mapping> state_, fib_;
	uint32_t next_event_worker_ = 0;
};

Napi::Value StateView::workers(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	const uint32_t n = n_workers();
	Napi::Array array = Napi::Array::New(env, n);
	for (uint32_t i = 0; i < n; i++) {
		const mill_worker_state &worker = state().worker[i];
		Napi::Object object = Napi::Object::New(env);
		object.Set("tid", worker.tid);
		object.Set("core", static_cast<int32_t>(worker.core));
		object.Set("generation", js_u53(env, load(worker.generation)));
		object.Set("bursts", js_u64(env, load(worker.bursts)));
		object.Set("heartbeatNs", js_u64(env, load(worker.heartbeat_ns)));
		array.Set(i, object);
	}
	return array;
}

/* A name's slot in a registry, given on first use. */
template <size_t N>
static uint32_t slot_of(char (&names)[N][MILL_NAME_SIZE], const std::string &name, const char *what)
{
	if (name.empty() || name.size() >= MILL_NAME_SIZE)
		throw bad_argument(std::string("a name of 1 to ") + std::to_string(MILL_NAME_SIZE - 1) +
		                   " bytes for a " + what + ", got '" + name + "'");
	size_t free = N;
	for (size_t i = 0; i < N; i++) {
		if (strncmp(names[i], name.c_str(), MILL_NAME_SIZE) == 0)
			return static_cast<uint32_t>(i);
		if (free == N && names[i][0] == '\0')
			free = i;
	}
	if (free == N)
		throw Failure(ENOSPC, "",
		              std::string("all ") + std::to_string(N) + " slots of " + what + "s are taken");
	memcpy(names[free], name.c_str(), name.size() + 1);
	return static_cast<uint32_t>(free);
}

Napi::Value StateView::port_slot(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		return Napi::Number::New(info.Env(),
		                         slot_of(state().port_name, as_string(info[0], "a port"), "port"));
	});
}

Napi::Value StateView::interface_slot(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		return Napi::Number::New(
		    info.Env(), slot_of(state().iface_name, as_string(info[0], "an interface"), "interface"));
	});
}

static uint64_t identity(const Napi::Value &value)
{
	const std::string hex = as_string(value, "a rule identity");
	if (hex.empty() || hex.size() > 16 ||
	    hex.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)
		throw bad_argument("a rule identity of 1 to 16 hex digits, got '" + hex + "'");
	const uint64_t id = std::stoull(hex, nullptr, 16);
	if (id == 0)
		throw bad_argument("a rule identity other than 0");
	return id;
}

static std::vector<uint64_t> identities(const Napi::Value &value, const char *what)
{
	const Napi::Array array = as_array(value, what);
	std::vector<uint64_t> ids(array.Length());
	for (uint32_t i = 0; i < array.Length(); i++)
		ids[i] = identity(array.Get(i));
	return ids;
}

/* A recycled slot starts from nothing. Nobody counts in it: no mapped generation has it. */
void StateView::clear_rule(uint32_t slot)
{
	for (mill_worker_state &worker : state().worker) {
		if (!ever_ran(worker))
			continue;
		worker.rule[slot] = {};
		worker.policed[slot] = {};
		worker.log[slot] = {};
	}
	__atomic_store_n(&state().policer[slot], 0, __ATOMIC_RELAXED);
}

std::vector<uint32_t> StateView::assign_rules(const std::vector<uint64_t> &ids,
                                              const std::unordered_set<uint64_t> &keep)
{
	std::unordered_map<uint64_t, uint32_t> known;
	for (uint32_t slot = 0; slot < MILL_MAX_RULES; slot++)
		if (state().rule_id[slot] != 0)
			known.emplace(state().rule_id[slot], slot);
	std::unordered_set<uint64_t> wanted(ids.begin(), ids.end());
	std::vector<uint32_t> slots(ids.size());
	uint32_t fresh = 0, recycled = 0; /* where the searches stand */
	for (size_t i = 0; i < ids.size(); i++) {
		const auto found = known.find(ids[i]);
		if (found != known.end()) {
			slots[i] = found->second;
			continue;
		}
		while (fresh < MILL_MAX_RULES && state().rule_id[fresh] != 0)
			fresh++;
		uint32_t slot = fresh;
		if (slot == MILL_MAX_RULES) {
			while (recycled < MILL_MAX_RULES && (keep.count(state().rule_id[recycled]) != 0 ||
			                                     wanted.count(state().rule_id[recycled]) != 0))
				recycled++;
			slot = recycled;
		}
		if (slot == MILL_MAX_RULES)
			throw Failure(ENOSPC, "",
			              "all " + std::to_string(MILL_MAX_RULES) + " slots of rules are taken");
		known.erase(state().rule_id[slot]);
		clear_rule(slot);
		state().rule_id[slot] = ids[i];
		known.emplace(ids[i], slot);
		slots[i] = slot;
	}
	return slots;
}

Napi::Value StateView::rule_slots(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		const std::vector<uint64_t> ids = identities(info[0], "rule identities");
		const std::vector<uint64_t> kept = identities(info[1], "identities to keep");
		const auto slots = assign_rules(ids, std::unordered_set<uint64_t>(kept.begin(), kept.end()));
		Napi::Array array = Napi::Array::New(info.Env(), slots.size());
		for (uint32_t i = 0; i < slots.size(); i++)
			array.Set(i, slots[i]);
		return array;
	});
}

Napi::Value StateView::port(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		Napi::Env env = info.Env();
		const mill_port_state &port =
		    state().port[as_integer(info[0], "port slot", 0, MILL_MAX_PORTS - 1)];
		const mill_port_counters sum = mill_port_sum(&port);
		Napi::Object object = Napi::Object::New(env);
		object.Set("open", (port.flags & MILL_PORT_OPEN) != 0);
		object.Set("up", (port.flags & MILL_PORT_UP) != 0);
		object.Set("native", (port.flags & MILL_PORT_NATIVE_XDP) != 0);
		object.Set("zeroCopy", (port.flags & MILL_PORT_ZERO_COPY) != 0);
		object.Set("polled", (port.flags & MILL_PORT_POLLED) != 0);
		object.Set("ifindex", port.ifindex);
		object.Set("mac", format_mac(port.mac));
		object.Set("rxRings", port.rx_rings);
		object.Set("rxPackets", js_u64(env, sum.rx_packets));
		object.Set("rxBytes", js_u64(env, sum.rx_bytes));
		object.Set("txPackets", js_u64(env, sum.tx_packets));
		object.Set("txBytes", js_u64(env, sum.tx_bytes));
		object.Set("rxDropped", js_u64(env, sum.rx_dropped));
		object.Set("rxTooLong", js_u64(env, sum.rx_too_long));
		object.Set("txFull", js_u64(env, sum.tx_full));
		return object;
	});
}

static void add(mill_counter &sum, const mill_counter &counter)
{
	sum.packets += load(counter.packets);
	sum.bytes += load(counter.bytes);
}

static Napi::Object js_counter(Napi::Env env, const mill_counter &counter)
{
	Napi::Object object = Napi::Object::New(env);
	object.Set("packets", js_u64(env, counter.packets));
	object.Set("bytes", js_u64(env, counter.bytes));
	return object;
}

static constexpr int patience = 1000; /* with an entry that is being written */

/* False: it was being written all the time, or is free. */
static bool copy_neighbour(const mill_neighbour &from, mill_neighbour &copy)
{
	for (int i = 0; i < patience; i++) {
		const uint32_t version = __atomic_load_n(&from.version, __ATOMIC_ACQUIRE);
		memcpy(&copy, &from, sizeof copy);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (version % 2 == 0 && __atomic_load_n(&from.version, __ATOMIC_RELAXED) == version)
			return copy.state != MILL_NEIGHBOUR_FREE;
	}
	return false;
}

Napi::Value StateView::neighbours(const Napi::CallbackInfo &info)
{
	static const char *const states[] = {"none",  "incomplete", "reachable", "stale",
	                                     "probe", "failed",     "permanent"};
	static const uint8_t nothing[6] = {};
	Napi::Env env = info.Env();
	Napi::Array array = Napi::Array::New(env);
	for (const mill_neighbour &from : state().neighbour) {
		mill_neighbour neighbour;
		if (!copy_neighbour(from, neighbour) || neighbour.state >= std::size(states))
			continue;
		Napi::Object object = Napi::Object::New(env);
		object.Set("slot", neighbour.iface);
		object.Set("address", Address::of(neighbour.family, neighbour.address).text());
		object.Set("mac", memcmp(neighbour.mac, nothing, 6) != 0
		                      ? Napi::String::New(env, format_mac(neighbour.mac))
		                      : env.Undefined());
		object.Set("state", states[neighbour.state]);
		array.Set(array.Length(), object);
	}
	return array;
}

Napi::Value StateView::claims(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		Napi::Env env = info.Env();
		const mill_own_claims &claims =
		    state().claims[as_integer(info[0], "interface slot", 0, MILL_MAX_IFACES - 1)];
		const uint16_t ours = __atomic_load_n(&claims.ours, __ATOMIC_RELAXED);
		const uint16_t duplicate = __atomic_load_n(&claims.duplicate, __ATOMIC_RELAXED);
		Napi::Array states = Napi::Array::New(env);
		for (uint32_t i = 0; i < MILL_MAX_ADDRESSES; i++)
			states.Set(i, ours >> i & 1        ? "ours"
			              : duplicate >> i & 1 ? "duplicate"
			                                   : "tentative");
		return states;
	});
}

static Napi::Array js_u64s(Napi::Env env, const uint64_t *values, uint32_t n)
{
	Napi::Array array = Napi::Array::New(env, n);
	for (uint32_t i = 0; i < n; i++)
		array.Set(i, js_u64(env, values[i]));
	return array;
}

Napi::Value StateView::interface_counters(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		Napi::Env env = info.Env();
		const auto slot = as_integer(info[0], "interface slot", 0, MILL_MAX_IFACES - 1);
		mill_iface_counters sum = {};
		for (const mill_worker_state &worker : state().worker) {
			if (!ever_ran(worker))
				continue;
			const mill_iface_counters &iface = worker.iface[slot];
			add(sum.rx, iface.rx);
			add(sum.tx, iface.tx);
			for (size_t i = 0; i < MILL_PUNT_CLASSES; i++) {
				add(sum.punt[i], iface.punt[i]);
				sum.punt_full[i] += load(iface.punt_full[i]);
				sum.punt_policed[i] += load(iface.punt_policed[i]);
			}
			for (size_t i = 0; i < MILL_DROP_COUNT; i++)
				sum.drop[i] += load(iface.drop[i]);
			for (size_t i = 0; i < MILL_SAID_COUNT; i++)
				sum.said[i] += load(iface.said[i]);
		}
		Napi::Object object = Napi::Object::New(env);
		object.Set("rx", js_counter(env, sum.rx));
		object.Set("tx", js_counter(env, sum.tx));
		Napi::Array punt = Napi::Array::New(env, MILL_PUNT_CLASSES);
		for (uint32_t i = 0; i < MILL_PUNT_CLASSES; i++)
			punt.Set(i, js_counter(env, sum.punt[i]));
		object.Set("punt", punt);
		object.Set("puntFull", js_u64s(env, sum.punt_full, MILL_PUNT_CLASSES));
		object.Set("puntPoliced", js_u64s(env, sum.punt_policed, MILL_PUNT_CLASSES));
		object.Set("drops", js_u64s(env, sum.drop, MILL_DROP_COUNT));
		object.Set("said", js_u64s(env, sum.said, MILL_SAID_COUNT));
		return object;
	});
}

Napi::Value StateView::rule_counters(const Napi::CallbackInfo &info)
{
	return sums_by_rule(info, &mill_worker_state::rule);
}

Napi::Value StateView::policed_counters(const Napi::CallbackInfo &info)
{
	return sums_by_rule(info, &mill_worker_state::policed);
}

Napi::Value StateView::sums_by_rule(const Napi::CallbackInfo &info,
                                    mill_counter (mill_worker_state::*of)[MILL_MAX_RULES])
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		const Napi::Array slots = as_array(info[0], "rule slots");
		Napi::BigUint64Array result = Napi::BigUint64Array::New(info.Env(), slots.Length() * 2);
		for (uint32_t i = 0; i < slots.Length(); i++) {
			const auto slot = as_integer(slots.Get(i), "rule slot", 0, MILL_MAX_RULES - 1);
			mill_counter sum = {};
			for (const mill_worker_state &worker : state().worker)
				if (ever_ran(worker))
					add(sum, (worker.*of)[slot]);
			result[2 * i] = sum.packets;
			result[2 * i + 1] = sum.bytes;
		}
		return result;
	});
}

/* The place in force of the FIB memfd; null when it is not what this program knows. */
static const uint8_t *active_place(const Mapping &fib)
{
	const auto &file = *fib.as<mill_fib_file>();
	const uint32_t active = __atomic_load_n(&file.active, __ATOMIC_ACQUIRE);
	if (file.magic != MILL_FIB_FILE_MAGIC || file.abi != MILL_ABI_VERSION || active > 1 ||
	    file.first_place + 2 * file.place_bytes > fib.size() ||
	    file.use_offset + MILL_MAX_WORKERS * file.use_stride > file.place_bytes)
		return nullptr;
	return fib.as<uint8_t>() + file.first_place + active * file.place_bytes;
}

struct GroupUse {
	uint32_t number;
	mill_counter use;
};

/* Groups that the daemon can name, by its numbers. shm/fib_use.h */
static std::vector<GroupUse> read_use(const mill_state &state, const Mapping &fib)
{
	std::vector<GroupUse> groups;
	const auto &file = *fib.as<mill_fib_file>();
	const uint8_t *place = active_place(fib);
	if (place == nullptr)
		return groups;
	const auto *key = reinterpret_cast<const uint64_t *>(place + file.key_offset);
	const uint64_t end = std::min<uint64_t>(
	    __atomic_load_n(reinterpret_cast<const uint32_t *>(place + file.groups_end_offset),
	                    __ATOMIC_ACQUIRE),
	    file.use_stride / sizeof(mill_counter));
	for (uint64_t slot = MILL_FIB_FIRST_GROUP; slot < end; slot++) {
		const uint64_t name = __atomic_load_n(&key[slot], __ATOMIC_ACQUIRE);
		if ((name & MILL_FIB_USE_NAMED) == 0)
			continue;
		GroupUse group = {static_cast<uint32_t>(name), {}};
		for (uint32_t worker = 0; worker < MILL_MAX_WORKERS; worker++) {
			if (!ever_ran(state.worker[worker]))
				continue;
			const uint8_t *use = place + file.use_offset + worker * file.use_stride;
			add(group.use, reinterpret_cast<const mill_counter *>(use)[slot]);
		}
		/* another group may have got the slot meanwhile */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&key[slot], __ATOMIC_RELAXED) == name)
			groups.push_back(group);
	}
	return groups;
}

Napi::Value StateView::group_use(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	std::vector<GroupUse> groups = read_use(state(), *fib_);
	std::sort(groups.begin(), groups.end(),
	          [](const GroupUse &a, const GroupUse &b) { return a.number < b.number; });
	Napi::Uint32Array numbers = Napi::Uint32Array::New(env, groups.size());
	Napi::BigUint64Array counters = Napi::BigUint64Array::New(env, groups.size() * 2);
	for (size_t i = 0; i < groups.size(); i++) {
		numbers[i] = groups[i].number;
		counters[2 * i] = groups[i].use.packets;
		counters[2 * i + 1] = groups[i].use.bytes;
	}
	Napi::Object object = Napi::Object::New(env);
	object.Set("groups", numbers);
	object.Set("counters", counters);
	return object;
}

static Napi::Object js_event(Napi::Env env, const mill_event &event)
{
	Napi::Object object = Napi::Object::New(env);
	object.Set("timeNs", js_u64(env, event.time_ns));
	object.Set("rule", event.rule);
	object.Set("interface", event.iface);
	object.Set("length", event.frame_len);
	object.Set("suppressed", event.suppressed);
	object.Set("l3", event.l3);
	const size_t captured = std::min<size_t>(event.captured, sizeof event.frame);
	object.Set("frame", Napi::Buffer<uint8_t>::Copy(env, event.frame, captured));
	return object;
}

Napi::Value StateView::take_events(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		const auto most = static_cast<uint32_t>(as_integer(info[0], "max", 0, 1 << 20));
		Napi::Array array = Napi::Array::New(info.Env());
		/* from another worker each time, so that one flood does not hide the others' events */
		for (uint32_t i = 0; i < MILL_MAX_WORKERS && array.Length() < most; i++) {
			mill_event_ring &ring =
			    state().worker[(next_event_worker_ + i) % MILL_MAX_WORKERS].events;
			const uint64_t head = __atomic_load_n(&ring.head, __ATOMIC_ACQUIRE);
			uint64_t tail = ring.tail;
			if (head - tail > MILL_EVENTS)
				tail =
				    head; /* never so with a sane engine; do not read what was not written */
			for (; tail != head && array.Length() < most; tail++)
				array.Set(array.Length(),
				          js_event(info.Env(), ring.event[tail % MILL_EVENTS]));
			if (tail != ring.tail)
				__atomic_store_n(&ring.tail, tail, __ATOMIC_RELEASE);
		}
		next_event_worker_ = (next_event_worker_ + 1) % MILL_MAX_WORKERS;
		return array;
	});
}

Napi::Value StateView::events_lost(const Napi::CallbackInfo &info)
{
	uint64_t lost = 0;
	for (const mill_worker_state &worker : state().worker)
		lost += load(worker.events.lost);
	return js_u64(info.Env(), lost);
}

Napi::Object make_state_view(Napi::Env env, std::shared_ptr<Mapping> state, std::shared_ptr<Mapping> fib)
{
	Napi::Function constructor = StateView::define(env);
	return constructor.New({Napi::External<std::shared_ptr<Mapping>>::New(env, &state),
	                        Napi::External<std::shared_ptr<Mapping>>::New(env, &fib)});
}

} // namespace mill
