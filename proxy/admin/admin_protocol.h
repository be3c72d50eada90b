// The server's side of a conversation with a client of the admin console, without I/O: simple and extended
// queries, blocks, portals with row limits, pipelines. Commands of drivers it answers itself; one that asks
// for the proxy's state or changes it is handed out (Run), and nothing more is taken until its answer is
// there (finish).
//
//   client bytes ──▶ on_bytes ──▶ out, and what to do next: NeedsBytes, Run command() ──▶ finish ──▶ …, Close
//
// What it holds is bounded: one message, kMaxPending bytes of others that came while a command runs,
// kMaxNames statements and portals. protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/backend_messages.h"
#include "protocol/result.h"
#include "proxy/admin/admin_command.h"
#include "proxy/admin/admin_table.h"

namespace sportello::proxy {

// What a command says while it is carried out.
struct AdminNotice {
  std::string message = {};
  std::string detail = {};
  std::string hint = {};
};

// What a command that was carried out says.
struct AdminAnswer {
  std::optional<AdminTable> table = {};  // of Show
  std::string notice = {};               // with `detail`, before CommandComplete; empty: none
  std::string detail = {};
};

class AdminProtocol {
 public:
  static constexpr uint32_t kMaxMessage = 64U << 10;
  static constexpr size_t kMaxPending = 256U << 10;
  static constexpr size_t kMaxNames = 1000;

  struct Client {
    std::string user;
    uint32_t process_id = 0;
    std::string version;               // what SELECT version() says
    std::function<bool()> may_change;  // is it of admin_users now? of stats_users only: it may look
  };

  enum class Next : uint8_t {
    NeedsBytes,
    Run,    // command(), then finish()
    Close,  // the client said goodbye, or broke the protocol: violation() says how
  };

  explicit AdminProtocol(Client client) : client_(std::move(client)) {}

  // All that a client is told after AuthenticationOk, up to ReadyForQuery.
  void welcome(std::string_view cancel_key, std::string& out) const;

  Next on_bytes(std::string_view bytes, std::string& out);
  // While it runs.
  const AdminCommand& command() const { return *running_; }
  Next finish(Result<AdminAnswer> answer, std::string& out);
  void note(const AdminNotice& notice, std::string& out) const;
  bool is_running() const { return running_.has_value(); }
  const std::string& violation() const { return violation_; }

 private:
  // A command as Parse keeps it; empty text has none.
  using Statement = std::optional<AdminCommand>;
  struct Portal {
    Statement statement;
    ResultFormats formats;
    std::optional<AdminTable> table;  // once executed
    size_t next_row = 0;
    bool executed = false;
  };

  Next advance(std::string& out);
  bool on_message(char type, std::string_view body, std::string& out);
  void on_query(std::string_view body, std::string& out);
  void continue_query(std::string& out);
  void on_parse(std::string_view body, std::string& out);
  void on_bind(std::string_view body, std::string& out);
  void on_describe(std::string_view body, std::string& out);
  void on_execute(std::string_view body, std::string& out);
  void on_close(std::string_view body, std::string& out);
  void on_sync(std::string& out);

  // Whether it may run now; an error in a failed block, or without the right to.
  Result<void> check(const AdminCommand& command) const;
  // What needs nobody else is done here; nothing: it has to be handed out.
  std::optional<AdminAnswer> run_here(const AdminCommand& command);
  AdminRow select_row(const AdminCommand& command) const;
  std::string tag_of(const AdminCommand& command) const;
  void end_simple_command(const AdminCommand& command, const AdminAnswer& answer, std::string& out);
  void end_execute(Portal& portal, AdminAnswer answer, std::string& out);
  void send_rows(Portal& portal, std::string& out);
  void fail(const Error& error, std::string& out);
  // In the extended protocol.
  void fail_batch(const Error& error, std::string& out);
  bool break_off(std::string violation);

  Client client_;
  std::string input_;
  TransactionStatus status_ = TransactionStatus::Idle;
  bool skips_to_sync_ = false;  // an extended-query message failed: what comes before the Sync is passed over
  bool closed_ = false;
  std::string violation_;
  bool commit_failed_ = false;  // the COMMIT in hand ended a failed block: it says ROLLBACK
  bool in_query_ = false;       // a Query is being answered; `commands_` is what is left of it
  std::deque<AdminCommand> commands_;
  std::optional<AdminCommand> running_;
  std::string running_portal_;  // of the Execute that handed it out
  uint32_t max_rows_ = 0;       // of the Execute in hand; 0: all
  std::map<std::string, Statement, std::less<>> statements_;
  std::map<std::string, Portal, std::less<>> portals_;
};

}  // namespace sportello::proxy
