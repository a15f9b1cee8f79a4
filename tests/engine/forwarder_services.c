/*
 * A forwarder that sends everything through the engine's services, for IPv4 on two ports: the FIB says the path of
 * the destination; the first byte behind the header says what to do with it.
 *   'm' copy to port b   'n' sample of rule 1, all   'r' rejected   's' limit of rule 1: 1,000 a second, ten at once
 *   'f' fragment (whole if it fits)   'd' defer   'i' "too big" to the source   'l' log on rule 0, five a second   'p' punt   'a' count on rule 1 if ACLs are on
 */
#include "netmill/fib.h"
#include "netmill/forwarder.h"

static const struct mill_adjacency *path_of(const struct mill_worker *worker, const uint8_t *packet)
{
	const uint32_t destination =
	    (uint32_t)packet[16] << 24 | (uint32_t)packet[17] << 16 | (uint32_t)packet[18] << 8 | packet[19];
	uint32_t group;
	mill_fib_lookup4(worker->fib, &destination, &group, 1);
	return mill_fib_select(worker->fib, group, 0);
}

static void one(struct mill_worker *worker, uint16_t iface, const uint8_t *frame, uint16_t len)
{
	const struct mill_services *services = worker->services;
	const uint8_t *packet = frame + 14;
	const struct mill_adjacency *path = path_of(worker, packet);
	struct mill_iface_counters *counters = &worker->if_counters[iface];
	const uint32_t header = (packet[0] & 15u) * 4;
	switch (packet[header]) {
	case 'f':
		if (!services->fragment(worker, path->id, frame, len, 14))
			counters->drop[MILL_DROP_TOO_BIG]++;
		break;
	case 'd':
		if (!services->defer(worker, path->id, packet + 16, frame, len, 14))
			counters->drop[MILL_DROP_UNRESOLVED]++;
		break;
	case 'i':
		services->icmp_error(worker, iface, 3, 4, 600, frame, len, 14);
		break;
	case 'm':
		counters->drop[MILL_DROP_MIRROR_FULL] +=
		    !services->mirror(worker, worker->bind->port[1], 1, frame, len);
		break;
	case 'n':
		services->sample(worker, worker->bind->rule[1], 1, iface, frame, len, 14);
		break;
	case 'r':
		services->answer(worker, iface, 0, frame, len, 14);
		break;
	case 's':
		counters->drop[MILL_DROP_POLICED] +=
		    !services->police(worker, worker->bind->rule[1], 64000000ull << 20, 640000000, 1);
		break;
	case 'l':
		services->log(worker, worker->bind->rule[0], 5, iface, frame, len, 14);
		break;
	case 'p':
		if (!services->punt(worker, iface, MILL_PUNT_LOCAL, frame, len, 14))
			counters->drop[MILL_DROP_PUNT_FULL]++;
		break;
	case 'a':
		worker->rule_counters[worker->bind->rule[1]].packets += worker->acl_enabled;
		break;
	}
}

static void receive_any(struct mill_worker *worker, struct netmap_ring *rx, uint32_t local)
{
	uint32_t n = mill_ring_space(rx), cur = rx->cur;
	n = n < MILL_BURST ? n : MILL_BURST;
	for (uint32_t i = 0; i < n; i++, cur = mill_ring_next(rx, cur)) {
		one(worker, worker->bind->iface[local], mill_ring_buffer(rx, &rx->slot[cur]),
		    rx->slot[cur].len);
		/* Last: the test waits for it. */
		__atomic_fetch_add(&worker->if_counters[worker->bind->iface[local]].rx.packets, 1,
		                   __ATOMIC_RELEASE);
	}
	rx->head = rx->cur = cur;
}

static void receive_0(struct mill_worker *worker, struct netmap_ring *rx)
{
	receive_any(worker, rx, 0);
}

static void receive_1(struct mill_worker *worker, struct netmap_ring *rx)
{
	receive_any(worker, rx, 1);
}

static void (*const receive[])(struct mill_worker *, struct netmap_ring *) = {receive_0, receive_1};

const struct mill_forwarder mill_forwarder = {
    .abi = MILL_ABI_VERSION,
    .layout = MILL_LAYOUT,
    .n_ports = 2,
    .n_ifaces = 2,
    .n_rules = 2,
    .receive = receive,
};
