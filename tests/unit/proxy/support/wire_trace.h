// Bytes of a conversation as lines that a person reads, one a message, in the manner of libpq's PQtrace:
//
//   Parse sportello_1 'SELECT 1'      Bind '' sportello_1 (7)      ReadyForQuery I
//
// The names that the proxy gives to statements are numbered anew, in the order in which a tracer meets them,
// so that a test can name them. An unfinished message at the end shows as "... N more".
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sportello::proxy {

using Trace = std::vector<std::string>;

class WireTracer {
 public:
  Trace frontend(std::string_view bytes);
  Trace backend(std::string_view bytes);

 private:
  std::string name(std::string_view name);
  std::string frontend_line(char type, std::string_view body);
  std::string backend_line(char type, std::string_view body);

  std::map<std::string, std::string, std::less<>> numbered_;
};

}  // namespace sportello::proxy
