/*
 * Deploys under traffic: nothing is lost, reordered or damaged, whatever is deployed.
 *
 *   peer a ── pipe:a ─┐          ┌─ pipe:b ── peer b
 *                     ├─ engine ─┤
 *   peer c ── pipe:c ─┘          └─ pipe:d ── peer d
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "lib/engine_test.h"

static struct test_engine engine;
static struct mill_pipe_client a, b, c, d;

static void connect_two(void)
{
	pipe_connect(&engine, &a, "a");
	pipe_connect(&engine, &b, "b");
}

static void hundred_ms(void)
{
	engine_listen(&engine, 100);
}

static void thousand_swaps(const char *const *specs)
{
	struct flow there = {.name = "1000 swaps, a to b", .from = &a, .to = &b, .window = 200, .id = 1};
	struct flow back = {.name = "1000 swaps, b to a", .from = &b, .to = &a, .window = 200, .id = 2};
	struct mill_config *config = config_make(engine.state->running, 2, specs);
	flow_start(&there);
	flow_start(&back);
	uint64_t counted = 0;
	for (uint32_t i = 0; i < 1000; i++) {
		config->generation++;
		engine_deploy(&engine, config, "forwarder_swap2");
		CHECK(engine.state->worker[0].rule[0].packets >= counted, "counters only grow");
		counted = engine.state->worker[0].rule[0].packets;
	}
	flow_stop(&there);
	flow_stop(&back);
	CHECK(engine.state->worker[0].rule[0].packets >= there.received, "rule counters go on");
	free(config);
	printf("ok a thousand swaps lose no packet\n");
}

static void rollback_to_the_two_before(const char *const *specs)
{
	struct mill_config *config = config_make(engine.state->running, 2, specs);
	const uint64_t first = engine.state->running;
	struct flow flow = {.name = "rollbacks", .from = &a, .to = &b, .window = 200, .id = 3};
	flow_start(&flow);
	for (uint32_t i = 0; i < 3; i++) {
		config->generation++;
		engine_deploy(&engine, config, "forwarder_swap2");
	}
	CHECK(engine_commit(&engine, first, first + 3) == ENOENT, "three generations ago is gone");
	CHECK(engine_commit(&engine, first + 1, first + 2) == EAGAIN, "compare and swap");
	CHECK(engine.state->running == first + 3, "a refused commit changes nothing");
	CHECK(engine_commit(&engine, first + 1, first + 3) == 0, "%s", engine.error);
	CHECK(engine_commit(&engine, first + 3, first + 1) == 0, "%s", engine.error);
	flow_stop(&flow);
	free(config);
	printf("ok the two generations before can be rolled back to\n");
}

static void ports_come_and_go(void)
{
	static const char *const two[] = {"pipe:a", "pipe:b"};
	static const char *const four[] = {"pipe:a", "pipe:b", "pipe:c", "pipe:d"};
	struct flow flow = {.name = "ports come and go", .from = &a, .to = &b, .window = 200, .id = 4};
	flow_start(&flow);
	for (uint32_t i = 0; i < 10; i++) {
		struct mill_config *more = config_make(engine.state->running + 1, 4, four);
		const uint64_t before = engine.state->running;
		engine_deploy(&engine, more, "forwarder_swap4");
		pipe_connect(&engine, &c, "c");
		pipe_connect(&engine, &d, "d");
		struct flow other = {.name = "  new ports", .from = &c, .to = &d, .window = 100, .id = 5};
		flow_start(&other);
		engine_listen(&engine, 20);
		flow_stop(&other);
		if (i % 2 == 0) {
			CHECK(engine_commit(&engine, before, more->generation) == 0, "%s", engine.error);
			CHECK(engine_commit(&engine, more->generation, before) == 0,
			      "rollback opens again: %s", engine.error);
			CHECK(mill_pipe_wait(&c, 1000, false) == -EPIPE, "a closed port tells its peer");
			struct mill_pipe_client again;
			pipe_connect(&engine, &again, "c");
			mill_pipe_close(&again);
		}
		struct mill_config *fewer = config_make(more->generation + 1, 2, two);
		engine_deploy(&engine, fewer, "forwarder_swap2");
		CHECK((engine.state->port[2].flags & MILL_PORT_OPEN) == 0, "port c is closed");
		mill_pipe_close(&c);
		mill_pipe_close(&d);
		free(more);
		free(fewer);
	}
	flow_stop(&flow);
	printf("ok ports come and go beside the others\n");
}

static void spec_of_a_port_changes(void)
{
	static const char *const first[] = {"pipe:a", "pipe:b", "pipe:c"};
	static const char *const second[] = {"pipe:a", "pipe:b", "pipe:d"};
	static const char *const wrong[] = {"pipe:a", "pipe:b", "pcap:/nonexistent/x.pcap,-"};
	struct flow flow = {.name = "a port changes its spec", .from = &a, .to = &b, .window = 200, .id = 6};
	struct mill_config *config = config_make(engine.state->running + 1, 3, first);
	engine_deploy(&engine, config, "forwarder_swap3");
	flow_start(&flow);
	struct mill_config *next = config_make(config->generation + 1, 3, second);
	engine_deploy(&engine, next, "forwarder_swap3");
	pipe_connect(&engine, &d, "d");
	mill_pipe_close(&d);
	struct mill_config *bad = config_make(next->generation + 1, 3, wrong);
	CHECK(engine_prepare(&engine, bad, "forwarder_swap3") == 0, "%s", engine.error);
	CHECK(engine_commit(&engine, bad->generation, next->generation) == ENOENT,
	      "the new spec does not open");
	CHECK(engine.state->running == next->generation, "and the old generation runs on");
	pipe_connect(&engine, &d, "d");
	mill_pipe_close(&d);
	flow_stop(&flow);
	free(config);
	free(next);
	free(bad);
	printf("ok a port changes its spec, or keeps it when the new one does not open\n");
}

static void workers_come_and_go(void)
{
	static const char *const specs[] = {"pipe:m/2", "pipe:n"};
	struct mill_pipe_client m, n;
	struct mill_config *one = config_make(engine.state->running + 1, 2, specs);
	config_slot(one, 0, 10);
	config_slot(one, 1, 11);
	engine_deploy(&engine, one, "forwarder_swap2");
	pipe_connect(&engine, &m, "m");
	pipe_connect(&engine, &n, "n");
	struct flow flow = {
	    .name = "workers come and go", .from = &m, .to = &n, .from_ring = 1, .window = 150, .id = 7};
	struct flow back = {
	    .name = "and the way back", .from = &n, .to = &m, .to_ring = 0, .window = 150, .id = 8};
	flow_start(&flow);
	for (uint32_t i = 0; i < 400; i++) {
		one->generation++;
		one->n_workers = i % 2 == 0 ? 2 : 1;
		one->worker[1].core = -1;
		one->worker[0].rx_rings[0] =
		    i % 2 == 0 ? 1 : 3; /* ring 1 of m: worker 1, sends to n by handoff */
		one->worker[1].rx_rings[0] = i % 2 == 0 ? 2 : 0;
		engine_deploy(&engine, one, "forwarder_swap2");
		CHECK(engine.state->n_workers == one->n_workers, "workers");
		usleep(500);
	}
	flow_stop(&flow);
	const struct mill_port_state *port = &engine.state->port[10];
	CHECK(port->ring[1].rx_packets == flow.sent && mill_port_sum(port).rx_packets == flow.sent,
	      "ring 1, by whomever it was served, counts the %llu that came, got %llu of %llu",
	      (unsigned long long)flow.sent, (unsigned long long)port->ring[1].rx_packets,
	      (unsigned long long)mill_port_sum(port).rx_packets);
	/* With two workers: n's packets come to worker 1, m's TX ring 0 belongs to worker 0. */
	one->generation++;
	one->n_workers = 2;
	one->worker[0].rx_rings[0] = 3;
	one->worker[1].rx_rings[0] = 0;
	one->worker[0].rx_rings[1] = 0;
	one->worker[1].rx_rings[1] = 1;
	engine_deploy(&engine, one, "forwarder_swap2");
	flow_start(&back);
	hundred_ms();
	flow_stop(&back);
	CHECK(engine.state->worker[1].iface[11].rx.packets >= back.received, "worker 1 did it");
	CHECK(port->ring[0].tx_packets == back.received && mill_port_sum(port).tx_packets == back.received,
	      "ring 0 counts what went");
	mill_pipe_close(&m);
	mill_pipe_close(&n);
	free(one);
	printf("ok rings move between workers\n");
}

