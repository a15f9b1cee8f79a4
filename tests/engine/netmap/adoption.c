/* An engine that died, and the one that takes its ports over. */
#include "netmap/bed.h"
#include <string.h>
#include <unistd.h>

/* The engine dies here: its memory goes, the descriptors live on elsewhere. */
static struct mill_held_fd *die(struct mill_port *port)
{
	static struct mill_held_fd held[64];
	const uint32_t n = port->ops->held_fds(port, held, 63);
	held[n].fd = -1;
	mill_netmap_memory_put(((struct mill_netmap *)port->backend)->memory);
	return held;
}

static struct mill_port *adopt(struct mill_port *dead, struct mill_error *error)
{
	struct mill_port *heir = port_make(dead->config.spec, dead->config.slot);
	if (heir->ops->adopt(heir, die(dead), error))
		return heir;
	free(heir);
	return NULL;
}

static void adoption(void)
{
	uint32_t left;
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
	for (uint32_t i = 0; i < 90; i++)
		arrive("ix0", 0, i);
	a->ops->rx_sync(a, 0);
	struct mill_error error = {0};
	struct mill_port *a2 = adopt(a, &error), *b2 = adopt(b, &error);
	CHECK(a2 != NULL && b2 != NULL, "%s", error.text);
	CHECK(a2->rx_rings == 1 && a2->mtu == 1500 && a2->ops->inject != NULL, "not the same port");
	CHECK(forward(a2, 0, b2, 0) == 90, "packets that waited are lost");
	for (uint32_t i = 0; i < 90; i++)
		expect("ix1", 0, i, &left);
	no_violation();
	CHECK(a2->ops->inject(a2, (const uint8_t[64]){0}, 64), "the way to the host");
	port_close(a2);
	port_close(b2);
	printf("ok a dead engine's ports go on with what waited in them\n");
}

/* The first part of a frame of several buffers has been looked at, and what remains is left to the heir. */
static void adoption_in_a_chain(void)
{
	static const uint8_t frame[1500];
	uint32_t left;
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
	model_receive("ix0", MODEL_WIRE, 0, frame, 1500, NS_MOREFRAG);
	CHECK(forward(a, 0, b, 0) == 1, "the first part");
	struct mill_error error = {0};
	struct mill_port *heir = adopt(a, &error);
	CHECK(heir != NULL, "%s", error.text);
	model_receive("ix0", MODEL_WIRE, 0, frame, 200, 0);
	arrive("ix0", 0, 3);
	forward(heir, 0, b, 0);
	expect("ix1", 0, 3, &left);
	expect_nothing("ix1", 0);
	CHECK(bed.state[0].ring[0].rx_too_long == 1, "%lu frames too long",
	      (unsigned long)bed.state[0].ring[0].rx_too_long);
	port_close(heir);
	port_close(b);
	printf("ok a frame that is dropped is dropped to its end by an heir\n");
}

/* Numbers that no ring can have: nothing is made of them. */
static void senseless_rings(void)
{
	for (uint32_t tail = 0; tail < 2; tail++) {
		two_devices(1);
		struct mill_port *a = port_open("netmap:ix0", 0);
		*(tail != 0 ? &a->rx[0]->tail : &a->rx[0]->head) = MODEL_SLOTS;
		struct mill_error error = {0};
		CHECK(adopt(a, &error) == NULL && strstr(error.text, "out of range") != NULL,
		      "adopted with %s out of range", tail != 0 ? "tail" : "head");
		(void)model_violation();
	}
	for (uint32_t twice = 0; twice < 2; twice++) {
		two_devices(1);
		struct mill_port *a = port_open("netmap:ix0", 0);
		a->rx[0]->slot[9].buf_idx = twice != 0 ? a->rx[0]->slot[8].buf_idx : MODEL_BUFS;
		struct mill_error error = {0};
		CHECK(adopt(a, &error) == NULL &&
		          strstr(error.text, "only the kernel could give back") != NULL,
		      "adopted with a slot of the kernel's that is wrong");
		(void)model_violation();
	}
	printf("ok rings that make no sense are not adopted\n");
}

