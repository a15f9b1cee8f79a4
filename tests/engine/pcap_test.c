/*
 * pcap ports: what is in the file goes through the engine and into the other file, in order and unchanged, whatever
 * the file's byte order and clock; what is no frame is left out; wrong files are refused. A port's MAC follows from its name.
 */
#include <byteswap.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "lib/engine_test.h"

#define FRAMES 5000

static struct test_engine engine;

struct kind {
	const char *name;
	uint32_t magic;
	bool swapped;
};

static uint32_t word(const struct kind *kind, uint32_t value)
{
	return kind->swapped ? bswap_32(value) : value;
}

static uint32_t length_of(uint32_t i)
{
	return 60 + (i * 7919) % 1455;
}

static void write_word(FILE *file, uint32_t value)
{
	CHECK(fwrite(&value, 4, 1, file) == 1, "%s", strerror(errno));
}

static void write_input(const struct kind *kind, const char *path)
{
	FILE *file = fopen(path, "w");
	uint8_t frame[4000];
	const uint32_t version = kind->swapped ? 0x02000400u : 0x00040002u;
	CHECK(file != NULL, "%s: %s", path, strerror(errno));
	write_word(file, word(kind, kind->magic));
	write_word(file, version);
	write_word(file, 0);
	write_word(file, 0);
	write_word(file, word(kind, 65535));
	write_word(file, word(kind, 1));
	for (uint32_t i = 0; i < FRAMES; i++) {
		/* Every hundredth is larger than a buffer, one more is shorter than a header. */
		const uint32_t extra = i % 100 == 7 ? 3000 : i % 100 == 8 ? 5 : 0;
		for (uint32_t part = extra != 0 ? 0 : 1; part < 2; part++) {
			const uint32_t length = part == 0 ? extra : length_of(i);
			memset(frame, (int)i, length);
			if (part == 1)
				memcpy(frame + 14, &i, sizeof(i));
			write_word(file, word(kind, 1700000000u + i));
			write_word(file, word(kind, i));
			write_word(file, word(kind, length));
			write_word(file, word(kind, length));
			CHECK(fwrite(frame, length, 1, file) == 1, "%s", strerror(errno));
		}
	}
	fclose(file);
}

static void check_output(const char *path)
{
	FILE *file = fopen(path, "r");
	uint32_t header[6], record[4];
	uint8_t frame[4000];
	CHECK(file != NULL && fread(header, sizeof(header), 1, file) == 1, "%s", path);
	CHECK(header[0] == 0xa1b23c4d && header[5] == 1, "header of %s", path);
	for (uint32_t i = 0; i < FRAMES; i++) {
		uint32_t number;
		CHECK(fread(record, sizeof(record), 1, file) == 1, "frame %u is missing", i);
		CHECK(record[2] == length_of(i) && record[3] == record[2], "length of frame %u: %u", i,
		      record[2]);
		CHECK(record[1] < 1000000000u && record[0] > 1700000000u, "time stamp");
		CHECK(fread(frame, record[2], 1, file) == 1, "frame %u is cut", i);
		memcpy(&number, frame + 14, sizeof(number));
		CHECK(number == i && frame[0] == (uint8_t)i && frame[record[2] - 1] == (uint8_t)i,
		      "frame %u: %u", i, number);
	}
	CHECK(fgetc(file) == EOF, "nothing more in %s", path);
	fclose(file);
}

static void replay(const struct kind *kind, uint64_t generation)
{
	char in[100], out[100], first[256], second[256];
	snprintf(in, sizeof(in), "%s/in.pcap", engine.rundir);
	snprintf(out, sizeof(out), "%s/out.pcap", engine.rundir);
	write_input(kind, in);
	snprintf(first, sizeof(first), "pcap:%s,-", in);
	snprintf(second, sizeof(second), "pcap:,%s", out);
	const char *const specs[] = {first, second};
	struct mill_config *config = config_make(generation, 2, specs);
	config_slot(config, 0, (uint16_t)(generation * 2));
	config_slot(config, 1, (uint16_t)(generation * 2 + 1));
	engine_deploy(&engine, config, "forwarder_swap2");
	const uint64_t start = test_now();
	while (engine.state->port[generation * 2 + 1].ring[0].tx_packets < FRAMES)
		CHECK(test_now() - start < PATIENCE_NS, "%s: %llu frames came", kind->name,
		      (unsigned long long)engine.state->port[generation * 2 + 1].ring[0].tx_packets);
	CHECK(engine.state->port[generation * 2].ring[0].rx_dropped == FRAMES / 50,
	      "frames left out are counted");
	usleep(10000);
	check_output(out);
	printf("ok %s: %u frames\n", kind->name, FRAMES);
	free(config);
}

