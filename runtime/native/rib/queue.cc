/* Batches into the shared ring: plain stores of records, then one release store of `committed`. */
#include "rib/queue.h"
#include <cstring>

namespace mill
{

FibQueue::FibQueue(Fd memory, Fd wake, Fd done) : wake_(std::move(wake)), done_(std::move(done))
{
	mapping_ = map_shared(memory.get(), sizeof(mill_fib_queue), true, "FIB queue");
	position_ = __atomic_load_n(&queue().committed, __ATOMIC_ACQUIRE);
	batch_ = __atomic_load_n(&queue().batches, __ATOMIC_RELAXED);
}

uint64_t FibQueue::applied() const
{
	return __atomic_load_n(&queue().applied, __ATOMIC_ACQUIRE);
}

bool FibQueue::behind() const
{
	return __atomic_load_n(&queue().behind, __ATOMIC_RELAXED) != 0;
}

uint64_t FibQueue::room() const
{
	const uint64_t used = position_ - applied();
	return used >= MILL_FIB_RECORDS - 1 ? 0 : MILL_FIB_RECORDS - 1 - used;
}

mill_fib_record &FibQueue::push(mill_fib_op op)
{
	mill_fib_record &record = queue().record[position_++ % MILL_FIB_RECORDS];
	memset(&record, 0, sizeof record);
	record.op = static_cast<uint8_t>(op);
	return record;
}

void FibQueue::commit()
{
	if (position_ == __atomic_load_n(&queue().committed, __ATOMIC_RELAXED))
		return;
	push(MILL_FIB_COMMIT).value = ++batch_;
	__atomic_store_n(&queue().committed, position_, __ATOMIC_RELEASE);
	raise_event(wake_.get());
}

} // namespace mill
