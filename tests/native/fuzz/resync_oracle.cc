/*
 * resync_oracle SEED ROUNDS: the RIB taking over a dump while the kernel goes on changing, against a make-believe kernel. Its
 * events come late, by a queue; its dump goes prefix by prefix, and what it says comes late as well, by a queue of its own. Links
 * go down and come up, which takes routes without an event for each, and is heard of ahead of time by the other
 * socket now and then. The order in which all of this is read is drawn. Before the dump, when all is read, and at the end the
 * RIB's table must be the kernel's, and so must what the engine was told.
 *
 * Of one prefix and metric there is one route, or there are several of IPv4, or of IPv6 those with a gateway, which are legs of one,
 * or those without, which are not, or both.
 */
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <sys/mman.h>
#include <unistd.h>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <tuple>
#include "netlink_socket.h"
#include "rib/compare.h"
#include "rib/resync.h"
#include "rib/rib.h"

using namespace mill;

using Bytes = std::vector<char>;

static constexpr uint32_t links = 4;
static uint32_t prefixes = 24; /* fewer where several routes are to meet at one */

static Bytes bytes_of(NetlinkRequest &request, uint16_t flags)
{
	request.message()->nlmsg_flags = flags;
	const auto *start = reinterpret_cast<const char *>(request.message());
	return Bytes(start, start + request.message()->nlmsg_len);
}

static const nlmsghdr *message_of(const Bytes &bytes)
{
	return reinterpret_cast<const nlmsghdr *>(bytes.data());
}

enum Kind { Single4, Several4, Shared6, Alone6, Both6, Kinds };

static bool is_six(Kind kind)
{
	return kind >= Shared6;
}

/* A route of the make-believe kernel, or a leg of one of IPv6. */
struct Via {
	uint32_t link, gateway; /* 0: none */
	bool operator==(const Via &other) const
	{
		return link == other.link && gateway == other.gateway;
	}
	bool operator<(const Via &other) const
	{
		return std::tie(link, gateway) < std::tie(other.link, other.gateway);
	}
};
using Ways = std::vector<Via>;
using Key = std::pair<uint32_t, uint32_t>; /* prefix, metric */
using Table = std::map<Key, Ways>;         /* in the kernel's order */

static void put_gateway(NetlinkRequest &request, Kind kind, const Via &way)
{
	const uint8_t four[4] = {10, 1, static_cast<uint8_t>(way.link), static_cast<uint8_t>(way.gateway)};
	const uint8_t six[16] = {0xfd, 1, four[2], four[3]};
	if (way.gateway != 0)
		mnl_attr_put(request.message(), RTA_GATEWAY, is_six(kind) ? 16 : 4,
		             is_six(kind) ? six : four);
}

static Bytes route_message(Kind kind, uint16_t type, uint16_t flags, const Key &key, const Ways &ways)
{
	NetlinkRequest request(type, 0);
	auto *header = request.header<rtmsg>();
	header->rtm_family = is_six(kind) ? AF_INET6 : AF_INET;
	header->rtm_dst_len = 24;
	header->rtm_table = RT_TABLE_MAIN;
	header->rtm_type = RTN_UNICAST;
	const uint8_t prefix[16] = {static_cast<uint8_t>(is_six(kind) ? 0xfd : 10), 9,
	                            static_cast<uint8_t>(key.first)};
	mnl_attr_put(request.message(), RTA_DST, is_six(kind) ? 16 : 4, prefix);
	mnl_attr_put_u32(request.message(), RTA_PRIORITY, key.second);
	if (ways.size() == 1) {
		put_gateway(request, kind, ways[0]);
		mnl_attr_put_u32(request.message(), RTA_OIF, ways[0].link);
		return bytes_of(request, flags);
	}
	nlattr *nest = mnl_attr_nest_start(request.message(), RTA_MULTIPATH);
	for (const Via &way : ways) {
		auto *hop = static_cast<rtnexthop *>(mnl_nlmsg_get_payload_tail(request.message()));
		const uint32_t before = request.message()->nlmsg_len;
		*hop = {};
		hop->rtnh_ifindex = static_cast<int>(way.link);
		request.message()->nlmsg_len += sizeof *hop;
		put_gateway(request, kind, way);
		hop->rtnh_len = static_cast<uint16_t>(request.message()->nlmsg_len - before);
	}
	mnl_attr_nest_end(request.message(), nest);
	return bytes_of(request, flags);
}

