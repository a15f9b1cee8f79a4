/* os/system.h: unix(7), socket(7), and the ports that only Linux has. */
#include "os/system.h"
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>
#include "port/port.h"

bool mill_program_path(char *path, size_t size)
{
	const ssize_t n = readlink("/proc/self/exe", path, size);
	if (n <= 0 || (size_t)n >= size)
		return false;
	path[n] = '\0';
	return true;
}

bool mill_peer_uid(int socket, uid_t *uid)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
		return false;
	*uid = peer.uid;
	return true;
}

void mill_socket_send_room(int socket, int bytes)
{
	if (setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) != 0)
		(void)setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

const struct mill_port_ops *const mill_system_ports[] = {&mill_port_xdp, &mill_port_tap, NULL};
