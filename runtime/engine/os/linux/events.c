/* os/events.h by epoll(7), eventfd(2), timerfd(2) and signalfd(2). */
#include "os/events.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MOST_AT_ONCE 16

int mill_wait_create(void)
{
	return epoll_create1(EPOLL_CLOEXEC);
}

static int control(int set, int operation, int fd, uint32_t what, uint64_t tag)
{
	struct epoll_event event = {.events = ((what & MILL_READY_IN) != 0 ? EPOLLIN : 0u) |
	                                      ((what & MILL_READY_OUT) != 0 ? EPOLLOUT : 0u) |
	                                      ((what & MILL_READY_END) != 0 ? EPOLLRDHUP : 0u) |
	                                      ((what & MILL_READY_EDGE) != 0 ? EPOLLET : 0u),
	                            .data.u64 = tag};
	return epoll_ctl(set, operation, fd, &event);
}

int mill_wait_add(int set, int fd, uint32_t what, uint64_t tag)
{
	return control(set, EPOLL_CTL_ADD, fd, what, tag);
}

int mill_wait_change(int set, int fd, uint32_t what, uint64_t tag)
{
	return control(set, EPOLL_CTL_MOD, fd, what, tag);
}

void mill_wait_remove(int set, int fd)
{
	epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL);
}

int mill_wait_for(int set, struct mill_ready *ready, int most, int timeout_ms)
{
	struct epoll_event events[MOST_AT_ONCE];
	const int n = epoll_wait(set, events, most < MOST_AT_ONCE ? most : MOST_AT_ONCE, timeout_ms);
	for (int i = 0; i < n; i++)
		ready[i] = (struct mill_ready){
		    .tag = events[i].data.u64,
		    .what =
		        ((events[i].events & EPOLLIN) != 0 ? MILL_READY_IN : 0u) |
		        ((events[i].events & EPOLLOUT) != 0 ? MILL_READY_OUT : 0u) |
		        ((events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0 ? MILL_READY_END : 0u)};
	return n < 0 ? 0 : n;
}

int mill_bell_create(bool waits)
{
	return eventfd(0, waits ? EFD_CLOEXEC : EFD_CLOEXEC | EFD_NONBLOCK);
}

int mill_timer_create(uint32_t every_ns)
{
	const struct timespec every = {.tv_sec = every_ns / 1000000000u, .tv_nsec = every_ns % 1000000000u};
	const struct itimerspec often = {.it_interval = every, .it_value = every};
	const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0 || timerfd_settime(fd, 0, &often, NULL) == 0)
		return fd;
	const int code = errno;
	close(fd);
	errno = code;
	return -1;
}

int mill_signals_open(const sigset_t *signals)
{
	return signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

int mill_signals_take(int fd)
{
	struct signalfd_siginfo info;
	return read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
}
