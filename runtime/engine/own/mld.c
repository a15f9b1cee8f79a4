/*
 * own.h: Multicast Listener Discovery, the listener's part of RFC 3810, so that switches that listen in let Neighbour Discovery
 * through: all routers, and the solicited-node group of each address. All nodes is never told of (§6). A querier that
 * speaks the first version only is answered so (RFC 2710). Lock held.
 */
#include <string.h>
#include "icmp_message.h"
#include "netmill/parse.h"
#include "own/own.h"

enum { QUERY = 130, REPORT1 = 131, DONE1 = 132, REPORT = 143 };
enum { IS_EXCLUDE = 2, TO_INCLUDE = 3, TO_EXCLUDE = 4 };               /* §5.2.12: nothing excluded is all */
enum { ALERT = 8, HEAD = 8, RECORD = 20, MESSAGE1 = 24, QUERY2 = 28 }; /* bytes */

#define ROBUSTNESS       2                     /* §9.1 */
#define FIRST_VERSION_NS (260 * MILL_NS_PER_S) /* §9.12, for the queriers' usual intervals */

static const uint8_t all_routers[16] = {0xff, 2, [15] = 2}, all_nodes[16] = {0xff, 2, [15] = 1};
static const uint8_t all_listeners[16] = {0xff, 2, [15] = 0x16}; /* routers that speak RFC 3810 */

/* --- groups ------------------------------------------------------------------------------------------------- */

static bool among(const uint8_t groups[][16], uint32_t n, const uint8_t *group)
{
	for (uint32_t i = 0; i < n; i++)
		if (memcmp(groups[i], group, 16) == 0)
			return true;
	return false;
}

static void add(uint8_t groups[][16], uint8_t *n, const uint8_t *group)
{
	if (*n < MILL_OWN_GROUPS && !among((const uint8_t(*)[16])groups, *n, group))
		memcpy(groups[(*n)++], group, 16);
}

void mill_mld_groups(struct mill_own_iface *iface)
{
	struct mill_own_groups *groups = &iface->groups, before = *groups;
	uint8_t group[16];
	groups->n = 0;
	for (uint32_t i = 0; i < iface->n_addresses; i++) {
		if (iface->address[i].is.family != 6)
			continue;
		add(groups->joined, &groups->n, all_routers);
		mill_nd_group(group, iface->address[i].is.bytes);
		add(groups->joined, &groups->n, group);
	}
	for (uint32_t i = 0; i < before.n; i++)
		if (!among((const uint8_t(*)[16])groups->joined, groups->n, before.joined[i]))
			add(groups->left, &groups->n_left, before.joined[i]);
	if (groups->n == before.n && memcmp(groups->joined, before.joined, groups->n * 16u) == 0)
		return;
	groups->changes = ROBUSTNESS;
	groups->change_ns = 0;
}

void mill_mld_join(struct mill_own_iface *iface, uint64_t now)
{
	iface->groups.changes = ROBUSTNESS;
	iface->groups.change_ns = now;
}

/* --- reports ------------------------------------------------------------------------------------------------ */

/* §5.2.13: from the link-local address, or from nobody while there is none. */
static const uint8_t *source_of(const struct mill_own_iface *iface)
{
	static const uint8_t nobody[16];
	for (uint32_t i = 0; i < iface->n_addresses; i++) {
		const struct mill_own_address *one = &iface->address[i];
		if (one->state == MILL_OWN_OURS && one->is.family == 6 && one->is.bytes[0] == 0xfe)
			return one->is.bytes;
	}
	return nobody;
}

/* The ICMPv6 message of `length` bytes stands behind both headers already, its checksum is zero. */
static void say(struct mill_worker *worker, uint16_t slot, uint8_t *frame, const uint8_t *destination,
                uint32_t length)
{
	static const uint8_t alert[ALERT] = {MILL_ICMPV6, 0, 5, 2, 0, 0, 1, 0}; /* RFC 2711, and padding */
	uint8_t *ip = frame + 2, *icmp = ip + MILL_IPV6_HEADER + ALERT, mac[6];
	mill_store16(frame, MILL_ETHER_IPV6);
	ip[0] = 0x60;
	mill_store16(ip + 4, (uint16_t)(ALERT + length));
	ip[7] = 1; /* hop limit; ip[6], 0: options for every hop follow */
	memcpy(ip + 8, source_of(&mill_own_of(worker)->iface[slot]), 16);
	memcpy(ip + 24, destination, 16);
	memcpy(ip + MILL_IPV6_HEADER, alert, ALERT);
	mill_store16(icmp + 2,
	             mill_sum_fold(mill_sum16(ip + 8, 32) + MILL_ICMPV6 + length + mill_sum16(icmp, length)));
	mill_nd_group_mac(mac, destination);
	mill_own_transmit(worker, slot, mac, frame, (uint16_t)(2 + MILL_IPV6_HEADER + ALERT + length),
	                  MILL_SAID_LISTENER);
}

static uint8_t *message_of(uint8_t *frame)
{
	return frame + 2 + MILL_IPV6_HEADER + ALERT;
}

static void say_first(struct mill_worker *worker, uint16_t slot, uint8_t type, const uint8_t *group)
{
	uint8_t frame[2 + MILL_IPV6_HEADER + ALERT + MESSAGE1] = {0}, *icmp = message_of(frame);
	icmp[0] = type;
	memcpy(icmp + 8, group, 16);
	say(worker, slot, frame, type == DONE1 ? all_routers : group, MESSAGE1);
}

