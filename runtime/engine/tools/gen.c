/*
 * netmill-gen: the traffic generator and sink behind `netmill gen`. It takes its orders complete (the command works out
 * addresses and defaults) and answers with JSON, a line a second and one at the end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include "tools/traffic.h"

#define MS          ((uint64_t)1000000)
#define REPORT_NS   1000000000ull
#define STRAGGLE_NS 500000000ull /* how long the receiver waits for what is on its way */
#define CARRIER_NS                                                                                           \
	5000000000ull /* how long a device may take for its carrier, which some lose when they are opened */
#define SETTLE_NS                                                                                            \
	200000000l /* between opening ports and sending: whoever is behind them hears of a carrier first */

static volatile sig_atomic_t interrupted;

struct orders {
	const char *send, *receive, *rundir;
	uint64_t rate, count, ms;
	uint32_t burst;
	struct gen_shape shape;
};

struct run {
	struct orders orders;
	struct mill_region region;
	struct mill_end from, to;
	struct gen_packets packets;
	struct gen_sender sender;
	struct gen_receiver receiver;
};

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* --- orders --------------------------------------------------------------------------------------------- */

enum option_code {
	SEND,
	RECEIVE,
	RUNDIR,
	RATE,
	COUNT,
	MILLISECONDS,
	BURST,
	ID,
	FAMILY,
	TO_MAC,
	FROM_MAC,
	TO,
	FROM,
	TO_PORT,
	FROM_PORT,
	FLOWS,
	SIZES,
	VLAN,
	TTL
};

static const struct option options[] = {
    {"send", required_argument, NULL, SEND},
    {"receive", required_argument, NULL, RECEIVE},
    {"rundir", required_argument, NULL, RUNDIR},
    {"rate", required_argument, NULL, RATE},
    {"count", required_argument, NULL, COUNT},
    {"ms", required_argument, NULL, MILLISECONDS},
    {"burst", required_argument, NULL, BURST},
    {"id", required_argument, NULL, ID},
    {"family", required_argument, NULL, FAMILY},
    {"to-mac", required_argument, NULL, TO_MAC},
    {"from-mac", required_argument, NULL, FROM_MAC},
    {"to", required_argument, NULL, TO},
    {"from", required_argument, NULL, FROM},
    {"to-port", required_argument, NULL, TO_PORT},
    {"from-port", required_argument, NULL, FROM_PORT},
    {"flows", required_argument, NULL, FLOWS},
    {"sizes", required_argument, NULL, SIZES},
    {"vlan", required_argument, NULL, VLAN},
    {"ttl", required_argument, NULL, TTL},
    {0},
};

static bool number(const char *text, uint64_t least, uint64_t most, uint64_t *value)
{
	char *end;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *value >= least && *value <= most;
}

static bool mac(const char *text, uint8_t address[6])
{
	int length = 0;
	return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", address, address + 1, address + 2,
	              address + 3, address + 4, address + 5, &length) == 6 &&
	       text[length] == '\0';
}

/* `FIRST/COUNT` */
static bool span(const char *text, char *first, size_t size, uint32_t *count)
{
	const char *slash = strchr(text, '/');
	uint64_t n;
	if (slash == NULL || (size_t)(slash - text) >= size || !number(slash + 1, 1, UINT32_MAX, &n))
		return false;
	memcpy(first, text, (size_t)(slash - text));
	first[slash - text] = '\0';
	*count = (uint32_t)n;
	return true;
}

static bool addresses(const char *text, int family, struct gen_addresses *range)
{
	char first[INET6_ADDRSTRLEN];
	return span(text, first, sizeof(first), &range->count) &&
	       inet_pton(family == 4 ? AF_INET : AF_INET6, first, range->first) == 1;
}

static bool ports(const char *text, struct gen_ports *range)
{
	char first[8];
	uint64_t port;
	if (!span(text, first, sizeof(first), &range->count) || !number(first, 0, 65535, &port))
		return false;
	range->first = (uint16_t)port;
	return port + range->count <= 65536;
}

