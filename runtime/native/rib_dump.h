/* The whole table written to a file. */
#pragma once
#include <napi.h>
#include <memory>
#include <string>
#include "rib_thread.h"

namespace mill
{

/* Page by page, on a thread of the pool: a promise of the number of routes. The file appears whole, or not at all. */
Napi::Value dump_table(Napi::Env env, std::shared_ptr<RibThread> rib, std::string path);

} // namespace mill
