/* Bytes from outside. */
#include "own/bed.h"
#include <string.h>
#include <unistd.h>

/* ARP and ND of every length, whole and with single bytes changed: nothing is learned from what is cut short, and the engine lives. */
void test_malformed(void)
{
	static const uint8_t stranger[4] = {10, 0, 1, 66}, stranger6[16] = {0xfd, 1, [15] = 66};
	uint8_t whole[2][256], frame[256], message[32], taken[2048];
	const uint32_t option = discovery_message(message, 135, 0, ours6, 1, mac_a);
	const uint32_t length[2] = {
	    frames_arp(whole[0], broadcast, 1, mac_a, stranger, ours),
	    frames_icmp6(whole[1], mac_a, group_mac, stranger6, group, 255, message, option)};
	for (uint32_t kind = 0; kind < 2; kind++) {
		for (uint32_t cut = 14; cut < length[kind]; cut++)
			frames_send(&bed.a, whole[kind], cut);
		while (frames_take(&bed.a, taken, 50) != 0)
			;
		CHECK(known(0, kind == 0 ? stranger : stranger6, kind == 0 ? 4 : 16) == NULL,
		      "nothing from what is cut short");
	}
	uint32_t random = 1;
	for (uint32_t i = 0; i < 20000; i++) {
		const uint32_t kind = i % 2;
		memcpy(frame, whole[kind], length[kind]);
		for (uint32_t k = 0; k < 1 + i % 3; k++) {
			random = random * 1664525 + 1013904223; /* Numerical Recipes' generator */
			frame[14 + (random >> 8) % (length[kind] - 14)] = (uint8_t)(random >> 24);
		}
		if (kind == 1) /* a checksum that is right lets more through */
			frames_icmp6(frame, mac_a, group_mac, frame + 22, frame + 38, 255,
			             memcpy(message, frame + 54, 32), 32);
		frames_send(&bed.a, frame, length[kind]);
		if (i % 64 == 0)
			while (frames_take(&bed.a, taken, 0) != 0)
				;
	}
	for (uint32_t i = 0; i < 10000; i++) { /* queries: options of any kind, messages of any length */
		uint8_t options[8] = {58, 0, 5, 2, 0, 0, 1, 0}, asked[28] = {130};
		for (uint32_t k = 0; k < 1 + i % 3; k++) {
			random = random * 1664525 + 1013904223;
			if ((random >> 8) % 3 == 0)
				options[(random >> 16) % 8] = (uint8_t)(random >> 24);
			else
				asked[4 + (random >> 16) % 24] = (uint8_t)(random >> 24);
		}
		frames_send(&bed.a, frame, make_query(frame, all_nodes, options, asked, i % 29));
		if (i % 64 == 0)
			while (frames_take(&bed.a, taken, 0) != 0)
				;
	}
	for (
	    uint32_t i = 0; i < 10000;
	    i++) { /* for us, behind extension headers of any kind, up to three, that lie about their length */
		static const uint8_t kinds[] = {0, 43, 44, 51, 60, 58, 59, 17};
		uint8_t payload[48] = {0};
		for (uint32_t k = 0; k < sizeof(payload); k++) {
			random = random * 1664525 + 1013904223;
			payload[k] = (uint8_t)(random >> 24);
			if (k % 8 == 0)
				payload[k] = kinds[payload[k] % sizeof(kinds)];
			else if (k % 8 == 1 && i % 4 != 0)
				payload[k] = 0; /* eight bytes, so that the next is walked, too */
		}
		const uint32_t bytes = frames_icmp6(frame, mac_a, engine_mac(0), theirs6, ours6, 64, payload,
		                                    8 + i % (sizeof(payload) - 7));
		frame[20] = kinds[i % 5];
		frames_send(&bed.a, frame, bytes);
		if (i % 64 == 0)
			while (frames_take(&bed.a, taken, 0) != 0)
				;
	}
	while (frames_take(&bed.a, taken, 50) != 0)
		;
	usleep(300000); /* limits recover */
	send_arp(&bed.a, broadcast, 1, mac_a, theirs, ours);
	CHECK(next_frame(&bed.a, taken, 500) == 42, "it answers as before");
	printf("ok malformed ARP, Neighbour Discovery, MLD and extension headers do no harm\n");
}