static bool sizes(const char *text, struct gen_shape *shape)
{
	char part[8];
	for (shape->n_sizes = 0; *text != '\0'; text += *text == ',') {
		const size_t length = strcspn(text, ",");
		uint64_t size;
		if (length >= sizeof(part) || shape->n_sizes == GEN_MAX_SIZES)
			return false;
		memcpy(part, text, length);
		part[length] = '\0';
		if (!number(part, 60, GEN_MAX_FRAME, &size))
			return false;
		shape->size[shape->n_sizes++] = (uint16_t)size;
		text += length;
	}
	return shape->n_sizes != 0;
}

/* Addresses come behind --family. */
static bool take(struct orders *orders, int code, const char *text)
{
	struct gen_shape *shape = &orders->shape;
	uint64_t value;
	switch ((enum option_code)code) {
	case SEND:
		orders->send = text;
		return true;
	case RECEIVE:
		orders->receive = text;
		return true;
	case RUNDIR:
		orders->rundir = text;
		return true;
	case RATE:
		return number(text, 0, 1000000000, &orders->rate);
	case COUNT:
		return number(text, 0, UINT64_MAX, &orders->count);
	case MILLISECONDS:
		return number(text, 0, UINT64_MAX / MS, &orders->ms);
	case BURST:
		if (!number(text, 1, 256, &value))
			return false;
		orders->burst = (uint32_t)value;
		return true;
	case ID:
		if (!number(text, 0, UINT32_MAX, &value))
			return false;
		shape->magic = (uint32_t)value;
		return true;
	case FAMILY:
		if (!number(text, 4, 6, &value) || value == 5)
			return false;
		shape->family = (int)value;
		return true;
	case TO_MAC:
		return mac(text, shape->to_mac);
	case FROM_MAC:
		return mac(text, shape->from_mac);
	case TO:
		return addresses(text, shape->family, &shape->to);
	case FROM:
		return addresses(text, shape->family, &shape->from);
	case TO_PORT:
		return ports(text, &shape->to_port);
	case FROM_PORT:
		return ports(text, &shape->from_port);
	case FLOWS:
		if (!number(text, 1, GEN_MAX_FLOWS, &value))
			return false;
		shape->flows = (uint32_t)value;
		return true;
	case SIZES:
		return sizes(text, shape);
	case VLAN:
		if (!number(text, 0, 4094, &value))
			return false;
		shape->vlan = (uint16_t)value;
		return true;
	case TTL:
		if (!number(text, 1, 255, &value))
			return false;
		shape->ttl = (uint8_t)value;
		return true;
	}
	return false;
}

static bool read_orders(int argc, char **argv, struct orders *orders)
{
	int code, which = 0;
	while ((code = getopt_long(argc, argv, "", options, &which)) != -1) {
		if (code == '?')
			return false;
		if (!take(orders, code, optarg)) {
			fprintf(stderr, "netmill-gen: --%s: '%s' is no value for it\n", options[which].name,
			        optarg);
			return false;
		}
	}
	const struct gen_shape *shape = &orders->shape;
	for (uint32_t i = 0; orders->send != NULL && i < shape->n_sizes; i++)
		if (shape->size[i] < gen_smallest_frame(shape)) {
			fprintf(stderr, "netmill-gen: --sizes: these packets need %u bytes\n",
			        gen_smallest_frame(shape));
			return false;
		}
	return optind == argc && (orders->send != NULL || orders->receive != NULL);
}

/* --- the run -------------------------------------------------------------------------------------------- */

