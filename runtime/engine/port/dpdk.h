/*
 * `dpdk:DEVARGS` ports are a plugin, so that the engine is built and runs without DPDK: netmill-dpdk.so (dpdk/) beside
 * the program that opens the first one, which exports one struct of this kind by the name below.
 */
#pragma once
#include <stddef.h>
#include "port/port.h"
#include "region.h"

#define MILL_DPDK_PLUGIN "netmill-dpdk.so"
#define MILL_DPDK_SYMBOL "mill_dpdk_plugin"

/* The first three tell whether plugin and program were built of the same source. */
struct mill_dpdk_plugin {
	uint32_t abi; /* MILL_ABI_VERSION */
	uint32_t port_size, region_size;
	const struct mill_port_ops *ops;
};
