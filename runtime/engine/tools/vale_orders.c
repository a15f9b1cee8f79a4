/*
 * See vale.h. Sources: vale-ctl(4) and netmap(4) for what there is to ask, and what the kernel was seen to answer. Nothing is
 * kept between two orders: switches and ports are the kernel's.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include "port/netmap_ask.h"
#include "port/netmap_sys.h"
#include "tools/vale.h"

struct order {
	int fd;
	uint16_t version;
	char name[NETMAP_REQ_IFNAMSIZ];
	char *const *words; /* behind the name */
	FILE *out;
	struct mill_error *error;
};

/* --- answers ---------------------------------------------------------------------------------------------- */

/* Names of interfaces may hold what JSON must not. */
static void print_text(FILE *out, const char *text, size_t n)
{
	fputc('"', out);
	for (size_t i = 0; i < n; i++)
		if (text[i] == '"' || text[i] == '\\')
			fprintf(out, "\\%c", text[i]);
		else if ((unsigned char)text[i] < ' ')
			fprintf(out, "\\u%04x", (unsigned)text[i]);
		else
			fputc(text[i], out);
	fputc('"', out);
}

static void print_name(const struct order *order)
{
	fputs("{\"name\":", order->out);
	print_text(order->out, order->name, strlen(order->name));
}

static void print_rings(FILE *out, const struct nmreq_port_info_get *info)
{
	fprintf(out,
	        ",\"txRings\":%u,\"rxRings\":%u,\"txSlots\":%" PRIu32 ",\"rxSlots\":%" PRIu32
	        ",\"memory\":%u",
	        info->nr_tx_rings, info->nr_rx_rings, info->nr_tx_slots, info->nr_rx_slots, info->nr_mem_id);
}

/* --- requests --------------------------------------------------------------------------------------------- */

static int ask(struct order *order, uint16_t what, void *body)
{
	return mill_netmap_ask(order->fd, order->version, what, order->name, body);
}

static int fail(const struct order *order, const char *what, const char *remedy)
{
	const int code = errno;
	mill_fail(order->error, code, "%s %s: %s: %s", what, order->name, strerror(code), remedy);
	return code == EPERM || code == EACCES ? EX_NOPERM : EX_UNAVAILABLE;
}

static bool read_info(struct order *order, struct nmreq_port_info_get *info)
{
	*info = (struct nmreq_port_info_get){0};
	return ask(order, NETMAP_REQ_PORT_INFO_GET, info) == 0;
}

static bool is_of_switch(const char *port, const char *name)
{
	const size_t n = strcspn(name, ":");
	return n == 0 || (strncmp(port, name, n) == 0 && port[n] == ':');
}

/* A device that is attached with its host stack has a second port, of its name and '^'. To netmap nobody uses it: asked about it by
 * any request, the kernel destroys it, and itself. */
static bool is_host_port(const char *name)
{
	const size_t n = strlen(name);
	return n > 0 && name[n - 1] == '^';
}

static void list_port(const struct order *order, const struct nmreq_vale_list *at, const char *name,
                      bool first)
{
	const size_t n = strcspn(name, ":");
	struct order about = *order;
	struct nmreq_port_info_get info;
	memcpy(about.name, name, sizeof(about.name));
	fputs(first ? "{\"switch\":" : ",{\"switch\":", order->out);
	print_text(order->out, name, n);
	fputs(",\"port\":", order->out);
	print_text(order->out, name + n + (name[n] == ':'), strlen(name + n + (name[n] == ':')));
	fprintf(order->out, ",\"index\":%" PRIu32, at->nr_port_idx);
	/* It may have gone in between. */
	if (!is_host_port(name) && read_info(&about, &info))
		print_rings(order->out, &info);
	fputc('}', order->out);
}

/* The kernel answers with the next port at or behind an index, and ENOENT behind the last one. */
static int list(struct order *order)
{
	struct nmreq_vale_list at = {0};
	bool first = true;
	for (;; at.nr_port_idx++) {
		char name[NETMAP_REQ_IFNAMSIZ] = "";
		if (mill_netmap_ask(order->fd, order->version, NETMAP_REQ_VALE_LIST, name, &at) != 0)
			break;
		if (!is_of_switch(name, order->name))
			continue;
		if (first)
			fputs("{\"ports\":[", order->out);
		list_port(order, &at, name, first);
		first = false;
	}
	if (errno != ENOENT)
		return fail(order, "listing VALE switches", "see the kernel's log");
	fputs(first ? "{\"ports\":[]}\n" : "]}\n", order->out);
	return EX_OK;
}

static int show_info(struct order *order)
{
	struct nmreq_port_info_get info;
	if (!read_info(order, &info))
		return fail(order, "asking for",
		            errno == ENXIO ? "there is no interface of this name here; see 'ip link' and "
		                             "'netmill vale list'"
		                           : "see the kernel's log");
	print_name(order);
	print_rings(order->out, &info);
	fprintf(order->out, ",\"hostTxRings\":%u,\"hostRxRings\":%u,\"memoryBytes\":%" PRIu64 "}\n",
	        info.nr_host_tx_rings, info.nr_host_rx_rings, info.nr_memsize);
	return EX_OK;
}

