/* Kernel of runtime/native.ts: settings by netlink. Main thread only. */
#pragma once
#include <napi.h>

namespace mill
{

Napi::Object make_kernel(Napi::Env env);

} // namespace mill
