/*
 * A binary path-compressed trie of prefixes of one family. A node stands for a prefix that has candidates, or
 * where two such part. Its order (node, left, right) is the order of prefixes. Nodes stay where they are until
 * they are pruned, so that lists may point to them. Not locked: the owner's lock covers it.
 */
#pragma once
#include <cstdint>
#include <utility>
#include "rib/address.h"

namespace mill
{

struct Path;
struct Candidate;

struct Node {
	Node *child[2] = {nullptr, nullptr};
	Candidate *first = nullptr; /* in order of preference */
	Path *fed = nullptr;        /* what the engine was last told; null for nothing */
	Prefix prefix;
	uint8_t dirty = 0; /* the lists of changes that it is in: 1 urgent, 2 the others */
};

inline unsigned bit_of(const Address &address, unsigned index)
{
	return address.bytes[index >> 3] >> (7 - (index & 7)) & 1;
}

/* Number of leading bits that both have, at most `most`. */
unsigned common_bits(const Address &a, const Address &b, unsigned most);

class Trie
{
      public:
	Trie() = default;
	~Trie();
	Trie(const Trie &) = delete;
	Trie &operator=(const Trie &) = delete;

	Node *find(const Prefix &prefix) const;
	Node &insert(const Prefix &prefix);
	/* Removes the node if nothing needs it: no candidate, not fed, not dirty; and branches it leaves behind. */
	void prune(const Prefix &prefix);

	/* Calls `visit(Node &)` for each node that covers the first `length` bits of the address, shortest first. */
	template <typename Visit> void covering(const Address &address, unsigned length, Visit visit) const
	{
		Node *node = root_;
		while (node != nullptr && node->prefix.length <= length &&
		       common_bits(node->prefix.address, address, node->prefix.length) ==
		           node->prefix.length) {
			visit(*node);
			if (node->prefix.length == length)
				return;
			node = node->child[bit_of(address, node->prefix.length)];
		}
	}

	/* All nodes inside the prefix, itself included, in order. */
	template <typename Visit> void inside(const Prefix &prefix, Visit visit) const
	{
		Node *node = root_;
		while (node != nullptr && node->prefix.length < prefix.length) {
			if (common_bits(node->prefix.address, prefix.address, node->prefix.length) !=
			    node->prefix.length)
				return;
			node = node->child[bit_of(prefix.address, node->prefix.length)];
		}
		if (node != nullptr &&
		    common_bits(node->prefix.address, prefix.address, prefix.length) == prefix.length)
			walk(node, visit);
	}

	template <typename Visit> void all(Visit visit) const
	{
		walk(root_, visit);
	}

	/* In order, from the first after `after` (from the very first when null), until `visit` returns false. */
	template <typename Visit> void page(const Prefix *after, Visit visit) const
	{
		walk_after(root_, after, visit);
	}

	/*
	 * The address space from `from` on, cut where prefixes begin and end: `enter(node, above)` gives the value of
	 * a node, `visit(first, last, value)` gets each interval with the value of the node it belongs to (`none`
	 * outside of all). `from` moves along; visit returns false to stop. False: the end was reached.
	 */
	template <typename Value, typename Enter, typename Visit>
	bool intervals(Address &from, const Value &none, Enter enter, Visit visit) const
	{
		Cutter<Value, Enter, Visit> cutter = {from, enter, visit, false};
		const Address end = Prefix(Address::of(from.family, Address().bytes), 0).last();
		if (root_ != nullptr && !cutter.cover(*root_, none))
			return !cutter.over;
		if (!cutter.over)
			cutter.emit(end, none);
		return !cutter.over;
	}

      private:
	template <typename Value, typename Enter, typename Visit> struct Cutter {
		Address &from;
		Enter &enter;
		Visit &visit;
		bool over;

		/* Up to and with `last`; false to stop. */
		bool emit(const Address &last, const Value &value)
		{
			const Address first = from;
			from = last.next();
			over = from.is_zero();
			return visit(first, last, value) && !over;
		}
		bool cover(const Node &node, const Value &above)
		{
			const Address last = node.prefix.last();
			if (last < from)
				return true;
			if (from < node.prefix.address && !emit(node.prefix.address.previous(), above))
				return false;
			const Value value = enter(node, above);
			for (const Node *child : node.child)
				if (child != nullptr && !cover(*child, value))
					return false;
			return last < from || emit(last, value);
		}
	};

	template <typename Visit> static void walk(Node *node, Visit &visit)
	{
		if (node == nullptr)
			return;
		visit(*node);
		walk(node->child[0], visit);
		walk(node->child[1], visit);
	}
	template <typename Visit> static bool walk_after(Node *node, const Prefix *after, Visit &visit)
	{
		if (node == nullptr)
			return true;
		if (after != nullptr && node->prefix.last() < after->address)
			return true; /* all of it comes before */
		if ((after == nullptr || *after < node->prefix) && !visit(*node))
			return false;
		return walk_after(node->child[0], after, visit) && walk_after(node->child[1], after, visit);
	}

	Node *root_ = nullptr;
};

} // namespace mill
