/*
 * Logical interfaces: what the forwarder reads of them (struct mill_iface), from the configuration, from the port and
 * from the daemon's updates. Fields are written in place, one store each, by the control thread alone.
 */
#include <errno.h>
#include <string.h>
#include "engine.h"

static uint64_t load_mac(const uint8_t mac[6])
{
	uint64_t value = 0;
	memcpy(&value, mac, 6);
	return value;
}

static bool is_zero(const uint8_t mac[6])
{
	return load_mac(mac) == 0;
}

static void set_up(struct mill_engine *engine, uint16_t slot)
{
	struct mill_iface *iface = &engine->iface[slot];
	const uint32_t flags = __atomic_load_n(&engine->state->port[iface->port].flags, __ATOMIC_RELAXED);
	const bool up =
	    engine->iface_admin_up[slot] && (flags & MILL_PORT_OPEN) != 0 && (flags & MILL_PORT_UP) != 0;
	__atomic_store_n(&iface->up, up, __ATOMIC_RELEASE);
}

/* Rewrites of the FIB are made of these. */
static void tell_fib(struct mill_engine *engine, const struct mill_iface *before)
{
	const struct mill_iface *now = &engine->iface[before->slot];
	const bool same = now->mac == before->mac && now->port == before->port && now->mtu == before->mtu &&
	                  now->n_tags == before->n_tags &&
	                  memcmp(now->tags, before->tags, sizeof(now->tags)) == 0;
	if (!same && engine->fib != NULL)
		mill_fib_iface_changed(engine->fib, before->slot);
}

/* What errors come from: the first address of each family, rather than a link-local one. */
static void speak_from(struct mill_iface *iface, const struct mill_iface_config *config)
{
	const struct mill_address *v4 = NULL, *v6 = NULL;
	memset(iface->address4, 0, sizeof(iface->address4));
	memset(iface->address6, 0, sizeof(iface->address6));
	for (uint32_t i = 0; config != NULL && i < config->n_addresses; i++) {
		const struct mill_address *one = &config->address[i];
		if (one->family == 4 && v4 == NULL)
			v4 = one;
		if (one->family == 6 && v6 == NULL && one->bytes[0] != 0xfe)
			v6 = one;
	}
	if (v4 != NULL)
		memcpy(iface->address4, v4->bytes, sizeof(iface->address4));
	if (v6 != NULL)
		memcpy(iface->address6, v6->bytes, sizeof(iface->address6));
}

static void apply(struct mill_engine *engine, const struct mill_iface_config *config)
{
	struct mill_iface *iface = &engine->iface[config->slot];
	iface->slot = config->slot;
	const struct mill_iface before = *iface;
	const struct mill_iface_config *known = &engine->iface_config[config->slot];
	const struct mill_port *port = engine->port[config->port];
	const bool is_new = known->name[0] == '\0' || strcmp(known->name, config->name) != 0;
	iface->port = config->port;
	iface->host = config->host;
	for (uint32_t i = 0; i < config->n_tags; i++) {
		iface->tags[4 * i] = (uint8_t)(config->tpid[i] >> 8);
		iface->tags[4 * i + 1] = (uint8_t)config->tpid[i];
		iface->tags[4 * i + 2] = (uint8_t)(config->vid[i] >> 8);
		iface->tags[4 * i + 3] = (uint8_t)config->vid[i];
	}
	iface->n_tags = config->n_tags;
	/* What the daemon has told about the interface (MTU, MAC, state) stays when the configuration leaves it open. */
	if (config->mtu != 0 || is_new)
		iface->mtu = config->mtu != 0 ? config->mtu : port != NULL ? port->mtu : 1500;
	if (!is_zero(config->mac))
		iface->mac = load_mac(config->mac);
	else if (port != NULL && (is_new || known->port != config->port || iface->mac == 0))
		iface->mac = load_mac(port->state->mac);
	if (config->host == MILL_HOST_NONE)
		speak_from(iface, config);
	if (is_new) {
		iface->ifindex = config->n_tags == 0 ? engine->state->port[config->port].ifindex : 0;
		engine->iface_admin_up[config->slot] = true;
		if (config->host != MILL_HOST_NONE)
			speak_from(iface, NULL);
	}
	engine->iface_config[config->slot] = *config;
	set_up(engine, config->slot);
	tell_fib(engine, &before);
}

/* What comes untagged and is no IP (ARP above all) is the engine's to have: for a tap, or for itself. */
static void tell_port(struct mill_engine *engine, const struct mill_iface_config *config, bool has_tap)
{
	struct mill_port *port = engine->port[config->port];
	if (config->name[0] != '\0' && config->n_tags == 0 && port != NULL && port->ops->untagged_tap != NULL)
		port->ops->untagged_tap(port, has_tap);
}

