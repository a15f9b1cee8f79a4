/* Framing of zebra's FPM stream. See fpm.h. */
#include "rib/fpm.h"
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <cerrno>
#include <cstring>
#include <string>
#include "error.h"

#ifndef RTM_F_OFFLOAD
#define RTM_F_OFFLOAD 0x4000
#endif

namespace mill
{

static constexpr size_t head_size = 4;
static constexpr uint8_t version = 1, netlink = 1;

static Failure not_fpm(const std::string &text)
{
	return Failure(EPROTO, "fpm", text);
}

void FpmStream::push(const uint8_t *bytes, size_t size, const std::function<void(const nlmsghdr *)> &take)
{
	rest_.insert(rest_.end(), bytes, bytes + size);
	size_t at = 0;
	while (rest_.size() - at >= head_size) {
		const uint8_t *head = rest_.data() + at;
		if (head[0] != version || head[1] != netlink)
			throw not_fpm("expected FPM frames of version 1 with netlink (type 1), got version " +
			              std::to_string(head[0]) + " type " + std::to_string(head[1]));
		const size_t length = static_cast<size_t>(head[2]) << 8 | head[3];
		if (length < head_size + sizeof(nlmsghdr))
			throw not_fpm("expected a frame with a message in it, got one of " +
			              std::to_string(length) + " bytes");
		if (rest_.size() - at < length)
			break;
		take_frame(head + head_size, length - head_size, take);
		at += length;
	}
	rest_.erase(rest_.begin(), rest_.begin() + static_cast<ptrdiff_t>(at));
}

void FpmStream::take_frame(const uint8_t *body, size_t size,
                           const std::function<void(const nlmsghdr *)> &take)
{
	aligned_.resize((size + 3) / 4);
	memcpy(aligned_.data(), body, size);
	const auto *at = reinterpret_cast<const char *>(aligned_.data());
	for (size_t left = size; left > 0;) {
		const auto *message = reinterpret_cast<const nlmsghdr *>(at);
		/* not mnl_nlmsg_ok: it takes lengths beyond 2 GiB for negative ones */
		if (left < sizeof *message || message->nlmsg_len < sizeof *message ||
		    message->nlmsg_len > left)
			throw not_fpm("expected whole netlink messages in a frame");
		take(message);
		const size_t step = MNL_ALIGN(message->nlmsg_len);
		if (step >= left)
			return;
		at += step;
		left -= step;
	}
}

void acknowledge_fpm_route(const nlmsghdr *message, std::vector<uint8_t> &out)
{
	const size_t length = head_size + message->nlmsg_len, at = out.size();
	out.resize(at + length);
	out[at] = version;
	out[at + 1] = netlink;
	out[at + 2] = static_cast<uint8_t>(length >> 8);
	out[at + 3] = static_cast<uint8_t>(length);
	nlmsghdr request = *message;
	request.nlmsg_flags |= NLM_F_REQUEST;
	memcpy(out.data() + at + head_size, message, message->nlmsg_len);
	memcpy(out.data() + at + head_size, &request, sizeof request);
	rtmsg header;
	uint8_t *place = out.data() + at + head_size + NLMSG_HDRLEN;
	memcpy(&header, place, sizeof header);
	header.rtm_flags |= RTM_F_OFFLOAD;
	memcpy(place, &header, sizeof header);
}

} // namespace mill
