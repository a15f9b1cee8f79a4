/*
 * Sizes that both processes and the generated forwarder agree on. Tables sized by these live in memfds, which
 * are sparse: an unused slot costs address space, not memory.
 */
#pragma once

#define MILL_ABI_VERSION 19u /* raised with any change to runtime/shm or runtime/engine/include */

#define MILL_MAX_PORTS      64u
#define MILL_MAX_IFACES     256u /* logical interfaces */
#define MILL_MAX_WORKERS    16u
#define MILL_MAX_RULES      65536u /* rule identities with live counters */
#define MILL_MAX_GATEWAYS   1024u  /* ways of ACLs and PBR: a gateway, or several */
#define MILL_MAX_SETS       64u    /* that change at run time */
#define MILL_MAX_ADDRESSES  16u    /* of one interface without a face in the kernel */
#define MILL_MAX_NEIGHBOURS 4096u  /* on such interfaces */
#define MILL_MAX_RINGS      16u    /* RX (and TX) rings of one port */
#define MILL_MAX_QUEUES     256u   /* of a device of which netmill takes some */
#define MILL_MAX_FLOWS      64u    /* that a device puts into them */
#define MILL_NAME_SIZE      32u    /* NUL-terminated names of ports, interfaces and sets */
#define MILL_SPEC_SIZE      128u
#define MILL_BUF_SIZE       2048u  /* one packet buffer, headroom included, */
#define MILL_BUF_SIZE_JUMBO 4096u  /* or, where the policy or a device needs it, a page */
#define MILL_BUF_SIZE_LARGE 16384u /* or four, of which AF_XDP takes each for itself; nothing is larger */
#define MILL_HEADROOM       256u   /* bytes before a received frame: room for two pushed tags and XDP's own */
#define MILL_BURST          64u
#define MILL_NONE           0xffffu
