/* What else differs between systems. Any thread. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

struct mill_port_ops;

/* The path of the program that runs. False: not to be found out, or longer. */
bool mill_program_path(char *path, size_t size);
/* Who is at the other end of a Unix socket. False: not to be found out. */
bool mill_peer_uid(int socket, uid_t *);
/* Room for so many bytes that wait to be sent, above the usual limit where we may. */
void mill_socket_send_room(int socket, int bytes);
/* Back ends of ports that only this system has; ends with NULL. */
extern const struct mill_port_ops *const mill_system_ports[];
