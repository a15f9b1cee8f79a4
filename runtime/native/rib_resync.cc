/*
 * The RIB's thread taking over what the kernel has: at the start, and after the kernel dropped messages. Links,
 * addresses, nexthop objects and neighbours are few; while the routes are dumped, events go on (rib/resync.h).
 */
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <chrono>
#include "error.h"
#include "monotonic.h"
#include "rib/resync.h"
#include "rib_thread.h"

namespace mill
{

static constexpr int rounds_between = 16; /* of reading, between two datagrams of a dump */

/* The kernel says that it dropped something once, and not again before the queue was empty: so it is emptied before
 * the dump, or what is dropped during that goes unnoticed. */
void RibThread::discard_events()
{
	while (!stopping_ && events_->receive([](const nlmsghdr *) {}) != NetlinkSocket::Received::Nothing) {
	}
}

/* False: the kernel says that it changed meanwhile. `between` is called before each datagram. */
bool RibThread::dump(uint16_t type, uint8_t family, uint32_t table, const Take &take,
                     const std::function<void()> &between)
{
	NetlinkSocket socket;
	NetlinkRequest request(type, 0);
	switch (type) { /* all begin with the family, but are of different lengths */
	case RTM_GETLINK:
		request.header<ifinfomsg>();
		break;
	case RTM_GETNEIGH:
		request.header<ndmsg>();
		break;
	case RTM_GETNEXTHOP:
		request.header<nhmsg>();
		break;
	case RTM_GETNETCONF:
		request.header<netconfmsg>()->ncm_family = family;
		break;
	case RTM_GETRULE:
		request.header<fib_rule_hdr>()->family = family;
		break;
	case RTM_GETROUTE:
		socket.be_strict();
		request.header<rtmsg>()->rtm_family = family;
		mnl_attr_put_u32(request.message(), RTA_TABLE, table);
		break;
	default:
		request.header<rtgenmsg>()->rtgen_family = AF_UNSPEC;
	}
	std::unique_lock<std::mutex> guard(lock_, std::defer_lock);
	return socket.dump(
	    request, "dump", [&](const nlmsghdr *message) { take(rib_, message); },
	    [&](bool begin) {
		    if (!begin) {
			    guard.unlock();
			    return;
		    }
		    between();
		    while (waiting_ > 0 && !stopping_)
			    std::this_thread::yield();
		    guard.lock();
	    });
}

/* Of all coupled tables. */
bool RibThread::dump_routes(uint8_t family, const Take &take, const std::function<void()> &between)
{
	bool whole = true;
	for (const uint32_t table : tables_) {
		try {
			whole &= dump(RTM_GETROUTE, family, table, take, between);
		} catch (const Failure &failure) {
			if (failure.number != ENOENT) /* a table without routes is none */
				throw;
		}
	}
	return whole;
}

/* Takes everything of a kind from a dump; what is not in it is gone. */
void RibThread::dump_and_sweep(uint16_t type, uint8_t family, void (Rib::*sweep)())
{
	const auto take = [](Rib &rib, const nlmsghdr *message) { rib.take(message, true); };
	for (int attempt = 0; attempt < 3 && !stopping_; attempt++) {
		work([](Rib &rib) { rib.mark(); });
		const bool whole = dump(type, family, 0, take, [] {});
		if (whole || attempt == 2) {
			work([sweep](Rib &rib) { (rib.*sweep)(); });
			return;
		}
	}
}

void RibThread::dump_links()
{
	dump_and_sweep(RTM_GETLINK, AF_UNSPEC, &Rib::sweep_links);
	dump_and_sweep(RTM_GETADDR, AF_UNSPEC, &Rib::sweep_addresses);
}

void RibThread::dump_nexthops()
{
	try {
		dump_and_sweep(RTM_GETNEXTHOP, AF_UNSPEC, &Rib::sweep_nexthops);
	} catch (const Failure &) {
		/* a kernel without nexthop objects */
	}
}

/* Which interfaces' routes do not count without a carrier. */
void RibThread::dump_netconf()
{
	for (const uint8_t family : {uint8_t(AF_INET), uint8_t(AF_INET6)}) {
		try {
			dump(
			    RTM_GETNETCONF, family, 0,
			    [](Rib &rib, const nlmsghdr *message) { rib.take(message, true); }, [] {});
		} catch (const Failure &) {
			/* a kernel without IPv6 */
		}
	}
}

/* Events, between two datagrams of a dump. True: none is left. */
bool RibThread::follow_meanwhile(Resync &resync)
{
	bool none = false;
	serve_requests();
	heed_alarms();
	for (int i = 0; i < rounds_between && !stopping_ && !none && !overrun_; i++) {
		if (work([&](Rib &) { return resync.full(); }))
			break;
		const auto got = work(
		    [&](Rib &) { return events_->receive([&](const nlmsghdr *m) { resync.event(m); }); });
		none = got == NetlinkSocket::Received::Nothing;
		overrun_ = got == NetlinkSocket::Received::Overrun;
	}
	flush();
	refresh_neighbours();
	return none;
}

/* What happened before the dump was over waits in the socket. Taken later, it would count as newer than the dump. */
void RibThread::read_what_waits(Resync &resync)
{
	const uint64_t until = now() + second;
	bool none = false;
	while (!none && now() < until && !stopping_ && !overrun_ &&
	       !work([&](Rib &) { return resync.full(); }))
		none = follow_meanwhile(resync);
	if (!none)
		work([&](Rib &) { resync.unfinished(); });
}

/* What they say is for people alone. */
void RibThread::dump_rules()
{
	for (const uint8_t family : {uint8_t(AF_INET), uint8_t(AF_INET6)}) {
		std::vector<Rule> rules;
		const auto take = [&](Rib &, const nlmsghdr *message) {
			Rule rule;
			if (parse_rule(message, rule))
				rules.push_back(std::move(rule));
		};
		try {
			dump(RTM_GETRULE, family, 0, take, [] {});
		} catch (const Failure &) {
			rules.clear(); /* a kernel without rules has none that differ */
		}
		work([&](Rib &rib) { rib.set_rules(family == AF_INET ? 4 : 6, std::move(rules)); });
	}
}

/* True when the kernel says that nothing changed while it was read. */
bool RibThread::dump_routes_into(Resync &resync)
{
	bool whole = true;
	work([&](Rib &) { resync.begin(); });
	for (const int family : {AF_INET, AF_INET6})
		whole &= dump_routes(
		    static_cast<uint8_t>(family),
		    [&](Rib &, const nlmsghdr *message) { resync.dumped(message); },
		    [&] { follow_meanwhile(resync); });
	return whole;
}

void RibThread::resync_routes()
{
	std::unique_ptr<Resync> resync = work([](Rib &rib) { return std::make_unique<Resync>(rib); });
	try {
		for (int attempt = 0; attempt < 3 && !stopping_ && !dump_routes_into(*resync); attempt++) {
		}
		read_what_waits(*resync);
		work([&](Rib &) { resync->sweep(); });
		while (!work([&](Rib &) { return resync->catch_up(); })) {
		}
	} catch (const Failure &) {
		work([&](Rib &) { resync.reset(); });
		throw;
	}
	work([&](Rib &) { resync.reset(); });
}

/* Everything anew: at the start, and after the kernel dropped messages. */
void RibThread::resync()
{
	const uint64_t begin = now();
	try {
		dump_netconf();
		dump_rules();
		dump_links();
		dump_nexthops();
		dump_and_sweep(RTM_GETNEIGH, AF_UNSPEC, &Rib::sweep_neighbours);
		resync_routes();
	} catch (const Failure &) {
		need_resync_ = true; /* the engine goes on with what it has */
		std::this_thread::sleep_for(std::chrono::milliseconds(100));
		return;
	}
	last_dump_ = now();
	dump_ns_ = last_dump_ - begin;
	work([&](Rib &rib) {
		rib.statistics.resyncs++;
		rib.set_loaded();
	});
}

} // namespace mill
