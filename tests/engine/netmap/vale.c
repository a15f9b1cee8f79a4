/* What `netmill vale` tells netmap, and what it answers. */
#include <string.h>
#include <sysexits.h>
#include "netmap/bed.h"
#include "tools/vale.h"

/* `order`: words between blanks. Its code, and what it wrote or what went wrong in `said`. */
static int ordered(const char *order, char said[2048])
{
	char words[256], *word[8], *at = words;
	struct mill_error error = {0};
	int n = 0;
	snprintf(words, sizeof(words), "%s", order);
	while ((word[n] = strsep(&at, " ")) != NULL)
		n++;
	memset(said, 0, 2048);
	FILE *out = fmemopen(said, 2047, "w");
	const int code = vale_order(n, word, out, &error);
	fclose(out);
	if (code != EX_OK)
		snprintf(said, 2048, "%s", error.text);
	no_violation();
	return code;
}

static void answers(const char *order, const char *expected)
{
	char said[2048];
	const int code = ordered(order, said);
	CHECK(code == EX_OK, "%s: %s", order, said);
	said[strcspn(said, "\n")] = '\0';
	CHECK(strcmp(said, expected) == 0, "%s: %s", order, said);
}

static void refuses(const char *order, const char *why)
{
	char said[2048];
	const int code = ordered(order, said);
	CHECK(code == EX_UNAVAILABLE && strstr(said, why) != NULL, "%s: %d, %s", order, code, said);
}

#define PORT(name, at, memory)                                                                               \
	"{\"switch\":\"vale0\",\"port\":\"" name "\",\"index\":" at ",\"txRings\":2,\"rxRings\":2,"          \
	"\"txSlots\":128,\"rxSlots\":128,\"memory\":" memory "}"

#define HOST "{\"switch\":\"vale0\",\"port\":\"ix0^\",\"index\":2}"

static void switches(void)
{
	bool host, polled;
	model_reset();
	model_device("ix0", 1, 2, 2, 1);
	model_device("ix1", 1, 1, 1, 1);
	answers("list", "{\"ports\":[]}");
	answers("new p0 128,128,2,2,0",
	        "{\"name\":\"p0\",\"txRings\":2,\"rxRings\":2,\"txSlots\":128,\"rxSlots\":128,\"memory\":3}");
	answers("attach vale0:p0 nic 0,0,0,0,0", "{\"name\":\"vale0:p0\",\"index\":0,\"host\":false}");
	answers("attach vale0:ix0 host 0,0,0,0,0", "{\"name\":\"vale0:ix0\",\"index\":1,\"host\":true}");
	CHECK(model_attached("vale0:ix0", &host, &polled) && host, "without its host stack");
	CHECK(model_attached("vale0:p0", &host, &polled) && !host, "with a host stack");
	answers("attach vale1:ix1 nic 0,0,0,0,0", "{\"name\":\"vale1:ix1\",\"index\":0,\"host\":false}");
	answers("list vale0", "{\"ports\":[" PORT("p0", "0", "3") "," PORT("ix0", "1", "1") "," HOST "]}");
	answers("list vale0:", "{\"ports\":[" PORT("p0", "0", "3") "," PORT("ix0", "1", "1") "," HOST "]}");
	answers("list vale", "{\"ports\":[]}");
	answers("detach vale0:p0", "{\"name\":\"vale0:p0\",\"index\":0}");
	answers("list",
	        "{\"ports\":[" PORT(
	            "ix0", "1",
	            "1") "," HOST
	                 ",{\"switch\":\"vale1\",\"port\":\"ix1\",\"index\":0,\"txRings\":1,\"rxRings\":1,"
	                 "\"txSlots\":128,\"rxSlots\":128,\"memory\":1}]}");
	answers("delete p0", "{\"name\":\"p0\"}");
	answers("info ix1", "{\"name\":\"ix1\",\"txRings\":1,\"rxRings\":1,\"txSlots\":128,\"rxSlots\":128,"
	                    "\"memory\":1,\"hostTxRings\":1,\"hostRxRings\":1,\"memoryBytes\":17367040}");
	answers("detach vale0:ix0", "{\"name\":\"vale0:ix0\",\"index\":1}");
	CHECK(model_users("ix0") == 0, "attached still");
	answers("list vale0", "{\"ports\":[]}");
	printf("ok VALE switches: made, attached with and without the host, listed, detached, deleted\n");
}

static void polling(void)
{
	bool host, polled;
	model_reset();
	model_device("ix0", 1, 1, 2, 1);
	answers("attach vale0:ix0 nic 0,0,0,0,0", "{\"name\":\"vale0:ix0\",\"index\":0,\"host\":false}");
	refuses("poll vale0:ix0 one 4095 1", "this machine has "); /* netmap would take it */
	answers("poll vale0:ix0 one 0 1", "{\"name\":\"vale0:ix0\",\"firstCore\":0,\"cores\":1}");
	CHECK(model_attached("vale0:ix0", &host, &polled) && polled, "not polled");
	refuses("poll vale0:ix0 one 0 1", "polled already");
	refuses("detach vale0:ix0", "poll --off");
	answers("rest vale0:ix0", "{\"name\":\"vale0:ix0\"}");
	refuses("rest vale0:ix0", "not polled");
	refuses("poll vale0:ix0 each 1 2", "no such core or ring");
	answers("poll vale0:ix0 each 0 2", "{\"name\":\"vale0:ix0\",\"firstCore\":0,\"cores\":2}");
	refuses("poll vale0:ix1 one 0 1", "not attached");
	printf("ok VALE: a device is polled by one core, or each ring by its own\n");
}

static void refusals(void)
{
	char said[2048];
	model_reset();
	model_device("ix0", 1, 1, 1, 1);
	refuses("attach vale0:ix9 nic 0,0,0,0,0", "see 'ip link'");
	refuses("attach vale0:ix0 nic 0,0,0,0,7", "no such memory");
	struct mill_port *port = port_open("netmap:ix0", 0);
	refuses("attach vale0:ix0 nic 0,0,0,0,0", "has it open");
	port_close(port);
	refuses("detach vale0:ix0", "not attached");
	refuses("new ix0 0,0,0,0,0", "an interface of this name");
	refuses("delete ix0", "not made by");
	refuses("delete p9", "no interface");
	refuses("info p9", "no interface");
	answers("new p0 0,0,0,0,0",
	        "{\"name\":\"p0\",\"txRings\":1,\"rxRings\":1,\"txSlots\":128,\"rxSlots\":128,\"memory\":3}");
	answers("attach vale0:p0 nic 0,0,0,0,0", "{\"name\":\"vale0:p0\",\"index\":0,\"host\":false}");
	refuses("delete p0", "attached to a switch");
	refuses("poll vale0:p0 one 0 1", "only an attached device");
	CHECK(ordered("attach vale0:p0 nic 0,0", said) == EX_USAGE, "%s", said);
	CHECK(ordered("attach vale0:p0", said) == EX_USAGE, "%s", said);
	CHECK(ordered("info vale0:ix0^", said) == EX_USAGE && strstr(said, "leave out the '^'") != NULL, "%s",
	      said);
	CHECK(ordered("fly", said) == EX_USAGE, "%s", said);
	model_options.api = 0;
	refuses("list", "API 14 or 15");
	model_options.api = 15;
	answers("detach vale0:p0", "{\"name\":\"vale0:p0\",\"index\":0}");
	printf("ok VALE: what netmap refuses is told with what to do\n");
}

void test_vale(void)
{
	switches();
	polling();
	refusals();
}
