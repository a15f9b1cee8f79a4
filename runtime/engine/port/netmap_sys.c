/* netmap_sys.h on a system that has /dev/netmap. Any thread. */
#include "port/netmap_sys.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "os/events.h"

static int sys_open(void)
{
	return open("/dev/netmap", O_RDWR | O_CLOEXEC);
}

static int sys_request(int fd, unsigned long what, void *argument)
{
	return ioctl(fd, what, argument);
}

static void *sys_map(int fd, size_t size)
{
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return base == MAP_FAILED ? NULL : base;
}

static void sys_unmap(void *base, size_t size)
{
	munmap(base, size);
}

static void sys_close(int fd)
{
	close(fd);
}

static int sys_watch(int set, int fd)
{
	/* Edge triggered: a stopped ring answers POLLERR for as long as it is stopped. */
	return mill_wait_add(set, fd, MILL_READY_IN | MILL_READY_EDGE, 0);
}

static const struct mill_netmap_sys kernel = {.open = sys_open,
                                              .request = sys_request,
                                              .map = sys_map,
                                              .unmap = sys_unmap,
                                              .close = sys_close,
                                              .watch = sys_watch};

const struct mill_netmap_sys *mill_netmap_sys = &kernel;
