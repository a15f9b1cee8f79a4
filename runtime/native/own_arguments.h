/* What JavaScript tells of the engine's own links: interfaces without a face in the kernel. Throws Failure(EINVAL). */
#pragma once
#include <napi.h>
#include <map>
#include <vector>
#include "rib/rib.h"

namespace mill
{

std::map<uint32_t, OwnLink> own_links_of(const Napi::Value &value);
std::map<Prefix, Address> own_routes_of(const Napi::Value &value);
std::vector<NeighbourMessage> own_neighbours_of(const Napi::Value &value);

} // namespace mill
