/*
 * How the source of a rejected packet is told, as bytes: pure functions, of the engine's answer.c and of the self-test,
 * which compares them with the evaluator's.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "icmp_message.h"

struct mill_fib;    /* netmill/fib.h */
struct mill_packet; /* netmill/packet.h */

enum mill_answer_kind { MILL_ANSWER_NOTHING, MILL_ANSWER_RESET, MILL_ANSWER_ICMP };

#define MILL_RESET_LARGEST 60u /* IPv6 and TCP header */

/* Reads the packet of the frame into `about`. `how`: enum mill_answer_how; `error` is set for MILL_ANSWER_ICMP. */
enum mill_answer_kind mill_answer_kind_of(const struct mill_fib *, struct mill_packet *about,
                                          struct mill_icmp_error *error, uint8_t how, const uint8_t *frame,
                                          uint16_t len, uint16_t l3);
/* The IP packet that resets the connection of the segment `about`. Returns its length. */
uint32_t mill_reset_write(uint8_t *out, const struct mill_packet *about);
