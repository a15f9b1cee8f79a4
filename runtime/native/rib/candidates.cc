/*
 * The list of candidates of one prefix, in the kernel's order: finding a place in it, putting in and taking out, with
 * all that hangs on it (references, counts, what is to be looked at again).
 */
#include <linux/rtnetlink.h>
#include <ctime>
#include <utility>
#include "rib/compare.h"
#include "rib/rib.h"

namespace mill
{

Candidate **find_candidate(Node &node, const Candidate &wanted,
                           bool (Candidate::*equal)(const Candidate &) const)
{
	Candidate **place = &node.first;
	while (*place != nullptr && !((*place)->*equal)(wanted))
		place = &(*place)->next;
	return *place != nullptr ? place : nullptr;
}

Candidate **class_start(Node &node, const Candidate &wanted)
{
	Candidate **place = &node.first;
	while (*place != nullptr && (*place)->before(wanted))
		place = &(*place)->next;
	return place;
}

Candidate **class_end(Node &node, const Candidate &wanted)
{
	Candidate **place = &node.first;
	while (*place != nullptr && !wanted.before(**place))
		place = &(*place)->next;
	return place;
}

/* The one Path like this; `dead` says which of its legs are, as long as no route names it. */
Path *Rib::path_like(uint8_t family, uint8_t type, uint32_t nexthop_id, const Address &source,
                     const std::vector<Leg> &legs, const Apart &apart, const std::vector<uint32_t> &dead)
{
	Path *path = paths_.intern(family, type, nexthop_id, source, legs, apart);
	if (path->refs == 0) {
		if (std::exchange(path->dead, dead) != dead && path->sent)
			mark_path(*path);
		path->usable = has_way(*path);
	}
	return path;
}

void Rib::ref_path(Path *path)
{
	path->refs++;
}

void Rib::unref_path(Path *path)
{
	if (--path->refs == 0)
		check_path(path);
}

void Rib::check_path(Path *path)
{
	if (!std::exchange(path->checked, true))
		checked_paths_.push_back(path);
}

void Rib::touch(Node &node)
{
	const NodeList list = urgent_ ? Urgent : Ordinary;
	if ((node.dirty & 1 << list) != 0)
		return;
	node.dirty |= static_cast<uint8_t>(1 << list);
	changed_[list].push_back(&node);
}

/* A route of kernel or operator changed at this node: what depends on it is looked at again with the next flush.
 * Prefixes inside depend on it when it may hide them, and when one of them may pass packets on to it (throw). */
void Rib::route_changed(Node &node, const Candidate &candidate)
{
	touch(node);
	routes_changed_ = true;
	const Prefix &prefix = node.prefix;
	if (comparison_ != nullptr)
		comparison_->touched(prefix);
	const bool reaches =
	    level_of(candidate.rank) + 1 < tables_.size() || throws_[prefix.address.family == 6] > 0;
	if (reaches && prefix.length < prefix.address.bits())
		trie(prefix.address.family).inside(prefix, [this](Node &inner) { touch(inner); });
	if (neighbours_.empty())
		return;
	const auto end = neighbours_.upper_bound({prefix.last(), UINT32_MAX});
	for (auto at = neighbours_.lower_bound({prefix.address, 0}); at != end; ++at)
		check_neighbours_.insert(at->first);
}

void Rib::count(const Node &node, const Candidate &candidate, int by)
{
	const bool six = node.prefix.address.family == 6, throws = candidate.path->type == RTN_THROW;
	if (!counts(candidate.rank))
		return;
	statistics.routes[six] += static_cast<uint64_t>(by);
	statistics.fpm_routes += static_cast<uint64_t>(source_of(candidate.rank) == Source::Fpm ? by : 0);
	throws_[six] += static_cast<uint32_t>(throws ? by : 0);
	if (candidate.tos != 0) {
		const uint32_t before = std::exchange(for_tos_, for_tos_ + static_cast<uint32_t>(by));
		link_change_ = link_change_ || (before == 0) != (for_tos_ == 0);
	}
	if (throws || (level_of(candidate.rank) + 1 < tables_.size() &&
	               node.prefix.length < node.prefix.address.bits()))
		hiding_[six] += static_cast<uint32_t>(by);
}

uint32_t seconds_now()
{
	timespec time;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
	return static_cast<uint32_t>(time.tv_sec) + 1; /* 0 means something else */
}

void Rib::insert_candidate(Node &node, Candidate **place, const Candidate &candidate)
{
	Candidate *fresh = new Candidate(candidate);
	fresh->next = *place;
	if (fresh->since == 0)
		fresh->since = seconds_now();
	*place = fresh;
	ref_path(fresh->path);
	count(node, *fresh, 1);
	if (counts(fresh->rank))
		route_changed(node, *fresh);
	else
		touch(node);
}

void Rib::remove_candidate(Node &node, Candidate **place)
{
	Candidate *gone = *place;
	*place = gone->next;
	if (counts(gone->rank))
		route_changed(node, *gone);
	else
		touch(node);
	count(node, *gone, -1);
	unref_path(gone->path);
	delete gone;
}

void Rib::remove_matching(Node &node, const std::function<bool(const Candidate &)> &match)
{
	for (Candidate **place = &node.first; *place != nullptr;) {
		if (match(**place))
			remove_candidate(node, place);
		else
			place = &(*place)->next;
	}
}

void Rib::replace_candidates(Node &node, Rank rank, const std::vector<Candidate> &wanted)
{
	for (const Candidate &candidate : wanted)
		ref_path(candidate.path); /* stays, whatever is removed */
	remove_matching(node, [rank](const Candidate &candidate) { return candidate.rank == rank; });
	for (const Candidate &candidate : wanted)
		insert_candidate(node, class_end(node, candidate), candidate);
	for (const Candidate &candidate : wanted)
		unref_path(candidate.path);
	touch(node);
}

/* The one candidate of a rank that has at most one; null takes it away. */
void Rib::put_single(const Prefix &prefix, Rank rank, Path *path, uint8_t protocol, uint32_t stamp)
{
	Trie &table = trie(prefix.address.family);
	Node *node = path != nullptr ? &table.insert(prefix) : table.find(prefix);
	if (node == nullptr)
		return;
	const Candidate wanted = {nullptr, path, 0, stamp, 0, protocol, rank};
	Candidate **old = find_candidate(*node, wanted, &Candidate::same_class);
	if (old != nullptr && (*old)->path == path) {
		(*old)->protocol = protocol;
		(*old)->stamp = stamp;
		return;
	}
	if (old != nullptr)
		remove_candidate(*node, old);
	if (path != nullptr)
		insert_candidate(*node, class_start(*node, wanted), wanted);
}

} // namespace mill
