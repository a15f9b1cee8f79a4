/* netmill-vale: the program behind `netmill vale`. What it can be told stands in vale.h. */
#include "tools/vale.h"
#include <sysexits.h>

int main(int argc, char **argv)
{
	struct mill_error error = {0};
	const int code = vale_order(argc - 1, argv + 1, stdout, &error);
	if (code != EX_OK)
		fprintf(stderr, "netmill-vale: %s\n", error.text);
	return code;
}
