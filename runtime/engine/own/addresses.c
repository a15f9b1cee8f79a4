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
	struct mill_address *address = &own->address[own->n_addresses++];
	*address = (struct mill_address){.family = 6, .length = 64, .bytes = {0xfe, 0x80}};
	memcpy(address->bytes + 8, mac, 3);
	memcpy(address->bytes + 13, mac + 3, 3);
	address->bytes[8] ^= 2;
	address->bytes[11] = 0xff;
	address->bytes[12] = 0xfe;
}

void mill_own_read_addresses(struct mill_own_iface *own, const struct mill_iface_config *config,
                             const uint8_t mac[6])
{
	bool v6 = false, has_link_local = false;
	own->n_addresses = config->n_addresses;
	memcpy(own->address, config->address, sizeof(own->address));
	for (uint32_t i = 0; i < own->n_addresses; i++) {
		v6 |= own->address[i].family == 6;
		has_link_local |= own->address[i].family == 6 && is_link_local(own->address[i].bytes);
	}
	if (v6 && !has_link_local && own->n_addresses < MILL_MAX_ADDRESSES)
		add_link_local(own, mac);
}

bool mill_own_has(const struct mill_own *own, uint16_t slot, uint8_t family, const uint8_t *address)
{
	const struct mill_own_iface *iface = &own->iface[slot];
	for (uint32_t i = 0; i < iface->n_addresses; i++)
		if (iface->address[i].family == family &&
		    memcmp(iface->address[i].bytes, address, size_of(family)) == 0)
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
		if (iface->address[i].family == family && same_network(&iface->address[i], address))
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
		const struct mill_address *one = &iface->address[i];
		if (one->family == 6 && one->length < 127 && !is_link_local(one->bytes) &&
		    same_network(one, address) && is_first(one, address))
			return true;
	}
	return false;
}

const uint8_t *mill_own_source(const struct mill_own *own, uint16_t slot, uint8_t family, const uint8_t *peer)
{
	const struct mill_own_iface *iface = &own->iface[slot];
	const uint8_t *first = NULL;
	for (uint32_t i = 0; i < iface->n_addresses; i++) {
		const struct mill_address *one = &iface->address[i];
		if (one->family != family)
			continue;
		if (same_network(one, peer))
			return one->bytes;
		if (first == NULL || (family == 6 && is_link_local(first)))
			first = one->bytes;
	}
	return first;
}

bool mill_own_anywhere(const struct mill_own *own, uint8_t family, const uint8_t *address)
{
	for (uint16_t slot = 0; slot < MILL_MAX_IFACES; slot++)
		if (own->iface[slot].used && mill_own_has(own, slot, family, address))
			return true;
	return false;
}
