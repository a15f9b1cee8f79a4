/* Finding, inserting and pruning nodes of the prefix trie (Morrison's PATRICIA, 1968, with explicit prefixes). */
#include "rib/trie.h"
#include <endian.h>
#include <algorithm>

namespace mill
{

unsigned common_bits(const Address &a, const Address &b, unsigned most)
{
	for (unsigned half = 0; half < 2; half++) {
		uint64_t left, right;
		memcpy(&left, a.bytes + 8 * half, 8);
		memcpy(&right, b.bytes + 8 * half, 8);
		const uint64_t differ = be64toh(left ^ right);
		if (differ != 0)
			return std::min(most, 64 * half + static_cast<unsigned>(__builtin_clzll(differ)));
	}
	return most;
}

static void destroy(Node *node)
{
	if (node == nullptr)
		return;
	destroy(node->child[0]);
	destroy(node->child[1]);
	delete node;
}

Trie::~Trie()
{
	destroy(root_);
}

Node *Trie::find(const Prefix &prefix) const
{
	Node *node = root_;
	while (node != nullptr && node->prefix.length < prefix.length)
		node = node->child[bit_of(prefix.address, node->prefix.length)];
	return node != nullptr && node->prefix == prefix ? node : nullptr;
}

static Node *new_node(const Prefix &prefix)
{
	Node *node = new Node;
	node->prefix = prefix;
	return node;
}

Node &Trie::insert(const Prefix &prefix)
{
	Node **place = &root_;
	for (;;) {
		Node *node = *place;
		if (node == nullptr)
			return *(*place = new_node(prefix));
		const unsigned most = std::min(node->prefix.length, prefix.length);
		const unsigned common = common_bits(node->prefix.address, prefix.address, most);
		if (common == node->prefix.length) {
			if (common == prefix.length)
				return *node;
			place = &node->child[bit_of(prefix.address, common)];
			continue;
		}
		if (common == prefix.length) { /* the new one stands above */
			Node *above = new_node(prefix);
			above->child[bit_of(node->prefix.address, common)] = node;
			return *(*place = above);
		}
		Node *branch = new_node(Prefix(prefix.address, static_cast<uint8_t>(common)));
		Node *leaf = new_node(prefix);
		branch->child[bit_of(prefix.address, common)] = leaf;
		branch->child[bit_of(node->prefix.address, common)] = node;
		*place = branch;
		return *leaf;
	}
}

static bool needed(const Node &node)
{
	return node.first != nullptr || node.fed != nullptr || node.dirty != 0;
}

/* Takes a node out that has at most one child and that nobody needs. */
static bool splice(Node **place)
{
	Node *node = *place;
	if (needed(*node) || (node->child[0] != nullptr && node->child[1] != nullptr))
		return false;
	*place = node->child[0] != nullptr ? node->child[0] : node->child[1];
	delete node;
	return true;
}

void Trie::prune(const Prefix &prefix)
{
	Node **place = &root_, **above = nullptr;
	while (*place != nullptr && (*place)->prefix.length < prefix.length) {
		above = place;
		place = &(*place)->child[bit_of(prefix.address, (*place)->prefix.length)];
	}
	if (*place == nullptr || !((*place)->prefix == prefix))
		return;
	if (splice(place) && above != nullptr)
		splice(above);
}

} // namespace mill
