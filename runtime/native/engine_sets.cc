/*
 * Sets that change at run time: given to the engine as sealed memfds, which it lends back to whoever connects, so that a
 * daemon that starts anew reads what they hold. Main thread only.
 */
#include <cstring>
#include "config_pack.h"
#include "engine_link.h"
#include "shm/set.h"

namespace mill
{

Napi::Value EngineLink::put_set(const Napi::CallbackInfo &info)
{
	return asked(info.Env(), [&] {
		const Fd image = sealed_copy(as_string(info[0], "path"));
		return request(info.Env(), MILL_MSG_SET_PUT, nullptr, 0, {image.get()}, nullptr);
	});
}

Napi::Value EngineLink::drop_set(const Napi::CallbackInfo &info)
{
	return asked(info.Env(), [&] {
		char name[MILL_NAME_SIZE] = {};
		const std::string text = as_string(info[0], "name");
		if (text.empty() || text.size() >= sizeof name)
			throw bad_argument("the name of a set");
		memcpy(name, text.data(), text.size());
		return request(info.Env(), MILL_MSG_SET_DROP, name, sizeof name, {}, nullptr);
	});
}

/* Empty when there is no such descriptor. Throws Failure. */
static Mapping map_set(HoldTable &held, uint16_t slot)
{
	const Fd fd = held.duplicate(MILL_HOLD_SET, slot, 0, nullptr);
	return fd ? map_shared(fd.get(), sizeof(mill_set_image), false, "set") : Mapping();
}

static std::string name_of(const mill_set_image &set)
{
	return std::string(set.name, strnlen(set.name, sizeof set.name));
}

Napi::Value EngineLink::sets(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		Napi::Array array = Napi::Array::New(info.Env());
		for (uint16_t slot = 0; slot < MILL_MAX_SETS; slot++)
			if (const Mapping set = map_set(held(), slot))
				array.Set(array.Length(), name_of(*set.as<mill_set_image>()));
		return array;
	});
}

Napi::Value EngineLink::read_set(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		const std::string name = as_string(info[0], "name");
		for (uint16_t slot = 0; slot < MILL_MAX_SETS; slot++) {
			const Mapping set = map_set(held(), slot);
			if (!set || name_of(*set.as<mill_set_image>()) != name)
				continue;
			return Napi::Buffer<uint8_t>::Copy(info.Env(), set.as<uint8_t>(), set.size());
		}
		return info.Env().Undefined();
	});
}

} // namespace mill
