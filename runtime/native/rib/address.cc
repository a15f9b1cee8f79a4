/* Addresses, prefixes and MACs: parsing, printing, containment. Pure functions. */
#include "rib/address.h"
#include <arpa/inet.h>
#include <algorithm>
#include <cstdio>
#include "error.h"

namespace mill
{

Address Address::of(uint8_t family, const void *bytes)
{
	Address address;
	address.family = family;
	memcpy(address.bytes, bytes, address.size());
	return address;
}

Address Address::parse(const std::string &text)
{
	Address address;
	address.family = text.find(':') == std::string::npos ? 4 : 6;
	if (text.find('\0') != std::string::npos ||
	    inet_pton(address.family == 4 ? AF_INET : AF_INET6, text.c_str(), address.bytes) != 1)
		throw Failure(EINVAL, "", "expected an IP address, got '" + text + "'");
	return address;
}

std::string Address::text() const
{
	char buffer[INET6_ADDRSTRLEN];
	if (family == 0 ||
	    inet_ntop(family == 4 ? AF_INET : AF_INET6, bytes, buffer, sizeof buffer) == nullptr)
		return "";
	return buffer;
}

uint64_t Address::hash() const
{
	uint64_t half[2];
	memcpy(half, bytes, sizeof half);
	return mix64(half[0] ^ mix64(half[1] + family));
}

static void clear_host_bits(Address &address, uint8_t length)
{
	for (size_t i = 0; i < sizeof address.bytes; i++) {
		const int bits = std::clamp(static_cast<int>(length) - static_cast<int>(8 * i), 0, 8);
		address.bytes[i] = static_cast<uint8_t>(address.bytes[i] & 0xff << (8 - bits));
	}
}

Prefix::Prefix(const Address &from, uint8_t wanted) : address(from), length(std::min(wanted, from.bits()))
{
	clear_host_bits(address, length);
}

void parse_interface_address(const std::string &text, Address &address, uint8_t &length)
{
	const size_t slash = text.find('/');
	address = Address::parse(text.substr(0, slash));
	length = address.bits();
	if (slash == std::string::npos)
		return;
	const std::string digits = text.substr(slash + 1);
	if (digits.empty() || digits.size() > 3 ||
	    digits.find_first_not_of("0123456789") != std::string::npos || std::stoi(digits) > address.bits())
		throw Failure(EINVAL, "",
		              "expected a prefix length of 0 to " + std::to_string(address.bits()) +
		                  ", got '" + text + "'");
	length = static_cast<uint8_t>(std::stoi(digits));
}

Prefix Prefix::parse(const std::string &text)
{
	Address address;
	uint8_t length = 0;
	parse_interface_address(text, address, length);
	const Prefix prefix(address, length);
	if (prefix.address != address)
		throw Failure(EINVAL, "",
		              "expected a prefix without host bits, like " + prefix.text() + ", got '" +
		                  text + "'");
	return prefix;
}

std::string Prefix::text() const
{
	return address.text() + "/" + std::to_string(length);
}

bool Prefix::covers(const Address &other) const
{
	return other.family == address.family && Prefix(other, length).address == address;
}

Address Prefix::last() const
{
	Address last = address;
	for (size_t i = 0; i < last.size(); i++) {
		const int bits = std::clamp(static_cast<int>(length) - static_cast<int>(8 * i), 0, 8);
		last.bytes[i] = static_cast<uint8_t>(last.bytes[i] | 0xff >> bits);
	}
	return last;
}

Address Address::next() const
{
	Address next = *this;
	for (size_t i = size(); i > 0 && ++next.bytes[i - 1] == 0; i--) {
	}
	return next;
}

Address Address::previous() const
{
	Address previous = *this;
	for (size_t i = size(); i > 0 && previous.bytes[i - 1]-- == 0; i--) {
	}
	return previous;
}

bool parse_mac(const std::string &text, uint8_t mac[6])
{
	unsigned part[6];
	int end = 0;
	if (sscanf(text.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%n", &part[0], &part[1], &part[2], &part[3],
	           &part[4], &part[5], &end) != 6 ||
	    static_cast<size_t>(end) != text.size())
		return false;
	for (int i = 0; i < 6; i++)
		mac[i] = static_cast<uint8_t>(part[i]);
	return true;
}

std::string format_mac(const uint8_t mac[6])
{
	char text[18];
	snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
	         mac[5]);
	return text;
}

} // namespace mill
