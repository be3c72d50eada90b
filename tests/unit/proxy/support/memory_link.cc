#include "tests/unit/proxy/support/memory_link.h"

#include <atomic>
#include <utility>

namespace sportello::proxy {

SettingsValues plain_settings() {
  SettingsValues values;
  values.tracked = {"UTF8", "ISO, MDY", "UTC", "postgres", "on", "", "off"};
  return values;
}

MemoryWorker::MemoryWorker() {
  static std::atomic<uint64_t> databases{1000};
  scope.id = ++databases;
  context.facts = &facts;
  context.statements = &statements;
}

LinkState memory_link(const SettingsValues& values) {
  LinkState link;
  link.settings = intern_settings(values);
  link.login_settings = link.settings;
  link.reported = (1U << kTrackedCount) - 1;
  return link;
}

MemorySession::MemorySession(MemoryWorker& worker, LinkState* next, const SettingsValues& values)
    : next_link(next), session_(worker.context, worker.scope, 1) {
  session_.begin(intern_settings(values));
}

void MemorySession::drain(Outbox& outbox, std::string& into) {
  outbox.seal();
  for (const Outbox::Piece& piece : outbox.pieces()) {
    into.append(outbox.view(piece));
  }
  outbox.clear();
}

void MemorySession::feed_client() {
  for (;;) {
    // A buffer of its own for every call, so that a view kept too long shows under ASan.
    const auto in = std::make_unique<std::string>(pending_);
    step_ = session_.on_client_bytes(*in, to_server_, to_client_);
    drain(to_server_, server_side_);
    drain(to_client_, client_side_);
    pending_.erase(0, step_.taken);
    if (step_.need != ClientStep::Need::Link || next_link == nullptr) {
      return;
    }
    session_.take_link(*next_link, to_server_);
  }
}

MemorySession& MemorySession::client(std::string_view bytes, size_t cut) {
  while (!bytes.empty()) {
    pending_.append(bytes.substr(0, cut));
    bytes.remove_prefix(std::min(cut, bytes.size()));
    feed_client();
  }
  return *this;
}

MemorySession& MemorySession::server(std::string_view bytes, size_t cut) {
  while (!bytes.empty()) {
    server_pending_.append(bytes.substr(0, cut));
    bytes.remove_prefix(std::min(cut, bytes.size()));
    const auto in = std::make_unique<std::string>(server_pending_);
    answer_ = session_.on_server_bytes(*in, to_server_, to_client_);
    drain(to_server_, server_side_);
    drain(to_client_, client_side_);
    server_pending_.erase(0, answer_.taken);
    commands_ += answer_.commands;
    if (answer_.broken) {
      return *this;
    }
    if (answer_.goes_on && !pending_.empty()) {
      feed_client();
    }
    if (answer_.free) {
      session_.leave_link();
      if (!pending_.empty()) {
        feed_client();
      }
    }
    if (session_.link() == nullptr) {
      return *this;
    }
  }
  return *this;
}

LinkLoss MemorySession::dies(std::string why) {
  server_pending_.clear();
  LinkLoss loss = session_.lose_link({"08006", std::move(why)}, to_client_);
  if (loss.again && next_link != nullptr) {
    session_.take_link(*next_link, to_server_);
    session_.run_again(*std::exchange(loss.again, std::nullopt), to_server_);
  }
  drain(to_server_, server_side_);
  drain(to_client_, client_side_);
  return loss;
}

Trace MemorySession::to_server() { return tracer_.frontend(bytes_to_server()); }
Trace MemorySession::to_client() { return tracer_.backend(bytes_to_client()); }

}  // namespace sportello::proxy
