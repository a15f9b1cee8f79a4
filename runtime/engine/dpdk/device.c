/*
 * A device of DPDK's, from its devargs to its queues: found or made (rte_dev_probe), configured with as many pairs of
 * queues as the port has rings and no offload but spreading flows, started, and all of that undone.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include "dpdk/dpdk.h"

#define FRAMES_A_BLOCK 32u
_Static_assert(MILL_DPDK_FRAME *FRAMES_A_BLOCK % 4096 == 0, "blocks of packet(7) are pages");

/* --- what is asked for ---------------------------------------------------------------------------------- */

static bool is_one_of(const char *driver, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(driver, *names) == 0)
			return true;
	return false;
}

/* `net_tap` of `net_tap0` or `vdev:net_tap0`; nothing of an address on a bus. */
static void find_driver(struct mill_dpdk_spec *spec)
{
	const char *name = spec->devargs;
	if (strncmp(name, "vdev:", 5) == 0)
		name += 5;
	size_t n = strcspn(name, ",");
	if (memchr(name, ':', n) != NULL || memchr(name, '.', n) != NULL)
		return;
	while (n > 0 && isdigit((unsigned char)name[n - 1]))
		n--;
	snprintf(spec->driver, sizeof(spec->driver), "%.*s", (int)n, name);
}

/* What stands behind `key=`; NULL: nothing does. It ends with a comma or the string. */
static const char *value_of(const struct mill_dpdk_spec *spec, const char *key)
{
	const char *at = spec->devargs;
	const size_t n = strlen(key);
	while ((at = strchr(at, ',')) != NULL)
		if (strncmp(++at, key, n) == 0 && at[n] == '=')
			return at + n + 1;
	return NULL;
}

static bool has_key(const struct mill_dpdk_spec *spec, const char *key)
{
	return value_of(spec, key) != NULL;
}

/* What follows from the driver. */
static void complete(struct mill_dpdk_spec *spec)
{
	static const char *const without_address[] = {"net_tap", "net_memif", "net_ring", "net_null", NULL};
	const bool af_packet = strcmp(spec->driver, "net_af_packet") == 0;
	const bool pcap = strcmp(spec->driver, "net_pcap") == 0;
	spec->keeps_mac =
	    !is_one_of(spec->driver, without_address) || has_key(spec, "mac") || has_key(spec, "remote");
	spec->beside_kernel =
	    af_packet ||
	    (pcap && (has_key(spec, "iface") || has_key(spec, "rx_iface") || has_key(spec, "rx_iface_in")));
	/* Its frames would be larger than a packet buffer; and it takes blocks for full to the last byte. */
	if (af_packet && !has_key(spec, "framesz") && !has_key(spec, "blocksz")) {
		const size_t n = strlen(spec->devargs);
		snprintf(spec->devargs + n, sizeof(spec->devargs) - n, ",framesz=%u,blocksz=%u",
		         MILL_DPDK_FRAME, MILL_DPDK_FRAME * FRAMES_A_BLOCK);
	}
}

static bool take_rings(struct mill_dpdk_spec *spec, const char *value)
{
	char *end;
	const unsigned long n = strtoul(value, &end, 10);
	spec->rings = (uint16_t)n;
	return *value != '\0' && *end == '\0' && n >= 1 && n <= MILL_MAX_RINGS;
}

bool mill_dpdk_parse(const struct mill_port_config *config, struct mill_dpdk_spec *spec,
                     struct mill_error *error)
{
	char text[MILL_SPEC_SIZE], *rest = text;
	size_t n = 0;
	bool ok = true, first = true;
	memset(spec, 0, sizeof(*spec));
	snprintf(text, sizeof(text), "%s", config->spec + strlen("dpdk:"));
	for (const char *word; (word = strsep(&rest, ",")) != NULL; first = false) {
		if (!first && strncmp(word, "rings=", 6) == 0)
			ok &= take_rings(spec, word + 6);
		else
			n += (size_t)snprintf(spec->devargs + n, sizeof(spec->devargs) - n, "%s%s",
			                      first ? "" : ",", word);
	}
	find_driver(spec);
	complete(spec);
	if (ok && n > 0 && spec->devargs[0] != ',')
		return true;
	mill_fail(error, EINVAL,
	          "port %s: expected dpdk:DEVARGS, with rings=N for 1 to %u pairs of queues, as "
	          "'dpdk:0000:03:00.0,rings=2' or 'dpdk:net_tap0,iface=t0', got '%s'",
	          config->name, MILL_MAX_RINGS, config->spec);
	return false;
}

