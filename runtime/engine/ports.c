/*
 * Ports of a generation: which are new, which change, which are gone. A port belongs to its slot; it is the same port
 * as long as its spec is the same and names the same device, so a deploy that leaves it alone never touches it.
 * Control thread only.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine.h"
#include "os/events.h"
#include "os/system.h"

static const struct mill_port_ops *back_end(const struct mill_port_config *config, struct mill_error *error)
{
	static const struct mill_port_ops *const all[] = {&mill_port_netmap, &mill_port_dpdk, &mill_port_pipe,
	                                                  &mill_port_pcap, NULL};
	const struct mill_port_ops *found = mill_port_kind(all, config->spec);
	if (found == NULL)
		found = mill_port_kind(mill_system_ports, config->spec);
	if (found != NULL)
		return found;
	mill_fail(error, EINVAL,
	          "port %s: '%s' names no back end of this engine: expected netmap:, xdp:, dpdk:, pipe:, "
	          "pcap: or tap:",
	          config->name, config->spec);
	return NULL;
}

const struct mill_port_config *mill_config_port(const struct mill_config *config, uint16_t slot)
{
	for (uint32_t i = 0; i < config->n_ports; i++)
		if (config->port[i].slot == slot)
			return &config->port[i];
	return NULL;
}

static void watch(struct mill_engine *engine, struct mill_port *port, bool is_new)
{
	if (port->ops->control_fd == NULL)
		return;
	const int fd = port->ops->control_fd(port);
	if (fd >= 0 && is_new)
		mill_wait_add(engine->wait_fd, fd, MILL_READY_IN,
		              MILL_READY_TAG(MILL_SOURCE_PORT, port->config.slot));
	else if (fd >= 0)
		mill_wait_remove(engine->wait_fd, fd);
}

/* Ports of a configuration that are not open yet. */
static uint32_t missing(const struct mill_engine *engine, const struct mill_config *config)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < config->n_ports; i++)
		n += engine->port[config->port[i].slot] == NULL;
	return n;
}

/* The largest MTU that the policy says of the interfaces of a port; 0: it says none. */
static uint16_t wanted_mtu(const struct mill_config *config, uint16_t slot)
{
	uint16_t most = 0;
	for (uint32_t i = 0; i < config->n_ifaces; i++)
		if (config->iface[i].port == slot && config->iface[i].mtu > most)
			most = config->iface[i].mtu;
	return most;
}

bool mill_port_start(struct mill_engine *engine, const struct mill_config *policy,
                     const struct mill_port_config *config, const struct mill_held_fd *held,
                     struct mill_error *error)
{
	const struct mill_port_ops *ops = back_end(config, error);
	if (ops == NULL)
		return false;
	struct mill_port *port = calloc(1, sizeof(*port));
	if (port == NULL) {
		mill_fail(error, ENOMEM, "port %s: no memory", config->name);
		return false;
	}
	port->ops = ops;
	port->config = *config;
	port->state = &engine->state->port[config->slot];
	port->region = &engine->region;
	port->rundir = engine->rundir;
	port->wanted_mtu = wanted_mtu(policy, config->slot);
	port->share = mill_region_n_free(&engine->region) / (engine->to_open + 1);
	if (!(held != NULL ? ops->adopt(port, held, error) : ops->open(port, error))) {
		free(port);
		return false;
	}
	port->state->flags |= MILL_PORT_OPEN;
	mill_pulse_lock();
	engine->port[config->slot] = port;
	mill_pulse_unlock();
	watch(engine, port, true);
	if (engine->host != NULL)
		mill_host_set_port(engine->host, config->slot, port);
	mill_hold_port(engine, port, true);
	if (engine->fib != NULL)
		mill_fib_port_down(engine->fib, config->slot, (port->state->flags & MILL_PORT_UP) == 0);
	if (port->state->ifindex != 0)
		mill_monitor_refresh(
		    engine); /* its carrier may have changed between being read and being watched */
	mill_log("port %s (%s): %s, %u rx and %u tx rings", config->name, config->spec,
	         held != NULL ? "adopted" : "open", port->rx_rings, port->tx_rings);
	return true;
}

static void stop_port(struct mill_engine *engine, uint16_t slot)
{
	struct mill_port *port = engine->port[slot];
	if (port == NULL)
		return;
	if (engine->host != NULL)
		mill_host_set_port(engine->host, slot, NULL);
	mill_hold_port(engine, port, false);
	watch(engine, port, false);
	mill_pulse_lock();
	engine->port[slot] = NULL;
	mill_pulse_unlock();
	port->ops->close(port);
	port->state->flags = 0;
	port->state->ifindex = 0;
	mill_log("port %s (%s): closed", port->config.name, port->config.spec);
	free(port);
}