/* What the kernel calls a route: of IPv6, those with a gateway are one, where the first of them stands whose link is up. */
static std::vector<Ways> routes_of(Kind kind, const Ways &ways, const bool *up)
{
	const auto is_leg = [&](const Via &way) { return is_six(kind) && way.gateway != 0; };
	const auto lives = [&](const Via &way) { return is_leg(way) && up[way.link]; };
	auto place = std::find_if(ways.begin(), ways.end(), lives);
	place = place != ways.end() ? place : std::find_if(ways.begin(), ways.end(), is_leg);
	std::vector<Ways> routes;
	for (auto way = ways.begin(); way != ways.end(); ++way) {
		if (way == place) {
			routes.emplace_back();
			std::copy_if(ways.begin(), ways.end(), std::back_inserter(routes.back()), is_leg);
		} else if (!is_leg(*way)) {
			routes.push_back({*way});
		}
	}
	return routes;
}

static Bytes link_message(uint32_t link, bool up)
{
	NetlinkRequest request(RTM_NEWLINK, 0);
	auto *header = request.header<ifinfomsg>();
	header->ifi_index = static_cast<int>(link);
	header->ifi_flags = up ? IFF_UP | IFF_LOWER_UP | IFF_RUNNING : 0;
	const std::string name = "v" + std::to_string(link);
	mnl_attr_put_strz(request.message(), IFLA_IFNAME, name.c_str());
	return bytes_of(request, 0);
}

struct Kernel {
	Kernel(std::mt19937 &source, Kind of) : random(source), kind(of)
	{
	}
	std::mt19937 &random;
	const Kind kind;
	Table table;
	bool up[links + 1] = {false, true, true, true, true};
	bool no_dump =
	    true; /* so links may be lost also where several routes meet, of which a dump does not tell all */
	std::deque<Bytes> events, alarms;

	uint32_t draw(uint32_t below)
	{
		return static_cast<uint32_t>(random() % below);
	}
	void say(Bytes message)
	{
		events.push_back(std::move(message));
	}
	void set_link(uint32_t link, bool on)
	{
		if (std::exchange(up[link], on) == on)
			return;
		say(link_message(link, on));
		if (!on)
			alarms.push_back(link_message(link, false));
		for (auto &[key, ways] : table)
			if (!on)
				lose(ways, link);
	}
	/* IPv6 keeps dead legs as long as others live, and what stands between the legs. */
	void lose(Ways &ways, uint32_t link)
	{
		const auto is_leg = [&](const Via &way) { return is_six(kind) && way.gateway != 0; };
		const auto lives = [&](const Via &way) { return is_leg(way) && up[way.link]; };
		const auto here = [&](const Via &way) { return is_leg(way) && way.link == link; };
		const bool keeps = std::none_of(ways.begin(), ways.end(), here) ||
		                   std::any_of(ways.begin(), ways.end(), lives);
		const auto [first, behind] = span(ways);
		Ways left;
		for (auto way = ways.begin(); way != ways.end(); ++way) {
			const bool between = way - ways.begin() > first && way - ways.begin() < behind - 1;
			if (is_leg(*way) ? keeps : way->link != link || (between && keeps))
				left.push_back(*way);
		}
		ways = left;
	}
	/* From the first leg to behind the last. */
	std::pair<long, long> span(const Ways &ways) const
	{
		const auto leg = [&](const Via &way) { return is_six(kind) && way.gateway != 0; };
		const auto first = std::find_if(ways.begin(), ways.end(), leg);
		const auto last = std::find_if(ways.rbegin(), ways.rend(), leg).base();
		return {first - ways.begin(), std::max(last, first) - ways.begin()};
	}
	/* The new one takes the place of the first of its kind, or of the first; of legs, of all. */
	static void replace6(Ways &ways, const Via &way)
	{
		const auto like = [&](const Via &other) {
			return (other.gateway != 0) == (way.gateway != 0);
		};
		auto first = std::find_if(ways.begin(), ways.end(), like);
		first = first != ways.end() ? first : ways.begin();
		const bool shared = first->gateway != 0;
		*first = way;
		if (shared)
			ways.erase(std::remove_if(first + 1, ways.end(),
			                          [](const Via &other) { return other.gateway != 0; }),
			           ways.end());
	}
	void add(const Key &key, const Via &way)
	{
		Ways &ways = table[key];
		uint32_t how = ways.empty() ? 0 : kind != Single4 ? draw(3) : 2;
		how = is_six(kind) && how == 0 ? 1 : how;
		if (how == 2 && is_six(kind))
			replace6(ways, way);
		else if (how == 2)
			ways.front() = way;
		else
			ways.insert(how == 1 ? ways.end() : ways.begin(), way);
		const auto routes = routes_of(kind, ways, up);
		const auto told = std::find_if(routes.begin(), routes.end(), [&](const Ways &route) {
			return std::find(route.begin(), route.end(), way) != route.end();
		});
		say(route_message(kind, RTM_NEWROUTE,
		                  how == 2   ? NLM_F_REPLACE
		                  : how == 1 ? NLM_F_CREATE | NLM_F_APPEND
		                             : NLM_F_CREATE,
		                  key, *told));
	}
	void change()
	{
		const Key key = {draw(prefixes), draw(2) * 50};
		const bool alone = kind == Alone6 || (kind == Both6 && draw(2));
		const Via way = {1 + draw(links), alone ? 0 : 2 + draw(3)};
		Ways &ways = table[key];
		if ((kind == Single4 || no_dump) && random() % 12 == 0) {
			set_link(way.link, random() % 2 == 0);
		} else if (!ways.empty() && random() % 2) {
			const auto old = ways.begin() + draw(static_cast<uint32_t>(ways.size()));
			say(route_message(kind, RTM_DELROUTE, 0, key, {*old}));
			ways.erase(old);
		} else if (up[way.link] && std::find(ways.begin(), ways.end(), way) == ways.end()) {
			add(key, way);
		}
	}
	/* From the first leg the dump goes to the last, over what stands between. */
	std::vector<Ways> dump(const Key &key)
	{
		std::vector<Ways> told = routes_of(kind, table[key], up);
		const Ways &ways = table[key];
		const auto [first, last] = span(ways);
		const auto passed = [&ways = ways, first = first, last = last](const Ways &route) {
			const auto at = std::find(ways.begin(), ways.end(), route[0]) - ways.begin();
			return route[0].gateway == 0 && at > first && at < last;
		};
		told.erase(std::remove_if(told.begin(), told.end(), passed), told.end());
		return told;
	}
};

