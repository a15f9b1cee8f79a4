/*
 * set-lookup IMAGE: nanoseconds for a question whether an address is in a set (runtime/shm/set.h), of addresses that are
 * drawn anew for each pass so that nothing of them is in the caches: half of them from the set's own bounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <time.h>
#include "netmill/set.h"

#define ASKED  (1u << 20)
#define PASSES 5u

static uint64_t state = 88172645463325252ull;

/* xorshift64: Marsaglia, Journal of Statistical Software 8(14), 2003. */
static uint64_t drawn(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static const struct mill_set_image *map(const char *path)
{
	struct stat status;
	const int fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &status) != 0)
		return NULL;
	void *image = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	return image == MAP_FAILED ? NULL : image;
}

static void draw6(const struct mill_set_image *set, struct mill_address6 *address)
{
	const struct mill_set_bound6 *bound = mill_set_part(set, set->bound6);
	for (uint32_t i = 0; i < ASKED; i++) {
		address[i] = (struct mill_address6){0x2000000000000000ull | drawn() >> 3, drawn()};
		if (i % 2 == 0 && set->n6 > 0) {
			const struct mill_set_bound6 *one = &bound[drawn() % set->n6];
			address[i] = (struct mill_address6){one->high, one->low};
		}
	}
}

int main(int argc, char **argv)
{
	const struct mill_set_image *set = argc == 2 ? map(argv[1]) : NULL;
	uint32_t *address4 = malloc(ASKED * sizeof(*address4));
	struct mill_address6 *address6 = malloc(ASKED * sizeof(*address6));
	uint64_t held = 0;
	if (set == NULL || address4 == NULL || address6 == NULL) {
		fprintf(stderr, "usage: set-lookup IMAGE\n");
		return 2;
	}
	for (uint32_t pass = 0; pass < PASSES; pass++) {
		for (uint32_t i = 0; i < ASKED; i++)
			address4[i] = (uint32_t)drawn();
		draw6(set, address6);
		const double start = now();
		for (uint32_t i = 0; i < ASKED; i++)
			held += mill_set_holds4(set, address4[i]);
		const double middle = now();
		for (uint32_t i = 0; i < ASKED; i++)
			held += mill_set_holds6(set, &address6[i]);
		printf("%.2f %.2f\n", (middle - start) / ASKED, (now() - middle) / ASKED);
	}
	return held == 0;
}
