/*
 * mill-traffic: one end of a wire in a test. It owns one network interface of one namespace and is told what to
 * do by lines on its standard input; each line gets one line of JSON back. It sends flows of stamped packets,
 * counts what arrives by flow, answers ARP, Neighbour Discovery and ping for addresses behind any VLAN tags, and
 * keeps frames for comparison byte by byte. The commands are listed in main.c.
 *
 * Threads: main reads commands; the sender thread lives from `start` to its end and alone touches the flows'
 * `sent`; the sink thread lives as long as the process and writes everything in struct sink under its lock.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_FRAME      9216u
#define MAX_FLOWS      4096u
#define MAX_IDENTITIES 1024u
#define MAX_CAPTURE    8192u
#define WINDOW         4096u /* sequence numbers in which a duplicate is recognised */

/* First bytes of the payload of every packet that a flow sends, in the order of the machine. */
struct stamp {
	uint16_t magic, flow;
	uint32_t sequence;
	uint64_t sent_ns; /* CLOCK_REALTIME: the clock of the kernel's receive timestamps */
} __attribute__((packed));

#define STAMP_MAGIC 0x4d4cu

struct tags {
	unsigned n;
	uint16_t tpid[2], vid[2]; /* outermost first */
};

struct address {
	uint8_t family; /* 4 or 6 */
	uint8_t bytes[16];
};

/* One parameter list of a command: `key=value` words. */
struct words {
	char *key[32], *value[32];
	unsigned n;
};

const char *word(const struct words *, const char *key, const char *fallback);
uint64_t word_number(const struct words *, const char *key, uint64_t fallback);
bool parse_tags(const char *text, struct tags *);
bool parse_address(const char *text, struct address *);
bool parse_mac(const char *text, uint8_t mac[6]);
int parse_hex(const char *text, uint8_t *out, unsigned max);

/* frame.c: where things are in a frame, and checksums. */
struct layout {
	struct tags tags;
	uint16_t ethertype;
	uint16_t l3, l4, payload, end; /* offsets; l4 and payload are 0 when there is none */
	uint8_t family, protocol, ttl;
};

struct flow {
	bool used;
	uint16_t id;
	uint16_t length, stamp, checksum; /* frame length; offsets of the stamp and of the L4 checksum */
	uint32_t base_sum;                /* L4 checksum over all but the stamp's sequence and time */
	uint64_t sent;
	uint8_t frame[MAX_FRAME];
};

bool parse_frame(const uint8_t *frame, uint32_t length, struct layout *);
uint16_t checksum_fold(uint32_t sum);
uint32_t checksum_add(uint32_t sum, const void *bytes, uint32_t length);
uint32_t pseudo_header_sum(const uint8_t *frame, const struct layout *);
uint32_t put_ethernet(uint8_t *frame, const uint8_t dst[6], const uint8_t src[6], const struct tags *,
                      uint16_t ethertype);
const char *build_flow(struct flow *, const struct words *, const uint8_t own_mac[6]);
uint8_t payload_byte(uint16_t flow, uint32_t index);

/* sink.c */
struct flow_count {
	uint64_t received, unique, reordered, duplicates, bytes, bad_payload;
	uint64_t latency_min, latency_max, latency_sum, gap_max, first_ns, last_ns;
	uint32_t next;
	uint8_t ttl;
	uint8_t seen[WINDOW / 8];
};

struct captured {
	uint32_t length;
	uint8_t *bytes;
};

struct identity {
	struct address address;
	struct tags tags;
	uint8_t mac[6];
};

struct sink {
	pthread_mutex_t lock;
	int socket;
	uint8_t *ring;
	uint64_t frames, bytes, arp, nd, icmp_errors, other, answered;
	uint64_t bad_ip, bad_l4, bad_payload, kernel_drops;
	struct flow_count flow[MAX_FLOWS];
	struct identity identity[MAX_IDENTITIES];
	unsigned n_identities;
	bool capturing;
	struct captured captured[MAX_CAPTURE];
	unsigned n_captured;
};

extern struct sink sink;
extern struct flow *flows[MAX_FLOWS];
extern int interface_index;
extern uint8_t interface_mac[6];

bool sink_start(void);
void sink_reset(void);
void sink_print(void);
void capture_print(void);

/* answer.c: true when the frame was for one of our identities and has been answered. Sink's lock is held. */
bool answer(const uint8_t *frame, uint32_t length, const struct layout *);
void announce(const struct identity *);

/* sender.c */
struct sending {
	uint64_t rate, count, duration_ns;
};
int open_sender(void);
void send_by_qdisc(void);
bool send_frame(const uint8_t *frame, uint32_t length);
bool sender_start(const struct sending *);
void sender_wait(void);
void sender_stop(void);
void sender_print(void);

/* blast.c: generator and sink inside the kernel, for rates that sockets do not reach. */
struct blast {
	uint64_t ms, rate; /* packets a second, 0: as fast as it goes */
	const uint32_t *destinations;
	uint32_t n_destinations; /* a power of two, or 0 */
};
const char *blast(const uint8_t *frame, uint32_t length, const struct blast *, uint64_t *sent);
const char *drop_attach(void);
const char *tag_beside(uint16_t vid);
const char *drop_read(uint64_t *packets, uint64_t *bytes);

uint64_t now_ns(void);
