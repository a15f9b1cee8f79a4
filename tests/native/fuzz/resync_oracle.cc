/*
 * resync_oracle SEED ROUNDS: the RIB taking over a dump while the kernel goes on changing, against a make-believe kernel. Its
 * events come late, by a queue; its dump goes prefix by prefix, and what it says comes late as well, by a queue of its own. Links
 * go down and come up, which takes routes without an event for each, and is heard of ahead of time by the other
 * socket now and then. The order in which all of this is read is drawn. At the end the RIB's table must be the kernel's, and
 * so must what the engine was told.
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
#include "netlink_socket.h"
#include "rib/resync.h"
#include "rib/rib.h"

using namespace mill;

using Bytes = std::vector<char>;

static constexpr uint32_t links = 3;
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

/* A route of the make-believe kernel. */
struct Via {
	uint32_t link, gateway;
	bool operator==(const Via &other) const
	{
		return link == other.link && gateway == other.gateway;
	}
};
using Key = std::pair<uint32_t, uint32_t>;     /* prefix, metric */
using Table = std::map<Key, std::vector<Via>>; /* in the kernel's order */

static Bytes route_message(uint16_t type, uint16_t flags, const Key &key, const Via &way)
{
	NetlinkRequest request(type, 0);
	auto *header = request.header<rtmsg>();
	header->rtm_family = AF_INET;
	header->rtm_dst_len = 24;
	header->rtm_table = RT_TABLE_MAIN;
	header->rtm_type = RTN_UNICAST;
	const uint8_t prefix[4] = {10, 9, static_cast<uint8_t>(key.first), 0};
	const uint8_t gateway[4] = {10, 1, static_cast<uint8_t>(way.link), static_cast<uint8_t>(way.gateway)};
	mnl_attr_put(request.message(), RTA_DST, 4, prefix);
	mnl_attr_put(request.message(), RTA_GATEWAY, 4, gateway);
	mnl_attr_put_u32(request.message(), RTA_OIF, way.link);
	mnl_attr_put_u32(request.message(), RTA_PRIORITY, key.second);
	return bytes_of(request, flags);
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
	Kernel(std::mt19937 &source, bool many) : random(source), several(many)
	{
	}
	std::mt19937 &random;
	const bool several; /* routes of one prefix and metric */
	Table table;
	bool up[links + 1] = {false, true, true, true};
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
			ways.erase(std::remove_if(ways.begin(), ways.end(),
			                          [&](const Via &way) { return !on && way.link == link; }),
			           ways.end());
	}
	void add(const Key &key, const Via &way)
	{
		std::vector<Via> &ways = table[key];
		const uint32_t how = ways.empty() ? 0 : several ? draw(3) : 2;
		if (how == 2)
			ways.front() = way;
		else
			ways.insert(how == 1 ? ways.end() : ways.begin(), way);
		say(route_message(RTM_NEWROUTE,
		                  how == 2   ? NLM_F_REPLACE
		                  : how == 1 ? NLM_F_CREATE | NLM_F_APPEND
		                             : NLM_F_CREATE,
		                  key, way));
	}
	void change()
	{
		const Key key = {draw(prefixes), draw(2) * 50};
		const Via way = {1 + draw(links), 2 + draw(3)};
		std::vector<Via> &ways = table[key];
		if (!several && random() % 12 == 0) {
			set_link(way.link, random() % 2 == 0);
		} else if (!ways.empty() && random() % 2) {
			const auto old = ways.begin() + draw(static_cast<uint32_t>(ways.size()));
			say(route_message(RTM_DELROUTE, 0, key, *old));
			ways.erase(old);
		} else if (up[way.link] && std::find(ways.begin(), ways.end(), way) == ways.end()) {
			add(key, way);
		}
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
	Oracle(uint32_t seed, bool several, mill_fib_queue *queue)
	    : random_(seed), kernel_(random_, several), queue_(queue)
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
	const char *run()
	{
		for (uint32_t link = 1; link <= links; link++)
			rib_.take(message_of(link_message(link, true)), false);
		rib_.set_loaded();
		for (int i = 0; i < 40; i++)
			step(nullptr);
		lose();
		dump();
		while (!kernel_.events.empty() || !kernel_.alarms.empty())
			step(nullptr, false);
		rib_.flush();
		told_.drain(queue_);
		return judge();
	}

      private:
	/* The kernel drops what it would have said, and the reader notices and begins anew. */
	void lose()
	{
		for (int i = 0; i < 30; i++)
			kernel_.change();
		kernel_.events.clear();
		for (uint32_t link = 1; link <= links; link++) /* their dump comes first */
			rib_.take(message_of(link_message(link, kernel_.up[link])), true);
	}
	void step(Resync *resync, bool changes = true)
	{
		if (changes && random_() % 2)
			kernel_.change();
		if (!kernel_.alarms.empty() && random_() % 3 == 0) {
			LinkMessage link;
			if (parse_link(message_of(kernel_.alarms.front()), link) && !kernel_.up[link.ifindex])
				rib_.take_alarm(link);
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
					for (const Via &way : kernel_.table[{cursor, metric}])
						answers.push_back(route_message(RTM_NEWROUTE, NLM_F_MULTI,
						                                {cursor, metric}, way));
				cursor++;
			}
			if (!answers.empty() && random_() % 3 == 0) {
				resync.dumped(message_of(answers.front()));
				answers.pop_front();
			}
		}
		resync.sweep();
		while (!resync.catch_up()) {
		}
	}
	const char *judge()
	{
		Table table;
		for (const RouteView &view : rib_.page(4, nullptr, 1000)) {
			if (view.hops.size() != 1)
				return "the RIB has a route of several legs";
			const Key key = {view.prefix.address.bytes[2], view.metric};
			table[key].push_back({view.hops[0].ifindex, view.hops[0].gateway.bytes[3]});
		}
		for (auto at = kernel_.table.begin(); at != kernel_.table.end();)
			at = at->second.empty() ? kernel_.table.erase(at) : std::next(at);
		if (table != kernel_.table) {
			/* of several routes it cannot always be known, and a dump verifies */
			doubtful_ = kernel_.several && rib_.take_doubt();
			return doubtful_ ? nullptr : "the RIB's routes are not the kernel's";
		}
		const auto told = told_.groups;
		rib_.replay();
		told_.groups.clear();
		rib_.flush();
		told_.drain(queue_);
		return told == told_.groups ? nullptr
		                            : "the engine was told otherwise than a replay tells it";
	}

	std::mt19937 random_;
	Kernel kernel_;
	Told told_;
	bool doubtful_ = false;
	mill_fib_queue *queue_;
	Rib rib_;
};

int main(int argc, char **argv)
{
	const uint32_t seed = argc > 1 ? static_cast<uint32_t>(atoi(argv[1])) : 1;
	const uint32_t rounds = argc > 2 ? static_cast<uint32_t>(atoi(argv[2])) : 1000;
	uint32_t doubtful = 0;
	for (uint32_t round = 0; round < rounds; round++) {
		const bool several = round % 2 == 1;
		prefixes = several ? 4 : 24;
		const int memory = memfd_create("queue", 0);
		if (memory < 0 || ftruncate(memory, sizeof(mill_fib_queue)) < 0)
			return 1;
		const Mapping mapping = map_shared(memory, sizeof(mill_fib_queue), true, "queue");
		Oracle oracle(seed * 1000003 + round, several, mapping.as<mill_fib_queue>());
		oracle.rib().attach(std::make_unique<FibQueue>(Fd(memory), make_event(), make_event()));
		if (const char *wrong = oracle.run()) {
			printf("round %u: %s\n", round, wrong);
			return 1;
		}
		doubtful += oracle.doubtful();
	}
	printf("ok %u dumps, %u to be verified\n", rounds, doubtful);
}
