/* The table as a file: see rib_dump.h. */
#include "rib_dump.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cstdio>
#include "error.h"
#include "js.h"
#include "rib_views.h"

namespace mill
{

class DumpWorker : public Napi::AsyncWorker
{
      public:
	DumpWorker(Napi::Env env, std::shared_ptr<RibThread> rib, std::string path)
	    : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), rib_(std::move(rib)),
	      path_(std::move(path))
	{
	}
	Napi::Value promise() const
	{
		return deferred_.Promise();
	}

      protected:
	void Execute() override
	{
		try {
			write_all();
		} catch (const Failure &failure) {
			failure_ = std::make_unique<Failure>(failure);
		}
	}
	void OnOK() override
	{
		if (failure_)
			deferred_.Reject(js_error(Env(), *failure_).Value());
		else
			deferred_.Resolve(js_u53(Env(), count_));
	}

      private:
	void write_all()
	{
		/* a name of its own: another dump to the same file may be under way, and in /tmp anybody makes links */
		std::string temporary = path_ + ".XXXXXX";
		Fd fd(mkostemp(temporary.data(), O_CLOEXEC));
		if (!fd)
			throw Failure(errno, "open", "cannot write " + temporary);
		try {
			for (const uint8_t family : {uint8_t(4), uint8_t(6)})
				write_family(fd, family);
			if (fchmod(fd.get(), 0644) < 0)
				throw Failure(errno, "fchmod", "cannot write " + temporary);
			if (fsync(fd.get()) < 0 && errno != EINVAL)
				throw Failure(errno, "fsync", "cannot write " + temporary);
			if (rename(temporary.c_str(), path_.c_str()) < 0)
				throw Failure(errno, "rename", "cannot write " + path_);
		} catch (const Failure &) {
			unlink(temporary.c_str());
			throw;
		}
	}
	void write_family(const Fd &fd, uint8_t family)
	{
		std::unique_ptr<Prefix> after;
		for (;;) {
			std::map<uint32_t, std::string> names;
			const auto page = rib_->locked([&](Rib &rib) {
				for (const auto &[ifindex, state] : rib.links())
					names[ifindex] = state.link.name;
				return rib.page(family, after.get(), 1000);
			});
			if (page.empty())
				return;
			std::string text;
			for (const RouteView &view : page)
				text += route_line(view, names);
			for (size_t done = 0; done < text.size();) {
				const ssize_t n = write(fd.get(), text.data() + done, text.size() - done);
				if (n < 0)
					throw Failure(errno, "write", "cannot write " + path_);
				done += static_cast<size_t>(n);
			}
			count_ += page.size();
			after = std::make_unique<Prefix>(page.back().prefix);
		}
	}

	Napi::Promise::Deferred deferred_;
	std::shared_ptr<RibThread> rib_;
	std::string path_;
	std::unique_ptr<Failure> failure_;
	uint64_t count_ = 0;
};

Napi::Value dump_table(Napi::Env env, std::shared_ptr<RibThread> rib, std::string path)
{
	auto *worker = new DumpWorker(env, std::move(rib), std::move(path));
	Napi::Value promise = worker->promise();
	worker->Queue();
	return promise;
}

} // namespace mill
