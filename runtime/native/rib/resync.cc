/* resync.h. */
#include "rib/resync.h"
#include <linux/rtnetlink.h>
#include <utility>
#include "rib/order6.h"

namespace mill
{

static constexpr size_t most_remembered = 32 << 20; /* bytes: some 300,000 events */
static constexpr size_t at_once = 4096;

void MessageLog::add(const nlmsghdr *message)
{
	const auto *bytes = reinterpret_cast<const char *>(message);
	bytes_.insert(bytes_.end(), bytes, bytes + message->nlmsg_len);
	bytes_.resize(NLMSG_ALIGN(bytes_.size()));
}

void MessageLog::clear()
{
	bytes_.clear();
	at_ = 0;
}

Resync::Resync(Rib &rib) : rib_(rib)
{
	rib_.pressing_ = true;
}

Resync::~Resync()
{
	forget_told();
	for (const Candidate &candidate : replaced_)
		if (candidate.path != nullptr)
			rib_.unref_path(candidate.path);
	rib_.pressing_ = rib_.catching_up_ = false;
}

void Resync::forget_told()
{
	for (auto &[prefix, told] : touched_)
		for (const Candidate &candidate : std::exchange(told, {}))
			rib_.unref_path(candidate.path);
}

void Resync::begin()
{
	aside_.clear();
	forget_told();
	rib_.mark();
}

void Resync::touch(const Prefix &prefix)
{
	const auto [at, first] = touched_.try_emplace(prefix);
	const Node *node = first ? rib_.trie(prefix.address.family).find(prefix) : nullptr;
	for (const Candidate *c = node != nullptr ? node->first : nullptr; c != nullptr; c = c->next) {
		if (!of_kernel(c->rank) || c->stamp != rib_.stamp_)
			continue;
		rib_.ref_path(c->path);
		at->second.push_back(*c);
	}
}

bool Resync::replaces(const nlmsghdr *message, Candidate &first)
{
	RouteMessage route;
	if (message->nlmsg_type != RTM_NEWROUTE || (message->nlmsg_flags & NLM_F_REPLACE) == 0 ||
	    !parse_route(message, route) || route.cloned)
		return false;
	first = {nullptr, nullptr, route.metric, 0, route.tos, 0, 0};
	if (!rib_.rank_of(route.table, first.rank))
		return false;
	Node *node = rib_.trie(route.prefix.address.family).find(route.prefix);
	if (node == nullptr)
		return true;
	const Candidate *replaced = route.prefix.address.family == 6
	                                ? replaced6(*node, first, may_share(route))
	                                : *class_start(*node, first);
	if (replaced != nullptr && replaced->same_class(first))
		first = *replaced;
	return true;
}

void Resync::event(const nlmsghdr *message)
{
	Candidate first;
	if (replaces(message, first)) {
		if (first.path != nullptr)
			rib_.ref_path(first.path);
		replaced_.push_back(first);
	}
	RouteMessage route;
	if ((message->nlmsg_type == RTM_NEWROUTE || message->nlmsg_type == RTM_DELROUTE) &&
	    parse_route(message, route))
		touch(route.prefix);
	events_.add(message);
	rib_.take(message, false);
}

void Resync::dumped(const nlmsghdr *message)
{
	RouteMessage route;
	if (!touched_.empty() && parse_route(message, route) && touched_.count(route.prefix) != 0)
		aside_.add(message);
	else
		rib_.take(message, true);
}

/* As if the dump had just told of these, and of no others yet. */
void Resync::restore(const Prefix &prefix, const std::vector<Candidate> &told)
{
	Trie &trie = rib_.trie(prefix.address.family);
	Node *node = told.empty() ? trie.find(prefix) : &trie.insert(prefix);
	for (Candidate *c = node != nullptr ? node->first : nullptr; c != nullptr; c = c->next)
		if (of_kernel(c->rank))
			c->stamp = rib_.stamp_ - 1;
	for (const Candidate &candidate : told) {
		if (prefix.address.family == 4)
			rib_.add_route4(*node, candidate, 0, true);
		else
			rib_.add_dumped6(*node, candidate, candidate.path->legs);
	}
}

bool Resync::full() const
{
	return events_.bytes() >= most_remembered;
}

void Resync::unfinished()
{
	rib_.doubt_ = true;
}

void Resync::sweep()
{
	for (const auto &[prefix, told] : touched_)
		restore(prefix, told);
	aside_.replay(SIZE_MAX, [this](const nlmsghdr *message) { rib_.take(message, true); });
	rib_.sweep_routes4();
	rib_.sweep_routes6();
}

bool Resync::catch_up()
{
	rib_.catching_up_ = true;
	const bool left = events_.replay(at_once, [this](const nlmsghdr *message) {
		Candidate replaced;
		const bool replacing = replaces(message, replaced);
		if (replacing) {
			replaced = replaced_.front();
			replaced_.pop_front();
			rib_.replaced_ = &replaced;
		}
		rib_.take(message, false);
		rib_.replaced_ = nullptr;
		if (replacing && replaced.path != nullptr)
			rib_.unref_path(replaced.path);
	});
	rib_.catching_up_ = left;
	return !left;
}

} // namespace mill
