/* Failures and the small helpers over descriptors that throw them. Any thread. */
#include "error.h"
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <cstdint>
#include <cstring>
#include "fd.h"

namespace mill
{

static std::string describe(int number, const std::string &call, const std::string &text)
{
	std::string message = errno_name(number) + ": ";
	message += text.empty() ? strerror(number) : text;
	return call.empty() ? message : message + ", " + call;
}

Failure::Failure(int number, std::string call, const std::string &text)
    : std::runtime_error(describe(number, call, text)), number(number), call(std::move(call))
{
}

std::string errno_name(int number)
{
	const char *name = strerrorname_np(number);
	return name != nullptr ? name : "E" + std::to_string(number);
}

Mapping map_shared(int fd, size_t least, bool writable, const char *what)
{
	struct stat status;
	if (fstat(fd, &status) < 0)
		throw Failure(errno, "fstat", std::string("cannot read the size of the ") + what);
	if (static_cast<uint64_t>(status.st_size) < least)
		throw Failure(EPROTO, "mmap",
		              std::string("expected a ") + what + " of at least " + std::to_string(least) +
		                  " bytes, got " + std::to_string(status.st_size));
	size_t size = static_cast<size_t>(status.st_size);
	void *base = mmap(nullptr, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		throw Failure(errno, "mmap", std::string("cannot map the ") + what);
	return Mapping(base, size);
}

Fd make_event()
{
	Fd fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (!fd)
		throw Failure(errno, "eventfd");
	return fd;
}

void raise_event(int fd)
{
	uint64_t one = 1;
	ssize_t written = write(fd, &one, sizeof one);
	(void)written;
}

void clear_event(int fd)
{
	uint64_t value;
	ssize_t got = read(fd, &value, sizeof value);
	(void)got;
}

} // namespace mill