static void print_counts(const struct run *run, uint64_t elapsed_ns)
{
	printf("\"ms\":%" PRIu64, elapsed_ns / MS);
	if (run->orders.send != NULL)
		printf(",\"sent\":%" PRIu64 ",\"sentBytes\":%" PRIu64, run->sender.sent, run->sender.bytes);
	if (run->sender.stuck != 0)
		printf(",\"stuck\":%" PRIu64, run->sender.stuck);
	if (run->orders.receive == NULL)
		return;
	const struct gen_receiver *receiver = &run->receiver;
	printf(",\"received\":%" PRIu64 ",\"receivedBytes\":%" PRIu64 ",\"missing\":%" PRIu64
	       ",\"reordered\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"late\":%" PRIu64
	       ",\"damaged\":%" PRIu64 ",\"other\":%" PRIu64,
	       receiver->received, receiver->bytes, receiver->gaps, receiver->reordered, receiver->duplicates,
	       receiver->late, receiver->damaged, receiver->other);
}

static void print_latency(const struct histogram *h)
{
	if (h->count == 0)
		return;
	printf(",\"latencyNs\":{\"least\":%" PRIu64 ",\"mean\":%" PRIu64 ",\"p50\":%" PRIu64
	       ",\"p90\":%" PRIu64 ",\"p99\":%" PRIu64 ",\"p999\":%" PRIu64 ",\"most\":%" PRIu64 "}",
	       h->least, h->sum / h->count, histogram_quantile(h, 0.5), histogram_quantile(h, 0.9),
	       histogram_quantile(h, 0.99), histogram_quantile(h, 0.999), h->most);
}

static bool finished(const struct run *run, uint64_t elapsed_ns)
{
	if (interrupted || (run->orders.ms != 0 && elapsed_ns >= run->orders.ms * MS))
		return true;
	if (run->orders.send != NULL)
		return run->sender.done;
	return run->orders.count != 0 && run->receiver.received >= run->orders.count;
}

static void wait_for_stragglers(struct run *run)
{
	const uint64_t start = gen_now_ns();
	const struct timespec pause = {.tv_nsec = 1000000};
	while (gen_now_ns() - start < STRAGGLE_NS && run->receiver.received < run->sender.sent)
		nanosleep(&pause, NULL);
}

static void watch(struct run *run, struct mill_error *error)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	const uint64_t start = gen_now_ns();
	uint64_t reported = start;
	while (!finished(run, gen_now_ns() - start) && !mill_end_lost(&run->from, error) &&
	       !mill_end_lost(&run->to, error)) {
		nanosleep(&pause, NULL);
		if (gen_now_ns() - reported < REPORT_NS)
			continue;
		reported += REPORT_NS;
		printf("{");
		print_counts(run, gen_now_ns() - start);
		printf("}\n");
		fflush(stdout);
	}
	const uint64_t elapsed = gen_now_ns() - start;
	if (run->orders.send != NULL)
		gen_sender_join(&run->sender);
	if (run->orders.send != NULL && run->orders.receive != NULL)
		wait_for_stragglers(run);
	if (run->orders.receive != NULL)
		gen_receiver_join(&run->receiver);
	printf("{\"done\":true,");
	print_counts(run, elapsed);
	if (run->orders.receive != NULL)
		print_latency(run->receiver.latency);
	printf("}\n");
}

static uint32_t largest_packet(const struct gen_shape *shape)
{
	uint32_t largest = 0;
	for (uint32_t i = 0; i < shape->n_sizes; i++)
		largest = shape->size[i] > largest ? shape->size[i] : largest;
	return largest - gen_link_size(shape);
}

/* What to do where a port takes no frame of that size. */
static void refuse_size(const struct mill_end *end, uint32_t link, uint32_t packet, struct mill_error *error)
{
	char instead[128] = "";
	if (end->is_peer)
		strcpy(instead,
		       ", or give an interface in the policy of its engine an `mtu` that needs larger "
		       "packet buffers");
	else if (end->state.ifindex != 0 && packet <= MILL_MTU_LARGE)
		snprintf(instead, sizeof(instead), ", or ip link set IF mtu %u", packet);
	mill_fail(error, EINVAL,
	          "--size %u: expected at most %u on %s, whose packets have at most %u bytes, behind %u of "
	          "Ethernet: say --size %u%s",
	          packet + link, end->most + link, end->spec, end->most, link, end->most + link, instead);
}