void mill_ports_close(struct mill_engine *engine, uint64_t slots)
{
	for (uint16_t slot = 0; slot < MILL_MAX_PORTS; slot++) {
		if ((slots >> slot & 1) == 0)
			continue;
		stop_port(engine, slot);
		for (uint32_t w = 0; w < MILL_MAX_WORKERS; w++) {
			mill_region_free_ring(&engine->region, engine->handoff[slot][w]);
			engine->handoff[slot][w] = NULL;
		}
	}
}

/* Kinds of ports whose frames have buffers of another make. */
static bool port_carries(const struct mill_config *config, const struct mill_iface_config *iface,
                         struct mill_error *error)
{
	const struct mill_port_config *port = mill_config_port(config, iface->port);
	const struct mill_port_ops *ops = port != NULL ? back_end(port, error) : NULL;
	if (ops == NULL || ops->most_mtu == 0 || iface->mtu <= ops->most_mtu)
		return error->code == 0;
	mill_fail(error, EMSGSIZE, "interface %s: an MTU of %u, and a port %s:… carries %u at most",
	          iface->name, iface->mtu, ops->kind, ops->most_mtu);
	return false;
}

/* A device that is open already may be made to carry more; what it is not needed for any more, it loses at the swap. */
static void raise_mtu(struct mill_port *port, uint16_t wanted, struct mill_error *why)
{
	if (wanted <= port->most_mtu || port->ops->set_mtu == NULL)
		return;
	port->wanted_mtu = wanted;
	(void)port->ops->set_mtu(port, why);
}

/* What the policy says of an interface, and devices say of themselves when they are open. */
bool mill_ports_carry(const struct mill_engine *engine, const struct mill_generation *generation,
                      struct mill_error *error)
{
	const struct mill_config *config = generation->config;
	for (uint32_t i = 0; i < config->n_ifaces; i++) {
		const struct mill_iface_config *iface = &config->iface[i];
		const struct mill_port_config *named = mill_config_port(config, iface->port);
		struct mill_port *port = named != NULL ? engine->port[iface->port] : NULL;
		struct mill_error why = {0};
		if (port == NULL || strcmp(port->config.spec, named->spec) != 0 || port->most_mtu == 0)
			continue;
		raise_mtu(port, iface->mtu, &why);
		if (iface->mtu <= port->most_mtu)
			continue;
		mill_fail(error, EMSGSIZE,
		          "interface %s: an MTU of %u, and the device of %s carries %u at most%s%s",
		          iface->name, iface->mtu, named->spec, port->most_mtu, why.code != 0 ? ": " : "",
		          why.text);
		return false;
	}
	return true;
}

/* What the policy says of an interface, for ports whose device does not say it. */
static bool packets_fit(const struct mill_engine *engine, const struct mill_config *config,
                        struct mill_error *error)
{
	const uint32_t most = mill_region_mtu(&engine->region);
	for (uint32_t i = 0; i < config->n_ifaces; i++) {
		if (!port_carries(config, &config->iface[i], error))
			return false;
		if (config->iface[i].mtu <= most)
			continue;
		mill_fail(error, EMSGSIZE,
		          "interface %s: an MTU of %u, and the engine's packet buffers take at most %u; "
		          "their size is "
		          "chosen when it starts: netmill shutdown, then start netmilld with this policy",
		          config->iface[i].name, config->iface[i].mtu, most);
		return false;
	}
	return true;
}

static bool is_replaced(const struct mill_port *port, const struct mill_port_config *config)
{
	return strcmp(port->config.spec, config->spec) != 0 || port->config.n_queues != config->n_queues ||
	       memcmp(port->config.queue, config->queue, sizeof(config->queue)) != 0 ||
	       (port->ops->outdated != NULL && port->ops->outdated(port));
}

/* What the port is, another has that goes away with this configuration: so it is under another name, or two have changed theirs. */
static bool is_taken(const struct mill_engine *engine, const struct mill_config *config,
                     const struct mill_port_config *wanted, uint16_t *by)
{
	for (uint16_t slot = 0; slot < MILL_MAX_PORTS; slot++) {
		const struct mill_port *port = engine->port[slot];
		const struct mill_port_config *later = mill_config_port(config, slot);
		if (port == NULL || slot == wanted->slot || strcmp(port->config.spec, wanted->spec) != 0 ||
		    (later != NULL && !is_replaced(port, later)))
			continue;
		*by = slot;
		return true;
	}
	return false;
}

