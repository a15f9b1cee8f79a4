/*
 * The peer of veth.xdp: an IPv4 router in XDP. The program is assembled here, instruction by instruction, as netmill's
 * own is: a bench needs no compiler for BPF. It does what the kernel's xdp_fwd sample does: whole IPv4 headers without options
 * and with a TTL to spend are looked up in the kernel's FIB (bpf_fib_lookup), TTL, sum and link header are rewritten,
 * and the frame is redirected to the egress device. Everything else is the stack's.
 *
 *   xdp-forward IFNAME...     forwards among these until it is ended; says `ready` before
 *
 * https://docs.kernel.org/bpf/redirect.html, man bpf-helpers.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PARAMS     (-(int)sizeof(struct bpf_fib_lookup))
#define PARAM(of)  ((int16_t)(PARAMS + (int)offsetof(struct bpf_fib_lookup, of)))
#define IP         14 /* offsets in the frame */
#define MOST_JUMPS 16

static struct bpf_insn code[128];
static int length, to_stack[MOST_JUMPS], n_to_stack;

static void op(uint8_t opcode, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	code[length++] =
	    (struct bpf_insn){.code = opcode, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm};
}

/* To the end of the program, where the frame is left to the stack. */
static void leave_if(uint8_t condition, uint8_t dst, uint8_t src, int32_t imm)
{
	to_stack[n_to_stack++] = length;
	op(BPF_JMP | condition, dst, src, 0, imm);
}

static void load(uint8_t size, uint8_t dst, uint8_t src, int16_t off)
{
	op(BPF_LDX | BPF_MEM | size, dst, src, off, 0);
}

static void store(uint8_t size, uint8_t dst, int16_t off, uint8_t src)
{
	op(BPF_STX | BPF_MEM | size, dst, src, off, 0);
}

/* r6 context, r7 frame. */
static void check_header(void)
{
	op(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0);
	load(BPF_W, 7, 6, offsetof(struct xdp_md, data));
	load(BPF_W, 2, 6, offsetof(struct xdp_md, data_end));
	op(BPF_ALU64 | BPF_MOV | BPF_X, 1, 7, 0, 0);
	op(BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, IP + 20);
	leave_if(BPF_JGT | BPF_X, 1, 2, 0);
	load(BPF_H, 1, 7, 12);
	leave_if(BPF_JNE | BPF_K, 1, 0, 0x0008); /* IPv4, as a little-endian machine reads it */
	load(BPF_B, 1, 7, IP);
	leave_if(BPF_JNE | BPF_K, 1, 0, 0x45);
	load(BPF_B, 1, 7, IP + 8);
	leave_if(BPF_JLE | BPF_K, 1, 0, 1);
}

/* Parameters on the stack, the helper, and r8 = the egress device. */
static void look_up(void)
{
	for (int at = 0; at < (int)sizeof(struct bpf_fib_lookup); at += 8)
		op(BPF_ST | BPF_MEM | BPF_DW, 10, 0, (int16_t)(PARAMS + at), 0);
	op(BPF_ST | BPF_MEM | BPF_B, 10, 0, PARAM(family), AF_INET);
	load(BPF_B, 1, 7, IP + 1);
	store(BPF_B, 10, PARAM(tos), 1);
	load(BPF_B, 1, 7, IP + 9);
	store(BPF_B, 10, PARAM(l4_protocol), 1);
	load(BPF_H, 1, 7, IP + 2);
	op(BPF_ALU | BPF_END | BPF_TO_BE, 1, 0, 0, 16);
	store(BPF_H, 10, PARAM(tot_len), 1);
	load(BPF_W, 1, 7, IP + 12);
	store(BPF_W, 10, PARAM(ipv4_src), 1);
	load(BPF_W, 1, 7, IP + 16);
	store(BPF_W, 10, PARAM(ipv4_dst), 1);
	load(BPF_W, 1, 6, offsetof(struct xdp_md, ingress_ifindex));
	store(BPF_W, 10, PARAM(ifindex), 1);
	op(BPF_ALU64 | BPF_MOV | BPF_X, 1, 6, 0, 0);
	op(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0);
	op(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, PARAMS);
	op(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, sizeof(struct bpf_fib_lookup));
	op(BPF_ALU64 | BPF_MOV | BPF_K, 4, 0, 0, 0);
	op(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_fib_lookup);
	leave_if(BPF_JNE | BPF_K, 0, 0, BPF_FIB_LKUP_RET_SUCCESS);
	load(BPF_W, 8, 10, PARAM(ifindex));
}

/* RFC 1624: one less in the upper byte of a word is one more in its complement's sum. */
static void rewrite(void)
{
	load(BPF_H, 1, 7, IP + 10);
	op(BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, 1); /* TTL is the first byte of its word */
	op(BPF_ALU64 | BPF_MOV | BPF_X, 2, 1, 0, 0);
	op(BPF_ALU64 | BPF_RSH | BPF_K, 2, 0, 0, 16);
	op(BPF_ALU64 | BPF_ADD | BPF_X, 1, 2, 0, 0);
	store(BPF_H, 7, IP + 10, 1);
	load(BPF_B, 1, 7, IP + 8);
	op(BPF_ALU64 | BPF_SUB | BPF_K, 1, 0, 0, 1);
	store(BPF_B, 7, IP + 8, 1);
	for (int16_t i = 0; i < 6; i += 2) {
		load(BPF_H, 1, 10, (int16_t)(PARAM(dmac) + i));
		store(BPF_H, 7, i, 1);
		load(BPF_H, 1, 10, (int16_t)(PARAM(smac) + i));
		store(BPF_H, 7, (int16_t)(6 + i), 1);
	}
}

static int assemble(int devices)
{
	check_header();
	look_up();
	rewrite();
	op(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0, devices);
	op(0, 0, 0, 0, 0);
	op(BPF_ALU64 | BPF_MOV | BPF_X, 2, 8, 0, 0);
	op(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, XDP_DROP); /* another device */
	op(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect_map);
	op(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	for (int i = 0; i < n_to_stack; i++)
		code[to_stack[i]].off = (int16_t)(length - to_stack[i] - 1);
	op(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS);
	op(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return bpf_prog_load(BPF_PROG_TYPE_XDP, "forward", "Dual BSD/GPL", code, (size_t)length, NULL);
}

static int fail(const char *what)
{
	fprintf(stderr, "xdp-forward: %s: %s\n", what, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
	const int devices = bpf_map_create(BPF_MAP_TYPE_DEVMAP_HASH, "devices", 4, 4, 16, NULL);
	const int program = devices < 0 ? -1 : assemble(devices);
	if (program < 0)
		return fail("loading the program");
	for (int i = 1; i < argc; i++) {
		const uint32_t index = if_nametoindex(argv[i]);
		if (index == 0 || bpf_map_update_elem(devices, &index, &index, BPF_ANY) != 0 ||
		    bpf_link_create(program, (int)index, BPF_XDP, &options) < 0)
			return fail(argv[i]);
	}
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
