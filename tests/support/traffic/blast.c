/*
 * Generator and sink inside the kernel. `blast` runs a small XDP program by BPF_PROG_RUN on live frames
 * (BPF_F_TEST_XDP_LIVE_FRAMES, Linux 5.18): each run writes the frame's head anew, since the receiver may have
 * changed the recycled page, takes the next destination from a table when there is one, and returns XDP_TX, which
 * puts the frame on this interface's wire. `drop` counts and drops IP at the lowest layer of the receiver. Both
 * programs are assembled here: no compiler is needed at run time. Called from the main thread only.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>
#include "traffic.h"

#define HEAD_WORDS 15u /* rewritten in every frame: 60 bytes */

static struct bpf_insn code[160];
static unsigned length;
static char problem[256];

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof *attr);
}

static const char *failed(const char *what)
{
	snprintf(problem, sizeof problem, "%s: %s", what, strerror(errno));
	return problem;
}

static unsigned emit(uint8_t op, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	code[length] = (struct bpf_insn){.code = op, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm};
	return length++;
}

static void emit_map(uint8_t dst, int fd)
{
	emit(BPF_LD | BPF_DW | BPF_IMM, dst, BPF_PSEUDO_MAP_FD, 0, fd);
	emit(0, 0, 0, 0, 0);
}

static int load_program(void)
{
	static char log[8192];
	union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_XDP,
	                       .insns = (uint64_t)code,
	                       .insn_cnt = length,
	                       .license = (uint64_t) "Dual BSD/GPL",
	                       .log_buf = (uint64_t)log,
	                       .log_size = sizeof log,
	                       .log_level = 1};
	return (int)bpf(BPF_PROG_LOAD, &attr);
}

static int create_map(uint32_t type, uint32_t value_size, uint32_t entries)
{
	union bpf_attr attr = {
	    .map_type = type, .key_size = 4, .value_size = value_size, .max_entries = entries};

	return (int)bpf(BPF_MAP_CREATE, &attr);
}

static bool map_set(int fd, uint32_t key, const void *value)
{
	union bpf_attr attr = {.map_fd = (uint32_t)fd, .key = (uint64_t)&key, .value = (uint64_t)value};

	return bpf(BPF_MAP_UPDATE_ELEM, &attr) == 0;
}

static bool map_get(int fd, uint32_t key, void *value)
{
	union bpf_attr attr = {.map_fd = (uint32_t)fd, .key = (uint64_t)&key, .value = (uint64_t)value};

	return bpf(BPF_MAP_LOOKUP_ELEM, &attr) == 0;
}

/* r6 = packet, verified to hold `bytes`; a shorter one leaves with `verdict`. */
static void emit_prologue(unsigned bytes, int verdict)
{
	emit(BPF_LDX | BPF_MEM | BPF_W, 6, 1, 0, 0);
	emit(BPF_LDX | BPF_MEM | BPF_W, 3, 1, 4, 0);
	emit(BPF_ALU64 | BPF_MOV | BPF_X, 2, 6, 0, 0);
	emit(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, (int32_t)bytes);
	emit(BPF_JMP | BPF_JLE | BPF_X, 2, 3, 2, 0);
	emit(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, verdict);
	emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* r0 = address of map[key 0], checked. */
static void emit_cell(int map)
{
	emit(BPF_ST | BPF_MEM | BPF_W, 10, 0, -4, 0);
	emit(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0);
	emit(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4);
	emit_map(1, map);
	emit(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem);
	emit(BPF_JMP | BPF_JNE | BPF_K, 0, 0, 1, 0);
	emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); /* r0 = 0: XDP_ABORTED */
}

struct destination {
	uint32_t address;
	uint16_t checksum, zero;
};

/* What the generator keeps from packet to packet. */
struct generator_state {
	uint64_t turn, due_ns, sent;
};

/* Frames that come before their time are dropped, so that the wire sees an even rate: a token every
 * `interval_ns`; after a pause of a millisecond the schedule is shifted. Then counts the frame as sent.
 * r8 = state. */
