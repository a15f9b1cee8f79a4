/*
 * The program in front of an XDP port, assembled here instruction by instruction: a router needs no compiler for it.
 *
 *   untagged, and neither IPv4 nor IPv6 → XDP_PASS, engine or no engine: ARP, LLDP, whatever we do not know; but not
 *                                         where a tap, not the netdev, is the kernel's face
 *   a queue that is none of the port's  → XDP_PASS where the policy takes chosen queues, else as the next
 *   no fresh heartbeat for this queue   → the port's fallback: XDP_PASS or XDP_DROP
 *   else                                → the socket of this queue; a tag that the driver keeps beside the frame is put
 *                                         back into it first, since the engine would take the frame for untagged
 *   generic mode only: frames that the engine itself injects come by here again; they carry a header with a nonce,
 *   which is taken off → XDP_PASS
 *
 * Sources: Documentation/networking/{af_xdp,xdp-rx-metadata}.rst, include/uapi/linux/bpf.h. Control thread only.
 */
#include "xdp.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEV_BOUND_ONLY     (1u << 6) /* BPF_F_XDP_DEV_BOUND_ONLY, Linux 6.3 */
#define HAS_FRAGS          (1u << 5) /* BPF_F_XDP_HAS_FRAGS: it reads the first piece alone */
#define ETHERTYPE_INJECTED 0x88b5    /* IEEE 802 local experimental 1: never leaves this host */
#define HIDDEN             (-1)
#define AT_PROTO           (-2) /* on the stack */
#define AT_TCI             (-4)
#define LICENSE            "Dual BSD/GPL" /* the verifier wants to hear GPL for kfuncs */

enum label { PASS, DROP, ENGINE, FALLBACK, ELSEWHERE, INSERT, REDIRECT, INJECTED, LABELS };

struct assembler {
	struct bpf_insn code[128];
	int n, n_jumps, target[LABELS];
	struct {
		int at;
		enum label to;
	} jump[32];
};

static void op(struct assembler *as, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	as->code[as->n++] =
	    (struct bpf_insn){.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm};
}

static void set(struct assembler *as, uint8_t dst, int32_t imm)
{
	op(as, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm);
}

