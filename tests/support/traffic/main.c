/*
 * The command loop of the traffic tool: `mill-traffic INTERFACE`, then one command a line, one JSON line back.
 *
 *   flow id=N src=A dst=A dmac=MAC [n=1] [proto=udp|tcp|icmp] [sport= dport= size= ttl= tos= df=1 tags= smac=]
 *                         n flows at once: id, sport and (with spread=1) the last byte of dst count up
 *   start rate=PPS [count=N] [ms=N]      begins to send the flows in turn
 *   wait | stop                          … until the end of the order | now; says what was sent
 *   raw hex=FRAME                        one frame as it is
 *   answer addr=A [tags=] [mac=] [announce=1]   plays a station
 *   stats | reset | clear                counts | counts from zero | forget the flows
 *   capture | captured                   keep frames | print what was kept since the last time
 *   blast ms=N hex=FRAME [rate=PPS] [file=PATH]   from inside the kernel; file: IPv4 addresses, one a line
 *   drop | dropped                       count and drop by XDP | the counts
 *   beside vid=N          a VLAN tag for everything that leaves, kept beside the frame as VLAN offload does
 *   quit
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>
#include "traffic.h"

struct flow *flows[MAX_FLOWS];
int interface_index;
uint8_t interface_mac[6];

const char *word(const struct words *words, const char *key, const char *fallback)
{
	for (unsigned i = 0; i < words->n; i++)
		if (!strcmp(words->key[i], key))
			return words->value[i];
	return fallback;
}

uint64_t word_number(const struct words *words, const char *key, uint64_t fallback)
{
	const char *text = word(words, key, NULL);

	return text ? strtoull(text, NULL, 0) : fallback;
}

bool parse_mac(const char *text, uint8_t mac[6])
{
	return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4,
	              mac + 5) == 6;
}

bool parse_address(const char *text, struct address *address)
{
	memset(address, 0, sizeof *address);
	address->family = strchr(text, ':') ? 6 : 4;
	return inet_pton(address->family == 6 ? AF_INET6 : AF_INET, text, address->bytes) == 1;
}

/* `8100:100` or `88a8:300,8100:10`; TPID hexadecimal, then VLAN id and priority bits as one number, decimal. */
bool parse_tags(const char *text, struct tags *tags)
{
	unsigned tpid, vid;
	int used;

	for (tags->n = 0; *text && tags->n < 2; text += used + (text[used] == ',')) {
		if (sscanf(text, "%x:%u%n", &tpid, &vid, &used) != 2 || tpid > 0xffff || vid > 0xffff)
			return false;
		tags->tpid[tags->n] = (uint16_t)tpid;
		tags->vid[tags->n++] = (uint16_t)vid;
	}
	return !*text;
}

int parse_hex(const char *text, uint8_t *out, unsigned max)
{
	unsigned n = 0, byte;

	for (; text[0] && text[1] && n < max; text += 2, n++) {
		if (sscanf(text, "%2x", &byte) != 1)
			return -1;
		out[n] = (uint8_t)byte;
	}
	return *text ? -1 : (int)n;
}

static void reply(const char *failure)
{
	if (failure)
		printf("{\"ok\":false,\"error\":\"%s\"}\n", failure);
	else
		printf("{\"ok\":true}\n");
}

static struct words split(char *line)
{
	struct words words = {0};

	for (char *save, *w = strtok_r(line, " \n", &save); w && words.n < 32;
	     w = strtok_r(NULL, " \n", &save)) {
		char *equals = strchr(w, '=');
		words.key[words.n] = w;
		words.value[words.n++] = equals ? equals + 1 : w + strlen(w);
		if (equals)
			*equals = 0;
	}
	return words;
}

static const char *add_flow(const struct words *words, uint64_t id)
{
	if (id >= MAX_FLOWS)
		return "flow: id= is below 4096";
	if (!flows[id])
		flows[id] = calloc(1, sizeof *flows[id]);
	flows[id]->id = (uint16_t)id;
	return build_flow(flows[id], words, interface_mac);
}

/* Template flows of `n=`: the words that count up are rewritten between one flow and the next. */
static const char *do_flow(struct words *words)
{
	uint64_t n = word_number(words, "n", 1), id = word_number(words, "id", 0);
	uint64_t sport = word_number(words, "sport", 10000), spread = word_number(words, "spread", 0);
	char port[16], destination[64], text[64];
	struct address address;

	if (words->n > 29 || !parse_address(word(words, "dst", ""), &address))
		return "flow: dst= must be an address";
	for (uint64_t i = 0; i < n; i++) {
		struct words one = {.key = {"sport", "dst"}, .value = {port, destination}, .n = 2};
		snprintf(port, sizeof port, "%lu", sport + i);
		inet_ntop(address.family == 4 ? AF_INET : AF_INET6, address.bytes, text, sizeof text);
		snprintf(destination, sizeof destination, "%s", text);
		for (unsigned w = 0; w < words->n; w++, one.n++) {
			one.key[one.n] = words->key[w];
			one.value[one.n] = words->value[w];
		}
		const char *failure = add_flow(&one, id + i);
		if (failure)
			return failure;
		if (spread)
			address.bytes[address.family == 4 ? 3 : 15]++;
	}
	return NULL;
}

static const char *do_start(const struct words *words)
{
	struct sending order = {.rate = word_number(words, "rate", 1000),
	                        .count = word_number(words, "count", 0),
	                        .duration_ns = word_number(words, "ms", 0) * 1000000u};

	if (!order.rate || order.rate > 100000000)
		return "start: rate= is packets a second";
	return sender_start(&order) ? NULL : "start: already sending";
}

