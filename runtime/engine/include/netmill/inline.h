/*
 * What of a forwarder is inlined. A policy of several ports has a loop for each, and the compiler inlines what is called
 * once; left to itself it makes functions of the steps that every packet takes, and moves what few packets need in
 * between. Forced the other way round a packet takes a seventh less time; compiling takes as long
 * for two ports, and up to a quarter longer for many interfaces.
 */
#pragma once

/* On the way of a packet that is simply forwarded: a part of every loop. */
#define MILL_HOT static inline __attribute__((always_inline))

#define mill_likely(x)   __builtin_expect(!!(x), 1)
#define mill_unlikely(x) __builtin_expect(!!(x), 0)

/* Beside it: refused, punted, deferred, answered. */
#define MILL_COLD static __attribute__((noinline, cold, unused))