static void move(struct assembler *as, uint8_t dst, uint8_t src)
{
	op(as, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void add(struct assembler *as, uint8_t dst, int32_t imm)
{
	op(as, BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, imm);
}

static void load(struct assembler *as, uint8_t size, uint8_t dst, uint8_t src, int16_t off)
{
	op(as, BPF_LDX | BPF_MEM | size, dst, src, off, 0);
}

static void store(struct assembler *as, uint8_t size, uint8_t dst, int16_t off, uint8_t src)
{
	op(as, BPF_STX | BPF_MEM | size, dst, src, off, 0);
}

static void call(struct assembler *as, int32_t helper)
{
	op(as, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

static void leave(struct assembler *as)
{
	op(as, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void wide(struct assembler *as, uint8_t dst, uint8_t kind, int32_t fd, int32_t offset)
{
	op(as, BPF_LD | BPF_IMM | BPF_DW, dst, kind, 0, fd);
	op(as, 0, 0, 0, 0, offset);
}

static void jump(struct assembler *as, uint8_t condition, uint8_t dst, int32_t imm, enum label to)
{
	as->jump[as->n_jumps].at = as->n;
	as->jump[as->n_jumps++].to = to;
	op(as, BPF_JMP | condition | BPF_K, dst, 0, 0, imm);
}

static void jump_reg(struct assembler *as, uint8_t condition, uint8_t dst, uint8_t src, enum label to)
{
	as->jump[as->n_jumps].at = as->n;
	as->jump[as->n_jumps++].to = to;
	op(as, BPF_JMP | condition | BPF_X, dst, src, 0, 0);
}

static void here(struct assembler *as, enum label label)
{
	as->target[label] = as->n;
}

static void link_jumps(struct assembler *as)
{
	for (int i = 0; i < as->n_jumps; i++)
		as->code[as->jump[i].at].off = (int16_t)(as->target[as->jump[i].to] - as->jump[i].at - 1);
}

/* r7 = first byte, r8 = end; frames shorter than `length` go to `otherwise`. */
static void bounds(struct assembler *as, int32_t length, enum label otherwise)
{
	load(as, BPF_W, 7, 6, offsetof(struct xdp_md, data));
	load(as, BPF_W, 8, 6, offsetof(struct xdp_md, data_end));
	move(as, 1, 7);
	add(as, 1, length);
	jump_reg(as, BPF_JGT, 1, 8, otherwise);
}

static void shared_word(struct assembler *as, const struct mill_xdp *xdp, uint8_t dst, size_t offset)
{
	wide(as, dst, BPF_PSEUDO_MAP_VALUE, xdp->map, (int32_t)offset);
	load(as, BPF_DW, dst, dst, 0);
}

static void ask_hidden_tag(struct assembler *as, int32_t kfunc)
{
	op(as, BPF_ST | BPF_MEM | BPF_W, 10, 0, AT_TCI, 0);
	move(as, 1, 6);
	move(as, 2, 10);
	add(as, 2, AT_PROTO);
	move(as, 3, 10);
	add(as, 3, AT_TCI);
	op(as, BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, kfunc);
	op(as, BPF_JMP | BPF_JNE | BPF_K, 0, 0, 2, 0);
	set(as, 9, HIDDEN);
	jump(as, BPF_JA, 0, 0, ENGINE);
}

static void insert_tag(struct assembler *as)
{
	here(as, INSERT);
	move(as, 1, 6);
	set(as, 2, -4);
	call(as, BPF_FUNC_xdp_adjust_head);
	jump(as, BPF_JNE, 0, 0, DROP);
	bounds(as, 18, DROP);
	for (int16_t i = 0; i < 12; i += 4) {
		load(as, BPF_W, 1, 7, (int16_t)(i + 4));
		store(as, BPF_W, 7, i, 1);
	}
	load(as, BPF_H, 1, 10, AT_PROTO);
	store(as, BPF_H, 7, 12, 1);
	load(as, BPF_H, 1, 10, AT_TCI);
	op(as, BPF_ALU | BPF_END | BPF_TO_BE, 1, 0, 0, 16);
	store(as, BPF_H, 7, 14, 1);
	set(as, 3, XDP_DROP); /* no socket: the kernel must not see the tag twice */
	jump(as, BPF_JA, 0, 0, REDIRECT);
}

static void accept_injected(struct assembler *as, const struct mill_xdp *xdp)
{
	here(as, INJECTED);
	bounds(as, MILL_XDP_INJECT_HEADER, PASS);
	shared_word(as, xdp, 2, offsetof(struct mill_xdp_shared, nonce));
	load(as, BPF_DW, 1, 7, 14);
	jump_reg(as, BPF_JNE, 1, 2, PASS);
	move(as, 1, 6);
	set(as, 2, MILL_XDP_INJECT_HEADER);
	call(as, BPF_FUNC_xdp_adjust_head);
	jump(as, BPF_JNE, 0, 0, DROP);
	jump(as, BPF_JA, 0, 0, PASS);
}

/* Registers: 6 context, 7 frame, 8 its end, 9 EtherType or HIDDEN. */
static void assemble(struct assembler *as, const struct mill_xdp *xdp, int32_t kfunc, bool generic)
{
	static const uint16_t ours[] = {0x0800, 0x86dd, 0x8100, 0x88a8};
	move(as, 6, 1);
	bounds(as, 14, PASS);
	load(as, BPF_H, 9, 7, 12);
	if (generic)
		jump(as, BPF_JEQ, 9, htons(ETHERTYPE_INJECTED), INJECTED);
	if (kfunc > 0)
		ask_hidden_tag(as, kfunc);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		jump(as, BPF_JEQ, 9, htons(ours[i]), ENGINE);
	shared_word(as, xdp, 1, offsetof(struct mill_xdp_shared, has_tap));
	jump(as, BPF_JNE, 1, 0, ENGINE);
	here(as, PASS);
	set(as, 0, XDP_PASS);
	leave(as);

	here(as, ENGINE);
	load(as, BPF_W, 1, 6, offsetof(struct xdp_md, rx_queue_index));
	jump(as, BPF_JGT, 1, MILL_MAX_QUEUES - 1, ELSEWHERE);
	wide(as, 2, BPF_PSEUDO_MAP_VALUE, xdp->map, offsetof(struct mill_xdp_shared, ring_of));
	op(as, BPF_ALU64 | BPF_ADD | BPF_X, 2, 1, 0, 0);
	load(as, BPF_B, 1, 2, 0);
	jump(as, BPF_JGT, 1, MILL_MAX_RINGS - 1, ELSEWHERE);
	op(as, BPF_ALU64 | BPF_LSH | BPF_K, 1, 0, 0, 3);
	wide(as, 2, BPF_PSEUDO_MAP_VALUE, xdp->map, offsetof(struct mill_xdp_shared, beat));
	op(as, BPF_ALU64 | BPF_ADD | BPF_X, 2, 1, 0, 0);
	load(as, BPF_DW, 7, 2, 0);
	call(as, BPF_FUNC_ktime_get_ns);
	op(as, BPF_ALU64 | BPF_SUB | BPF_X, 0, 7, 0, 0);
	jump(as, BPF_JSGT, 0, MILL_XDP_STALE_NS, FALLBACK);
	if (kfunc > 0)
		jump(as, BPF_JEQ, 9, HIDDEN, INSERT);
	shared_word(as, xdp, 3, offsetof(struct mill_xdp_shared, fallback));
	here(as, REDIRECT);
	load(as, BPF_W, 2, 6, offsetof(struct xdp_md, rx_queue_index));
	wide(as, 1, BPF_PSEUDO_MAP_FD, xdp->xskmap, 0);
	call(as, BPF_FUNC_redirect_map);
	leave(as);

	here(as, FALLBACK);
	shared_word(as, xdp, 0, offsetof(struct mill_xdp_shared, fallback));
	leave(as);
	here(as, ELSEWHERE);
	shared_word(as, xdp, 0, offsetof(struct mill_xdp_shared, elsewhere));
	leave(as);
	if (kfunc > 0)
		insert_tag(as);
	if (generic)
		accept_injected(as, xdp);
	if (kfunc > 0 || generic) { /* the verifier refuses what nothing leads to */
		here(as, DROP);
		set(as, 0, XDP_DROP);
		leave(as);
	}
	link_jumps(as);
}

/* Type id of the kfunc that tells a tag beside the frame (Linux 6.8); 0: this kernel has none. */
static int32_t hidden_tag_kfunc(void)
{
	static int32_t id = -1;
	if (id >= 0)
		return id;
	struct btf *btf = btf__load_vmlinux_btf();
	id = 0;
	if (btf != NULL) {
		const int32_t found =
		    btf__find_by_name_kind(btf, "bpf_xdp_metadata_rx_vlan_tag", BTF_KIND_FUNC);
		id = found > 0 ? found : 0;
		btf__free(btf);
	}
	return id;
}

static int load_program(const struct mill_xdp *xdp, bool reads_tags, bool generic)
{
	const int32_t kfunc = reads_tags ? hidden_tag_kfunc() : 0;
	if (reads_tags && kfunc == 0)
		return -EOPNOTSUPP;
	struct assembler as = {.n = 0};
	assemble(&as, xdp, kfunc, generic);
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_XDP);
	options.prog_flags = xdp->wants_pieces ? HAS_FRAGS : 0;
	if (reads_tags) {
		options.prog_flags |= DEV_BOUND_ONLY;
		options.prog_ifindex = xdp->ifindex;
	}
	return bpf_prog_load(BPF_PROG_TYPE_XDP, "netmill_port", LICENSE, as.code, (size_t)as.n, &options);
}

bool mill_xdp_injector_load(struct mill_xdp *xdp, struct mill_error *error)
{
	struct assembler as = {.n = 0};
	set(&as, 0, XDP_PASS);
	leave(&as);
	xdp->injector =
	    bpf_prog_load(BPF_PROG_TYPE_XDP, "netmill_inject", LICENSE, as.code, (size_t)as.n, NULL);
	if (xdp->injector >= 0)
		return true;
	mill_fail(error, errno,
	          "xdp:%s: loading the injection program: %s; this needs CAP_BPF and CAP_NET_ADMIN",
	          xdp->ifname, strerror(errno));
	return false;
}

/* Into the device as if received there: the frame of the run, which is of its first bytes alone, is made as long as the whole one, and
 * written from the map. */
static void assemble_large(struct assembler *as, int map)
{
	move(as, 6, 1);
	wide(as, 7, BPF_PSEUDO_MAP_VALUE, map, 0);
	load(as, BPF_W, 8, 7, offsetof(struct mill_xdp_large, len));
	jump(as, BPF_JGT, 8, sizeof(((struct mill_xdp_large *)0)->frame), DROP);
	jump(as, BPF_JLT, 8, MILL_XDP_LARGE_START, DROP);
	move(as, 1, 6);
	move(as, 2, 8);
	set(as, 3, 0);
	call(as, BPF_FUNC_skb_change_tail);
	jump(as, BPF_JNE, 0, 0, DROP);
	move(as, 1, 6);
	set(as, 2, 0);
	move(as, 3, 7);
	add(as, 3, offsetof(struct mill_xdp_large, frame));
	move(as, 4, 8);
	set(as, 5, 0);
	call(as, BPF_FUNC_skb_store_bytes);
	jump(as, BPF_JNE, 0, 0, DROP);
	move(as, 1, 6);
	load(as, BPF_W, 2, 7, offsetof(struct mill_xdp_large, ifindex));
	set(as, 3, BPF_F_INGRESS);
	call(as, BPF_FUNC_clone_redirect);
	leave(as);
	here(as, DROP);
	set(as, 0, -1);
	leave(as);
	link_jumps(as);
}

bool mill_xdp_large_load(struct mill_xdp *xdp, struct mill_error *error)
{
	struct assembler as = {.n = 0};
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	if (!xdp->wants_pieces)
		return true;
	const int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "netmill_large", 4, sizeof(struct mill_xdp_large),
	                               1, &options);
	void *large =
	    map < 0 ? MAP_FAILED
	            : mmap(NULL, sizeof(struct mill_xdp_large), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	if (large != MAP_FAILED) {
		xdp->large = large;
		xdp->large->ifindex = xdp->ifindex;
		assemble_large(&as, map);
		xdp->large_injector = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "netmill_large", LICENSE,
		                                    as.code, (size_t)as.n, NULL);
	}
	if (xdp->large_injector < 0)
		mill_fail(error, errno, "xdp:%s: loading the injection program for large frames: %s",
		          xdp->ifname, strerror(errno));
	if (map >= 0)
		close(map);
	return xdp->large_injector >= 0;
}

void mill_xdp_large_close(struct mill_xdp *xdp)
{
	if (xdp->large != NULL)
		munmap(xdp->large, sizeof(*xdp->large));
	if (xdp->large_injector >= 0)
		close(xdp->large_injector);
	xdp->large = NULL;
	xdp->large_injector = -1;
}

bool mill_xdp_map_shared(struct mill_xdp *xdp, struct mill_error *error)
{
	void *shared =
	    mmap(NULL, sizeof(struct mill_xdp_shared), PROT_READ | PROT_WRITE, MAP_SHARED, xdp->map, 0);
	if (shared == MAP_FAILED) {
		mill_fail(error, errno, "xdp:%s: mapping the heartbeat: %s", xdp->ifname, strerror(errno));
		return false;
	}
	xdp->shared = shared;
	return true;
}

bool mill_xdp_maps_create(struct mill_xdp *xdp, struct mill_error *error)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	xdp->map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "netmill_beat", 4, sizeof(struct mill_xdp_shared), 1,
	                          &options);
	if (xdp->map >= 0)
		xdp->xskmap =
		    bpf_map_create(BPF_MAP_TYPE_XSKMAP, "netmill_xsks", 4, 4, MILL_MAX_QUEUES, NULL);
	if (xdp->map >= 0 && xdp->xskmap >= 0)
		return mill_xdp_map_shared(xdp, error);
	mill_fail(error, errno, "xdp:%s: making BPF maps: %s; this needs CAP_BPF and CAP_NET_ADMIN",
	          xdp->ifname, strerror(errno));
	return false;
}

static void say_occupied(const struct mill_xdp *xdp, struct mill_error *error)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);
	uint32_t id = bpf_xdp_query((int)xdp->ifindex, 0, &query) == 0 ? query.prog_id : 0;
	const int fd = id != 0 ? bpf_prog_get_fd_by_id(id) : -1;
	if (fd >= 0) {
		(void)bpf_obj_get_info_by_fd(fd, &info, &size);
		close(fd);
	}
	mill_fail(error, EBUSY,
	          "xdp:%s: another XDP program (id %u, '%s') is attached: stop the process that owns it, or, "
	          "if none does, "
	          "'ip link set %s xdp off'",
	          xdp->ifname, id, info.name[0] != '\0' ? info.name : "unnamed", xdp->ifname);
}

