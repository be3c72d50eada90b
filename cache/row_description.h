// The format codes in a RowDescription, the one part of it that hangs on Bind and not on the statement
// (protocol-message-formats.html).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace sportello::cache {

// Gives a whole RowDescription `message` the formats that Bind's result formats mean: none: all text; one:
// all of that; else one a column. False: it is no such message, or its columns are not as many as the
// formats.
bool set_formats(std::span<char> message, std::span<const int16_t> result_formats);

}  // namespace sportello::cache
