/* JavaScript's view of the state memfd (runtime/shm/state.h), and of the FIB's use (fib_use.h). Main thread only. */
#pragma once
#include <napi.h>
#include <memory>
#include "fd.h"

namespace mill
{

/* The object of `StateView` in runtime/native.ts; it shares the mappings with the link. */
Napi::Object make_state_view(Napi::Env env, std::shared_ptr<Mapping> state, std::shared_ptr<Mapping> fib);

} // namespace mill
