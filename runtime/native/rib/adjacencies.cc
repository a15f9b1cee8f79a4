/*
 * Adjacencies: one for each neighbour and each kind of end that a group can have, told to the engine when their state
 * changes, and kept alive in the kernel while in use.
 */
#include <linux/neighbour.h>
#include <utility>
#include "rib/rib.h"

namespace mill
{

Adjacency &Rib::adjacency(AdjacencyClass kind, uint32_t ifindex, const Address &address)
{
	const AdjacencyKey key = {kind, ifindex, address};
	std::unique_ptr<Adjacency> &place = adjacencies_[key];
	if (!place) {
		place = std::make_unique<Adjacency>();
		place->id = ++last_adjacency_;
		place->key = key;
	}
	return *place;
}

void Rib::mark_adjacency(Adjacency &adjacency)
{
	if (!std::exchange(adjacency.dirty, true))
		dirty_adjacencies_.push_back(&adjacency);
}

AdjacencyState Rib::state_of(const Adjacency &adjacency) const
{
	AdjacencyState state;
	const auto slot = slots_.find(adjacency.key.ifindex);
	state.iface = slot != slots_.end() ? slot->second : MILL_NONE;
	switch (adjacency.key.kind) {
	case AdjacencyClass::Neighbour: {
		const auto found = neighbours_.find({adjacency.key.address, adjacency.key.ifindex});
		state.kind = MILL_ADJ_RESOLVE;
		if (found != neighbours_.end() && found->second.usable()) {
			state.kind = MILL_ADJ_FORWARD;
			memcpy(state.mac, found->second.mac, sizeof state.mac);
		}
		return state;
	}
	case AdjacencyClass::Glean:
		state.kind = MILL_ADJ_GLEAN;
		return state;
	case AdjacencyClass::Local:
		state.kind = MILL_ADJ_LOCAL;
		return state;
	case AdjacencyClass::Kernel:
		state.kind = MILL_ADJ_KERNEL;
		return state;
	case AdjacencyClass::Blackhole:
		state.kind = MILL_ADJ_BLACKHOLE;
		return state;
	case AdjacencyClass::Prohibit:
		state.kind = MILL_ADJ_PROHIBIT;
		return state;
	case AdjacencyClass::Broadcast:
		state.kind = MILL_ADJ_BROADCAST;
		return state;
	case AdjacencyClass::Unreachable:
		break;
	}
	state.kind = MILL_ADJ_UNREACHABLE;
	return state;
}

void Rib::send_adjacency(Adjacency &adjacency)
{
	const AdjacencyState state = state_of(adjacency);
	if (adjacency.sent && adjacency.state == state)
		return;
	mill_fib_record &record = queue_->push(MILL_FIB_ADJACENCY_SET);
	record.id = adjacency.id;
	record.kind = state.kind;
	record.iface = state.iface;
	record.family = adjacency.key.address.family;
	memcpy(record.mac, state.mac, sizeof record.mac);
	memcpy(record.address, adjacency.key.address.bytes, sizeof record.address);
	adjacency.sent = true;
	adjacency.state = state;
}

void Rib::drop_adjacency(Adjacency *adjacency)
{
	if (--adjacency->refs == 0)
		mark_adjacency(*adjacency); /* goes, if it is still unused by then */
}

void Rib::tell_again(Adjacency &adjacency)
{
	adjacency.sent = false;
	mark_adjacency(adjacency);
}

bool Rib::free_adjacencies()
{
	while (!dirty_adjacencies_.empty()) {
		if (queue_ && queue_->room() < needed_room)
			return false;
		Adjacency *adjacency = dirty_adjacencies_.back();
		dirty_adjacencies_.pop_back();
		adjacency->dirty = false;
		if (adjacency->refs > 0)
			continue;
		if (adjacency->sent && queue_)
			queue_->push(MILL_FIB_ADJACENCY_DEL).id = adjacency->id;
		adjacencies_.erase(AdjacencyKey(adjacency->key));
	}
	return true;
}

/* --- keeping neighbours alive ------------------------------------------------------------------------------- */

static constexpr uint64_t second_ns = 1000000000ull;

std::vector<NeighbourKey> Rib::to_refresh(uint64_t now_ns, uint32_t max_tries, size_t most)
{
	std::vector<NeighbourKey> wanted;
	for (auto &[key, adjacency] : adjacencies_) {
		if (wanted.size() >= most)
			break;
		if (key.kind != AdjacencyClass::Neighbour || adjacency->refs == 0 || is_own(key.ifindex) ||
		    now_ns - adjacency->asked_ns < second_ns)
			continue;
		const auto link = links_.find(key.ifindex);
		if (link == links_.end() || !link->second.up())
			continue;
		const auto found = neighbours_.find({key.address, key.ifindex});
		const bool usable = found != neighbours_.end() && found->second.usable();
		if (usable)
			adjacency->tries = 0;
		if (usable ? found->second.state != NUD_STALE : adjacency->tries >= max_tries)
			continue;
		if (!usable)
			adjacency->tries++;
		adjacency->asked_ns = now_ns;
		wanted.emplace_back(key.address, key.ifindex);
	}
	refresh_gateways(now_ns, max_tries, most, wanted);
	return wanted;
}

} // namespace mill
