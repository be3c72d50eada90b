// A client of the admin console that sends any bytes: once as messages, in two pieces, once as the text of a
// Query. Every command succeeds.
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/frontend_messages.h"
#include "proxy/admin/admin_columns.h"
#include "proxy/admin/admin_protocol.h"

using namespace sportello;
using namespace sportello::proxy;

namespace {

void say(AdminProtocol& protocol, std::string_view bytes) {
  std::string out;
  auto next = protocol.on_bytes(bytes, out);
  while (next == AdminProtocol::Next::Run) {
    AdminAnswer answer;
    if (protocol.command().verb == AdminVerb::Show) {
      answer.table = AdminTable{.columns = show_columns(protocol.command().topic)};
    }
    next = protocol.finish(std::move(answer), out);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const AdminProtocol::Client client{
      .user = "u", .process_id = 1, .version = "v", .may_change = [] { return true; }};
  AdminProtocol messages(client);
  say(messages, bytes.substr(0, size / 2));
  say(messages, bytes.substr(size / 2));
  AdminProtocol queries(client);
  std::string query;
  append_query(query, bytes);
  say(queries, query);
  return 0;
}
