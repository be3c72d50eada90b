#include "proxy/http/http_request.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>

namespace sportello::proxy {
namespace {

constexpr struct {
  std::string_view path;
  HttpPage page;
} kPages[] = {{"/", HttpPage::Dashboard},
              {"/metrics", HttpPage::Metrics},
              {"/health", HttpPage::Health},
              {"/live", HttpPage::Live},
              {"/ready", HttpPage::Ready}};

constexpr unsigned kBadRequest = 400;
constexpr unsigned kNotFound = 404;
constexpr unsigned kMethodNotAllowed = 405;
constexpr unsigned kMisdirectedRequest = 421;

HttpVerdict refuse(unsigned status, std::string why) {
  return {.page = HttpPage::None, .refusal = {.status = status, .body = std::move(why) + "\n"}};
}

bool same_name(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
  });
}

// "name", "name:port", "[::1]:port"; empty: it is none of these.
std::string_view name_of(std::string_view host) {
  const bool in_brackets = host.starts_with('[');
  const size_t end = in_brackets ? host.find(']') : std::min(host.find(':'), host.size());
  if (end == std::string_view::npos) {
    return {};
  }
  const std::string_view port = host.substr(in_brackets ? end + 1 : end);
  const bool good_port = port.empty() || (port.size() > 1 && port.size() <= 6 && port.front() == ':' &&
                                          port.find_first_not_of("0123456789", 1) == std::string_view::npos);
  const std::string_view name = in_brackets ? host.substr(1, end - 1) : host.substr(0, end);
  return good_port ? (name.ends_with('.') ? name.substr(0, name.size() - 1) : name) : std::string_view();
}

bool is_address(std::string_view text) {
  const std::string name(text);
  in6_addr address{};
  return inet_pton(AF_INET, name.c_str(), &address) == 1 || inet_pton(AF_INET6, name.c_str(), &address) == 1;
}

bool is_loopback(std::string_view address) { return address.starts_with("127.") || address == "::1"; }

// Nobody can make an address lead to us by DNS; but where we listen at one, only that one is ours.
bool is_ours(std::string_view name, const HttpRequest& request, const OwnNames& names) {
  const bool everywhere =
      names.listen_host == "*" || names.listen_host == "0.0.0.0" || names.listen_host == "::";
  if (same_name(name, names.listen_host) || same_name(name, "localhost") ||
      same_name(name, request.reached_at) ||
      std::any_of(names.others.begin(), names.others.end(),
                  [&](const std::string& other) { return same_name(name, other); })) {
    return true;
  }
  if (is_address(name)) {
    return everywhere || is_loopback(name);
  }
  return !is_loopback(request.reached_at) && same_name(name, names.machine_name);
}

}  // namespace

HttpVerdict judge(const HttpRequest& request, const OwnNames& names) {
  if (request.method != "GET" && request.method != "HEAD") {
    return refuse(kMethodNotAllowed, "only GET and HEAD: nothing can be changed here");
  }
  if (request.has_body) {
    return refuse(kBadRequest, "a request has no body");
  }
  // HTTP/1.0 knows no Host, and no browser speaks it.
  if (request.hosts.size() > 1 || (request.hosts.empty() && request.version != "HTTP/1.0")) {
    return refuse(kBadRequest, "a request has one Host");
  }
  if (!request.hosts.empty()) {
    const std::string_view name = name_of(request.hosts.front());
    if (name.empty()) {
      return refuse(kBadRequest, "this is no Host");
    }
    if (!is_ours(name, request, names)) {
      return refuse(kMisdirectedRequest,
                    "this server is not called so: ask for localhost, its address, or a name in http_listen "
                    "or http_hosts");
    }
  }
  const auto* found = std::find_if(std::begin(kPages), std::end(kPages),
                                   [&](const auto& row) { return row.path == request.path; });
  if (found == std::end(kPages)) {
    return refuse(kNotFound, "there are /, /metrics, /health, /live and /ready");
  }
  return {.page = found->page, .refusal = {}};
}

}  // namespace sportello::proxy
