/*
 * NetlinkSocket::filter_events: a classic BPF program on the socket (socket(7), SO_ATTACH_FILTER). Events come one
 * message a datagram: nlmsghdr, then rtmsg, ndmsg or ifinfomsg, whose first byte is the family, then attributes. BPF
 * loads words in network order, so constants are turned round.
 */
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include "netlink_socket.h"

namespace mill
{

static constexpr uint32_t at_type = 4, at_family = 16, at_source_length = 18, at_table = 20, at_flags = 24,
                          at_attributes = 28;
static constexpr uint32_t all = UINT32_MAX;

static sock_filter statement(uint16_t code, uint32_t value)
{
	return BPF_STMT(code, value);
}

/* Over so many instructions, when it holds and when not. */
static sock_filter jump(uint16_t code, uint32_t value, size_t then, size_t otherwise)
{
	return BPF_JUMP(static_cast<uint16_t>(BPF_JMP | code | BPF_K), value, static_cast<uint8_t>(then),
	                static_cast<uint8_t>(otherwise));
}

/* A route: not a clone, of one of these tables. */
static std::vector<sock_filter> route_part(const std::vector<uint32_t> &tables)
{
	const size_t n = tables.size();
	std::vector<sock_filter> code = {
	    statement(BPF_LD | BPF_W | BPF_ABS, at_flags),
	    jump(BPF_JSET, htonl(RTM_F_CLONED), 2, 0),
	    statement(BPF_LD | BPF_B | BPF_ABS, at_source_length),
	    jump(BPF_JEQ, 0, 1, 0),
	    statement(BPF_RET | BPF_K, 0),
	    /* the table's number, beyond 255 in an attribute alone */
	    statement(BPF_LDX | BPF_W | BPF_IMM, RTA_TABLE),
	    statement(BPF_LD | BPF_W | BPF_IMM, at_attributes),
	    statement(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_NLATTR)),
	    jump(BPF_JEQ, 0, n + 5, 0),
	    statement(BPF_MISC | BPF_TAX, 0),
	    statement(BPF_LD | BPF_W | BPF_IND, sizeof(nlattr)),
	};
	for (size_t i = 0; i < n; i++)
		code.push_back(jump(BPF_JEQ, htonl(tables[i]), n - i, 0));
	code.push_back(statement(BPF_RET | BPF_K, 0));
	code.push_back(statement(BPF_RET | BPF_K, all));
	/* no attribute */
	code.push_back(statement(BPF_RET | BPF_K, all));
	code.push_back(statement(BPF_RET | BPF_K, all));
	return code;
}

void NetlinkSocket::filter_events(const std::vector<uint32_t> &tables)
{
	const std::vector<sock_filter> route = route_part(tables);
	std::vector<sock_filter> code = {
	    statement(BPF_LD | BPF_H | BPF_ABS, at_type),
	    jump(BPF_JEQ, htons(RTM_NEWROUTE), 5, 0),
	    jump(BPF_JEQ, htons(RTM_DELROUTE), 4, 0),
	    statement(BPF_LD | BPF_B | BPF_ABS, at_family),
	    jump(BPF_JEQ, AF_BRIDGE, 0, 1),
	    statement(BPF_RET | BPF_K, 0),
	    statement(BPF_RET | BPF_K, all),
	};
	code.insert(code.end(), route.begin(), route.end());
	const sock_fprog program = {static_cast<unsigned short>(code.size()), code.data()};
	/* without it all comes through, and is sorted out later */
	setsockopt(fd(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

} // namespace mill
