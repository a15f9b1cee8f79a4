/* VALE switches of the model: who is attached where, persistent ports, polling. See model.h. A switch is there as long as it has a port. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "netmap/model_inside.h"

#define SWITCHES     4u
#define SWITCH_PORTS 8u
#define CORES        4u

struct switch_port {
	char name[NETMAP_REQ_IFNAMSIZ]; /* "" : none; with its switch's */
	bool host, polled;
};

static struct switch_port ports[SWITCHES][SWITCH_PORTS];

void model_forget_switches(void)
{
	memset(ports, 0, sizeof(ports));
}

static const char *behind_switch(const char *name)
{
	const char *colon = strchr(name, ':');
	return strncmp(name, "vale", 4) == 0 && colon != NULL ? colon + 1 : NULL;
}

static struct switch_port *find_port(const char *name, uint32_t *index)
{
	for (uint32_t s = 0; s < SWITCHES; s++)
		for (uint32_t i = 0; i < SWITCH_PORTS; i++)
			if (name[0] != '\0' && strcmp(ports[s][i].name, name) == 0) {
				*index = i;
				return &ports[s][i];
			}
	return NULL;
}

static bool is_of(uint32_t s, const char *name)
{
	const size_t n = strcspn(name, ":") + 1;
	for (uint32_t i = 0; i < SWITCH_PORTS; i++)
		if (strncmp(ports[s][i].name, name, n) == 0)
			return true;
	return false;
}

static bool is_empty(uint32_t s)
{
	for (uint32_t i = 0; i < SWITCH_PORTS; i++)
		if (ports[s][i].name[0] != '\0')
			return false;
	return true;
}

/* The switch of that name, else an empty one. */
static uint32_t switch_for(const char *name)
{
	uint32_t s = 0;
	while (s < SWITCHES && !is_of(s, name))
		s++;
	for (uint32_t i = 0; s == SWITCHES && i < SWITCHES; i++)
		if (is_empty(i))
			return i;
	return s;
}

static struct switch_port *place(uint32_t s, const char *name, const char *more, uint32_t *index)
{
	struct switch_port *port = ports[s];
	for (*index = 0; port->name[0] != '\0'; ++*index)
		port++;
	*port = (struct switch_port){0};
	snprintf(port->name, sizeof(port->name), "%s%s", name, more);
	return port;
}

static int attach(const char *name, struct nmreq_vale_attach *request)
{
	const char *device = behind_switch(name);
	struct device *found = device != NULL ? model_find(device) : NULL;
	uint32_t index;
	if (device == NULL ||
	    (request->reg.nr_mem_id != 0 && model_find_memory(request->reg.nr_mem_id) == NULL))
		return EINVAL;
	if (found == NULL)
		return ENXIO;
	if (find_port(name, &index) != NULL || found->users != 0)
		return EBUSY;
	if (request->reg.nr_mode != NR_REG_ALL_NIC && request->reg.nr_mode != NR_REG_NIC_SW) {
		model_reject("%s is attached by mode %u", name, request->reg.nr_mode);
		return EINVAL;
	}
	const uint32_t s = switch_for(name);
	struct switch_port *port = place(s, name, "", &request->port_index);
	port->host = request->reg.nr_mode == NR_REG_NIC_SW;
	if (port->host)
		place(s, name, "^", &index);
	found->users++;
	return 0;
}

static int detach(const char *name, struct nmreq_vale_detach *request)
{
	char second[NETMAP_REQ_IFNAMSIZ + 1];
	uint32_t index;
	struct switch_port *port = find_port(name, &index);
	if (behind_switch(name) == NULL)
		return EINVAL;
	if (port == NULL)
		return ENXIO;
	if (port->polled)
		return EBUSY;
	model_find(behind_switch(name))->users--;
	memset(port, 0, sizeof(*port));
	request->port_index = index;
	snprintf(second, sizeof(second), "%s^", name);
	if ((port = find_port(second, &index)) != NULL)
		memset(port, 0, sizeof(*port));
	return 0;
}

