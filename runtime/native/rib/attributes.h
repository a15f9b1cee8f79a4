/* The attributes of outside bytes, of which none is read beyond its end, or the payload's. */
#pragma once
#include <libmnl/libmnl.h>
#include <cstddef>

namespace mill
{

/* Calls `each` for the attributes of a payload; false when they are malformed, or `each` says so. */
template <typename Each> bool attributes(const void *payload, size_t size, Each each)
{
	const auto *at = static_cast<const char *>(payload);
	const char *end = at + size;
	while (static_cast<size_t>(end - at) >= sizeof(nlattr)) {
		const auto *attribute = reinterpret_cast<const nlattr *>(at);
		if (!mnl_attr_ok(attribute, static_cast<int>(end - at)) || !each(attribute))
			return false;
		const size_t step = MNL_ALIGN(attribute->nla_len);
		if (step > static_cast<size_t>(end - at))
			break;
		at += step;
	}
	return true;
}

template <typename Header, typename Each>
bool message_attributes(const nlmsghdr *message, const Header *&header, Each each)
{
	if (mnl_nlmsg_get_payload_len(message) < sizeof(Header))
		return false;
	header = static_cast<const Header *>(mnl_nlmsg_get_payload(message));
	const size_t offset = MNL_ALIGN(sizeof(Header));
	const size_t size = mnl_nlmsg_get_payload_len(message);
	if (size <= offset)
		return true;
	return attributes(reinterpret_cast<const char *>(header) + offset, size - offset, each);
}

} // namespace mill