/* --- finding it ----------------------------------------------------------------------------------------- */

static bool said_no(const struct mill_port *port, struct mill_error *error, int code, const char *what)
{
	mill_fail(error, code > 0 ? code : EIO, "port %s (%s): %s: %s%s", port->config.name,
	          port->config.spec, what, rte_strerror(code), mill_dpdk_said());
	return false;
}

/* A memif server's socket with a name in the file system outlives an engine that was killed, and would be in the way. */
static void remove_dead_socket(const struct mill_dpdk_spec *spec)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = value_of(spec, "socket"), *abstract = value_of(spec, "socket-abstract"),
	           *role = value_of(spec, "role");
	if (strcmp(spec->driver, "net_memif") != 0 || path == NULL || abstract == NULL || role == NULL ||
	    strncmp(abstract, "no", 2) != 0 || strncmp(role, "server", 6) != 0)
		return;
	snprintf(address.sun_path, sizeof(address.sun_path), "%.*s", (int)strcspn(path, ","), path);
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 && errno == ECONNREFUSED)
		unlink(address.sun_path);
	close(fd);
}

/* Those that were not there before; returns how many. */
static uint32_t find_new(const bool *before, uint16_t *id)
{
	uint32_t n = 0;
	uint16_t i;
	RTE_ETH_FOREACH_DEV(i)
	if (!before[i] && n++ == 0)
		*id = i;
	return n;
}

/* `net_tap0` of `vdev:net_tap0,iface=t0`. */
static void name_of(const struct mill_dpdk_spec *spec, char name[RTE_ETH_NAME_MAX_LEN])
{
	const char *start = spec->devargs;
	if (strncmp(start, "vdev:", 5) == 0)
		start += 5;
	else if (strncmp(start, "pci:", 4) == 0)
		start += 4;
	snprintf(name, RTE_ETH_NAME_MAX_LEN, "%.*s", (int)strcspn(start, ","), start);
}

bool mill_dpdk_probe(struct mill_port *port, struct mill_error *error)
{
	struct mill_dpdk *dpdk = port->backend;
	bool before[RTE_MAX_ETHPORTS] = {false};
	struct rte_eth_dev_info info;
	char name[RTE_ETH_NAME_MAX_LEN];
	uint16_t i;
	name_of(&dpdk->spec, name);
	if (rte_eth_dev_get_port_by_name(name, &i) == 0)
		return said_no(port, error, EBUSY, "another port has this device");
	RTE_ETH_FOREACH_DEV(i)
	before[i] = true;
	remove_dead_socket(&dpdk->spec);
	const int code = -rte_dev_probe(dpdk->spec.devargs);
	if (code != 0)
		return said_no(port, error, code, "no device is made of these devargs");
	const uint32_t n = find_new(before, &dpdk->id);
	if (n == 0) {
		if (dpdk->spec.driver[0] != '\0')
			(void)rte_eal_hotplug_remove("vdev", name);
		return said_no(port, error, ENODEV, "this is no network device, or another port's");
	}
	dpdk->probed = true;
	if (n > 1)
		return said_no(port, error, ENOTUNIQ,
		               "these devargs make several ports; name one (representor=…)");
	const int asked = -rte_eth_dev_info_get(dpdk->id, &info);
	if (asked != 0)
		return said_no(port, error, asked, "asking for the device");
	dpdk->ifindex = info.if_index;
	if (dpdk->ifindex != 0 && if_indextoname(dpdk->ifindex, dpdk->ifname) == NULL)
		dpdk->ifindex = 0;
	return true;
}

/* --- queues --------------------------------------------------------------------------------------------- */

/* Drivers of which the devargs say how many queues there are; each of them receives, whether it is read or not. */
static uint16_t default_rings(const struct mill_dpdk *dpdk, const struct rte_eth_dev_info *info)
{
	static const char *const exact[] = {"net_af_packet", "net_af_xdp", "net_pcap", NULL};
	return is_one_of(dpdk->spec.driver, exact) ? info->max_rx_queues : 1;
}