static int list(char *name, struct nmreq_vale_list *at)
{
	if (name[0] != '\0') {
		model_reject("the list of %s: netmap answers where a port is, not which ones there are",
		             name);
		return EINVAL;
	}
	uint32_t i = at->nr_port_idx;
	for (uint32_t s = at->nr_bridge_idx; s < SWITCHES; s++, i = 0)
		for (; i < SWITCH_PORTS; i++)
			if (ports[s][i].name[0] != '\0') {
				memcpy(name, ports[s][i].name, NETMAP_REQ_IFNAMSIZ);
				at->nr_bridge_idx = (uint16_t)s;
				at->nr_port_idx = i;
				return 0;
			}
	return ENOENT;
}

static int make(const char *name, struct nmreq_vale_newif *request)
{
	if (strncmp(name, "vale", 4) == 0 || strlen(name) > 15)
		return EINVAL;
	if (model_find(name) != NULL)
		return EEXIST;
	if (request->nr_mem_id != 0 && model_find_memory(request->nr_mem_id) == NULL)
		return EINVAL;
	request->nr_tx_rings = request->nr_tx_rings != 0 ? request->nr_tx_rings : 1;
	request->nr_rx_rings = request->nr_rx_rings != 0 ? request->nr_rx_rings : request->nr_tx_rings;
	request->nr_tx_slots = request->nr_rx_slots = MODEL_SLOTS;
	request->nr_mem_id = request->nr_mem_id != 0 ? request->nr_mem_id : 3;
	model_device(name, request->nr_mem_id, request->nr_tx_rings, request->nr_rx_rings, 0);
	model_find(name)->persistent = true;
	return 0;
}

static int unmake(const char *name)
{
	struct device *device = model_find(name);
	if (device == NULL)
		return ENXIO;
	if (!device->persistent)
		return EINVAL;
	if (device->users != 0)
		return EBUSY;
	device->gone = true;
	return 0;
}

static int poll(const char *name, const struct nmreq_vale_polling *request, bool start)
{
	uint32_t index;
	struct switch_port *port = find_port(name, &index);
	if (port == NULL)
		return behind_switch(name) == NULL ? EINVAL : ENXIO;
	const struct device *device = model_find(behind_switch(name));
	const uint32_t n = request->nr_num_polling_cpus;
	if (device->persistent)
		return EOPNOTSUPP;
	if (port->polled == start)
		return EFAULT;
	if (start && (n == 0 || n >= CORES ||
	              (request->nr_mode == NETMAP_POLLING_MODE_MULTI_CPU
	                   ? request->nr_first_cpu_id + n > device->n[0]
	                   : request->nr_mode != NETMAP_POLLING_MODE_SINGLE_CPU || n != 1)))
		return EINVAL;
	port->polled = start;
	return 0;
}

int model_vale(struct nmreq_header *header)
{
	void *body = (void *)(uintptr_t)header->nr_body;
	int code = EINVAL;
	if ((body == NULL) != (header->nr_reqtype == NETMAP_REQ_VALE_DELIF))
		model_reject("request %u: a body where none belongs, or none", header->nr_reqtype);
	else if (header->nr_reqtype == NETMAP_REQ_VALE_ATTACH)
		code = attach(header->nr_name, body);
	else if (header->nr_reqtype == NETMAP_REQ_VALE_DETACH)
		code = detach(header->nr_name, body);
	else if (header->nr_reqtype == NETMAP_REQ_VALE_LIST)
		code = list(header->nr_name, body);
	else if (header->nr_reqtype == NETMAP_REQ_VALE_NEWIF)
		code = make(header->nr_name, body);
	else if (header->nr_reqtype == NETMAP_REQ_VALE_DELIF)
		code = unmake(header->nr_name);
	else
		code = poll(header->nr_name, body, header->nr_reqtype == NETMAP_REQ_VALE_POLLING_ENABLE);
	errno = code;
	return code == 0 ? 0 : -1;
}

bool model_attached(const char *name, bool *host, bool *polled)
{
	uint32_t index;
	const struct switch_port *port = find_port(name, &index);
	if (port == NULL)
		return false;
	*host = port->host;
	*polled = port->polled;
	return true;
}
