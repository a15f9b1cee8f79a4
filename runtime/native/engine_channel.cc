/*
 * Reads and writes the engine's control socket. Messages come from a process of our own, and are checked all the
 * same: sizes, lengths and the number of descriptors; whatever is wrong ends the connection.
 */
#include "engine_channel.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cstring>
#include "error.h"

namespace mill
{

static constexpr size_t message_header = offsetof(mill_msg, payload);

void HoldTable::put(const mill_hold &hold, Fd fd)
{
	const std::lock_guard<std::mutex> guard(lock_);
	held_[HoldKey{hold.kind, hold.slot, hold.index}] = Held{std::move(fd), hold.value};
}

void HoldTable::remove(const mill_hold &hold)
{
	const std::lock_guard<std::mutex> guard(lock_);
	held_.erase(HoldKey{hold.kind, hold.slot, hold.index});
}

static Fd duplicate_of(const Fd &fd)
{
	Fd copy(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
	if (!copy)
		throw Failure(errno, "fcntl", "cannot duplicate a descriptor");
	return copy;
}

Fd HoldTable::duplicate(uint16_t kind, uint16_t slot, uint16_t index, uint64_t *value) const
{
	const std::lock_guard<std::mutex> guard(lock_);
	const auto found = held_.find(HoldKey{kind, slot, index});
	if (found == held_.end())
		return Fd();
	if (value != nullptr)
		*value = found->second.value;
	return duplicate_of(found->second.fd);
}

Holds HoldTable::duplicate_all() const
{
	const std::lock_guard<std::mutex> guard(lock_);
	Holds all;
	for (const auto &[key, held] : held_) {
		mill_hold hold = {};
		hold.kind = key.kind;
		hold.slot = key.slot;
		hold.index = key.index;
		hold.value = held.value;
		all.emplace_back(hold, duplicate_of(held.fd));
	}
	return all;
}

void HoldTable::clear()
{
	const std::lock_guard<std::mutex> guard(lock_);
	held_.clear();
}

EngineChannel::EngineChannel(const std::string &path) : wake_(make_event())
{
	sockaddr_un address = {};
	address.sun_family = AF_UNIX;
	if (path.empty() || path.size() >= sizeof address.sun_path)
		throw Failure(ENAMETOOLONG, "connect",
		              "expected a socket path of at most 107 bytes: " + path);
	memcpy(address.sun_path, path.data(), path.size());
	socket_ = Fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	if (!socket_)
		throw Failure(errno, "socket");
	if (connect(socket_.get(), reinterpret_cast<sockaddr *>(&address), sizeof address) < 0)
		throw Failure(errno, "connect", "cannot reach the engine at " + path);
}

EngineChannel::~EngineChannel()
{
	stop();
}

void EngineChannel::start(std::function<void()> on_arrival)
{
	on_arrival_ = std::move(on_arrival);
	reader_ = std::thread([this] { read_all(); });
	pthread_setname_np(reader_.native_handle(), "engine-link");
}

void EngineChannel::stop()
{
	stopping_ = true;
	raise_event(wake_.get());
	if (reader_.joinable())
		reader_.join();
	socket_.reset(-1);
}

uint32_t EngineChannel::send(uint16_t type, const void *payload, size_t length, const std::vector<int> &fds)
{
	mill_msg message = {};
	alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * MILL_MSG_FDS)] = {};
	if (length > sizeof message.payload || fds.size() > MILL_MSG_FDS)
		throw Failure(EMSGSIZE, "sendmsg");
	const std::lock_guard<std::mutex> guard(lock_);
	if (!socket_ || closed_)
		throw Failure(ENOTCONN, "sendmsg", "the engine is gone");
	message.type = type;
	message.serial = ++serial_;
	message.length = static_cast<uint32_t>(length);
	if (length > 0)
		memcpy(message.payload, payload, length);
	iovec io = {&message, sizeof message};
	msghdr header = {};
	header.msg_iov = &io;
	header.msg_iovlen = 1;
	if (!fds.empty()) {
		header.msg_control = control;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
		cmsghdr *part = CMSG_FIRSTHDR(&header);
		part->cmsg_level = SOL_SOCKET;
		part->cmsg_type = SCM_RIGHTS;
		part->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
		memcpy(CMSG_DATA(part), fds.data(), sizeof(int) * fds.size());
	}
	if (sendmsg(socket_.get(), &header, MSG_NOSIGNAL) < 0)
		throw Failure(errno, "sendmsg", "cannot ask the engine");
	return message.serial;
}

std::deque<mill_msg> EngineChannel::take(bool &closed)
{
	const std::lock_guard<std::mutex> guard(lock_);
	closed = closed_;
	return std::exchange(arrived_, {});
}

void EngineChannel::read_all()
{
	pollfd waits[2] = {{socket_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
	while (!stopping_) {
		if (poll(waits, 2, -1) < 0 && errno != EINTR)
			break;
		if (stopping_)
			return;
		if (waits[0].revents != 0 && !read_one())
			break;
	}
	{
		const std::lock_guard<std::mutex> guard(lock_);
		closed_ = true;
	}
	on_arrival_();
}

static void take_descriptors(msghdr &header, std::vector<Fd> &fds)
{
	for (cmsghdr *part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
			fds.emplace_back(fd);
		}
	}
}

/* False: end of the connection. */
bool EngineChannel::read_one()
{
	mill_msg message = {};
	alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * MILL_MSG_FDS)];
	iovec io = {&message, sizeof message};
	msghdr header = {};
	header.msg_iov = &io;
	header.msg_iovlen = 1;
	header.msg_control = control;
	header.msg_controllen = sizeof control;
	const ssize_t got = recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC);
	if (got < 0)
		return errno == EINTR || errno == EAGAIN;
	std::vector<Fd> fds;
	take_descriptors(header, fds);
	if (got == 0 || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
		return false;
	if (static_cast<size_t>(got) < message_header || message.length > sizeof message.payload ||
	    static_cast<size_t>(got) < message_header + message.length)
		return false;
	accept(message, fds);
	return true;
}

void EngineChannel::accept(const mill_msg &message, std::vector<Fd> &fds)
{
	if (message.type == MILL_MSG_NOTICE_HOLD || message.type == MILL_MSG_NOTICE_RELEASE) {
		mill_hold hold;
		if (message.length < sizeof hold)
			return;
		memcpy(&hold, message.payload, sizeof hold);
		if (message.type == MILL_MSG_NOTICE_RELEASE)
			held_.remove(hold);
		else if (!fds.empty())
			held_.put(hold, std::move(fds[0]));
		return;
	}
	{
		const std::lock_guard<std::mutex> guard(lock_);
		arrived_.push_back(message);
	}
	on_arrival_();
}

} // namespace mill
