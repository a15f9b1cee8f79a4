/* Threads as this system knows them: names, processors, clocks. Any thread. */
#pragma once
#include <pthread.h>
#include <stdint.h>

/* The calling thread's name, for people: at most 15 characters. */
void mill_thread_name(const char *);
/* The calling thread's number, for people. */
uint32_t mill_thread_number(void);
/* Only this processor from now on; below 0: all. 0, or an errno. */
int mill_thread_pin(pthread_t, int processor);
/* A thread to be made will run on this processor alone. */
void mill_thread_attr_pin(pthread_attr_t *, uint32_t processor);
/* How many processors this process may run on; the first and the last of them are in `ends`. */
uint32_t mill_processors(uint32_t ends[2]);
/* What is to be subtracted from this process's CLOCK_MONOTONIC, in ns, to have that of the kernel; modulo 2^64. */
uint64_t mill_clock_shift(void);
