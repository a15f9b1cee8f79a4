/* link_alarms.h. The ioctls of netdevice(7) take no lock that changes of routes hold. */
#include "link_alarms.h"
#include <net/if.h>
#include <linux/if_link.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <cerrno>
#include "error.h"

namespace mill
{

static constexpr uint32_t lower_up = 1u << 16; /* IFF_LOWER_UP, which net/if.h lacks */

LinkAlarms::LinkAlarms() : asks_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))
{
	if (!asks_)
		throw Failure(errno, "socket", "cannot ask for links");
	socket_.join(RTNLGRP_LINK);
}

/* With what is so now in the message. */
bool LinkAlarms::lost(LinkMessage &link) const
{
	ifreq request = {};
	request.ifr_ifindex = static_cast<int>(link.ifindex);
	if (ioctl(asks_.get(), SIOCGIFNAME, &request) < 0 || ioctl(asks_.get(), SIOCGIFFLAGS, &request) < 0) {
		link.remove = errno == ENODEV;
		return link.remove;
	}
	const bool up = (request.ifr_flags & IFF_UP) != 0, runs = (request.ifr_flags & IFF_RUNNING) != 0;
	link.remove = false;
	link.flags = (up ? link.flags | IFF_UP : link.flags & ~static_cast<uint32_t>(IFF_UP));
	link.flags = (runs ? link.flags | lower_up : link.flags);
	return !up || (link.flags & lower_up) == 0;
}

std::vector<LinkMessage> LinkAlarms::take()
{
	std::vector<LinkMessage> all;
	while (socket_.receive([&](const nlmsghdr *message) {
		LinkMessage link;
		if (parse_link(message, link) &&
		    (link.remove || (link.flags & IFF_UP) == 0 || (link.flags & lower_up) == 0))
			all.push_back(link);
	}) != NetlinkSocket::Received::Nothing) {
	}
	std::vector<LinkMessage> still;
	for (LinkMessage &link : all)
		if (lost(link))
			still.push_back(link);
	return still;
}

} // namespace mill
