/*
 * What a process asks /dev/netmap: requests of API 14 and 15 (NIOCCTRL) and the older struct nmreq (NIOCREGIF,
 * NIOCGINFO). Declared from the published layout, with every offset asserted; a system that has netmap's own headers is
 * given the last word.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "netmill/netmap_abi.h"

#if !__has_include(<net/netmap_user.h>)

#define NETMAP_REQ_REGISTER             1
#define NETMAP_REQ_PORT_INFO_GET        2
#define NETMAP_REQ_VALE_ATTACH          3
#define NETMAP_REQ_VALE_DETACH          4
#define NETMAP_REQ_VALE_LIST            5
#define NETMAP_REQ_VALE_NEWIF           8
#define NETMAP_REQ_VALE_DELIF           9
#define NETMAP_REQ_VALE_POLLING_ENABLE  10
#define NETMAP_REQ_VALE_POLLING_DISABLE 11

#define NETMAP_REQ_POOLS_INFO_GET 12

#define NETMAP_REQ_OPT_OFFSETS 5

#define NETMAP_POLLING_MODE_SINGLE_CPU 1
#define NETMAP_POLLING_MODE_MULTI_CPU  2

#define NR_REG_ALL_NIC     1
#define NR_REG_SW          2
#define NR_REG_NIC_SW      3
#define NR_REG_ONE_NIC     4
#define NR_REG_PIPE_MASTER 5
#define NR_REG_PIPE_SLAVE  6
#define NR_REG_NULL        7

#define NR_MONITOR_TX    0x0100
#define NR_MONITOR_RX    0x0200
#define NR_ZCOPY_MON     0x0400
#define NR_EXCLUSIVE     0x0800
#define NR_RX_RINGS_ONLY 0x2000
#define NR_TX_RINGS_ONLY 0x4000
#define NR_NO_TX_POLL    0x20000

/* nmreq.nr_ringid */
#define NETMAP_NO_TX_POLL 0x1000

#define NETMAP_REQ_IFNAMSIZ 64

struct nmreq_header {
	uint16_t nr_version;
	uint16_t nr_reqtype;
	uint32_t nr_reserved;
	char nr_name[NETMAP_REQ_IFNAMSIZ];
	uint64_t nr_options;
	uint64_t nr_body;
};

struct nmreq_register {
	uint64_t nr_offset; /* of the struct netmap_if in the mapped memory */
	uint64_t nr_memsize;
	uint32_t nr_tx_slots, nr_rx_slots;
	uint16_t nr_tx_rings, nr_rx_rings;
	uint16_t nr_host_tx_rings, nr_host_rx_rings;
	uint16_t nr_mem_id;
	uint16_t nr_ringid;
	uint32_t nr_mode;
	uint32_t nr_extra_bufs;
	uint64_t nr_flags;
};

struct nmreq_port_info_get {
	uint64_t nr_memsize;
	uint32_t nr_tx_slots, nr_rx_slots;
	uint16_t nr_tx_rings, nr_rx_rings;
	uint16_t nr_host_tx_rings, nr_host_rx_rings;
	uint16_t nr_mem_id;
	uint16_t pad[3];
};

struct nmreq_pools_info {
	uint64_t nr_memsize;
	uint16_t nr_mem_id;
	uint16_t pad1[3];
	uint64_t nr_if_pool_offset;
	uint32_t nr_if_pool_objtotal, nr_if_pool_objsize;
	uint64_t nr_ring_pool_offset;
	uint32_t nr_ring_pool_objtotal, nr_ring_pool_objsize;
	uint64_t nr_buf_pool_offset;
	uint32_t nr_buf_pool_objtotal, nr_buf_pool_objsize;
};

struct nmreq_option {
	uint64_t nro_next;
	uint32_t nro_reqtype;
	uint32_t nro_status; /* errno */
	uint64_t nro_size;
};

struct nmreq_opt_offsets {
	struct nmreq_option nro_opt;
	uint64_t nro_max_offset; /* larger ones are cut to it */
	uint64_t nro_initial_offset;
	uint32_t nro_offset_bits;
	uint32_t nro_tx_align;
	uint64_t nro_min_gap;
};

struct nmreq_vale_attach {
	struct nmreq_register reg;
	uint32_t port_index;
	uint32_t pad1;
};

struct nmreq_vale_detach {
	uint32_t port_index;
	uint32_t pad1;
};

struct nmreq_vale_list {
	uint16_t nr_bridge_idx;
	uint16_t pad1;
	uint32_t nr_port_idx;
};

struct nmreq_vale_newif {
	uint32_t nr_tx_slots, nr_rx_slots;
	uint16_t nr_tx_rings, nr_rx_rings;
	uint16_t nr_mem_id;
	uint16_t pad1;
};

struct nmreq_vale_polling {
	uint32_t nr_mode;
	uint32_t nr_first_cpu_id;
	uint32_t nr_num_polling_cpus;
	uint32_t pad1;
};

