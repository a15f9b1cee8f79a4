/* Descriptors, their requests by either API, and mappings. See model.h. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include "netmap/model_inside.h"

static struct binding bindings[MAX_FDS];
static struct map maps[MAX_FDS];

void model_forget_bindings(void)
{
	memset(bindings, 0, sizeof(bindings));
	memset(maps, 0, sizeof(maps));
}

static struct binding *bound(int fd)
{
	for (uint32_t i = 0; i < MAX_FDS; i++)
		if (bindings[i].open && !bindings[i].closed && bindings[i].fd == fd)
			return &bindings[i];
	return NULL;
}

/* Which rings: ring 0 stands in where the device has not so many in one direction. */
static bool choose(struct binding *binding, const struct device *device, uint32_t mode, uint32_t ring,
                   uint64_t flags)
{
	static const uint64_t excludes[2] = {NR_TX_RINGS_ONLY, NR_RX_RINGS_ONLY};
	for (uint32_t tx = 0; tx < 2; tx++) {
		const uint32_t n = device->n[tx], one = ring < n ? ring : 0;
		binding->first[tx] = mode == NR_REG_SW ? n : mode == NR_REG_ONE_NIC ? one : 0;
		binding->last[tx] = mode == NR_REG_SW        ? n + device->host
		                    : mode == NR_REG_ONE_NIC ? one + 1
		                                             : n;
		if ((flags & excludes[tx]) != 0)
			binding->first[tx] = binding->last[tx] = 0;
	}
	return (mode != NR_REG_ONE_NIC || ring < device->n[0] || ring < device->n[1]) &&
	       (mode != NR_REG_SW || device->host != 0);
}

static bool is_free(const struct binding *binding, struct device *device)
{
	for (uint32_t tx = 0; tx < 2; tx++)
		for (uint32_t i = binding->first[tx]; i < binding->last[tx]; i++)
			if (device->kring[tx][i].exclusive ||
			    (binding->exclusive && device->kring[tx][i].users != 0))
				return false;
	return true;
}

static void count(struct binding *binding, int by)
{
	struct device *device = binding->device;
	if (by < 0 && device->monitored != NULL)
		model_monitor_ends(device, binding->first[0]);
	for (uint32_t tx = 0; tx < 2; tx++)
		for (uint32_t i = binding->first[tx]; i < binding->last[tx]; i++) {
			struct kring *kring = &device->kring[tx][i];
			kring->users += (uint32_t)by;
			kring->exclusive = by > 0 ? binding->exclusive : false;
		}
	device->users += (uint32_t)by;
}

static uint32_t grant(struct memory *memory, struct netmap_if *nifp, uint32_t wanted)
{
	uint32_t granted = 0, head = 0;
	for (; granted < wanted && granted < model_options.extra_most; granted++) {
		const uint32_t index = model_take(memory);
		memcpy(model_buffer(memory, index), &head, sizeof(head));
		head = index;
	}
	model_set32(&nifp->ni_bufs_head, head);
	return granted;
}

/* Offsets of rings that the descriptor is not bound to lead nowhere. */
static void describe(struct binding *binding)
{
	struct memory *memory = binding->memory;
	const struct device *device = binding->device;
	struct netmap_if *nifp = (struct netmap_if *)(void *)(memory->base + IF_BYTES * memory->n_ifs++);
	uint32_t at = 0;
	memset(nifp, 0, IF_BYTES);
	binding->nifp = nifp;
	model_set32(&nifp->ni_tx_rings, device->n[1]);
	model_set32(&nifp->ni_rx_rings, device->n[0]);
	model_set32(&nifp->ni_host_tx_rings, device->host);
	model_set32(&nifp->ni_host_rx_rings, device->host);
	for (uint32_t tx = 2; tx-- > 0;)
		for (uint32_t i = 0; i < (uint32_t)device->n[tx] + device->host; i++, at++)
			if (i >= binding->first[tx] && i < binding->last[tx])
				((int64_t *)(uintptr_t)nifp->ring_ofs)[at] =
				    (uint8_t *)device->kring[tx][i].ring - (uint8_t *)nifp;
}

