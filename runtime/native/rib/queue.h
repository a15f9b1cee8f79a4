/*
 * The producer's end of runtime/shm/fib_queue.h. The RIB's thread alone writes; the engine's FIB thread consumes.
 * `commit` publishes what was pushed as one batch; what was pushed and not committed leaves no trace.
 */
#pragma once
#include <cstdint>
#include "fd.h"
#include "shm.h"

namespace mill
{

/* Records: more than one change with all its legs can take. */
constexpr uint64_t needed_room = 2048;

class FibQueue
{
      public:
	/* Takes the descriptors of queue, wake and done. Throws Failure. */
	FibQueue(Fd memory, Fd wake, Fd done);
	/* Records that can be pushed and still be committed. */
	uint64_t room() const;
	mill_fib_record &push(mill_fib_op op);
	/* Nothing happens when nothing was pushed. */
	void commit();
	uint64_t position() const
	{
		return position_;
	}
	uint64_t applied() const;
	/* The engine found no room for something since the last replay. */
	bool behind() const;
	int done_fd() const
	{
		return done_.get();
	}

      private:
	mill_fib_queue &queue() const
	{
		return *mapping_.as<mill_fib_queue>();
	}
	Fd wake_, done_;
	Mapping mapping_;
	uint64_t position_ = 0, batch_ = 0;
};

} // namespace mill
