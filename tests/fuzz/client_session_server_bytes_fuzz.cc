// A byte that picks what the client has asked, one that says how the rest is cut, then what the server
// answers. Whatever it is, the link is closed or the client gets an answer; a link that came free is at rest.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/invariant.h"
#include "tests/unit/proxy/support/memory_link.h"
#include "tests/unit/proxy/support/messages.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sportello;
  using namespace sportello::proxy;
  if (size < 3) {
    return 0;
  }
  static MemoryWorker worker;
  static const std::array<std::string, 8> kAsked = {
      client::query("SELECT 1"),
      client::query("BEGIN") + client::query("RESET ALL") + client::query("DISCARD ALL"),
      client::query("COPY t FROM STDIN") + client::copy_data("1") + client::copy_done(),
      client::unnamed("SELECT 1") + client::sync() + client::unnamed("SELECT 2") + client::sync(),
      client::parse("s", "SELECT 1") + client::describe('S', "s") + client::bind("", "s") +
          client::execute() + client::close('S', "s") + client::sync(),
      client::unnamed("COPY t FROM STDIN") + client::sync() + client::copy_done() + client::sync(),
      client::function_call(952),
      client::bind("", "missing") + client::execute() + client::flush(),
  };
  LinkState link = memory_link();
  MemorySession session(worker, &link);
  session.client(kAsked[data[0] % kAsked.size()]);
  session.bytes_to_server();
  if (!session.holds_link()) {
    return 0;  // answered without a server
  }
  session.server(std::string_view(reinterpret_cast<const char*>(data) + 2, size - 2), 1 + data[1] % 64U);
  if (!session.holds_link()) {
    invariant(link.at_rest(), "a link that came free is at rest");
    return 0;
  }
  session.next_link = nullptr;
  const LinkLoss loss = session.dies();
  session.client(client::sync() + client::query("ROLLBACK"));
  invariant(loss.again || loss.session_ends || !session.bytes_to_client().empty(),
            "nobody is left without an answer");
  return 0;
}