static void emit_pacing(int state, uint64_t interval_ns)
{
	emit_cell(state);
	emit(BPF_ALU64 | BPF_MOV | BPF_X, 8, 0, 0, 0);
	if (interval_ns) {
		emit(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ktime_get_ns);
		emit(BPF_LDX | BPF_MEM | BPF_DW, 3, 8, offsetof(struct generator_state, due_ns), 0);
		emit(BPF_JMP | BPF_JLE | BPF_X, 3, 0, 2, 0);
		emit(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_DROP);
		emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
		emit(BPF_ALU64 | BPF_MOV | BPF_X, 4, 0, 0, 0);
		emit(BPF_ALU64 | BPF_SUB | BPF_X, 4, 3, 0, 0);
		emit(BPF_JMP | BPF_JLE | BPF_K, 4, 0, 1, 1000000);
		emit(BPF_ALU64 | BPF_MOV | BPF_X, 3, 0, 0, 0);
		emit(BPF_ALU64 | BPF_ADD | BPF_K, 3, 0, 0, (int32_t)interval_ns);
		emit(BPF_STX | BPF_MEM | BPF_DW, 8, 3, offsetof(struct generator_state, due_ns), 0);
	}
	emit(BPF_LDX | BPF_MEM | BPF_DW, 3, 8, offsetof(struct generator_state, sent), 0);
	emit(BPF_ALU64 | BPF_ADD | BPF_K, 3, 0, 0, 1);
	emit(BPF_STX | BPF_MEM | BPF_DW, 8, 3, offsetof(struct generator_state, sent), 0);
}

/* Next entry of the table into the IPv4 destination and header checksum. `n` is a power of two. */
static void emit_destination(int table, uint32_t n)
{
	emit(BPF_LDX | BPF_MEM | BPF_DW, 7, 8, offsetof(struct generator_state, turn), 0);
	emit(BPF_ALU64 | BPF_ADD | BPF_K, 7, 0, 0, 1);
	emit(BPF_STX | BPF_MEM | BPF_DW, 8, 7, offsetof(struct generator_state, turn), 0);
	emit(BPF_ALU64 | BPF_AND | BPF_K, 7, 0, 0, (int32_t)(n - 1));
	emit(BPF_STX | BPF_MEM | BPF_W, 10, 7, -4, 0);
	emit(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0);
	emit(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4);
	emit_map(1, table);
	emit(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem);
	emit(BPF_JMP | BPF_JNE | BPF_K, 0, 0, 1, 0);
	emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	emit(BPF_LDX | BPF_MEM | BPF_W, 3, 0, 0, 0);
	emit(BPF_STX | BPF_MEM | BPF_W, 6, 3, 30, 0);
	emit(BPF_LDX | BPF_MEM | BPF_H, 3, 0, 4, 0);
	emit(BPF_STX | BPF_MEM | BPF_H, 6, 3, 24, 0);
}

static uint16_t header_checksum(const uint8_t *frame, uint32_t destination)
{
	uint8_t ip[20];

	memcpy(ip, frame + 14, 20);
	memset(ip + 10, 0, 2);
	memcpy(ip + 16, &destination, 4);
	return checksum_fold(checksum_add(0, ip, 20));
}

static int make_table(const uint8_t *frame, const uint32_t *destinations, uint32_t n)
{
	int table = create_map(BPF_MAP_TYPE_ARRAY, sizeof(struct destination), n);

	for (uint32_t i = 0; table >= 0 && i < n; i++) {
		struct destination d = {destinations[i], header_checksum(frame, destinations[i]), 0};
		map_set(table, i, &d);
	}
	return table;
}

static int make_generator(const uint8_t *frame, const struct blast *order, int state)
{
	uint32_t word;

	length = 0;
	emit_prologue(HEAD_WORDS * 4, XDP_DROP);
	emit_pacing(state, order->rate ? 1000000000u / order->rate : 0);
	for (unsigned i = 0; i < HEAD_WORDS; i++) {
		memcpy(&word, frame + i * 4, 4);
		emit(BPF_ST | BPF_MEM | BPF_W, 6, 0, (int16_t)(i * 4), (int32_t)word);
	}
	if (order->n_destinations)
		emit_destination(make_table(frame, order->destinations, order->n_destinations),
		                 order->n_destinations);
	emit(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_TX);
	emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return load_program();
}

static void interrupt_run(int signal)
{
	(void)signal;
}

/* One call for the whole time, ended by a signal: setting up and tearing down costs some 20 ms of silence. */
static bool run_for(uint64_t ms, union bpf_attr *attr)
{
	struct itimerval timer = {{0, 20000}, {(long)(ms / 1000), (long)(ms % 1000 * 1000)}}, off = {0};
	struct sigaction action = {.sa_handler = interrupt_run};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	bool good = bpf(BPF_PROG_TEST_RUN, attr) == 0 || errno == EINTR;
	setitimer(ITIMER_REAL, &off, NULL);
	return good;
}

