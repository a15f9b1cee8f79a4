/*
 * netlink_fuzz SEED ROUNDS: mutated rtnetlink messages into the RIB, under ASan and UBSan. The corpus is what this
 * machine's kernel dumps, and hand-made multipath routes and nexthop groups. Each message lies in memory of exactly
 * its size, so that reading one byte beyond it is seen. The feed goes into a queue that a make-believe engine
 * drains: each record must be one that the contract allows, and name only what it was told before. One message in
 * four comes by FPM instead: in frames of a stream that is cut anywhere, and now and then damaged itself.
 */
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <linux/neighbour.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <set>
#include "error.h"
#include "netlink_socket.h"
#include "rib/fpm.h"
#include "rib/rib.h"

using namespace mill;

using Bytes = std::vector<char>;

static void fail(const char *what)
{
	printf("%s\n", what);
	abort();
}

static Bytes bytes_of(const nlmsghdr *message)
{
	const auto *start = reinterpret_cast<const char *>(message);
	return Bytes(start, start + message->nlmsg_len);
}

static void collect(std::vector<Bytes> &corpus, uint16_t type)
{
	NetlinkRequest request(type, 0);
	request.header<ifinfomsg>();
	try {
		NetlinkSocket().dump(
		    request, "dump", [&](const nlmsghdr *m) { corpus.push_back(bytes_of(m)); }, [](bool) {});
	} catch (const Failure &) {
	}
}

static void add_multipath(std::vector<Bytes> &corpus, uint32_t ifindex, uint16_t type)
{
	NetlinkRequest request(type, 0);
	auto *header = request.header<rtmsg>();
	header->rtm_family = AF_INET6;
	header->rtm_dst_len = 32;
	header->rtm_table = RT_TABLE_MAIN;
	header->rtm_type = RTN_UNICAST;
	const uint8_t address[16] = {0x20, 1, 0xd, 0xb8};
	mnl_attr_put(request.message(), RTA_DST, 16, address);
	nlattr *nest = mnl_attr_nest_start(request.message(), RTA_MULTIPATH);
	for (int i = 0; i < 3; i++) {
		auto *hop = static_cast<rtnexthop *>(mnl_nlmsg_get_payload_tail(request.message()));
		*hop = {};
		hop->rtnh_len = sizeof *hop + 20;
		hop->rtnh_ifindex = static_cast<int>(ifindex);
		request.message()->nlmsg_len += sizeof *hop;
		uint8_t gateway[16] = {0xfd, 0, static_cast<uint8_t>(i)};
		mnl_attr_put(request.message(), RTA_GATEWAY, 16, gateway);
	}
	mnl_attr_nest_end(request.message(), nest);
	corpus.push_back(bytes_of(request.message()));
}

static void add_nexthops(std::vector<Bytes> &corpus, uint32_t ifindex, uint16_t type)
{
	for (uint32_t id = 1; id <= 3; id++) {
		NetlinkRequest request(type, 0);
		request.header<nhmsg>()->nh_family = id == 3 ? AF_UNSPEC : AF_INET;
		mnl_attr_put_u32(request.message(), NHA_ID, id);
		const nexthop_grp group[2] = {{1, 0, 0, 0}, {2, 3, 0, 0}};
		if (id == 3)
			mnl_attr_put(request.message(), NHA_GROUP, sizeof group, group);
		else
			mnl_attr_put_u32(request.message(), NHA_OIF, ifindex);
		corpus.push_back(bytes_of(request.message()));
	}
	NetlinkRequest route(type == RTM_NEWNEXTHOP ? RTM_NEWROUTE : RTM_DELROUTE, 0);
	auto *header = route.header<rtmsg>();
	header->rtm_family = AF_INET;
	header->rtm_dst_len = 24;
	header->rtm_table = RT_TABLE_MAIN;
	header->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(route.message(), RTA_DST, 0x0008090a);
	mnl_attr_put_u32(route.message(), RTA_NH_ID, 3);
	corpus.push_back(bytes_of(route.message()));
}

static void mutate(Bytes &message, std::mt19937 &random)
{
	const uint32_t changes = random() % 4;
	for (uint32_t i = 0; i < changes; i++) {
		const size_t at = random() % message.size();
		message[at] = static_cast<char>(random() % 3 ? random() : message[at] ^ (1 << random() % 8));
	}
	if (random() % 8 == 0)
		message.resize(1 + random() % message.size());
}

/* What an engine would know. */
struct Engine {
	std::set<uint32_t> adjacencies, groups;
	uint64_t at = 0;

