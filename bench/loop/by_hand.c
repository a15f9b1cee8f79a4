/*
 * A router's loop as one would write it for this bench alone: all that netmill asks of an IPv4 packet and counts of
 * it, in two passes over a burst, without a packet's state being kept anywhere but in arrays of the pass. It knows no
 * IPv6 and answers nothing: what is not in order, or not to be forwarded, is counted as dropped.
 *
 * Compiled with -DCONSTANT the policy is known (one untagged interface a port, no list, addresses as the bench gives
 * them), and all counters of a burst are written once: that is the limit. Without it the same loop reads a policy as
 * bench/loop/policy.h has it.
 */
#include "netmill/forward.h"
#include "policy.h"

#ifdef CONSTANT
static const struct policy policy = {
    .n_ports = 2,
    .n_ifaces = 2,
    .iface = {{.port = 0, .list = -1}, {.port = 1, .list = -1}},
};
#define STATION(w, slot) 0x000100000002ull /* 02:00:00:00:01:00 */
#define MTU(w, slot)     1500u
#define OUT_SLOT(way)    1u
#define OUT_PORT(way)    1u
#define IN_SLOT(w, at)   0u
#else
static struct policy policy;
#define STATION(w, slot) ((w)->ifaces[slot].mac)
#define MTU(w, slot)     ((w)->ifaces[slot].mtu)
#define OUT_SLOT(way)    ((way)->iface)
#define OUT_PORT(way)    ((way)->port)
#define IN_SLOT(w, at)   ((w)->bind->iface[at])
#endif

void bench_policy(const char *path);

void bench_policy(const char *path)
{
#ifdef CONSTANT
	(void)path;
#else
	policy_read(&policy, path);
#endif
}

#define AHEAD 8u

struct taken {
	struct netmap_slot *slot[MILL_BURST];
	uint8_t *ip[MILL_BURST];
	uint32_t dst[MILL_BURST], src[MILL_BURST], to[MILL_BURST];
	uint32_t len[MILL_BURST]; /* of the frame */
	uint16_t iface[MILL_BURST];
	uint32_t n;
};

static inline uint32_t word(const uint8_t *at)
{
	uint32_t value;
	memcpy(&value, at, 4);
	return value;
}

static inline void drop(struct mill_worker *w, uint16_t slot)
{
	w->if_counters[slot].drop[MILL_DROP_IP_HEADER]++;
}

/* RFC 1812 §5.2.2, §5.3.7, and the sum of the header. */
static inline bool in_order(const uint8_t *ip, uint32_t room)
{
	const uint32_t src = mill_load32(ip + 12), dst = mill_load32(ip + 16), total = mill_load16(ip + 2);
	return room >= 20 && ip[0] == 0x45 && total >= 20 && total <= room && mill_ipv4_checksum_ok(ip, 20) &&
	       src - 0x01000000u < 0xdf000000u && src >> 24 != 127 && dst - 0x01000000u < 0xdf000000u &&
	       dst >> 24 != 127;
}

static inline const struct policy_iface *find(uint16_t port, uint64_t tags, uint16_t *at)
{
	for (uint16_t i = 0; i < policy.n_ifaces; i++)
		if (policy.iface[i].port == port && policy.iface[i].tags == tags) {
			*at = i;
			return &policy.iface[i];
		}
	return NULL;
}

/* The network header behind up to `depth` tags; NULL: not IPv4. */
static inline uint8_t *network(uint8_t *frame, uint32_t depth, uint64_t *tags)
{
	uint8_t *l3 = frame + 14;
	uint16_t type = mill_load16(frame + 12);
	*tags = 0;
	for (uint32_t i = 0; i < depth && mill_is_tag(type); i++, l3 += 4) {
		*tags = MILL_TAGS(*tags, MILL_TAG(type, mill_load16(l3) & 0xfffu));
		type = mill_load16(l3 + 2);
	}
	return type == MILL_ETHER_IPV4 ? l3 : NULL;
}

static inline bool judge(struct mill_worker *w, const struct policy_list *list, const uint8_t *ip,
                         uint32_t len)
{
	const uint32_t src = mill_load32(ip + 12), dst = mill_load32(ip + 16);
	const uint32_t selector =
	    ip[9] == MILL_TCP || ip[9] == MILL_UDP ? mill_load16(ip + 22) : mill_load16(ip + 20);
	uint32_t found = 0;
	for (uint32_t i = 0; i < list->n; i++) {
		const struct mill_row4 *row = &list->row[i];
		if ((((src ^ row->src) & row->src_mask) | ((dst ^ row->dst) & row->dst_mask)) != 0 ||
		    ((ip[9] ^ row->proto) & row->proto_mask) != 0 ||
		    (row->selects && selector - row->from > (uint32_t)(row->to - row->from)))
			continue;
		found = row->action;
		break;
	}
	mill_count(&w->rule_counters[w->bind->rule[list->action[found].rule]], len);
	return list->action[found].verdict == MILL_ALLOW;
}

