/*
 * The client of pipes leaves alone what is not its own: a program that cleans up after an attempt that failed, or twice,
 * keeps its descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include "lib/engine_test.h"

static void expect_input(const char *after)
{
	CHECK(fcntl(0, F_GETFD) >= 0, "descriptor 0 to be open after %s", after);
}

int main(void)
{
	static struct test_engine engine;
	static const char *const specs[] = {"pipe:a", "pipe:b"};
	struct mill_pipe_client client;
	CHECK(mill_pipe_open(&client, "/nowhere/pipe.sock") == -ENOENT, "no pipe there");
	mill_pipe_close(&client);
	expect_input("what could not be opened was closed");
	engine_start(&engine);
	struct mill_config *config = config_make(1, 2, specs);
	engine_deploy(&engine, config, "forwarder_swap2");
	pipe_connect(&engine, &client, "a");
	mill_pipe_close(&client);
	mill_pipe_close(&client);
	expect_input("closing twice");
	free(config);
	engine_stop(&engine);
	printf("ok closing a client of a pipe closes nothing else\n");
	return 0;
}
