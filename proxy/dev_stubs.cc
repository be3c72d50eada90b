#include "proxy/control/auth_query.h"
namespace sportello::proxy {
AuthQuery::AuthQuery(EventLoop&) {}
bool AuthQuery::look_up(const RuntimeConfigRef&, const std::string&, const std::string&, Answer) {
  return false;
}
}  // namespace sportello::proxy