static inline void take(struct mill_worker *w, struct netmap_ring *rx, uint16_t port, struct taken *t)
{
	const uint32_t waiting = mill_ring_space(rx), n = waiting < MILL_BURST ? waiting : MILL_BURST;
	uint64_t tags;
	uint32_t at = rx->cur;
#ifdef CONSTANT
	uint64_t bytes = 0;
#endif
	t->n = 0;
	for (uint32_t i = 0; i < AHEAD && i < n; i++)
		__builtin_prefetch(mill_ring_buffer(rx, &rx->slot[(at + i) % rx->num_slots]), 1);
	for (uint32_t i = 0; i < n; i++, at = mill_ring_next(rx, at)) {
		struct netmap_slot *slot = &rx->slot[at];
		uint8_t *frame = mill_ring_buffer(rx, slot);
		const uint32_t ahead = at + AHEAD;
		uint16_t local = 0;
		if (i + AHEAD < n)
			__builtin_prefetch(
			    mill_ring_buffer(
			        rx, &rx->slot[ahead < rx->num_slots ? ahead : ahead - rx->num_slots]),
			    1);
		uint8_t *ip = network(frame, policy.depth[port], &tags);
		const struct policy_iface *iface = ip != NULL ? find(port, tags, &local) : NULL;
		const uint16_t slot_of = IN_SLOT(w, local);
		uint64_t station;
		memcpy(&station, frame, 8);
#ifdef CONSTANT
		bytes += slot->len;
#else
		mill_count(&w->if_counters[slot_of].rx, slot->len);
#endif
		if (iface == NULL || (station & 0xffffffffffffull) != STATION(w, slot_of) ||
		    !in_order(ip, slot->len - (uint32_t)(ip - frame)) ||
		    (iface->list >= 0 && w->acl_enabled &&
		     !judge(w, &policy.list[iface->list], ip, slot->len))) {
			drop(w, slot_of);
			continue;
		}
		t->slot[t->n] = slot;
		t->ip[t->n] = ip;
		t->iface[t->n] = slot_of;
		t->len[t->n] = slot->len;
		t->src[t->n] = mill_load32(ip + 12);
		t->dst[t->n++] = mill_load32(ip + 16);
	}
#ifdef CONSTANT
	w->if_counters[0].rx.packets += n;
	w->if_counters[0].rx.bytes += bytes;
#endif
	rx->head = rx->cur = at;
}

/* RFC 1812 §5.3.8 */
static inline bool is_own(const struct mill_fib *fib, uint32_t address)
{
	uint32_t group;
	if (mill_likely(!mill_fib_may_be_own4(fib, address)))
		return false;
	mill_fib_lookup4(fib, &address, &group, 1);
	return mill_fib_select(fib, group, 0)->kind == MILL_ADJ_LOCAL;
}

static inline void give(struct mill_worker *w, struct netmap_ring *rx, const struct taken *t)
{
	struct mill_counter *use = mill_fib_use(w->fib, w->number);
	uint64_t packets = 0, bytes = 0;
#ifdef CONSTANT
	struct netmap_ring *tx = w->tx[1];
	uint32_t head = tx->head;
	const uint32_t tail = tx->tail;
#endif
	for (uint32_t i = 0; i < t->n; i++) {
		uint8_t *ip = t->ip[i];
		const struct mill_adjacency *way = mill_fib_select(w->fib, t->to[i], 0);
		const uint32_t total = mill_load16(ip + 2);
		mill_count(&use[t->to[i]], t->len[i]);
#ifndef CONSTANT
		struct netmap_ring *tx = way->kind == MILL_ADJ_FORWARD ? w->tx[way->port] : w->tx[0];
		uint32_t head = tx->head;
		const uint32_t tail = tx->tail;
#endif
		if (way->kind != MILL_ADJ_FORWARD || ip[8] <= 1 || total > MTU(w, OUT_SLOT(way)) ||
		    head == tail || is_own(w->fib, t->src[i])) {
			drop(w, t->iface[i]);
			continue;
		}
		struct netmap_slot *to = &tx->slot[head], *from = t->slot[i];
#ifdef CONSTANT
		const uint32_t header = 12;
#else
		const uint32_t header = way->rewrite_len;
#endif
		const uint32_t offset =
		    mill_slot_offset(rx, from) + (uint32_t)(ip - 2 - header - mill_ring_buffer(rx, from));
		mill_slot_swap(to, from, (uint16_t)(header + 2 + total));
		to->ptr = offset;
		mill_ipv4_lower_ttl(ip);
#ifdef CONSTANT
		memcpy(ip - 14, way->rewrite, 12);
		packets++;
		bytes += to->len;
		head = mill_ring_next(tx, head);
#else
		mill_write_link(ip - 2 - header, way);
		mill_count(&w->if_counters[OUT_SLOT(way)].tx, to->len);
		tx->head = tx->cur = mill_ring_next(tx, head);
		w->tx_dirty |= 1ull << OUT_PORT(way);
#endif
	}
#ifdef CONSTANT
	tx->head = tx->cur = head;
	w->tx_dirty |= 2;
	w->if_counters[1].tx.packets += packets;
	w->if_counters[1].tx.bytes += bytes;
#else
	(void)packets, (void)bytes;
#endif
}

static inline void receive_port(struct mill_worker *w, struct netmap_ring *rx, uint16_t port)
{
	struct taken t;
	take(w, rx, port, &t);
	mill_fib_lookup4(w->fib, t.dst, t.to, t.n);
	give(w, rx, &t);
}

static void receive_first(struct mill_worker *w, struct netmap_ring *rx)
{
	receive_port(w, rx, 0);
}

static void receive_second(struct mill_worker *w, struct netmap_ring *rx)
{
	receive_port(w, rx, 1);
}

static void (*const receive[])(struct mill_worker *, struct netmap_ring *) = {receive_first, receive_second};

extern const struct mill_forwarder mill_forwarder;

const struct mill_forwarder mill_forwarder = {
    .abi = MILL_ABI_VERSION,
    .layout = MILL_LAYOUT,
    .n_ports = 2,
    .receive = receive,
};
