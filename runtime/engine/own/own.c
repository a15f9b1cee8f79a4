/*
 * own.h: which part is asked, the addresses' announcements, timers, and what the control thread sets. Each class of
 * packets has a limit, as those for the kernel have (host/host.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "netmill/parse.h"
#include "own/own.h"

#define TICK_NS          (MILL_NS_PER_S / 20)
#define ANNOUNCE_TIMES   2u
#define ANNOUNCE_NS      (2 * MILL_NS_PER_S)  /* RFC 5227 §1.1: ANNOUNCE_NUM, ANNOUNCE_INTERVAL */
#define DEFEND_NS        (10 * MILL_NS_PER_S) /* DEFEND_INTERVAL */
#define CLASS_PER_SECOND 5000ull

struct mill_own *mill_own_create(struct mill_engine *engine)
{
	struct mill_own *own = calloc(1, sizeof(*own));
	if (own == NULL)
		return NULL;
	own->engine = engine;
	own->random = mill_now() | 1;
	pthread_mutex_init(&own->lock, NULL);
	return own;
}

void mill_own_free(struct mill_own *own)
{
	pthread_mutex_destroy(&own->lock);
	free(own);
}

/* --- sending ------------------------------------------------------------------------------------------------ */

bool mill_own_adjacency(const struct mill_worker *worker, uint16_t slot, const uint8_t mac[6],
                        struct mill_adjacency *to)
{
	const struct mill_iface *iface = &worker->ifaces[slot];
	const uint8_t n_tags = iface->n_tags > 2 ? 2 : iface->n_tags;
	*to = (struct mill_adjacency){
	    .kind = MILL_ADJ_FORWARD, .iface = slot, .port = iface->port, .mtu = iface->mtu};
	memcpy(to->rewrite, mac, 6);
	memcpy(to->rewrite + 6, &iface->mac, 6);
	memcpy(to->rewrite + 12, iface->tags, n_tags * 4u);
	to->rewrite_len = (uint8_t)(12 + n_tags * 4);
	return iface->up != 0;
}

void mill_own_transmit(struct mill_worker *worker, uint16_t slot, const uint8_t mac[6], const uint8_t *frame,
                       uint16_t len, enum mill_said what)
{
	struct mill_adjacency to;
	enum mill_drop why;
	if (mill_own_adjacency(worker, slot, mac, &to) && mill_emit(worker, &to, frame, len, 2, &why))
		worker->if_counters[slot].said[what]++;
}

static void announce(struct mill_worker *worker, uint16_t slot)
{
	const struct mill_own_iface *iface = &mill_own_of(worker)->iface[slot];
	for (uint32_t i = 0; i < iface->n_addresses; i++) {
		if (iface->address[i].family == 4)
			mill_arp_announce(worker, slot, iface->address[i].bytes);
		else
			mill_nd_announce(worker, slot, iface->address[i].bytes);
	}
}

void mill_own_defend(struct mill_worker *worker, uint16_t slot, uint8_t family, const uint8_t *address,
                     const uint8_t mac[6])
{
	struct mill_own_iface *iface = &mill_own_of(worker)->iface[slot];
	const uint64_t now = worker->now_ns;
	if (iface->defended_ns != 0 && now - iface->defended_ns < DEFEND_NS)
		return;
	iface->defended_ns = now;
	mill_log("interface %s: %02x:%02x:%02x:%02x:%02x:%02x uses our IPv%u address",
	         mill_own_of(worker)->engine->iface_config[slot].name, mac[0], mac[1], mac[2], mac[3], mac[4],
	         mac[5], family);
	if (family == 4)
		mill_arp_announce(worker, slot, address);
	else
		mill_nd_announce(worker, slot, address);
}

/* --- receiving ---------------------------------------------------------------------------------------------- */

/* A packet costs NS_PER_S of credit, a nanosecond earns so many. A tenth of a second's worth at once. */
static bool conforms(struct mill_worker_thread *worker, enum mill_punt_class class)
{
	const uint64_t now = worker->base.now_ns, passed = now - worker->own_refilled_ns[class];
	const uint64_t depth = MILL_NS_PER_S / 10, most = depth * CLASS_PER_SECOND;
	uint64_t *credit = &worker->own_credit[class];
	worker->own_refilled_ns[class] = now;
	*credit += (passed < depth ? passed : depth) * CLASS_PER_SECOND;
	*credit = *credit < most ? *credit : most;
	if (*credit < MILL_NS_PER_S)
		return false;
	*credit -= MILL_NS_PER_S;
	return true;
}

