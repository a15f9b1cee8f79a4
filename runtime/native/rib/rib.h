/*
 * The routing table as the kernel has it, with what the operator added, and the feed of the engine from it.
 *
 *   netlink messages ─► links, addresses, neighbours, nexthop objects
 *                    └► Trie (one per family): prefix → candidates in order of preference ─► Path
 *                       changed prefixes, paths, adjacencies, gateways ─► flush() ─► records in the FIB queue
 *
 * All candidates are kept, because the kernel does not announce the next best when the best goes. Of a prefix, the
 * kernel's local table comes first (it is looked up first, so that it also hides longer prefixes of the main
 * table), then routes of the operator, zebra's by FPM, the main table, and last the host routes of neighbours on connected
 * prefixes. Whatever the kernel does silently is derived here from the event that causes it (rib_events.cc).
 *
 * One lock, the owner's (rib_thread.h), covers everything here; nothing here blocks or allocates descriptors.
 */
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <vector>
#include "rib/candidate.h"
#include "rib/messages.h"
#include "rib/order6.h"
#include "rib/paths.h"
#include "rib/queue.h"
#include "rib/rules.h"
#include "rib/states.h"
#include "rib/trie.h"
#include "rib/views.h"

namespace mill
{

constexpr size_t max_tables = 8;

class Comparison;
class CompiledCheck;

class Rib
{
	friend class Comparison;
	friend class CompiledCheck;
	friend class Resync;

      public:
	Rib();
	~Rib();

	/* --- from the kernel (rib.cc, kernel_routes.cc, rib_events.cc) --- */
	void take(const nlmsghdr *message, bool from_dump);
	/* A link is gone, down or without carrier now, though events do not say so yet: no packet goes by it from here on. What
	 * becomes of its routes is left to the event, since others before it may name them. */
	void take_alarm(const LinkMessage &link);
	/* Around a dump: what of that kind was not confirmed in between is gone. */
	void mark();
	void sweep_links();
	void sweep_addresses();
	void sweep_neighbours();
	void sweep_nexthops();
	void sweep_routes4()
	{
		sweep_routes(4);
	}
	void sweep_routes6()
	{
		sweep_routes(6);
	}
	/* Something was derived, or did not fit: a dump should verify. Cleared by reading. */
	bool take_doubt();
	/* A rule came or went: all are to be dumped. Cleared by reading. */
	bool take_rule_change();
	/* All of one family. */
	void set_rules(uint8_t family, std::vector<Rule> rules);
	/* Links or addresses, or what rule_words() says, changed since the last call. */
	bool take_link_change();

	/* --- from zebra (fpm_routes.cc) --- */
	void begin_fpm();
	bool take_fpm(const nlmsghdr *message);
	/* What was not told since begin_fpm goes; returns how many routes. */
	size_t sweep_fpm();

	/* --- from the operator and policies (rib.cc, gateways.cc) --- */
	/* The kernel's tables in the order in which they are asked, at most max_tables. When they change, the routes
	 * of all are forgotten and nothing is told to the engine until set_loaded(). True: they changed. */
	bool set_tables(const std::vector<uint32_t> &tables);
	const std::vector<uint32_t> &tables() const
	{
		return tables_;
	}
	void set_interfaces(std::unordered_map<uint32_t, uint16_t> slots);
	/* The engine's own links, all of them, and the policy's static routes that go over them. */
	void set_own(std::map<uint32_t, OwnLink> links, std::map<Prefix, Address> routes);
	/* All neighbours that the engine knows on its own links. */
	void set_own_neighbours(const std::vector<NeighbourMessage> &neighbours);
	/* By gateway slot. */
	void set_gateways(const std::map<uint32_t, Way> &ways);
	/* By a gateway, an interface, or both. False: it waits, there is no way yet. */
	bool add_operator_route(const Prefix &prefix, const Address &gateway, uint32_t ifindex);
	bool delete_operator_route(const Prefix &prefix);

