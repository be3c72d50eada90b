// What is asked of the HTTP server, judged without I/O: which page, or why not. Nothing that it serves
// changes anything, and it asks nobody who he is; so a page of a foreign site must not get at it through
// somebody's browser. Host has to name us (DNS rebinding makes it name that site), and no page may be read
// across origins.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sportello::proxy {

struct HttpRequest {
  std::string_view method;
  std::string_view path;                // without the query
  std::string_view version;             // "HTTP/1.1"
  std::vector<std::string_view> hosts;  // every Host header
  std::string_view reached_at;          // the address that it came to: "127.0.0.1", "::1"
  bool has_body = false;
};

// By which names we may be called.
struct OwnNames {
  std::string listen_host;               // of http_listen; "*": all addresses
  std::string machine_name;              // answers as well where http_listen is more than the machine itself
  std::vector<std::string> others = {};  // http_hosts
};

enum class HttpPage : uint8_t { None, Dashboard, Metrics, Health, Live, Ready };

struct HttpReply {
  unsigned status = 200;
  std::string_view content_type = "text/plain; charset=utf-8";
  std::string body;
};

struct HttpVerdict {
  HttpPage page = HttpPage::None;
  HttpReply refusal;  // where there is no page
};

HttpVerdict judge(const HttpRequest& request, const OwnNames& names);

}  // namespace sportello::proxy
