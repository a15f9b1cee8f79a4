/* Words for rtnetlink's numbers, and a route as a line of text. Pure, any thread. */
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include "shm.h"

namespace mill
{

struct RouteView;

std::string type_name(uint8_t type);         /* RTN_* */
std::string protocol_name(uint8_t protocol); /* RTPROT_* */
std::string neighbour_state_name(uint16_t state);
/* NUD_NONE for another text. */
uint16_t neighbour_state_of(const std::string &text);
std::string adjacency_kind_name(uint8_t kind); /* enum mill_adjacency_kind */

/* "unicast via 192.0.2.1 dev eth0 proto bird metric 20", as iproute2 would say it. */
/* Who made it: bird, static, connected, … */
std::string route_protocol(const RouteView &view);
std::string route_words(const RouteView &view, const std::map<uint32_t, std::string> &names);
/* What the engine does with packets of a group: "forward to 192.0.2.1 (02:…) on interface 3", legs joined. */
std::string answer_words(const mill_lookup_answer &answer);

} // namespace mill
