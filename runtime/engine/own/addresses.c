/*
 * own.h: an interface's addresses, as the running generation has them, and a link-local one made of the MAC (RFC 4291
 * §2.5.6, appendix A) when the policy names none. Lock held; pure but for that.
 */
#include <string.h>
#include "own/own.h"

static uint32_t size_of(uint8_t family)
{
	return family == 4 ? 4 : 16;
}

static bool is_link_local(const uint8_t *address)
{
	return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

static void add_link_local(struct mill_own_iface *own, const uint8_t mac[6])
{
	struct mill_own_address *address = &own->address[own->n_addresses++];
	uint8_t *bytes = address->is.bytes;
	*address = (struct mill_own_address){.is = {.family = 6, .length = 64, .bytes = {0xfe, 0x80}}};
	memcpy(bytes + 8, mac, 3);
	memcpy(bytes + 13, mac + 3, 3);
	bytes[8] ^= 2;
	bytes[11] = 0xff;
	bytes[12] = 0xfe;
}

static bool equal(const struct mill_address *one, uint8_t family, const uint8_t *address)
{
	return one->family == family && memcmp(one->bytes, address, size_of(family)) == 0;
}

static void keep_state(struct mill_own_address *now, const struct mill_own_iface *before)
{
	now->state = now->is.family == 4 ? MILL_OWN_OURS : MILL_OWN_TENTATIVE;
	now->left = now->is.family == 4 ? MILL_OWN_ANNOUNCEMENTS : MILL_OWN_PROBES;
	for (uint32_t i = 0; i < before->n_addresses; i++) {
		if (!equal(&before->address[i].is, now->is.family, now->is.bytes))
			continue;
		now->state = before->address[i].state;
		now->left = before->address[i].left;
		now->due_ns = before->address[i].due_ns;
	}
}

void mill_own_read_addresses(struct mill_own_iface *own, const struct mill_iface_config *config,
                             const uint8_t mac[6])
{
	const struct mill_own_iface before = *own;
	bool v6 = false, has_link_local = false;
	own->n_addresses = config->n_addresses;
	for (uint32_t i = 0; i < own->n_addresses; i++) {
		own->address[i] = (struct mill_own_address){.is = config->address[i]};
		v6 |= config->address[i].family == 6;
		has_link_local |= config->address[i].family == 6 && is_link_local(config->address[i].bytes);
	}
	if (v6 && !has_link_local && own->n_addresses < MILL_MAX_ADDRESSES)
		add_link_local(own, mac);
	for (uint32_t i = 0; i < own->n_addresses; i++)
		keep_state(&own->address[i], &before);
}

struct mill_own_address *mill_own_address(struct mill_own *own, uint16_t slot, uint8_t family,
                                          const uint8_t *address)
{
	struct mill_own_iface *iface = &own->iface[slot];
	for (uint32_t i = 0; i < iface->n_addresses; i++)
		if (equal(&iface->address[i].is, family, address))
			return &iface->address[i];
	return NULL;
}

bool mill_own_has(const struct mill_own *own, uint16_t slot, uint8_t family, const uint8_t *address)
{
	const struct mill_own_iface *iface = &own->iface[slot];
	for (uint32_t i = 0; i < iface->n_addresses; i++)
		if (iface->address[i].state == MILL_OWN_OURS && equal(&iface->address[i].is, family, address))
			return true;
	return false;
}

static bool same_network(const struct mill_address *own, const uint8_t *address)
{
	const uint32_t whole = own->length / 8, rest = own->length % 8;
	const uint8_t mask = (uint8_t)(0xff00u >> rest);
	if (memcmp(own->bytes, address, whole) != 0)
		return false;
	return rest == 0 || ((own->bytes[whole] ^ address[whole]) & mask) == 0;
}

bool mill_own_on_link(const struct mill_own *own, uint16_t slot, uint8_t family, const uint8_t *address)
{
	const struct mill_own_iface *iface = &own->iface[slot];
	for (uint32_t i = 0; i < iface->n_addresses; i++)
		if (iface->address[i].is.family == family && same_network(&iface->address[i].is, address))
			return true;
	return false;
}

static bool is_first(const struct mill_address *own, const uint8_t *address)
{
	uint32_t bit = own->length;
	for (; bit < 128 && (address[bit / 8] >> (7 - bit % 8) & 1) == 0; bit++)
		;
	return bit == 128;
}

bool mill_own_anycast(const struct mill_own *own, uint16_t slot, const uint8_t *address)
{
	const struct mill_own_iface *iface = &own->iface[slot];
	for (uint32_t i = 0; i < iface->n_addresses; i++) {
		const struct mill_address *one = &iface->address[i].is;
		if (iface->address[i].state == MILL_OWN_OURS && one->family == 6 && one->length < 127 &&
		    !is_link_local(one->bytes) && same_network(one, address) && is_first(one, address))
			return true;
	}
	return false;
}

const uint8_t *mill_own_source(const struct mill_own *own, uint16_t slot, uint8_t family, const uint8_t *peer)
{
	const struct mill_own_iface *iface = &own->iface[slot];
	const uint8_t *first = NULL;
	for (uint32_t i = 0; i < iface->n_addresses; i++) {
		const struct mill_address *one = &iface->address[i].is;
		if (one->family != family || iface->address[i].state != MILL_OWN_OURS)
			continue;
		if (same_network(one, peer))
			return one->bytes;
		if (first == NULL || (family == 6 && is_link_local(first)))
			first = one->bytes;
	}
	return first;
}

const struct mill_own_address *mill_own_anywhere(struct mill_own *own, uint8_t family, const uint8_t *address)
{
	const struct mill_own_address *found = NULL;
	for (uint16_t slot = 0; found == NULL && slot < MILL_MAX_IFACES; slot++)
		if (own->iface[slot].used)
			found = mill_own_address(own, slot, family, address);
	return found;
}