/* What the engine was told: routes alone. */
struct Told {
	std::map<uint32_t, uint32_t> groups; /* third byte of the address → group */
	uint64_t at = 0;
	void drain(mill_fib_queue *queue)
	{
		for (; at != queue->committed; at++) {
			const mill_fib_record &record = queue->record[at % MILL_FIB_RECORDS];
			if (record.op == MILL_FIB_ROUTE_SET)
				groups[record.address[2]] = record.id;
			if (record.op == MILL_FIB_ROUTE_DEL)
				groups.erase(record.address[2]);
		}
		queue->applied = at;
	}
};

class Oracle
{
      public:
	Oracle(uint32_t seed, Kind kind, mill_fib_queue *queue)
	    : random_(seed), kernel_(random_, kind), queue_(queue)
	{
		rib_.set_interfaces({{1, 0}, {2, 1}, {3, 2}});
	}
	Rib &rib()
	{
		return rib_;
	}
	bool doubtful() const
	{
		return doubtful_;
	}
	/* Others than the kernel's still, after a dump that verified. */
	bool unknown() const
	{
		return unknown_;
	}
	/* A dump was too early, and showed something else than the RIB has. */
	bool early() const
	{
		return early_;
	}
	const char *run()
	{
		for (uint32_t link = 1; link <= links; link++)
			rib_.take(message_of(link_message(link, true)), false);
		rib_.set_loaded();
		for (int i = 0; i < 60; i++)
			step(nullptr);
		read_all();
		if (rib_table() != kernel_table())
			return "events alone do not leave the kernel's routes";
		if (!told_all())
			return "the engine was told of events otherwise than a replay tells it";
		kernel_.no_dump = kernel_.kind == Single4;
		for (uint32_t link = 1; link <= links; link++)
			kernel_.set_link(link, true);
		for (int i = 0; i < 20; i++)
			step(nullptr);
		lose();
		dump();
		read_all();
		return judge();
	}

