/*
 * ICMP errors that the engine sends itself, where the kernel cannot be asked: it would judge the packet by its own
 * table (a rule has diverted it), or there is no kernel behind the interface. The message goes by the FIB to the
 * packet's source; it comes from the address of the router that the packet was for (RFC 4443 §2.2 (a), RFC 1122 §3.2.2), else
 * from one of the interface that the message leaves by (RFC 1812 §4.3.2.4), in IPv6 of the one where the packet came in, if that is
 * still known, as this says more (RFC 4443 §2.2 (b)); or of another one if that has none. So the kernel has it in both families. At most
 * so many a second (RFC 4443 §2.4 (f)), a bucket a worker.
 * Echo replies (own/answers.c) take the same way. Everything runs on its worker.
 */
#include "engine.h"
#include "icmp_message.h"
#include "netmill/checks.h"
#include "own/own.h"

#define PER_SECOND 1000ull
#define DEPTH_NS   (MILL_NS_PER_S / 10)

#define SMALLEST_MTU 68u /* RFC 791: holds the headers and something of the packet */

static const uint8_t *address_of(const struct mill_iface *iface, uint8_t family)
{
	static const uint8_t none[16];
	const uint8_t *address = family == 4 ? iface->address4 : iface->address6;
	return memcmp(address, none, family == 4 ? 4 : 16) == 0 ? NULL : address;
}

static const uint8_t *source_of(struct mill_worker *worker, uint16_t iface, uint8_t family)
{
	const uint8_t *source = address_of(&worker->ifaces[iface], family);
	for (uint32_t slot = 0; source == NULL && slot < MILL_MAX_IFACES; slot++)
		source = worker->ifaces[slot].up ? address_of(&worker->ifaces[slot], family) : NULL;
	return source != NULL && family == 6 && mill_own_unverified(worker, source) ? NULL : source;
}

/* The subnet-router anycast address speaks for nobody (RFC 4443 §2.2 (b)): of a network of 64 bits its last 64 are 0, and of others
 * it is known where the engine itself has the address. */
static bool is_anycast(struct mill_worker *worker, uint16_t iface, const struct mill_packet *about)
{
	struct mill_own *own = mill_own_of(worker);
	if (about->family == 4 || about->dst6.low == 0 || iface >= MILL_MAX_IFACES)
		return about->family == 6 && about->dst6.low == 0;
	pthread_mutex_lock(&own->lock);
	const bool anycast =
	    mill_own_anycast(own, iface, about->l3 + 24) && !mill_own_has(own, iface, 6, about->l3 + 24);
	pthread_mutex_unlock(&own->lock);
	return anycast;
}

/* The address of ours that the packet was for; NULL: it was for somebody else. */
static const uint8_t *asked(struct mill_worker *worker, uint16_t iface, const struct mill_packet *about)
{
	const uint8_t *address = about->l3 + (about->family == 4 ? 16 : 24);
	uint32_t group;
	if (about->family == 4)
		mill_fib_lookup4(worker->fib, &about->dst4, &group, 1);
	else
		mill_fib_lookup6(worker->fib, (const uint8_t(*)[16])address, &group, 1);
	if (mill_fib_select(worker->fib, group, 0)->kind != MILL_ADJ_LOCAL ||
	    is_anycast(worker, iface, about) || (about->family == 6 && mill_own_unverified(worker, address)))
		return NULL;
	return address;
}

/* A message costs NS_PER_S of credit, a nanosecond earns PER_SECOND of it. */
bool mill_icmp_conforms(const struct mill_worker_thread *worker, struct mill_credit *credit)
{
	const uint64_t now = worker->base.now_ns, passed = now - credit->refilled_ns;
	const uint64_t earned = (passed < DEPTH_NS ? passed : DEPTH_NS) * PER_SECOND;
	const uint64_t most = DEPTH_NS * PER_SECOND, left = credit->left + earned;
	credit->refilled_ns = now;
	credit->left = left < most ? left : most;
	if (credit->left < MILL_NS_PER_S)
		return false;
	credit->left -= MILL_NS_PER_S;
	return true;
}

const struct mill_adjacency *mill_icmp_way_back(const struct mill_worker *worker, const struct mill_packet *p)
{
	const struct mill_adjacency *path;
	uint32_t group;
	if (p->family == 4)
		mill_fib_lookup4(worker->fib, &p->src4, &group, 1);
	else
		mill_fib_lookup6(worker->fib, (const uint8_t(*)[16])(p->l3 + 8), &group, 1);
	path = mill_fib_select(worker->fib, group, 0);
	return path->kind == MILL_ADJ_FORWARD || path->kind == MILL_ADJ_RESOLVE ||
	               path->kind == MILL_ADJ_GLEAN
	           ? path
	           : NULL;
}

bool mill_icmp_send(struct mill_worker *worker, const struct mill_adjacency *path, const uint8_t *frame,
                    uint32_t len, uint8_t family)
{
	enum mill_drop why;
	if (len - MILL_LINK > path->mtu) /* nothing of IPv6 is cut up here, nor sent where it does not fit */
		return family == 4 &&
		       mill_service_fragment(worker, path->id, frame, (uint16_t)len, MILL_LINK);
	if (path->kind == MILL_ADJ_FORWARD)
		return mill_emit(worker, path, frame, (uint16_t)len, MILL_LINK, &why);
	return mill_service_defer(worker, path->id, frame + MILL_LINK + (family == 4 ? 16 : 24), frame,
	                          (uint16_t)len, MILL_LINK);
}

