/* See engine_test.h. */
#include "engine_test.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t started;
static const struct test_engine *described; /* whose state a failure shows */

uint64_t test_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Where packets went, for whoever has to find out why some are missing. */
static void describe_ports(const struct mill_state *state)
{
	for (uint32_t i = 0; i < MILL_MAX_PORTS; i++) {
		const struct mill_port_state *port = &state->port[i];
		if (port->flags != 0 || mill_port_sum(port).rx_packets != 0 ||
		    mill_port_sum(port).tx_packets != 0)
			fprintf(stderr, "  port %u: flags %x, rx %llu, rx dropped %llu, tx %llu\n", i,
			        port->flags, (unsigned long long)mill_port_sum(port).rx_packets,
			        (unsigned long long)mill_port_sum(port).rx_dropped,
			        (unsigned long long)mill_port_sum(port).tx_packets);
	}
}

static void describe_interface(const struct mill_iface_counters *counters, uint32_t worker, uint32_t iface)
{
	fprintf(stderr, "  worker %u, interface %u: rx %llu, tx %llu", worker, iface,
	        (unsigned long long)counters->rx.packets, (unsigned long long)counters->tx.packets);
	for (uint32_t i = 0; i < MILL_PUNT_CLASSES; i++)
		if (counters->punt[i].packets != 0)
			fprintf(stderr, ", punts of class %u %llu", i,
			        (unsigned long long)counters->punt[i].packets);
	for (uint32_t i = 0; i < MILL_DROP_COUNT; i++)
		if (counters->drop[i] != 0)
			fprintf(stderr, ", drops of reason %u %llu", i,
			        (unsigned long long)counters->drop[i]);
	fprintf(stderr, "\n");
}

static void describe(const struct test_engine *engine)
{
	const struct mill_state *state = engine->state;
	char command[128];
	snprintf(command, sizeof(command), "tail -8 %s/engine.log >&2", engine->rundir);
	if (state == NULL || system(command) != 0)
		return;
	describe_ports(state);
	for (uint32_t w = 0; w < MILL_MAX_WORKERS; w++)
		for (uint32_t i = 0; i < MILL_MAX_IFACES; i++)
			if (state->worker[w].iface[i].rx.packets != 0)
				describe_interface(&state->worker[w].iface[i], w, i);
}

void test_abort(void)
{
	if (described != NULL)
		describe(described);
	if (started > 0)
		kill(started, SIGKILL);
	fflush(stdout);
	_exit(1);
}

const char *test_build_dir(void)
{
	static char path[4096];
	const ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	CHECK(n > 0, "%s", strerror(errno));
	path[n] = '\0';
	return dirname(path);
}

const char *engine_buffers = "32768", *engine_buffer_bytes = "2048";

static void launch(struct test_engine *engine, bool adopt)
{
	char program[5000];
	snprintf(program, sizeof(program), "%s/../netmill-engine", test_build_dir());
	engine->pid = started = fork();
	CHECK(started >= 0, "%s", strerror(errno));
	if (started == 0) {
		if (getenv("NETMILL_TEST_VERBOSE") == NULL) {
			char log[128];
			snprintf(log, sizeof(log), "%s/engine.log", engine->rundir);
			const int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
			dup2(fd, STDERR_FILENO);
		}
		execl(program, program, "--rundir", engine->rundir, "--buffers", engine_buffers,
		      "--buffer-bytes", engine_buffer_bytes, adopt ? "--adopt" : NULL, NULL);
		_exit(127);
	}
}

static int connect_unix(const char *path, uint64_t patience_ns)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const uint64_t start = test_now();
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	for (;;) {
		const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
			return fd;
		close(fd);
		CHECK(test_now() - start < patience_ns, "%s: %s", path, strerror(errno));
		usleep(500);
	}
}

static uint32_t find_held(const struct test_engine *engine, const struct mill_hold *hold)
{
	uint32_t i = 0;
	while (i < engine->n_held &&
	       (engine->held[i].hold.kind != hold->kind || engine->held[i].hold.slot != hold->slot ||
	        engine->held[i].hold.index != hold->index))
		i++;
	return i;
}

