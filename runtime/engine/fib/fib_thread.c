/*
 * fib_thread.h. The thread sleeps on the wake bell; it applies what is committed in slices, so that the control
 * thread's own changes (interfaces, lookups) never wait long for `lock`, and raises `applied` after each slice.
 * While something waits for its grace period it looks again every millisecond. Idle, after many changes, it moves
 * the tables into huge pages bit by bit.
 *
 * After an adoption the records before the daemon's next SYNC_BEGIN are skipped: they are changes to a state that
 * died with the engine before, and the replay that follows contains them.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine.h"
#include "fib/explain.h"
#include "fib/fib_thread.h"
#include "fib/fib_writer.h"
#include "fib/tables.h"
#include "os/events.h"
#include "os/memory.h"

#define AHEAD         8u /* records: their cache misses overlap */
#define SLICE         1024u
#define FREE_WAIT_MS  1
#define RETRY_WAIT_MS 20u
#define CONDENSE_MS   5
#define CONDENSE_AT   100000u /* changes of routes */

struct mill_fib_thread {
	struct mill_fib_tables tables;
	int queue_fd, wake_fd, done_fd;
	struct mill_fib_queue *queue;
	pthread_t thread;
	pthread_mutex_t lock; /* writer, qsbr, skipping */
	struct mill_fib_writer writer;
	struct mill_qsbr qsbr;
	bool skipping;     /* until SYNC_BEGIN */
	uint64_t reported; /* failures already logged */
	uint64_t changes;  /* records since the tables were last condensed */
	uint32_t chunk;    /* where condensing goes on */
	_Atomic(struct mill_fib *) live;
	pthread_mutex_t port_lock; /* ports_down, here and in both FIBs */
	uint64_t ports_down;
	atomic_bool quit;
};

static void set_ports_down(struct mill_fib_thread *self)
{
	__atomic_store_n(&self->writer.fib->ports_down, self->ports_down, __ATOMIC_RELEASE);
	__atomic_store_n(&atomic_load(&self->live)->ports_down, self->ports_down, __ATOMIC_RELEASE);
}

void mill_fib_port_down(struct mill_fib_thread *self, uint16_t port_slot, bool down)
{
	if (port_slot >= MILL_MAX_PORTS)
		return;
	pthread_mutex_lock(&self->port_lock);
	const uint64_t bit = 1ull << port_slot;
	self->ports_down = down ? self->ports_down | bit : self->ports_down & ~bit;
	set_ports_down(self);
	pthread_mutex_unlock(&self->port_lock);
}

static void clear_tables(void *owner, uint64_t value)
{
	(void)value;
	mill_fib_tables_clear(owner);
}

/* The replay after an adoption is complete: what it built is in force. */
static void put_in_force(struct mill_fib_thread *self)
{
	struct mill_fib *old = atomic_load(&self->live);
	if (old == self->writer.fib)
		return;
	self->writer.before = NULL;
	mill_fib_tables_flip(&self->tables);
	pthread_mutex_lock(&self->port_lock);
	atomic_store(&self->live, self->writer.fib);
	pthread_mutex_unlock(&self->port_lock);
	mill_qsbr_defer(&self->qsbr, clear_tables, old, 0);
}

static void apply_record(struct mill_fib_thread *self, const struct mill_fib_record *record)
{
	if (self->skipping && record->op != MILL_FIB_SYNC_BEGIN)
		return;
	self->skipping = false;
	enum mill_fib_result result = mill_fib_writer_apply(&self->writer, record);
	if (result == MILL_FIB_NO_ROOM && record->op != MILL_FIB_SYNC_END && !self->writer.behind) {
		mill_qsbr_drain(&self->qsbr, RETRY_WAIT_MS);
		result = mill_fib_writer_apply(&self->writer, record);
	}
	if (result == MILL_FIB_NO_ROOM)
		mill_fib_writer_give_up(&self->writer);
	self->changes++;
	if (record->op == MILL_FIB_SYNC_END && result == MILL_FIB_APPLIED)
		put_in_force(self);
	if (record->op == MILL_FIB_COMMIT)
		__atomic_store_n(&self->queue->batches, record->value, __ATOMIC_RELEASE);
}

static void report(struct mill_fib_thread *self)
{
	const uint64_t sum = self->writer.failed + self->writer.refused;
	if (sum == self->reported)
		return;
	mill_log("fib: %llu records found no room, %llu were refused",
	         (unsigned long long)self->writer.failed, (unsigned long long)self->writer.refused);
	self->reported = sum;
}

