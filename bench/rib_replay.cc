/*
 * A recorded netlink stream (route_tool.c) through everything that the addon does with it: parser, RIB, and the feed of the
 * engine, whose end here only says that it has applied what was committed. As in RibThread, a round takes some thousand
 * messages and hands over what changed.
 *
 *   rib-replay FILE             prints messages and nanoseconds of processor time
 */
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>
#include "rib/messages.h"
#include "rib/rib.h"

using namespace mill;

static constexpr size_t round_messages = 4096;

static std::vector<char> read_all(const char *path)
{
	FILE *file = fopen(path, "r");
	struct stat about;
	if (file == nullptr || fstat(fileno(file), &about) != 0) {
		perror(path);
		exit(1);
	}
	std::vector<char> bytes(static_cast<size_t>(about.st_size));
	const size_t got = fread(bytes.data(), 1, bytes.size(), file);
	fclose(file);
	bytes.resize(got);
	return bytes;
}

static const nlmsghdr *at(const std::vector<char> &stream, size_t offset)
{
	const auto *message = reinterpret_cast<const nlmsghdr *>(stream.data() + offset);
	return mnl_nlmsg_ok(message, static_cast<int>(std::min<size_t>(stream.size() - offset, INT32_MAX)))
	           ? message
	           : nullptr;
}

/* Every Ethernet link is one of the engine's. */
static std::unordered_map<uint32_t, uint16_t> slots_in(const std::vector<char> &stream)
{
	std::unordered_map<uint32_t, uint16_t> slots;
	const nlmsghdr *message;
	for (size_t offset = 0; (message = at(stream, offset)) != nullptr;
	     offset += MNL_ALIGN(message->nlmsg_len)) {
		LinkMessage link;
		if (message->nlmsg_type == RTM_NEWLINK && parse_link(message, link) && link.has_mac)
			slots.emplace(link.ifindex, static_cast<uint16_t>(slots.size()));
	}
	return slots;
}

/* Of processor time: what else the machine does does not count. */
static uint64_t thread_ns()
{
	timespec time;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return static_cast<uint64_t>(time.tv_sec) * 1000000000u + static_cast<uint64_t>(time.tv_nsec);
}

static void drain(mill_fib_queue &queue)
{
	queue.applied = queue.committed;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 64;
	const std::vector<char> stream = read_all(argv[1]);
	const int memory = memfd_create("queue", 0);
	if (memory < 0 || ftruncate(memory, sizeof(mill_fib_queue)) < 0)
		return 1;
	const Mapping mapping = map_shared(memory, sizeof(mill_fib_queue), true, "queue");
	auto &queue = *mapping.as<mill_fib_queue>();
	Rib rib;
	rib.set_interfaces(slots_in(stream));
	rib.attach(std::make_unique<FibQueue>(Fd(memory), make_event(), make_event()));
	rib.set_loaded();
	const uint64_t begin = thread_ns();
	const nlmsghdr *message;
	size_t messages = 0;
	const auto flush = [&] {
		while (!rib.flush())
			drain(queue);
		drain(queue);
	};
	for (size_t offset = 0; (message = at(stream, offset)) != nullptr;
	     offset += MNL_ALIGN(message->nlmsg_len)) {
		rib.take(message, false);
		if (++messages % round_messages == 0)
			flush();
	}
	flush();
	printf("%zu %llu\n", messages, static_cast<unsigned long long>(thread_ns() - begin));
	return 0;
}
