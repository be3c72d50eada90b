#include "tests/portal/load/mix.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <string>

#include "protocol/sqlstate.h"

namespace sportello::portal {
namespace {

constexpr unsigned kMaxWeight = 1000;

Error bad_mix(std::string message) {
  return {sqlstate::kInvalidParameterValue, "mix: " + std::move(message)};
}

}  // namespace

Result<Mix> Mix::parse(std::string_view text, const std::vector<Request>& requests) {
  Mix mix;
  while (!text.empty()) {
    const auto end = std::min(text.find(','), text.size());
    const auto entry = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto colon = std::min(entry.find(':'), entry.size());
    const auto name = entry.substr(0, colon);
    const auto digits = entry.substr(std::min(colon + 1, entry.size()));
    unsigned weight = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), weight);
    if (read.ec != std::errc{} || read.ptr != digits.data() + digits.size() || weight == 0 ||
        weight > kMaxWeight) {
      return bad_mix("\"" + std::string(entry) + "\" is not NAME:WEIGHT, with a weight from 1 to 1000");
    }
    const auto found =
        std::find_if(requests.begin(), requests.end(), [&](const Request& r) { return r.name == name; });
    if (found == requests.end()) return bad_mix("there is no query called \"" + std::string(name) + "\"");
    mix.choices_.insert(mix.choices_.end(), weight, static_cast<size_t>(found - requests.begin()));
  }
  if (mix.choices_.empty()) return bad_mix("it is empty");
  return mix;
}

Mix Mix::each_in_turn(size_t requests) {
  Mix mix;
  mix.choices_.resize(requests);
  std::iota(mix.choices_.begin(), mix.choices_.end(), size_t{0});
  mix.in_turn_ = true;
  return mix;
}

size_t Mix::next(uint64_t random) { return choices_[(in_turn_ ? turn_++ : random) % choices_.size()]; }

}  // namespace sportello::portal
