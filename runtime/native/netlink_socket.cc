/*
 * Rtnetlink over libmnl. Answers are recognised by their sequence number; every length is checked by libmnl before
 * anything is read. Datagrams that did not fit are treated like an overrun: the caller dumps afresh.
 */
#include "netlink_socket.h"
#include <linux/netlink.h>
#include <sys/socket.h>
#include <cerrno>
#include <cstring>
#include "error.h"

namespace mill
{

static constexpr size_t datagram = 64 << 10; /* the kernel's dumps use at most 32 KiB; a wide multipath 16 */
static constexpr size_t datagrams = 16;

NetlinkRequest::NetlinkRequest(uint16_t type, uint16_t flags) : message_(mnl_nlmsg_put_header(buffer_))
{
	message_->nlmsg_type = type;
	message_->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
}

NetlinkSocket::NetlinkSocket()
    : socket_(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC)), buffer_(datagram * datagrams)
{
	if (!socket_)
		throw Failure(errno, "socket", "cannot open netlink");
	if (mnl_socket_bind(socket_.get(), 0, MNL_SOCKET_AUTOPID) < 0)
		throw Failure(errno, "bind", "cannot bind netlink");
	int one = 1;
	mnl_socket_setsockopt(socket_.get(), NETLINK_EXT_ACK, &one, sizeof one);
}

bool NetlinkSocket::join(int group)
{
	return mnl_socket_setsockopt(socket_.get(), NETLINK_ADD_MEMBERSHIP, &group, sizeof group) == 0;
}

void NetlinkSocket::be_strict()
{
	int one = 1;
	mnl_socket_setsockopt(socket_.get(), NETLINK_GET_STRICT_CHK, &one, sizeof one);
}

void NetlinkSocket::set_receive_buffer(int bytes)
{
	if (setsockopt(fd(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0)
		setsockopt(fd(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

int NetlinkSocket::fd() const
{
	return mnl_socket_get_fd(socket_.get());
}

void NetlinkSocket::send(NetlinkRequest &request, const char *call)
{
	request.message()->nlmsg_seq = ++sequence_;
	if (mnl_socket_sendto(socket_.get(), request.message(), request.message()->nlmsg_len) < 0)
		throw Failure(errno, call, "cannot ask the kernel");
}

void NetlinkSocket::send_only(NetlinkRequest &request)
{
	request.message()->nlmsg_seq = ++sequence_;
	mnl_socket_sendto(socket_.get(), request.message(), request.message()->nlmsg_len);
}

static std::string kernel_words(const nlmsghdr *message, const nlmsgerr *error)
{
	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return "";
	size_t offset = sizeof *error;
	if (!(message->nlmsg_flags & NLM_F_CAPPED) && error->msg.nlmsg_len > sizeof(nlmsghdr))
		offset += error->msg.nlmsg_len - sizeof(nlmsghdr);
	if (mnl_nlmsg_get_payload_len(message) <= offset)
		return "";
	const auto *end = static_cast<const char *>(mnl_nlmsg_get_payload_tail(message));
	const auto *attribute = static_cast<const nlattr *>(mnl_nlmsg_get_payload_offset(message, offset));
	for (; mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char *>(attribute)));
	     attribute = mnl_attr_next(attribute)) {
		if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
			return mnl_attr_get_str(attribute);
	}
	return "";
}

/* True when an error message says that all is well. */
static bool acknowledged(const nlmsghdr *message, const char *call)
{
	if (mnl_nlmsg_get_payload_len(message) < sizeof(nlmsgerr))
		throw Failure(EPROTO, call, "a short answer from the kernel");
	const auto *error = static_cast<const nlmsgerr *>(mnl_nlmsg_get_payload(message));
	if (error->error != 0)
		throw Failure(-error->error, call, kernel_words(message, error));
	return true;
}

void NetlinkSocket::request(NetlinkRequest &request, const char *call, const NetlinkHandler &handler)
{
	if (!handler)
		request.message()->nlmsg_flags |= NLM_F_ACK;
	send(request, call);
	for (;;) {
		const ssize_t got = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			throw Failure(errno, call, "no answer from the kernel");
		int left = static_cast<int>(got);
		for (auto *m = reinterpret_cast<nlmsghdr *>(buffer_.data()); mnl_nlmsg_ok(m, left);
		     m = mnl_nlmsg_next(m, &left)) {
			if (m->nlmsg_seq != sequence_)
				continue;
			if (m->nlmsg_type == NLMSG_ERROR && acknowledged(m, call))
				return;
			if (handler) {
				handler(m);
				return;
			}
		}
	}
}

/* The kernel ends a dump that it cannot go on with like any other, but for the error's number. */
static void check_end(const nlmsghdr *message, const char *call)
{
	int number = 0;
	if (mnl_nlmsg_get_payload_len(message) >= sizeof number)
		memcpy(&number, mnl_nlmsg_get_payload(message), sizeof number);
	if (number < 0)
		throw Failure(-number, call, "the kernel did not dump all");
}

bool NetlinkSocket::dump(NetlinkRequest &request, const char *call, const NetlinkHandler &handler,
                         const std::function<void(bool)> &chunk)
{
	request.message()->nlmsg_flags |= NLM_F_DUMP;
	send(request, call);
	bool whole = true;
	for (;;) {
		const ssize_t got = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			throw Failure(errno, call, "the dump was cut short");
		struct Chunk {
			const std::function<void(bool)> &call;
			explicit Chunk(const std::function<void(bool)> &c) : call(c)
			{
				call(true);
			}
			~Chunk()
			{
				call(false);
			}
		} scope(chunk);
		int left = static_cast<int>(got);
		for (auto *m = reinterpret_cast<nlmsghdr *>(buffer_.data()); mnl_nlmsg_ok(m, left);
		     m = mnl_nlmsg_next(m, &left)) {
			if (m->nlmsg_seq != sequence_)
				continue;
			if (m->nlmsg_flags & NLM_F_DUMP_INTR)
				whole = false;
			if (m->nlmsg_type == NLMSG_DONE) {
				check_end(m, call);
				return whole;
			}
			if (m->nlmsg_type == NLMSG_ERROR) {
				acknowledged(m, call);
				return whole;
			}
			handler(m);
		}
	}
}

NetlinkSocket::Received NetlinkSocket::receive(const NetlinkHandler &handler)
{
	mmsghdr messages[datagrams] = {};
	sockaddr_nl senders[datagrams];
	iovec parts[datagrams];
	for (size_t i = 0; i < datagrams; i++) {
		parts[i] = {buffer_.data() + i * datagram, datagram};
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
		messages[i].msg_hdr.msg_name = &senders[i];
		messages[i].msg_hdr.msg_namelen = sizeof senders[i];
	}
	const int got = recvmmsg(fd(), messages, datagrams, MSG_DONTWAIT, nullptr);
	if (got < 0)
		return errno == ENOBUFS ? Received::Overrun : Received::Nothing;
	bool cut = false;
	for (int i = 0; i < got; i++) {
		if (senders[i].nl_pid != 0)
			continue; /* a process, and not the kernel */
		cut |= (messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
		int left = static_cast<int>(messages[i].msg_len);
		for (auto *m = static_cast<nlmsghdr *>(parts[i].iov_base); mnl_nlmsg_ok(m, left);
		     m = mnl_nlmsg_next(m, &left))
			handler(m);
	}
	if (cut)
		return Received::Overrun;
	return got > 0 ? Received::Some : Received::Nothing;
}

} // namespace mill
