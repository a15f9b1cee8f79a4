/*
 * VALE switches of the kernel's netmap: which ports are where, and changing that, by NIOCCTRL. netmill-vale is the program
 * around it. One thread.
 */
#pragma once
#include <stdio.h>
#include "port/port.h"

/*
 * One order, and its answer as JSON, a line on `out`. As sysexits(3): EX_OK, or the error says why:
 * EX_USAGE, EX_NOPERM, EX_UNAVAILABLE.
 *
 *   list [SWITCH]                  ports, of all switches or of one
 *   info NAME                      rings and memory of whatever netmap can open
 *   attach SWITCH:IF nic|host CONFIG
 *   detach SWITCH:IF
 *   new IF CONFIG                  a persistent VALE port
 *   delete IF
 *   poll SWITCH:IF one|each FIRST COUNT
 *   rest SWITCH:IF                 no longer polled
 *
 * CONFIG: TX slots, RX slots, TX rings, RX rings, memory, between commas; 0 is netmap's own choice.
 */
int vale_order(int n, char *const words[], FILE *out, struct mill_error *);