bool mill_send_to_source(struct mill_worker *worker, const uint8_t *frame, uint32_t len,
                         const struct mill_packet *about, enum mill_said what)
{
	const struct mill_adjacency *path = mill_icmp_way_back(worker, about);
	if (path == NULL || path->iface >= MILL_MAX_IFACES ||
	    !mill_icmp_send(worker, path, frame, len, about->family))
		return false;
	worker->if_counters[path->iface].said[what]++;
	return true;
}

static enum mill_said said(const struct mill_packet *about, const struct mill_icmp_error *error)
{
	if (about->family == 4 && error->type == MILL_ICMP_UNREACHABLE)
		return error->code == MILL_ICMP_FRAG_NEEDED ? MILL_SAID_TOO_BIG : MILL_SAID_UNREACHABLE;
	if (about->family == 6 && error->type == MILL_ICMPV6_TOO_BIG)
		return MILL_SAID_TOO_BIG;
	if (error->type == (about->family == 4 ? 11 : 3))
		return MILL_SAID_TIME_EXCEEDED;
	return about->family == 6 && error->type == 1 ? MILL_SAID_UNREACHABLE : MILL_SAID_PARAMETER_PROBLEM;
}

/* Its address means something on its link alone, so no route leads there: it is where the packet came from. */
static bool is_on_link(const struct mill_worker *worker, uint16_t iface, const struct mill_packet *about)
{
	return about->family == 6 && mill_link_local(&about->src6) && iface < MILL_MAX_IFACES &&
	       worker->ifaces[iface].host == MILL_HOST_NONE;
}

static void tell_on_link(struct mill_worker_thread *worker, uint16_t iface, const struct mill_packet *about,
                         const struct mill_icmp_error *error)
{
	struct mill_worker *base = &worker->base;
	struct mill_own *own = worker->engine->own;
	uint8_t out[MILL_LINK + MILL_ICMP_LARGEST6] = {0}, source[16];
	const uint16_t mtu = base->ifaces[iface].mtu;
	const uint8_t *address = asked(base, iface, about);
	pthread_mutex_lock(&own->lock);
	if (address == NULL)
		address = mill_own_source(own, iface, 6, about->l3 + 8);
	if (address != NULL)
		memcpy(source, address, sizeof(source));
	pthread_mutex_unlock(&own->lock);
	if (address == NULL || mtu < SMALLEST_MTU)
		return;
	const uint32_t largest = mtu < MILL_ICMP_LARGEST6 ? mtu : MILL_ICMP_LARGEST6;
	mill_store16(out + MILL_LINK - 2, MILL_ETHER_IPV6);
	const uint32_t length = mill_icmp_write(out + MILL_LINK, largest, about, error, source, 0);
	mill_own_transmit(base, iface, about->frame + 6, out + MILL_LINK - 2, (uint16_t)(2 + length),
	                  said(about, error));
}

void mill_icmp_tell(struct mill_worker_thread *worker, uint16_t iface, const struct mill_packet *about,
                    const struct mill_icmp_error *error)
{
	struct mill_worker *base = &worker->base;
	uint8_t out[MILL_LINK + MILL_ICMP_LARGEST6] = {0};
	if (is_on_link(base, iface, about)) {
		tell_on_link(worker, iface, about, error);
		return;
	}
	const struct mill_adjacency *path = mill_icmp_way_back(base, about);
	if (path == NULL || path->iface >= MILL_MAX_IFACES || path->mtu < SMALLEST_MTU)
		return;
	const uint16_t speaker = about->family == 6 && iface < MILL_MAX_IFACES ? iface : path->iface;
	const uint8_t *source = asked(base, iface, about);
	if (source == NULL)
		source = source_of(base, speaker, about->family);
	if (source == NULL)
		return;
	const uint32_t most = about->family == 4 ? MILL_ICMP_LARGEST4 : MILL_ICMP_LARGEST6;
	const uint32_t largest = path->mtu < most ? path->mtu : most;
	mill_store16(out + MILL_LINK - 2, about->family == 4 ? MILL_ETHER_IPV4 : MILL_ETHER_IPV6);
	const uint32_t length =
	    mill_icmp_write(out + MILL_LINK, largest, about, error, source, worker->icmp_id++);
	base->if_counters[path->iface].said[said(about, error)] +=
	    mill_icmp_send(base, path, out, MILL_LINK + length, about->family);
}

/* Where the packet came in; where that is not known any more, where the message would have left. */
static void withhold(struct mill_worker *worker, uint16_t iface, const struct mill_packet *about)
{
	const struct mill_adjacency *path =
	    iface < MILL_MAX_IFACES ? NULL : mill_icmp_way_back(worker, about);
	if (path != NULL)
		iface = path->iface;
	if (iface < MILL_MAX_IFACES)
		worker->if_counters[iface].said[MILL_SAID_WITHHELD]++;
}

void mill_service_icmp_error(struct mill_worker *base, uint16_t iface, uint8_t type, uint8_t code,
                             uint32_t mtu, const uint8_t *frame, uint16_t len, uint16_t l3)
{
	struct mill_worker_thread *worker = (struct mill_worker_thread *)base;
	const struct mill_icmp_error error = {.type = type, .code = code, .mtu = mtu};
	struct mill_packet about;
	if (!mill_icmp_answerable(&about, frame, len, l3))
		return;
	if (mill_icmp_conforms(worker, &worker->icmp_credit))
		mill_icmp_tell(worker, iface, &about, &error);
	else
		withhold(base, iface, &about);
}