int engine_held_fd(const struct test_engine *engine, enum mill_hold_kind kind, uint16_t slot, uint16_t index)
{
	const struct mill_hold hold = {.kind = (uint16_t)kind, .slot = slot, .index = index};
	const uint32_t i = find_held(engine, &hold);
	return i < engine->n_held ? engine->held[i].fd : -1;
}

static void keep(struct test_engine *engine, const struct mill_hold *hold, int fd)
{
	const uint32_t i = find_held(engine, hold);
	CHECK(fd >= 0 && i < MAX_HELD, "descriptor of kind %u", hold->kind);
	if (i < engine->n_held)
		close(engine->held[i].fd);
	else
		engine->n_held++;
	engine->held[i].hold = *hold;
	engine->held[i].fd = fd;
}

static void release(struct test_engine *engine, const struct mill_hold *hold)
{
	const uint32_t i = find_held(engine, hold);
	if (i == engine->n_held)
		return;
	close(engine->held[i].fd);
	engine->held[i] = engine->held[--engine->n_held];
}

static bool receive(struct test_engine *engine, struct mill_msg *message, int timeout_ms)
{
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int) * MILL_MSG_FDS)];
	struct iovec data = {.iov_base = message, .iov_len = sizeof(*message)};
	struct msghdr header = {
	    .msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	struct pollfd wait = {.fd = engine->fd, .events = POLLIN};
	int fd = -1;
	if (poll(&wait, 1, timeout_ms) != 1)
		return false;
	const ssize_t n = recvmsg(engine->fd, &header, MSG_CMSG_CLOEXEC);
	CHECK(n > 0, "the engine closed the connection: %s", strerror(errno));
	CHECK((size_t)n == offsetof(struct mill_msg, payload) + message->length, "%zd bytes", n);
	const struct cmsghdr *control = CMSG_FIRSTHDR(&header);
	if (control != NULL)
		memcpy(&fd, CMSG_DATA(control), sizeof(fd));
	if (message->type == MILL_MSG_NOTICE_HOLD)
		keep(engine, (const struct mill_hold *)(const void *)message->payload, fd);
	else if (message->type == MILL_MSG_NOTICE_RELEASE)
		release(engine, (const struct mill_hold *)(const void *)message->payload);
	else if (message->type == MILL_MSG_NOTICE_LINK) {
		engine->n_links++;
		memcpy(&engine->last_link, message->payload, sizeof(engine->last_link));
	} else if (message->type == MILL_MSG_NOTICE_RESOLVE) {
		engine->n_resolves++;
		memcpy(&engine->last_resolve, message->payload, sizeof(engine->last_resolve));
	} else if (message->type == MILL_MSG_NOTICE_NEIGHBOURS) {
		engine->n_neighbours++;
	}
	return true;
}

void engine_listen(struct test_engine *engine, int ms)
{
	struct mill_msg message;
	const uint64_t end = test_now() + (uint64_t)ms * 1000000u;
	while (test_now() < end)
		receive(engine, &message, 1);
}

void engine_listen_for(struct test_engine *engine, const uint32_t *count, uint32_t wanted)
{
	const uint64_t start = test_now();
	while (*count < wanted) {
		CHECK(test_now() - start < PATIENCE_NS, "%u notices, got %u", wanted, *count);
		engine_listen(engine, 5);
	}
}

