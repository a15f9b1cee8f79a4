/*
 * Is a configuration (shm/config.h) sound? The daemon made it, but the engine believes no number that it will use as
 * an index. Control thread only.
 */
#include <errno.h>
#include <string.h>
#include "engine.h"

static bool terminated(const char *text, size_t size)
{
	return text[0] != '\0' && memchr(text, '\0', size) != NULL;
}

static bool check_queues(const struct mill_port_config *port)
{
	if (port->n_queues > MILL_MAX_RINGS || port->n_flows > MILL_MAX_FLOWS ||
	    (port->n_flows != 0 && port->n_queues == 0))
		return false;
	bool taken[MILL_MAX_QUEUES] = {false};
	for (uint32_t i = 0; i < port->n_queues; i++) {
		if (port->queue[i] >= MILL_MAX_QUEUES || (i > 0 && port->queue[i] <= port->queue[i - 1]))
			return false;
		taken[port->queue[i]] = true;
	}
	for (uint32_t i = 0; i < port->n_flows; i++) {
		const struct mill_flow *flow = &port->flow[i];
		const uint32_t bits = flow->family == 4 ? 32 : 128;
		if ((flow->family != 4 && flow->family != 6) || flow->queue >= MILL_MAX_QUEUES ||
		    !taken[flow->queue] || flow->from_length > bits || flow->to_length > bits)
			return false;
	}
	return true;
}

static bool check_ports(const struct mill_config *config, uint64_t *slots, struct mill_error *error)
{
	for (uint32_t i = 0; i < config->n_ports; i++) {
		const struct mill_port_config *port = &config->port[i];
		if (!terminated(port->name, sizeof(port->name)) ||
		    !terminated(port->spec, sizeof(port->spec)) || port->slot >= MILL_MAX_PORTS ||
		    (*slots >> port->slot & 1) != 0) {
			mill_fail(error, EINVAL, "configuration: port %u has a bad name, spec or slot %u", i,
			          port->slot);
			return false;
		}
		if (!check_queues(port)) {
			mill_fail(error, EINVAL,
			          "configuration: port %s has %u queues and %u flows, or bad ones",
			          port->name, port->n_queues, port->n_flows);
			return false;
		}
		*slots |= 1ull << port->slot;
	}
	return true;
}

static bool check_addresses(const struct mill_iface_config *iface)
{
	if (iface->n_addresses > MILL_MAX_ADDRESSES)
		return false;
	for (uint32_t i = 0; i < iface->n_addresses; i++) {
		const struct mill_address *address = &iface->address[i];
		if ((address->family != 4 && address->family != 6) ||
		    address->length > (address->family == 4 ? 32 : 128))
			return false;
	}
	return true;
}

static bool check_ifaces(const struct mill_config *config, uint64_t ports, struct mill_error *error)
{
	bool taken[MILL_MAX_IFACES] = {false};
	for (uint32_t i = 0; i < config->n_ifaces; i++) {
		const struct mill_iface_config *iface = &config->iface[i];
		const bool named = terminated(iface->name, sizeof(iface->name)) &&
		                   memchr(iface->host_name, '\0', sizeof(iface->host_name)) != NULL;
		if (!named || iface->slot >= MILL_MAX_IFACES || taken[iface->slot] || iface->n_tags > 2 ||
		    iface->host > MILL_HOST_TAP) {
			mill_fail(error, EINVAL,
			          "configuration: interface %u has a bad name, slot %u, tags or face", i,
			          iface->slot);
			return false;
		}
		if (iface->port >= MILL_MAX_PORTS || (ports >> iface->port & 1) == 0) {
			mill_fail(error, EINVAL,
			          "configuration: interface %s is on port slot %u, which no port has",
			          iface->name, iface->port);
			return false;
		}
		if (!check_addresses(iface)) {
			mill_fail(error, EINVAL, "configuration: interface %s has %u addresses, or bad ones",
			          iface->name, iface->n_addresses);
			return false;
		}
		taken[iface->slot] = true;
	}
	return true;
}

static bool check_workers(const struct mill_config *config, struct mill_error *error)
{
	for (uint32_t port = 0; port < config->n_ports; port++) {
		uint32_t owned = 0;
		for (uint32_t w = 0; w < config->n_workers; w++) {
			if ((owned & config->worker[w].rx_rings[port]) != 0) {
				mill_fail(error, EINVAL, "configuration: a ring of port %s has two workers",
				          config->port[port].name);
				return false;
			}
			owned |= config->worker[w].rx_rings[port];
		}
	}
	return true;
}

bool mill_config_check(const struct mill_config *config, struct mill_error *error)
{
	if (config->magic != MILL_CONFIG_MAGIC || config->abi != MILL_ABI_VERSION) {
		mill_fail(error, EINVAL, "configuration: expected magic %#x and ABI %u, got %#x and %u",
		          MILL_CONFIG_MAGIC, MILL_ABI_VERSION, config->magic, config->abi);
		return false;
	}
	if (config->generation == 0 || config->event_mode > MILL_EVENTS_ADAPTIVE ||
	    config->lookup > MILL_FIB_DXR || config->n_workers == 0 || config->n_ports > MILL_MAX_PORTS ||
	    config->n_ifaces > MILL_MAX_IFACES || config->n_workers > MILL_MAX_WORKERS ||
	    config->n_gateways > MILL_MAX_GATEWAYS || config->n_rules > MILL_MAX_RULES ||
	    config->n_sets > MILL_MAX_SETS) {
		mill_fail(error, EINVAL,
		          "configuration: generation %llu, %u ports, %u interfaces, %u workers, %u gateways, "
		          "%u rules, %u sets: out of range",
		          (unsigned long long)config->generation, config->n_ports, config->n_ifaces,
		          config->n_workers, config->n_gateways, config->n_rules, config->n_sets);
		return false;
	}
	for (uint32_t i = 0; i < config->n_rules; i++)
		if (config->rule_slot[i] >= MILL_MAX_RULES) {
			mill_fail(error, EINVAL, "configuration: rule %u has slot %u", i,
			          config->rule_slot[i]);
			return false;
		}
	for (uint32_t i = 0; i < config->n_gateways; i++)
		if (config->gateway_slot[i] >= MILL_MAX_GATEWAYS) {
			mill_fail(error, EINVAL, "configuration: gateway %u has slot %u", i,
			          config->gateway_slot[i]);
			return false;
		}
	for (uint32_t i = 0; i < config->n_sets; i++)
		if (config->set[i][0] == '\0' || memchr(config->set[i], '\0', MILL_NAME_SIZE) == NULL) {
			mill_fail(error, EINVAL, "configuration: set %u has no name", i);
			return false;
		}
	uint64_t ports = 0;
	return check_ports(config, &ports, error) && check_ifaces(config, ports, error) &&
	       check_workers(config, error);
}
