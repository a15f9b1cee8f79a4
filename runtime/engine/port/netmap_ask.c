/* See netmap_ask.h. */
#include "port/netmap_ask.h"
#include <string.h>
#include "port/netmap_sys.h"

int mill_netmap_ask_for(int fd, uint16_t version, uint16_t what, char *name, void *body,
                        struct nmreq_option *option)
{
	struct nmreq_header header = {.nr_version = version,
	                              .nr_reqtype = what,
	                              .nr_options = (uint64_t)(uintptr_t)option,
	                              .nr_body = (uint64_t)(uintptr_t)body};
	memcpy(header.nr_name, name, sizeof(header.nr_name));
	const int result = mill_netmap_sys->request(fd, NIOCCTRL, &header);
	memcpy(name, header.nr_name, sizeof(header.nr_name));
	name[sizeof(header.nr_name) - 1] = '\0';
	return result;
}

int mill_netmap_ask(int fd, uint16_t version, uint16_t what, char *name, void *body)
{
	return mill_netmap_ask_for(fd, version, what, name, body, NULL);
}

/* Asked of the memory that is always there. */
uint16_t mill_netmap_api(int fd)
{
	for (uint16_t version = 14; version <= 15; version++) {
		struct nmreq_port_info_get info = {0};
		char none[NETMAP_REQ_IFNAMSIZ] = "";
		if (mill_netmap_ask(fd, version, NETMAP_REQ_PORT_INFO_GET, none, &info) == 0)
			return version;
	}
	return 0;
}
