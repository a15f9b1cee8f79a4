/*
 * One request to /dev/netmap by NIOCCTRL, of API 14 or 15. Any thread.
 */
#pragma once
#include "port/netmap_request.h"

/* `name`, of NETMAP_REQ_IFNAMSIZ bytes, is what the request is about; netmap may write another one. `body`: the request's own
 * structure, changed by the answer; NULL where it has none. 0, or -1 and errno. */
int mill_netmap_ask(int fd, uint16_t version, uint16_t what, char *name, void *body);
/* The same with an option, which has its own status; NULL: none. */
int mill_netmap_ask_for(int fd, uint16_t version, uint16_t what, char *name, void *body,
                        struct nmreq_option *option);
/* The API that this kernel speaks; 0: only the older requests. */
uint16_t mill_netmap_api(int fd);