static int attach(struct mill_xdp *xdp, bool reads_tags, bool generic)
{
	const int program = load_program(xdp, reads_tags, generic);
	if (program < 0)
		return program;
	LIBBPF_OPTS(bpf_link_create_opts, options,
	            .flags = generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	int result = -ENOLINK;
	if (xdp->link >= 0)
		result = bpf_link_update(xdp->link, program, NULL);
	if (result == -ENOLINK) { /* none yet, or somebody has detached it */
		if (xdp->link >= 0)
			close(xdp->link);
		xdp->link = -1;
		result = bpf_link_create(program, (int)xdp->ifindex, BPF_XDP, &options);
	}
	if (result < 0) {
		close(program);
		return result;
	}
	if (xdp->link < 0)
		xdp->link = result;
	xdp->program = program;
	xdp->shared->generic = generic;
	return 0;
}

static void say_why(const struct mill_xdp *xdp, int result, struct mill_error *error)
{
	const char *hint = "";
	if (result == -EBUSY || result == -EEXIST) {
		say_occupied(xdp, error);
		return;
	}
	if (xdp->veth && hidden_tag_kfunc() == 0)
		hint =
		    "; a veth can carry VLAN tags beside the frame, and XDP cannot see them before Linux 6.8";
	else if (xdp->stacked && !xdp->veth)
		hint = "; its driver has no native XDP, and generic XDP cannot see VLAN tags that the device "
		       "below has taken off: make the device below it the port";
	else if (result == -ENOSPC)
		hint = "; a veth needs at least as many RX queues as its peer has TX queues";
	else if (result == -ERANGE && xdp->veth)
		hint =
		    xdp->wants_pieces
		        ? "; the MTU of its peer is too large"
		        : "; the MTU of its peer is too large: 3498 at most, more when netmill starts anew "
		          "with an interface's `mtu` above 3360";
	else if (result == -EPERM)
		hint = "; this needs CAP_BPF and CAP_NET_ADMIN";
	mill_fail(error, -result, "xdp:%s: attaching the XDP program: %s%s", xdp->ifname, strerror(-result),
	          hint);
}

bool mill_xdp_attach(struct mill_xdp *xdp, struct mill_error *error)
{
	/* A driver without tag metadata answers the kfunc with an error, so its rxvlan has been switched off. */
	int result = attach(xdp, true, false);
	if (result != 0 && result != -EBUSY && result != -EEXIST && !xdp->veth)
		result = attach(xdp, false, false);
	if (result != 0 && result != -EBUSY && result != -EEXIST && !xdp->stacked)
		result = attach(xdp, false, true);
	if (result != 0)
		say_why(xdp, result, error);
	return result == 0;
}
