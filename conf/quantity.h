// Durations and sizes as people write them: "30s", "1min 30s", "0.5 h", "64kB", "2 GB". A bare number is what
// PgBouncer takes it for: seconds, or bytes. Sizes count in 1024s, as postgresql.conf does. Nothing is
// negative, nothing overflows in silence: what does not fit is not a quantity.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sportello::conf {

// Units: us, ms, s, m or min, h, d, w; several may follow each other. Anything finer than a millisecond is
// rounded up, so that a limit never turns into "off". At most ten years.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

// Units: B, kB, MB, GB, TB, in either case.
std::optional<uint64_t> parse_size(std::string_view text);

// The same the other way, in the largest units that are exact: "1min 30s", "64kB".
std::string format_duration(std::chrono::milliseconds value);
std::string format_size(uint64_t bytes);

}  // namespace sportello::conf
