/* The peer's end of a pipe port: see pipe_client.h. */
#include "client/pipe_client.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "ring_sync.h"

static void wake(int fd)
{
	const uint64_t one = 1;
	const ssize_t n = write(fd, &one, sizeof(one));
	(void)n;
}

static int receive_attach(struct mill_pipe_client *client)
{
	int fds[2 + MILL_MAX_RINGS];
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(fds))];
	struct iovec data = {.iov_base = &client->attach, .iov_len = sizeof(client->attach)};
	struct msghdr header = {
	    .msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	const ssize_t n = recvmsg(client->fd, &header, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return -errno;
	if (n != (ssize_t)sizeof(client->attach) || client->attach.magic != MILL_PIPE_MAGIC ||
	    client->attach.abi != MILL_ABI_VERSION)
		return -EPROTO;
	if (client->attach.error != 0)
		return -client->attach.error;
	const struct cmsghdr *control = CMSG_FIRSTHDR(&header);
	if (control == NULL || client->attach.rings > MILL_MAX_RINGS ||
	    control->cmsg_len != CMSG_LEN((2 + client->attach.rings) * sizeof(int)))
		return -EPROTO;
	memcpy(fds, CMSG_DATA(control), control->cmsg_len - CMSG_LEN(0));
	client->region_fd = fds[0];
	client->wake_peer = fds[1];
	memcpy(client->wake_engine, fds + 2, client->attach.rings * sizeof(int));
	return 0;
}

static int map_rings(struct mill_pipe_client *client)
{
	client->size = client->attach.region_size;
	void *base = mmap(NULL, client->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
	                  client->region_fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	client->base = base;
	for (uint32_t i = 0; i < client->attach.rings; i++) {
		struct netmap_ring *tx =
		    (struct netmap_ring *)(void *)(client->base + client->attach.tx_offset[i]);
		struct netmap_ring *rx =
		    (struct netmap_ring *)(void *)(client->base + client->attach.rx_offset[i]);
		client->tx[i] = tx;
		client->rx[i] = rx;
		tx->head = tx->cur = mill_ring_load(tx, &mill_ring_sync(tx)->produced);
		rx->head = rx->cur = mill_ring_load(rx, &mill_ring_sync(rx)->produced);
		mill_ring_produce(tx);
		mill_ring_consume(rx);
	}
	return 0;
}

static void forget(struct mill_pipe_client *client)
{
	memset(client, 0, sizeof(*client));
	client->fd = client->region_fd = client->wake_peer = -1;
	for (uint32_t i = 0; i < MILL_MAX_RINGS; i++)
		client->wake_engine[i] = -1;
}

int mill_pipe_open(struct mill_pipe_client *client, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	forget(client);
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	client->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int code = client->fd < 0 ? -errno : 0;
	if (code == 0 && connect(client->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		code = -errno;
	if (code == 0)
		code = receive_attach(client);
	if (code == 0)
		code = map_rings(client);
	if (code != 0)
		mill_pipe_close(client);
	return code;
}

void mill_pipe_close(struct mill_pipe_client *client)
{
	if (client->base != NULL)
		munmap(client->base, client->size);
	const int fds[] = {client->fd, client->region_fd, client->wake_peer};
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	for (uint32_t i = 0; i < MILL_MAX_RINGS; i++)
		if (client->wake_engine[i] >= 0)
			close(client->wake_engine[i]);
	forget(client);
}

void mill_pipe_tx_sync(struct mill_pipe_client *client, uint32_t ring)
{
	mill_ring_produce(client->tx[ring]);
	if (mill_ring_must_wake(&mill_ring_sync(client->tx[ring])->consumer_asleep))
		wake(client->wake_engine[ring]);
}

void mill_pipe_rx_sync(struct mill_pipe_client *client, uint32_t ring)
{
	mill_ring_consume(client->rx[ring]);
	if (mill_ring_must_wake(&mill_ring_sync(client->rx[ring])->producer_asleep))
		wake(client->wake_engine[ring]);
}

static bool something(struct mill_pipe_client *client, bool room)
{
	bool found = false;
	for (uint32_t i = 0; i < client->attach.rings; i++) {
		mill_ring_consume(client->rx[i]);
		found |= mill_ring_space(client->rx[i]) != 0;
		if (room) {
			mill_ring_produce(client->tx[i]);
			found |= mill_ring_space(client->tx[i]) != 0;
		}
	}
	return found;
}

static void set_asleep(struct mill_pipe_client *client, bool room, uint32_t asleep)
{
	for (uint32_t i = 0; i < client->attach.rings; i++) {
		__atomic_store_n(&mill_ring_sync(client->rx[i])->consumer_asleep, asleep, __ATOMIC_SEQ_CST);
		if (room)
			__atomic_store_n(&mill_ring_sync(client->tx[i])->producer_asleep, asleep,
			                 __ATOMIC_SEQ_CST);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

int mill_pipe_wait(struct mill_pipe_client *client, int timeout_ms, bool room)
{
	struct pollfd fds[2] = {{.fd = client->wake_peer, .events = POLLIN},
	                        {.fd = client->fd, .events = POLLIN | POLLRDHUP}};
	uint64_t value;
	for (uint32_t i = 0; i < client->attach.rings; i++)
		mill_pipe_tx_sync(client, i);
	set_asleep(client, room, 1);
	if (something(client, room)) {
		set_asleep(client, room, 0);
		return 1;
	}
	const int n = poll(fds, 2, timeout_ms);
	if (n > 0 && (fds[0].revents & POLLIN) != 0 && read(client->wake_peer, &value, sizeof(value)) < 0)
		return -errno;
	set_asleep(client, room, 0);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	/* The rings are nobody's then, or already another peer's: not to be looked at. */
	if ((fds[1].revents & (POLLHUP | POLLRDHUP | POLLERR)) != 0)
		return -EPIPE;
	return something(client, room) ? 1 : 0;
}
