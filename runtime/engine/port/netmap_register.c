/*
 * Asking /dev/netmap for a port's rings: by NIOCCTRL in API 14 or 15, whichever the kernel takes, else by the older
 * NIOCREGIF. Control thread only.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "port/netmap.h"
#include "port/netmap_ask.h"

#define PATIENCE_MS 2000 /* for a daemon that is about to close its duplicates of descriptors */
#define RETRY_MS    5

static int ask_for(int fd, uint16_t version, uint16_t what, const char *about, void *body,
                   struct nmreq_option *option)
{
	char name[NETMAP_REQ_IFNAMSIZ] = "";
	snprintf(name, sizeof(name), "%s", about);
	return mill_netmap_ask_for(fd, version, what, name, body, option);
}

static int ask(int fd, uint16_t version, uint16_t what, const char *about, void *body)
{
	return ask_for(fd, version, what, about, body, NULL);
}

/* --- the older requests --------------------------------------------------------------------------------- */

/* A pipe is a number there. */
static bool legacy_name(const struct mill_netmap_spec *spec, struct nmreq *request)
{
	const size_t length = strcspn(spec->name, "{}");
	if (length >= sizeof(request->nr_name)) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(request->nr_name, spec->name, length);
	request->nr_version = 14;
	if (!spec->is_pipe)
		return true;
	char *end;
	const unsigned long id = strtoul(spec->name + length + 1, &end, 10);
	if (*end != '\0' || id > 0xfff) {
		errno = EINVAL;
		return false;
	}
	request->nr_flags = spec->name[length] == '{' ? NR_REG_PIPE_MASTER : NR_REG_PIPE_SLAVE;
	request->nr_ringid = (uint16_t)id;
	return true;
}

static int legacy_info(int fd, const struct mill_netmap_spec *spec, struct mill_netmap_info *info)
{
	struct nmreq request = {0};
	/* Of a pipe that is not there yet nothing is known but that it has a pair of rings. */
	*info = (struct mill_netmap_info){.tx_rings = 1, .rx_rings = 1};
	if (spec->is_pipe)
		return 0;
	if (!legacy_name(spec, &request) || mill_netmap_sys->request(fd, NIOCGINFO, &request) != 0)
		return -1;
	info->tx_rings = request.nr_tx_rings;
	info->rx_rings = request.nr_rx_rings;
	info->host_tx_rings = info->host_rx_rings = spec->ifname[0] != '\0';
	return 0;
}

static int legacy_register(int fd, const struct mill_netmap_spec *spec, struct mill_netmap_binding *binding)
{
	struct nmreq request = {0};
	if (!legacy_name(spec, &request))
		return -1;
	if (!spec->is_pipe) {
		request.nr_flags = binding->mode;
		request.nr_ringid = binding->ring;
	}
	request.nr_ringid |= NETMAP_NO_TX_POLL;
	request.nr_flags |= (uint32_t)(binding->flags & ~(uint64_t)NR_NO_TX_POLL);
	request.nr_arg3 = binding->extra_bufs;
	if (mill_netmap_sys->request(fd, NIOCREGIF, &request) != 0)
		return -1;
	binding->offset = request.nr_offset;
	binding->memory_size = request.nr_memsize;
	binding->memory_id = request.nr_arg2;
	binding->extra_bufs = request.nr_arg3;
	binding->offsets = false;
	binding->shareable = false; /* no way to map memory without a port */
	return 0;
}

/* --- either --------------------------------------------------------------------------------------------- */

static uint32_t size_of_buffers(int fd, uint16_t version, const struct mill_netmap_spec *spec)
{
	struct nmreq_pools_info info = {0};
	return ask(fd, version, NETMAP_REQ_POOLS_INFO_GET, spec->name, &info) == 0 ? info.nr_buf_pool_objsize
	                                                                           : 0;
}

static int current_info(int fd, uint16_t version, const struct mill_netmap_spec *spec,
                        struct mill_netmap_info *info)
{
	struct nmreq_port_info_get request = {0};
	if (ask(fd, version, NETMAP_REQ_PORT_INFO_GET, spec->name, &request) != 0)
		return -1;
	*info = (struct mill_netmap_info){.tx_rings = request.nr_tx_rings,
	                                  .rx_rings = request.nr_rx_rings,
	                                  .host_tx_rings = request.nr_host_tx_rings,
	                                  .host_rx_rings = request.nr_host_rx_rings,
	                                  .buffer_size = size_of_buffers(fd, version, spec)};
	return 0;
}