static bool is_discovery(const uint8_t *packet, uint32_t bytes) /* RFC 4861: types 133 to 137 */
{
	return bytes > MILL_IPV6_HEADER && packet[6] == MILL_ICMPV6 && packet[MILL_IPV6_HEADER] >= 133 &&
	       packet[MILL_IPV6_HEADER] <= 137;
}

static bool receive(struct mill_worker *worker, uint16_t slot, enum mill_punt_class class,
                    const uint8_t *frame, uint16_t len, uint16_t l3)
{
	struct mill_own *own = mill_own_of(worker);
	const uint16_t type = mill_load16(frame + l3 - 2);
	const bool arp = type == MILL_ETHER_ARP;
	if (!arp && type != MILL_ETHER_IPV4 && type != MILL_ETHER_IPV6)
		return false;
	if (arp || (type == MILL_ETHER_IPV6 && is_discovery(frame + l3, len - (uint32_t)l3))) {
		pthread_mutex_lock(&own->lock);
		const bool understood = arp ? mill_arp_receive(worker, slot, frame, len, l3)
		                            : mill_nd_receive(worker, slot, frame, len, l3);
		pthread_mutex_unlock(&own->lock);
		return understood;
	}
	if (class == MILL_PUNT_NEIGHBOUR) /* IGMP, MLD: what others listen to */
		return true;
	if (class == MILL_PUNT_EXCEPTION)
		return mill_own_exception(worker, slot, frame, len, l3);
	return mill_own_answer(worker, slot, frame, len, l3);
}

void mill_own_receive(struct mill_worker *worker, uint16_t slot, enum mill_punt_class class,
                      const uint8_t *frame, uint16_t len, uint16_t l3)
{
	uint64_t *drop = worker->if_counters[slot].drop;
	if (l3 < 14 || l3 > len || !conforms((struct mill_worker_thread *)worker, class))
		drop[MILL_DROP_PUNT_POLICED]++;
	else if (!receive(worker, slot, class, frame, len, l3))
		drop[MILL_DROP_HOST_REFUSED]++;
}

bool mill_own_wants(struct mill_worker *worker, uint16_t slot, const uint8_t *frame, uint16_t len,
                    uint16_t l3)
{
	struct mill_own *own = mill_own_of(worker);
	if (worker->ifaces[slot].host == MILL_HOST_NONE)
		return true;
	if (atomic_load_explicit(&own->n_ifaces, memory_order_relaxed) == 0 || l3 < 14 || len - l3 < 20)
		return false;
	const uint16_t type = mill_load16(frame + l3 - 2);
	const bool v4 = type == MILL_ETHER_IPV4, v6 = type == MILL_ETHER_IPV6 && len - l3 >= 40;
	if (!v4 && (!v6 || frame[l3 + 24] == 0xfe || frame[l3 + 24] == 0xff))
		return false;
	pthread_mutex_lock(&own->lock);
	const bool ours = mill_own_anywhere(own, v4 ? 4 : 6, frame + l3 + (v4 ? 16 : 24));
	pthread_mutex_unlock(&own->lock);
	return ours;
}

enum mill_own_answer mill_own_resolve(struct mill_worker *worker, uint16_t slot, uint8_t family,
                                      const uint8_t *address, uint8_t mac[6])
{
	struct mill_own *own = mill_own_of(worker);
	enum mill_own_answer answer = MILL_OWN_FAILED;
	pthread_mutex_lock(&own->lock);
	const struct mill_neighbour *n = mill_neighbour_want(worker, slot, family, address);
	if (n != NULL && mill_neighbour_usable(n)) {
		memcpy(mac, n->mac, 6);
		answer = MILL_OWN_KNOWN;
	} else if (n != NULL && n->state == MILL_NEIGHBOUR_INCOMPLETE) {
		answer = MILL_OWN_ASKED;
	}
	pthread_mutex_unlock(&own->lock);
	return answer;
}

/* --- timers ------------------------------------------------------------------------------------------------- */

/* An interface that has come up tells all who its addresses belong to; of one that is down, nothing stays true. */
static void follow_state(struct mill_worker *worker, uint16_t slot)
{
	struct mill_own *own = mill_own_of(worker);
	struct mill_own_iface *iface = &own->iface[slot];
	const bool up = worker->ifaces[slot].up != 0;
	if (up && !iface->up) {
		iface->announcements = ANNOUNCE_TIMES;
		iface->announce_ns = worker->now_ns;
	}
	if (!up && iface->up)
		mill_neighbours_forget(own, slot, false);
	iface->up = up;
	if (up && iface->announcements != 0 && iface->announce_ns <= worker->now_ns) {
		announce(worker, slot);
		iface->announcements--;
		iface->announce_ns = worker->now_ns + ANNOUNCE_NS;
	}
}

