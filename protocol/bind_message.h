// A Bind message read whole: the values of a statement's parameters and the formats of its results. For those
// who have to know what exactly is asked; who only forwards needs no more than decode_bind_prefix().
// protocol-message-formats.html.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace sportello {

// Views into the message's body. Reused from message to message, so that reading one allocates nothing.
struct BindMessage {
  std::string_view portal;
  std::string_view statement;
  std::vector<int16_t> parameter_formats;                   // none: all text; one: it stands for all
  std::vector<std::optional<std::string_view>> parameters;  // nothing: NULL
  std::vector<int16_t> result_formats;                      // likewise

  // False: it is not what the format says, and nothing here means anything.
  bool decode(std::string_view body);
};

}  // namespace sportello
