// A byte that says how the rest is cut, then what a client sends after its login, to a server that answers
// whatever it is asked. Nothing that a client says makes the session believe that its server broke the
// protocol, or leaves the link in use by nobody.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/invariant.h"
#include "tests/unit/proxy/support/memory_link.h"
#include "tests/unit/proxy/support/messages.h"

namespace {

using namespace sportello;
using namespace sportello::proxy;

std::string answer(const OwedAnswer& owed) {
  switch (owed.request) {
    case Request::Parse:
      return server::parse_complete();
    case Request::Bind:
      return server::bind_complete();
    case Request::DescribeStatement:
      return server::parameter_description() + server::no_data();
    case Request::DescribePortal:
      return server::no_data();
    case Request::Execute:
      return server::row("1") + server::complete("SELECT 1");
    case Request::Close:
      return server::close_complete();
    case Request::Query:
      return server::complete("OK") + server::ready();
    case Request::FunctionCall:
      return server::function_result() + server::ready();
    case Request::Sync:
      return server::ready();
    case Request::CopyEnd:
      return {};
  }
  return {};
}

// The request that a server answers next. The answers to those in front of it have been given and are `held`
// bytes: the session takes a small answer as a whole (ClientSession::foresee). What it makes up itself no
// server answers.
const OwedAnswer* unanswered(const LinkState& link, size_t held) {
  for (size_t i = 0; i < link.owed.size(); i++) {
    const OwedAnswer& owed = link.owed[i];
    if (owed.delivery == Delivery::Invent) {
      continue;
    }
    if (held == 0) {
      return owed.request == Request::CopyEnd ? nullptr : &owed;
    }
    const size_t given = answer(owed).size();
    invariant(given <= held, "what is held are whole answers, in the order of the requests");
    held -= given;
  }
  return nullptr;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) {
    return 0;
  }
  static MemoryWorker worker;
  worker.context.inspect_max = 256;
  const size_t cut = 1 + (data[0] & 63U);
  const bool fails = (data[0] & 64U) != 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  LinkState link = memory_link();
  MemorySession session(worker, &link);
  while (!bytes.empty()) {
    session.client(bytes.substr(0, cut));
    bytes.remove_prefix(std::min(cut, bytes.size()));
    if (session.last_step().need == ClientStep::Need::Close) {
      return 0;
    }
    while (session.holds_link()) {
      const OwedAnswer* owed = unanswered(link, session.held());
      if (owed == nullptr) {
        break;
      }
      const bool error = fails && owed->delivery == Delivery::Forward && owed->request == Request::Execute;
      session.server(error ? server::error("22012") : answer(*owed));
      invariant(!session.last_answer().broken, "the server did what it was asked");
      session.bytes_to_client();
    }
    session.bytes_to_server();
  }
  invariant(!session.holds_link() || link.unsynced || link.skips_to_sync || session.session().pinned() ||
                session.session().in_message() || !link.owed.empty() || link.copy_in,
            "a link is held for a reason");
  return 0;
}
