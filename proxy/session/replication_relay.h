// A replication connection after its login: what the client sends goes to a server link of its own as it
// came, and what the server answers to the client. Nothing is changed, held or understood; it is only
// followed which message is under way, to know whether a command runs that ends by itself, whether a stream
// runs that does not, and whether a message of ours would fall into the middle of one.
//
//    client ──▶ on_client_bytes ──▶ the same bytes ──▶ link
//    client ◀── the same bytes ◀── on_server_bytes ◀── link
//
// Without I/O; ClientConnection moves the bytes. protocol-replication.html.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/frame_decoder.h"

namespace sportello::proxy {

// Physical: of the whole cluster, in no database (replication=true). Logical: in a database, where SQL may be
// run as well (replication=database).
enum class ReplicationKind : uint8_t { None, Physical, Logical };

// As PgBouncer's SHOW names them: none, physical, logical.
std::string_view replication_name(ReplicationKind kind);

// The startup parameter's value as PostgreSQL reads it: "database", or a boolean in any of its spellings.
std::optional<ReplicationKind> parse_replication(std::string_view value);

// What a server link for replication says in its StartupMessage, beside user and database.
struct ReplicationRequest {
  ReplicationKind kind = ReplicationKind::None;
  std::vector<std::pair<std::string, std::string>> parameters;
};

// Which message a stream of bytes is in, fed in any pieces.
class MessageFollower {
 public:
  explicit MessageFollower(uint32_t max_length) : max_length_(max_length) {}

  // Calls `begins(type)` for each message whose header is complete. False: a length that no message has, or
  // may have.
  template <typename Begins>
  bool follow(std::string_view bytes, Begins&& begins) {
    while (!bytes.empty()) {
      if (body_left_ > 0) {
        const size_t part = std::min<size_t>(bytes.size(), body_left_);
        body_left_ -= static_cast<uint32_t>(part);
        bytes.remove_prefix(part);
        continue;
      }
      header_[header_bytes_++] = bytes.front();
      bytes.remove_prefix(1);
      if (header_bytes_ < kFrameHeaderBytes) {
        continue;
      }
      Frame frame{};
      if (peek_frame({header_.data(), header_.size()}, frame) == FrameStatus::Malformed ||
          frame.length > max_length_) {
        return false;
      }
      header_bytes_ = 0;
      body_left_ = static_cast<uint32_t>(frame.body_bytes());
      begins(frame.type);
    }
    return true;
  }
  bool between_messages() const { return body_left_ == 0 && header_bytes_ == 0; }

 private:
  uint32_t max_length_;
  std::array<char, kFrameHeaderBytes> header_{};
  uint32_t body_left_ = 0;
  uint8_t header_bytes_ = 0;
};

class ReplicationRelay {
 public:
  // `max_length`: of a message, as its length word has it (max_packet_size).
  ReplicationRelay(ReplicationKind kind, std::string application_name, uint32_t max_length = kMaxFrameLength)
      : kind_(kind),
        application_name_(std::move(application_name)),
        from_client_(max_length),
        from_server_(max_length) {}

  enum class Verdict : uint8_t { PassOn, Terminate, Violation };
  Verdict on_client_bytes(std::string_view in);
  // False: the server broke the protocol.
  bool on_server_bytes(std::string_view in);

  ReplicationKind kind() const { return kind_; }
  const std::string& application_name() const { return application_name_; }
  // A command runs that will end by itself; a stream (CopyBoth) is none.
  bool runs_command() const { return unanswered_ > 0 && !streams_; }
  // The client has no half of a message: it would understand one of ours.
  bool may_speak() const { return from_server_.between_messages(); }
  // The last thing the server said was an error.
  bool ended_in_error() const { return ended_in_error_; }

 private:
  ReplicationKind kind_;
  std::string application_name_;  // for SHOW CLIENTS
  MessageFollower from_client_;
  MessageFollower from_server_;
  uint32_t unanswered_ = 0;  // messages that ReadyForQuery answers
  bool streams_ = false;
  bool ended_in_error_ = false;
};

}  // namespace sportello::proxy
