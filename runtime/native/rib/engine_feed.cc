/*
 * From changes to records. `flush` hands over what changed: adjacencies before the groups that name them, groups
 * before the routes and gateways that name those, deletions last; so every batch leaves a whole FIB. When the
 * queue is short of room it stops between two changes, and goes on when the engine has caught up.
 *
 * A replay tells everything anew between SYNC_BEGIN and SYNC_END. It waits for the first dump and for the map of
 * interfaces: before that, the engine would be told to forget what it rightly knows.
 */
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <algorithm>
#include "rib/rib.h"

namespace mill
{

static constexpr uint64_t needed_room = 1024; /* more than one change with all its legs can take */
static constexpr uint64_t batch_records = 8192;
static constexpr size_t max_legs = 256;

static void put_prefix(mill_fib_record &record, const Prefix &prefix)
{
	record.family = prefix.address.family;
	record.length = prefix.length;
	memcpy(record.address, prefix.address.bytes, sizeof record.address);
}

/* --- adjacencies -------------------------------------------------------------------------------------------- */

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

/* --- groups ------------------------------------------------------------------------------------------------- */

static void add_leg(std::vector<GroupLeg> &legs, Adjacency *adjacency, uint32_t weight)
{
	for (GroupLeg &leg : legs) {
		if (leg.adjacency == adjacency) {
			leg.weight = std::min(leg.weight + weight, 256u);
			return;
		}
	}
	if (legs.size() < max_legs)
		legs.push_back({adjacency, weight});
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
	if (path.type != RTN_UNICAST || legs.empty() || path.condemned)
		return {{&adjacency(AdjacencyClass::Unreachable, 0, none), 1}};
	const bool some_alive =
	    std::any_of(legs.begin(), legs.end(), [this](const Leg &leg) { return leg_alive(leg); });
	std::vector<GroupLeg> group;
	for (const Leg &leg : legs) {
		if (some_alive && !leg_alive(leg))
			continue;
		if (leg.encap || slots_.count(leg.ifindex) == 0)
			add_leg(group, &adjacency(AdjacencyClass::Kernel, 0, none), leg.weight);
		else if (leg.gateway.family != 0)
			add_leg(group, &adjacency(AdjacencyClass::Neighbour, leg.ifindex, leg.gateway),
			        leg.weight);
		else
			add_leg(group, &adjacency(AdjacencyClass::Glean, leg.ifindex, none), leg.weight);
	}
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
	for (Path *path : paths) {
		if (!feeding() || replay_wanted_ || queue_->room() < needed_room)
			return;
		send_group(*path);
	}
	if (feeding() && !replay_wanted_)
		commit();
}

void Rib::tell_again(Adjacency &adjacency)
{
	adjacency.sent = false;
	mark_adjacency(adjacency);
}

void Rib::tell_again(Path &path)
{
	path.untold = true;
	mark_path(path);
}

void Rib::tell_again(Node &node)
{
	if (node.fed == nullptr)
		return;
	put_prefix(queue_->push(MILL_FIB_ROUTE_DEL), node.prefix);
	feed_unref(std::exchange(node.fed, nullptr));
	touch(node);
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

/* --- routes and gateways ------------------------------------------------------------------------------------ */

void Rib::feed_node(Node &node)
{
	Path *path = effective(node);
	if (path == node.fed)
		return;
	if (path != nullptr) {
		if (!path->sent)
			send_group(*path);
		mill_fib_record &record = queue_->push(MILL_FIB_ROUTE_SET);
		put_prefix(record, node.prefix);
		record.id = path->id;
		/* to be named by: rather a route than a neighbour's address */
		if (node.prefix.length < node.prefix.address.bits() || path->last_fed.address.family == 0)
			path->last_fed = node.prefix;
		feed_ref(path);
	} else {
		put_prefix(queue_->push(MILL_FIB_ROUTE_DEL), node.prefix);
	}
	if (node.fed != nullptr)
		feed_unref(node.fed);
	node.fed = path;
}

void Rib::feed_gateway(uint32_t slot, GatewayState &gateway)
{
	if (gateway.fed != nullptr && !gateway.fed->sent)
		send_group(*gateway.fed);
	mill_fib_record &record = queue_->push(MILL_FIB_GATEWAY_SET);
	record.id = slot;
	record.value = gateway.fed != nullptr ? gateway.fed->id : 0;
	gateway.told = true;
}

/* --- attach, replay, flush ---------------------------------------------------------------------------------- */

void Rib::forget_engine()
{
	const auto forget = [this](Node &node) {
		node.fed = nullptr;
		touch(node); /* told again, or pruned */
	};
	trie4_.all(forget);
	trie6_.all(forget);
	for (auto &[slot, gateway] : gateways_) {
		gateway.fed = nullptr;
		gateway.told = false;
	}
	gone_gateways_.clear();
	paths_.all([this](Path &path) {
		path.fed_refs = 0;
		path.sent = false;
		path.sent_legs.clear();
		check_path(&path);
	});
	for (auto &[key, adjacency] : adjacencies_) {
		adjacency->refs = 0;
		adjacency->sent = false;
		mark_adjacency(*adjacency);
	}
}

void Rib::attach(std::unique_ptr<FibQueue> queue)
{
	queue_ = std::move(queue);
	replaying_ = replayed_ = false;
	replay_wanted_ = queue_ != nullptr;
	forget_engine();
}

void Rib::replay()
{
	replay_wanted_ = queue_ != nullptr;
	replaying_ = replayed_ = false;
}

void Rib::set_loaded()
{
	loaded_ = true;
}

void Rib::couple(bool on)
{
	coupled_ = on;
}

bool Rib::synced() const
{
	return queue_ && replayed_ && queue_->applied() >= replay_end_;
}

bool Rib::still() const
{
	return feeding() && synced() && !replay_wanted_ && dirty_nodes_.empty() && dirty_paths_.empty() &&
	       dirty_adjacencies_.empty() && queue_->applied() == queue_->position();
}

size_t Rib::pending() const
{
	if (coupled_)
		return 0;
	if (dirty_nodes_.size() > 100000) /* enough to know; counting them exactly would hold up the table */
		return dirty_nodes_.size();
	return static_cast<size_t>(
	           std::count_if(dirty_nodes_.begin(), dirty_nodes_.end(),
	                         [this](const Node *node) { return effective(*node) != node->fed; })) +
	       dirty_paths_.size();
}

void Rib::commit()
{
	const uint64_t before = queue_->position();
	queue_->commit();
	statistics.batches += queue_->position() != before;
}

bool Rib::flush()
{
	check_neighbours();
	if (std::exchange(routes_changed_, false)) {
		if (!operator_routes_.empty())
			check_operator_routes();
		check_neighbours();
		routes_changed_ = false;
		if (feeding())
			check_gateways();
		else
			routes_changed_ = true; /* gateways are yet to be looked at */
	}
	if (!feeding() && queue_)
		return true; /* frozen, or too early: changes wait */
	if (feeding() && replay_wanted_) {
		if (queue_->room() < needed_room)
			return false;
		replay_wanted_ = false;
		replaying_ = true;
		forget_engine();
		check_gateways();
		queue_->push(MILL_FIB_SYNC_BEGIN);
	}
	if (!flush_changes())
		return false;
	if (std::exchange(replaying_, false)) {
		queue_->push(MILL_FIB_SYNC_END);
		commit();
		replayed_ = true;
		replay_end_ = queue_->position();
	}
	return true;
}

/* True when nothing is left. Without an engine, only what nobody needs is thrown away. */
bool Rib::flush_changes()
{
	uint64_t since = queue_ ? queue_->position() : 0;
	const auto room = [&] {
		if (!queue_)
			return true;
		if (queue_->position() - since >= batch_records) {
			commit();
			since = queue_->position();
		}
		if (queue_->room() >= needed_room)
			return true;
		commit();
		return false;
	};
	std::vector<Adjacency *> unused;
	while (!dirty_adjacencies_.empty() && room()) {
		Adjacency *adjacency = dirty_adjacencies_.back();
		dirty_adjacencies_.pop_back();
		adjacency->dirty = false;
		if (adjacency->refs > 0 && queue_)
			send_adjacency(*adjacency);
		else
			unused.push_back(adjacency);
	}
	for (Adjacency *adjacency : unused)
		mark_adjacency(*adjacency);
	while (!dirty_paths_.empty() && room()) {
		Path *path = dirty_paths_.back();
		dirty_paths_.pop_back();
		path->dirty = false;
		if (path->sent && queue_)
			send_group(*path);
	}
	while (!dirty_nodes_.empty() && room()) {
		Node *node = dirty_nodes_.back();
		dirty_nodes_.pop_back();
		node->dirty = false;
		if (queue_)
			feed_node(*node);
		if (node->first == nullptr && node->fed == nullptr) {
			const Prefix prefix = node->prefix;
			trie(prefix.address.family).prune(prefix);
		}
	}
	for (auto &[slot, gateway] : gateways_)
		if (queue_ && !gateway.told && room())
			feed_gateway(slot, gateway);
	while (queue_ && !gone_gateways_.empty() && room()) {
		queue_->push(MILL_FIB_GATEWAY_SET).id = gone_gateways_.back();
		gone_gateways_.pop_back();
	}
	if (!room() || !dirty_nodes_.empty() || !dirty_paths_.empty())
		return false;
	const bool all = free_paths() && free_adjacencies();
	if (queue_)
		commit();
	return all;
}

/* --- keeping neighbours alive ------------------------------------------------------------------------------- */

static constexpr uint64_t second_ns = 1000000000ull;

std::vector<NeighbourKey> Rib::to_refresh(uint64_t now_ns, uint32_t max_tries, size_t most)
{
	std::vector<NeighbourKey> wanted;
	for (auto &[key, adjacency] : adjacencies_) {
		if (wanted.size() >= most)
			break;
		if (key.kind != AdjacencyClass::Neighbour || adjacency->refs == 0 ||
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
	return wanted;
}

} // namespace mill