/* Five numbers, read into what requests have in common. */
static bool read_config(const struct order *order, const char *text, struct nmreq_port_info_get *config)
{
	unsigned long long n[5];
	for (size_t i = 0; i < 5; i++) {
		char *end;
		n[i] = strtoull(text, &end, 10);
		if (end == text || *end != (i < 4 ? ',' : '\0')) {
			mill_fail(order->error, EINVAL, "'%s': expected five numbers", text);
			return false;
		}
		text = end + 1;
	}
	*config = (struct nmreq_port_info_get){.nr_tx_slots = (uint32_t)n[0],
	                                       .nr_rx_slots = (uint32_t)n[1],
	                                       .nr_tx_rings = (uint16_t)n[2],
	                                       .nr_rx_rings = (uint16_t)n[3],
	                                       .nr_mem_id = (uint16_t)n[4]};
	return true;
}

static int attach(struct order *order)
{
	struct nmreq_port_info_get config;
	const bool host = strcmp(order->words[0], "host") == 0;
	if (!read_config(order, order->words[1], &config))
		return EX_USAGE;
	struct nmreq_vale_attach request = {.reg = {.nr_mode = host ? NR_REG_NIC_SW : NR_REG_ALL_NIC,
	                                            .nr_tx_slots = config.nr_tx_slots,
	                                            .nr_rx_slots = config.nr_rx_slots,
	                                            .nr_tx_rings = config.nr_tx_rings,
	                                            .nr_rx_rings = config.nr_rx_rings,
	                                            .nr_mem_id = config.nr_mem_id}};
	if (ask(order, NETMAP_REQ_VALE_ATTACH, &request) != 0)
		return fail(order, "attaching",
		            errno == ENXIO   ? "there is no interface of this name here; see 'ip link'"
		            : errno == EBUSY ? "it is in a switch already, or a program has it open"
		            : errno == EINVAL
		                ? "no such memory, too many rings or slots, or its MTU needs larger buffers"
		            : errno == ENOMEM ? "netmap's memory is used up (module parameters buf_num, "
		                                "ring_num, if_num)"
		                              : "see the kernel's log");
	print_name(order);
	fprintf(order->out, ",\"index\":%" PRIu32 ",\"host\":%s}\n", request.port_index,
	        host ? "true" : "false");
	return EX_OK;
}

static int detach(struct order *order)
{
	struct nmreq_vale_detach request = {0};
	if (ask(order, NETMAP_REQ_VALE_DETACH, &request) != 0)
		return fail(order, "detaching",
		            errno == EBUSY
		                ? "a program has it open, or it is polled ('netmill vale poll --off')"
		                : "it is not attached; see 'netmill vale list'");
	print_name(order);
	fprintf(order->out, ",\"index\":%" PRIu32 "}\n", request.port_index);
	return EX_OK;
}

static int make(struct order *order)
{
	struct nmreq_port_info_get config;
	if (!read_config(order, order->words[0], &config))
		return EX_USAGE;
	struct nmreq_vale_newif request = {.nr_tx_slots = config.nr_tx_slots,
	                                   .nr_rx_slots = config.nr_rx_slots,
	                                   .nr_tx_rings = config.nr_tx_rings,
	                                   .nr_rx_rings = config.nr_rx_rings,
	                                   .nr_mem_id = config.nr_mem_id};
	if (ask(order, NETMAP_REQ_VALE_NEWIF, &request) != 0)
		return fail(order, "making",
		            errno == EEXIST   ? "there is an interface of this name; see 'ip link'"
		            : errno == EINVAL ? "no such memory, or too many rings or slots"
		                              : "see the kernel's log");
	config = (struct nmreq_port_info_get){.nr_tx_slots = request.nr_tx_slots,
	                                      .nr_rx_slots = request.nr_rx_slots,
	                                      .nr_tx_rings = request.nr_tx_rings,
	                                      .nr_rx_rings = request.nr_rx_rings,
	                                      .nr_mem_id = request.nr_mem_id};
	print_name(order);
	print_rings(order->out, &config);
	fputs("}\n", order->out);
	return EX_OK;
}

static int unmake(struct order *order)
{
	/* A request without a body: netmap refuses it when there is one. */
	if (ask(order, NETMAP_REQ_VALE_DELIF, NULL) != 0)
		return fail(order, "deleting",
		            errno == ENXIO    ? "there is no interface of this name here; see 'ip link'"
		            : errno == EINVAL ? "it was not made by 'netmill vale new'"
		            : errno == EBUSY  ? "it is attached to a switch, or a program has it open"
		                              : "see the kernel's log");
	print_name(order);
	fputs("}\n", order->out);
	return EX_OK;
}

