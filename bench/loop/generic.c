/*
 * netmill's forwarder without a policy in it: the headers, steps and bursts of generated C, and everything that is said
 * by a policy read from tables while packets pass. What a router is that is built once for all policies.
 */
#define MILL_URPF  1
#define MILL_MARKS 1
#include "netmill/forward.h"
#include "policy.h"

static struct policy policy;

/* Called by bench/loop/main.c before anything is received. */
void bench_policy(const char *path);

void bench_policy(const char *path)
{
	policy_read(&policy, path);
}

static bool judge(struct mill_worker *w, struct mill_packet *p, const struct policy_list *list)
{
	if (!w->acl_enabled)
		return true;
	if (mill_unreadable(p))
		return mill_drop(w, p, MILL_DROP_L4_HEADER);
	const struct mill_row4 *row = p->family == 4 ? mill_scan4(list->row, list->n, p) : NULL;
	return mill_act_treated(w, p, &list->action[row == NULL ? 0 : row->action], NULL);
}

static bool accept(struct mill_worker *w, struct mill_packet *p, uint16_t local)
{
	const struct policy_iface *iface = &policy.iface[local];
	if (!mill_enter_tagged(w, p, mill_face_urpf(w, local, (enum mill_urpf)iface->urpf)))
		return false;
	return iface->list < 0 || judge(w, p, &policy.list[iface->list]);
}

static bool classify(struct mill_worker *w, struct mill_packet *p, uint16_t port)
{
	uint16_t first = 0;
	while (policy.iface[first].port != port)
		first++;
	if (!mill_read_ethernet(p, policy.depth[port]))
		return mill_reject(w, p, first, MILL_DROP_TRUNCATED_FRAME);
	for (uint16_t i = first; i < policy.n_ifaces && policy.iface[i].port == port; i++)
		if (policy.iface[i].tags == p->tags)
			return accept(w, p, i);
	return mill_reject(w, p, first, MILL_DROP_UNKNOWN_VLAN);
}

static void receive_port(struct mill_worker *w, struct netmap_ring *rx, uint16_t port)
{
	const struct mill_adjacency *path;
	struct mill_kept kept;
	struct mill_packet *p;
	struct mill_burst burst = mill_burst_begin(w, rx, &kept);

	while ((p = mill_burst_next(&burst)) != NULL)
		if (classify(w, p, port))
			mill_burst_keep(w, &burst, p);
	mill_burst_lookup(w, &burst);
	while ((p = mill_burst_route(w, &burst, &path)) != NULL) {
		if (mill_is_local(path))
			mill_deliver_routed(w, &burst, p);
		else
			mill_forward(w, &burst, p, path, mill_gateway_path(w, p, p->gateway));
	}
	mill_burst_end(&burst);
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