/* What says where rings lie is in memory that others write to. */
static void misplaced(uint32_t what)
{
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0);
	struct mill_netmap *netmap = a->backend;
	struct mill_netmap_shared *shared = netmap->shared;
	int64_t *place = (int64_t *)(uintptr_t)&netmap->pair[0].nifp->ring_ofs[2];
	struct netmap_ring *rx = a->rx[0];
	int64_t *buffers = (int64_t *)(uintptr_t)&rx->buf_ofs;
	const int64_t size = (int64_t)shared->memory_size;
	switch (what) {
	case 0:
		shared->offset[0] = (uint64_t)size - 8;
		break;
	case 1:
		*place = -size;
		break;
	case 2:
		*place = size - (int64_t)shared->offset[0] - 128;
		break;
	case 3:
		*(uint32_t *)(uintptr_t)&rx->num_slots = 1;
		break;
	case 4:
		*(uint32_t *)(uintptr_t)&rx->num_slots = 1u << 24;
		break;
	case 5:
		*buffers = -((uint8_t *)rx - netmap->memory->base);
		break;
	default:
		*buffers = size;
	}
	struct mill_error error = {0};
	CHECK(adopt(a, &error) == NULL && strstr(error.text, "is not in the memory") != NULL,
	      "adopted with a ring that is somewhere else (%u)", what);
	(void)model_violation();
}

static void misplaced_rings(void)
{
	for (uint32_t what = 0; what <= 6; what++)
		misplaced(what);
	printf("ok rings that do not lie in netmap's memory are not touched\n");
}

/* An exchange that ended after `to` got its buffer (0), or, in the other order, after `from` did (1). One buffer is in two
 * slots then, another in none. */
static void tear(struct netmap_slot *to, struct netmap_slot *from, uint32_t order)
{
	if (order == 0) {
		to->buf_idx = from->buf_idx;
		return;
	}
	from->buf_idx = to->buf_idx;
	from->flags = NS_BUF_CHANGED;
}

static void torn(uint32_t order, bool receiver_first)
{
	uint32_t left;
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
	for (uint32_t i = 0; i < 5; i++)
		arrive("ix0", 0, i);
	a->ops->rx_sync(a, 0);
	tear(&b->tx[0]->slot[b->tx[0]->head], &a->rx[0]->slot[a->rx[0]->head], order);
	struct mill_error error = {0};
	struct mill_port *b2 = receiver_first ? adopt(b, &error) : NULL, *a2 = adopt(a, &error);
	if (!receiver_first)
		b2 = adopt(b, &error);
	CHECK(a2 != NULL && b2 != NULL, "%s", error.text);
	forward(a2, 0, b2, 0);
	/* The packet of the torn exchange is sent if it is there still, and never what else is in its buffer. */
	for (uint32_t i = order == 0 && !receiver_first ? 0 : 1; i < 5; i++)
		expect("ix1", 0, i, &left);
	expect_nothing("ix1", 0);
	for (uint32_t i = 0; i < 200; i++) {
		arrive("ix0", 0, i);
		forward(a2, 0, b2, 0);
		no_violation();
	}
	port_close(a2);
	port_close(b2);
}

static void all_torn(void)
{
	for (uint32_t i = 0; i < 4; i++)
		torn(i & 1, i >= 2);
	printf("ok an exchange that a dead engine left half done is mended\n");
}

/* A packet is copied into a slot that got a spare buffer: netmap must hear of that. */
static void copied_into_spare(void)
{
	uint32_t left;
	two_devices(2);
	struct mill_port *a = port_open("netmap:ix0", 0), *b = port_open("netmap:ix1", 1);
	b->tx[0]->slot[0].buf_idx = 0;
	struct mill_error error = {0};
	struct mill_port *heir = adopt(b, &error);
	CHECK(heir != NULL, "%s", error.text);
	arrive("ix0", 0, 6);
	forward(a, 0, heir, 0);
	expect("ix1", 0, 6, &left);
	port_close(a);
	port_close(heir);
}

static void out_of_range(void)
{
	copied_into_spare();
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0);
	a->tx[0]->slot[5].buf_idx = MODEL_BUFS + 7;
	a->tx[0]->slot[6].buf_idx = 0;
	struct mill_error error = {0};
	struct mill_port *heir = adopt(a, &error);
	CHECK(heir != NULL, "%s", error.text);
	for (uint32_t i = 0; i < 300; i++) {
		arrive("ix0", 0, i);
		forward(heir, 0, heir, 0);
		no_violation();
	}
	port_close(heir);

	two_devices(1);
	model_options.extra_most = 1;
	a = port_open("netmap:ix0", 0);
	a->tx[0]->slot[5].buf_idx = a->tx[0]->slot[6].buf_idx = 0;
	CHECK(adopt(a, &error) == NULL && strstr(error.text, "cannot be mended") != NULL,
	      "adopted with a slot that has no buffer");
	CHECK(model_users("ix0") == 0, "it is open still");
	(void)model_violation();
	printf("ok slots that name no buffer get a spare one, or the port is not adopted\n");
}

/* The chain of extra buffers as a process may leave it: out of range at its start or behind it, or led back to itself by a buffer
 * that is in a slot. */
