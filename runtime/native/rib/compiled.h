/*
 * The compiled FIB against the RIB: the trie cuts the address space into intervals within which all addresses have
 * the same route, and the first and last address of each (so the boundary addresses of every prefix, inside and
 * outside) must lead to the engine's group for that route. What groups say is compared once for each part.
 *
 * Asked only while the engine has applied all that it was told and nothing waits to be told. The owner's lock covers
 * everything here; it may be let go between calls.
 */
#pragma once
#include <vector>
#include "fd.h"
#include "rib/compare.h"

extern "C" {
#include "fib_view.h"
}

namespace mill
{

/* The engine's FIB, mapped for reading. */
class CompiledFib
{
      public:
	/* Throws Failure. */
	explicit CompiledFib(const Fd &memory);
	~CompiledFib();
	CompiledFib(const CompiledFib &) = delete;
	CompiledFib &operator=(const CompiledFib &) = delete;
	/* At most 64. */
	std::vector<uint32_t> groups(const std::vector<Address> &addresses) const;
	bool explain(uint32_t group, mill_lookup_answer &answer) const;

      private:
	mill_fib_view view_;
};

class CompiledCheck
{
      public:
	CompiledCheck(Rib &rib, const CompiledFib &fib) : rib_(rib), fib_(fib)
	{
	}
	/* Some thousand addresses; true when all of both families were seen. What is wrong is told to the engine
	 * again, once, with the next flush. */
	bool step(AuditReport &report);
	/* Prefixes with wrong addresses, and how many of them still have one. */
	size_t wrong() const
	{
		return wrong_.size();
	}
	size_t still_wrong() const;

      private:
	struct Probe {
		Address address;
		const Node *owner; /* whose route it is; null: none */
		Path *path;
	};
	bool gather(std::vector<Probe> &probes);
	void judge(const std::vector<Probe> &probes, size_t begin, size_t end, AuditReport &report);
	bool right(const Path *path, uint32_t group) const;
	void tell(const Probe &probe, uint32_t group, AuditReport &report);
	void repair(const Probe &probe);

	Rib &rib_;
	const CompiledFib &fib_;
	Address from_ = Address::of(4, "\0\0\0\0");
	std::map<Prefix, Address> wrong_;         /* of each prefix, one address */
	std::map<const Path *, uint32_t> groups_; /* of this step */
};

} // namespace mill
