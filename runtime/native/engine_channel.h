/*
 * The conversation with one engine (runtime/shm/engine_control.h) below JavaScript: the SEQPACKET socket, a
 * thread that reads it, the duplicates of the engine's descriptors, and what was received but not yet handled.
 * `send` may be called by any thread; everything received is put in a queue, and `on_arrival` is called by the
 * reader to say so. The table of held descriptors has a lock of its own.
 */
#pragma once
#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>
#include "fd.h"
#include "shm.h"

namespace mill
{

struct HoldKey {
	uint16_t kind, slot, index;
	bool operator<(const HoldKey &other) const
	{
		return std::tie(kind, slot, index) < std::tie(other.kind, other.slot, other.index);
	}
};

struct Held {
	Fd fd;
	uint64_t value;
};

using Holds = std::vector<std::pair<mill_hold, Fd>>;

/* Descriptors that the engine lent us. */
class HoldTable
{
      public:
	void put(const mill_hold &hold, Fd fd);
	void remove(const mill_hold &hold);
	/* A duplicate of the descriptor; empty when there is none. `value` may be null. */
	Fd duplicate(uint16_t kind, uint16_t slot, uint16_t index, uint64_t *value) const;
	/* Duplicates of all, with the keys that ADOPT needs. */
	Holds duplicate_all() const;
	void clear();

      private:
	mutable std::mutex lock_;
	std::map<HoldKey, Held> held_;
};

class EngineChannel
{
      public:
	/* Connects. Throws Failure. */
	explicit EngineChannel(const std::string &path);
	~EngineChannel();
	EngineChannel(const EngineChannel &) = delete;
	EngineChannel &operator=(const EngineChannel &) = delete;

	/* Starts the reader. `on_arrival` is called on its thread, after something was queued. */
	void start(std::function<void()> on_arrival);
	/* Ends the reader and closes the socket; held descriptors stay until the object goes. */
	void stop();
	/* Sends a request and returns its serial. Throws Failure. */
	uint32_t send(uint16_t type, const void *payload, size_t length, const std::vector<int> &fds);
	/* What came since the last call; `closed` when the engine is gone (after the last message). */
	std::deque<mill_msg> take(bool &closed);

	HoldTable &held()
	{
		return held_;
	}

      private:
	void read_all();
	bool read_one();
	void accept(const mill_msg &message, std::vector<Fd> &fds);

	Fd socket_, wake_;
	HoldTable held_;
	std::thread reader_;
	std::function<void()> on_arrival_;
	std::atomic<bool> stopping_{false};
	std::mutex lock_; /* of the three below */
	std::deque<mill_msg> arrived_;
	bool closed_ = false;
	uint32_t serial_ = 0;
};

} // namespace mill