int engine_request(struct test_engine *engine, enum mill_msg_type type, const void *payload, uint32_t length,
                   const int *fds, uint32_t n_fds, struct mill_msg *answer)
{
	struct mill_msg message = {.type = (uint16_t)type, .serial = ++engine->serial, .length = length},
	                reply;
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int) * MILL_MSG_FDS)] = {0};
	struct iovec data = {.iov_base = &message, .iov_len = sizeof(message)};
	struct msghdr header = {.msg_iov = &data, .msg_iovlen = 1};
	if (length != 0)
		memcpy(message.payload, payload, length);
	if (n_fds != 0) {
		header.msg_control = room;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *control = CMSG_FIRSTHDR(&header);
		control->cmsg_level = SOL_SOCKET;
		control->cmsg_type = SCM_RIGHTS;
		control->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(control), fds, sizeof(int) * n_fds);
	}
	CHECK(sendmsg(engine->fd, &header, MSG_NOSIGNAL) == (ssize_t)sizeof(message), "%s", strerror(errno));
	for (;;) {
		CHECK(receive(engine, &reply, 20000), "no answer to message %d", (int)type);
		if (reply.type == type && reply.serial == message.serial)
			break;
	}
	if (reply.error != 0)
		snprintf(engine->error, sizeof(engine->error), "%s", (const char *)reply.payload);
	if (answer != NULL)
		*answer = reply;
	return reply.error;
}

