/*
 * Where people and policies point: the operator's own routes, resolved through everybody else's, and the gateways of ACLs
 * and PBR, resolved through all, anew whenever those change.
 */
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <algorithm>
#include <numeric>
#include <utility>
#include "rib/rib.h"

namespace mill
{

void Rib::set_interfaces(std::unordered_map<uint32_t, uint16_t> slots)
{
	interfaces_known_ = true;
	if (slots == slots_)
		return;
	slots_ = std::move(slots);
	links_changed();
}

void Rib::set_gateways(const std::map<uint32_t, Way> &ways)
{
	for (auto at = gateways_.begin(); at != gateways_.end();) {
		const auto next = std::next(at);
		const auto kept = ways.find(at->first);
		if (kept == ways.end() || kept->second != at->second.way) {
			if (at->second.fed != nullptr)
				feed_unref(at->second.fed);
			if (kept == ways.end())
				gone_gateways_.push_back(at->first);
			gateways_.erase(at);
		}
		at = next;
	}
	for (const auto &[slot, way] : ways)
		gateways_[slot].way = way;
	gateways_changed_ = true;
}

bool Rib::add_operator_route(const Prefix &prefix, const Address &gateway, uint32_t ifindex)
{
	operator_routes_[prefix] = {gateway, ifindex};
	check_operator_routes();
	const Node *node = trie(prefix.address.family).find(prefix);
	const Candidate *c = node != nullptr ? node->first : nullptr;
	while (c != nullptr && source_of(c->rank) != Source::Operator)
		c = c->next;
	return c != nullptr;
}

bool Rib::delete_operator_route(const Prefix &prefix)
{
	if (operator_routes_.erase(prefix) == 0)
		return false;
	put_single(prefix, beside_main(Source::Operator), nullptr);
	return true;
}

/* The path to a gateway of the operator's, through others' routes alone: so none leads to itself, whatever the order in which
 * they came. Null: there is no way. */
Path *Rib::resolve(const Address &gateway)
{
	const Candidate *route =
	    gateway.is_link_local() ? nullptr : match(gateway, gateway.bits(), false).candidate;
	if (route == nullptr)
		return nullptr;
	Path *path = route->path;
	if (path->type == RTN_BLACKHOLE || path->type == RTN_UNREACHABLE || path->type == RTN_PROHIBIT)
		return path;
	if (path->type != RTN_UNICAST)
		return nullptr;
	bool blackhole = false, same = path->nexthop_id == 0;
	std::vector<Leg> legs = legs_of(*path, blackhole);
	for (Leg &leg : legs) {
		if (leg.gateway.family != 0)
			continue;
		leg.gateway = gateway;
		same = false;
	}
	if (blackhole)
		return path;
	if (legs.empty())
		return nullptr;
	return same ? path : path_like(gateway.family, RTN_UNICAST, 0, Address(), legs);
}

void Rib::check_operator_routes()
{
	for (auto &[prefix, route] : operator_routes_) {
		Path *path = nullptr;
		if (route.ifindex == 0) {
			path = resolve(route.gateway);
		} else if (links_.count(route.ifindex) != 0) {
			Leg leg;
			leg.ifindex = route.ifindex;
			leg.gateway = route.gateway;
			path = path_like(prefix.address.family, RTN_UNICAST, 0, Address(), {leg});
		}
		put_single(prefix, beside_main(Source::Operator), path);
	}
}

/* --- gateways of rules -------------------------------------------------------------------------------------- */

/* Over interfaces of the engine: what was told to go there by a policy must not be left to the kernel, which would send
 * it elsewhere. */
std::vector<Leg> Rib::legs_to(const Path &route, const Address &gateway) const
{
	bool blackhole = false;
	std::vector<Leg> legs;
	if (route.type != RTN_UNICAST)
		return legs;
	for (Leg leg : legs_of(route, blackhole)) {
		if (leg.encap || slots_.count(leg.ifindex) == 0)
			continue;
		if (leg.gateway.family == 0)
			leg.gateway = gateway;
		legs.push_back(leg);
	}
	return blackhole ? std::vector<Leg>() : legs;
}

/* Who failed is not hoped for until it answers; who is not known yet may, and packets may wait for it. */
Rib::Answers Rib::answers(const Path &route, const Leg &leg)
{
	const NeighbourKey key(leg.gateway, leg.ifindex);
	const auto known = neighbours_.find(key);
	const auto [at, fresh] = gateway_neighbours_.try_emplace(key);
	GatewayNeighbour &about = at->second;
	const bool usable = known != neighbours_.end() && known->second.usable();
	about.named = true;
	if (fresh)
		about.silent = known != neighbours_.end() && known->second.state == NUD_FAILED;
	if (usable)
		about.silent = false;
	if (!leg_alive(route, leg) || about.silent)
		return Answers::No;
	return usable ? Answers::Yes : Answers::Perhaps;
}

/* Numbers that are to each other as the fractions are, as small as can be. */
struct Share {
	Leg leg;
	uint64_t part, of; /* part/of of the way's flows, before others are left out */
};

static std::vector<Leg> weigh(const std::vector<Share> &shares)
{
	constexpr uint64_t most = UINT16_MAX, enough = uint64_t(1) << 32;
	uint64_t common = 1, divisor = 0, largest = 1;
	std::vector<std::pair<Leg, uint64_t>> sums;
	for (const Share &share : shares)
		if (std::lcm(common, share.of) <= enough)
			common = std::lcm(common, share.of);
	for (const Share &share : shares) {
		const uint64_t part = std::max<uint64_t>(1, share.part * common / share.of);
		const auto same = std::find_if(sums.begin(), sums.end(), [&](const auto &sum) {
			return sum.first.ifindex == share.leg.ifindex &&
			       sum.first.gateway == share.leg.gateway;
		});
		if (same != sums.end())
			same->second += part;
		else
			sums.emplace_back(share.leg, part);
	}
	for (const auto &[leg, part] : sums) {
		divisor = std::gcd(divisor, part);
		largest = std::max(largest, part);
	}
	std::vector<Leg> legs;
	for (const auto &[leg, part] : sums) {
		const uint64_t whole = part / divisor, limit = largest / divisor;
		legs.push_back(leg);
		legs.back().weight = static_cast<uint16_t>(
		    limit <= most ? whole : std::max<uint64_t>(1, whole * most / limit));
	}
	return legs;
}

/* A gateway's part is that of its legs that answer. */
static void add_shares(std::vector<Share> &shares, const std::vector<Leg> &legs, uint32_t weight)
{
	uint64_t sum = 0;
	for (const Leg &leg : legs)
		sum += leg.weight;
	for (const Leg &leg : legs)
		shares.push_back({leg, static_cast<uint64_t>(weight) * leg.weight, sum});
}

/* Of the first choice with a gateway that answers, those that do; while none does, of the first for which there is hope.
 * All neighbours are looked at, so that who stands in is known before. */
std::vector<Leg> Rib::legs_of_way(const Way &way)
{
	std::vector<Share> sure, hoped;
	for (const std::vector<Gateway> &choice : way) {
		std::vector<Share> yes, perhaps;
		for (const Gateway &gateway : choice) {
			std::vector<Leg> up, unknown;
			const Candidate *route =
			    gateway.address.is_link_local() ? nullptr : match(gateway.address);
			if (route == nullptr)
				continue;
			for (const Leg &leg : legs_to(*route->path, gateway.address)) {
				const Answers answer = answers(*route->path, leg);
				if (answer == Answers::Yes)
					up.push_back(leg);
				else if (answer == Answers::Perhaps)
					unknown.push_back(leg);
			}
			add_shares(yes, up, gateway.weight);
			add_shares(perhaps, unknown, gateway.weight);
		}
		if (sure.empty())
			sure = std::move(yes);
		if (hoped.empty())
			hoped = std::move(perhaps);
	}
	return weigh(!sure.empty() ? sure : hoped);
}

static std::string text_of(const Way &way)
{
	std::string text;
	for (const std::vector<Gateway> &choice : way) {
		for (const Gateway &gateway : choice)
			text += gateway.address.text() + "*" + std::to_string(gateway.weight) + " ";
		text += "or ";
	}
	return text;
}

/* A way keeps its group, whoever answers: flows of legs that stay do not move, and those that come back return. */
void Rib::check_gateways()
{
	gateways_changed_ = false;
	for (auto &[key, neighbour] : gateway_neighbours_)
		neighbour.named = false;
	for (auto &[slot, gateway] : gateways_) {
		std::vector<Leg> legs = legs_of_way(gateway.way);
		if (gateway.fed == nullptr) {
			gateway.fed =
			    paths_.intern_way(gateway.way[0][0].address.family, text_of(gateway.way));
			gateway.told = false;
			feed_ref(gateway.fed);
		}
		if (legs.empty() == gateway.reachable) {
			gateway.reachable = !legs.empty();
			gateway.told = false;
		}
		if (legs.empty() || legs == gateway.fed->legs)
			continue;
		gateway.fed->legs = std::move(legs);
		if (gateway.fed->sent)
			mark_path(*gateway.fed);
	}
	for (auto at = gateway_neighbours_.begin(); at != gateway_neighbours_.end();)
		at = at->second.named ? std::next(at) : gateway_neighbours_.erase(at);
}

void Rib::gateway_failed(const NeighbourKey &key)
{
	const auto found = gateway_neighbours_.find(key);
	if (found == gateway_neighbours_.end() || std::exchange(found->second.silent, true))
		return;
	gateways_changed_ = true;
}

/* Also those that are not used now, or did not answer: once a second, as long as rules name them. */
void Rib::refresh_gateways(uint64_t now_ns, uint32_t max_tries, size_t most,
                           std::vector<NeighbourKey> &wanted)
{
	constexpr uint64_t second_ns = 1000000000ull;
	for (auto &[key, about] : gateway_neighbours_) {
		const auto link = links_.find(key.second);
		if (wanted.size() >= most)
			return;
		if (now_ns - about.asked_ns < second_ns || link == links_.end() || !link->second.up())
			continue;
		const auto found = neighbours_.find(key);
		const bool usable = found != neighbours_.end() && found->second.usable();
		if (usable)
			about.tries = 0;
		else if (link->second.carrier() && about.tries++ == max_tries)
			gateway_failed(key);
		/* whom the engine knows it keeps alive by itself */
		if (usable && (is_own(key.second) || found->second.state != NUD_STALE))
			continue;
		about.asked_ns = now_ns;
		wanted.push_back(key);
	}
}

} // namespace mill
