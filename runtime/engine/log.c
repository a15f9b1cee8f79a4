/*
 * Plain lines on stderr, which the daemon collects. A pipe that nobody reads any more, or that is full, loses the
 * line and nothing else. Any thread; never called for a packet.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "engine.h"

void mill_log(const char *format, ...)
{
	char line[1024];
	va_list arguments;
	va_start(arguments, format);
	const int n = vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	if (n < 0)
		return;
	size_t length = (size_t)n < sizeof(line) - 1 ? (size_t)n : sizeof(line) - 2;
	line[length++] = '\n';
	const ssize_t written = write(STDERR_FILENO, line, length);
	(void)written;
}
