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

static inline __attribute__((always_inline)) struct mill_key mill_key_of(const struct mill_packet *p)
{
	const bool read = p->l4 == MILL_L4_READ;
	struct mill_key key = {
	    .src4 = p->src4,
	    .dst4 = p->dst4,
	    .sport = read ? p->sport : 0,
	    .selector = read ? (uint16_t)mill_selector(p) : 0,
	    .proto = p->proto,
	    .read = read,
	};
	if (p->family == 6) {
		key.src6 = &p->src6.high;
		key.dst6 = &p->dst6.high;
	}
	return key;
}

/* Defines NAME_find(w, p): the first entry of the list NAME that takes the packet, or MILL_CLASSIFY_NONE. */
#ifdef MILL_CLASSIFY_VECTOR
#define MILL_CLASSIFIER(name, ipv6, residual)                                                                \
	static __attribute__((noinline))                                                                     \
	MILL_CLASSIFY_TARGET uint32_t name##_vector(const struct mill_packet *p)                             \
	{                                                                                                    \
		const struct mill_key key = mill_key_of(p);                                                  \
		return mill_classify(&name, &key, ipv6, &mill_vector, residual, p);                          \
	}                                                                                                    \
	static __attribute__((noinline)) uint32_t name##_plain(const struct mill_packet *p)                  \
	{                                                                                                    \
		const struct mill_key key = mill_key_of(p);                                                  \
		return mill_classify(&name, &key, ipv6, &mill_plain, residual, p);                           \
	}                                                                                                    \
	static inline uint32_t name##_find(const struct mill_worker *w, const struct mill_packet *p)         \
	{                                                                                                    \
		return (w->fib->vector & MILL_VECTOR_BYTES) != 0 ? name##_vector(p) : name##_plain(p);       \
	}
#else
#define MILL_CLASSIFIER(name, ipv6, residual)                                                                \
	static uint32_t name##_find(const struct mill_worker *w, const struct mill_packet *p)                \
	{                                                                                                    \
		(void)w;                                                                                     \
		const struct mill_key key = mill_key_of(p);                                                  \
		return mill_classify(&name, &key, ipv6, &mill_plain, residual, p);                           \
	}
#endif