	/* --- to the engine (engine_feed.cc, groups.cc, adjacencies.cc) --- */
	void attach(std::unique_ptr<FibQueue> queue);
	void set_loaded(); /* the first dump is in */
	void couple(bool on);
	void replay();
	/* Hands over changes as far as there is room. True: all of them. */
	bool flush();
	/* Of these only what is urgent: lost links, withdrawals, what events say during a dump. */
	void flush_urgent();
	bool feeding() const
	{
		return queue_ && coupled_ && loaded_ && interfaces_known_;
	}
	FibQueue *queue() const
	{
		return queue_.get();
	}
	bool coupled() const
	{
		return coupled_;
	}
	bool synced() const;
	/* The engine has applied all that is known. */
	bool still() const;
	size_t pending() const;
	/* Neighbours to ask for now: in use and stale, or not resolved yet; at most `most`. */
	std::vector<NeighbourKey> to_refresh(uint64_t now_ns, uint32_t max_tries, size_t most);

	/* --- for people (views.cc) --- */
	bool lookup(const Address &address, RouteView &view) const;
	/* Whole prefixes, until at least `limit` routes. */
	std::vector<RouteView> page(uint8_t family, const Prefix *after, size_t limit) const;
	/* Those of these groups that the engine has. */
	std::vector<PathView> paths(const std::unordered_set<uint32_t> &groups) const;
	const std::map<uint32_t, LinkState> &links() const
	{
		return links_;
	}
	std::vector<NeighbourView> neighbours() const;
	/* By what the kernel's rules, and routes, make it go another way than the tables as they are coupled. */
	std::vector<std::string> rule_words() const;
	Statistics statistics;

      private:
	enum NodeList { Urgent, Ordinary };

	Trie &trie(uint8_t family)
	{
		return family == 4 ? trie4_ : trie6_;
	}
	const Trie &trie(uint8_t family) const
	{
		return family == 4 ? trie4_ : trie6_;
	}

	/* candidates.cc, kernel_routes.cc */
	void sweep_routes(uint8_t family);
	bool rank_of(uint32_t table, Rank &rank) const;
	void add_route(const RouteMessage &route, Rank rank, bool from_dump);
	void delete_route(const RouteMessage &route, Rank rank);
	void add_route4(Node &node, const Candidate &wanted, uint16_t flags, bool from_dump);
	void add_route4_again(Node &node, const Candidate &wanted, uint16_t flags);
	void confirm(Node &node, const Candidate &wanted);
	bool listed6(const Node &node, const Candidate &wanted) const;
	void add_dumped6(Node &node, const Candidate &wanted, const std::vector<Leg> &told);
	void add_route6(Node &node, const Candidate &wanted, const std::vector<Leg> &told, uint16_t flags);
	void put_route6(Node &node, const Candidate &wanted, const std::vector<Leg> &told, uint16_t flags);
	void subtract_route6(Node &node, const RouteMessage &route, Rank rank);
	void insert_candidate(Node &node, Candidate **place, const Candidate &candidate);
	void remove_candidate(Node &node, Candidate **place);
	/* All of a rank, by these in their order. */
	void replace_candidates(Node &node, Rank rank, const std::vector<Candidate> &wanted);
	void remove_matching(Node &node, const std::function<bool(const Candidate &)> &match);
	void put_single(const Prefix &prefix, Rank rank, Path *path, uint8_t protocol = 0,
	                uint32_t stamp = 0);
	void touch(Node &node);
	void route_changed(Node &node, const Candidate &candidate);
	void count(const Node &node, const Candidate &candidate, int by);
	/* Of those who stand at the main table's level. */
	Rank beside_main(Source source) const;
	void move_fpm_routes();
	Path *path_of(const RouteMessage &route);
	Path *path_like(uint8_t family, uint8_t type, uint32_t nexthop_id, const Address &source,
	                const std::vector<Leg> &legs, const Apart &apart = {},
	                const std::vector<uint32_t> &dead = {});
	std::vector<uint32_t> told_dead(const RouteMessage &route) const;
	void ref_path(Path *path);
	void unref_path(Path *path);

