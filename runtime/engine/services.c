/*
 * What a forwarder calls back for: punt and log. (defer.c, fragment.c, icmp.c, answer.c, police.c and copies.c have the others.) Each runs on the calling
 * worker's thread, copies what it keeps, and never waits.
 */
#include <string.h>
#include "engine.h"

static bool punt(struct mill_worker *base, uint16_t iface, enum mill_punt_class class, const uint8_t *frame,
                 uint16_t len, uint16_t l3)
{
	struct mill_worker_thread *worker = (struct mill_worker_thread *)base;
	if ((unsigned)class >= MILL_PUNT_CLASSES || iface >= MILL_MAX_IFACES || len > MILL_BUF_SIZE_LARGE)
		return false;
	if (mill_own_wants(base, iface, frame, len, l3)) {
		mill_own_receive(base, iface, class, frame, len, l3);
		return true;
	}
	struct mill_host_ring *ring = worker->punt[class];
	const uint32_t head = ring->head;
	if (head - __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) >= MILL_HOST_SLOTS)
		return false;
	struct mill_host_frame *slot = &ring->frame[head % MILL_HOST_SLOTS];
	slot->iface = iface;
	slot->len = len;
	slot->l3 = l3;
	slot->punt_class = (uint8_t) class;
	memcpy(slot->data, frame, len);
	__atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
	worker->punted = true;
	return true;
}

/* Token bucket of one rule on this worker, one second deep. It lives in the state, so it goes on across deploys. */
static bool may_log(struct mill_log_bucket *bucket, uint32_t per_second, uint64_t now)
{
	const uint64_t passed = now - bucket->refilled_ns;
	if (bucket->refilled_ns == 0 || passed >= MILL_NS_PER_S) {
		bucket->tokens = per_second;
		bucket->refilled_ns = now;
	} else {
		const uint64_t tokens = passed * per_second / MILL_NS_PER_S;
		if (tokens > 0) {
			bucket->tokens = bucket->tokens + tokens > per_second
			                     ? per_second
			                     : bucket->tokens + (uint32_t)tokens;
			bucket->refilled_ns += tokens * MILL_NS_PER_S / per_second;
		}
	}
	if (bucket->tokens == 0) {
		bucket->suppressed++;
		return false;
	}
	bucket->tokens--;
	return true;
}

void mill_service_log(struct mill_worker *base, uint32_t rule_slot, uint32_t per_second, uint16_t iface,
                      const uint8_t *frame, uint16_t len, uint16_t l3)
{
	struct mill_worker_thread *worker = (struct mill_worker_thread *)base;
	if (rule_slot >= MILL_MAX_RULES)
		return;
	if (may_log(&worker->state->log[rule_slot], per_second, base->now_ns))
		mill_write_event(worker, rule_slot, iface, frame, len, l3);
}

void mill_write_event(struct mill_worker_thread *worker, uint32_t rule_slot, uint16_t iface,
                      const uint8_t *frame, uint16_t len, uint16_t l3)
{
	struct mill_log_bucket *bucket = &worker->state->log[rule_slot];
	struct mill_event_ring *ring = &worker->state->events;
	const uint64_t head = ring->head;
	if (head - __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) >= MILL_EVENTS) {
		ring->lost++;
		bucket->suppressed++;
		return;
	}
	struct mill_event *event = &ring->event[head % MILL_EVENTS];
	event->time_ns = worker->base.now_ns;
	event->rule = rule_slot;
	event->iface = iface;
	event->frame_len = len;
	event->suppressed = bucket->suppressed;
	event->captured = (uint8_t)(len < sizeof(event->frame) ? len : sizeof(event->frame));
	event->l3 = (uint8_t)l3;
	memcpy(event->frame, frame, event->captured);
	bucket->suppressed = 0;
	__atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
	worker->logged = true;
}

const struct mill_services mill_services = {
    .punt = punt,
    .defer = mill_service_defer,
    .fragment = mill_service_fragment,
    .icmp_error = mill_service_icmp_error,
    .answer = mill_service_answer,
    .police = mill_service_police,
    .mirror = mill_service_mirror,
    .sample = mill_service_sample,
    .log = mill_service_log,
};