bool mill_ports_open(struct mill_engine *engine, const struct mill_generation *generation, uint64_t *opened,
                     struct mill_error *error)
{
	*opened = 0;
	const struct mill_config *config = generation->config;
	if (!packets_fit(engine, config, error))
		return false;
	for (uint32_t i = 0; i < config->n_ports; i++) {
		const uint16_t slot = config->port[i].slot;
		uint16_t other;
		/* A port of another spec or other queues in that slot is exchanged at the swap: mill_ports_reopen. So is
		 * one that is open under another name. */
		if ((engine->port[slot] != NULL || is_taken(engine, config, &config->port[i], &other)) &&
		    back_end(&config->port[i], error) != NULL)
			continue;
		engine->to_open = missing(engine, config);
		if (error->code != 0 || !mill_port_start(engine, config, &config->port[i], NULL, error)) {
			mill_ports_close(engine, *opened);
			*opened = 0;
			return false;
		}
		*opened |= 1ull << slot;
	}
	if (mill_ports_carry(engine, generation, error))
		return true;
	mill_ports_close(engine, *opened);
	*opened = 0;
	return false;
}

/* Ports whose spec, device or chosen queues change: nobody serves them now. All are closed before one is opened, because two may
 * change places. Those that are not open afterwards are for mill_ports_recover. */
bool mill_ports_reopen(struct mill_engine *engine, const struct mill_generation *generation, uint64_t slots,
                       struct mill_error *error)
{
	for (uint16_t slot = 0; slot < MILL_MAX_PORTS; slot++)
		if ((slots >> slot & 1) != 0)
			stop_port(engine, slot);
	engine->to_open = missing(engine, generation->config);
	for (uint16_t slot = 0; slot < MILL_MAX_PORTS; slot++)
		if ((slots >> slot & 1) != 0 && mill_config_port(generation->config, slot) != NULL &&
		    !mill_port_start(engine, generation->config, mill_config_port(generation->config, slot),
		                     NULL, error))
			return false;
	return true;
}

uint64_t mill_ports_replaced(const struct mill_engine *engine, const struct mill_generation *generation)
{
	uint64_t slots = 0;
	for (uint32_t i = 0; i < generation->config->n_ports; i++) {
		const struct mill_port_config *config = &generation->config->port[i];
		const struct mill_port *port = engine->port[config->slot];
		uint16_t other;
		if (port != NULL && is_replaced(port, config))
			slots |= 1ull << config->slot;
		else if (port == NULL && is_taken(engine, generation->config, config, &other))
			slots |= 1ull << config->slot | 1ull << other;
	}
	return slots;
}

/* Ports that were lost: their device may be there again, or free. */
uint64_t mill_ports_recover(struct mill_engine *engine, const struct mill_generation *generation,
                            struct mill_error *error)
{
	uint64_t opened = 0;
	for (uint32_t i = 0; i < generation->config->n_ports; i++) {
		const struct mill_port_config *config = &generation->config->port[i];
		struct mill_error why = {0};
		if (engine->port[config->slot] != NULL)
			continue;
		engine->to_open = missing(engine, generation->config);
		if (mill_port_start(engine, generation->config, config, NULL, &why))
			opened |= 1ull << config->slot;
		else
			*error = why;
	}
	return opened;
}

uint64_t mill_ports_gone(const struct mill_generation *generation)
{
	uint64_t slots = 0;
	for (uint16_t slot = 0; slot < MILL_MAX_PORTS; slot++)
		if (mill_config_port(generation->config, slot) == NULL)
			slots |= 1ull << slot;
	return slots;
}

bool mill_ports_configure(struct mill_engine *engine, const struct mill_generation *generation,
                          struct mill_error *error)
{
	for (uint32_t i = 0; i < generation->config->n_ports; i++) {
		const struct mill_port_config *config = &generation->config->port[i];
		struct mill_port *port = engine->port[config->slot];
		struct mill_error lower = {0};
		if (port != NULL && port->ops->set_mtu != NULL && !is_replaced(port, config)) {
			port->wanted_mtu = wanted_mtu(generation->config, config->slot);
			(void)port->ops->set_mtu(port, &lower); /* a device that carries more does no harm */
		}
		if (port == NULL || memcmp(&port->config, config, sizeof(*config)) == 0 ||
		    is_replaced(port, config))
			continue;
		if (port->ops->configure != NULL && !port->ops->configure(port, config, error))
			return false;
		port->config = *config;
	}
	return true;
}

void mill_ports_steer(const struct mill_engine *engine, uint64_t slots)
{
	const struct mill_config *config = engine->running != NULL ? engine->running->config : NULL;
	for (uint16_t slot = 0; config != NULL && slot < MILL_MAX_PORTS; slot++) {
		struct mill_port *port = engine->port[slot];
		int32_t core[MILL_MAX_RINGS];
		if ((slots >> slot & 1) == 0 || port == NULL || port->ops->steer == NULL ||
		    mill_config_port(config, slot) == NULL)
			continue;
		for (uint32_t ring = 0; ring < MILL_MAX_RINGS; ring++) {
			const uint16_t owner = engine->ownership.owner[slot][ring];
			core[ring] = owner < config->n_workers ? config->worker[owner].core : -1;
		}
		port->ops->steer(port, core, config->event_mode == MILL_EVENTS_BUSY);
	}
}
