/*
 * Frames into the host stack as if received on the port: BPF_PROG_RUN in live-frame mode with a program that says
 * XDP_PASS (Documentation/bpf/bpf_prog_run.rst). In native mode the frame enters above the driver and does not meet the
 * port's program; in generic mode it does, so it carries a header with the port's nonce that makes it recognised.
 * A live frame is of a page at most. A larger one is written by a program of class "tc", which sends a copy of it into the
 * device's way in (bpf_clone_redirect), and is seen by the port's program in generic mode alone, too.
 * Called by the host thread, and by the control thread at close, when the host thread has let the port go.
 */
#include "xdp.h"
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <string.h>

#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1U << 1)
#endif

#define LIVE_MOST 3400u /* bytes of a live frame */

static uint16_t wrap(uint8_t *out, const struct mill_xdp *xdp, const uint8_t *frame, uint16_t len)
{
	memcpy(out, frame, 12);
	out[12] = 0x88;
	out[13] = 0xb5;
	memcpy(out + 14, &xdp->shared->nonce, sizeof(xdp->shared->nonce));
	memcpy(out + MILL_XDP_INJECT_HEADER, frame, len);
	return (uint16_t)(len + MILL_XDP_INJECT_HEADER);
}

static bool inject_large(const struct mill_xdp *xdp, const uint8_t *frame, uint16_t len)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = MILL_XDP_LARGE_START,
	            .repeat = 1);
	if (xdp->large == NULL)
		return false;
	memcpy(xdp->large->frame, frame, len);
	xdp->large->len = len;
	return bpf_prog_test_run_opts(xdp->large_injector, &options) == 0 && options.retval == 0;
}

bool mill_xdp_inject(struct mill_port *port, const uint8_t *frame, uint16_t len)
{
	const struct mill_xdp *xdp = port->backend;
	uint8_t wrapped[MILL_BUF_SIZE_LARGE + MILL_XDP_INJECT_HEADER];
	if (len < 14 || len > MILL_BUF_SIZE_LARGE)
		return false;
	if (xdp->shared->generic != 0) {
		len = wrap(wrapped, xdp, frame, len);
		frame = wrapped;
	}
	if (len > LIVE_MOST)
		return inject_large(xdp, frame, len);
	struct xdp_md context = {.data_end = len, .ingress_ifindex = xdp->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = len, .ctx_in = &context,
	            .ctx_size_in = sizeof(context), .repeat = 1, .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
	            .batch_size = 1);
	return bpf_prog_test_run_opts(xdp->injector, &options) == 0;
}
