/* The table that gives each way its one Path. */
#include "rib/paths.h"

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
	if (nexthop_id == 0) {
		for (const Leg &leg : legs) {
			append(key, leg.ifindex);
			append(key, leg.weight);
			append(key, leg.encap);
			append_address(key, leg.gateway);
		}
	}
	std::unique_ptr<Path> &place = paths_[key];
	if (!place) {
		place = std::make_unique<Path>();
		place->id = ++last_id_;
		place->family = family;
		place->type = type;
		place->nexthop_id = nexthop_id;
		place->source = source;
		place->apart = apart;
		place->key = key;
		if (nexthop_id == 0)
			place->legs = legs;
	}
	return place.get();
}

void PathTable::erase(Path *path)
{
	paths_.erase(std::string(path->key));
}

} // namespace mill