	bool take_fpm_route(RouteMessage &route);
	void take_fpm_nexthop(NexthopMessage &nexthop);

	/* order6.cc */
	bool mixed6(const Node &node, const Candidate &one) const;
	Places6 places6(const Node &node, const Candidate &one) const;
	void arrange6(Node &node, const Candidate &one, Places6 places);
	void arrange_all6();
	std::set<const Candidate *> left_between6(uint32_t ifindex) const;

	/* own_links.cc */
	using OwnRoutes = std::map<std::pair<Prefix, Rank>, std::vector<Candidate>>;
	void add_own_route(OwnRoutes &routes, const Prefix &prefix, Rank rank, uint8_t type, uint8_t protocol,
	                   const Leg &leg);
	uint32_t own_link_of(const Address &gateway) const;
	void add_own_addresses(OwnRoutes &routes, const OwnLink &link);
	void place_own_route(const std::pair<Prefix, Rank> &place, const std::vector<Candidate> &wanted);
	void check_own_routes();

	/* rib_events.cc */
	void dispatch(const nlmsghdr *message, bool from_dump);
	bool retold(const nlmsghdr *message, const RouteMessage &route) const;
	void take_link(const LinkMessage &message, bool from_dump = false);
	void take_address(const AddressMessage &message, bool from_dump);
	void take_neighbour(const NeighbourMessage &message);
	void take_nexthop(const NexthopMessage &message);
	void take_netconf(const NetconfMessage &message);
	void link_gone(uint32_t ifindex);
	void purge_down(uint32_t ifindex);
	void keep_told(Path &path) const;
	bool leg_gone(const Path &path, const Leg &leg) const;
	void set_dead(uint8_t family, uint32_t ifindex, bool dead);
	void address_gone(uint32_t ifindex, const Address &address);
	bool still_local(const Address &address) const;
	void nexthop_gone(uint32_t id);
	void neighbour_changed(const NeighbourKey &key);
	void forget_neighbour(std::map<NeighbourKey, NeighbourState>::iterator at);
	void add_host_route(const NeighbourKey &key, NeighbourState &neighbour);
	void drop_host_route(const NeighbourKey &key, NeighbourState &neighbour);
	void drop_nexthops_of(uint32_t ifindex);
	template <typename Match> void purge(Match match, const std::set<const Candidate *> &left = {});
	void links_changed();

	/* meaning.cc: what routes amount to */
	bool leg_alive(const Path &path, const Leg &leg) const;
	Alarm alarm_of(uint32_t ifindex) const;
	bool object_lost(uint32_t id) const;
	bool lost(const Path &path) const;
	std::vector<Leg> legs_of(const Path &path, bool &blackhole) const;
	bool ignores_linkdown(uint8_t family, uint32_t ifindex) const;
	bool passed_over(const Path &path, const Leg &leg) const;
	bool ignored(const Path &path) const;
	bool has_way(const Path &path) const;
	void check_ways();
	struct Found {
		const Node *node = nullptr;
		const Candidate *candidate = nullptr;
	};
	Found match(const Address &address, unsigned length, bool operators_too = true) const;
	const Candidate *match(const Address &address) const
	{
		return match(address, address.bits()).candidate;
	}
	Path *effective(const Node &node) const;
	void check_neighbours();

	/* gateways.cc */
	Path *resolve(const Address &gateway);
	void check_operator_routes();
	enum class Answers { No, Perhaps, Yes };
	Answers answers(const Path &route, const Leg &leg);
	std::vector<Leg> legs_to(const Path &route, const Address &gateway) const;
	std::vector<Leg> legs_of_way(const Way &way);
	void check_gateways();
	void gateway_failed(const NeighbourKey &key);
	void refresh_gateways(uint64_t now_ns, uint32_t max_tries, size_t most,
	                      std::vector<NeighbourKey> &wanted);

