/* Links, neighbours and routes as JavaScript objects, and as text. */
#pragma once
#include <napi.h>
#include "rib/compare.h"
#include "rib/rib.h"

namespace mill
{

Napi::Object js_link(Napi::Env env, const LinkState &state);
Napi::Object js_audit(Napi::Env env, const AuditReport &report);
Napi::Object js_route(Napi::Env env, const RouteView &view);
Napi::Object js_path(Napi::Env env, const PathView &view);
/* A line of a dump: "10.0.0.0/8 unicast via 192.0.2.1 dev eth0 proto bird metric 32". */
std::string route_line(const RouteView &view, const std::map<uint32_t, std::string> &names);
/* The kernel's own answer for an address (RTM_GETROUTE); false when it has no route. Throws Failure. */
bool ask_kernel_route(const Address &address, RouteView &view);

} // namespace mill
