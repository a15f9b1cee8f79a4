/*
 * Load for the memory benches: the peer of two pipe ports in one thread. It fills one pipe with 64-byte packets
 * (60 without FCS) to the destinations of a list in turn, empties the other, and says how many went and came.
 *
 *   pipe-load IN.sock OUT.sock DST_MAC DESTINATIONS_FILE MILLISECONDS [RATE]
 *
 * With a rate (packets a second; 0: as many as go) each packet carries the time when it was written, and quantiles
 * of how long they took come with the answer. What could not go in its time is not made up for beyond a millisecond.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "client/pipe_client.h"
#include "netmill/netmap_abi.h"
#include "tools/histogram.h"

#define FRAME    60u
#define BATCH    256u
#define STAMP    42u /* behind UDP's header */
#define LATE_NS  1000000u
#define DRAIN_NS 5000000u

struct load {
	uint8_t (*frame)[64]; /* one ready packet for each destination */
	uint32_t n, turn;
	uint64_t sent, received;
	struct histogram *took; /* NULL: packets carry no time */
	uint64_t rate, due_ns;  /* 0: as many as go; when the next one is due */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint16_t header_checksum(const uint8_t *ip)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < 20; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void make_frame(uint8_t frame[64], const uint8_t mac[6], uint32_t destination)
{
	static const uint8_t head[20] = {0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 1, 2};

	memset(frame, 0, 64);
	memcpy(frame, mac, 6);
	memcpy(frame + 6, "\x02\x00\x00\x00\x00\x0c\x08\x00", 8);
	memcpy(frame + 14, head, sizeof head);
	memcpy(frame + 30, &destination, 4);
	uint16_t sum = header_checksum(frame + 14);
	memcpy(frame + 24, &sum, 2);
	memcpy(frame + 34, "\x10\x00\x20\x00\x00\x1a\x00\x00", 8);
}

static bool read_destinations(struct load *load, const char *path, const uint8_t mac[6])
{
	FILE *file = fopen(path, "r");
	char line[64];
	uint32_t room = 1u << 16, destination;

	load->frame = aligned_alloc(64, room * sizeof *load->frame);
	while (file && load->frame && load->n < room && fgets(line, sizeof line, file)) {
		line[strcspn(line, "\n")] = 0;
		if (inet_pton(AF_INET, line, &destination) == 1)
			make_frame(load->frame[load->n++], mac, destination);
	}
	if (file)
		fclose(file);
	return load->n != 0;
}

/* How many are due now. */
static uint32_t due(struct load *load, uint64_t now)
{
	if (load->rate == 0)
		return BATCH;
	if (load->due_ns + LATE_NS < now)
		load->due_ns = now - LATE_NS;
	const uint64_t n = now < load->due_ns ? 0 : (now - load->due_ns) * load->rate / 1000000000u;
	return n < BATCH ? (uint32_t)n : BATCH;
}

static void fill(struct mill_pipe_client *pipe, struct load *load, uint64_t now)
{
	struct netmap_ring *ring = pipe->tx[0];
	uint32_t n = mill_ring_space(ring), most = due(load, now);

	n = n < most ? n : most;
	if (load->rate != 0)
		load->due_ns += n * 1000000000ull / load->rate;
	for (uint32_t i = 0; i < n; i++) {
		struct netmap_slot *slot = &ring->slot[ring->head];
		memcpy(mill_ring_buffer(ring, slot), load->frame[load->turn], 64);
		if (load->took != NULL)
			memcpy(mill_ring_buffer(ring, slot) + STAMP, &now, sizeof(now));
		slot->len = FRAME;
		slot->flags = (uint16_t)(slot->flags & ~NS_BUF_CHANGED);
		load->turn = load->turn + 1 == load->n ? 0 : load->turn + 1;
		ring->head = ring->cur = mill_ring_next(ring, ring->head);
	}
	load->sent += n;
	mill_pipe_tx_sync(pipe, 0);
}

static void look(struct netmap_ring *ring, uint32_t n, struct histogram *took)
{
	const uint64_t now = now_ns();
	uint64_t sent;

	for (uint32_t i = 0, at = ring->head; i < n; i++, at = mill_ring_next(ring, at)) {
		memcpy(&sent, mill_ring_buffer(ring, &ring->slot[at]) + STAMP, sizeof(sent));
		histogram_add(took, now - sent);
	}
}

static void empty(struct mill_pipe_client *pipe, struct load *load)
{
	struct netmap_ring *ring = pipe->rx[0];

	mill_pipe_rx_sync(pipe, 0);
	const uint32_t n = mill_ring_space(ring);
	load->received += n;
	if (load->took != NULL && n != 0)
		look(ring, n, load->took);
	ring->head = ring->cur = ring->tail;
	mill_pipe_rx_sync(pipe, 0);
}

static int failed(const char *what, int code)
{
	fprintf(stderr, "pipe-load: %s: %s\n", what, strerror(-code));
	return 1;
}

static void run(struct load *load, struct mill_pipe_client *in, struct mill_pipe_client *out, uint64_t ns)
{
	const uint64_t start = now_ns(), end = start + ns;
	uint64_t now = start;

	for (load->due_ns = start; now < end; now = now_ns()) {
		fill(in, load, now);
		empty(out, load);
	}
	printf("{\"sent\":%lu,\"received\":%lu,\"ns\":%lu", load->sent, load->received, now - start);
	while (load->took != NULL && now_ns() < end + DRAIN_NS)
		empty(out, load);
	if (load->took != NULL)
		printf(",\"lost\":%lu,\"p50\":%lu,\"p99\":%lu,\"p999\":%lu", load->sent - load->received,
		       histogram_quantile(load->took, 0.5), histogram_quantile(load->took, 0.99),
		       histogram_quantile(load->took, 0.999));
	printf("}\n");
}

int main(int argc, char **argv)
{
	struct mill_pipe_client in, out;
	struct load load = {0};
	uint8_t mac[6];

	if (argc < 6 || argc > 7 ||
	    sscanf(argv[3], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4,
	           mac + 5) != 6) {
		fprintf(stderr,
		        "usage: pipe-load IN.sock OUT.sock DST_MAC DESTINATIONS_FILE MILLISECONDS [RATE]\n");
		return 64;
	}
	if (!read_destinations(&load, argv[4], mac))
		return failed(argv[4], 0);
	int code = mill_pipe_open(&in, argv[1]);
	if (code)
		return failed(argv[1], code);
	code = mill_pipe_open(&out, argv[2]);
	if (code)
		return failed(argv[2], code);
	if (argc == 7) {
		static struct histogram took;
		load.took = &took;
		load.rate = strtoull(argv[6], NULL, 10);
	}
	run(&load, &in, &out, strtoull(argv[5], NULL, 10) * 1000000u);
	mill_pipe_close(&in);
	mill_pipe_close(&out);
	return 0;
}
