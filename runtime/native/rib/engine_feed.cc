/*
 * From changes to records. `flush` hands over what changed: adjacencies before the groups that name them, groups
 * before the routes and gateways that name those, deletions of groups and adjacencies last; so every batch leaves a
 * whole FIB. Of routes, those that an event withdrew come first. When the queue is short of room it stops between two
 * changes, and goes on when the engine has caught up.
 *
 * A replay tells everything anew between SYNC_BEGIN and SYNC_END. It waits for the first dump and for the map of
 * interfaces: before that, the engine would be told to forget what it rightly knows.
 */
#include <algorithm>
#include <utility>
#include "rib/rib.h"

namespace mill
{

static constexpr uint64_t batch_records = 8192;
/* Records under way, beyond which ordinary changes wait: what is urgent would stand behind them. */
static constexpr uint64_t most_waiting = MILL_FIB_RECORDS / 2;

static void put_prefix(mill_fib_record &record, const Prefix &prefix)
{
	record.family = prefix.address.family;
	record.length = prefix.length;
	memcpy(record.address, prefix.address.bytes, sizeof record.address);
}

/* --- routes and gateways ------------------------------------------------------------------------------------ */

void Rib::feed_node(Node &node, NodeList list)
{
	Path *path = effective(node);
	if (path == node.fed) {
		if (path == nullptr && replaying_ && list == Urgent) /* told before the replay, perhaps */
			put_prefix(queue_->push(MILL_FIB_ROUTE_DEL), node.prefix);
		return;
	}
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

void Rib::tell_again(Node &node)
{
	if (node.fed == nullptr)
		return;
	put_prefix(queue_->push(MILL_FIB_ROUTE_DEL), node.prefix);
	feed_unref(std::exchange(node.fed, nullptr));
	touch(node);
}

void Rib::feed_gateway(uint32_t slot, GatewayState &gateway)
{
	if (gateway.reachable && !gateway.fed->sent)
		send_group(*gateway.fed);
	mill_fib_record &record = queue_->push(MILL_FIB_GATEWAY_SET);
	record.id = slot;
	record.value = gateway.reachable ? gateway.fed->id : 0;
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
	batch_start_ = queue_ ? queue_->position() : 0;
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
	return feeding() && synced() && !replay_wanted_ && changed_[Urgent].empty() &&
	       changed_[Ordinary].empty() && dirty_paths_.empty() && dirty_adjacencies_.empty() &&
	       queue_->applied() == queue_->position();
}

size_t Rib::pending() const
{
	size_t count = dirty_paths_.size();
	if (coupled_)
		return 0;
	for (const std::vector<Node *> &nodes : changed_)
		if (nodes.size() > 100000) /* enough to know; counting exactly would hold up the table */
			count += nodes.size();
		else
			count += static_cast<size_t>(
			    std::count_if(nodes.begin(), nodes.end(), [this](const Node *node) {
				    return effective(*node) != node->fed;
			    }));
	return count;
}

void Rib::commit()
{
	const uint64_t before = queue_->position();
	queue_->commit();
	batch_start_ = queue_->position();
	statistics.batches += queue_->position() != before;
}

bool Rib::flush()
{
	check_neighbours();
	if (std::exchange(routes_changed_, false)) {
		if (!own_links_.empty() || !own_prefixes_.empty())
			check_own_routes();
		if (!operator_routes_.empty())
			check_operator_routes();
		check_neighbours();
		routes_changed_ = false;
		gateways_changed_ = true;
	}
	if (gateways_changed_ && feeding())
		check_gateways();
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

/* Room for one more change; what was pushed is committed when it makes a batch, or when there is none. */
bool Rib::has_room(uint64_t most_under_way)
{
	if (!queue_)
		return true;
	if (queue_->position() - batch_start_ >= batch_records)
		commit();
	if (queue_->room() >= needed_room && queue_->position() - queue_->applied() <= most_under_way)
		return true;
	commit();
	return false;
}

void Rib::flush_adjacencies()
{
	std::vector<Adjacency *> unused;
	while (!dirty_adjacencies_.empty() && has_room(UINT64_MAX)) {
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
}

void Rib::flush_groups()
{
	while (!dirty_paths_.empty() && has_room(UINT64_MAX)) {
		Path *path = dirty_paths_.back();
		dirty_paths_.pop_back();
		path->dirty = false;
		if (path->sent && queue_)
			send_group(*path);
	}
}

void Rib::flush_nodes(NodeList list)
{
	std::vector<Node *> &nodes = changed_[list];
	while (!nodes.empty() && has_room(list == Urgent ? UINT64_MAX : most_waiting)) {
		Node *node = nodes.back();
		nodes.pop_back();
		node->dirty &= static_cast<uint8_t>(~(1 << list));
		if (queue_)
			feed_node(*node, list);
		if (node->first == nullptr && node->fed == nullptr && node->dirty == 0) {
			const Prefix prefix = node->prefix;
			trie(prefix.address.family).prune(prefix);
		}
	}
}

void Rib::flush_gateways()
{
	for (auto &[slot, gateway] : gateways_)
		if (queue_ && !gateway.told && has_room(UINT64_MAX))
			feed_gateway(slot, gateway);
	while (queue_ && !gone_gateways_.empty() && has_room(UINT64_MAX)) {
		queue_->push(MILL_FIB_GATEWAY_SET).id = gone_gateways_.back();
		gone_gateways_.pop_back();
	}
}

/* True when nothing is left. Without an engine, only what nobody needs is thrown away. */
bool Rib::flush_changes()
{
	flush_adjacencies();
	flush_groups();
	flush_nodes(Urgent);
	flush_gateways();
	flush_nodes(Ordinary);
	if (!has_room(UINT64_MAX) || !changed_[Urgent].empty() || !changed_[Ordinary].empty() ||
	    !dirty_paths_.empty())
		return false;
	const bool all = free_paths() && free_adjacencies();
	if (queue_)
		commit();
	return all;
}

void Rib::flush_urgent()
{
	if (!feeding() || replay_wanted_)
		return;
	if (gateways_changed_)
		check_gateways();
	flush_adjacencies();
	flush_groups();
	flush_nodes(Urgent);
	flush_gateways();
	commit();
}

} // namespace mill