	void check(const mill_fib_record &record)
	{
		const unsigned bits = record.family == 4 ? 32 : 128;
		switch (record.op) {
		case MILL_FIB_SYNC_BEGIN:
			adjacencies.clear();
			groups.clear();
			return;
		case MILL_FIB_ADJACENCY_SET:
			adjacencies.insert(record.id);
			return;
		case MILL_FIB_ADJACENCY_DEL:
			if (adjacencies.erase(record.id) == 0)
				fail("an unknown adjacency was deleted");
			return;
		case MILL_FIB_GROUP_SET:
		case MILL_FIB_GROUP_LEGS:
			if (record.length == 0 || record.length > 4)
				fail("a group record of no legs, or too many");
			for (int i = 0; i < record.length; i++)
				if (adjacencies.count(record.leg[i].adjacency) == 0 ||
				    record.leg[i].weight < 1 || record.leg[i].weight > 65536)
					fail("a leg with an unknown adjacency, or a wrong weight");
			groups.insert(record.id);
			return;
		case MILL_FIB_GROUP_DEL:
			if (groups.erase(record.id) == 0)
				fail("an unknown group was deleted");
			return;
		case MILL_FIB_ROUTE_SET:
			if (groups.count(record.id) == 0)
				fail("a route names an unknown group");
			/* fall through */
		case MILL_FIB_ROUTE_DEL:
			if ((record.family != 4 && record.family != 6) || record.length > bits)
				fail("a route of no family, or too long");
			return;
		case MILL_FIB_GATEWAY_SET:
			if (record.value != 0 && groups.count(static_cast<uint32_t>(record.value)) == 0)
				fail("a gateway names an unknown group");
			return;
		case MILL_FIB_COMMIT:
		case MILL_FIB_SYNC_END:
			return;
		default:
			fail("a record of no kind");
		}
	}

	void drain(mill_fib_queue *queue)
	{
		for (; at != queue->committed; at++)
			check(queue->record[at % MILL_FIB_RECORDS]);
		queue->applied = at;
	}
};

static std::unique_ptr<FibQueue> open_queue(int memory)
{
	return std::make_unique<FibQueue>(Fd(dup(memory)), make_event(), make_event());
}

/* zebra's stream: what is damaged ends it, as a connection would end. */
struct Zebra {
	FpmStream stream;
	Bytes unsent;
	long taken = 0, acknowledged = 0, broken = 0;

	void say(Rib &rib, const Bytes &message, std::mt19937 &random)
	{
		const size_t length = 4 + message.size();
		const Bytes head = {1, 1, static_cast<char>(length >> 8), static_cast<char>(length)};
		unsent.insert(unsent.end(), head.begin(), head.end());
		unsent.insert(unsent.end(), message.begin(), message.end());
		if (random() % 64 == 0)
			unsent[random() % unsent.size()] = static_cast<char>(random());
		while (!unsent.empty() && random() % 8 != 0)
			send_some(rib, random);
	}
	void send_some(Rib &rib, std::mt19937 &random)
	{
		const size_t size = 1 + random() % std::min<size_t>(unsent.size(), 200);
		const std::unique_ptr<uint8_t[]> exact(new uint8_t[size]);
		memcpy(exact.get(), unsent.data(), size);
		unsent.erase(unsent.begin(), unsent.begin() + static_cast<ptrdiff_t>(size));
		try {
			stream.push(exact.get(), size, [&](const nlmsghdr *m) { take(rib, m); });
		} catch (const Failure &) {
			stream = FpmStream();
			unsent.clear();
			broken++;
			rib.begin_fpm();
			if (random() % 2)
				rib.sweep_fpm();
		}
	}
	void take(Rib &rib, const nlmsghdr *message)
	{
		const Bytes copy = bytes_of(message);
		const std::unique_ptr<char[]> exact(new char[copy.size()]);
		memcpy(exact.get(), copy.data(), copy.size());
		const auto *own = reinterpret_cast<const nlmsghdr *>(exact.get());
		taken++;
		if (!rib.take_fpm(own))
			return;
		std::vector<uint8_t> frame;
		acknowledge_fpm_route(own, frame);
		FpmStream().push(frame.data(), frame.size(), [this](const nlmsghdr *) { acknowledged++; });
	}
};

