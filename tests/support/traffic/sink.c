/*
 * The sink: a PACKET_MMAP ring (TPACKET_V2) read by one thread. The kernel takes the outermost VLAN tag out of a
 * frame before a packet socket sees it and reports it beside the frame; it is put back here, so that everything
 * else sees the bytes of the wire. Timestamps are the kernel's. Losses are counted by the caller (sent − unique);
 * the sink tells late packets from repeated ones by a window of WINDOW sequence numbers a flow.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "traffic.h"

#define RING_SMALL 2048u  /* of most links; */
#define RING_LARGE 16384u /* where frames are larger */
#define RING_BLOCK (1u << 20)
#define RING_BYTES (64u << 20)

static uint32_t ring_frame;

struct sink sink = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool checksums_good(const uint8_t *frame, const struct layout *at)
{
	bool good = true;

	if (at->family == 4 &&
	    checksum_fold(checksum_add(0, frame + at->l3, (frame[at->l3] & 15) * 4u)) != 0) {
		sink.bad_ip++;
		good = false;
	}
	bool fragment = at->family == 4 && (frame[at->l3 + 6] & 0x3f || frame[at->l3 + 7]);
	bool none = at->protocol == IPPROTO_UDP && at->payload && !frame[at->l4 + 6] && !frame[at->l4 + 7];
	if (!at->payload || fragment || none)
		return good;
	uint32_t sum =
	    checksum_add(pseudo_header_sum(frame, at), frame + at->l4, (uint32_t)(at->end - at->l4));
	if (checksum_fold(sum) != 0) {
		sink.bad_l4++;
		good = false;
	}
	return good;
}

static void count_sequence(struct flow_count *count, uint32_t sequence)
{
	uint8_t *cell = &count->seen[sequence % WINDOW / 8], bit = (uint8_t)(1u << sequence % 8);

	if (sequence >= count->next) {
		uint32_t skipped = sequence - count->next;
		for (uint32_t i = 0; i < skipped && i < WINDOW; i++)
			count->seen[(count->next + i) % WINDOW / 8] &=
			    (uint8_t) ~(1u << (count->next + i) % 8);
		*cell |= bit;
		count->next = sequence + 1;
		count->unique++;
	} else if (count->next - sequence <= WINDOW && !(*cell & bit)) {
		*cell |= bit;
		count->unique++;
		count->reordered++;
	} else {
		count->duplicates++;
	}
}

static void count_time(struct flow_count *count, uint64_t sent_ns, uint64_t arrived_ns)
{
	uint64_t latency = arrived_ns > sent_ns ? arrived_ns - sent_ns : 0;

	if (!count->received || latency < count->latency_min)
		count->latency_min = latency;
	if (latency > count->latency_max)
		count->latency_max = latency;
	count->latency_sum += latency;
	if (count->received && arrived_ns - count->last_ns > count->gap_max)
		count->gap_max = arrived_ns - count->last_ns;
	if (!count->received)
		count->first_ns = arrived_ns;
	count->last_ns = arrived_ns;
}

static bool count_stamped(const uint8_t *frame, const struct layout *at, uint64_t arrived_ns)
{
	struct stamp stamp;

	if (!at->payload || at->payload + sizeof stamp > at->end)
		return false;
	memcpy(&stamp, frame + at->payload, sizeof stamp);
	if (stamp.magic != STAMP_MAGIC || stamp.flow >= MAX_FLOWS)
		return false;
	struct flow_count *count = &sink.flow[stamp.flow];
	count_sequence(count, stamp.sequence);
	count_time(count, stamp.sent_ns, arrived_ns);
	count->received++;
	count->bytes += at->end;
	count->ttl = at->ttl;
	for (uint32_t i = sizeof stamp; at->payload + i < at->end; i++)
		if (frame[at->payload + i] != payload_byte(stamp.flow, i)) {
			count->bad_payload++;
			sink.bad_payload++;
			break;
		}
	return true;
}

