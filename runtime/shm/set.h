/*
 * A set of networks that changes at run time: one sealed memfd, made by the daemon (codegen/sets/image.ts), mapped by the
 * engine as it is and never changed. An address is in the set when an odd number of bounds is not above it: a bound is where
 * a range begins, and where what is behind it begins. `root` finds by an address's first 16 bits those bounds that begin
 * alike: root[i] is how many lie before those of i.
 */
#pragma once
#include <stdint.h>
#include "shm/limits.h"

#define MILL_SET_MAGIC 0x54455353u
#define MILL_SET_ROOT  65537u

/* Of IPv6, host order. */
struct mill_set_bound6 {
	uint64_t high, low;
};

struct mill_set_image {
	uint32_t magic, abi;
	char name[MILL_NAME_SIZE];
	uint64_t bytes;                        /* of the whole image */
	uint64_t changed_ms;                   /* since the epoch */
	uint32_t n4, n6;                       /* bounds */
	uint32_t root4, root6, bound4, bound6; /* where they begin, in 64 bytes from the start of the image */
	uint32_t reserved[12];
	/* uint32_t root[MILL_SET_ROOT] for each family; uint16_t bound4[n4]: their last 16 bits; mill_set_bound6 bound6[n6] */
};
