/*
 * MAC addresses of ports without a device: locally administered (IEEE 802 §8.4), made of the name by FNV-1a.
 */
#include <stdint.h>
#include <string.h>
#include "port/port.h"

void mill_name_mac(const char *name, uint8_t mac[6])
{
	uint64_t h = 1469598103934665603ull;
	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 1099511628211ull;
	memcpy(mac, &h, 6);
	mac[0] = (uint8_t)((mac[0] & 0xfc) | 2);
}
