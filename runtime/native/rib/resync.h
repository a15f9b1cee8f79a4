/*
 * A dump of all routes taken over, while events go on. Events are taken at once, so that what is withdrawn or lost is
 * not waited for; but a message of the dump may be older than an event that was taken before it. So of a prefix that an
 * event has touched, what the dump says is kept apart, and in the end the events are taken once more:
 *
 *   event                ─► remembered, and taken; its prefix is touched: what the dump told of it so far is kept
 *   message of the dump  ─► taken; of a touched prefix: put aside
 *   end: touched prefixes are made as the dump has them, what it did not confirm goes, the remembered events follow
 *
 * Events that are older than the dump do no harm: taken in their order, all of them end where the kernel ended. That
 * needs care with the order within a metric. What is added again moves to where it was added then. What takes another's place takes that
 * of the one that it took when the event came; if that is gone, of the first, unless it is there itself, and the dump so
 * newer. That may be wrong where the RIB had missed something, so a dump is to verify.
 * The engine is told as the dump goes on, of what events changed first, and of nothing during the end.
 *
 * The owner's lock covers everything here; it may be let go between calls, but for flushing not during the end.
 */
#pragma once
#include <cstddef>
#include <deque>
#include <unordered_map>
#include <vector>
#include "rib/compare.h"

namespace mill
{

/* Netlink messages, one after the other. */
class MessageLog
{
      public:
	void add(const nlmsghdr *message);
	/* Calls `take` for at most `most` of them; false when none is left. */
	template <typename Take> bool replay(size_t most, Take take)
	{
		for (; most > 0 && at_ < bytes_.size(); most--) {
			const auto *message = reinterpret_cast<const nlmsghdr *>(bytes_.data() + at_);
			at_ += NLMSG_ALIGN(message->nlmsg_len);
			take(message);
		}
		return at_ < bytes_.size();
	}
	void clear();
	size_t bytes() const
	{
		return bytes_.size();
	}

      private:
	std::vector<char> bytes_;
	size_t at_ = 0;
};

class Resync
{
      public:
	explicit Resync(Rib &rib);
	~Resync();
	Resync(const Resync &) = delete;
	Resync &operator=(const Resync &) = delete;

	/* A dump begins, perhaps anew. */
	void begin();
	void event(const nlmsghdr *message);
	void dumped(const nlmsghdr *message);
	/* No more events can be remembered: the rest is to wait in the socket. */
	bool full() const;
	/* Events that may be older than the dump's end were not read: a dump is to verify. */
	void unfinished();
	/* The dump is complete. */
	void sweep();
	/* Takes some of the remembered events once more; true when it has taken all. */
	bool catch_up();

      private:
	void touch(const Prefix &prefix);
	void forget_told();
	void restore(const Prefix &prefix, const std::vector<Candidate> &told);

	Rib &rib_;
	/* The route of the class that a remembered event takes the place of, as the RIB has it; path null: none. False:
	 * the event replaces nothing. */
	bool replaces(const nlmsghdr *message, Candidate &first);

	MessageLog events_, aside_;
	std::deque<Candidate>
	    replaced_; /* by the remembered events, in their order, each with a reference to its path */
	/* → what the dump told of it before the first event, each with a reference to its path */
	std::unordered_map<Prefix, std::vector<Candidate>, PrefixHash> touched_;
};

} // namespace mill
