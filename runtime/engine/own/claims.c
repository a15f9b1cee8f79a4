/*
 * own.h: whose an address is. IPv4's are the policy's word and taken at once. An IPv6 address is first asked for, and not used
 * when somebody answers (RFC 4862 §5.4; not delayed at random, as hosts are that one event starts all at once). Then both
 * are announced, and defended. What was verified stays so while the link is away for a moment. Lock held.
 */
#include "own/own.h"

#define RETRANS_NS  MILL_NS_PER_S        /* RFC 4861 §10, RETRANS_TIMER */
#define ANNOUNCE_NS (2 * MILL_NS_PER_S)  /* RFC 5227 §1.1, ANNOUNCE_INTERVAL */
#define DEFEND_NS   (10 * MILL_NS_PER_S) /* DEFEND_INTERVAL */

static void enter(struct mill_own_address *address, enum mill_own_address_state state, uint64_t now)
{
	address->state = (uint8_t)state;
	address->left = state == MILL_OWN_OURS        ? MILL_OWN_ANNOUNCEMENTS
	                : state == MILL_OWN_TENTATIVE ? MILL_OWN_PROBES
	                                              : 0;
	address->due_ns = now;
}

void mill_own_claim(struct mill_own *own, uint16_t slot, uint64_t now)
{
	struct mill_own_iface *iface = &own->iface[slot];
	for (uint32_t i = 0; i < iface->n_addresses; i++)
		enter(&iface->address[i],
		      iface->address[i].state == MILL_OWN_OURS ? MILL_OWN_OURS : MILL_OWN_TENTATIVE, now);
	mill_mld_join(iface, now);
	mill_own_publish(own, slot);
}

static void announce(struct mill_worker *worker, uint16_t slot, const struct mill_address *address)
{
	if (address->family == 4)
		mill_arp_announce(worker, slot, address->bytes);
	else
		mill_nd_announce(worker, slot, address->bytes);
}

static void step(struct mill_worker *worker, uint16_t slot, struct mill_own_address *address)
{
	const uint64_t now = worker->now_ns;
	if (address->state == MILL_OWN_TENTATIVE && address->left == 0) {
		enter(address, MILL_OWN_OURS, now);
		mill_own_publish(mill_own_of(worker), slot);
		if (address->is.bytes[0] ==
		    0xfe) /* reports from nobody may not have been heeded: RFC 3810 §5.2.13 */
			mill_mld_join(&mill_own_of(worker)->iface[slot], now);
	}
	if (address->left == 0)
		return;
	address->left--;
	if (address->state == MILL_OWN_TENTATIVE) {
		mill_nd_probe(worker, slot, address->is.bytes);
		address->due_ns = now + RETRANS_NS;
	} else {
		announce(worker, slot, &address->is);
		address->due_ns = now + ANNOUNCE_NS;
	}
}

void mill_own_claims_tick(struct mill_worker *worker, uint16_t slot)
{
	struct mill_own_iface *iface = &mill_own_of(worker)->iface[slot];
	for (uint32_t i = 0; i < iface->n_addresses; i++)
		if (iface->address[i].due_ns <= worker->now_ns)
			step(worker, slot, &iface->address[i]);
}

static void complain(struct mill_worker *worker, uint16_t slot, uint8_t family, const uint8_t mac[6],
                     const char *what)
{
	mill_log("interface %s: %02x:%02x:%02x:%02x:%02x:%02x uses our IPv%u address%s",
	         mill_own_of(worker)->engine->iface_config[slot].name, mac[0], mac[1], mac[2], mac[3], mac[4],
	         mac[5], family, what);
}

void mill_own_taken(struct mill_worker *worker, uint16_t slot, struct mill_own_address *address,
                    const uint8_t mac[6])
{
	if (address->state != MILL_OWN_TENTATIVE)
		return;
	enter(address, MILL_OWN_DUPLICATE, worker->now_ns);
	mill_own_publish(mill_own_of(worker), slot);
	complain(worker, slot, 6, mac, ": a duplicate, not used until the interface comes up again");
}

void mill_own_defend(struct mill_worker *worker, uint16_t slot, uint8_t family, const uint8_t *address,
                     const uint8_t mac[6])
{
	struct mill_own_iface *iface = &mill_own_of(worker)->iface[slot];
	const uint64_t now = worker->now_ns;
	if (iface->defended_ns != 0 && now - iface->defended_ns < DEFEND_NS)
		return;
	iface->defended_ns = now;
	complain(worker, slot, family, mac, "");
	if (family == 4)
		mill_arp_announce(worker, slot, address);
	else
		mill_nd_announce(worker, slot, address);
}

void mill_own_publish(struct mill_own *own, uint16_t slot)
{
	const struct mill_own_iface *iface = &own->iface[slot];
	struct mill_own_claims *claims = &own->engine->state->claims[slot];
	uint16_t ours = 0, duplicate = 0;
	for (uint32_t i = 0; i < iface->n_addresses; i++) {
		ours |= (uint16_t)((iface->address[i].state == MILL_OWN_OURS) << i);
		duplicate |= (uint16_t)((iface->address[i].state == MILL_OWN_DUPLICATE) << i);
	}
	if (claims->duplicate != duplicate) /* the daemon makes routes of addresses */
		mill_notice_links(own->engine, 1ull << own->engine->iface[slot].port);
	__atomic_store_n(&claims->ours, ours, __ATOMIC_RELAXED);
	__atomic_store_n(&claims->duplicate, duplicate, __ATOMIC_RELAXED);
}

/* Nothing to announce, nothing to ask for: the engine before has. */
void mill_own_take_over(struct mill_own *own, uint16_t slot)
{
	struct mill_own_iface *iface = &own->iface[slot];
	const struct mill_own_claims *claims = &own->engine->state->claims[slot];
	for (uint32_t i = 0; i < iface->n_addresses; i++) {
		const bool ours = (claims->ours >> i & 1) != 0, duplicate = (claims->duplicate >> i & 1) != 0;
		if (ours || duplicate)
			iface->address[i].left = 0;
		if (ours || duplicate)
			iface->address[i].state = ours ? MILL_OWN_OURS : MILL_OWN_DUPLICATE;
	}
	iface->up = claims->ours != 0;
}