const char *blast(const uint8_t *frame, uint32_t frame_length, const struct blast *order, uint64_t *sent)
{
	struct xdp_md context = {.data_end = frame_length, .ingress_ifindex = (uint32_t)interface_index};
	struct generator_state state = {0};
	int map = create_map(BPF_MAP_TYPE_ARRAY, sizeof state, 1);
	int program = frame_length < HEAD_WORDS * 4 || map < 0 ? -1 : make_generator(frame, order, map);

	if (program < 0)
		return failed("blast: cannot load the generator (frames start at 60 bytes)");
	union bpf_attr attr = {0};
	attr.test.prog_fd = (uint32_t)program;
	attr.test.data_in = (uint64_t)frame;
	attr.test.data_size_in = frame_length;
	attr.test.ctx_in = (uint64_t)&context;
	attr.test.ctx_size_in = sizeof context;
	attr.test.repeat = UINT32_MAX;
	attr.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
	attr.test.batch_size = 64;
	if (!run_for(order->ms, &attr)) {
		close(program);
		return failed("blast: BPF_PROG_RUN");
	}
	map_get(map, 0, &state);
	*sent = state.sent;
	close(program);
	close(map);
	return NULL;
}

struct tally {
	uint64_t packets, bytes;
};

static int tally_map = -1, drop_link = -1;

/* IP and tagged frames are counted and dropped; ARP and the rest go up. */
static int make_drop(int map)
{
	length = 0;
	emit(BPF_LDX | BPF_MEM | BPF_W, 8, 1, 4, 0);
	emit_prologue(14, XDP_PASS);
	emit(BPF_ALU64 | BPF_SUB | BPF_X, 8, 6, 0, 0);
	emit(BPF_LDX | BPF_MEM | BPF_H, 4, 6, 12, 0);
	emit(BPF_JMP | BPF_JNE | BPF_K, 4, 0, 2, 0x0608); /* ARP, as loaded on a little-endian machine */
	emit(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS);
	emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	emit_cell(map);
	emit(BPF_LDX | BPF_MEM | BPF_DW, 3, 0, 0, 0);
	emit(BPF_ALU64 | BPF_ADD | BPF_K, 3, 0, 0, 1);
	emit(BPF_STX | BPF_MEM | BPF_DW, 0, 3, 0, 0);
	emit(BPF_LDX | BPF_MEM | BPF_DW, 3, 0, 8, 0);
	emit(BPF_ALU64 | BPF_ADD | BPF_X, 3, 8, 0, 0);
	emit(BPF_STX | BPF_MEM | BPF_DW, 0, 3, 8, 0);
	emit(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_DROP);
	emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return load_program();
}

const char *drop_attach(void)
{
	union bpf_attr attr = {0};

	tally_map = create_map(BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(struct tally), 1);
	int program = tally_map < 0 ? -1 : make_drop(tally_map);
	if (program < 0)
		return failed("drop: cannot load the program");
	attr.link_create.prog_fd = (uint32_t)program;
	attr.link_create.target_ifindex = (uint32_t)interface_index;
	attr.link_create.attach_type = BPF_XDP;
	attr.link_create.flags = XDP_FLAGS_DRV_MODE;
	drop_link = (int)bpf(BPF_LINK_CREATE, &attr);
	close(program);
	return drop_link < 0 ? failed("drop: cannot attach") : NULL;
}

const char *drop_read(uint64_t *packets, uint64_t *bytes)
{
	static struct tally each[1024];

	*packets = *bytes = 0;
	if (tally_map < 0 || !map_get(tally_map, 0, each))
		return "drop: not attached";
	for (long cpu = 0; cpu < sysconf(_SC_NPROCESSORS_CONF) && cpu < 1024; cpu++) {
		*packets += each[cpu].packets;
		*bytes += each[cpu].bytes;
	}
	return NULL;
}

/* --- tags beside the frame ------------------------------------------------------------------------------- */

#define TCX_EGRESS 47 /* BPF_TCX_EGRESS, Linux 6.6 */

/* From now on every frame that leaves gets this tag as a stack with VLAN offload gives it: beside the frame. */
const char *tag_beside(uint16_t vid)
{
	union bpf_attr load = {0}, attach = {0};

	length = 0;
	emit(BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, 0x0081); /* 0x8100 in wire order */
	emit(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, vid);
	emit(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_skb_vlan_push);
	emit(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0);
	emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	load.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	load.insns = (uint64_t)code;
	load.insn_cnt = length;
	load.license = (uint64_t) "Dual BSD/GPL";
	load.expected_attach_type = TCX_EGRESS;
	int program = (int)bpf(BPF_PROG_LOAD, &load);
	attach.link_create.prog_fd = (uint32_t)program;
	attach.link_create.target_ifindex = (uint32_t)interface_index;
	attach.link_create.attach_type = TCX_EGRESS;
	if (program < 0 || bpf(BPF_LINK_CREATE, &attach) < 0)
		return failed("beside: cannot attach");
	close(program);
	return NULL;
}