static int poll_fail(const struct order *order)
{
	return fail(order, "polling",
	            errno == ENXIO        ? "it is not attached; see 'netmill vale list'"
	            : errno == EOPNOTSUPP ? "only an attached device can be polled"
	            : errno == EFAULT     ? "it is polled already"
	            : errno == EINVAL
	                ? "no such core or ring, or no core is left to others; see 'netmill vale info'"
	                : "see the kernel's log");
}

/* Netmap does not look: a core that is not there polls nothing. */
static bool has_cores(const struct order *order, const struct nmreq_vale_polling *request)
{
	const long cores = sysconf(_SC_NPROCESSORS_CONF);
	if ((uint64_t)request->nr_first_cpu_id + request->nr_num_polling_cpus <= (uint64_t)cores)
		return true;
	mill_fail(order->error, EINVAL,
	          "polling %s: no such core or ring: this machine has %ld cores, the first is 0", order->name,
	          cores);
	return false;
}

static int start_polling(struct order *order)
{
	const bool each = strcmp(order->words[0], "each") == 0;
	struct nmreq_vale_polling request = {
	    .nr_mode = each ? NETMAP_POLLING_MODE_MULTI_CPU : NETMAP_POLLING_MODE_SINGLE_CPU,
	    .nr_first_cpu_id = (uint32_t)strtoul(order->words[1], NULL, 10),
	    .nr_num_polling_cpus = (uint32_t)strtoul(order->words[2], NULL, 10)};
	if (!has_cores(order, &request))
		return EX_UNAVAILABLE;
	if (ask(order, NETMAP_REQ_VALE_POLLING_ENABLE, &request) != 0)
		return poll_fail(order);
	print_name(order);
	fprintf(order->out, ",\"firstCore\":%" PRIu32 ",\"cores\":%" PRIu32 "}\n", request.nr_first_cpu_id,
	        request.nr_num_polling_cpus);
	return EX_OK;
}

static int stop_polling(struct order *order)
{
	struct nmreq_vale_polling request = {0};
	if (ask(order, NETMAP_REQ_VALE_POLLING_DISABLE, &request) != 0)
		return errno == EFAULT ? fail(order, "polling", "it is not polled") : poll_fail(order);
	print_name(order);
	fputs("}\n", order->out);
	return EX_OK;
}

/* --- orders ----------------------------------------------------------------------------------------------- */

static const struct verb {
	const char *name;
	int least, most; /* words behind it */
	int (*run)(struct order *);
} verbs[] = {{"list", 0, 1, list},          {"info", 1, 1, show_info},   {"attach", 3, 3, attach},
             {"detach", 1, 1, detach},      {"new", 2, 2, make},         {"delete", 1, 1, unmake},
             {"poll", 4, 4, start_polling}, {"rest", 1, 1, stop_polling}};

static const struct verb *find_verb(int n, char *const words[])
{
	for (size_t i = 0; n > 0 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(words[0], verbs[i].name) == 0 && n - 1 >= verbs[i].least && n - 1 <= verbs[i].most)
			return &verbs[i];
	return NULL;
}

static int open_netmap(struct order *order)
{
	order->fd = mill_netmap_sys->open();
	if (order->fd < 0) {
		const int code = errno;
		mill_fail(
		    order->error, code, "/dev/netmap: %s: %s", strerror(code),
		    code == EACCES || code == EPERM
		        ? "VALE switches are root's to change"
		        : "VALE switches are of the kernel's netmap: load its module (modprobe netmap)");
		return code == EACCES || code == EPERM ? EX_NOPERM : EX_UNAVAILABLE;
	}
	order->version = mill_netmap_api(order->fd);
	if (order->version != 0)
		return EX_OK;
	mill_fail(order->error, EPROTO,
	          "this kernel's netmap does not speak API 14 or 15: it is older than "
	          "2018; its own vale-ctl knows its requests");
	return EX_UNAVAILABLE;
}

int vale_order(int n, char *const words[], FILE *out, struct mill_error *error)
{
	struct order order = {.fd = -1, .words = n > 2 ? words + 2 : NULL, .out = out, .error = error};
	const struct verb *verb = find_verb(n, words);
	if (verb == NULL) {
		mill_fail(error, EINVAL, "see netmill vale --help");
		return EX_USAGE;
	}
	const char *name = n > 1 ? words[1] : "";
	if (strlen(name) >= sizeof(order.name)) {
		mill_fail(error, ENAMETOOLONG, "%s: a name has at most %zu characters", name,
		          sizeof(order.name) - 1);
		return EX_USAGE;
	}
	if (is_host_port(name)) {
		mill_fail(
		    error, EINVAL,
		    "%s: the port of a device's host stack comes and goes with the device's own: leave out "
		    "the '^'",
		    name);
		return EX_USAGE;
	}
	strcpy(order.name, name);
	int code = open_netmap(&order);
	if (code == EX_OK)
		code = verb->run(&order);
	if (order.fd >= 0)
		mill_netmap_sys->close(order.fd);
	return code;
}