/* One slice of what is committed; false when there is nothing left. */
static bool apply_slice(struct mill_fib_thread *self)
{
	const uint64_t committed = __atomic_load_n(&self->queue->committed, __ATOMIC_ACQUIRE);
	uint64_t at = self->queue->applied;
	if (committed == at)
		return false;
	if (committed - at > MILL_FIB_RECORDS) {
		mill_log("fib: queue says %llu committed, %llu applied: waiting for a replay",
		         (unsigned long long)committed, (unsigned long long)at);
		self->skipping = true;
		at = committed;
	}
	const uint64_t end = committed - at > SLICE ? at + SLICE : committed;
	pthread_mutex_lock(&self->lock);
	for (; at != end; at++) {
		if (end - at > AHEAD)
			mill_fib_writer_expect(&self->writer,
			                       &self->queue->record[(at + AHEAD) & (MILL_FIB_RECORDS - 1)]);
		apply_record(self, &self->queue->record[at & (MILL_FIB_RECORDS - 1)]);
	}
	mill_qsbr_poll(&self->qsbr);
	pthread_mutex_unlock(&self->lock);
	__atomic_store_n(&self->queue->failed, self->writer.failed, __ATOMIC_RELAXED);
	__atomic_store_n(&self->queue->behind, self->writer.behind, __ATOMIC_RELAXED);
	__atomic_store_n(&self->queue->applied, at, __ATOMIC_RELEASE);
	return true;
}

static void signal_done(const struct mill_fib_thread *self)
{
	const uint64_t one = 1;
	const ssize_t written = write(self->done_fd, &one, sizeof(one));
	(void)written; /* EAGAIN: it is readable already */
}

static bool free_what_is_due(struct mill_fib_thread *self)
{
	pthread_mutex_lock(&self->lock);
	const bool left = mill_qsbr_poll(&self->qsbr);
	pthread_mutex_unlock(&self->lock);
	return left;
}

/* How long to sleep unless woken; -1 for ever. */
static int use_spare_time(struct mill_fib_thread *self)
{
	if (free_what_is_due(self))
		return FREE_WAIT_MS;
	if (self->changes < CONDENSE_AT)
		return -1;
	if (mill_fib_tables_condense(self->writer.fib, &self->chunk))
		return CONDENSE_MS;
	self->changes = 0;
	return -1;
}

static void *run(void *argument)
{
	struct mill_fib_thread *self = argument;
	struct pollfd wake = {.fd = self->wake_fd, .events = POLLIN};
	uint64_t count;
	while (!atomic_load(&self->quit)) {
		bool any = false;
		for (uint32_t i = 1; !atomic_load(&self->quit) && apply_slice(self); i++) {
			any = true;
			if (i % 16 == 0) /* a producer may wait for room */
				signal_done(self);
		}
		if (any) {
			report(self);
			signal_done(self);
		}
		if (poll(&wake, 1, use_spare_time(self)) == 1 &&
		    read(self->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
			break;
	}
	return NULL;
}

/* A queue left by a dead engine, or a new one. Takes fd. */
static bool map_queue(struct mill_fib_thread *self, int fd, struct mill_error *error)
{
	struct stat st;
	if (fd >= 0 && (fstat(fd, &st) != 0 || (uint64_t)st.st_size < sizeof(struct mill_fib_queue))) {
		close(fd);
		fd = -1;
	}
	if (fd < 0)
		fd = mill_memory_create("netmill-fib-queue", sizeof(struct mill_fib_queue));
	self->queue_fd = fd;
	if (fd < 0) {
		mill_fail(error, errno, "FIB queue: no memory: %s", strerror(errno));
		return false;
	}
	void *p = mmap(NULL, sizeof(struct mill_fib_queue), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		mill_fail(error, errno, "FIB queue: cannot be mapped: %s", strerror(errno));
		return false;
	}
	self->queue = p;
	return true;
}

static bool open_tables(struct mill_fib_thread *self, int fd, struct mill_error *error)
{
	const bool adopted = fd >= 0 && mill_fib_tables_map(&self->tables, fd);
	if (!adopted && !mill_fib_tables_create(&self->tables, error))
		return false;
	struct mill_fib *live = mill_fib_tables_active(&self->tables);
	atomic_store(&self->live, live);
	self->ports_down = live->ports_down;
	self->skipping = fd >= 0;
	struct mill_fib *own = adopted ? mill_fib_tables_spare(&self->tables) : live;
	mill_fib_tables_clear(own);
	self->writer.fib = own;
	return true;
}

static int take_event(int fd)
{
	return fd >= 0 ? fd : mill_bell_create(false);
}

/* Everything but the thread. What is half done is undone by release(). */
static bool prepare(struct mill_fib_thread *self, const struct mill_fib_thread_options *options,
                    struct mill_error *error)
{
	self->wake_fd = take_event(options->wake_fd);
	self->done_fd = take_event(options->done_fd);
	if (!map_queue(self, options->queue_fd, error) || !open_tables(self, options->tables_fd, error))
		return false;
	if (self->wake_fd < 0 || self->done_fd < 0) {
		mill_fail(error, errno, "FIB: no bell: %s", strerror(errno));
		return false;
	}
	mill_qsbr_init(&self->qsbr, options->state);
	if (!mill_fib_writer_init(&self->writer, self->writer.fib, &self->qsbr, options->ifaces)) {
		mill_fail(error, ENOMEM, "FIB: no address space for the prefix store");
		return false;
	}
	const struct mill_fib *live = atomic_load(&self->live);
	self->writer.before = live != self->writer.fib ? live : NULL;
	set_ports_down(self);
	return true;
}

static void release(struct mill_fib_thread *self)
{
	mill_qsbr_finish(&self->qsbr);
	mill_fib_writer_finish(&self->writer);
	if (self->tables.base != NULL)
		mill_fib_tables_close(&self->tables);
	if (self->queue != NULL)
		munmap(self->queue, sizeof(struct mill_fib_queue));
	const int fds[] = {self->queue_fd, self->wake_fd, self->done_fd};
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(self);
}

static bool start_thread(struct mill_fib_thread *self, struct mill_error *error)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	const int failed = pthread_create(&self->thread, NULL, run, self);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed) {
		mill_fail(error, failed, "FIB: no thread: %s", strerror(failed));
		return false;
	}
	pthread_setname_np(self->thread, "fib-trigger-q0");
	return true;
}

