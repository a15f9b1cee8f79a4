/* compiled.h. */
#include "rib/compiled.h"
#include <algorithm>
#include "error.h"
#include "rib/text.h"

namespace mill
{

static constexpr size_t probes_at_once = 4096;
static constexpr size_t most_repairs = 4096; /* one by one; beyond, a replay is better */
static constexpr size_t batch = 64;

CompiledFib::CompiledFib(const Fd &memory)
{
	if (!mill_fib_view_map(&view_, memory.get()))
		throw Failure(errno, "mmap", "the engine's FIB cannot be read");
}

CompiledFib::~CompiledFib()
{
	mill_fib_view_unmap(&view_);
}

std::vector<uint32_t> CompiledFib::groups(const std::vector<Address> &addresses) const
{
	uint8_t bytes[batch][16] = {};
	std::vector<uint32_t> groups(addresses.size());
	for (size_t i = 0; i < addresses.size(); i++)
		memcpy(bytes[i], addresses[i].bytes, sizeof bytes[i]);
	if (!addresses.empty())
		mill_fib_view_groups(&view_, addresses[0].family, bytes, groups.data(),
		                     static_cast<unsigned>(addresses.size()));
	return groups;
}

bool CompiledFib::explain(uint32_t group, mill_lookup_answer &answer) const
{
	return mill_fib_view_group(&view_, group, &answer);
}

/* The ends of the intervals, from `from_` on. False: the address space's end was reached. */
bool CompiledCheck::gather(std::vector<Probe> &probes)
{
	using Owner = std::pair<const Node *, Path *>;
	return rib_.trie(from_.family)
	    .intervals(
	        from_, Owner(nullptr, nullptr),
	        [this](const Node &node, const Owner &above) {
		        Path *path = rib_.effective(node);
		        if (path != node.fed) /* and nobody noticed */
			        rib_.touch(const_cast<Node &>(node));
		        return path != nullptr ? Owner(&node, path) : above;
	        },
	        [&](const Address &first, const Address &last, const Owner &owner) {
		        probes.push_back({first, owner.first, owner.second});
		        if (first != last)
			        probes.push_back({last, owner.first, owner.second});
		        return probes.size() < probes_at_once;
	        });
}

/* The group says what the path amounts to, as it was told to the engine. */
bool CompiledCheck::right(const Path *path, uint32_t group) const
{
	mill_lookup_answer answer;
	if (path == nullptr)
		return group == 0;
	if (group == 0 || !fib_.explain(group, answer) || !path->sent)
		return false;
	if (answer.legs < std::min<size_t>(path->sent_legs.size(), std::size(answer.leg)))
		return false;
	for (uint32_t i = 0; i < answer.legs; i++) {
		const auto &leg = answer.leg[i];
		const auto found =
		    std::find_if(path->sent_legs.begin(), path->sent_legs.end(),
		                 [&](const GroupLeg &l) { return l.adjacency->id == leg.adjacency; });
		if (found == path->sent_legs.end())
			return false;
		const AdjacencyState &state = found->adjacency->state;
		if (leg.kind != state.kind || leg.iface != state.iface ||
		    memcmp(leg.mac, state.mac, sizeof leg.mac) != 0)
			return false;
	}
	return true;
}

static std::string expected_words(const Path *path)
{
	std::string words;
	for (const GroupLeg &leg : path != nullptr ? path->sent_legs : std::vector<GroupLeg>()) {
		const Adjacency &adjacency = *leg.adjacency;
		words += (words.empty() ? "" : ", ") + adjacency_kind_name(adjacency.state.kind);
		if (adjacency.key.address.family != 0)
			words += " to " + adjacency.key.address.text();
		if (adjacency.state.kind == MILL_ADJ_FORWARD)
			words += " (" + format_mac(adjacency.state.mac) + ")";
		if (adjacency.state.iface != MILL_NONE)
			words += " on interface " + std::to_string(adjacency.state.iface);
	}
	return words.empty() ? "no route" : words;
}

/* Told anew: its adjacencies, its group, and the route, taken away and given again, since the engine does nothing
 * for a route that it believes to have. */
void CompiledCheck::repair(const Probe &probe)
{
	if (probe.path == nullptr)
		return; /* a leftover in the engine: only a replay finds it */
	for (const GroupLeg &leg : probe.path->sent_legs)
		rib_.tell_again(*leg.adjacency);
	rib_.tell_again(*probe.path);
	rib_.tell_again(*const_cast<Node *>(probe.owner));
}

void CompiledCheck::tell(const Probe &probe, uint32_t group, AuditReport &report)
{
	const Prefix prefix =
	    probe.owner != nullptr ? probe.owner->prefix : Prefix(probe.address, probe.address.bits());
	if (!wrong_.emplace(prefix, probe.address).second)
		return;
	mill_lookup_answer answer = {};
	if (group != 0)
		fib_.explain(group, answer);
	report.add(prefix, true, expected_words(probe.path), answer_words(answer));
}

void CompiledCheck::judge(const std::vector<Probe> &probes, size_t begin, size_t end, AuditReport &report)
{
	std::vector<Address> addresses;
	for (size_t i = begin; i < end; i++)
		addresses.push_back(probes[i].address);
	const std::vector<uint32_t> groups = fib_.groups(addresses);
	for (size_t i = begin; i < end; i++) {
		const Probe &probe = probes[i];
		const uint32_t group = groups[i - begin];
		const auto known = groups_.find(probe.path);
		if (known != groups_.end() ? known->second == group : right(probe.path, group))
			groups_[probe.path] = group;
		else
			tell(probe, group, report);
	}
}

bool CompiledCheck::step(AuditReport &report)
{
	std::vector<Probe> probes;
	const bool more = gather(probes);
	const size_t before = wrong_.size();
	groups_.clear();
	report.addresses += probes.size();
	for (size_t at = 0; at < probes.size(); at += batch)
		judge(probes, at, std::min(at + batch, probes.size()), report);
	if (wrong_.size() != before && wrong_.size() <= most_repairs)
		for (const Probe &probe : probes)
			if (probe.owner != nullptr && wrong_.count(probe.owner->prefix) != 0)
				repair(probe);
	if (more)
		return false;
	const bool over = from_.family == 6;
	static const uint8_t zero[16] = {};
	from_ = Address::of(6, zero);
	return over;
}

size_t CompiledCheck::still_wrong() const
{
	return static_cast<size_t>(std::count_if(wrong_.begin(), wrong_.end(), [this](const auto &wrong) {
		const Address &address = wrong.second;
		const Path *path = nullptr;
		rib_.trie(address.family).covering(address, address.bits(), [&](const Node &node) {
			if (const Path *here = rib_.effective(node))
				path = here;
		});
		return !right(path, fib_.groups({address})[0]);
	}));
}

} // namespace mill
