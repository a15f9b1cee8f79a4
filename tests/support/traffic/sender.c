/*
 * The sender: takes the flows in turn, stamps each packet and paces them against the clock. Bursts stay at or
 * below 32 packets, because the receive ring of a veth with NAPI holds 256; a sender that was held up does not
 * catch up with a burst, it shifts its schedule, so that what it reports is the rate it really offered.
 */
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "traffic.h"

#define BURST       32u
#define LATENESS_NS 1000000u /* beyond this the schedule is shifted */

static int sender_socket = -1;
static pthread_t thread;
static bool running;
static atomic_bool stopping;
static struct sending order;
static uint64_t sent_packets, sent_ns, refused;
static uint8_t burst_frame[BURST][MAX_FRAME];

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int open_sender(void)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = interface_index};
	int one = 1, room = 8 << 20;

	sender_socket = socket(AF_PACKET, SOCK_RAW, 0);
	if (sender_socket < 0 || bind(sender_socket, (struct sockaddr *)&at, sizeof at) < 0)
		return -1;
	setsockopt(sender_socket, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
	setsockopt(sender_socket, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
	return sender_socket;
}

/* What hooks at the egress (tc) see is not by-passed any more. */
void send_by_qdisc(void)
{
	int zero = 0;

	setsockopt(sender_socket, SOL_PACKET, PACKET_QDISC_BYPASS, &zero, sizeof zero);
}

bool send_frame(const uint8_t *frame, uint32_t length)
{
	return send(sender_socket, frame, length, 0) == (ssize_t)length;
}

static uint32_t stamp_packet(uint8_t *out, struct flow *flow, uint64_t now)
{
	struct stamp stamp = {STAMP_MAGIC, flow->id, (uint32_t)flow->sent, now};
	uint32_t sum =
	    checksum_add(flow->base_sum, &stamp.sequence, sizeof stamp - offsetof(struct stamp, sequence));
	uint16_t checksum = checksum_fold(sum);

	if (!checksum) /* UDP: 0 means none (RFC 768) */
		checksum = 0xffff;
	memcpy(out, flow->frame, flow->length);
	memcpy(out + flow->stamp, &stamp, sizeof stamp);
	memcpy(out + flow->checksum, &checksum, sizeof checksum);
	flow->sent++;
	return flow->length;
}

/* The driver's queue may be full or its link down for a moment: the packet waits, none is left out. Returns how
 * many were sent, which is fewer than asked only when the sender was stopped meanwhile. */
static unsigned push(struct mmsghdr *messages, unsigned n)
{
	unsigned done = 0;

	while (done < n) {
		int sent = sendmmsg(sender_socket, messages + done, n - done, 0);
		if (sent > 0) {
			done += (unsigned)sent;
			continue;
		}
		refused++;
		if (stopping)
			break;
		usleep(50);
	}
	sent_packets += done;
	return done;
}

static void send_burst(struct flow **list, unsigned n_flows, unsigned *turn, unsigned n)
{
	struct mmsghdr messages[BURST] = {0};
	struct iovec parts[BURST];
	struct flow *from[BURST];
	uint64_t now = now_ns();

	for (unsigned i = 0; i < n; i++) {
		from[i] = list[*turn];
		*turn = (*turn + 1) % n_flows;
		parts[i].iov_base = burst_frame[i];
		parts[i].iov_len = stamp_packet(burst_frame[i], from[i], now);
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	for (unsigned i = push(messages, n); i < n; i++)
		from[i]->sent--;
}

static void pause_until(uint64_t now, uint64_t due)
{
	struct timespec wait = {0, due > now ? (long)(due - now) : 0};

	if (wait.tv_nsec > 100000000)
		wait.tv_nsec = 100000000;
	nanosleep(&wait, NULL);
}

static void run_schedule(struct flow **list, unsigned n_flows)
{
	uint64_t start = now_ns(), base = start, from_base = 0;
	unsigned turn = 0;

	while (!stopping) {
		uint64_t now = now_ns();
		if (order.duration_ns && now - start >= order.duration_ns)
			break;
		uint64_t due = (now - base) * order.rate / 1000000000u;
		uint64_t wanted = due > from_base ? due - from_base : 0;
		if (wanted > BURST + order.rate * LATENESS_NS / 1000000000u) {
			base = now;
			from_base = 0;
			continue;
		}
		uint64_t left = order.count ? order.count - sent_packets : UINT64_MAX;
		if (!left)
			break;
		unsigned n = (unsigned)(wanted < left ? wanted : left);
		if (!n) {
			pause_until(now, base + (from_base + 1) * 1000000000u / order.rate);
			continue;
		}
		n = n < BURST ? n : BURST;
		send_burst(list, n_flows, &turn, n);
		from_base += n;
	}
	sent_ns = now_ns() - start;
}

static void *run(void *unused)
{
	static struct flow *list[MAX_FLOWS];
	unsigned n = 0;

	(void)unused;
	prctl(PR_SET_TIMERSLACK, 1000);
	for (unsigned i = 0; i < MAX_FLOWS; i++)
		if (flows[i] && flows[i]->used)
			list[n++] = flows[i];
	if (n)
		run_schedule(list, n);
	return NULL;
}

bool sender_start(const struct sending *what)
{
	if (running)
		return false;
	order = *what;
	sent_packets = sent_ns = refused = 0;
	stopping = false;
	running = pthread_create(&thread, NULL, run, NULL) == 0;
	return running;
}

void sender_wait(void)
{
	if (running)
		pthread_join(thread, NULL);
	running = false;
}

void sender_stop(void)
{
	stopping = true;
	sender_wait();
}

void sender_print(void)
{
	printf("{\"ok\":true,\"sent\":%lu,\"ns\":%lu,\"retries\":%lu}\n", sent_packets, sent_ns, refused);
}
