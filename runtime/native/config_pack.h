/* EngineConfiguration of runtime/native.ts ↔ struct mill_config of runtime/shm/config.h. Main thread only. */
#pragma once
#include <napi.h>
#include <string>
#include "fd.h"
#include "shm.h"

namespace mill
{

/* A sealed memfd with the packed configuration. Throws Failure(EINVAL) naming the field that does not fit. */
Fd pack_config(const Napi::Object &configuration);
/* The way back. `config` is checked against the bounds of its own tables. */
Napi::Object unpack_config(Napi::Env env, const mill_config &config);
/* A sealed memfd with the bytes of a file. */
Fd sealed_copy(const std::string &path);

} // namespace mill
