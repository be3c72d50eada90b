#include "protocol/sql/route_hint.h"

#include <algorithm>

#include "protocol/sql/lexer.h"

namespace sportello::sql {
namespace {

constexpr std::string_view kSpace = " \t\n\r\f\v";

std::string_view trim(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

bool equal_without_case(std::string_view text, std::string_view lower_case) {
  return std::equal(text.begin(), text.end(), lower_case.begin(), lower_case.end(),
                    [](char mine, char other) { return to_lower(mine) == other; });
}

}  // namespace

RouteHint hint_in_comment(std::string_view comment) {
  constexpr std::string_view kPrefix = "sportello:";
  comment = trim(comment);
  if (!equal_without_case(comment.substr(0, kPrefix.size()), kPrefix)) return RouteHint::None;
  const std::string_view wish = trim(comment.substr(kPrefix.size()));
  if (equal_without_case(wish, "primary")) return RouteHint::Primary;
  if (equal_without_case(wish, "nocache")) return RouteHint::NoCache;
  if (equal_without_case(wish, "replica")) return RouteHint::Replica;
  return RouteHint::None;
}

RouteHint stronger(RouteHint one, RouteHint other) {
  if (one == RouteHint::None || other == RouteHint::None) return std::max(one, other);
  return std::min(one, other);
}

}  // namespace sportello::sql
