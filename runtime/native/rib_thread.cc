/*
 * The RIB's thread. Start: subscribe, then dump, so that nothing falls between; events go on meanwhile (rib_resync.cc).
 * A round reads what is there, at most for a while, and then hands the changes to the engine: alone, a change goes at
 * once; in a storm, many go together. Lost links have a socket of their own (link_alarms.h).
 *
 * When the kernel drops messages (ENOBUFS), a new dump marks and sweeps; the engine goes on with what it has. When the
 * kernel did something without saying so (Rib::take_doubt), a dump is compared a little later (rib_audit.cc), and
 * rarely if dumps are long.
 */
#include "rib_thread.h"
#include <linux/neighbour.h>
#include <linux/netconf.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include "error.h"
#include "monotonic.h"

namespace mill
{

static constexpr uint64_t round_ns = 20 * ms;   /* of reading, before changes are handed over */
static constexpr uint64_t storm_ns = 3 * ms;    /* after a hand-over, within which more is waited for */
static constexpr uint64_t verify_ns = 200 * ms; /* after an event that hints at silent changes */
static constexpr size_t refreshes = 100;        /* neighbours asked for in a second */
static constexpr size_t remembered = 65536;

RibThread::RibThread(const RibOptions &options)
    : options_(options), wake_(make_event()), audit_seconds_(options.audit_seconds),
      asked_tables_(options.tables), tables_(options.tables)
{
}

RibThread::~RibThread()
{
	stop();
}

void RibThread::start(std::function<void()> on_event)
{
	static const int groups[] = {RTNLGRP_LINK,       RTNLGRP_NEIGH,        RTNLGRP_IPV4_IFADDR,
	                             RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_IFADDR,  RTNLGRP_IPV6_ROUTE,
	                             RTNLGRP_NEXTHOP,    RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF,
	                             RTNLGRP_IPV4_RULE,  RTNLGRP_IPV6_RULE};
	if (thread_.joinable())
		throw Failure(EALREADY, "start", "the RIB runs already");
	on_event_ = std::move(on_event);
	stopping_ = false;
	need_resync_ = true;
	audited_at_ = now();
	events_ = std::make_unique<NetlinkSocket>();
	events_->set_receive_buffer(options_.receive_buffer);
	rib_.set_tables(tables_);
	events_->filter_events(tables_);
	for (const int group : groups)
		events_->join(group); /* an old kernel may not have nexthop objects */
	alarms_ = std::make_unique<LinkAlarms>();
	hints_ = std::make_unique<NetlinkSocket>();
	dump_links();
	thread_ = std::thread([this] { run(); });
	pthread_setname_np(thread_.native_handle(), "controlplane");
}

void RibThread::stop()
{
	stopping_ = true;
	wake();
	if (thread_.joinable())
		thread_.join();
	events_.reset();
	alarms_.reset();
	hints_.reset();
}

void RibThread::wake()
{
	raise_event(wake_.get());
}

void RibThread::run()
{
	while (!stopping_) {
		serve_requests();
		serve_recouples();
		follow_tables();
		if (std::exchange(need_resync_, false))
			resync();
		drained_ = false;
		read_events();
		if (work([](Rib &rib) { return rib.take_rule_change(); }))
			dump_rules();
		flush();
		if (std::exchange(overrun_, false)) {
			work([](Rib &rib) { rib.statistics.overruns++; });
			discard_events();
			need_resync_ = true;
			continue;
		}
		replay_if_behind();
		advance_waits();
		refresh_neighbours();
		if (verify_due())
			verify();
		audit_if_due();
		if (drained_)
			wait_for_work();
	}
}

/* --- reading ------------------------------------------------------------------------------------------------ */

/* Changes that come on the heels of others go together: true when more came within the pause. */
bool RibThread::storm()
{
	const uint64_t at = now();
	if (at - flushed_at_ >= storm_ns)
		return false;
	pollfd wait = {events_->fd(), POLLIN, 0};
	return poll(&wait, 1, static_cast<int>((storm_ns - (at - flushed_at_)) / ms + 1)) > 0;
}

/* A lost link does not stand behind routes. */
void RibThread::heed_alarms()
{
	const std::vector<LinkMessage> lost = alarms_->take();
	if (lost.empty())
		return;
	work([&](Rib &rib) {
		for (const LinkMessage &link : lost)
			rib.take_alarm(link);
		rib.flush_urgent();
	});
}

void RibThread::read_events()
{
	const uint64_t until = now() + round_ns;
	bool any = false;
	while (!stopping_) {
		heed_alarms();
		const auto got = work([this](Rib &rib) {
			return events_->receive(
			    [&rib](const nlmsghdr *message) { rib.take(message, false); });
		});
		if (got == NetlinkSocket::Received::Overrun) {
			overrun_ = true;
			return;
		}
		if (got == NetlinkSocket::Received::Nothing) {
			if (any && storm())
				continue;
			drained_ = true;
			break;
		}
		any = true;
		if (now() >= until)
			break;
	}
	const bool doubt = work([](Rib &rib) { return rib.take_doubt(); });
	if (doubt && verify_at_ == 0)
		verify_at_ = std::max(now() + verify_ns, last_dump_ + 10 * dump_ns_);
}

void RibThread::wait_for_work()
{
	pollfd waits[] = {{events_->fd(), POLLIN, 0},
	                  {wake_.get(), POLLIN, 0},
	                  {-1, POLLIN, 0},
	                  {alarms_->fd(), POLLIN, 0}};
	const int done = work([](Rib &rib) { return rib.queue() != nullptr ? rib.queue()->done_fd() : -1; });
	const bool watches = done >= 0 && (!all_flushed_ || !waits_.empty());
	uint64_t timeout = 1000;
	if (watches) {
		waits[2].fd = done;
		timeout = 20; /* the engine's word may have been read by another */
	}
	if (verify_at_ != 0) {
		const uint64_t at = now();
		timeout = std::min(timeout, verify_at_ > at ? (verify_at_ - at) / ms + 1 : 0);
	}
	poll(waits, std::size(waits), static_cast<int>(timeout));
	clear_event(wake_.get());
	if (waits[2].revents & POLLIN)
		clear_event(done);
}

bool RibThread::verify_due() const
{
	return verify_at_ != 0 && now() >= verify_at_;
}

/* Those that were asked for meanwhile, if they are others. */
void RibThread::follow_tables()
{
	std::vector<uint32_t> tables;
	{
		const std::lock_guard<std::mutex> guard(requests_lock_);
		tables = asked_tables_;
	}
	if (tables == tables_)
		return;
	tables_ = tables;
	events_->filter_events(tables_);
	work([this](Rib &rib) { rib.set_tables(tables_); });
	need_resync_ = true;
}

/* --- the engine --------------------------------------------------------------------------------------------- */

void RibThread::flush()
{
	const bool changed = work([this](Rib &rib) {
		const uint64_t batches = rib.statistics.batches;
		all_flushed_ = rib.flush();
		if (rib.statistics.batches != batches)
			flushed_at_ = now();
		return rib.take_link_change();
	});
	if (changed) {
		links_changed_ = true;
		on_event_();
	}
}

/* Something found no room in the engine, which goes on with what it had: all is told again, less and less often while
 * that does not help. */
void RibThread::replay_if_behind()
{
	const uint64_t at = now();
	work([&](Rib &rib) {
		if (!rib.feeding() || !rib.synced())
			return;
		if (!rib.queue()->behind()) {
			replay_pause_ = second;
			return;
		}
		if (at < replay_at_)
			return;
		replay_at_ = at + replay_pause_;
		replay_pause_ = std::min(2 * replay_pause_, 60 * second);
		rib.replay();
	});
}

void RibThread::serve_requests()
{
	std::vector<NeighbourKey> wanted;
	{
		const std::lock_guard<std::mutex> guard(requests_lock_);
		waits_.insert(waits_.end(), asked_.begin(), asked_.end());
		asked_.clear();
		wanted.swap(wanted_);
	}
	for (const NeighbourKey &neighbour : wanted)
		ask(neighbour);
}

void RibThread::serve_recouples()
{
	std::vector<uint64_t> recouples;
	{
		const std::lock_guard<std::mutex> guard(requests_lock_);
		recouples.swap(recouples_);
	}
	if (recouples.empty())
		return;
	resync();
	work([](Rib &rib) {
		rib.couple(true);
		rib.replay();
	});
	for (const uint64_t ticket : recouples)
		waits_.push_back({ticket, Stage::Queued, 0});
}

/* A wait ends when the socket was read empty after it was asked, all was flushed, and the engine has got there. */
void RibThread::advance_waits()
{
	if (waits_.empty())
		return;
	std::vector<uint64_t> done;
	work([&](Rib &rib) {
		for (Wait &wait : waits_) {
			if (wait.stage == Stage::Queued && drained_ && all_flushed_) {
				wait.stage = Stage::Flushed;
				wait.position = rib.feeding() ? rib.queue()->position() : 0;
			}
			if (wait.stage == Stage::Flushed &&
			    (!rib.feeding() || rib.queue()->applied() >= wait.position)) {
				wait.stage = Stage::Applied;
				done.push_back(wait.ticket);
			}
		}
	});
	while (!waits_.empty() && waits_.front().stage == Stage::Applied)
		waits_.pop_front();
	if (done.empty())
		return;
	{
		const std::lock_guard<std::mutex> guard(requests_lock_);
		done_.insert(done_.end(), done.begin(), done.end());
	}
	on_event_();
}

void RibThread::ask_settled(uint64_t ticket)
{
	{
		const std::lock_guard<std::mutex> guard(requests_lock_);
		asked_.push_back({ticket, Stage::Queued, 0});
	}
	wake();
}

void RibThread::ask_recouple(uint64_t ticket)
{
	{
		const std::lock_guard<std::mutex> guard(requests_lock_);
		recouples_.push_back(ticket);
	}
	wake();
}

std::vector<uint64_t> RibThread::take_done()
{
	const std::lock_guard<std::mutex> guard(requests_lock_);
	return std::exchange(done_, {});
}

/* --- neighbours --------------------------------------------------------------------------------------------- */

void RibThread::resolve(const NeighbourKey &neighbour)
{
	{
		const std::lock_guard<std::mutex> guard(requests_lock_);
		if (wanted_.size() < remembered)
			wanted_.push_back(neighbour);
	}
	wake();
}

std::vector<NeighbourKey> RibThread::take_own_wanted()
{
	const std::lock_guard<std::mutex> guard(requests_lock_);
	return std::exchange(own_wanted_, {});
}

void RibThread::ask(const NeighbourKey &neighbour)
{
	const uint64_t at = now();
	if (asked_at_.size() > remembered)
		asked_at_.clear();
	uint64_t &last = asked_at_[neighbour];
	if (last != 0 && at - last < second)
		return;
	last = at;
	if (!is_own(neighbour.second)) {
		ask_kernel(neighbour);
		return;
	}
	{
		const std::lock_guard<std::mutex> guard(requests_lock_);
		if (own_wanted_.size() < remembered)
			own_wanted_.push_back(neighbour);
	}
	on_event_();
}

/* NTF_USE: the kernel resolves it, or makes sure that it is still there, as if it had a packet for it. */
void RibThread::ask_kernel(const NeighbourKey &neighbour)
{
	NetlinkRequest request(RTM_NEWNEIGH, NLM_F_CREATE);
	auto *header = request.header<ndmsg>();
	header->ndm_family = neighbour.first.family == 4 ? AF_INET : AF_INET6;
	header->ndm_ifindex = static_cast<int>(neighbour.second);
	header->ndm_flags = NTF_USE;
	mnl_attr_put(request.message(), NDA_DST, neighbour.first.size(), neighbour.first.bytes);
	hints_->send_only(request);
	while (hints_->receive([](const nlmsghdr *) {}) == NetlinkSocket::Received::Some) {
	}
}

void RibThread::refresh_neighbours()
{
	const uint64_t at = now();
	if (at - refreshed_at_ < second / 4)
		return;
	refreshed_at_ = at;
	const auto wanted =
	    work([&](Rib &rib) { return rib.to_refresh(at, options_.arp_max_tries, refreshes / 4); });
	for (const NeighbourKey &neighbour : wanted)
		ask(neighbour);
}

} // namespace mill
