/* Rtnetlink sockets: requests with their acknowledgement, dumps, and the subscription. One thread a socket. */
#pragma once
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace mill
{

/* A message under construction. */
class NetlinkRequest
{
      public:
	NetlinkRequest(uint16_t type, uint16_t flags);
	template <typename T> T *header()
	{
		return static_cast<T *>(mnl_nlmsg_put_extra_header(message_, sizeof(T)));
	}
	nlmsghdr *message()
	{
		return message_;
	}

      private:
	alignas(nlmsghdr) char buffer_[2048];
	nlmsghdr *message_;
};

using NetlinkHandler = std::function<void(const nlmsghdr *)>;

class NetlinkSocket
{
      public:
	NetlinkSocket();
	/* Joins a group; false when this kernel does not have it. */
	bool join(int group);
	/* Of events, lets the kernel drop what cannot matter: routes of other tables and clones, a bridge's neighbours
	 * and ports. What it cannot tell comes through. */
	void filter_events(const std::vector<uint32_t> &tables);
	/* Dumps give only what they are asked for. */
	void be_strict();
	/* Asks for a receive buffer beyond the system's limit, as far as privileges go. */
	void set_receive_buffer(int bytes);
	int fd() const;
	/* Sends and waits for the acknowledgement, or an answer that `handler` gets. Throws Failure with the
	 * kernel's own words (extended acknowledgement). */
	void request(NetlinkRequest &request, const char *call, const NetlinkHandler &handler = nullptr);
	/* Sends and does not wait: for hints whose failure is of no consequence. */
	void send_only(NetlinkRequest &request);
	/* True: complete; false: the kernel says that it changed meanwhile (NLM_F_DUMP_INTR). `chunk` is called
	 * before and after each datagram with true and false. */
	bool dump(NetlinkRequest &request, const char *call, const NetlinkHandler &handler,
	          const std::function<void(bool)> &chunk);
	enum class Received { Some, Nothing, Overrun };
	/* One round of datagrams, without waiting. */
	Received receive(const NetlinkHandler &handler);

      private:
	struct Closer {
		void operator()(mnl_socket *socket) const
		{
			mnl_socket_close(socket);
		}
	};
	void send(NetlinkRequest &request, const char *call);
	std::unique_ptr<mnl_socket, Closer> socket_;
	uint32_t sequence_ = 0;
	std::vector<char> buffer_;
};

} // namespace mill
