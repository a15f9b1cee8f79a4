/*
 * The thread that keeps the RIB: reads netlink, resyncs, feeds the engine, asks for neighbours. One lock covers the
 * Rib; the thread holds it for one round of datagrams or one part of a dump at a time, and JavaScript's calls take
 * it in between (`waiting_` makes the thread give way).
 */
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include "fd.h"
#include "link_alarms.h"
#include "netlink_socket.h"
#include "rib/compare.h"
#include "rib/compiled.h"
#include "rib/rib.h"

namespace mill
{

class Resync;

struct RibOptions {
	int receive_buffer;
	uint32_t arp_max_tries;
	uint32_t audit_seconds;       /* between two audits, 0: none by itself */
	std::vector<uint32_t> tables; /* of the kernel, in the order in which they are asked */
};

class RibThread
{
      public:
	explicit RibThread(const RibOptions &options);
	~RibThread();
	RibThread(const RibThread &) = delete;
	RibThread &operator=(const RibThread &) = delete;

	/* Subscribes and reads links and addresses before it returns; the rest follows. Throws Failure.
	 * `on_event` is called on the thread: links changed, or a wait is over. */
	void start(std::function<void()> on_event);
	void stop();

	/* The table, locked. Wake the thread afterwards when it has to act. */
	template <typename Body> auto locked(Body body)
	{
		waiting_++;
		const std::unique_lock<std::mutex> guard(lock_);
		waiting_--;
		return body(rib_);
	}
	void wake();
	void resolve(const NeighbourKey &neighbour);

	/* Tickets that `on_event` hands back when they are done: everything known so far is applied; the same after
	 * a fresh dump. */
	void ask_settled(uint64_t ticket);
	void ask_recouple(uint64_t ticket);
	std::vector<uint64_t> take_done();
	/* An audit from now on (rib_audit.cc); its report is handed back with the ticket. Those that the period asks
	 * for have ticket 0. */
	void ask_audit(uint64_t ticket);
	std::vector<std::pair<uint64_t, AuditReport>> take_audits();
	void set_audit_seconds(uint32_t seconds);
	void set_tables(const std::vector<uint32_t> &tables);
	/* What the engine's FIB can be read from; null for no engine. */
	void set_compiled(std::shared_ptr<const CompiledFib> fib);
	/* Gateways on own links that the engine is to ask for. */
	std::vector<NeighbourKey> take_own_wanted();
	bool take_links_changed()
	{
		return links_changed_.exchange(false);
	}

      private:
	enum class Stage : uint8_t { Queued, Flushed, Applied };
	struct Wait {
		uint64_t ticket;
		Stage stage;
		uint64_t position;
	};

	void run();
	void wait_for_work();
	void read_events();
	bool storm();
	void heed_alarms();
	void discard_events();
	void resync();
	bool dump_routes_into(Resync &resync);
	void resync_routes();
	bool follow_meanwhile(Resync &resync);
	void read_what_waits(Resync &resync);
	using Take = std::function<void(Rib &, const nlmsghdr *)>;
	bool dump(uint16_t type, uint8_t family, uint32_t table, const Take &take,
	          const std::function<void()> &between);
	bool dump_routes(uint8_t family, const Take &take, const std::function<void()> &between);
	void dump_and_sweep(uint16_t type, uint8_t family, void (Rib::*sweep)());
	void dump_links();
	void dump_nexthops();
	void dump_netconf();
	void dump_rules();
	void follow_tables();
	bool verify_due() const;
	/* rib_audit.cc */
	bool breathe();
	void check_others(uint16_t type, void (Rib::*sweep)());
	bool compare_with_kernel(AuditReport &report);
	bool dump_into(Comparison &comparison, int family);
	bool read_all();
	bool compare_routes(Comparison &comparison);
	bool quiet();
	void compare_with_compiled(AuditReport &report);
	void verify();
	void audit_if_due();
	void flush();
	void replay_if_behind();
	void serve_requests();
	void serve_recouples();
	void advance_waits();
	void refresh_neighbours();
	void ask(const NeighbourKey &neighbour);
	void ask_kernel(const NeighbourKey &neighbour);
	/* The thread's turn with the table; it gives way to JavaScript first. */
	template <typename Body> auto work(Body body)
	{
		while (waiting_ > 0 && !stopping_)
			std::this_thread::yield();
		const std::unique_lock<std::mutex> guard(lock_);
		return body(rib_);
	}

	RibOptions options_;
	Rib rib_;
	std::mutex lock_; /* of rib_ */
	std::atomic<int> waiting_{0};
	std::unique_ptr<NetlinkSocket> events_, hints_;
	std::unique_ptr<LinkAlarms> alarms_;
	Fd wake_;
	std::thread thread_;
	std::atomic<bool> stopping_{false}, links_changed_{false};
	std::function<void()> on_event_;

	std::mutex requests_lock_; /* of those below, up to the next empty line */
	std::deque<Wait> asked_;
	std::vector<uint64_t> recouples_, done_, audits_;
	std::vector<std::pair<uint64_t, AuditReport>> audited_;
	std::shared_ptr<const CompiledFib> compiled_;
	uint32_t audit_seconds_;
	std::vector<uint32_t> asked_tables_;
	std::vector<NeighbourKey> wanted_, own_wanted_;

	/* the thread's own */
	std::vector<uint32_t> tables_;
	std::deque<Wait> waits_;
	std::map<NeighbourKey, uint64_t> asked_at_;
	bool second_look_ = false, overrun_ = false, all_flushed_ = true, drained_ = false,
	     need_resync_ = true;
	uint64_t verify_at_ = 0, refreshed_at_ = 0, flushed_at_ = 0, dump_ns_ = 0, last_dump_ = 0,
	         audited_at_ = 0;
	uint64_t replay_at_ = 0, replay_pause_ = 1000000000; /* for an engine that had no room, ns */
};

} // namespace mill
