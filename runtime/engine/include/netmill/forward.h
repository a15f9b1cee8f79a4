/* All that a generated forwarder may see of the engine. */
#pragma once
#include "netmill/acl.h"
#include "netmill/enter.h"
#include "netmill/route.h"

extern const struct mill_forwarder mill_forwarder;