      private:
	/* The kernel drops what it would have said, and the reader notices and begins anew. Of routes that the dump passes
	 * over nobody could know then. */
	void lose()
	{
		if (kernel_.kind == Both6)
			return;
		for (int i = 0; i < 30; i++)
			kernel_.change();
		kernel_.events.clear();
		for (uint32_t link = 1; link <= links; link++) /* their dump comes first */
			rib_.take(message_of(link_message(link, kernel_.up[link])), true);
	}
	void read_all()
	{
		while (!kernel_.events.empty() || !kernel_.alarms.empty())
			step(nullptr, false);
		rib_.flush();
		told_.drain(queue_);
	}
	/* Heard of ahead of its turn, a lost link has no route at once. */
	void alarm()
	{
		LinkMessage link;
		if (!parse_link(message_of(kernel_.alarms.front()), link) || kernel_.up[link.ifindex])
			return;
		const bool news = rib_.links().at(link.ifindex).up();
		rib_.take_alarm(link);
		for (uint32_t prefix = 0; news && prefix < prefixes; prefix++) {
			const uint8_t bytes[16] = {static_cast<uint8_t>(is_six(kernel_.kind) ? 0xfd : 10), 9,
			                           static_cast<uint8_t>(prefix)};
			RouteView view;
			if (!rib_.lookup(Address::of(is_six(kernel_.kind) ? 6 : 4, bytes), view))
				continue;
			goes_on_ |= std::all_of(view.hops.begin(), view.hops.end(),
			                        [&](const auto &hop) { return hop.ifindex == link.ifindex; });
		}
	}
	void step(Resync *resync, bool changes = true)
	{
		if (changes && random_() % 2)
			kernel_.change();
		if (!kernel_.alarms.empty() && random_() % 3 == 0) {
			alarm();
			kernel_.alarms.pop_front();
		}
		if (!kernel_.events.empty() && random_() % 2) {
			const nlmsghdr *message = message_of(kernel_.events.front());
			resync != nullptr ? resync->event(message) : rib_.take(message, false);
			kernel_.events.pop_front();
		}
		if (random_() % 4 == 0) {
			random_() % 2 ? rib_.flush_urgent() : static_cast<void>(rib_.flush());
			told_.drain(queue_);
		}
	}
	void dump()
	{
		Resync resync(rib_);
		std::deque<Bytes> answers;
		uint32_t cursor = 0;
		resync.begin();
		while (cursor < prefixes || !answers.empty()) {
			step(&resync);
			if (cursor < prefixes && random_() % 3 == 0) {
				for (const uint32_t metric : {0u, 50u})
					for (const Ways &route : kernel_.dump({cursor, metric}))
						answers.push_back(route_message(kernel_.kind, RTM_NEWROUTE,
						                                NLM_F_MULTI, {cursor, metric},
						                                route));
				cursor++;
			}
			if (!answers.empty() && random_() % 3 == 0) {
				resync.dumped(message_of(answers.front()));
				answers.pop_front();
			}
		}
		if (random_() % 4 == 0) {
			resync.unfinished();
		} else {
			for (; !kernel_.events.empty(); kernel_.events.pop_front())
				resync.event(message_of(kernel_.events.front()));
		}
		resync.sweep();
		while (!resync.catch_up()) {
		}
	}
	std::map<Key, std::vector<Ways>> rib_table() const
	{
		std::map<Key, std::vector<Ways>> table;
		for (const RouteView &view : rib_.page(is_six(kernel_.kind) ? 6 : 4, nullptr, 1000)) {
			Ways ways;
			for (const RouteView::Hop &hop : view.hops)
				ways.push_back({hop.ifindex, hop.gateway.bytes[3]});
			std::sort(ways.begin(), ways.end());
			table[{view.prefix.address.bytes[2], view.metric}].push_back(ways);
		}
		return table;
	}
	std::map<Key, std::vector<Ways>> kernel_table() const
	{
		std::map<Key, std::vector<Ways>> table;
		for (const auto &[key, ways] : kernel_.table)
			for (Ways &route : routes_of(kernel_.kind, ways, kernel_.up)) {
				std::sort(route.begin(), route.end());
				table[key].push_back(route);
			}
		return table;
	}
	void dump_into(Comparison &comparison)
	{
		for (uint32_t prefix = 0; prefix < prefixes; prefix++)
			for (const uint32_t metric : {0u, 50u})
				for (const Ways &route : kernel_.dump({prefix, metric}))
					comparison.take(
					    message_of(route_message(kernel_.kind, RTM_NEWROUTE, NLM_F_MULTI,
					                             {prefix, metric}, route)));
		comparison.end_dump();
	}
	void find_unconfirmed(Comparison &comparison) const
	{
		while (!comparison.find_unconfirmed(is_six(kernel_.kind) ? 6 : 4)) {
		}
	}
	void verify()
	{
		Comparison comparison(rib_);
		AuditReport report;
		dump_into(comparison);
		find_unconfirmed(comparison);
		comparison.settle(report);
	}
	/* The kernel tells of a link before it takes away the routes that go with it: a dump in between has them still. */
	const char *verify_too_early()
	{
		Table before = kernel_.table;
		kernel_.set_link(1 + kernel_.draw(links), false);
		read_all();
		Comparison comparison(rib_);
		AuditReport report;
		std::swap(kernel_.table, before);
		dump_into(comparison);
		std::swap(kernel_.table, before);
		find_unconfirmed(comparison);
		early_ += comparison.unexplained();
		comparison.ask_again();
		dump_into(comparison);
		comparison.settle(report);
		return report.repaired == 0 && rib_table() == kernel_table()
		           ? nullptr
		           : "a dump is believed that came too early";
	}
	const char *judge()
	{
		if (rib_table() != kernel_table()) {
			/* of several routes it cannot always be known, and a dump verifies; but of IPv6's two kinds, of
			 * which the dump passes over some, not always even that */
			doubtful_ = true;
			if (kernel_.kind == Single4 || !rib_.take_doubt())
				return "the RIB's routes are not the kernel's, without a doubt";
			verify();
			rib_.flush();
			told_.drain(queue_);
			unknown_ = rib_table() != kernel_table();
			if (unknown_ && kernel_.kind != Both6)
				return "a dump that verifies does not see that the routes are others";
		}
		if (goes_on_)
			return "a route over a link counts, of which an alarm says that it is lost";
		if (kernel_.kind != Both6)
			if (const char *wrong = verify_too_early())
				return wrong;
		return told_all() ? nullptr : "the engine was told otherwise than a replay tells it";
	}
	bool told_all()
	{
		const auto told = told_.groups;
		rib_.replay();
		told_.groups.clear();
		rib_.flush();
		told_.drain(queue_);
		return told == told_.groups;
	}

