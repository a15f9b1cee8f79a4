/*
 * The one way in which failures travel: `Failure` inside C++, an Error with `.code` (errno's name) and `.syscall`
 * in JavaScript.
 */
#pragma once
#include <cerrno>
#include <stdexcept>
#include <string>

namespace mill
{

struct Failure : std::runtime_error {
	Failure(int number, std::string call, const std::string &text = "");
	int number; /* errno */
	std::string call;
};

/* "ENOENT" */
std::string errno_name(int number);

} // namespace mill
