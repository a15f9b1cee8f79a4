/* A forwarder as the templates make it, for a policy of four untagged ports without rules: all routing, nothing else. */
#include "netmill/forward.h"

static void receive_on(struct mill_worker *w, struct netmap_ring *rx, uint16_t local)
{
	const struct mill_adjacency *path;
	struct mill_kept kept;
	struct mill_packet *p;
	struct mill_burst burst = mill_burst_begin(w, rx, &kept);
	const struct mill_face face = mill_face(w, local);

	while ((p = mill_burst_next(&burst)) != NULL)
		if (mill_enter(w, p, face))
			mill_burst_keep(w, &burst, p);
	mill_burst_lookup(w, &burst);
	while ((p = mill_burst_route(w, &burst, &path)) != NULL)
		mill_send(w, &burst, p, path, false);
	mill_burst_received(w, &burst, face);
	mill_burst_end(&burst);
}

static void receive_0(struct mill_worker *w, struct netmap_ring *rx)
{
	receive_on(w, rx, 0);
}

static void receive_1(struct mill_worker *w, struct netmap_ring *rx)
{
	receive_on(w, rx, 1);
}

static void receive_2(struct mill_worker *w, struct netmap_ring *rx)
{
	receive_on(w, rx, 2);
}

static void receive_3(struct mill_worker *w, struct netmap_ring *rx)
{
	receive_on(w, rx, 3);
}

static void (*const receive[])(struct mill_worker *, struct netmap_ring *) = {receive_0, receive_1, receive_2,
                                                                              receive_3};

const struct mill_forwarder mill_forwarder = {
    .abi = MILL_ABI_VERSION,
    .layout = MILL_LAYOUT,
    .n_ports = 4,
    .n_ifaces = 4,
    .n_rules = 4,
    .receive = receive,
};