static int bind_rings(int fd, uint16_t version, const struct mill_netmap_spec *spec,
                      const struct mill_netmap_binding *binding, struct nmreq_register *request)
{
	struct nmreq_opt_offsets offsets = {.nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_OFFSETS},
	                                    .nro_max_offset = MILL_NETMAP_OFFSETS - 1,
	                                    .nro_initial_offset = MILL_NETMAP_OFFSET,
	                                    .nro_offset_bits = (uint32_t)__builtin_ctz(MILL_NETMAP_OFFSETS)};
	*request = (struct nmreq_register){.nr_ringid = binding->ring,
	                                   .nr_mode = binding->mode,
	                                   .nr_extra_bufs = binding->extra_bufs,
	                                   .nr_flags = binding->flags};
	return ask_for(fd, version, NETMAP_REQ_REGISTER, spec->name, request,
	               binding->offsets ? &offsets.nro_opt : NULL);
}

/* A driver that knows no offsets refuses the whole request. */
static int current_register(int fd, uint16_t version, const struct mill_netmap_spec *spec,
                            struct mill_netmap_binding *binding)
{
	struct nmreq_register request;
	int result = bind_rings(fd, version, spec, binding, &request);
	if (result != 0 && binding->offsets) {
		binding->offsets = false;
		result = bind_rings(fd, version, spec, binding, &request);
	}
	if (result != 0)
		return -1;
	binding->offset = request.nr_offset;
	binding->memory_size = request.nr_memsize;
	binding->memory_id = request.nr_mem_id;
	binding->extra_bufs = request.nr_extra_bufs;
	binding->shareable = true;
	return 0;
}

static void explain(const struct mill_netmap_spec *spec, int code, struct mill_error *error)
{
	const char *remedy = code == ENXIO   ? "there is no interface of this name here; see 'ip link'"
	                     : code == EBUSY ? "another program has it, or another port (lsof /dev/netmap)"
	                     : code == EINVAL && spec->kind == MILL_NETMAP_MONITOR
	                         ? "what is monitored must be open in netmap mode already"
	                     : code == EINVAL ? "no such ring, or its driver takes frames of its MTU only in "
	                                        "several buffers (ip link set … "
	                                        "mtu 1500)"
	                     : code == ENOMEM
	                         ? "netmap's memory is used up (module parameters buf_num, ring_num, if_num)"
	                         : "see the kernel's log";
	mill_fail(error, code, "netmap:%s: %s: %s", spec->name, strerror(code), remedy);
}

static int open_device(const struct mill_netmap_spec *spec, struct mill_error *error)
{
	const int fd = mill_netmap_sys->open();
	if (fd < 0)
		mill_fail(error, errno,
		          "netmap:%s: /dev/netmap: %s: load the module 'netmap', or use xdp:", spec->name,
		          strerror(errno));
	return fd;
}

bool mill_netmap_info(const struct mill_netmap_spec *spec, struct mill_netmap_info *info,
                      struct mill_error *error)
{
	const int fd = open_device(spec, error);
	if (fd < 0)
		return false;
	const uint16_t version = mill_netmap_api(fd);
	const int result = version == 0 ? legacy_info(fd, spec, info) : current_info(fd, version, spec, info);
	if (result != 0)
		explain(spec, errno, error);
	mill_netmap_sys->close(fd);
	return result == 0;
}

static int try(const struct mill_netmap_spec *spec, struct mill_netmap_binding *binding,
               struct mill_error *error)
{
	const int fd = open_device(spec, error);
	if (fd < 0)
		return -1;
	const uint16_t version = mill_netmap_api(fd);
	if ((version == 0 ? legacy_register(fd, spec, binding)
	                  : current_register(fd, version, spec, binding)) == 0)
		return fd;
	explain(spec, errno, error);
	mill_netmap_sys->close(fd);
	return -1;
}

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* By the clock, not by counting pauses: to be refused takes netmap a while, too, most where it emulates a device. */
int mill_netmap_register(const struct mill_netmap_spec *spec, struct mill_netmap_binding *binding,
                         struct mill_error *error)
{
	const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000};
	const uint64_t end = now_ms() + PATIENCE_MS;
	for (;;) {
		struct mill_error why = {0};
		const int fd = try(spec, binding, &why);
		if (fd >= 0)
			return fd;
		if (why.code != EBUSY || now_ms() >= end) {
			*error = why;
			return -1;
		}
		nanosleep(&pause, NULL);
	}
}

int mill_netmap_anchor(uint32_t memory_id)
{
	static uint32_t number;
	char name[NETMAP_REQ_IFNAMSIZ];
	struct nmreq_register request = {.nr_mode = NR_REG_NULL, .nr_mem_id = (uint16_t)memory_id};
	const int fd = mill_netmap_sys->open();
	if (fd < 0)
		return -1;
	snprintf(name, sizeof(name), "netmill%u", number++);
	const uint16_t version = mill_netmap_api(fd);
	if (version != 0 && ask(fd, version, NETMAP_REQ_REGISTER, name, &request) == 0 &&
	    request.nr_mem_id == memory_id)
		return fd;
	mill_netmap_sys->close(fd);
	return -1;
}
