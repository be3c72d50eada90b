// The hint that a comment gives to the router: `sportello: primary`, `nocache` or `replica`, alone in its
// comment but for white space, in any case. Anything else is a comment like any other.
#pragma once

#include <cstdint>
#include <string_view>

namespace sportello::sql {

// Of several, a text follows the one that stands first here.
enum class RouteHint : uint8_t {
  None,
  Primary,  // asked of the primary itself
  NoCache,  // no result from memory, none kept
  Replica,  // a replica is wished for
};

// `comment` is what is between its marks.
RouteHint hint_in_comment(std::string_view comment);

// The one that a text with both follows.
RouteHint stronger(RouteHint one, RouteHint other);

}  // namespace sportello::sql
