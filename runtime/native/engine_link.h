/* EngineLink of runtime/native.ts. Main thread only. */
#pragma once
#include <napi.h>
#include <string>
#include "engine_channel.h"

namespace mill
{

/* Promise of an EngineLink to the engine that listens on `path`. */
Napi::Value connect_engine(Napi::Env env, const std::string &path);
/* The descriptors of an EngineLink object. Throws Failure(EINVAL) for anything else. */
HoldTable &held_by(const Napi::Value &link);

} // namespace mill