static bool count_rings(struct mill_port *port, const struct rte_eth_dev_info *info, struct mill_error *error)
{
	const struct mill_dpdk *dpdk = port->backend;
	const uint16_t wanted = dpdk->spec.rings != 0 ? dpdk->spec.rings : default_rings(dpdk, info);
	if (wanted < 1 || wanted > info->max_rx_queues || wanted > MILL_MAX_RINGS ||
	    info->max_tx_queues < 1) {
		mill_fail(error, EINVAL,
		          "port %s (%s): it would have %u rings: the device has %u queues to receive and %u "
		          "to send, and a port 1 to %u rings; say rings=N",
		          port->config.name, port->config.spec, wanted, info->max_rx_queues,
		          info->max_tx_queues, MILL_MAX_RINGS);
		return false;
	}
	port->rx_rings = wanted;
	port->tx_rings = wanted < info->max_tx_queues ? wanted : info->max_tx_queues;
	return true;
}

/* Some devices take another MTU only before they are started. What it comes to is asked later (most_mtu). */
static void set_first_mtu(struct mill_port *port)
{
	struct mill_dpdk *dpdk = port->backend;
	struct mill_error none = {0};
	if (rte_eth_dev_get_mtu(dpdk->id, &dpdk->first_mtu) != 0)
		dpdk->first_mtu = RTE_ETHER_MTU;
	if (!mill_dpdk_set_mtu(port, &none))
		mill_dpdk_begin(); /* nothing of what it said belongs to the rest */
}

bool mill_dpdk_plan(struct mill_port *port, struct mill_error *error)
{
	struct mill_dpdk *dpdk = port->backend;
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = {0};
	int code = -rte_eth_dev_info_get(dpdk->id, &info);
	if (code != 0)
		return said_no(port, error, code, "asking for the device");
	if (!count_rings(port, &info, error))
		return false;
	if (port->rx_rings > 1) {
		conf.rx_adv_conf.rss_conf.rss_hf =
		    info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
		if (conf.rx_adv_conf.rss_conf.rss_hf != 0)
			conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	}
	code = -rte_eth_dev_configure(dpdk->id, port->rx_rings, port->tx_rings, &conf);
	if (code != 0)
		return said_no(port, error, code, "giving the device its queues");
	set_first_mtu(port);
	dpdk->rx_descriptors = dpdk->tx_descriptors = MILL_DPDK_DESCRIPTORS;
	code = -rte_eth_dev_adjust_nb_rx_tx_desc(dpdk->id, &dpdk->rx_descriptors, &dpdk->tx_descriptors);
	return code == 0 || said_no(port, error, code, "sizing its queues");
}

/* What a real device reads and writes by itself. */
static bool map_memory(struct mill_port *port, const struct rte_eth_dev_info *info, struct mill_error *error)
{
	const struct mill_dpdk *dpdk = port->backend;
	const struct mill_region *region = port->region;
	if (dpdk->spec.driver[0] != '\0' ||
	    rte_dev_dma_map(info->device, region->buffers, (uint64_t)(uintptr_t)region->buffers,
	                    (size_t)region->n_bufs << region->buf_shift) == 0 ||
	    rte_errno == EEXIST)
		return true;
	return said_no(port, error, rte_errno,
	               "the device cannot reach the packet memory; bind it to vfio-pci, with an IOMMU");
}

static bool set_up_queues(struct mill_port *port, const struct rte_eth_dev_info *info,
                          struct mill_error *error)
{
	const struct mill_dpdk *dpdk = port->backend;
	const unsigned socket = (unsigned)rte_eth_dev_socket_id(dpdk->id);
	int code = 0;
	for (uint16_t q = 0; code == 0 && q < port->rx_rings; q++)
		code = -rte_eth_rx_queue_setup(dpdk->id, q, dpdk->rx_descriptors, socket,
		                               &info->default_rxconf, mill_dpdk_mempool);
	for (uint16_t q = 0; code == 0 && q < port->tx_rings; q++)
		code =
		    -rte_eth_tx_queue_setup(dpdk->id, q, dpdk->tx_descriptors, socket, &info->default_txconf);
	return code == 0 || said_no(port, error, code, "setting up its queues");
}

