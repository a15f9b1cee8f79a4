/*
 * The system calls of the netmap back end: the one place where it meets the kernel's netmap, so that a model can stand
 * there in tests.
 */
#pragma once
#include <stddef.h>

struct mill_netmap_sys {
	int (*open)(void); /* a descriptor of /dev/netmap, or -1 and errno */
	int (*request)(int fd, unsigned long what, void *argument);
	void *(*map)(int fd, size_t size); /* NULL and errno */
	void (*unmap)(void *base, size_t size);
	void (*close)(int fd);
	/* The calling thread's set (os/events.h) hears when the descriptor's rings have packets. Asking a netmap descriptor for its
	 * readiness syncs its RX rings: only their owner may. */
	int (*watch)(int set, int fd);
};

extern const struct mill_netmap_sys *mill_netmap_sys;
