/* The table that gives each way its one Path. */
#include "rib/paths.h"
#include <linux/rtnetlink.h>

namespace mill
{

template <typename T> static void append(std::string &key, const T &value)
{
	key.append(reinterpret_cast<const char *>(&value), sizeof value);
}

static void append_address(std::string &key, const Address &address)
{
	key += static_cast<char>(address.family);
	key.append(reinterpret_cast<const char *>(address.bytes), address.size());
}

Path *PathTable::intern(uint8_t family, uint8_t type, uint32_t nexthop_id, const Address &source,
                        const std::vector<Leg> &legs, const Apart &apart)
{
	std::string key;
	append(key, family);
	append(key, type);
	append(key, nexthop_id);
	append_address(key, source);
	append(key, apart.table);
	append(key, apart.metric);
	append(key, apart.protocol);
	append(key, apart.scope);
	append(key, apart.attributes);
	append(key, apart.preference);
	if (nexthop_id == 0) {
		for (const Leg &leg : legs) {
			append(key, leg.ifindex);
			append(key, leg.weight);
			append(key, leg.encap);
			append_address(key, leg.gateway);
		}
	}
	const auto found = paths_.find(key);
	if (found != paths_.end())
		return found->second.get();
	Path *path = at(key);
	path->family = family;
	path->type = type;
	path->nexthop_id = nexthop_id;
	path->source = source;
	path->apart = apart;
	if (nexthop_id == 0)
		path->legs = legs;
	return path;
}

Path *PathTable::intern_way(uint8_t family, const std::string &way)
{
	Path *path = at("way " + way); /* other keys begin with a family */
	path->family = family;
	path->type = RTN_UNICAST;
	return path;
}

Path *PathTable::at(const std::string &key)
{
	std::unique_ptr<Path> &place = paths_[key];
	if (!place) {
		place = std::make_unique<Path>();
		place->id = ++last_id_;
		place->key = key;
	}
	return place.get();
}

void PathTable::erase(Path *path)
{
	paths_.erase(std::string(path->key));
}

} // namespace mill
