/*
 * Interfaces without a face in the kernel: here the engine stands for the router itself. It answers ARP and Neighbour
 * Discovery for the interface's addresses, resolves neighbours, replies to echo requests, and tells sources what became of
 * their packets. What the forwarder would hand to the kernel comes here (services.c), on the worker that received it.
 *
 *   own.c        who is asked what; timers
 *   addresses.c  the interface's addresses, from the running generation
 *   claims.c     addresses verified (RFC 4862 §5.4), announced and defended
 *   mld.c        the groups that Neighbour Discovery needs (RFC 3810)
 *   neighbours.c the table of neighbours and the states of its entries, in the state memfd
 *   arp.c nd.c   RFC 826 and RFC 4861 on the wire
 *   answers.c    echo replies and errors
 *   headers.c    extension headers of packets for the router itself
 *   options.c    packets with options, on their way through or for the router itself
 *
 * One lock covers addresses, neighbours and timers. Workers have it for a few microseconds a packet for the router itself,
 * never for one that is forwarded; the control thread to change them. Nobody waits while holding it.
 */
#pragma once
#include "engine.h"

/* All routers, and the solicited-node group of each address: RFC 4291 §2.8. */
#define MILL_OWN_GROUPS (MILL_MAX_ADDRESSES + 1)

#define MILL_OWN_ANNOUNCEMENTS 2 /* RFC 5227 §1.1, ANNOUNCE_NUM */
#define MILL_OWN_PROBES        1 /* RFC 4862 §5.1, DupAddrDetectTransmits */

enum mill_own_address_state {
	MILL_OWN_TENTATIVE, /* IPv6: nobody has been asked yet, or nobody has answered yet; not to be used */
	MILL_OWN_OURS,
	MILL_OWN_DUPLICATE /* somebody else has it */
};

struct mill_own_address {
	struct mill_address is;
	uint8_t state; /* enum mill_own_address_state */
	uint8_t left;  /* messages about it still to be sent in this state */
	uint64_t due_ns;
};

/* Groups that the interface listens to, and what is still to be said of them. RFC 3810; `left`: no longer listened to. */
struct mill_own_groups {
	uint8_t n, n_left, changes;
	uint8_t joined[MILL_OWN_GROUPS][16], left[MILL_OWN_GROUPS][16];
	uint64_t change_ns, answer_ns; /* 0: no answer is due */
	uint64_t first_version_ns;     /* so long a querier is served that speaks RFC 2710 */
};

struct mill_own_iface {
	bool used;
	uint8_t n_addresses;
	struct mill_own_address address[MILL_MAX_ADDRESSES];
	struct mill_own_groups groups;
	bool up;
	int members; /* socket that keeps the port's device receiving all groups; -1: it is no device, or receives them anyway */
	uint32_t members_of; /* ifindex */
	uint64_t defended_ns;
};

struct mill_own {
	struct mill_engine *engine;
	pthread_mutex_t lock;
	struct mill_own_iface iface[MILL_MAX_IFACES]; /* by slot */
	uint32_t tries;                               /* before a neighbour counts as gone */
	uint32_t n_incomplete;
	uint64_t random;
	_Atomic uint32_t n_ifaces;  /* used: 0 spares everybody the lock */
	_Atomic uint64_t looked_ns; /* at the timers */
};

/* --- addresses.c: lock held --- */
/* Addresses that were there before stay as they are; new ones are tentative (IPv6), or to be announced (IPv4). */
void mill_own_read_addresses(struct mill_own_iface *, const struct mill_iface_config *, const uint8_t mac[6]);
/* Has, and may use it. */
bool mill_own_has(const struct mill_own *, uint16_t slot, uint8_t family, const uint8_t *address);
/* NULL: it has no such address, whatever its state. */
struct mill_own_address *mill_own_address(struct mill_own *, uint16_t slot, uint8_t family,
                                          const uint8_t *address);
/* RFC 4291 §2.6.1: the subnet-router anycast address of one of its networks. */
bool mill_own_anycast(const struct mill_own *, uint16_t slot, const uint8_t *address);
bool mill_own_on_link(const struct mill_own *, uint16_t slot, uint8_t family, const uint8_t *address);
/* The address to speak to `peer` from: on its network if there is one. NULL: it has none of that family to use. */
const uint8_t *mill_own_source(const struct mill_own *, uint16_t slot, uint8_t family, const uint8_t *peer);
/* An address of any such interface; NULL: of none. */
const struct mill_own_address *mill_own_anywhere(struct mill_own *, uint8_t family, const uint8_t *address);

/* --- claims.c: lock held --- */
/* The interface has come up: what is verified is announced, the rest verified, what was a duplicate anew. */
void mill_own_claim(struct mill_own *, uint16_t slot, uint64_t now);
void mill_own_claims_tick(struct mill_worker *, uint16_t slot);
/* Somebody else asks for an address for himself, or has it: a tentative one is not ours. */
void mill_own_taken(struct mill_worker *, uint16_t slot, struct mill_own_address *, const uint8_t mac[6]);
/* Somebody else speaks from an address of ours: RFC 5227 §2.4 (c), RFC 4861 §7.2.5. */
void mill_own_defend(struct mill_worker *, uint16_t slot, uint8_t family, const uint8_t *address,
                     const uint8_t mac[6]);