void mill_ifaces_apply(struct mill_engine *engine, const struct mill_generation *generation)
{
	const struct mill_config *config = generation->config;
	for (uint32_t i = 0; i < MILL_PUNT_CLASSES; i++)
		atomic_store_explicit(&engine->punt_rate[i], config->punt_rate[i], memory_order_relaxed);
	for (uint32_t i = 0; i < config->n_ifaces; i++) {
		const struct mill_iface_config *iface = &config->iface[i];
		apply(engine, iface);
		/* Also those with a tap: their port may have been opened again since. */
		tell_port(engine, iface,
		          iface->host == MILL_HOST_NONE ||
		              (iface->host == MILL_HOST_TAP && engine->tap_open[iface->slot]));
	}
	mill_own_apply(engine, config);
}

bool mill_iface_update(struct mill_engine *engine, const struct mill_iface_update *update,
                       struct mill_error *error)
{
	if (update->slot >= MILL_MAX_IFACES || engine->iface_config[update->slot].name[0] == '\0') {
		mill_fail(error, ENOENT, "no interface has slot %u", update->slot);
		return false;
	}
	struct mill_iface *iface = &engine->iface[update->slot];
	const struct mill_iface before = *iface;
	if (update->mtu != 0)
		iface->mtu = update->mtu;
	if (!is_zero(update->mac))
		iface->mac = load_mac(update->mac);
	iface->ifindex = update->ifindex;
	memcpy(iface->address4, update->address4, sizeof(iface->address4));
	memcpy(iface->address6, update->address6, sizeof(iface->address6));
	engine->iface_admin_up[update->slot] = update->up != 0;
	set_up(engine, update->slot);
	tell_fib(engine, &before);
	return true;
}

void mill_iface_carrier(struct mill_engine *engine, uint16_t port_slot)
{
	for (uint16_t slot = 0; slot < MILL_MAX_IFACES; slot++)
		if (engine->iface_config[slot].name[0] != '\0' && engine->iface[slot].port == port_slot)
			set_up(engine, slot);
}

static bool wants_tap(const struct mill_generation *generation, uint16_t slot)
{
	for (uint32_t i = 0; i < generation->config->n_ifaces; i++)
		if (generation->config->iface[i].slot == slot)
			return generation->config->iface[i].host == MILL_HOST_TAP;
	return false;
}

static bool has_iface(const struct mill_generation *generation, uint16_t slot)
{
	for (uint32_t i = 0; i < generation->config->n_ifaces; i++)
		if (generation->config->iface[i].slot == slot)
			return true;
	return false;
}

bool mill_tap_open(struct mill_engine *engine, const struct mill_iface_config *config, int held_fd,
                   struct mill_error *error)
{
	const struct mill_port *port = engine->port[config->port];
	const uint8_t *mac = is_zero(config->mac) ? port->state->mac : config->mac;
	const uint16_t mtu = config->mtu != 0 ? config->mtu : port->mtu;
	if (engine->host == NULL) {
		mill_fail(error, ENOTSUP, "interface %s: there is no host thread for its tap %s",
		          config->name, config->host_name);
		return false;
	}
	if (!mill_host_tap_open(engine->host, config, mac, mtu, held_fd, error))
		return false;
	engine->tap_open[config->slot] = true;
	tell_port(engine, config, true);
	mill_hold_taps(engine, config->slot, true);
	return true;
}

bool mill_taps_open(struct mill_engine *engine, const struct mill_generation *generation,
                    struct mill_error *error)
{
	const struct mill_config *config = generation->config;
	bool opened[MILL_MAX_IFACES] = {false};
	for (uint32_t i = 0; i < config->n_ifaces; i++) {
		const uint16_t slot = config->iface[i].slot;
		/* One whose port is only opened at the swap has its tap then. */
		if (config->iface[i].host != MILL_HOST_TAP || engine->tap_open[slot] ||
		    engine->port[config->iface[i].port] == NULL)
			continue;
		if (!mill_tap_open(engine, &config->iface[i], -1, error)) {
			for (uint32_t k = 0; k < i; k++) {
				if (!opened[config->iface[k].slot])
					continue;
				mill_tap_close(engine, config->iface[k].slot);
				tell_port(engine, &config->iface[k], false);
			}
			return false;
		}
		opened[slot] = true;
	}
	return true;
}

void mill_tap_close(struct mill_engine *engine, uint16_t slot)
{
	if (!engine->tap_open[slot])
		return;
	mill_hold_taps(engine, slot, false);
	engine->tap_open[slot] = false;
	tell_port(engine, &engine->iface_config[slot], false);
	mill_host_tap_close(engine->host, slot);
}

void mill_ifaces_drop(struct mill_engine *engine, const struct mill_generation *generation)
{
	for (uint16_t slot = 0; slot < MILL_MAX_IFACES; slot++) {
		if (generation == NULL || !wants_tap(generation, slot))
			mill_tap_close(engine, slot);
		if (generation != NULL && has_iface(generation, slot))
			continue;
		mill_own_drop(engine, slot);
		engine->iface_config[slot] = (struct mill_iface_config){0};
		__atomic_store_n(&engine->iface[slot].up, 0, __ATOMIC_RELEASE);
	}
}
