/*
 * Lost links ahead of their turn: a socket that hears of links alone, so that the news does not stand behind those of
 * routes. As it may be older than what was read of the other socket, the kernel is asked whether it is still so.
 */
#pragma once
#include <vector>
#include "fd.h"
#include "netlink_socket.h"
#include "rib/messages.h"

namespace mill
{

class LinkAlarms
{
      public:
	/* Throws Failure. */
	LinkAlarms();
	int fd() const
	{
		return socket_.fd();
	}
	/* Links that are gone, down or without carrier at this moment, of those that were told of since the last call. */
	std::vector<LinkMessage> take();

      private:
	bool lost(LinkMessage &link) const;
	NetlinkSocket socket_;
	Fd asks_; /* for ioctl */
};

} // namespace mill
