#include "proxy/control/node_source.h"

#include <charconv>

#include "proxy/control/retry_pause.h"
#include "proxy/log.h"

namespace sportello::proxy {
namespace {

constexpr std::chrono::milliseconds kConnectDeadline{3000};
constexpr std::chrono::milliseconds kAnswerDeadline{3000};
constexpr std::chrono::milliseconds kPathsPause{1000};
constexpr size_t kMostPaths = 10'000;

// In recovery, the timeline that it follows: pg_stat_wal_receiver says it first but tells members of
// pg_monitor alone; the control file is behind by up to a restart point, which only makes readers wait.
constexpr const char* kQuestion =
    "SELECT r, CASE WHEN r THEN coalesce(pg_catalog.pg_last_wal_replay_lsn(), '0/0'::pg_catalog.pg_lsn)"
    " ELSE pg_catalog.pg_current_wal_insert_lsn() END,"
    " CASE WHEN r THEN NULL ELSE pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()) END,"
    " CASE WHEN r THEN (SELECT c.timeline_id FROM pg_catalog.pg_control_checkpoint() c) END,"
    " CASE WHEN r THEN (SELECT w.received_tli FROM pg_catalog.pg_stat_wal_receiver w LIMIT 1) END,"
    " extract(epoch FROM pg_catalog.pg_postmaster_start_time())"
    " FROM (SELECT pg_catalog.pg_is_in_recovery()) AS q(r)";

constexpr size_t kColumns = 6;

constexpr const char* kProcessesQuestion =
    "SELECT a.pid, extract(epoch FROM a.backend_start) FROM pg_catalog.pg_stat_activity a"
    " WHERE a.pid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.int4[])";

// Every transaction holds its own, from its first moment to its last.
constexpr const char* kTransactionsQuestion =
    "SELECT l.virtualtransaction FROM pg_catalog.pg_locks l"
    " WHERE l.locktype OPERATOR(pg_catalog.=) 'virtualxid' AND l.mode OPERATOR(pg_catalog.=) 'ExclusiveLock'"
    " AND l.granted AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()";
constexpr size_t kMostTransactions = 300'000;  // no server has more connections

constexpr const char* kPathsQuestion =
    "SELECT 's', s.name::pg_catalog.text, s.setting, s.source FROM pg_catalog.pg_settings s"
    " WHERE s.name OPERATOR(pg_catalog.=)"
    " ANY (ARRAY['search_path', 'default_transaction_isolation', 'wal_block_size', 'wal_segment_size']"
    "::pg_catalog.text[])"
    " UNION ALL SELECT CASE WHEN d.setdatabase OPERATOR(pg_catalog.=) '0'::pg_catalog.oid"
    " THEN 'r' ELSE 'd' END, coalesce(r.rolname::pg_catalog.text, ''), c, ''"
    " FROM pg_catalog.pg_db_role_setting d"
    " LEFT JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) d.setrole"
    " CROSS JOIN LATERAL pg_catalog.unnest(d.setconfig) AS c"
    " WHERE (pg_catalog.starts_with(c, 'search_path=')"
    " OR pg_catalog.starts_with(c, 'default_transaction_isolation=')) AND (d.setdatabase "
    "OPERATOR(pg_catalog.=)"
    " '0'::pg_catalog.oid OR d.setdatabase OPERATOR(pg_catalog.=) (SELECT b.oid FROM pg_catalog.pg_database b"
    " WHERE b.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()))";
constexpr std::string_view kPathSetting = "search_path=";
constexpr std::string_view kIsolation = "default_transaction_isolation";
constexpr std::string_view kReadCommitted = "read committed";

template <typename Number>
Number number_of(std::string_view text, int base = 10) {
  Number number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number, base);
  return number;
}

// What a role or a database sets is not the server's own default.
bool is_of_server(std::string_view source) {
  return source == "default" || source == "configuration file" || source == "command line" ||
         source == "environment variable" || source == "override";
}

}  // namespace

NodeSource::NodeSource(EventLoop& loop, OwnLogin login, std::shared_ptr<NodeRuntime> node,
                       cache::FreshnessBoard& board, cache::LostFences& lost_fences, Answered answered)
    : loop_(&loop),
      login_(std::move(login)),
      node_(std::move(node)),
      board_(&board),
      lost_fences_(&lost_fences),
      answered_(std::move(answered)),
      connection_(loop) {}

void NodeSource::ask(TimePoint now) {
  if (busy_ || now < retry_at_) {
    return;
  }
  busy_ = true;
  asked_at_ = now;
  if (connection_.state() == PqConnection::State::Idle) {
    query();
  } else {
    connect();
  }
}

void NodeSource::connect() {
  connection_.connect(login_.keywords, kConnectDeadline, [this](const Result<void>& result) {
    if (result.ok()) {
      query();
    } else {
      failed(result.error().message);
    }
  });
}

void NodeSource::query() {
  question_ = board_->question_begins();
  connection_.query({.sql = kQuestion, .parameters = {}, .most_rows = 1}, kAnswerDeadline,
                    [this](const Result<PqRows>& result) {
                      if (!result.ok() || result->rows.size() != 1 || result->rows[0].size() != kColumns) {
                        failed(result.ok() ? "an answer of another shape" : result.error().message);
                        return;
                      }
                      told(*result);
                    });
}

