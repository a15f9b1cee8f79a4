/*
 * Specs of netmap ports, in the notation of netmap(4) and its library, and Cloudflare's `~` for a single RX queue:
 *
 *   netmap:ix0  ix0*  ix0+   all ring pairs, the host path by the host rings
 *   netmap:ix0-2             ring pair 2
 *   netmap:ix0-2/R  ix0~2    RX ring 2 alone, everything else stays with the kernel
 *   netmap:ix0^              the host rings in place of a wire
 *   netmap:ix0/r /t /rt /z…  a monitor: copies of what is received, sent, both; z without copying
 *   netmap:vale0:p           a port of a VALE switch
 *   netmap:x{1  netmap:x}1   the ends of a pipe
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "port/netmap.h"

static bool refuse(const struct mill_port_config *config, const char *why, struct mill_error *error)
{
	mill_fail(
	    error, EINVAL,
	    "port %s: '%s': %s; expected netmap:IF, IF-N, IF-N/R, IF~N, IF^, IF*, IF+, IF/r (t, z), valeX:P, "
	    "NAME{ID or NAME}ID",
	    config->name, config->spec, why);
	return false;
}

static bool is_name(const char *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-", at[i]) ==
		    NULL)
			return false;
	return n > 0;
}

/* Letters after '/': 'x' is what netmill asks for anyway. */
static const char *read_flags(const char *at, struct mill_netmap_spec *spec, bool *rx_only)
{
	for (; *at != '\0'; at++)
		switch (*at) {
		case 'x':
			break;
		case 'r':
			spec->monitor |= NR_MONITOR_RX;
			break;
		case 't':
			spec->monitor |= NR_MONITOR_TX;
			break;
		case 'z':
			spec->monitor |= NR_ZCOPY_MON;
			break;
		case 'R':
			*rx_only = true;
			break;
		default:
			return "unknown letter after '/'";
		}
	if (spec->monitor == NR_ZCOPY_MON)
		spec->monitor |= NR_MONITOR_RX | NR_MONITOR_TX;
	return NULL;
}

/* `end`: behind the name. False: no ring number there. */
static bool read_ring(const char *at, const char *end, uint16_t *ring)
{
	char *stop;
	if (at == end || *at < '0' || *at > '9')
		return false;
	const unsigned long n = strtoul(at, &stop, 10);
	*ring = (uint16_t)n;
	return stop == end && n < 4096;
}

/* The mode behind the name; shortens `end` to the name. */
static const char *read_mode(const char *name, const char **end, struct mill_netmap_spec *spec, bool *rx_only)
{
	const char *last = *end - 1;
	if (*end == name)
		return "no name";
	if (*last == '^' || *last == '*' || *last == '+') {
		spec->kind = *last == '^' ? MILL_NETMAP_HOST : MILL_NETMAP_NIC;
		*end = last;
		return NULL;
	}
	while (last > name && *last >= '0' && *last <= '9')
		last--;
	if ((*last != '-' && *last != '~') || last == name)
		return NULL;
	if (!read_ring(last + 1, *end, &spec->ring))
		return *last == '~' ? "no ring number after '~'" : NULL;
	spec->kind = MILL_NETMAP_ONE_RING;
	*rx_only |= *last == '~';
	*end = last;
	return NULL;
}

static const char *read_name(const char *name, size_t n, struct mill_netmap_spec *spec)
{
	const char *brace = memchr(name, '{', n), *colon = memchr(name, ':', n);
	const size_t vale = colon != NULL ? (size_t)(colon - name) + 1 : 0;
	if (brace == NULL)
		brace = memchr(name, '}', n);
	const size_t port = (brace != NULL ? (size_t)(brace - name) : n) - vale;
	if (n >= sizeof(spec->name))
		return "the name is too long";
	if (colon != NULL && (strncmp(name, "vale", 4) != 0 || (vale > 5 && !is_name(name + 4, vale - 5))))
		return "only names of VALE switches have a colon";
	if (!is_name(name + vale, port) || (brace != NULL && !is_name(brace + 1, n - vale - port - 1)))
		return "not a name";
	memcpy(spec->name, name, n);
	spec->is_pipe = brace != NULL;
	if (colon == NULL && port < sizeof(spec->parent))
		memcpy(spec->parent, name, port);
	if (colon != NULL || brace != NULL) {
		if (spec->kind != MILL_NETMAP_NIC)
			return "VALE ports and pipes have neither ring numbers nor host rings";
		spec->kind = MILL_NETMAP_VIRTUAL;
		return NULL;
	}
	if (n >= sizeof(spec->ifname))
		return "an interface's name has at most 15 characters";
	memcpy(spec->ifname, name, n);
	return NULL;
}

bool mill_netmap_spec_parse(const struct mill_port_config *config, struct mill_netmap_spec *spec,
                            struct mill_error *error)
{
	const char *name = config->spec + strlen("netmap:"), *end = strchr(name, '/'), *why = NULL;
	bool rx_only = false;
	*spec = (struct mill_netmap_spec){.kind = MILL_NETMAP_NIC};
	if (end != NULL)
		why = end[1] == '\0' ? "no letter after '/'" : read_flags(end + 1, spec, &rx_only);
	else
		end = name + strlen(name);
	if (why == NULL)
		why = read_mode(name, &end, spec, &rx_only);
	if (why == NULL)
		why = read_name(name, (size_t)(end - name), spec);
	if (why == NULL && rx_only && spec->kind != MILL_NETMAP_ONE_RING)
		why = "'R' is for a single queue, IF-N/R";
	if (why == NULL && spec->monitor != 0 && (rx_only || spec->kind != MILL_NETMAP_NIC))
		why = "monitors are of a whole interface";
	if (why != NULL)
		return refuse(config, why, error);
	if (rx_only)
		spec->kind = MILL_NETMAP_RX_QUEUE;
	if (spec->monitor != 0) {
		spec->kind = MILL_NETMAP_MONITOR;
		spec->ifname[0] = '\0';
	}
	return true;
}
