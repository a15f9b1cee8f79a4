/*
 * Long lists of a generated forwarder: netmill/classify.h for the packets of netmill/packet.h. The tables lie in a
 * file beside the generated C, which the assembler puts into the forwarder as it is.
 */
#pragma once
#include "netmill/acl.h"
#include "netmill/classify.h"

/* `MILL_TABLES`: the file's path, said on the command line. */
#define MILL_INCLUDE_TABLES(name)                                                                            \
	__asm__(".pushsection .rodata\n.balign 64\n" #name ":\n.incbin \"" MILL_TABLES "\"\n.popsection\n"); \
	extern const uint8_t name[] __attribute__((visibility("hidden")))

/* What a packet is asked about, once its transport header has been read, or is not to be. Field by field: a key that is
 * composed in one place and copied whole to another waits there for its own stores. */
MILL_CLASSIFY_INLINE void mill_key_addresses(const struct mill_packet *p, bool ipv6, struct mill_key *key)
{
	if (ipv6) {
		key->src6 = &p->src6.high;
		key->dst6 = &p->dst6.high;
	} else {
		key->src4 = p->src4;
		key->dst4 = p->dst4;
	}
}

MILL_CLASSIFY_INLINE void mill_key_of(const struct mill_packet *p, bool ipv6, struct mill_key *key)
{
	const bool read = p->l4 == MILL_L4_READ;
	mill_key_addresses(p, ipv6, key);
	key->proto = p->proto;
	key->sport = read ? p->sport : 0;
	key->selector = read ? (uint16_t)mill_selector(p) : 0;
	key->read = read;
}

/* The key of a packet of a burst. What tests nothing else of the transport header (`fields`) looks at most packets' without
 * writing down what is there. */
MILL_CLASSIFY_INLINE void mill_key_asked(struct mill_packet *p, bool ipv6, bool reads, bool fields,
                                         struct mill_key *key)
{
	const uint32_t header = ipv6 ? MILL_IPV6_HEADER : 20;
	if (!reads || mill_unlikely(fields || !mill_shows_ports(p, header))) {
		if (reads)
			mill_read_l4(p);
		mill_key_of(p, ipv6, key);
		return;
	}
	mill_key_addresses(p, ipv6, key);
	key->proto = p->proto;
	key->sport = mill_load16(p->l3 + header);
	key->selector = mill_load16(p->l3 + header + 2);
	key->read = true;
}

/* How a list is asked about those packets of a burst, up to `end`, that are its to judge, which are all of them where
 * `asks` is NULL; `reads`: it tests transport headers. */
typedef void (*mill_asking)(const struct mill_classifier *, struct mill_kept *, const struct mill_packet *end,
                            bool ipv6, bool reads, bool (*asks)(const struct mill_packet *),
                            const struct mill_judge *, mill_residual);

/* Packet by packet: its tables are near. A loop that does nothing else has several packets on the way at once. */
MILL_CLASSIFY_INLINE void mill_ask_each(const struct mill_classifier *c, struct mill_kept *kept,
                                        const struct mill_packet *end, bool ipv6, bool reads,
                                        bool (*asks)(const struct mill_packet *),
                                        const struct mill_judge *judge, mill_residual residual)
{
	for (struct mill_packet *p = kept->packet; p != end; p++) {
		if (p->family != (ipv6 ? 6 : 4) || (asks != NULL && !asks(p)))
			continue;
		struct mill_key key;
		mill_key_asked(p, ipv6, reads, residual != NULL, &key);
		p->entry = mill_classify(c, &key, ipv6, judge, residual, p);
	}
}

/* Step by step for all of them: its tables are far. */
MILL_CLASSIFY_INLINE void mill_ask_together(const struct mill_classifier *c, struct mill_kept *kept,
                                            const struct mill_packet *end, bool ipv6, bool reads,
                                            bool (*asks)(const struct mill_packet *),
                                            const struct mill_judge *judge, mill_residual residual)
{
	struct mill_packet *asking[MILL_BURST];
	struct mill_key key[MILL_BURST];
	struct mill_sought s[MILL_BURST];
	uint32_t n = 0;

	for (struct mill_packet *p = kept->packet; p != end; p++) {
		if (p->family != (ipv6 ? 6 : 4) || (asks != NULL && !asks(p)))
			continue;
		struct mill_key one; /* in registers; what is asked for later is the addresses */
		mill_key_asked(p, ipv6, reads, residual != NULL, &one);
		mill_expect_uppers(c, &one, ipv6);
		mill_seek_kinds(c, &one, &s[n]);
		mill_key_addresses(p, ipv6, &key[n]);
		asking[n++] = p;
	}
	mill_seek_burst(c, key, n, ipv6, judge, s);
	for (uint32_t i = 0; i < n; i++) {
		const struct mill_asked asked = {residual, asking[i]};
		asking[i]->entry = mill_first(c, &s[i], judge, &asked);
	}
}

_Static_assert(MILL_BURST <= MILL_CLASSIFY_BURST, "a burst is classified at once");

/*
 * MILL_CLASSIFIER defines NAME_find(w, p): the first entry of the list NAME that takes the packet, or MILL_CLASSIFY_NONE.
 * MILL_BURST_CLASSIFIER defines NAME_ask(w, kept, end), which leaves that in each packet that `asks` is true of, by one of
 * the two functions above. Both twice: for processors that have the vectors, and for others.
 */
#ifdef MILL_CLASSIFY_VECTOR
#define MILL_CLASSIFIER(name, ipv6, residual)                                                                \
	static __attribute__((noinline))                                                                     \
	MILL_CLASSIFY_TARGET uint32_t name##_vector(const struct mill_packet *p)                             \
	{                                                                                                    \
		struct mill_key key;                                                                         \
		mill_key_of(p, ipv6, &key);                                                                  \
		return mill_classify(&name, &key, ipv6, &mill_vector, residual, p);                          \
	}                                                                                                    \
	static __attribute__((noinline)) uint32_t name##_plain(const struct mill_packet *p)                  \
	{                                                                                                    \
		struct mill_key key;                                                                         \
		mill_key_of(p, ipv6, &key);                                                                  \
		return mill_classify(&name, &key, ipv6, &mill_plain, residual, p);                           \
	}                                                                                                    \
	static inline uint32_t name##_find(const struct mill_worker *w, const struct mill_packet *p)         \
	{                                                                                                    \
		return (w->fib->vector & MILL_VECTOR_BYTES) != 0 ? name##_vector(p) : name##_plain(p);       \
	}

#define MILL_BURST_CLASSIFIER(name, asking, ipv6, reads, asks, residual)                                     \
	static __attribute__((noinline))                                                                     \
	MILL_CLASSIFY_TARGET void name##_vector(struct mill_kept *kept, const struct mill_packet *end)       \
	{                                                                                                    \
		asking(&name, kept, end, ipv6, reads, asks, &mill_vector, residual);                         \
	}                                                                                                    \
	static __attribute__((noinline)) void name##_plain(struct mill_kept *kept,                           \
	                                                   const struct mill_packet *end)                    \
	{                                                                                                    \
		asking(&name, kept, end, ipv6, reads, asks, &mill_plain, residual);                          \
	}                                                                                                    \
	static inline void name##_ask(const struct mill_worker *w, struct mill_kept *kept,                   \
	                              const struct mill_packet *end)                                         \
	{                                                                                                    \
		if (!w->acl_enabled)                                                                         \
			return;                                                                              \
		if ((w->fib->vector & MILL_VECTOR_BYTES) != 0)                                               \
			name##_vector(kept, end);                                                            \
		else                                                                                         \
			name##_plain(kept, end);                                                             \
	}
#else
#define MILL_CLASSIFIER(name, ipv6, residual)                                                                \
	static uint32_t name##_find(const struct mill_worker *w, const struct mill_packet *p)                \
	{                                                                                                    \
		(void)w;                                                                                     \
		struct mill_key key;                                                                         \
		mill_key_of(p, ipv6, &key);                                                                  \
		return mill_classify(&name, &key, ipv6, &mill_plain, residual, p);                           \
	}

#define MILL_BURST_CLASSIFIER(name, asking, ipv6, reads, asks, residual)                                     \
	static void name##_ask(const struct mill_worker *w, struct mill_kept *kept,                          \
	                       const struct mill_packet *end)                                                \
	{                                                                                                    \
		if (w->acl_enabled)                                                                          \
			asking(&name, kept, end, ipv6, reads, asks, &mill_plain, residual);                  \
	}
#endif
