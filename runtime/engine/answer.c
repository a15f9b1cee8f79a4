/*
 * Answers to rejected packets: a TCP reset in the destination's name, or an ICMP error in the router's (icmp.c). They
 * go by the FIB to the packet's source, at most 1,000 a second a worker, from a bucket of their own: who floods a
 * rejecting rule takes nothing from path MTU discovery. Everything runs on its worker.
 */
#include "answer.h"
#include "engine.h"
#include "netmill/packet.h"
#include "netmill/parse.h"

static void reset(struct mill_worker *worker, const struct mill_packet *about)
{
	uint8_t out[MILL_LINK + MILL_RESET_LARGEST] = {0};
	const struct mill_adjacency *path = mill_icmp_way_back(worker, about);
	if (path == NULL || path->iface >= MILL_MAX_IFACES)
		return;
	mill_store16(out + MILL_LINK - 2, about->family == 4 ? MILL_ETHER_IPV4 : MILL_ETHER_IPV6);
	const uint32_t length = mill_reset_write(out + MILL_LINK, about);
	(void)mill_icmp_send(worker, path, out, MILL_LINK + length, about->family);
}

void mill_service_answer(struct mill_worker *base, uint16_t iface, uint8_t how, const uint8_t *frame,
                         uint16_t len, uint16_t l3)
{
	struct mill_worker_thread *worker = (struct mill_worker_thread *)base;
	struct mill_icmp_error error = {0};
	struct mill_packet about;
	const enum mill_answer_kind kind =
	    mill_answer_kind_of(base->fib, &about, &error, how, frame, len, l3);
	if (kind == MILL_ANSWER_NOTHING || !mill_icmp_conforms(worker, &worker->answer_credit))
		return;
	if (kind == MILL_ANSWER_RESET)
		reset(base, &about);
	else
		mill_icmp_tell(worker, iface, &about, &error);
}