void NodeSource::told(const PqRows& rows) {
  const PqRow& row = rows.rows[0];
  failures_ = 0;
  finding_.answered = true;
  finding_.in_recovery = row[0] == "t";
  position_ = row[1] ? parse_lsn(*row[1]).value_or(Lsn()) : Lsn();
  if (finding_.in_recovery) {
    finding_.timeline =
        std::max(row[3] ? number_of<uint32_t>(*row[3]) : 0U, row[4] ? number_of<uint32_t>(*row[4]) : 0U);
  } else {
    finding_.timeline = row[2] ? number_of<uint32_t>(std::string_view(*row[2]).substr(0, 8), 16) : 0U;
  }
  // In microseconds: no two servers started in the same one.
  finding_.instance = row[5].value_or("");
  if (!complained_.empty()) {
    log_info("node ({}) answers", printable(login_.name));
    complained_.clear();
  }
  if (finding_.in_recovery) {
    done();
  } else if (is_primary()) {
    query_lost();
  } else {
    query_paths();  // of whose processes nobody is known
  }
}

void NodeSource::query_lost() {
  const cache::LostFences::Question question = lost_fences_->ask();
  if (!question.process_ids.empty()) {
    query_processes(question);
  } else if (question.transactions) {
    query_transactions(question);
  } else {
    query_paths();
  }
}

// Everybody may see the numbers of all processes, and members of pg_monitor when they were started.
void NodeSource::query_processes(const cache::LostFences::Question& question) {
  std::string list;
  for (const uint32_t id : question.process_ids) {
    list += (list.empty() ? "{" : ",") + std::to_string(id);
  }
  connection_.query(
      {.sql = kProcessesQuestion, .parameters = {list + "}"}, .most_rows = question.process_ids.size()},
      kAnswerDeadline, [this, question](const Result<PqRows>& result) {
        if (!result.ok()) {
          failed(result.error().message);
          return;
        }
        std::vector<cache::LostFences::Process> there;
        for (const PqRow& row : result->rows) {
          there.push_back({.id = row[0] ? number_of<uint32_t>(*row[0]) : 0, .started = row[1].value_or("")});
        }
        if (is_primary()) {  // still
          lost_fences_->still_there(question, std::move(there), loop_->now());
        }
        if (question.transactions) {
          query_transactions(question);
        } else {
          query_paths();
        }
      });
}

void NodeSource::query_transactions(const cache::LostFences::Question& question) {
  connection_.query({.sql = kTransactionsQuestion, .parameters = {}, .most_rows = kMostTransactions},
                    kAnswerDeadline, [this, question](const Result<PqRows>& result) {
                      if (!result.ok()) {
                        failed(result.error().message);
                        return;
                      }
                      std::vector<std::string> open;
                      for (const PqRow& row : result->rows) {
                        open.push_back(row[0].value_or(""));
                      }
                      if (is_primary()) {  // still
                        lost_fences_->still_open(question, std::move(open), loop_->now());
                      }
                      query_paths();
                    });
}

void NodeSource::query_paths() {
  if (loop_->now() < paths_at_) {
    done();
    return;
  }
  paths_at_ = loop_->now() + kPathsPause;
  connection_.query({.sql = kPathsQuestion, .parameters = {}, .most_rows = kMostPaths}, kAnswerDeadline,
                    [this](const Result<PqRows>& result) {
                      if (!result.ok()) {
                        failed(result.error().message);
                        return;
                      }
                      DefaultPaths paths;
                      WalLayout layout;
                      bool somebody_differs = false;
                      for (const PqRow& row : result->rows) {
                        if (row.size() != 4 || !row[0] || !row[1] || !row[2] || !row[3]) {
                          continue;
                        }
                        const std::string& name = *row[1];
                        if (*row[0] == "s") {
                          if (name == "wal_block_size") {
                            layout.page_bytes = number_of<uint64_t>(*row[2]);
                          } else if (name == "wal_segment_size") {
                            layout.segment_bytes = number_of<uint64_t>(*row[2]);
                          } else if (name == kIsolation) {
                            paths.begins_read_committed = *row[2] == kReadCommitted && is_of_server(*row[3]);
                          } else if (is_of_server(*row[3]) && !paths.of_server) {
                            paths.of_server = *row[2];
                          }
                          continue;
                        }
                        if (row[2]->starts_with(kIsolation)) {
                          somebody_differs =
                              somebody_differs || row[2]->substr(kIsolation.size() + 1) != kReadCommitted;
                          continue;
                        }
                        const std::string path = row[2]->substr(kPathSetting.size());
                        const bool here = *row[0] == "d";
                        if (!name.empty()) {
                          (here ? paths.of_role_in_database : paths.of_role)[name] = path;
                        } else if (here) {
                          paths.of_database = path;
                        } else {
                          paths.of_server = path;  // ALTER ROLE ALL
                        }
                      }
                      paths.begins_read_committed = paths.begins_read_committed && !somebody_differs;
                      board_->set_wal_layout(layout);
                      paths_ = std::move(paths);
                      done();
                    });
}

void NodeSource::failed(const std::string& why) {
  connection_.close();
  finding_.answered = false;
  // All wait for a primary, and it is missed soon enough.
  failures_ = is_primary() ? 1 : failures_ + 1;
  retry_at_ = loop_->now() + retry_pause(failures_, static_cast<unsigned>(rand()));
  if (complained_ != why) {
    log_warning("node ({}) cannot be asked: {}", printable(login_.name), why);
    complained_ = why;
  }
  done();
}

void NodeSource::done() {
  busy_ = false;
  has_outcome_ = true;
  answered_(*this);
}

}  // namespace sportello::proxy
