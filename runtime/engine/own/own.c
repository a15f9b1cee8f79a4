/*
 * own.h: which part is asked, timers, and what the control thread sets. Each class of
 * packets has a limit on each worker, the same as those for the kernel have (host/host.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "netmill/parse.h"
#include "own/own.h"

#define TICK_NS (MILL_NS_PER_S / 20)

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

uint64_t mill_own_random(struct mill_own *own) /* xorshift64, Marsaglia 2003 */
{
	own->random ^= own->random << 13;
	own->random ^= own->random >> 7;
	own->random ^= own->random << 17;
	return own->random;
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

/* --- receiving ---------------------------------------------------------------------------------------------- */

static bool conforms(struct mill_worker_thread *worker, enum mill_punt_class class)
{
	const uint32_t per_second =
	    atomic_load_explicit(&worker->engine->punt_rate[class], memory_order_relaxed);
	return mill_punt_conforms(&worker->own_police[class], per_second, worker->base.now_ns);
}

static bool is_discovery(const uint8_t *packet, uint32_t bytes) /* RFC 4861: types 133 to 137 */
{
	return bytes > MILL_IPV6_HEADER && packet[6] == MILL_ICMPV6 && packet[MILL_IPV6_HEADER] >= 133 &&
	       packet[MILL_IPV6_HEADER] <= 137;
}

/* Though the FIB may not know of it yet. What looks like Neighbour Discovery, and is for somebody beyond, is a packet like any other. */
static bool is_ours(struct mill_own *own, uint16_t slot, const uint8_t *address)
{
	pthread_mutex_lock(&own->lock);
	const bool ours =
	    mill_own_address(own, slot, 6, address) != NULL || mill_own_anycast(own, slot, address);
	pthread_mutex_unlock(&own->lock);
	return ours;
}

static bool receive(struct mill_worker *worker, uint16_t slot, enum mill_punt_class class,
                    const uint8_t *frame, uint16_t len, uint16_t l3)
{
	struct mill_own *own = mill_own_of(worker);
	const uint16_t type = mill_load16(frame + l3 - 2);
	const bool arp = type == MILL_ETHER_ARP;
	if (!arp && type != MILL_ETHER_IPV4 && type != MILL_ETHER_IPV6)
		return false;
	const bool discovery = type == MILL_ETHER_IPV6 && is_discovery(frame + l3, len - (uint32_t)l3) &&
	                       (class == MILL_PUNT_ND || is_ours(own, slot, frame + l3 + 24));
	if (arp || discovery) {
		pthread_mutex_lock(&own->lock);
		const bool understood = arp ? mill_arp_receive(worker, slot, frame, len, l3)
		                            : mill_nd_receive(worker, slot, frame, len, l3);
		pthread_mutex_unlock(&own->lock);
		return understood;
	}
	if (class == MILL_PUNT_ND && type == MILL_ETHER_IPV6) {
		pthread_mutex_lock(&own->lock);
		const bool understood = mill_mld_receive(worker, slot, frame, len, l3);
		pthread_mutex_unlock(&own->lock);
		return understood;
	}
	if (class == MILL_PUNT_ND) /* IGMP: it listens to no group of IPv4 but all systems */
		return true;
	if (class == MILL_PUNT_TTL || class == MILL_PUNT_EXCEPTION)
		return mill_own_exception(worker, slot, frame, len, l3);
	return mill_own_answer(worker, slot, frame, len, l3);
}

void mill_own_receive(struct mill_worker *worker, uint16_t slot, enum mill_punt_class class,
                      const uint8_t *frame, uint16_t len, uint16_t l3)
{
	struct mill_iface_counters *counters = &worker->if_counters[slot];
	if (l3 < 14 || l3 > len) {
		counters->drop[MILL_DROP_HOST_REFUSED]++;
	} else if (!conforms((struct mill_worker_thread *)worker, class)) {
		counters->drop[MILL_DROP_PUNT_POLICED]++;
		counters->punt_policed[class]++;
	} else if (!receive(worker, slot, class, frame, len, l3)) {
		counters->drop[MILL_DROP_HOST_REFUSED]++;
	}
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
	const bool ours = mill_own_anywhere(own, v4 ? 4 : 6, frame + l3 + (v4 ? 16 : 24)) != NULL;
	pthread_mutex_unlock(&own->lock);
	return ours;
}

bool mill_own_unverified(struct mill_worker *worker, const uint8_t *bytes)
{
	struct mill_own *own = mill_own_of(worker);
	if (atomic_load_explicit(&own->n_ifaces, memory_order_relaxed) == 0)
		return false;
	pthread_mutex_lock(&own->lock);
	const struct mill_own_address *address = mill_own_anywhere(own, 6, bytes);
	const bool unverified = address != NULL && address->state != MILL_OWN_OURS;
	pthread_mutex_unlock(&own->lock);
	return unverified;
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

/* Of an interface that is down, nothing of neighbours stays true. */
static void follow_state(struct mill_worker *worker, uint16_t slot)
{
	struct mill_own *own = mill_own_of(worker);
	struct mill_own_iface *iface = &own->iface[slot];
	const bool up = worker->ifaces[slot].up != 0;
	if (up && !iface->up)
		mill_own_claim(own, slot, worker->now_ns);
	if (!up && iface->up)
		mill_neighbours_forget(own, slot, false);
	iface->up = up;
	if (!up)
		return;
	mill_mld_tick(worker,
	              slot); /* first, so that the answer to a probe comes through (RFC 4862 §5.4.2) */
	mill_own_claims_tick(worker, slot);
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
	mill_own_publish(own, slot);
	mill_neighbours_forget(own, slot, true);
	atomic_fetch_sub(&own->n_ifaces, 1);
}

static void apply(struct mill_own *own, const struct mill_iface_config *config)
{
	struct mill_own_iface *iface = &own->iface[config->slot];
	uint8_t mac[6];
	memcpy(mac, &own->engine->iface[config->slot].mac, 6);
	mill_own_read_addresses(iface, config, mac);
	if (!iface->used) {
		atomic_fetch_add(&own->n_ifaces, 1);
		mill_own_take_over(own, config->slot);
	}
	iface->used = true;
	mill_mld_groups(iface);
	mill_own_publish(own, config->slot);
	join_groups(iface, own->engine->state->port[config->port].ifindex);
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

void mill_own_ask_for(struct mill_engine *engine, const struct mill_resolve *wish, struct mill_error *error)
{
	struct mill_own *own = engine->own;
	if (wish->iface >= MILL_MAX_IFACES || (wish->family != 4 && wish->family != 6)) {
		mill_fail(error, EINVAL, "no neighbour can be like that");
		return;
	}
	pthread_mutex_lock(&own->lock);
	const bool used = own->iface[wish->iface].used;
	if (used && own->iface[wish->iface].up)
		mill_neighbour_ask_for(own, wish->iface, wish->family, wish->address, mill_now());
	pthread_mutex_unlock(&own->lock);
	if (!used)
		mill_fail(error, ENOENT, "interface slot %u has a face in the kernel", wish->iface);
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
