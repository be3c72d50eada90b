#include "proxy/pool/require_auth.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "protocol/sqlstate.h"

namespace sportello::proxy {
namespace {

struct Method {
  std::string_view name;
  bool RequireAuth::*flag;
};

constexpr Method kMethods[] = {
    {"none", &RequireAuth::allows_none},
    {"password", &RequireAuth::allows_clear_text},
    {"md5", &RequireAuth::allows_md5},
    {"scram-sha-256", &RequireAuth::allows_scram},
};

Error bad(std::string_view what, std::string_view text) {
  return {sqlstate::kInvalidParameterValue,
          std::string(what) + " in require_auth \"" + std::string(text) + "\""};
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(' ');
  return begin == std::string_view::npos ? std::string_view()
                                         : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

}  // namespace

Result<RequireAuth> parse_require_auth(std::string_view text) {
  RequireAuth result;
  if (trimmed(text).empty()) {
    return result;
  }
  const bool excludes = trimmed(text).starts_with('!');
  for (const Method& method : kMethods) {
    result.*method.flag = excludes;
  }
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    std::string_view name = trimmed(text.substr(at, end - at));
    at = end + 1;
    if (name.starts_with('!') != excludes) {
      return bad("methods both required and excluded", text);
    }
    name.remove_prefix(excludes ? 1 : 0);
    const auto* method = std::find_if(std::begin(kMethods), std::end(kMethods),
                                      [name](const Method& known) { return known.name == name; });
    if (method == std::end(kMethods)) {
      return bad("unknown method \"" + std::string(name) + "\"", text);
    }
    if (result.*method->flag != excludes) {
      return bad("method \"" + std::string(name) + "\" named twice", text);
    }
    result.*method->flag = !excludes;
  }
  result.allows_clear_text_unencrypted = !excludes && result.allows_clear_text;
  return result;
}

}  // namespace sportello::proxy