void engine_connect(struct test_engine *engine)
{
	char path[128];
	struct mill_msg answer;
	snprintf(path, sizeof(path), "%s/engine.sock", engine->rundir);
	engine->fd = connect_unix(path, 5000000000u);
	CHECK(engine_request(engine, MILL_MSG_HELLO, NULL, 0, NULL, 0, &answer) == 0, "%s", engine->error);
	memcpy(&engine->hello, answer.payload, sizeof(engine->hello));
	while (answer.type != MILL_MSG_NOTICE_HELLO_DONE)
		CHECK(receive(engine, &answer, 5000), "no end of HELLO");
	const int fd = engine_held_fd(engine, MILL_HOLD_STATE, 0, 0);
	if (fd >= 0 && engine->state == NULL) {
		engine->state =
		    mmap(NULL, sizeof(struct mill_state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		CHECK(engine->state != MAP_FAILED, "%s", strerror(errno));
	}
}

void engine_start(struct test_engine *engine)
{
	memset(engine, 0, sizeof(*engine));
	described = engine;
	snprintf(engine->rundir, sizeof(engine->rundir), "/tmp/netmill-test-%d-XXXXXX", (int)getpid());
	CHECK(mkdtemp(engine->rundir) != NULL, "%s", strerror(errno));
	engine_start_again(engine);
}

void engine_forget(struct test_engine *engine)
{
	int status;
	waitpid(engine->pid, &status, 0);
	close(engine->fd);
	for (uint32_t i = 0; i < engine->n_held; i++)
		close(engine->held[i].fd);
	munmap(engine->state, sizeof(struct mill_state));
	engine->state = NULL;
	engine->n_held = 0;
}

void engine_start_again(struct test_engine *engine)
{
	launch(engine, false);
	engine_connect(engine);
	CHECK(engine->hello.abi == MILL_ABI_VERSION && engine->hello.pid == (uint64_t)engine->pid, "pid");
}

uint64_t engine_adopt(struct test_engine *engine)
{
	const uint64_t start = test_now();
	int status;
	waitpid(engine->pid, &status, 0);
	close(engine->fd);
	launch(engine, true);
	engine_connect(engine);
	CHECK(engine->hello.adopting == 1, "adopting");
	for (uint32_t i = 0; i < engine->n_held; i++) {
		const int fd = engine->held[i].fd;
		CHECK(engine_request(engine, MILL_MSG_ADOPT, &engine->held[i].hold, sizeof(struct mill_hold),
		                     &fd, 1, NULL) == 0,
		      "%s", engine->error);
	}
	CHECK(engine_request(engine, MILL_MSG_ADOPT_DONE, NULL, 0, NULL, 0, NULL) == 0, "%s", engine->error);
	return test_now() - start;
}

int engine_prepare(struct test_engine *engine, const struct mill_config *config, const char *forwarder)
{
	char path[5000];
	snprintf(path, sizeof(path), "%s/%s.so", test_build_dir(), forwarder);
	const int fds[2] = {memfd_create("config", MFD_CLOEXEC), open(path, O_RDONLY | O_CLOEXEC)};
	CHECK(fds[1] >= 0, "%s: %s", path, strerror(errno));
	CHECK(write(fds[0], config, sizeof(*config)) == (ssize_t)sizeof(*config), "%s", strerror(errno));
	const int error = engine_request(engine, MILL_MSG_PREPARE, NULL, 0, fds, 2, NULL);
	close(fds[0]);
	close(fds[1]);
	return error;
}

int engine_commit(struct test_engine *engine, uint64_t generation, uint64_t expected)
{
	const struct mill_commit commit = {.generation = generation, .expected_running = expected};
	return engine_request(engine, MILL_MSG_COMMIT, &commit, sizeof(commit), NULL, 0, NULL);
}

void engine_deploy(struct test_engine *engine, const struct mill_config *config, const char *forwarder)
{
	CHECK(engine_prepare(engine, config, forwarder) == 0, "%s", engine->error);
	CHECK(engine_commit(engine, config->generation, engine->state->running) == 0, "%s", engine->error);
	CHECK(engine->state->running == config->generation, "%llu",
	      (unsigned long long)engine->state->running);
}

void engine_stop(struct test_engine *engine)
{
	int status = -1;
	char command[128];
	CHECK(engine_request(engine, MILL_MSG_STOP, NULL, 0, NULL, 0, NULL) == 0, "%s", engine->error);
	CHECK(waitpid(engine->pid, &status, 0) == engine->pid && WIFEXITED(status) &&
	          WEXITSTATUS(status) == 0,
	      "exit status %d", status);
	started = 0;
	close(engine->fd);
	for (uint32_t i = 0; i < engine->n_held; i++)
		close(engine->held[i].fd);
	snprintf(command, sizeof(command), "rm -r '%s'", engine->rundir);
	CHECK(system(command) == 0, "%s", command);
}

struct mill_config *config_make(uint64_t generation, uint32_t n, const char *const *specs)
{
	struct mill_config *config = calloc(1, sizeof(*config));
	config->magic = MILL_CONFIG_MAGIC;
	config->abi = MILL_ABI_VERSION;
	config->generation = generation;
	config->n_ports = config->n_ifaces = (uint16_t)n;
	config->n_rules = n;
	config->n_workers = 1;
	config->worker[0].core = -1;
	for (uint32_t i = 0; i < MILL_PUNT_CLASSES; i++)
		config->punt_rate[i] = i >= MILL_PUNT_TTL ? 1000 : 20000;
	for (uint32_t i = 0; i < n; i++) {
		snprintf(config->port[i].name, MILL_NAME_SIZE, "p%u", i);
		snprintf(config->port[i].spec, MILL_SPEC_SIZE, "%s", specs[i]);
		snprintf(config->iface[i].name, MILL_NAME_SIZE, "p%u", i);
		config->port[i].slot = config->iface[i].slot = config->iface[i].port = (uint16_t)i;
		config->worker[0].rx_rings[i] = 0xffff;
		config->iface[i].host = MILL_HOST_NETDEV;
		config->rule_slot[i] = i;
	}
	return config;
}

void config_slot(struct mill_config *config, uint32_t local, uint16_t slot)
{
	config->port[local].slot = config->iface[local].slot = config->iface[local].port = slot;
	config->rule_slot[local] = slot;
}

void pipe_connect(struct test_engine *engine, struct mill_pipe_client *client, const char *name)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/pipe/%s.sock", engine->rundir, name);
	const uint64_t start = test_now();
	int code;
	/* The engine may not have noticed yet that the peer before has gone. */
	while ((code = mill_pipe_open(client, path)) == -EBUSY && test_now() - start < 2000000000u)
		usleep(1000);
	CHECK(code == 0, "%s: %s", path, strerror(-code));
}

/* --- flows ---------------------------------------------------------------------------------------------- */

struct numbered {
	uint8_t ethernet[14];
	uint8_t pad[2];
	uint32_t id;
	uint64_t number, check;
	uint8_t rest[24];
};

static void *send_flow(void *argument)
{
	struct flow *flow = argument;
	struct netmap_ring *tx = flow->from->tx[flow->from_ring];
	while (!atomic_load(&flow->stop)) {
		uint32_t n = 0;
		while (n < 32 && mill_ring_space(tx) > 0 &&
		       flow->sent - (flow->received + flow->lost) < flow->window) {
			struct netmap_slot *slot = &tx->slot[tx->head];
			struct numbered packet = {.id = flow->id, .number = flow->sent, .check = ~flow->sent};
			packet.ethernet[12] = 8;
			mill_slot_set_offset(tx, slot, MILL_HEADROOM);
			memcpy(mill_ring_buffer(tx, slot), &packet, sizeof(packet));
			slot->len = sizeof(packet);
			slot->flags = 0;
			tx->head = tx->cur = mill_ring_next(tx, tx->head);
			atomic_fetch_add(&flow->sent, 1);
			n++;
		}
		mill_pipe_tx_sync(flow->from, flow->from_ring);
		if (n == 0)
			sched_yield();
	}
	return NULL;
}

static void take_packet(struct flow *flow, const struct netmap_ring *rx, const struct netmap_slot *slot)
{
	struct numbered packet;
	if (slot->len != sizeof(packet)) {
		flow->damaged++;
		return;
	}
	memcpy(&packet, mill_ring_buffer(rx, slot), sizeof(packet));
	const uint64_t expected = flow->received + flow->lost;
	if (packet.id != flow->id || packet.check != ~packet.number) {
		flow->damaged++;
		return;
	}
	if (packet.number < expected) {
		flow->reordered++;
		return;
	}
	flow->lost += packet.number - expected;
	flow->received++;
}

static void *receive_flow(void *argument)
{
	struct flow *flow = argument;
	struct netmap_ring *rx = flow->to->rx[flow->to_ring];
	uint64_t last = test_now(), stopped = 0;
	for (;;) {
		mill_pipe_rx_sync(flow->to, flow->to_ring);
		const uint32_t n = mill_ring_space(rx);
		const uint64_t now = test_now();
		if (n == 0) {
			/* Not at `stop`: the sender may be about to send one more burst. */
			if (atomic_load(&flow->all_sent) && stopped == 0)
				stopped = now;
			if (stopped != 0 &&
			    (flow->received + flow->lost >= flow->sent || now - stopped > 5000000000u))
				return NULL;
			sched_yield();
			continue;
		}
		if (now - last > flow->max_gap_ns)
			flow->max_gap_ns = now - last;
		last = now;
		for (uint32_t i = 0; i < n; i++, rx->cur = mill_ring_next(rx, rx->cur))
			take_packet(flow, rx, &rx->slot[rx->cur]);
		rx->head = rx->cur;
	}
}

void flow_start(struct flow *flow)
{
	CHECK(pthread_create(&flow->receiver, NULL, receive_flow, flow) == 0 &&
	          pthread_create(&flow->sender, NULL, send_flow, flow) == 0,
	      "threads");
	const uint64_t start = test_now();
	while (atomic_load(&flow->received) == 0)
		CHECK(test_now() - start < 5000000000u, "%s: packets flow", flow->name);
}

void flow_stop(struct flow *flow)
{
	atomic_store(&flow->stop, true);
	pthread_join(flow->sender, NULL);
	atomic_store(&flow->all_sent, true);
	pthread_join(flow->receiver, NULL);
	flow->lost += flow->sent - flow->received - flow->lost;
	printf("%s: sent %llu, received %llu, lost %llu, reordered %llu, damaged %llu, longest gap %.2f ms\n",
	       flow->name, (unsigned long long)flow->sent, (unsigned long long)flow->received,
	       (unsigned long long)flow->lost, (unsigned long long)flow->reordered,
	       (unsigned long long)flow->damaged, (double)flow->max_gap_ns / 1e6);
	CHECK(flow->sent > 0 && flow->lost == 0 && flow->reordered == 0 && flow->damaged == 0,
	      "every packet once");
}
