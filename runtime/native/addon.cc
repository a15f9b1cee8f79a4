/* What runtime/native.ts sees of the addon (interface Native): the list of its parts. */
#include <napi.h>
#include <sys/socket.h>
#include "engine_link.h"
#include "js.h"
#include "kernel.h"
#include "rib_object.h"
#include "shm.h"

extern "C" {
#include "netmill/forwarder.h"
}

namespace mill
{

static Napi::Value connect_engine_call(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(),
	               [&] { return connect_engine(info.Env(), as_string(info[0], "socket path")); });
}

static Napi::Value peer_credentials(const Napi::CallbackInfo &info)
{
	return guarded(info.Env(), [&]() -> Napi::Value {
		const int fd = static_cast<int>(as_integer(info[0], "descriptor", 0, INT32_MAX));
		ucred peer = {};
		socklen_t size = sizeof peer;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
			throw Failure(errno, "getsockopt", "cannot learn who the peer is");
		Napi::Object object = Napi::Object::New(info.Env());
		object.Set("uid", peer.uid);
		object.Set("gid", peer.gid);
		object.Set("pid", peer.pid);
		return object;
	});
}

static Napi::Object init(Napi::Env env, Napi::Object exports)
{
	exports.Set("connectEngine", Napi::Function::New<connect_engine_call>(env, "connectEngine"));
	exports.Set("createRib", Napi::Function::New<create_rib>(env, "createRib"));
	exports.Set("kernel", make_kernel(env));
	exports.Set("peerCredentials", Napi::Function::New<peer_credentials>(env, "peerCredentials"));
	exports.Set("abi", MILL_ABI_VERSION);
	exports.Set("layout", MILL_LAYOUT);
	return exports;
}

} // namespace mill

static Napi::Object init(Napi::Env env, Napi::Object exports)
{
	return mill::init(env, exports);
}

NODE_API_MODULE(netmill, init)