struct nmreq {
	char nr_name[16];
	uint32_t nr_version;
	uint32_t nr_offset;
	uint32_t nr_memsize;
	uint32_t nr_tx_slots, nr_rx_slots;
	uint16_t nr_tx_rings, nr_rx_rings;
	uint16_t nr_ringid;
	uint16_t nr_cmd;
	uint16_t nr_arg1;
	uint16_t nr_arg2; /* memory id */
	uint32_t nr_arg3; /* extra buffers */
	uint32_t nr_flags;
	uint32_t spare2[1];
};

#define NIOCGINFO  0xc03c6991ul
#define NIOCREGIF  0xc03c6992ul
#define NIOCTXSYNC 0x6994ul
#define NIOCRXSYNC 0x6995ul
#define NIOCCTRL   0xc0586997ul

#endif

_Static_assert(sizeof(struct nmreq_header) == 88, "nmreq_header has 88 bytes");
MILL_ASSERT_AT(nmreq_header, nr_reqtype, 2);
MILL_ASSERT_AT(nmreq_header, nr_name, 8);
MILL_ASSERT_AT(nmreq_header, nr_options, 72);
MILL_ASSERT_AT(nmreq_header, nr_body, 80);

_Static_assert(sizeof(struct nmreq_register) == 56, "nmreq_register has 56 bytes");
MILL_ASSERT_AT(nmreq_register, nr_memsize, 8);
MILL_ASSERT_AT(nmreq_register, nr_tx_slots, 16);
MILL_ASSERT_AT(nmreq_register, nr_tx_rings, 24);
MILL_ASSERT_AT(nmreq_register, nr_host_tx_rings, 28);
MILL_ASSERT_AT(nmreq_register, nr_mem_id, 32);
MILL_ASSERT_AT(nmreq_register, nr_ringid, 34);
MILL_ASSERT_AT(nmreq_register, nr_mode, 36);
MILL_ASSERT_AT(nmreq_register, nr_extra_bufs, 40);
MILL_ASSERT_AT(nmreq_register, nr_flags, 48);

_Static_assert(sizeof(struct nmreq_port_info_get) == 32, "nmreq_port_info_get has 32 bytes");
MILL_ASSERT_AT(nmreq_port_info_get, nr_tx_rings, 16);
MILL_ASSERT_AT(nmreq_port_info_get, nr_mem_id, 24);

_Static_assert(sizeof(struct nmreq_pools_info) == 64, "nmreq_pools_info has 64 bytes");
MILL_ASSERT_AT(nmreq_pools_info, nr_if_pool_offset, 16);
MILL_ASSERT_AT(nmreq_pools_info, nr_buf_pool_objsize, 60);

_Static_assert(sizeof(struct nmreq_option) == 24, "nmreq_option has 24 bytes");
MILL_ASSERT_AT(nmreq_option, nro_status, 12);
_Static_assert(sizeof(struct nmreq_opt_offsets) == 56, "nmreq_opt_offsets has 56 bytes");
MILL_ASSERT_AT(nmreq_opt_offsets, nro_initial_offset, 32);
MILL_ASSERT_AT(nmreq_opt_offsets, nro_offset_bits, 40);

_Static_assert(sizeof(struct nmreq_vale_attach) == 64, "nmreq_vale_attach has 64 bytes");
MILL_ASSERT_AT(nmreq_vale_attach, port_index, 56);
_Static_assert(sizeof(struct nmreq_vale_detach) == 8, "nmreq_vale_detach has 8 bytes");
_Static_assert(sizeof(struct nmreq_vale_list) == 8, "nmreq_vale_list has 8 bytes");
MILL_ASSERT_AT(nmreq_vale_list, nr_port_idx, 4);
_Static_assert(sizeof(struct nmreq_vale_newif) == 16, "nmreq_vale_newif has 16 bytes");
MILL_ASSERT_AT(nmreq_vale_newif, nr_tx_rings, 8);
MILL_ASSERT_AT(nmreq_vale_newif, nr_mem_id, 12);
_Static_assert(sizeof(struct nmreq_vale_polling) == 16, "nmreq_vale_polling has 16 bytes");
MILL_ASSERT_AT(nmreq_vale_polling, nr_num_polling_cpus, 8);

_Static_assert(sizeof(struct nmreq) == 60, "nmreq has 60 bytes");
MILL_ASSERT_AT(nmreq, nr_version, 16);
MILL_ASSERT_AT(nmreq, nr_offset, 20);
MILL_ASSERT_AT(nmreq, nr_tx_rings, 36);
MILL_ASSERT_AT(nmreq, nr_ringid, 40);
MILL_ASSERT_AT(nmreq, nr_arg2, 46);
MILL_ASSERT_AT(nmreq, nr_arg3, 48);
MILL_ASSERT_AT(nmreq, nr_flags, 52);