struct mill_fib_thread *mill_fib_thread_start(const struct mill_fib_thread_options *options,
                                              struct mill_error *error)
{
	struct mill_fib_thread *self = calloc(1, sizeof(*self));
	if (self == NULL) {
		mill_fail(error, ENOMEM, "FIB: out of memory");
		return NULL;
	}
	self->queue_fd = -1;
	pthread_mutex_init(&self->lock, NULL);
	pthread_mutex_init(&self->port_lock, NULL);
	if (prepare(self, options, error) && start_thread(self, error))
		return self;
	release(self);
	return NULL;
}

void mill_fib_thread_stop(struct mill_fib_thread *self)
{
	const uint64_t one = 1;
	atomic_store(&self->quit, true);
	const ssize_t written = write(self->wake_fd, &one, sizeof(one));
	(void)written;
	pthread_join(self->thread, NULL);
	release(self);
}

const struct mill_fib *mill_fib_thread_fib(const struct mill_fib_thread *self)
{
	return atomic_load_explicit(&self->live, memory_order_acquire);
}

void mill_fib_thread_keep(struct mill_fib_thread *self, uint32_t methods)
{
	pthread_mutex_lock(&self->lock);
	const uint32_t ready = mill_fib_writer_keep(&self->writer, methods);
	self->changes += CONDENSE_AT; /* huge pages for what is new */
	pthread_mutex_unlock(&self->lock);
	for (uint32_t method = MILL_FIB_RADIX; method <= MILL_FIB_DXR; method++)
		if ((methods & ~ready) >> method & 1)
			mill_log(
			    "fib: lookup '%s' has no room, or more groups than it can name: 'flat' is used",
			    method == MILL_FIB_RADIX ? "radix" : "dxr");
}

void mill_fib_iface_changed(struct mill_fib_thread *self, uint16_t iface_slot)
{
	pthread_mutex_lock(&self->lock);
	if (!mill_fib_writer_iface_changed(&self->writer, iface_slot)) {
		mill_qsbr_drain(&self->qsbr, RETRY_WAIT_MS);
		if (!mill_fib_writer_iface_changed(&self->writer, iface_slot))
			mill_fib_writer_give_up(&self->writer);
	}
	pthread_mutex_unlock(&self->lock);
}

uint32_t mill_fib_thread_held_fds(struct mill_fib_thread *self, struct mill_held_fd *held, uint32_t max)
{
	const struct mill_held_fd all[] = {
	    {{.kind = MILL_HOLD_FIB}, self->tables.fd},
	    {{.kind = MILL_HOLD_FIB_QUEUE}, self->queue_fd},
	    {{.kind = MILL_HOLD_FIB_WAKE}, self->wake_fd},
	    {{.kind = MILL_HOLD_FIB_DONE}, self->done_fd},
	};
	const uint32_t n = max < 4 ? max : 4;
	memcpy(held, all, n * sizeof(all[0]));
	return n;
}

/* The readers' own functions, under the lock: nothing is freed meanwhile. */
bool mill_fib_thread_lookup(struct mill_fib_thread *self, const struct mill_lookup *query,
                            struct mill_lookup_answer *answer)
{
	if (query->family != 4 && query->family != 6 &&
	    (query->family != 0 || query->gateway >= MILL_MAX_GATEWAYS))
		return false;
	pthread_mutex_lock(&self->lock);
	mill_fib_explain(atomic_load(&self->live), query, answer);
	pthread_mutex_unlock(&self->lock);
	return true;
}