/* Of a port's name: captures are made for it. Each replay has had other slots. */
static void same_mac(void)
{
	const struct mill_port_state *port = engine.state->port;
	for (uint32_t slot = 2; slot < 10; slot++) {
		CHECK(memcmp(port[slot].mac, port[2 + slot % 2].mac, 6) == 0, "slot %u: another MAC", slot);
		CHECK((port[slot].mac[0] & 3) == 2, "a local address");
	}
	CHECK(memcmp(port[2].mac, port[3].mac, 6) != 0, "two ports, two MACs");
	printf("ok a port keeps its MAC in another slot\n");
}

/* The daemon holds the file that was replayed: an engine that adopts has nothing more to replay. */
static void once(uint16_t slot)
{
	const uint64_t before = engine.state->port[slot].ring[0].rx_packets;
	kill(engine.pid, SIGKILL);
	engine_adopt(&engine);
	usleep(200000);
	CHECK(engine.state->port[slot].ring[0].rx_packets == before, "%llu frames were replayed again",
	      (unsigned long long)(engine.state->port[slot].ring[0].rx_packets - before));
	printf("ok what was replayed is not replayed again by the next engine\n");
}

static void refuse(const char *name, const char *content, size_t length, int code)
{
	char path[100], spec[256];
	snprintf(path, sizeof(path), "%s/bad.pcap", engine.rundir);
	FILE *file = fopen(path, "w");
	CHECK(length == 0 || fwrite(content, length, 1, file) == 1, "%s", strerror(errno));
	fclose(file);
	snprintf(spec, sizeof(spec), "pcap:%s,-", path);
	const char *const specs[] = {spec, "pcap:,"};
	struct mill_config *config = config_make(100, 2, specs);
	config_slot(config, 0, 60);
	config_slot(config, 1, 61);
	CHECK(engine_prepare(&engine, config, "forwarder_swap2") == code, "%s", name);
	free(config);
}

/* Damaged files: the engine replays what it can, refuses what it cannot, and lives. */
static void damage(uint64_t generation)
{
	char path[100], spec[256];
	static uint8_t bytes[200000];
	uint32_t random = 12345;
	snprintf(path, sizeof(path), "%s/in.pcap", engine.rundir);
	write_input(&(struct kind){"", 0xa1b2c3d4, false}, path);
	FILE *file = fopen(path, "r");
	const size_t whole = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	snprintf(path, sizeof(path), "%s/damaged.pcap", engine.rundir);
	snprintf(spec, sizeof(spec), "pcap:%s,", path);
	const char *const specs[] = {spec, "pcap:,"};
	struct mill_config *config = config_make(generation, 2, specs);
	config_slot(config, 0, 62);
	config_slot(config, 1, 63);
	for (uint32_t i = 0; i < 100; i++) {
		uint8_t copy[sizeof(bytes)];
		memcpy(copy, bytes, whole);
		for (uint32_t k = 0; k < 20; k++) {
			random = random * 1664525u + 1013904223u;
			/* Every other one in the headers at the beginning. */
			copy[(random >> 8) % (k % 2 == 0 ? 400 : whole)] = (uint8_t)(random >> 3);
		}
		if (i % 4 != 0)
			memcpy(copy, bytes, 24);
		file = fopen(path, "w");
		CHECK(fwrite(copy, whole - random % 5000, 1, file) == 1, "%s", strerror(errno));
		fclose(file);
		config->generation++;
		/* Nothing, then the file: the port is opened anew each time. */
		snprintf(config->port[0].spec, MILL_SPEC_SIZE, "pcap:,");
		engine_deploy(&engine, config, "forwarder_swap2");
		config->generation++;
		snprintf(config->port[0].spec, MILL_SPEC_SIZE, "%s", spec);
		if (engine_prepare(&engine, config, "forwarder_swap2") == 0)
			(void)engine_commit(&engine, config->generation, engine.state->running);
		usleep(1000);
	}
	free(config);
	printf("ok damaged files do no harm\n");
}

int main(void)
{
	static const struct kind kinds[] = {{"microseconds", 0xa1b2c3d4, false},
	                                    {"nanoseconds", 0xa1b23c4d, false},
	                                    {"microseconds, other byte order", 0xa1b2c3d4, true},
	                                    {"nanoseconds, other byte order", 0xa1b23c4d, true}};
	engine_start(&engine);
	for (uint32_t i = 0; i < 4; i++)
		replay(&kinds[i], i + 1);
	same_mac();
	once(8);
	refuse("an empty file", "", 0, EINVAL);
	refuse("text", "this is no pcap file at all, is it?", 35, EINVAL);
	refuse("Wi-Fi", "\xd4\xc3\xb2\xa1\2\0\4\0\0\0\0\0\0\0\0\0\377\377\0\0\151\0\0\0", 24, EINVAL);
	damage(200);
	printf("ok wrong files are refused\n");
	engine_stop(&engine);
	return 0;
}
