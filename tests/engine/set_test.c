/*
 * Sets that change at run time, under traffic: every frame sees the old one or the new one whole, and none is lost, also
 * when another engine adopts; what is no set is refused and changes nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "lib/engine_test.h"
#include "shm/set.h"

#define CHANGES 400u
#define SEALS   (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static struct test_engine engine;
static struct mill_pipe_client a, b;

/* Two bounds of IPv4: from `first` to before `end`, both within 10.0.0.0/8. */
struct image {
	struct mill_set_image head;
	uint32_t root4[MILL_SET_ROOT] __attribute__((aligned(64)));
	uint32_t root6[MILL_SET_ROOT] __attribute__((aligned(64)));
	uint16_t bound4[32] __attribute__((aligned(64)));
	uint8_t bound6[64] __attribute__((aligned(64)));
};

static struct image *image_of(const char *name, uint32_t first, uint32_t end)
{
	static struct image image;
	memset(&image, 0, sizeof(image));
	image.head = (struct mill_set_image){
	    .magic = MILL_SET_MAGIC,
	    .abi = MILL_ABI_VERSION,
	    .bytes = sizeof(image),
	    .n4 = 2,
	    .root4 = offsetof(struct image, root4) / 64,
	    .root6 = offsetof(struct image, root6) / 64,
	    .bound4 = offsetof(struct image, bound4) / 64,
	    .bound6 = offsetof(struct image, bound6) / 64,
	};
	strcpy(image.head.name, name);
	for (uint32_t i = 0; i < MILL_SET_ROOT; i++)
		image.root4[i] = (i > first >> 16) + (i > end >> 16);
	image.bound4[0] = (uint16_t)first;
	image.bound4[1] = (uint16_t)end;
	return &image;
}

static int memfd_of(const struct image *image, size_t bytes, bool sealed)
{
	const int fd = memfd_create("set", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK(fd >= 0 && write(fd, image, bytes) == (ssize_t)bytes, "memfd");
	CHECK(!sealed || fcntl(fd, F_ADD_SEALS, SEALS) == 0, "seals");
	return fd;
}

static int put(int fd)
{
	return engine_request(&engine, MILL_MSG_SET_PUT, NULL, 0, &fd, 1, NULL);
}

static int drop(const char *name)
{
	char payload[MILL_NAME_SIZE] = {0};
	strcpy(payload, name);
	return engine_request(&engine, MILL_MSG_SET_DROP, payload, sizeof(payload), NULL, 0, NULL);
}

static void refused(const char *what, const struct image *image, size_t bytes, bool sealed)
{
	const int fd = memfd_of(image, bytes, sealed);
	CHECK(put(fd) == EINVAL, "%s: %s", what, engine.error);
	close(fd);
}

static void what_is_no_set_is_refused(void)
{
	struct image *image = image_of("half", 0x0a000000u, 0x0a800000u);
	refused("cut short", image, sizeof(*image) - 64, true);
	refused("too short for its head", image, 60, true);
	refused("not sealed", image, sizeof(*image), false);
	image->head.abi++;
	refused("another ABI", image, sizeof(*image), true);
	image = image_of("half", 0x0a000000u, 0x0a800000u);
	image->root4[5000] = 70000;
	refused("roots out of order", image, sizeof(*image), true);
	image = image_of("half", 0x0a000000u, 0x0a800000u);
	image->head.n4 = 3;
	refused("a bound that no root leads to", image, sizeof(*image), true);
	image = image_of("half", 0x0a000000u, 0x0a800000u);
	image->head.bound4 = sizeof(*image) / 64;
	refused("bounds behind the end", image, sizeof(*image), true);
	image = image_of("half", 0x0a000000u, 0x0a800000u);
	memset(image->head.name, 'x', sizeof(image->head.name));
	refused("a name without end", image, sizeof(*image), true);
	image = image_of("", 0x0a000000u, 0x0a800000u);
	refused("no name", image, sizeof(*image), true);
	printf("ok what is no set is refused\n");
}

int main(void)
{
	static const char *const specs[] = {"pipe:a", "pipe:b"};
	engine_start(&engine);
	struct mill_config *config = config_make(1, 2, specs);
	config->n_sets = 1;
	strcpy(config->set[0], "half");
	CHECK(engine_prepare(&engine, config, "forwarder_sets") == ENOENT, "its set is not there yet");
	CHECK(strstr(engine.error, "half") != NULL, "%s", engine.error);
	what_is_no_set_is_refused();
	const int lower = memfd_of(image_of("half", 0x0a000000u, 0x0a800000u), sizeof(struct image), true);
	const int upper = memfd_of(image_of("half", 0x0a800000u, 0x0b000000u), sizeof(struct image), true);
	const int other = memfd_of(image_of("other", 0x0a800000u, 0x0b000000u), sizeof(struct image), true);
	CHECK(put(other) == 0, "%s", engine.error);
	CHECK(put(lower) == 0, "%s", engine.error);
	engine_deploy(&engine, config, "forwarder_sets");
	pipe_connect(&engine, &a, "a");
	pipe_connect(&engine, &b, "b");

	struct flow there = {.name = "sets change, a to b", .from = &a, .to = &b, .window = 200, .id = 1};
	struct flow back = {.name = "sets change, b to a", .from = &b, .to = &a, .window = 200, .id = 2};
	flow_start(&there);
	flow_start(&back);
	for (uint32_t i = 0; i < CHANGES; i++)
		CHECK(put(i % 2 == 0 ? upper : lower) == 0, "%s", engine.error);
	CHECK(drop("half") == EBUSY, "a set that is asked stays");
	CHECK(drop("none") == ENOENT, "what is not there cannot go");
	CHECK(drop("other") == 0, "%s", engine.error);
	flow_stop(&there);
	flow_stop(&back);
	printf("ok %u changes under traffic lose no packet\n", CHANGES);

	CHECK(engine_held_fd(&engine, MILL_HOLD_SET, 1, 0) >= 0, "the engine lends its set");
	CHECK(engine_held_fd(&engine, MILL_HOLD_SET, 0, 0) < 0, "and not the one that is gone");
	CHECK(put(upper) == 0, "%s", engine.error);
	mill_pipe_close(&a);
	mill_pipe_close(&b);
	kill(engine.pid, SIGKILL);
	engine_adopt(&engine);
	pipe_connect(&engine, &a, "a");
	pipe_connect(&engine, &b, "b");
	struct flow after = {.name = "adopted with its sets", .from = &a, .to = &b, .window = 200, .id = 3};
	flow_start(&after);
	for (uint32_t i = 0; i < CHANGES / 4; i++)
		CHECK(put(i % 2 == 0 ? lower : upper) == 0, "%s", engine.error);
	flow_stop(&after);
	printf("ok an engine that adopts has the sets\n");

	for (uint32_t i = 0; i < 3; i++) {
		struct mill_config *without = config_make(2 + i, 2, specs);
		engine_deploy(&engine, without, "forwarder_swap2");
		CHECK(drop("half") == (i < 2 ? EBUSY : 0), "after %u deploys: %s", i + 1, engine.error);
		free(without);
	}
	printf("ok a set goes when no generation names it\n");
	mill_pipe_close(&a);
	mill_pipe_close(&b);
	free(config);
	engine_stop(&engine);
	return 0;
}
