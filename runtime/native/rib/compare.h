/*
 * The RIB against a dump of the kernel's routes, without holding up events. The dump is only compared:
 *
 *   each dumped prefix ─► its candidates are the RIB's, in order?   ─► no: suspect
 *   each candidate that no dump confirmed                           ─► suspect
 *   suspects of which no event told since the dump began            ─► the kernel changed, or we erred: diverged
 *
 * An event that comes meanwhile explains a difference: the dump is older or newer than it. So only what no event
 * explains is taken over from the dump, once all events up to the dump's end are taken.
 *
 * The owner's lock covers everything here; it may be let go between calls.
 */
#pragma once
#include <map>
#include <string>
#include <unordered_set>
#include <vector>
#include "rib/rib.h"

namespace mill
{

struct Divergence {
	Prefix prefix;
	bool compiled; /* between RIB and compiled FIB; otherwise between kernel and RIB */
	std::string expected, got;
};

struct AuditReport {
	uint64_t started_ms = 0; /* since the epoch */
	uint64_t ns = 0;
	uint64_t prefixes = 0;  /* of the kernel's dump */
	uint64_t addresses = 0; /* asked of the compiled FIB */
	uint64_t divergences = 0, repaired = 0;
	bool compiled = false; /* the compiled FIB was compared: an engine is fed, and kept up with changes */
	std::vector<Divergence> last; /* at most a few */

	void add(const Prefix &prefix, bool between_compiled, std::string expected, std::string got);
};

struct PrefixHash {
	size_t operator()(const Prefix &prefix) const
	{
		return mix64(prefix.address.hash() + prefix.length);
	}
};

class Comparison
{
      public:
	/* From here on the RIB reports what events change. One at a time. */
	explicit Comparison(Rib &rib);
	~Comparison();
	Comparison(const Comparison &) = delete;
	Comparison &operator=(const Comparison &) = delete;

	/* A message of a dump of routes; all routes of a prefix and table come one after the other. */
	void take(const nlmsghdr *message);
	/* A dump is over: what its last messages mean. */
	void end_dump();
	/* Looks at some of the candidates that no dump confirmed; true when it has seen all. */
	bool find_unconfirmed(uint8_t family);
	/* An event told of this prefix. */
	void touched(const Prefix &prefix);
	/* Some suspect is explained by no event so far. */
	bool unexplained() const;
	/* The dumps that follow are of all routes again, and say who is a suspect still. The kernel tells of a link or an address
	 * before it takes away the routes that go with it, so one dump may show what the RIB knows to be gone. */
	void ask_again();
	/* Takes over from the dump what no event explains. Returns how many suspects it left to the events, or to another
	 * comparison. */
	size_t settle(AuditReport &report);
	uint64_t prefixes() const
	{
		return prefixes_;
	}

      private:
	using Key = std::pair<Prefix, Rank>;
	struct Suspect {
		std::vector<RouteMessage> routes; /* as dumped */
		bool same_again = true;           /* as far as it was asked */
	};
	void judge();
	bool same(const Key &key, const std::vector<RouteMessage> &some,
	          const std::vector<RouteMessage> &others);
	bool explained(const Key &key, const Suspect &suspect) const;
	bool equal(const Node *node, const std::vector<Candidate> &wanted) const;
	std::vector<std::pair<const Candidate *, Places6>>
	mixed_places(const Node &node, const std::vector<Candidate> &wanted,
	             const std::vector<RouteMessage> &routes) const;
	bool same_places(const Node &node, const std::vector<Candidate> &wanted) const;
	std::vector<Candidate> candidates(const Key &key, const std::vector<RouteMessage> &routes);
	void take_over(Node &node, Rank rank, std::vector<Candidate> wanted,
	               const std::vector<RouteMessage> &routes);
	std::string words(const Node &node, Rank rank, const Candidate *first) const;

	Rib &rib_;
	Key group_;
	std::vector<RouteMessage> routes_; /* of `group_` */
	std::map<Key, Suspect> suspects_;
	bool again_ = false; /* after ask_again() */
	std::unordered_set<Prefix, PrefixHash> touched_;
	bool flooded_ = false; /* too many to remember: nothing is known of any */
	Prefix after_;
	uint8_t walking_ = 0; /* the family that `after_` is of */
	uint64_t prefixes_ = 0;
};

} // namespace mill
