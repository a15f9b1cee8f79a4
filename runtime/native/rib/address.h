/* Addresses and prefixes of both families, and their text. Pure values, any thread. */
#pragma once
#include <cstdint>
#include <cstring>
#include <string>

namespace mill
{

struct Address {
	uint8_t family = 0;     /* 4, 6; 0 for none */
	uint8_t bytes[16] = {}; /* network order, IPv4 in the first four */

	static Address of(uint8_t family, const void *bytes);
	/* Throws Failure(EINVAL). */
	static Address parse(const std::string &text);
	size_t size() const
	{
		return family == 4 ? 4 : family == 6 ? 16 : 0;
	}
	uint8_t bits() const
	{
		return static_cast<uint8_t>(size() * 8);
	}
	std::string text() const;
	bool is_multicast() const
	{
		return family == 4 ? bytes[0] >> 4 == 14 : bytes[0] == 0xff;
	}
	bool is_link_local() const /* IPv6's: what has no meaning without an interface */
	{
		return family == 6 && bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
	}
	bool is_zero() const
	{
		static const uint8_t zero[16] = {};
		return memcmp(bytes, zero, sizeof zero) == 0;
	}
	bool operator==(const Address &other) const
	{
		return family == other.family && memcmp(bytes, other.bytes, sizeof bytes) == 0;
	}
	bool operator!=(const Address &other) const
	{
		return !(*this == other);
	}
	bool operator<(const Address &other) const
	{
		return family != other.family ? family < other.family
		                              : memcmp(bytes, other.bytes, sizeof bytes) < 0;
	}
	uint64_t hash() const;
	/* The addresses after and before; the first follows the last. */
	Address next() const;
	Address previous() const;
};

struct Prefix {
	Address address; /* host bits are zero */
	uint8_t length = 0;

	Prefix() = default;
	/* Clears the host bits; a length beyond the address's is cut to it. */
	Prefix(const Address &address, uint8_t length);
	/* "192.0.2.0/24"; an address alone is a host's. Throws Failure(EINVAL), also for host bits that are set. */
	static Prefix parse(const std::string &text);
	std::string text() const;
	bool covers(const Address &other) const;
	Address last() const;
	bool operator==(const Prefix &other) const
	{
		return length == other.length && address == other.address;
	}
	bool operator<(const Prefix &other) const
	{
		return address == other.address ? length < other.length : address < other.address;
	}
};

/* "192.0.2.1/24", host bits kept. Throws Failure(EINVAL). */
void parse_interface_address(const std::string &text, Address &address, uint8_t &length);
bool parse_mac(const std::string &text, uint8_t mac[6]);
std::string format_mac(const uint8_t mac[6]);

inline uint64_t mix64(uint64_t value)
{
	value ^= value >> 33;
	value *= 0xff51afd7ed558ccdull;
	value ^= value >> 33;
	value *= 0xc4ceb9fe1a85ec53ull;
	return value ^ value >> 33;
}

} // namespace mill