/* What the daemon reads, and an engine that adopts goes on with. */
void mill_own_publish(struct mill_own *, uint16_t slot);
void mill_own_take_over(struct mill_own *, uint16_t slot);

/* --- mld.c: lock held --- */
/* The groups of the interface's addresses as they are now; what changed is told. */
void mill_mld_groups(struct mill_own_iface *);
/* All of them are told anew, as those of a listener that has just come. */
void mill_mld_join(struct mill_own_iface *, uint64_t now);
void mill_mld_tick(struct mill_worker *, uint16_t slot);
/* Queries; everything else of MLD is for others. False: the packet is not to be understood. */
bool mill_mld_receive(struct mill_worker *, uint16_t slot, const uint8_t *frame, uint16_t len, uint16_t l3);

/* --- neighbours.c: lock held --- */
bool mill_neighbour_usable(const struct mill_neighbour *);
/* NULL: not known. */
struct mill_neighbour *mill_neighbour_find(const struct mill_own *, uint16_t slot, uint8_t family,
                                           const uint8_t *address);
/* Asked for from now on, if it is not known. NULL: no room. */
struct mill_neighbour *mill_neighbour_want(struct mill_worker *, uint16_t slot, uint8_t family,
                                           const uint8_t *address);
/* The same, of who has no packet for it: a worker asks at its next look at the timers. */
void mill_neighbour_ask_for(struct mill_own *, uint16_t slot, uint8_t family, const uint8_t *address,
                            uint64_t now);
/* Something of it that does not say that it can be reached. `create`: it speaks to us, so it is known from now on. */
void mill_neighbour_heard(struct mill_own *, uint16_t slot, uint8_t family, const uint8_t *address,
                          const uint8_t mac[6], uint64_t now, bool create);
/* An answer. Nobody is learned from answers to what was not asked. */
void mill_neighbour_confirmed(struct mill_own *, struct mill_neighbour *, const uint8_t mac[6], uint64_t now);
void mill_neighbour_set_stale(struct mill_own *, struct mill_neighbour *, const uint8_t mac[6], uint64_t now);
void mill_neighbours_tick(struct mill_worker *);
/* Those of an interface; `all`: those of operators, too. */
void mill_neighbours_forget(struct mill_own *, uint16_t slot, bool all);
uint32_t mill_neighbours_count(const struct mill_own *, enum mill_neighbour_state);
/* False: no room, or nothing to forget. */
bool mill_neighbour_change(struct mill_own *, const struct mill_neighbour_change *, uint64_t now);

/* --- arp.c, nd.c: lock held. False: the packet is not to be understood, or not for us --- */
bool mill_arp_receive(struct mill_worker *, uint16_t slot, const uint8_t *frame, uint16_t len, uint16_t l3);
void mill_arp_request(struct mill_worker *, uint16_t slot, const uint8_t *target, const uint8_t mac[6]);
void mill_arp_announce(struct mill_worker *, uint16_t slot, const uint8_t *address);
bool mill_nd_receive(struct mill_worker *, uint16_t slot, const uint8_t *frame, uint16_t len, uint16_t l3);
void mill_nd_solicit(struct mill_worker *, uint16_t slot, const uint8_t *target, const uint8_t mac[6]);
void mill_nd_announce(struct mill_worker *, uint16_t slot, const uint8_t *address);
/* Asks whether somebody has the address already: RFC 4862 §5.4.2. */
void mill_nd_probe(struct mill_worker *, uint16_t slot, const uint8_t *address);
void mill_nd_group(uint8_t group[16], const uint8_t *address); /* solicited-node: RFC 4291 §2.7.1 */
void mill_nd_group_mac(uint8_t mac[6], const uint8_t *group);  /* RFC 2464 §7 */

/* --- own.c --- */
uint64_t mill_own_random(struct mill_own *); /* lock held */
static inline struct mill_own *mill_own_of(struct mill_worker *worker)
{
	return ((struct mill_worker_thread *)worker)->engine->own;
}
/* Frame = two bytes of EtherType and the packet. */
void mill_own_transmit(struct mill_worker *, uint16_t slot, const uint8_t mac[6], const uint8_t *frame,
                       uint16_t len, enum mill_said what);

/* --- answers.c: lock not held --- */
bool mill_own_answer(struct mill_worker *, uint16_t slot, const uint8_t *frame, uint16_t len, uint16_t l3);
bool mill_own_exception(struct mill_worker *, uint16_t slot, const uint8_t *frame, uint16_t len, uint16_t l3);

/* --- headers.c --- */
struct mill_icmp_error;
/* The extension headers in front of p->l4_offset, which mill_read_l4 has found. True: they are in order, and `last` is where the
 * last "next header" stands. False: nothing may come of the packet, but this error if it has a type (RFC 8200 §4). */
bool mill_own_headers(const struct mill_packet *, struct mill_icmp_error *, uint32_t *last);

/* --- options.c: lock not held --- */
/* The IPv4 options of a packet for the router itself. False: nothing may come of it, but this error if it has a type. */
bool mill_own_options(const struct mill_packet *, struct mill_icmp_error *);
/* False: the packet is not for us to send. */
bool mill_own_send_on(struct mill_worker *, uint16_t slot, const struct mill_packet *,
                      const struct mill_adjacency *path);