static const char *do_raw(const struct words *words)
{
	static uint8_t frame[MAX_FRAME];
	int length = parse_hex(word(words, "hex", ""), frame, sizeof frame);

	if (length < 14)
		return "raw: hex= must be a frame";
	return send_frame(frame, (uint32_t)length) ? NULL : strerror(errno);
}

static const char *do_answer(const struct words *words)
{
	struct identity who;

	memcpy(who.mac, interface_mac, 6);
	if (!parse_address(word(words, "addr", ""), &who.address) ||
	    !parse_tags(word(words, "tags", ""), &who.tags))
		return "answer: addr= must be an address, tags= TPID:VID";
	if (*word(words, "mac", "") && !parse_mac(word(words, "mac", ""), who.mac))
		return "answer: mac= must be a MAC address";
	if (sink.n_identities >= MAX_IDENTITIES)
		return "answer: too many";
	pthread_mutex_lock(&sink.lock);
	sink.identity[sink.n_identities++] = who;
	pthread_mutex_unlock(&sink.lock);
	if (word_number(words, "announce", 0))
		announce(&who);
	return NULL;
}

static uint32_t read_destinations(const char *path, uint32_t **out)
{
	FILE *file = fopen(path, "r");
	char line[64];
	uint32_t n = 0, room = 1u << 20, power = 1;

	*out = malloc(room * sizeof **out);
	while (file && n < room && fgets(line, sizeof line, file)) {
		line[strcspn(line, " \n")] = 0;
		n += inet_pton(AF_INET, line, *out + n) == 1;
	}
	if (file)
		fclose(file);
	while (power * 2 <= n)
		power *= 2;
	return n ? power : 0;
}

static void do_blast(const struct words *words)
{
	static uint8_t frame[MAX_FRAME];
	struct blast order = {.ms = word_number(words, "ms", 1000), .rate = word_number(words, "rate", 0)};
	uint32_t *destinations = NULL;
	uint64_t sent = 0;
	int length = parse_hex(word(words, "hex", ""), frame, sizeof frame);

	if (*word(words, "file", ""))
		order.n_destinations = read_destinations(word(words, "file", ""), &destinations);
	order.destinations = destinations;
	const char *failure =
	    length < 0 ? "blast: hex= must be a frame" : blast(frame, (uint32_t)length, &order, &sent);
	free(destinations);
	if (failure)
		reply(failure);
	else
		printf("{\"ok\":true,\"sent\":%lu}\n", sent);
}

static void do_dropped(void)
{
	uint64_t packets, bytes;
	const char *failure = drop_read(&packets, &bytes);

	if (failure)
		reply(failure);
	else
		printf("{\"ok\":true,\"packets\":%lu,\"bytes\":%lu}\n", packets, bytes);
}

static void clear_flows(void)
{
	for (unsigned i = 0; i < MAX_FLOWS; i++) {
		free(flows[i]);
		flows[i] = NULL;
	}
}

/* Commands that answer with more than success. */
static bool do_report(const char *verb, const struct words *words)
{
	if (!strcmp(verb, "wait") || !strcmp(verb, "stop")) {
		*verb == 'w' ? sender_wait() : sender_stop();
		sender_print();
	} else if (!strcmp(verb, "stats")) {
		sink_print();
	} else if (!strcmp(verb, "captured")) {
		capture_print();
	} else if (!strcmp(verb, "blast")) {
		do_blast(words);
	} else if (!strcmp(verb, "dropped")) {
		do_dropped();
	} else {
		return false;
	}
	return true;
}

static const char *do_command(const char *verb, struct words *words)
{
	if (!strcmp(verb, "flow"))
		return do_flow(words);
	if (!strcmp(verb, "start"))
		return do_start(words);
	if (!strcmp(verb, "raw"))
		return do_raw(words);
	if (!strcmp(verb, "answer"))
		return do_answer(words);
	if (!strcmp(verb, "drop"))
		return drop_attach();
	if (!strcmp(verb, "beside")) {
		send_by_qdisc();
		return tag_beside((uint16_t)word_number(words, "vid", 1));
	}
	if (!strcmp(verb, "reset"))
		sink_reset();
	else if (!strcmp(verb, "clear"))
		clear_flows();
	else if (!strcmp(verb, "capture"))
		sink.capturing = true;
	else
		return "unknown command";
	return NULL;
}

static bool open_interface(const char *name)
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	if (fd < 0 || ioctl(fd, SIOCGIFINDEX, &request))
		return false;
	interface_index = request.ifr_ifindex;
	if (ioctl(fd, SIOCGIFHWADDR, &request))
		return false;
	memcpy(interface_mac, request.ifr_hwaddr.sa_data, 6);
	close(fd);
	return open_sender() >= 0 && sink_start();
}

int main(int argc, char **argv)
{
	static char line[4 * MAX_FRAME];

	if (argc != 2 || !open_interface(argv[1])) {
		fprintf(stderr, "usage: mill-traffic INTERFACE (%s)\n", strerror(errno));
		return 1;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	reply(NULL);
	fflush(stdout);
	while (fgets(line, sizeof line, stdin) && strncmp(line, "quit", 4)) {
		struct words words = split(line);
		if (words.n && !do_report(words.key[0], &words))
			reply(do_command(words.key[0], &words));
		fflush(stdout);
	}
	sender_stop();
	return 0;
}
