/* Filling in struct mill_error. Any thread. */
#include <stdarg.h>
#include <stdio.h>
#include "port/port.h"

void mill_fail(struct mill_error *error, int code, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	error->code = code;
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
}
