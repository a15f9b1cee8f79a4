/* CLOCK_MONOTONIC in nanoseconds. Any thread. */
#pragma once
#include <cstdint>
#include <ctime>

namespace mill
{

constexpr uint64_t ms = 1000000;
constexpr uint64_t second = 1000 * ms;

inline uint64_t now()
{
	timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return static_cast<uint64_t>(time.tv_sec) * second + static_cast<uint64_t>(time.tv_nsec);
}

} // namespace mill