/* A dump that the kernel cannot make ends like any other, but for a number: here that of no such table. */
static void end_with_error()
{
	NetlinkSocket socket;
	NetlinkRequest request(RTM_GETROUTE, 0);
	socket.be_strict();
	request.header<rtmsg>()->rtm_family = AF_INET;
	mnl_attr_put_u32(request.message(), RTA_TABLE, 424242);
	try {
		socket.dump(
		    request, "dump", [](const nlmsghdr *) {}, [](bool) {});
	} catch (const Failure &failure) {
		if (failure.number == ENOENT)
			return;
	}
	fail("a dump of no table counts as whole");
}

int main(int argc, char **argv)
{
	end_with_error();
	std::mt19937 random(argc > 1 ? static_cast<unsigned>(atoi(argv[1])) : 1);
	const long rounds = argc > 2 ? atol(argv[2]) : 10000;
	std::vector<Bytes> corpus;
	for (const uint16_t type :
	     {RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH, RTM_GETNEXTHOP, RTM_GETRULE})
		collect(corpus, type);
	for (const uint16_t type : {RTM_NEWROUTE, RTM_DELROUTE})
		add_multipath(corpus, 1, type);
	for (const uint16_t type : {RTM_NEWNEXTHOP, RTM_DELNEXTHOP})
		add_nexthops(corpus, 1, type);

	const int memory = memfd_create("queue", 0);
	if (memory < 0 || ftruncate(memory, sizeof(mill_fib_queue)) < 0)
		fail("no memory for the queue");
	const Mapping mapping = map_shared(memory, sizeof(mill_fib_queue), true, "queue");
	Engine engine;
	Zebra zebra;
	Rib rib;
	rib.set_interfaces({{1, 0}, {2, 1}, {4, 2}});
	const auto gateway = [](const char *text, uint32_t weight = 1) {
		return Gateway{Address::parse(text), weight};
	};
	rib.set_gateways({{1, {{gateway("192.0.2.7", 3), gateway("192.0.2.8")}, {gateway("192.0.2.9")}}},
	                  {2, {{gateway("fd00::9")}, {gateway("fd00::a")}}},
	                  {3, {{gateway("127.0.0.1")}}}});
	rib.add_operator_route(Prefix::parse("10.77.0.0/16"), Address::parse("192.0.2.1"), 0);
	rib.attach(open_queue(memory));
	rib.set_loaded();
	for (long round = 0; round < rounds; round++) {
		Bytes message = corpus[random() % corpus.size()];
		mutate(message, random);
		if (round % 4 == 3)
			zebra.say(rib, message, random);
		/* the kernel's own framing is checked before the RIB sees a message */
		const std::unique_ptr<char[]> exact(new char[message.size()]);
		memcpy(exact.get(), message.data(), message.size());
		auto *header = reinterpret_cast<nlmsghdr *>(exact.get());
		if (message.size() >= sizeof *header && header->nlmsg_len > message.size())
			header->nlmsg_len = static_cast<uint32_t>(message.size());
		if (mnl_nlmsg_ok(header, static_cast<int>(message.size()))) {
			rib.take(header, random() % 4 == 0);
			Rule rule;
			if (parse_rule(header, rule))
				rib.set_rules(rule.family, {rule, rule});
		}
		switch (random() % 256) {
		case 5:
			rib.rule_words();
			break;
		case 0:
			rib.attach(open_queue(memory));
			break;
		case 1:
			rib.couple(random() % 2 == 0);
			break;
		case 2:
			rib.mark();
			random() % 2 ? rib.sweep_routes4() : rib.sweep_routes6();
			break;
		case 3:
			rib.set_interfaces({{1 + random() % 4, 0}, {2, 1}});
			break;
		case 4:
			rib.mark();
			rib.sweep_links();
			rib.sweep_nexthops();
			break;
		default:
			break;
		}
		if (random() % 4 == 0) {
			rib.flush();
			engine.drain(mapping.as<mill_fib_queue>());
		}
	}
	rib.couple(true);
	while (!rib.flush())
		engine.drain(mapping.as<mill_fib_queue>());
	rib.begin_fpm();
	rib.sweep_fpm();
	if (rib.statistics.fpm_routes != 0)
		fail("routes by FPM are left, or wrongly counted");
	if (zebra.taken < rounds / 16 || zebra.acknowledged < rounds / 400 || zebra.broken == 0)
		fail("the FPM stream was not tried");
	printf("ok %ld messages, %zu groups and %zu adjacencies at the end; by FPM %ld, of which %ld "
	       "acknowledged, in %ld streams\n",
	       rounds, engine.groups.size(), engine.adjacencies.size(), zebra.taken, zebra.acknowledged,
	       zebra.broken + 1);
}