/* A device beside the kernel: frames must come as they were on the wire. */
static bool switch_offloads(struct mill_port *port, struct mill_error *error)
{
	struct mill_dpdk *dpdk = port->backend;
	if (!dpdk->spec.beside_kernel || dpdk->ifindex == 0)
		return true;
	dpdk->device = (struct mill_netdev){.kind = "dpdk",
	                                    .ifname = dpdk->ifname,
	                                    .rundir = port->rundir,
	                                    .ifindex = dpdk->ifindex,
	                                    .changes = &dpdk->changes,
	                                    .tags_may_hide = true};
	mill_netdev_recall(&dpdk->device);
	return mill_offloads_apply(&dpdk->device, port->config.offloads_off | MILL_OFF_GRO | MILL_OFF_LRO,
	                           error);
}

bool mill_dpdk_run(struct mill_port *port, struct mill_error *error)
{
	struct mill_dpdk *dpdk = port->backend;
	struct rte_eth_dev_info info;
	int code = -rte_eth_dev_info_get(dpdk->id, &info);
	if (code != 0)
		return said_no(port, error, code, "asking for the device");
	if (!map_memory(port, &info, error) || !switch_offloads(port, error) ||
	    !set_up_queues(port, &info, error))
		return false;
	code = -rte_eth_dev_start(dpdk->id);
	if (code != 0)
		return said_no(port, error, code, "starting the device");
	dpdk->started = true;
	/* Interfaces may have addresses of their own, and routers listen to groups. */
	if (rte_eth_promiscuous_enable(dpdk->id) != 0)
		(void)rte_eth_allmulticast_enable(dpdk->id);
	return true;
}

/* Drivers free here what their interrupts are handled with: net_memif's, which hear of a peer that goes, would go on in freed memory
 * when both happened at once. So it is done where these are handled. */
static void destroy(void *argument)
{
	struct mill_port *port = argument;
	const struct mill_dpdk *dpdk = port->backend;
	struct rte_eth_dev_info info;
	struct rte_device *device = rte_eth_dev_info_get(dpdk->id, &info) == 0 ? info.device : NULL;
	if (dpdk->started) {
		(void)rte_eth_promiscuous_disable(dpdk->id);
		mill_dpdk_drain(port);
		(void)rte_eth_dev_stop(dpdk->id);
	}
	(void)rte_eth_dev_close(dpdk->id);
	if (device != NULL)
		(void)rte_dev_remove(device);
}

void mill_dpdk_release(struct mill_port *port)
{
	struct mill_dpdk *dpdk = port->backend;
	if (!dpdk->probed)
		return;
	mill_dpdk_in_interrupts(destroy, port);
	if (dpdk->device.changes != NULL)
		mill_netdev_restore(&dpdk->device);
	dpdk->probed = dpdk->started = false;
}

/* --- what it carries ------------------------------------------------------------------------------------ */

/* Of a frame of packet(7) that is not data: struct tpacket2_hdr. */
#define AF_PACKET_OVERHEAD 32u
#define AF_PACKET_FRAME    2048u /* where the devargs do not say it */

/* The kernel's device that frames are sent by. False: none is. */
static bool sends_by(const struct mill_dpdk *dpdk, char ifname[IF_NAMESIZE])
{
	const struct mill_dpdk_spec *spec = &dpdk->spec;
	const char *name = dpdk->ifindex != 0 ? dpdk->ifname : "";
	if (strcmp(spec->driver, "net_pcap") == 0)
		name = has_key(spec, "tx_iface") ? value_of(spec, "tx_iface") : value_of(spec, "iface");
	else if (!spec->beside_kernel)
		return false;
	if (name == NULL)
		return false;
	snprintf(ifname, IF_NAMESIZE, "%.*s", (int)strcspn(name, ","), name);
	return true;
}

/* Tags that may be in front of the largest packet: kernels send one, devices of DPDK's are asked for as much as two. */
uint32_t mill_dpdk_tags(const struct mill_dpdk *dpdk)
{
	char ifname[IF_NAMESIZE];
	return sends_by(dpdk, ifname) ? 1 : 2;
}

