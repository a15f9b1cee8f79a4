/*
 * What only Linux has, forbidden: what stands outside os/ is compiled with this file in front of it (Makefile), so that another system
 * needs a folder beside os/linux and nothing else. The headers that mention these words come first, because a word that is
 * forbidden may not even be declared any more. Linux's own headers (linux/, bpf/, sys/epoll.h …) are found by
 * tests/engine/portable.test.ts in what make writes down of each file's headers.
 */
#pragma once
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <immintrin.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

/* Calls. */
#pragma GCC poison epoll_create1 epoll_ctl epoll_wait eventfd signalfd timerfd_create memfd_create prctl
#pragma GCC poison syscall gettid sendfile splice unshare setns mremap fallocate
#pragma GCC poison sched_setaffinity sched_getaffinity pthread_setaffinity_np pthread_attr_setaffinity_np
#pragma GCC poison cpu_set_t ucred
/* Options, advice and fields: macros. */
#undef SO_PEERCRED
#undef SO_SNDBUFFORCE
#undef SO_RCVBUFFORCE
#undef SO_BINDTODEVICE
#undef SO_BUSY_POLL
#undef SCM_CREDENTIALS
#undef AF_NETLINK
#undef PF_NETLINK
#undef AF_PACKET
#undef PF_PACKET
#undef AF_XDP
#undef PF_XDP
#undef SOL_XDP
#undef F_ADD_SEALS
#undef F_GET_SEALS
#undef O_PATH
#undef O_TMPFILE
#undef MAP_POPULATE
#undef MAP_HUGETLB
#undef MADV_REMOVE
#undef MADV_HUGEPAGE
#undef MADV_COLLAPSE
#undef MADV_DONTDUMP
#undef MADV_POPULATE_WRITE
#undef MADV_POPULATE_READ
#undef SIOCGIFHWADDR
#undef SIOCETHTOOL
#undef SIOCGIFINDEX
#undef SIOCGIFNAME
#undef ifr_hwaddr
#undef ifr_ifindex
#pragma GCC poison SO_PEERCRED SO_SNDBUFFORCE SO_RCVBUFFORCE SO_BINDTODEVICE SO_BUSY_POLL SCM_CREDENTIALS
#pragma GCC poison AF_NETLINK PF_NETLINK AF_PACKET PF_PACKET AF_XDP PF_XDP SOL_XDP
#pragma GCC poison F_ADD_SEALS F_GET_SEALS O_PATH O_TMPFILE MAP_POPULATE MAP_HUGETLB
#pragma GCC poison MADV_REMOVE MADV_HUGEPAGE MADV_COLLAPSE MADV_DONTDUMP
#pragma GCC poison MADV_POPULATE_WRITE MADV_POPULATE_READ
#pragma GCC poison SIOCGIFHWADDR SIOCETHTOOL SIOCGIFINDEX SIOCGIFNAME ifr_hwaddr ifr_ifindex
