/*
 * The stream of zebra's module dplane_fpm_nl: frames of a four-byte head (version 1, type 1, length of head and body,
 * big endian) and a body of one or more netlink messages. Bytes from outside: each length is checked before it is
 * believed, no more than one frame is kept, and a stream that is none ends in a Failure (EPROTO). Fuzzed.
 * Source: the head is that of FRR's fpm/fpm.h. One thread a stream.
 */
#pragma once
#include <linux/netlink.h>
#include <cstdint>
#include <functional>
#include <vector>

namespace mill
{

class FpmStream
{
      public:
	/* Hands each message that is complete to `take`. */
	void push(const uint8_t *bytes, size_t size, const std::function<void(const nlmsghdr *)> &take);

      private:
	void take_frame(const uint8_t *body, size_t size, const std::function<void(const nlmsghdr *)> &take);
	std::vector<uint8_t> rest_;     /* of a frame that is not complete */
	std::vector<uint32_t> aligned_; /* a body, where netlink may be read */
};

/* The frame that tells zebra that this route forwards: the message again, as a request, with RTM_F_OFFLOAD. zebra reads it since
 * FRR 8.5 (fpm_read in its dplane_fpm_nl.c): one message a frame, and finds the route by table, prefix and protocol. */
void acknowledge_fpm_route(const nlmsghdr *message, std::vector<uint8_t> &out);

} // namespace mill
