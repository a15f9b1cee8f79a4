/* Path groups: what the engine is to do with the packets of a path, told when its legs change. */
#include <linux/rtnetlink.h>
#include <algorithm>
#include <utility>
#include "rib/rib.h"

namespace mill
{

static constexpr size_t max_legs = 1024; /* of the engine; the kernel's messages have no room for many more */
static constexpr uint64_t max_weight = 65536;

static void add_leg(std::vector<GroupLeg> &legs, Adjacency *adjacency, uint32_t weight)
{
	for (GroupLeg &leg : legs) {
		if (leg.adjacency == adjacency) {
			leg.weight += weight;
			return;
		}
	}
	if (legs.size() < max_legs)
		legs.push_back({adjacency, weight});
}

/* Legs over one adjacency may have more together than the engine takes of one. */
static void fit_weights(std::vector<GroupLeg> &legs)
{
	uint64_t largest = 0;
	for (const GroupLeg &leg : legs)
		largest = std::max<uint64_t>(largest, leg.weight);
	if (largest <= max_weight)
		return;
	for (GroupLeg &leg : legs)
		leg.weight = static_cast<uint32_t>(std::max<uint64_t>(1, leg.weight * max_weight / largest));
}

/* The legs of a path as the engine is to use them: dead ones left out while others live. */
std::vector<GroupLeg> Rib::group_of(const Path &path)
{
	const Address none;
	bool blackhole = path.type == RTN_BLACKHOLE;
	if (path.type == RTN_LOCAL || path.type == RTN_ANYCAST)
		return {{&adjacency(AdjacencyClass::Local, 0, none), 1}};
	const std::vector<Leg> legs = legs_of(path, blackhole);
	if (blackhole)
		return {{&adjacency(AdjacencyClass::Blackhole, 0, none), 1}};
	if (path.type == RTN_BROADCAST) {
		const uint32_t ifindex =
		    !legs.empty() && slots_.count(legs[0].ifindex) != 0 ? legs[0].ifindex : 0;
		return {{&adjacency(AdjacencyClass::Broadcast, ifindex, none), 1}};
	}
	if (path.type == RTN_PROHIBIT)
		return {{&adjacency(AdjacencyClass::Prohibit, 0, none), 1}};
	if (path.type != RTN_UNICAST || legs.empty() || path.condemned || lost(path))
		return {{&adjacency(AdjacencyClass::Unreachable, 0, none), 1}};
	const bool some_alive =
	    std::any_of(legs.begin(), legs.end(), [&](const Leg &leg) { return leg_alive(path, leg); });
	std::vector<GroupLeg> group;
	for (const Leg &leg : legs) {
		if (some_alive && !leg_alive(path, leg))
			continue;
		if (leg.encap || slots_.count(leg.ifindex) == 0)
			add_leg(group, &adjacency(AdjacencyClass::Kernel, 0, none), leg.weight);
		else if (leg.gateway.family != 0)
			add_leg(group, &adjacency(AdjacencyClass::Neighbour, leg.ifindex, leg.gateway),
			        leg.weight);
		else
			add_leg(group, &adjacency(AdjacencyClass::Glean, leg.ifindex, none), leg.weight);
	}
	fit_weights(group);
	return group;
}

void Rib::mark_path(Path &path)
{
	if (!std::exchange(path.dirty, true))
		dirty_paths_.push_back(&path);
}

void Rib::mark_all_paths()
{
	paths_.all([this](Path &path) {
		if (path.sent)
			mark_path(path);
	});
}

void Rib::send_group(Path &path)
{
	std::vector<GroupLeg> legs = group_of(path);
	for (const GroupLeg &leg : legs)
		leg.adjacency->refs++;
	for (const GroupLeg &leg : path.sent_legs)
		drop_adjacency(leg.adjacency);
	const bool again = std::exchange(path.untold, false);
	const bool same = path.sent && !again && legs == path.sent_legs;
	path.sent_legs = std::move(legs);
	if (same)
		return;
	for (const GroupLeg &leg : path.sent_legs)
		send_adjacency(*leg.adjacency);
	for (size_t i = 0; i < path.sent_legs.size(); i += 4) {
		mill_fib_record &record = queue_->push(i == 0 ? MILL_FIB_GROUP_SET : MILL_FIB_GROUP_LEGS);
		record.id = path.id;
		record.leg_count = static_cast<uint16_t>(path.sent_legs.size());
		record.length = static_cast<uint8_t>(std::min<size_t>(4, path.sent_legs.size() - i));
		for (size_t k = 0; k < record.length; k++)
			record.leg[k] = {path.sent_legs[i + k].adjacency->id, path.sent_legs[i + k].weight};
	}
	path.sent = true;
}

/* Before anything else that waits, as far as there is room; what was not told stays to be told. */
void Rib::send_groups_now(const std::vector<Path *> &paths)
{
	if (catching_up_)
		return; /* it may be news of long ago */
	for (Path *path : paths) {
		if (!feeding() || replay_wanted_ || queue_->room() < needed_room)
			return;
		send_group(*path);
	}
	if (feeding() && !replay_wanted_)
		commit();
}

void Rib::tell_again(Path &path)
{
	path.untold = true;
	mark_path(path);
}

void Rib::feed_ref(Path *path)
{
	path->fed_refs++;
}

void Rib::feed_unref(Path *path)
{
	if (--path->fed_refs == 0)
		check_path(path);
}

/* Paths that nobody names any more go; groups that the engine needs no more go there. False: no room left. */
bool Rib::free_paths()
{
	while (!checked_paths_.empty()) {
		if (queue_ && queue_->room() < needed_room)
			return false;
		Path *path = checked_paths_.back();
		checked_paths_.pop_back();
		path->checked = false;
		if (path->fed_refs > 0)
			continue;
		if (path->sent && queue_)
			queue_->push(MILL_FIB_GROUP_DEL).id = path->id;
		for (const GroupLeg &leg : path->sent_legs)
			drop_adjacency(leg.adjacency);
		path->sent_legs.clear();
		path->sent = false;
		if (path->refs == 0) {
			if (path->dirty)
				dirty_paths_.erase(std::find(dirty_paths_.begin(), dirty_paths_.end(), path));
			paths_.erase(path);
		}
	}
	return true;
}

} // namespace mill