static void wrong_generations_change_nothing(const char *const *specs)
{
	struct mill_config *config = config_make(engine.state->running + 1, 2, specs);
	const uint64_t running = engine.state->running;
	struct flow flow = {.name = "wrong generations", .from = &a, .to = &b, .window = 200, .id = 9};
	flow_start(&flow);
	CHECK(engine_prepare(&engine, config, "forwarder_otherlayout") == EINVAL, "layout");
	CHECK(strstr(engine.error, "another engine") != NULL, "%s", engine.error);
	CHECK(engine_prepare(&engine, config, "forwarder_otherpolicy") == EINVAL, "policy hash");
	CHECK(engine_prepare(&engine, config, "forwarder_swap4") == EINVAL, "number of ports");
	config->abi++;
	CHECK(engine_prepare(&engine, config, "forwarder_swap2") == EINVAL, "ABI of the configuration");
	config->abi--;
	config->port[1].slot = 200;
	CHECK(engine_prepare(&engine, config, "forwarder_swap2") == EINVAL, "slot out of range");
	config->port[1].slot = 1;
	strcpy(config->port[1].spec, "carrier:pigeon");
	CHECK(engine_prepare(&engine, config, "forwarder_swap2") == EINVAL, "unknown back end");
	config->generation = running;
	strcpy(config->port[1].spec, specs[1]);
	CHECK(engine_prepare(&engine, config, "forwarder_swap2") == EEXIST, "a number is never used again");
	config->generation = running + 50;
	CHECK(engine_prepare(&engine, config, "forwarder_swap2") == 0, "%s", engine.error);
	const struct mill_commit discard = {.generation = running + 50};
	CHECK(engine_request(&engine, MILL_MSG_DISCARD, &discard, sizeof(discard), NULL, 0, NULL) == 0, "%s",
	      engine.error);
	CHECK(engine_commit(&engine, running + 50, running) == ENOENT, "discarded");
	CHECK(engine.state->running == running, "nothing has changed");
	flow_stop(&flow);
	free(config);
	printf("ok wrong generations change nothing\n");
}

