/* Rib of runtime/native.ts. Main thread only. */
#pragma once
#include <napi.h>

namespace mill
{

Napi::Value create_rib(const Napi::CallbackInfo &info);

} // namespace mill