	std::mt19937 random_;
	Kernel kernel_;
	Told told_;
	bool doubtful_ = false, unknown_ = false, goes_on_ = false, early_ = false;
	mill_fib_queue *queue_;
	Rib rib_;
};

int main(int argc, char **argv)
{
	const uint32_t seed = argc > 1 ? static_cast<uint32_t>(atoi(argv[1])) : 1;
	const uint32_t rounds = argc > 2 ? static_cast<uint32_t>(atoi(argv[2])) : 1000;
	uint32_t doubtful[Kinds] = {}, unknown = 0, early = 0;
	for (uint32_t round = 0; round < rounds; round++) {
		const Kind kind = static_cast<Kind>(round % Kinds);
		prefixes = kind != Single4 ? 4 : 24;
		const int memory = memfd_create("queue", 0);
		if (memory < 0 || ftruncate(memory, sizeof(mill_fib_queue)) < 0)
			return 1;
		const Mapping mapping = map_shared(memory, sizeof(mill_fib_queue), true, "queue");
		Oracle oracle(seed * 1000003 + round, kind, mapping.as<mill_fib_queue>());
		oracle.rib().attach(std::make_unique<FibQueue>(Fd(memory), make_event(), make_event()));
		if (const char *wrong = oracle.run()) {
			printf("round %u, kind %d: %s\n", round, kind, wrong);
			return 1;
		}
		doubtful[kind] += oracle.doubtful();
		unknown += oracle.unknown();
		early += oracle.early();
	}
	const bool few = unknown <= rounds / 1000;
	if (early < rounds / 10) {
		printf("only %u dumps were too early\n", early);
		return 1;
	}
	printf("%s %u dumps, to be verified by kind:", few ? "ok" : "too many unknown of", rounds);
	for (const uint32_t count : doubtful)
		printf(" %u", count);
	printf(", unknown still: %u\n", unknown);
	return few ? 0 : 1;
}