/* Of rings that nobody else has: where frames start, and how far behind they may. */
static int set_offsets(struct binding *binding, struct nmreq_opt_offsets *option)
{
	const uint64_t mask = (1ull << option->nro_offset_bits) - 1;
	option->nro_opt.nro_status = !model_options.offsets ? EOPNOTSUPP : 0;
	if (option->nro_max_offset > model_options.buffer_size || option->nro_max_offset > mask ||
	    option->nro_initial_offset > option->nro_max_offset)
		option->nro_opt.nro_status = EINVAL;
	for (uint32_t tx = 0; tx < 2 && option->nro_opt.nro_status == 0; tx++)
		for (uint32_t i = binding->first[tx]; i < binding->last[tx]; i++) {
			struct kring *kring = &binding->device->kring[tx][i];
			kring->offset_max = (uint32_t)option->nro_max_offset;
			*(uint64_t *)(uintptr_t)&kring->ring->offset_mask = mask;
			for (uint32_t s = 0; s < MODEL_SLOTS; s++)
				kring->ring->slot[s].ptr = option->nro_initial_offset;
			memcpy(kring->saved, kring->ring->slot, sizeof(kring->saved));
		}
	errno = (int)option->nro_opt.nro_status;
	return errno == 0 ? 0 : -1;
}

struct wish {
	const char *name;
	uint32_t mode, ring, extra, memory_id;
	uint64_t flags, offset, size;
	struct nmreq_opt_offsets *offsets;
};

static int bind_null(struct binding *binding, struct wish *wish)
{
	binding->memory = model_find_memory((uint16_t)wish->memory_id);
	if (binding->memory == NULL || wish->memory_id == 0 || model_options.no_null) {
		binding->memory = NULL;
		errno = EINVAL;
		return -1;
	}
	wish->size = binding->memory->size;
	return 0;
}

static int bind_rings(struct binding *binding, struct wish *wish)
{
	struct device *device = model_find(wish->name);
	if (wish->mode == NR_REG_NULL)
		return bind_null(binding, wish);
	binding->exclusive = (wish->flags & NR_EXCLUSIVE) != 0;
	if (device != NULL && (wish->flags & (NR_MONITOR_RX | NR_MONITOR_TX)) != 0 &&
	    (device = model_monitor(device, wish->ring, wish->flags)) == NULL)
		return -1;
	errno = device == NULL                                                  ? ENXIO
	        : binding->memory != NULL                                       ? EBUSY
	        : !choose(binding, device, wish->mode, wish->ring, wish->flags) ? EINVAL
	        : !is_free(binding, device)                                     ? EBUSY
	                                                                        : 0;
	if (errno != 0)
		return -1;
	binding->device = device;
	if (wish->offsets != NULL && set_offsets(binding, wish->offsets) != 0) {
		binding->device = NULL;
		return -1;
	}
	binding->memory = device->memory;
	count(binding, 1);
	describe(binding);
	wish->extra = wish->extra != 0 ? grant(device->memory, binding->nifp, wish->extra) : 0;
	wish->offset = (uint64_t)((uint8_t *)binding->nifp - device->memory->base);
	wish->size = device->memory->size;
	wish->memory_id = device->memory->id;
	return 0;
}

static int current(struct binding *binding, struct nmreq_header *header)
{
	if (model_options.api == 0 || header->nr_version != model_options.api) {
		errno = EINVAL;
		return -1;
	}
	if (strchr(header->nr_name, '^') != NULL)
		model_reject("%s has no users: asked about, it is destroyed, and the kernel with it",
		             header->nr_name);
	if (header->nr_reqtype >= NETMAP_REQ_VALE_ATTACH && header->nr_reqtype != NETMAP_REQ_POOLS_INFO_GET)
		return model_vale(header);
	/* A device that is attached is found by its name in the switch, too. */
	bool host, polled;
	const bool attached = model_attached(header->nr_name, &host, &polled);
	const struct device *device =
	    model_find(attached ? strchr(header->nr_name, ':') + 1 : header->nr_name);
	if (header->nr_reqtype == NETMAP_REQ_PORT_INFO_GET) {
		struct nmreq_port_info_get *info = (void *)(uintptr_t)header->nr_body;
		if (device == NULL) {
			errno = ENXIO;
			return header->nr_name[0] == '\0' ? 0 : -1;
		}
		info->nr_tx_rings = device->n[1];
		info->nr_rx_rings = device->n[0];
		info->nr_tx_slots = info->nr_rx_slots = MODEL_SLOTS;
		info->nr_mem_id = device->memory->id;
		info->nr_memsize = device->memory->size;
		info->nr_host_tx_rings = info->nr_host_rx_rings = device->host;
		return 0;
	}
	if (header->nr_reqtype == NETMAP_REQ_POOLS_INFO_GET) {
		struct nmreq_pools_info *info = (void *)(uintptr_t)header->nr_body;
		info->nr_buf_pool_objsize = model_options.buffer_size;
		errno = ENXIO;
		return device == NULL ? -1 : 0;
	}
	struct nmreq_register *request = (void *)(uintptr_t)header->nr_body;
	struct wish wish = {.name = header->nr_name,
	                    .mode = request->nr_mode,
	                    .ring = request->nr_ringid,
	                    .extra = request->nr_extra_bufs,
	                    .memory_id = request->nr_mem_id,
	                    .offsets = (void *)(uintptr_t)header->nr_options,
	                    .flags = request->nr_flags};
	if (wish.mode != NR_REG_NULL && (wish.flags & NR_NO_TX_POLL) == 0)
		model_reject("%s is opened without NR_NO_TX_POLL", wish.name);
	if (bind_rings(binding, &wish) != 0)
		return -1;
	request->nr_offset = wish.offset;
	request->nr_memsize = wish.size;
	request->nr_mem_id = (uint16_t)wish.memory_id;
	request->nr_extra_bufs = wish.extra;
	return 0;
}

