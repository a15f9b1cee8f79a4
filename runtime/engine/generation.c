/*
 * Loading a generation: its configuration and its code, each copied into a sealed memfd of the engine's own, so that
 * nothing that happens to the daemon's files afterwards matters, and so that an adopting engine loads the same bytes.
 * The code is opened by its descriptor's path: a name that no other mapped generation has (N stays open as long as the
 * library is mapped), because dlopen returns the old library for a name it knows. Control thread only.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine.h"
#include "os/memory.h"

#define MAX_CODE (1088ll << 20) /* the most that engine.aclMemory grants, and code */

/* -1 and an error, or a sealed copy. */
static int sealed_copy(int from, const char *name, long long minimum, long long maximum,
                       struct mill_error *error)
{
	struct stat st;
	if (fstat(from, &st) != 0 || st.st_size < minimum || st.st_size > maximum) {
		mill_fail(error, EINVAL, "%s: expected %lld to %lld bytes, got %lld", name, minimum, maximum,
		          (long long)st.st_size);
		return -1;
	}
	const int fd = mill_memory_copy(name, from, (size_t)st.st_size);
	if (fd < 0)
		mill_fail(error, errno, "%s: copying %lld bytes: %s", name, (long long)st.st_size,
		          strerror(errno));
	return fd;
}

static bool load_config(struct mill_generation *generation, struct mill_error *error)
{
	void *memory =
	    mmap(NULL, sizeof(struct mill_config), PROT_READ, MAP_SHARED, generation->config_fd, 0);
	if (memory == MAP_FAILED) {
		mill_fail(error, errno, "mapping the configuration: %s", strerror(errno));
		return false;
	}
	generation->config = memory;
	if (!mill_config_check(generation->config, error))
		return false;
	const struct mill_config *config = generation->config;
	generation->number = config->generation;
	for (uint32_t slot = 0; slot < MILL_MAX_IFACES; slot++)
		generation->iface_local[slot] = MILL_NONE;
	for (uint16_t i = 0; i < config->n_ifaces; i++) {
		generation->iface_slot[i] = config->iface[i].slot;
		generation->iface_local[config->iface[i].slot] = i;
	}
	for (uint32_t i = 0; i < config->n_ports; i++)
		generation->port_slot[i] = config->port[i].slot;
	generation->bindings = (struct mill_bindings){.iface = generation->iface_slot,
	                                              .local = generation->iface_local,
	                                              .port = generation->port_slot,
	                                              .rule = config->rule_slot,
	                                              .gateway = config->gateway_slot,
	                                              .set = generation->set_slot};
	return true;
}

static bool check_forwarder(const struct mill_generation *generation, struct mill_error *error)
{
	const struct mill_forwarder *forwarder = generation->forwarder;
	const struct mill_config *config = generation->config;
	if (forwarder->abi != MILL_ABI_VERSION || forwarder->layout != MILL_LAYOUT) {
		mill_fail(error, EINVAL,
		          "forwarder was compiled for another engine: expected ABI %u layout %#x, got %u "
		          "%#x: build the "
		          "policy again",
		          MILL_ABI_VERSION, MILL_LAYOUT, forwarder->abi, forwarder->layout);
		return false;
	}
	if (memcmp(forwarder->policy_hash, config->policy_hash, sizeof(config->policy_hash)) != 0) {
		mill_fail(error, EINVAL, "forwarder and configuration are of different policies");
		return false;
	}
	if (forwarder->n_ports != config->n_ports || forwarder->n_ifaces != config->n_ifaces ||
	    forwarder->n_rules != config->n_rules || forwarder->n_gateways != config->n_gateways ||
	    forwarder->n_sets != config->n_sets) {
		mill_fail(
		    error, EINVAL,
		    "forwarder has %u ports, %u interfaces, %u rules, %u gateways, %u sets; configuration "
		    "has %u, %u, %u, %u, %u",
		    forwarder->n_ports, forwarder->n_ifaces, forwarder->n_rules, forwarder->n_gateways,
		    forwarder->n_sets, config->n_ports, config->n_ifaces, config->n_rules, config->n_gateways,
		    config->n_sets);
		return false;
	}
	for (uint32_t i = 0; i < forwarder->n_ports; i++)
		if (forwarder->receive == NULL || forwarder->receive[i] == NULL) {
			mill_fail(error, EINVAL, "forwarder has no code for port %s", config->port[i].name);
			return false;
		}
	return true;
}

static bool load_code(struct mill_generation *generation, struct mill_error *error)
{
	char path[MILL_FD_PATH];
	mill_fd_path(generation->code_fd, path);
	generation->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (generation->library == NULL) {
		mill_fail(error, ENOEXEC, "loading the forwarder: %s", dlerror());
		return false;
	}
	generation->forwarder = dlsym(generation->library, MILL_FORWARDER_SYMBOL);
	if (generation->forwarder == NULL) {
		mill_fail(error, ENOEXEC, "the forwarder does not export %s", MILL_FORWARDER_SYMBOL);
		return false;
	}
	return check_forwarder(generation, error);
}

struct mill_generation *mill_generation_load(int config_fd, int code_fd, struct mill_error *error)
{
	struct mill_generation *generation = calloc(1, sizeof(*generation));
	if (generation == NULL) {
		mill_fail(error, ENOMEM, "no memory for a generation");
		return NULL;
	}
	generation->code_fd = -1;
	generation->config_fd = sealed_copy(config_fd, "netmill-config", sizeof(struct mill_config),
	                                    sizeof(struct mill_config) + 4095, error);
	if (generation->config_fd >= 0)
		generation->code_fd = sealed_copy(code_fd, "netmill-forwarder", 1, MAX_CODE, error);
	if (generation->code_fd >= 0 && load_config(generation, error) && load_code(generation, error))
		return generation;
	mill_generation_unload(generation);
	return NULL;
}

void mill_generation_unload(struct mill_generation *generation)
{
	if (generation == NULL)
		return;
	if (generation->library != NULL)
		dlclose(generation->library);
	if (generation->config != NULL)
		munmap((void *)(uintptr_t)generation->config, sizeof(struct mill_config));
	if (generation->config_fd >= 0)
		close(generation->config_fd);
	if (generation->code_fd >= 0)
		close(generation->code_fd);
	free(generation);
}
