// Every decoder is fed its input whole, byte by byte, and at random cuts. for_all_cuts() calls `feed` with
// the pieces of each such way of cutting `bytes`.
#pragma once

#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace sportello {

template <typename Feed>
void for_all_cuts(std::string_view bytes, Feed feed) {
  const auto cut_with = [&](auto size_of_next) {
    std::vector<std::string> pieces;
    for (size_t at = 0; at < bytes.size();) {
      const size_t size = size_of_next();
      pieces.emplace_back(bytes.substr(at, size));
      at += pieces.back().size();
    }
    feed(pieces);
  };
  cut_with([&] { return bytes.size(); });
  cut_with([] { return size_t{1}; });
  for (uint32_t seed = 1; seed <= 20; seed++) {
    std::mt19937 random(seed);
    cut_with([&] { return size_t{1} + random() % 9; });
  }
}

}  // namespace sportello
