/*
 * Three network namespaces for tests of ports: A and B are neighbours, R the router, where the test itself and its engine
 * run. Their names have the test's pid; they are gone when the program ends, whatever became of it.
 */
#pragma once
#include <stdbool.h>
#include "lib/engine_test.h"

extern char space_a[32], space_b[32], space_r[32];

/* Runs `tests` in R, in a child process. Exit code for main; says why when it has to be skipped. */
int spaces_run(const char *needed_program, int (*tests)(void));
/* Exit code of a shell command. */
int shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* This process moves to a namespace. */
void enter(const char *space);
/* Sends echo requests, 2 ms apart; each must be answered. */
void expect_ping(const char *space, const char *address, int count, const char *options);
