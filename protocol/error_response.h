// ErrorResponse and NoticeResponse: fields by their one-letter codes. Decoding never fails: a field that is
// missing is empty, the last of a duplicate counts, an unknown one is passed over.
// protocol-error-fields.html.
#pragma once

#include <string>
#include <string_view>

#include "protocol/result.h"

namespace sportello {

enum class Severity : uint8_t { Error, Fatal };

// Views into the decoded body.
struct ErrorFields {
  std::string_view severity;  // not localised (field V), or the localised one
  std::string_view sqlstate;
  std::string_view message;
  std::string_view detail;
  std::string_view hint;
  std::string_view routine;  // of the server's that said so

  bool is_fatal() const { return severity == "FATAL" || severity == "PANIC"; }
};

ErrorFields decode_error_fields(std::string_view body);

// `routine`: of the server's that would have said so, where drivers look at that; "": none.
void append_error_response(std::string& out, Severity severity, const Error& error,
                           std::string_view routine = {});

}  // namespace sportello