static uint32_t write_records(uint8_t *message, uint8_t type, const uint8_t groups[][16], uint32_t n)
{
	const uint32_t before = mill_load16(message + 6);
	for (uint32_t i = 0; i < n; i++) {
		message[HEAD + (before + i) * RECORD] = type;
		memcpy(message + HEAD + (before + i) * RECORD + 4, groups[i], 16);
	}
	mill_store16(message + 6, (uint16_t)(before + n));
	return HEAD + (before + n) * RECORD;
}

static void report(struct mill_worker *worker, uint16_t slot, uint8_t type)
{
	const struct mill_own_groups *groups = &mill_own_of(worker)->iface[slot].groups;
	uint8_t frame[2 + MILL_IPV6_HEADER + ALERT + HEAD + 2 * MILL_OWN_GROUPS * RECORD] = {0};
	uint8_t *message = message_of(frame);
	const uint32_t n_left = type == TO_EXCLUDE ? groups->n_left : 0;
	if (groups->first_version_ns > worker->now_ns) {
		for (uint32_t i = 0; i < groups->n; i++)
			say_first(worker, slot, REPORT1, groups->joined[i]);
		for (uint32_t i = 0; i < n_left; i++)
			say_first(worker, slot, DONE1, groups->left[i]);
		return;
	}
	message[0] = REPORT;
	uint32_t length = write_records(message, type, groups->joined, groups->n);
	if (n_left != 0)
		length = write_records(message, TO_INCLUDE, groups->left, n_left);
	say(worker, slot, frame, all_listeners, length);
}

void mill_mld_tick(struct mill_worker *worker, uint16_t slot)
{
	struct mill_own_groups *groups = &mill_own_of(worker)->iface[slot].groups;
	const uint64_t now = worker->now_ns;
	if (groups->n + groups->n_left == 0)
		return;
	if (groups->changes != 0 && groups->change_ns <= now) {
		report(worker, slot, TO_EXCLUDE);
		groups->change_ns = now + mill_own_random(mill_own_of(worker)) % MILL_NS_PER_S; /* §9.11 */
		if (--groups->changes == 0)
			groups->n_left = 0;
	}
	if (groups->answer_ns != 0 && groups->answer_ns <= now) {
		groups->answer_ns = 0;
		report(worker, slot, IS_EXCLUDE);
	}
}

/* --- queries ------------------------------------------------------------------------------------------------ */

/* RFC 2711: the option among those for every hop. */
static bool alerts(const uint8_t *header, uint32_t bytes)
{
	for (uint32_t at = 2; at < bytes;) {
		if (header[at] == 0) { /* one byte of padding */
			at++;
			continue;
		}
		if (header[at] == 5)
			return true;
		if (bytes - at < 2)
			return false;
		at += 2u + header[at + 1];
	}
	return false;
}

/* §6.2: what is not so must not be heeded. NULL, too, for what is no query. `length` becomes that of the message. */
static const uint8_t *read_query(const uint8_t *ip, uint32_t bytes, uint32_t *length)
{
	const uint32_t payload = bytes < MILL_IPV6_HEADER + ALERT ? 0 : mill_load16(ip + 4);
	const uint8_t *options = ip + MILL_IPV6_HEADER;
	if (payload < ALERT || payload > bytes - MILL_IPV6_HEADER || ip[6] != 0 || ip[7] != 1 ||
	    ip[8] != 0xfe || (ip[9] & 0xc0) != 0x80 || options[0] != MILL_ICMPV6)
		return NULL;
	const uint32_t before = 8u + options[1] * 8u;
	if (before > payload || payload - before < MESSAGE1 || !alerts(options, before))
		return NULL;
	*length = payload - before;
	const uint8_t *icmp = options + before;
	const uint32_t sum = mill_sum16(ip + 8, 32) + MILL_ICMPV6 + *length + mill_sum16(icmp, *length);
	return icmp[0] == QUERY && mill_sum_fold(sum) == 0 ? icmp : NULL;
}

/* §5.1.3: milliseconds, beyond 32767 as mantissa and exponent. */
static uint64_t longest_delay(const uint8_t *icmp, bool first_version)
{
	const uint32_t code = mill_load16(icmp + 4);
	const uint64_t ms = code < 32768 || first_version
	                        ? code
	                        : (uint64_t)((code & 0xfff) | 0x1000) << ((code >> 12 & 7) + 3);
	return ms * (MILL_NS_PER_S / 1000);
}

bool mill_mld_receive(struct mill_worker *worker, uint16_t slot, const uint8_t *frame, uint16_t len,
                      uint16_t l3)
{
	static const uint8_t every[16];
	struct mill_own_groups *groups = &mill_own_of(worker)->iface[slot].groups;
	uint32_t length;
	const uint8_t *icmp = read_query(frame + l3, len - (uint32_t)l3, &length);
	if (icmp == NULL || (length > MESSAGE1 && length < QUERY2))
		return true; /* reports of others, and what must not be heeded */
	const bool general = memcmp(icmp + 8, every, 16) == 0;
	if (general ? memcmp(frame + l3 + 24, all_nodes, 16) != 0
	            : !among((const uint8_t(*)[16])groups->joined, groups->n, icmp + 8))
		return true;
	const uint64_t longest = longest_delay(icmp, length == MESSAGE1), now = worker->now_ns;
	const uint64_t answer_ns = now + mill_own_random(mill_own_of(worker)) % (longest + 1);
	if (length == MESSAGE1)
		groups->first_version_ns = now + FIRST_VERSION_NS;
	if (groups->answer_ns == 0 || answer_ns < groups->answer_ns) /* §6.2: one answer for all */
		groups->answer_ns = answer_ns;
	return true;
}