static int legacy(struct binding *binding, unsigned long what, struct nmreq *request)
{
	const struct device *device = model_find(request->nr_name);
	if (request->nr_version != 14 || device == NULL) {
		errno = device == NULL ? ENXIO : EINVAL;
		return -1;
	}
	if (what == NIOCGINFO) {
		request->nr_tx_rings = device->n[1];
		request->nr_rx_rings = device->n[0];
		return 0;
	}
	if ((request->nr_ringid & NETMAP_NO_TX_POLL) == 0)
		model_reject("%s is opened without NETMAP_NO_TX_POLL", request->nr_name);
	struct wish wish = {.name = request->nr_name,
	                    .mode = request->nr_flags & 15,
	                    .ring = request->nr_ringid & 0xfff,
	                    .extra = request->nr_arg3,
	                    .flags = request->nr_flags & ~15u};
	if (bind_rings(binding, &wish) != 0)
		return -1;
	request->nr_offset = (uint32_t)wish.offset;
	request->nr_memsize = (uint32_t)wish.size;
	request->nr_arg2 = (uint16_t)wish.memory_id;
	request->nr_arg3 = wish.extra;
	return 0;
}

static int model_request(int fd, unsigned long what, void *argument)
{
	struct binding *binding = bound(fd);
	if (binding == NULL) {
		errno = EBADF;
		return -1;
	}
	if (what == NIOCTXSYNC || what == NIOCRXSYNC)
		return model_sync(binding, what == NIOCTXSYNC);
	return what == NIOCCTRL ? current(binding, argument) : legacy(binding, what, argument);
}

/* --- descriptors and mappings ------------------------------------------------------------------------------ */

static int model_open(void)
{
	usleep(model_options.slow_us);
	for (uint32_t i = 0; i < MAX_FDS; i++)
		if (!bindings[i].open) {
			bindings[i] =
			    (struct binding){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .open = true};
			return bindings[i].fd;
		}
	errno = EMFILE;
	return -1;
}

/* As with any file: the last of descriptor and mappings ends it, and frees what the slots name. */
static void end(struct binding *binding)
{
	if (binding->device != NULL)
		count(binding, -1);
	binding->open = false;
}

static void model_close(int fd)
{
	struct binding *binding = bound(fd);
	close(fd);
	if (binding == NULL)
		return;
	binding->closed = true;
	if (binding->maps == 0)
		end(binding);
}

static void *model_map(int fd, size_t size)
{
	struct binding *binding = bound(fd);
	struct map *map = maps;
	while (map->base != NULL)
		map++;
	if (binding == NULL || binding->memory == NULL || size != binding->memory->size) {
		errno = EINVAL;
		return NULL;
	}
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, binding->memory->fd, 0);
	*map = (struct map){.base = base, .by = binding};
	binding->maps++;
	return base;
}

static void model_unmap(void *base, size_t size)
{
	for (uint32_t i = 0; i < MAX_FDS; i++)
		if (maps[i].base == base) {
			struct binding *by = maps[i].by;
			maps[i].base = NULL;
			if (--by->maps == 0 && by->closed)
				end(by);
		}
	munmap(base, size);
}

static int model_watch(int epoll_fd, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

void model_wake(const struct device *device, uint32_t ring)
{
	const uint64_t one = 1;
	for (uint32_t i = 0; i < MAX_FDS; i++) {
		const struct binding *binding = &bindings[i];
		if (binding->open && !binding->closed && binding->device == device &&
		    ring >= binding->first[0] && ring < binding->last[0] &&
		    write(binding->fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
			model_reject("nobody can be woken by descriptor %d", binding->fd);
	}
}

const struct mill_netmap_sys model_sys = {.open = model_open,
                                          .request = model_request,
                                          .map = model_map,
                                          .unmap = model_unmap,
                                          .close = model_close,
                                          .watch = model_watch};