	/* engine_feed.cc, groups.cc, adjacencies.cc */
	Adjacency &adjacency(AdjacencyClass kind, uint32_t ifindex, const Address &address);
	AdjacencyState state_of(const Adjacency &adjacency) const;
	std::vector<GroupLeg> group_of(const Path &path);
	void send_adjacency(Adjacency &adjacency);
	void send_group(Path &path);
	void send_groups_now(const std::vector<Path *> &paths);
	void feed_node(Node &node, NodeList list);
	void feed_gateway(uint32_t slot, GatewayState &gateway);
	/* As if the engine had lost it. */
	void tell_again(Adjacency &adjacency);
	void tell_again(Path &path);
	void tell_again(Node &node);
	void mark_path(Path &path);
	void mark_all_paths();
	void mark_adjacency(Adjacency &adjacency);
	void check_path(Path *path);
	void feed_ref(Path *path);
	void feed_unref(Path *path);
	void drop_adjacency(Adjacency *adjacency);
	bool free_paths();
	bool free_adjacencies();
	void forget_engine();
	bool has_room(uint64_t most_under_way);
	void flush_adjacencies();
	void flush_groups();
	void flush_nodes(NodeList list);
	void flush_gateways();
	bool flush_changes();
	void commit();
	RouteView view_of(const Node &node, const Candidate &candidate) const;

	Trie trie4_, trie6_;
	PathTable paths_;
	std::map<uint32_t, LinkState> links_;
	std::map<NeighbourKey, NeighbourState> neighbours_;
	std::map<uint32_t, NexthopObject> nexthops_;
	std::map<Class6, Places6> mixed6_;
	std::map<Prefix, OperatorRoute> operator_routes_;
	std::map<uint32_t, OwnLink> own_links_;
	std::map<Prefix, Address> own_routes_;           /* → gateway */
	std::set<std::pair<Prefix, Rank>> own_prefixes_; /* that have candidates of own links */
	std::map<uint32_t, GatewayState> gateways_;
	std::vector<uint32_t> gone_gateways_;
	std::map<NeighbourKey, GatewayNeighbour> gateway_neighbours_;
	std::unordered_map<uint32_t, uint16_t> slots_; /* ifindex → interface slot */
	uint32_t stamp_ = 1, fpm_stamp_ = 1;
	std::vector<uint32_t> tables_;
	uint32_t hiding_[2] = {}; /* candidates before the last level that are no host's, and throws */
	uint32_t throws_[2] = {};
	uint32_t for_tos_ = 0;                /* candidates for one TOS alone */
	std::map<int32_t, bool> ignoring_[2]; /* sysctl ignore_routes_with_linkdown by ifindex, -1 for all */
	std::pair<uint32_t, uint32_t>
	    nexthop_request_; /* the last that set a nexthop object: port, sequence */
	bool doubt_ = false, link_change_ = false, rule_change_ = false;
	std::vector<Rule> rules_[2];
	Comparison *comparison_ = nullptr; /* that wants to know what events change */

	/* changes not yet handed over */
	std::vector<Node *> changed_[2]; /* by NodeList */
	bool urgent_ = false;            /* what changes now is to be told first */
	bool pressing_ = false;          /* all events are urgent: there is much beside them, from a dump */
	bool catching_up_ = false;       /* events are taken that were taken before */
	const Candidate *replaced_ = nullptr; /* of the event that is taken again: what it replaced */
	std::vector<Path *> dirty_paths_, checked_paths_;
	std::vector<Adjacency *> dirty_adjacencies_;
	std::set<NeighbourKey> check_neighbours_;
	bool routes_changed_ = false;
	bool gateways_changed_ = false; /* they, or who is behind them */

	/* the engine */
	std::unique_ptr<FibQueue> queue_;
	std::unordered_map<AdjacencyKey, std::unique_ptr<Adjacency>, AdjacencyKeyHash> adjacencies_;
	uint32_t last_adjacency_ = 0;
	bool coupled_ = true, loaded_ = false, interfaces_known_ = false;
	bool replay_wanted_ = false, replaying_ = false, replayed_ = false;
	uint64_t replay_end_ = 0, batch_start_ = 0;
};

} // namespace mill
