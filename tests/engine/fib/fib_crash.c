/*
 * The engine is killed while it applies batches: a process with a FIB thread of its own, and this one, which plays the
 * daemon, holds its memory and looks at what it left. The next engine forwards by that: every address must go by the
 * last batch that was complete, or already by the one that was under way; and by the daemon's replay afterwards.
 *
 *   fib_crash KILLS
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fib/fib_thread.h"
#include "support.h"

#define WAYS 16u
#define NETS 96u

struct memory {
	struct mill_state state;
	struct mill_iface iface[MILL_MAX_IFACES];
};

struct engine {
	struct memory *memory;
	int fd[4]; /* tables, queue, wake, done */
	struct mill_fib_queue *queue;
	uint64_t next, batch;
	pid_t pid;
};

static struct mill_fib_thread *start_thread(struct engine *e)
{
	struct mill_error error;
	const struct mill_fib_thread_options options = {.state = &e->memory->state,
	                                                .ifaces = e->memory->iface,
	                                                .tables_fd = e->fd[0],
	                                                .queue_fd = e->fd[1],
	                                                .wake_fd = e->fd[2],
	                                                .done_fd = e->fd[3]};
	struct mill_fib_thread *thread = mill_fib_thread_start(&options, &error);
	CHECK(thread != NULL, "a thread: %s", error.text);
	return thread;
}

