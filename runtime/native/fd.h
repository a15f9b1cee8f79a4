/* Owners of descriptors and mappings: closed and unmapped when they go out of scope. Any thread. */
#pragma once
#include <sys/mman.h>
#include <unistd.h>
#include <cstddef>
#include <utility>

namespace mill
{

class Fd
{
      public:
	Fd() = default;
	explicit Fd(int fd) : fd_(fd)
	{
	}
	Fd(Fd &&other) noexcept : fd_(std::exchange(other.fd_, -1))
	{
	}
	Fd &operator=(Fd &&other) noexcept
	{
		if (this != &other) {
			reset(std::exchange(other.fd_, -1));
		}
		return *this;
	}
	Fd(const Fd &) = delete;
	Fd &operator=(const Fd &) = delete;
	~Fd()
	{
		reset(-1);
	}
	int get() const
	{
		return fd_;
	}
	explicit operator bool() const
	{
		return fd_ >= 0;
	}
	void reset(int fd)
	{
		if (fd_ >= 0)
			close(fd_);
		fd_ = fd;
	}

      private:
	int fd_ = -1;
};

class Mapping
{
      public:
	Mapping() = default;
	Mapping(void *base, size_t size) : base_(base), size_(size)
	{
	}
	Mapping(Mapping &&other) noexcept
	    : base_(std::exchange(other.base_, nullptr)), size_(std::exchange(other.size_, 0))
	{
	}
	Mapping &operator=(Mapping &&other) noexcept
	{
		std::swap(base_, other.base_);
		std::swap(size_, other.size_);
		return *this;
	}
	Mapping(const Mapping &) = delete;
	Mapping &operator=(const Mapping &) = delete;
	~Mapping()
	{
		if (base_ != nullptr)
			munmap(base_, size_);
	}
	template <typename T> T *as() const
	{
		return static_cast<T *>(base_);
	}
	size_t size() const
	{
		return size_;
	}
	explicit operator bool() const
	{
		return base_ != nullptr;
	}

      private:
	void *base_ = nullptr;
	size_t size_ = 0;
};

/* Maps a whole memfd of at least `least` bytes. Throws Failure. */
Mapping map_shared(int fd, size_t least, bool writable, const char *what);
/* A new non-blocking eventfd. Throws Failure. */
Fd make_event();
/* Raises, and clears, an eventfd; failures are of no consequence (the counter is already raised, or clear). */
void raise_event(int fd);
void clear_event(int fd);

} // namespace mill
