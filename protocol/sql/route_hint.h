// The hint that a comment gives to the router: `sportello: primary`, `nocache` or `replica`, alone in its
// comment but for white space, in any case. Anything else is a comment like any other.
#pragma once

#include <string_view>

#include "protocol/sql/statement_facts.h"

namespace sportello::sql {

// `comment` is what is between its marks.
RouteHint hint_in_comment(std::string_view comment);

// The one that a text with both follows: Primary before NoCache before Replica.
RouteHint stronger(RouteHint one, RouteHint other);

}  // namespace sportello::sql
