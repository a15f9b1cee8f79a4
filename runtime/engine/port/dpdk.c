/*
 * `dpdk:DEVARGS` ports: this file only fetches the plugin that has them (port/dpdk.h), when the first one is opened. Such a
 * port has nothing that would outlive its process, so it is never adopted: an engine that adopts opens it anew.
 */
#include "port/dpdk.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "os/system.h"

/* Beside the program that runs. */
static bool plugin_path(char *path, size_t size)
{
	if (!mill_program_path(path, size))
		return false;
	char *name = strrchr(path, '/');
	const size_t room = name != NULL ? size - (size_t)(name + 1 - path) : 0;
	return room > sizeof(MILL_DPDK_PLUGIN) && strcpy(name + 1, MILL_DPDK_PLUGIN) != NULL;
}

static bool is_ours(const struct mill_dpdk_plugin *plugin)
{
	return plugin->abi == MILL_ABI_VERSION && plugin->port_size == sizeof(struct mill_port) &&
	       plugin->region_size == sizeof(struct mill_region);
}

static const struct mill_dpdk_plugin *load(const char *name, struct mill_error *error)
{
	char path[4096];
	if (!plugin_path(path, sizeof(path)) || access(path, F_OK) != 0) {
		mill_fail(error, ENOENT,
		          "port %s: dpdk: ports are in " MILL_DPDK_PLUGIN
		          ", which was not built: install DPDK (Debian: "
		          "libdpdk-dev) and run 'npm run build:engine'; or use another kind of port",
		          name);
		return NULL;
	}
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const struct mill_dpdk_plugin *plugin = library != NULL ? dlsym(library, MILL_DPDK_SYMBOL) : NULL;
	if (plugin != NULL && is_ours(plugin))
		return plugin;
	const char *why = dlerror();
	if (plugin != NULL || why == NULL)
		why = "it is of another version";
	mill_fail(error, ELIBACC,
	          "port %s: %s cannot be loaded: %s; install DPDK's libraries (Debian: libdpdk-dev), "
	          "then 'npm run build:engine'",
	          name, path, why);
	if (library != NULL)
		dlclose(library);
	return NULL;
}

/* Control thread. Once it is loaded it stays: DPDK cannot be taken out of a process. */
static const struct mill_port_ops *fetch(const char *name, struct mill_error *error)
{
	static const struct mill_dpdk_plugin *plugin;
	if (plugin == NULL)
		plugin = load(name, error);
	return plugin != NULL ? plugin->ops : NULL;
}

static bool open_dpdk(struct mill_port *port, struct mill_error *error)
{
	const struct mill_port_ops *ops = fetch(port->config.name, error);
	if (ops == NULL)
		return false;
	port->ops = ops;
	return ops->open(port, error);
}

static bool adopt_dpdk(struct mill_port *port, const struct mill_held_fd *fds, struct mill_error *error)
{
	for (; fds->fd >= 0; fds++)
		close(fds->fd);
	mill_fail(error, ENOTSUP, "port %s: a DPDK device ends with its process", port->config.name);
	return false;
}

const struct mill_port_ops mill_port_dpdk = {
    .kind = "dpdk", .most_mtu = MILL_MTU_JUMBO, .open = open_dpdk, .adopt = adopt_dpdk};