static uint32_t mtu_of(const struct mill_dpdk *dpdk, const char *ifname)
{
	struct mill_netdev_facts facts;
	const uint32_t mtu = mill_netdev_facts(ifname, &facts) ? facts.mtu : RTE_ETHER_MTU;
	if (strcmp(dpdk->spec.driver, "net_af_packet") != 0)
		return mtu;
	const char *framesz = value_of(&dpdk->spec, "framesz");
	const uint32_t frame = framesz != NULL ? (uint32_t)strtoul(framesz, NULL, 10) : AF_PACKET_FRAME;
	const uint32_t over = AF_PACKET_OVERHEAD + RTE_ETHER_HDR_LEN + MILL_DPDK_TAG;
	const uint32_t held = frame > over ? frame - over : 0;
	return held < mtu ? held : mtu;
}

/* Memory and files. */
static bool carries_any(const struct mill_dpdk *dpdk)
{
	static const char *const any[] = {"net_ring", "net_null", "net_memif", "net_pcap", NULL};
	return is_one_of(dpdk->spec.driver, any);
}

/* Drivers do not agree on what they say of frames that are too long, nor on what they do with them: net_tap and net_pcap
 * refuse one, and all behind it, for ever. */
uint16_t mill_dpdk_mtu(const struct mill_dpdk *dpdk)
{
	char ifname[IF_NAMESIZE];
	uint16_t said = 0;
	uint32_t mtu = MILL_MTU_JUMBO;
	if (sends_by(dpdk, ifname))
		mtu = mtu_of(dpdk, ifname);
	else if (!carries_any(dpdk))
		mtu = rte_eth_dev_get_mtu(dpdk->id, &said) == 0 ? said : RTE_ETHER_MTU;
	return (uint16_t)(mtu < MILL_MTU_JUMBO ? mtu : MILL_MTU_JUMBO);
}

/* The MTU of a device of the kernel's is whoever's it was made for, not ours to change. */
bool mill_dpdk_set_mtu(struct mill_port *port, struct mill_error *error)
{
	const struct mill_dpdk *dpdk = port->backend;
	const uint16_t most = port->wanted_mtu < MILL_MTU_JUMBO ? port->wanted_mtu : MILL_MTU_JUMBO;
	const uint16_t wanted = most > dpdk->first_mtu ? most : dpdk->first_mtu;
	char ifname[IF_NAMESIZE];
	uint16_t now = 0;
	if (sends_by(dpdk, ifname)) {
		if (port->wanted_mtu <= mtu_of(dpdk, ifname))
			return true;
		struct mill_netdev_facts facts;
		if (mill_netdev_facts(ifname, &facts) && facts.mtu >= port->wanted_mtu)
			mill_fail(error, EMSGSIZE, "so much is in its framesz; say more");
		else
			mill_fail(error, EMSGSIZE, "that is the kernel's to set: ip link set %s mtu %u",
			          ifname, port->wanted_mtu);
		return false;
	}
	if (carries_any(dpdk) || (rte_eth_dev_get_mtu(dpdk->id, &now) == 0 && now == wanted))
		return true;
	const int code = -rte_eth_dev_set_mtu(dpdk->id, wanted);
	if (code == EBUSY)
		mill_fail(
		    error, code,
		    "it can be set up for more only when it is opened: take the port out of the policy, "
		    "deploy, and deploy it again");
	else if (code != 0)
		mill_fail(error, code, "%s%s", rte_strerror(code), mill_dpdk_said());
	return code == 0;
}

bool mill_dpdk_has_carrier(const struct mill_dpdk *dpdk)
{
	struct rte_eth_link link = {0};
	struct mill_netdev_facts facts;
	char ifname[IF_NAMESIZE];
	if (rte_eth_link_get_nowait(dpdk->id, &link) != 0 || link.link_status == RTE_ETH_LINK_DOWN)
		return false;
	if (dpdk->ifindex == 0)
		return true;
	/* Some drivers say "up" whatever the kernel's device does. */
	return if_indextoname(dpdk->ifindex, ifname) != NULL && mill_netdev_facts(ifname, &facts) && facts.up;
}
