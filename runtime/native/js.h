/* Small words between C++ values and JavaScript's. Main thread only. */
#pragma once
#include <napi.h>
#include <string>
#include "error.h"

namespace mill
{

inline Napi::Error js_error(Napi::Env env, int number, const std::string &call, const std::string &message)
{
	Napi::Error error = Napi::Error::New(env, message);
	error.Set("code", Napi::String::New(env, errno_name(number)));
	error.Set("errno", Napi::Number::New(env, -number));
	error.Set("syscall", Napi::String::New(env, call));
	return error;
}

inline Napi::Error js_error(Napi::Env env, const Failure &failure)
{
	return js_error(env, failure.number, failure.call, failure.what());
}

/* Runs `body` and turns a Failure into a thrown JavaScript error. */
template <typename Body> auto guarded(Napi::Env env, Body body) -> decltype(body())
{
	try {
		return body();
	} catch (const Failure &failure) {
		throw js_error(env, failure);
	}
}

/* Runs `body`; its value resolves a promise, its Failure rejects it. */
template <typename Body> Napi::Value promised(Napi::Env env, Body body)
{
	Napi::Promise::Deferred deferred = Napi::Promise::Deferred::New(env);
	try {
		deferred.Resolve(body());
	} catch (const Failure &failure) {
		deferred.Reject(js_error(env, failure).Value());
	}
	return deferred.Promise();
}

inline Failure bad_argument(const std::string &expected)
{
	return Failure(EINVAL, "", "expected " + expected);
}

inline std::string as_string(const Napi::Value &value, const char *what)
{
	if (!value.IsString())
		throw bad_argument(std::string("a string for ") + what);
	return value.As<Napi::String>().Utf8Value();
}

/* An integer from `least` to `most`. */
inline int64_t as_integer(const Napi::Value &value, const char *what, int64_t least, int64_t most)
{
	if (!value.IsNumber())
		throw bad_argument(std::string("a number for ") + what);
	double number = value.As<Napi::Number>().DoubleValue();
	if (!(number >= static_cast<double>(least) && number <= static_cast<double>(most)) ||
	    number != static_cast<double>(static_cast<int64_t>(number)))
		throw bad_argument(std::string(what) + " to be an integer from " + std::to_string(least) +
		                   " to " + std::to_string(most) + ", got " + std::to_string(number));
	return static_cast<int64_t>(number);
}

inline Napi::Array as_array(const Napi::Value &value, const char *what)
{
	if (!value.IsArray())
		throw bad_argument(std::string("an array for ") + what);
	return value.As<Napi::Array>();
}

inline Napi::Object as_object(const Napi::Value &value, const char *what)
{
	if (!value.IsObject())
		throw bad_argument(std::string("an object for ") + what);
	return value.As<Napi::Object>();
}

inline Napi::Value js_u64(Napi::Env env, uint64_t value)
{
	return Napi::BigInt::New(env, value);
}

inline Napi::Value js_u53(Napi::Env env, uint64_t value)
{
	return Napi::Number::New(env, static_cast<double>(value));
}

} // namespace mill