static bool sizes_fit(const struct run *run, struct mill_error *error)
{
	const struct gen_shape *shape = &run->orders.shape;
	const struct mill_end *end = &run->from;
	const uint32_t largest = largest_packet(shape);
	if (end->tx_rings == 0)
		mill_fail(error, EINVAL, "--send %s: it only receives", end->spec);
	else if (largest > end->most)
		refuse_size(end, gen_link_size(shape), largest, error);
	return error->code == 0;
}

static bool open_ends(struct run *run, struct mill_error *error)
{
	const struct orders *orders = &run->orders;
	const uint32_t packet = orders->send != NULL ? largest_packet(&orders->shape) : 0;
	if (!mill_end_region(&run->region, orders->receive, orders->send, packet, error))
		return false;
	if (orders->receive != NULL &&
	    !mill_end_open(&run->to, orders->receive, &run->region, 0, orders->rundir, error))
		return false;
	return orders->send == NULL ||
	       (mill_end_open(&run->from, orders->send, &run->region, 1, orders->rundir, error) &&
	        sizes_fit(run, error));
}

/* Without a carrier what is sent waits in rings, or is lost. */
static void settle(const struct run *run)
{
	const struct timespec pause = {.tv_nsec = 10000000}, then = {.tv_nsec = SETTLE_NS};
	const uint64_t start = gen_now_ns();
	while (!interrupted && !(mill_end_carries(&run->from) && mill_end_carries(&run->to)) &&
	       gen_now_ns() - start < CARRIER_NS)
		nanosleep(&pause, NULL);
	nanosleep(&then, NULL);
}

static bool start(struct run *run, struct mill_error *error)
{
	struct gen_shape *shape = &run->orders.shape;
	static const uint8_t none[6];
	int code = 0;
	if (memcmp(shape->from_mac, none, 6) == 0)
		memcpy(shape->from_mac, run->from.mac, 6);
	if (run->orders.receive != NULL) {
		run->receiver = (struct gen_receiver){
		    .end = &run->to, .shape = shape, .from_first = run->orders.send != NULL};
		code = gen_receiver_start(&run->receiver);
	}
	if (code == 0 && run->orders.send != NULL) {
		settle(run);
		run->sender = (struct gen_sender){.end = &run->from,
		                                  .packets = &run->packets,
		                                  .rate = run->orders.rate,
		                                  .count = run->orders.count,
		                                  .burst = run->orders.burst};
		code = gen_packets_make(&run->packets, shape) ? gen_sender_start(&run->sender) : ENOMEM;
		if (code != 0 && run->orders.receive != NULL)
			gen_receiver_join(&run->receiver);
	}
	if (code != 0)
		mill_fail(error, code, "starting: %s", strerror(code));
	return code == 0;
}

int main(int argc, char **argv)
{
	static struct run run;
	struct mill_error error = {0};
	run.orders = (struct orders){.burst = 64,
	                             .shape = {.family = 4,
	                                       .flows = GEN_MAX_FLOWS,
	                                       .ttl = 64,
	                                       .to = {.count = 1},
	                                       .from = {.count = 1},
	                                       .to_port = {.count = 1},
	                                       .from_port = {.count = 1},
	                                       .size = {60},
	                                       .n_sizes = 1}};
	if (!read_orders(argc, argv, &run.orders)) {
		fprintf(stderr,
		        "usage: netmill-gen [--send PORT …] [--receive PORT …]; see netmill gen --help\n");
		return EX_USAGE;
	}
	signal(SIGINT, interrupt);
	signal(SIGTERM, interrupt);
	gen_packets_begin();
	const bool opened = open_ends(&run, &error);
	if (opened && start(&run, &error))
		watch(&run, &error);
	mill_end_close(&run.from);
	mill_end_close(&run.to);
	if (error.code != 0)
		fprintf(stderr, "netmill-gen: %s\n", error.text);
	return error.code == 0 ? EX_OK : error.code == EINVAL ? EX_USAGE : EX_UNAVAILABLE;
}