static void the_daemon_dies(const char *const *specs)
{
	struct flow flow = {.name = "daemon gone and back", .from = &a, .to = &b, .window = 200, .id = 10};
	(void)specs;
	flow_start(&flow);
	close(engine.fd);
	usleep(100000);
	engine_connect(&engine);
	CHECK(engine.hello.running == engine.state->running && engine.hello.adopting == 0, "hello");
	flow_stop(&flow);
	printf("ok forwarding goes on without a daemon\n");
}

int main(void)
{
	static const char *const specs[] = {"pipe:a", "pipe:b"};
	engine_start(&engine);
	struct mill_config *config = config_make(1, 2, specs);
	engine_deploy(&engine, config, "forwarder_swap2");
	connect_two();
	engine_listen_for(&engine, &engine.n_links, 2);
	CHECK(engine.n_links == 2 && engine.last_link.up == 1, "carrier comes with the peer");
	thousand_swaps(specs);
	rollback_to_the_two_before(specs);
	ports_come_and_go();
	wrong_generations_change_nothing(specs);
	the_daemon_dies(specs);
	spec_of_a_port_changes();
	workers_come_and_go();
	mill_pipe_close(&a);
	mill_pipe_close(&b);
	free(config);
	engine_stop(&engine);
	return 0;
}
