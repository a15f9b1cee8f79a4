/*
 * The RIB's thread looking whether all is as it should be: after something happened that the kernel does not tell of
 * (verify), and from time to time (audit). Both go in small steps, between which the thread does its other work, so
 * that a change waits for milliseconds at most.
 */
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <chrono>
#include <optional>
#include <thread>
#include "error.h"
#include "monotonic.h"
#include "rib/resync.h"
#include "rib_thread.h"

namespace mill
{

static constexpr uint64_t patience = 5 * second; /* with changes that never pause */
static constexpr uint64_t grace = 50 * ms;       /* the kernel tells of a change after it made it */
static constexpr uint64_t again =
    second / 2; /* after which a verification that came to nothing is repeated */

static uint64_t since_epoch_ms()
{
	timespec time;
	clock_gettime(CLOCK_REALTIME, &time);
	return static_cast<uint64_t>(time.tv_sec) * 1000 + static_cast<uint64_t>(time.tv_nsec) / ms;
}

/* A turn of the thread's other work. False: events were lost, so there is nothing to compare with, or it is to stop. */
bool RibThread::breathe()
{
	if (overrun_ || stopping_)
		return false;
	serve_requests();
	drained_ = false;
	read_events();
	if (overrun_)
		return false;
	flush();
	advance_waits();
	refresh_neighbours();
	return true;
}

/* False: it could not be compared. */
bool RibThread::dump_into(Comparison &comparison, int family)
{
	bool whole = true;
	whole &= dump_routes(
	    static_cast<uint8_t>(family), [&](Rib &, const nlmsghdr *message) { comparison.take(message); },
	    [&] { whole = whole && breathe(); });
	work([&](Rib &) { comparison.end_dump(); });
	return whole;
}

/* What happened before a dump was over waits in the socket. False: there is no end to it. */
bool RibThread::read_all()
{
	const uint64_t until = now() + patience;
	do {
		if (!breathe() || now() > until)
			return false;
	} while (!drained_);
	return true;
}

/* False: it could not be compared. */
bool RibThread::compare_routes(Comparison &comparison)
{
	for (const int family : {AF_INET, AF_INET6}) {
		if (!dump_into(comparison, family))
			return false;
		const uint8_t number = family == AF_INET ? 4 : 6;
		while (!work([&](Rib &) { return comparison.find_unconfirmed(number); }))
			if (!breathe())
				return false;
	}
	if (!read_all())
		return false;
	/* or is yet to be told */
	const auto unexplained = [&] { return work([&](Rib &) { return comparison.unexplained(); }); };
	const uint64_t enough = now() + grace;
	while (now() < enough && unexplained()) {
		std::this_thread::sleep_for(std::chrono::milliseconds(2));
		if (!breathe())
			return false;
	}
	if (!unexplained())
		return true;
	work([&](Rib &) { comparison.ask_again(); });
	return dump_into(comparison, AF_INET) && dump_into(comparison, AF_INET6) && read_all();
}

/* Links, addresses or nexthop objects by a dump, when no event told of such since it began: else it is ahead of the events
 * that wait, and routes would be judged by what is yet to come. */
void RibThread::check_others(uint16_t type, void (Rib::*sweep)())
{
	MessageLog log;
	const uint64_t events = work([](Rib &rib) { return rib.statistics.other_events; });
	bool whole = true;
	try {
		whole = dump(
		    type, AF_UNSPEC, 0, [&](Rib &, const nlmsghdr *message) { log.add(message); }, [] {});
	} catch (const Failure &) {
		if (type != RTM_GETNEXTHOP) /* which an old kernel does not know */
			throw;
		return;
	}
	if (!read_all())
		return;
	work([&](Rib &rib) {
		if (!whole || rib.statistics.other_events != events)
			return;
		rib.mark();
		log.replay(SIZE_MAX, [&rib](const nlmsghdr *message) { rib.take(message, true); });
		(rib.*sweep)();
	});
}

bool RibThread::compare_with_kernel(AuditReport &report)
{
	const uint64_t begin = now();
	std::optional<Comparison> comparison;
	bool compared = false;
	try {
		check_others(RTM_GETLINK, &Rib::sweep_links);
		check_others(RTM_GETADDR, &Rib::sweep_addresses);
		check_others(RTM_GETNEXTHOP, &Rib::sweep_nexthops);
		work([&](Rib &rib) { comparison.emplace(rib); });
		compared = compare_routes(*comparison);
	} catch (const Failure &) {
		/* the kernel's answer was cut short */
	}
	const bool settled = work([&](Rib &) {
		if (!comparison)
			return false;
		report.prefixes = comparison->prefixes();
		const bool all = compared && comparison->settle(report) == 0;
		comparison.reset();
		return all;
	});
	last_dump_ = now();
	dump_ns_ = last_dump_ - begin;
	return settled;
}

/* After a doubt; and once more, since the kernel itself follows a lost carrier up to a second later (linkwatch). */
void RibThread::verify()
{
	AuditReport report;
	verify_at_ = 0;
	const bool settled = compare_with_kernel(report);
	work([&](Rib &rib) { rib.statistics.corrections += report.repaired; });
	second_look_ = !second_look_;
	if (!settled || second_look_)
		verify_at_ = std::max(now() + (settled ? second : again), last_dump_ + 10 * dump_ns_);
}

/* Waits until the engine has applied everything. False: it does not come to that. */
bool RibThread::quiet()
{
	const uint64_t until = now() + patience;
	for (;;) {
		if (!breathe())
			return false;
		int done = -1;
		const bool still = work([&](Rib &rib) {
			done = rib.feeding() ? rib.queue()->done_fd() : -1;
			return rib.still();
		});
		if (still || done < 0 || now() > until)
			return still;
		pollfd wait = {done, POLLIN, 0};
		if (poll(&wait, 1, 1) > 0)
			clear_event(done);
	}
}

void RibThread::compare_with_compiled(AuditReport &report)
{
	std::shared_ptr<const CompiledFib> fib;
	{
		const std::lock_guard<std::mutex> guard(requests_lock_);
		fib = compiled_;
	}
	if (!fib)
		return;
	CompiledCheck check(rib_, *fib);
	for (bool over = false; !over;) {
		if (!quiet())
			return;
		over = work([&](Rib &rib) { return rib.still() && check.step(report); });
	}
	report.compiled = true;
	if (check.wrong() == 0 || !quiet())
		return;
	const auto still_wrong = [&] {
		return work([&](Rib &rib) { return rib.still() ? check.still_wrong() : check.wrong(); });
	};
	size_t left = still_wrong();
	if (left > 0) {
		work([](Rib &rib) { rib.replay(); });
		if (quiet())
			left = still_wrong();
	}
	report.repaired += check.wrong() - left;
}

void RibThread::audit_if_due()
{
	std::vector<uint64_t> tickets;
	{
		const std::lock_guard<std::mutex> guard(requests_lock_);
		if (asked_tables_ != tables_)
			return; /* whoever asked for them means those tables: they are followed first */
		tickets.swap(audits_);
		if (tickets.empty() && audit_seconds_ != 0 && now() - audited_at_ >= audit_seconds_ * second)
			tickets.push_back(0);
	}
	if (tickets.empty())
		return;
	AuditReport report;
	const uint64_t begin = now();
	report.started_ms = since_epoch_ms();
	compare_with_kernel(report);
	compare_with_compiled(report);
	audited_at_ = now();
	report.ns = audited_at_ - begin;
	work([&](Rib &rib) {
		rib.statistics.audits++;
		rib.statistics.divergences += report.divergences;
		rib.statistics.repaired += report.repaired;
	});
	{
		const std::lock_guard<std::mutex> guard(requests_lock_);
		for (const uint64_t ticket : tickets)
			audited_.emplace_back(ticket, report);
	}
	on_event_();
}

void RibThread::ask_audit(uint64_t ticket)
{
	{
		const std::lock_guard<std::mutex> guard(requests_lock_);
		audits_.push_back(ticket);
	}
	wake();
}

std::vector<std::pair<uint64_t, AuditReport>> RibThread::take_audits()
{
	const std::lock_guard<std::mutex> guard(requests_lock_);
	return std::exchange(audited_, {});
}

void RibThread::set_audit_seconds(uint32_t seconds)
{
	{
		const std::lock_guard<std::mutex> guard(requests_lock_);
		audit_seconds_ = seconds;
	}
	wake();
}

void RibThread::set_tables(const std::vector<uint32_t> &tables)
{
	{
		const std::lock_guard<std::mutex> guard(requests_lock_);
		asked_tables_ = tables;
	}
	wake();
}

void RibThread::set_compiled(std::shared_ptr<const CompiledFib> fib)
{
	const std::lock_guard<std::mutex> guard(requests_lock_);
	compiled_ = std::move(fib);
}

} // namespace mill