static void keep(const uint8_t *frame, uint32_t length)
{
	if (!sink.capturing || sink.n_captured >= MAX_CAPTURE)
		return;
	struct captured *slot = &sink.captured[sink.n_captured++];
	slot->length = length;
	slot->bytes = malloc(length);
	memcpy(slot->bytes, frame, length);
}

static bool is_neighbour_discovery(const uint8_t *frame, const struct layout *at)
{
	return at->family == 6 && at->protocol == IPPROTO_ICMPV6 && at->l4 && frame[at->l4] >= 130 &&
	       (frame[at->l4] <= 137 || frame[at->l4] == 143);
}

static bool is_icmp_error(const uint8_t *frame, const struct layout *at)
{
	if (!at->l4)
		return false;
	uint8_t type = frame[at->l4];
	return (at->protocol == IPPROTO_ICMP &&
	        (type == 3 || type == 4 || type == 5 || type == 11 || type == 12)) ||
	       (at->protocol == IPPROTO_ICMPV6 && type < 128);
}

static void receive(const uint8_t *frame, uint32_t length, uint64_t arrived_ns)
{
	struct layout at;

	sink.frames++;
	sink.bytes += length;
	keep(frame, length);
	bool whole = parse_frame(frame, length, &at);
	if (whole && answer(frame, length, &at))
		sink.answered++;
	if (at.ethertype == ETHERTYPE_ARP) {
		sink.arp++;
	} else if (!whole || !at.family) {
		sink.other++;
	} else {
		checksums_good(frame, &at);
		if (is_neighbour_discovery(frame, &at))
			sink.nd++;
		else if (is_icmp_error(frame, &at))
			sink.icmp_errors++;
		else if (!count_stamped(frame, &at, arrived_ns))
			sink.other++;
	}
}

static void take(const struct tpacket2_hdr *header)
{
	static uint8_t restored[MAX_FRAME + 4];
	const uint8_t *frame = (const uint8_t *)header + header->tp_mac;
	uint32_t length = header->tp_snaplen;
	uint64_t arrived = (uint64_t)header->tp_sec * 1000000000u + header->tp_nsec;

	if (header->tp_status & TP_STATUS_VLAN_VALID && length >= 14 && length <= MAX_FRAME) {
		uint16_t tpid = header->tp_status & TP_STATUS_VLAN_TPID_VALID ? header->tp_vlan_tpid : 0x8100;
		uint16_t tag[2] = {htons(tpid), htons(header->tp_vlan_tci)};
		memcpy(restored, frame, 12);
		memcpy(restored + 12, tag, 4);
		memcpy(restored + 16, frame + 12, length - 12);
		frame = restored;
		length += 4;
	}
	receive(frame, length, arrived);
}