/* Descriptors as the daemon holds them, made by an engine that ends at once. */
static void make_memory(struct engine *e)
{
	struct mill_held_fd held[4];
	e->memory = mmap(NULL, sizeof(*e->memory), PROT_READ | PROT_WRITE,
	                 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(e->memory != MAP_FAILED, "memory");
	fixture_ifaces(e->memory->iface);
	memset(e->fd, 0xff, sizeof(e->fd));
	struct mill_fib_thread *first = start_thread(e);
	mill_fib_thread_held_fds(first, held, 4);
	for (uint32_t i = 0; i < 4; i++)
		e->fd[i] = dup(held[i].fd);
	mill_fib_thread_stop(first);
	e->queue = mmap(NULL, sizeof(*e->queue), PROT_READ | PROT_WRITE, MAP_SHARED, e->fd[1], 0);
	CHECK(e->queue != MAP_FAILED, "the queue");
}

static void start_engine(struct engine *e)
{
	e->pid = fork();
	if (e->pid != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (uint32_t i = 0; i < 4; i++)
		e->fd[i] = dup(e->fd[i]);
	start_thread(e);
	for (;;)
		pause();
}

static void push(struct engine *e, struct mill_fib_record record)
{
	for (uint32_t i = 0;
	     e->next - __atomic_load_n(&e->queue->applied, __ATOMIC_ACQUIRE) >= MILL_FIB_RECORDS; i++) {
		CHECK(i < 200000, "room in the queue");
		usleep(50);
	}
	e->queue->record[e->next++ & (MILL_FIB_RECORDS - 1)] = record;
}

static void commit(struct engine *e)
{
	const uint64_t one = 1;
	push(e, record_simple(MILL_FIB_COMMIT, 0, ++e->batch));
	__atomic_store_n(&e->queue->committed, e->next, __ATOMIC_RELEASE);
	CHECK(write(e->fd[2], &one, sizeof(one)) == sizeof(one), "to wake it");
}

static void settle(struct engine *e)
{
	for (uint32_t i = 0; __atomic_load_n(&e->queue->applied, __ATOMIC_ACQUIRE) != e->next; i++) {
		CHECK(i < 200000, "all applied");
		usleep(50);
	}
}

/* Nets of /9 to /30 one in another, none wholly hidden: each has one address of its own to ask for. */
static unsigned length_of(uint32_t net)
{
	return 9 + net % 24 % 22;
}

static uint32_t address_of(uint32_t net)
{
	return (net / 24 + 20) << 24 | 1u << (31 - length_of(net)) | 1;
}

static void push_net(struct engine *e, uint32_t net, uint32_t way)
{
	const uint32_t wire = __builtin_bswap32(address_of(net));
	uint8_t bytes[16] = {0};
	memcpy(bytes, &wire, 4);
	push(e, record_route(MILL_FIB_ROUTE_SET, 4, bytes, length_of(net), way));
}

static void push_ways(struct engine *e)
{
	struct mill_fib_record group;
	for (uint32_t i = 1; i <= WAYS; i++) {
		push(e, record_adjacency(i, MILL_ADJ_FORWARD, (uint16_t)i, i));
		records_group(i, &(struct mill_fib_leg){i, 1}, 1, &group);
		push(e, group);
	}
}

static void push_batch(struct engine *e)
{
	for (uint32_t net = 0; net < NETS; net++)
		push_net(e, net, 1 + (uint32_t)((e->batch + 1) % WAYS));
	commit(e);
}

static void replay(struct engine *e)
{
	push(e, record_simple(MILL_FIB_SYNC_BEGIN, 0, 0));
	push_ways(e);
	for (uint32_t net = 0; net < NETS; net++)
		push_net(e, net, 1 + (uint32_t)((e->batch + 1) % WAYS));
	push(e, record_simple(MILL_FIB_SYNC_END, 0, 0));
	commit(e);
	settle(e);
}

/* The batch by which an address goes, modulo WAYS. */
static uint32_t batch_of(const struct mill_fib *fib, uint32_t net)
{
	const struct mill_adjacency *adjacency = mill_fib_select(fib, lookup4(fib, address_of(net)), 0);
	CHECK(adjacency->kind == MILL_ADJ_FORWARD && adjacency->key == adjacency->iface, "a whole adjacency");
	return (adjacency->key + WAYS - 1) % WAYS;
}

/* Returns how many addresses were ahead of the last complete batch. */
static uint32_t inspect(struct engine *e)
{
	struct mill_fib_tables tables;
	uint32_t ahead = 0;
	CHECK(mill_fib_tables_map(&tables, dup(e->fd[0])), "tables that can be adopted");
	const struct mill_fib *fib = mill_fib_tables_active(&tables);
	CHECK(fib->complete > 0, "a complete FIB");
	const uint64_t last = __atomic_load_n(&e->queue->batches, __ATOMIC_ACQUIRE);
	for (uint32_t net = 0; net < NETS; net++) {
		const uint32_t batch = batch_of(fib, net);
		CHECK(batch == last % WAYS || batch == (last + 1) % WAYS,
		      "net %u by batch %llu or the next, got one like %u", net, (unsigned long long)last,
		      batch);
		ahead += batch != last % WAYS;
	}
	mill_fib_tables_close(&tables);
	return ahead;
}

int main(int argc, char **argv)
{
	const uint32_t kills = argc > 1 ? (uint32_t)atoi(argv[1]) : 30;
	struct random random = {17};
	struct engine e = {0};
	uint32_t between = 0;
	make_memory(&e);
	start_engine(&e);
	replay(&e);
	for (uint32_t i = 0; i < kills; i++) {
		const uint64_t end = now_ns() + 1000000 + random_below(&random, 6000000);
		while (now_ns() < end)
			push_batch(&e);
		kill(e.pid, SIGKILL);
		waitpid(e.pid, NULL, 0);
		const uint32_t ahead = inspect(&e);
		between += ahead != 0 && ahead != NETS;
		start_engine(&e); /* goes on with it */
		for (uint32_t k = 0; e.queue->applied != e.queue->committed; k++, usleep(100))
			CHECK(k < 50000, "batches of before are skipped");
		CHECK(inspect(&e) == ahead, "nothing changes before the replay");
		replay(&e);
		CHECK(inspect(&e) == 0, "the replay is complete");
	}
	kill(e.pid, SIGKILL);
	waitpid(e.pid, NULL, 0);
	printf("ok %u engines killed left whole tables, %u of them in the midst of a batch\n", kills,
	       between);
	return 0;
}