static void broken_chain(uint32_t first, uint32_t second)
{
	two_devices(1);
	struct mill_port *a = port_open("netmap:ix0", 0);
	struct netmap_ring *rx = a->rx[0], *tx = a->tx[0];
	const struct netmap_slot used = rx->slot[7];
	uint32_t *head =
	    (uint32_t *)(uintptr_t) & ((struct mill_netmap *)a->backend)->pair[0].nifp->ni_bufs_head;
	const struct netmap_slot spare = {.buf_idx = *head};
	if (first != 0)
		*head = first == 7 ? used.buf_idx : first;
	memcpy(mill_ring_buffer(rx, &used), &used.buf_idx, sizeof(used.buf_idx));
	if (second != 0)
		memcpy(mill_ring_buffer(rx, &spare), &second, sizeof(second));
	tx->slot[5].buf_idx = tx->slot[6].buf_idx = 0;
	struct mill_error error = {0};
	CHECK(adopt(a, &error) == NULL && strstr(error.text, "cannot be mended") != NULL,
	      "adopted with extra buffers %u, %u", first, second);
	(void)model_violation();
}

static void broken_chains(void)
{
	static const uint32_t wrong[] = {1, MODEL_BUFS, UINT32_MAX};
	for (size_t i = 0; i < 3; i++) {
		broken_chain(wrong[i], 0);
		broken_chain(0, wrong[i]);
	}
	broken_chain(7, 0);
	printf("ok a chain of extra buffers that leads astray is not followed\n");
}

static void kernels_slots(void)
{
	model_reset();
	model_device("x{1", 2, 1, 1, 0);
	struct mill_port *pipe = port_open("netmap:x{1", 0);
	/* In a pipe the kernel's slots are the other end's, and may name whatever they did before. */
	struct netmap_ring *rx = pipe->rx[0];
	rx->slot[50].buf_idx = pipe->tx[0]->slot[3].buf_idx;
	struct netmap_slot before[MODEL_SLOTS];
	memcpy(before, rx->slot, sizeof(before));
	struct mill_error error = {0};
	struct mill_port *heir = adopt(pipe, &error);
	CHECK(heir != NULL, "%s", error.text);
	CHECK(memcmp(before, heir->rx[0]->slot, sizeof(before)) == 0, "a slot of the kernel's was changed");
	CHECK(count_spares(heir) == MILL_NETMAP_SPARES, "a spare was used");
	heir->ops->close(heir);
	free(heir);
	printf("ok slots of the kernel's are left alone\n");
}

/* What the predecessor left is of another make, or of another device. */
static void other_makes(void)
{
	for (uint32_t what = 0; what < 5; what++) {
		two_devices(1);
		struct mill_port *a = port_open("netmap:ix0", 0);
		struct mill_netmap_shared *shared = ((struct mill_netmap *)a->backend)->shared;
		uint32_t *const field[] = {&shared->magic, &shared->abi, &shared->ifindex};
		if (what < 3)
			*field[what] += 1000;
		else
			shared->rx_rings = what == 3 ? 0 : MILL_MAX_RINGS + 1;
		struct mill_error error = {0};
		CHECK(adopt(a, &error) == NULL &&
		          strstr(error.text, what == 2 ? "another one now" : "missing") != NULL,
		      "adopted from something else (%u): %s", what, error.text);
		CHECK(model_users("ix0") == 0, "open still");
	}
}

/* Without one of: rings, the host's rings (which may be absent), what the heir must know. */
static void adoption_refused(void)
{
	for (uint32_t missing = 0; missing < 3; missing += 2) {
		two_devices(1);
		struct mill_port *a = port_open("netmap:ix0", 0);
		struct mill_held_fd *held = die(a);
		struct mill_error error = {0};
		CHECK(held[0].fd >= 0 && held[1].fd >= 0 && held[2].fd >= 0 && held[3].fd < 0, "descriptors");
		if (missing == 0)
			mill_netmap_sys->close(held[0].fd);
		else
			close(held[2].fd);
		held[missing] = held[missing == 0 ? 2 : 3];
		held[2].fd = -1;
		struct mill_port *heir = port_make("netmap:ix0", 0);
		CHECK(!heir->ops->adopt(heir, held, &error) && strstr(error.text, "missing") != NULL,
		      "adopted without: %s", error.text);
		CHECK(model_users("ix0") == 0, "open still");
		free(heir);
	}
	printf("ok a port without all its descriptors is not adopted\n");
}

void test_adoption(void)
{
	adoption();
	adoption_in_a_chain();
	all_torn();
	out_of_range();
	broken_chains();
	senseless_rings();
	misplaced_rings();
	kernels_slots();
	adoption_refused();
	other_makes();
}