void mill_own_tick(struct mill_worker *worker)
{
	struct mill_own *own = mill_own_of(worker);
	uint64_t looked = atomic_load_explicit(&own->looked_ns, memory_order_relaxed);
	if (atomic_load_explicit(&own->n_ifaces, memory_order_relaxed) == 0 ||
	    worker->now_ns - looked < TICK_NS ||
	    !atomic_compare_exchange_strong(&own->looked_ns, &looked, worker->now_ns))
		return;
	pthread_mutex_lock(&own->lock);
	for (uint16_t slot = 0; slot < MILL_MAX_IFACES; slot++)
		if (own->iface[slot].used)
			follow_state(worker, slot);
	mill_neighbours_tick(worker);
	pthread_mutex_unlock(&own->lock);
}

/* --- control thread ----------------------------------------------------------------------------------------- */

/* Neighbour Discovery goes to groups, which a network card filters. */
static void join_groups(struct mill_own_iface *iface, uint32_t ifindex)
{
	if (iface->members_of == ifindex)
		return;
	if (iface->members_of != 0 && iface->members >= 0)
		close(iface->members);
	iface->members = ifindex != 0 ? mill_host_join_multicast(ifindex) : -1;
	iface->members_of = ifindex;
}

static void forget_iface(struct mill_own *own, uint16_t slot)
{
	join_groups(&own->iface[slot], 0);
	own->iface[slot] = (struct mill_own_iface){0};
	mill_neighbours_forget(own, slot, true);
	atomic_fetch_sub(&own->n_ifaces, 1);
}

static void apply(struct mill_own *own, const struct mill_iface_config *config)
{
	struct mill_own_iface *iface = &own->iface[config->slot], before = *iface;
	uint8_t mac[6];
	memcpy(mac, &own->engine->iface[config->slot].mac, 6);
	mill_own_read_addresses(iface, config, mac);
	if (!before.used)
		atomic_fetch_add(&own->n_ifaces, 1);
	iface->used = true;
	join_groups(iface, own->engine->state->port[config->port].ifindex);
	if (before.used && memcmp(before.address, iface->address, sizeof(iface->address)) == 0)
		return;
	iface->announcements = ANNOUNCE_TIMES;
	iface->announce_ns = 0;
}

void mill_own_apply(struct mill_engine *engine, const struct mill_config *config)
{
	struct mill_own *own = engine->own;
	pthread_mutex_lock(&own->lock);
	own->n_incomplete =
	    mill_neighbours_count(own, MILL_NEIGHBOUR_INCOMPLETE); /* the engine before may have left some */
	own->tries = config->neighbour_tries != 0 ? config->neighbour_tries : 3;
	for (uint32_t i = 0; i < config->n_ifaces; i++) {
		const struct mill_iface_config *iface = &config->iface[i];
		if (iface->host == MILL_HOST_NONE)
			apply(own, iface);
		else if (own->iface[iface->slot].used)
			forget_iface(own, iface->slot);
	}
	pthread_mutex_unlock(&own->lock);
}

void mill_own_drop(struct mill_engine *engine, uint16_t slot)
{
	struct mill_own *own = engine->own;
	pthread_mutex_lock(&own->lock);
	if (own->iface[slot].used)
		forget_iface(own, slot);
	pthread_mutex_unlock(&own->lock);
}

void mill_own_lost(struct mill_engine *engine, uint64_t ports)
{
	struct mill_own *own = engine->own;
	if (ports == 0)
		return;
	pthread_mutex_lock(&own->lock);
	for (uint16_t slot = 0; slot < MILL_MAX_IFACES; slot++) {
		if (!own->iface[slot].used || (ports >> engine->iface[slot].port & 1) == 0)
			continue;
		mill_neighbours_forget(own, slot, false);
		own->iface[slot].up = false;
	}
	pthread_mutex_unlock(&own->lock);
}

bool mill_own_change(struct mill_engine *engine, const struct mill_neighbour_change *change,
                     struct mill_error *error)
{
	struct mill_own *own = engine->own;
	if (change->iface >= MILL_MAX_IFACES || (change->family != 4 && change->family != 6) ||
	    (change->mac[0] & 1) != 0) {
		mill_fail(error, EINVAL, "no neighbour can be like that");
		return false;
	}
	pthread_mutex_lock(&own->lock);
	const bool used = own->iface[change->iface].used;
	const bool done = used && mill_neighbour_change(own, change, mill_now());
	pthread_mutex_unlock(&own->lock);
	if (!done)
		mill_fail(error, ENOENT,
		          used ? "there is no such neighbour, or no room for it"
		               : "interface slot %u has a face in the kernel",
		          change->iface);
	return done;
}
