/*
 * The layouts of runtime/shm and the forwarder's contract, for C++: they are C11 and say _Alignas and
 * _Static_assert. Included first by whoever needs them, so that the C headers keep their include guards.
 */
#pragma once
#include <cstddef>
#include <cstdint>

#ifndef _Alignas
#define _Alignas alignas
#endif
#ifndef _Alignof
#define _Alignof alignof
#endif
#ifndef _Static_assert
#define _Static_assert static_assert
#endif

extern "C" {
#include "shm/config.h"
#include "shm/engine_control.h"
#include "shm/fib_queue.h"
#include "shm/fib_use.h"
#include "shm/limits.h"
#include "shm/state.h"
}