static void *run(void *unused)
{
	struct pollfd readable = {.fd = sink.socket, .events = POLLIN};
	uint32_t slot = 0;

	for (;;) {
		pthread_mutex_lock(&sink.lock);
		for (unsigned n = 0; n < 256; n++) {
			struct tpacket2_hdr *header = (void *)(sink.ring + (size_t)slot * ring_frame);
			if (!(__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
				break;
			take(header);
			__atomic_store_n(&header->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
			slot = (slot + 1) % (RING_BYTES / ring_frame);
		}
		pthread_mutex_unlock(&sink.lock);
		poll(&readable, 1, 100);
	}
	return unused;
}

static bool has_large_frames(void)
{
	struct ifreq request = {0};

	return if_indextoname((unsigned)interface_index, request.ifr_name) != NULL &&
	       ioctl(sink.socket, SIOCGIFMTU, &request) == 0 && request.ifr_mtu > 1800;
}

bool sink_start(void)
{
	int version = TPACKET_V2, one = 1;
	struct packet_mreq promiscuous = {.mr_ifindex = interface_index, .mr_type = PACKET_MR_PROMISC};
	struct sockaddr_ll at = {
	    .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = interface_index};
	pthread_t thread;

	sink.socket = socket(AF_PACKET, SOCK_RAW, 0);
	ring_frame = has_large_frames() ? RING_LARGE : RING_SMALL;
	struct tpacket_req ring = {RING_BLOCK, RING_BYTES / RING_BLOCK, ring_frame, RING_BYTES / ring_frame};
	if (sink.socket < 0 ||
	    setsockopt(sink.socket, SOL_PACKET, PACKET_VERSION, &version, sizeof version) ||
	    setsockopt(sink.socket, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring))
		return false;
	setsockopt(sink.socket, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
	setsockopt(sink.socket, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous);
	sink.ring = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, sink.socket, 0);
	if (sink.ring == MAP_FAILED || bind(sink.socket, (struct sockaddr *)&at, sizeof at))
		return false;
	return pthread_create(&thread, NULL, run, NULL) == 0;
}

static void read_kernel_drops(void)
{
	struct tpacket_stats drops = {0};
	socklen_t size = sizeof drops;

	if (!getsockopt(sink.socket, SOL_PACKET, PACKET_STATISTICS, &drops, &size))
		sink.kernel_drops += drops.tp_drops; /* reading clears it */
}

void sink_reset(void)
{
	pthread_mutex_lock(&sink.lock);
	read_kernel_drops();
	sink.frames = sink.bytes = sink.arp = sink.nd = sink.icmp_errors = sink.other = sink.answered = 0;
	sink.bad_ip = sink.bad_l4 = sink.bad_payload = sink.kernel_drops = 0;
	memset(sink.flow, 0, sizeof sink.flow);
	pthread_mutex_unlock(&sink.lock);
}

static void print_flow(unsigned id, bool first)
{
	const struct flow_count *c = &sink.flow[id];
	uint64_t sent = flows[id] ? flows[id]->sent : 0;

	printf(
	    "%s{\"id\":%u,\"sent\":%lu,\"received\":%lu,\"unique\":%lu,\"reordered\":%lu,\"duplicates\":%lu,",
	    first ? "" : ",", id, sent, c->received, c->unique, c->reordered, c->duplicates);
	printf("\"bytes\":%lu,\"badPayload\":%lu,\"ttl\":%u,\"gapMaxNs\":%lu,\"firstNs\":%lu,\"lastNs\":%lu,",
	       c->bytes, c->bad_payload, c->ttl, c->gap_max, c->first_ns, c->last_ns);
	printf("\"latencyNs\":{\"min\":%lu,\"mean\":%lu,\"max\":%lu}}", c->latency_min,
	       c->received ? c->latency_sum / c->received : 0, c->latency_max);
}

void sink_print(void)
{
	bool first = true;

	pthread_mutex_lock(&sink.lock);
	read_kernel_drops();
	printf("{\"ok\":true,\"frames\":%lu,\"bytes\":%lu,\"arp\":%lu,\"nd\":%lu,\"icmpErrors\":%lu,"
	       "\"other\":%lu,",
	       sink.frames, sink.bytes, sink.arp, sink.nd, sink.icmp_errors, sink.other);
	printf(
	    "\"answered\":%lu,\"badIp\":%lu,\"badL4\":%lu,\"badPayload\":%lu,\"kernelDrops\":%lu,\"flows\":[",
	    sink.answered, sink.bad_ip, sink.bad_l4, sink.bad_payload, sink.kernel_drops);
	for (unsigned id = 0; id < MAX_FLOWS; id++) {
		if (!sink.flow[id].received && !(flows[id] && flows[id]->sent))
			continue;
		print_flow(id, first);
		first = false;
	}
	printf("]}\n");
	pthread_mutex_unlock(&sink.lock);
}

/* Prints what was kept since the last time, and lets it go. */
void capture_print(void)
{
	pthread_mutex_lock(&sink.lock);
	printf("{\"ok\":true,\"frames\":[");
	for (unsigned i = 0; i < sink.n_captured; i++) {
		printf("%s\"", i ? "," : "");
		for (uint32_t b = 0; b < sink.captured[i].length; b++)
			printf("%02x", sink.captured[i].bytes[b]);
		printf("\"");
		free(sink.captured[i].bytes);
	}
	sink.n_captured = 0;
	printf("]}\n");
	pthread_mutex_unlock(&sink.lock);
}
