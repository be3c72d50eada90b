// A prepared statement as the proxy knows it: one text with one list of parameter types, shared by every
// session that has prepared it and every server link that holds it. Its server-side name follows from its
// number, so a link need only remember numbers.
//
// What makes two statements different, beyond text and types: the session's startup settings (a search_path
// given at startup changes what names mean), those that say how a text is read (SettingsValues::reading_id:
// the constants of a prepared statement are those of the moment it was parsed), and the database's DDL epoch
// (a new Parse after a DDL is planned anew).
//
// Statements are immutable and interned in one table for all threads. The table holds them weakly; each
// worker keeps those it met lately (StatementCache), so that a hot Parse takes no lock. Bytes held are
// counted and bounded.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "protocol/sql/statement_facts.h"

namespace sportello::proxy {

// Every name that we give to a statement on a server begins so.
inline constexpr std::string_view kServerStatementPrefix = "sportello_";

struct Statement {
  uint64_t id;
  std::string server_name;
  std::string text;
  std::string parameter_types;  // as on the wire: the count and the OIDs
  std::shared_ptr<const sql::StatementFacts> facts;
  // A server has prepared it: whoever prepares it again can be told so at once, and it is prepared on a link
  // when it is used there. (What was true of it may have ceased to be, but then its scope has changed, too.)
  mutable std::atomic<bool> proven{false};
  bool opaque = false;  // its text was too long to keep: only the link it was sent to has it
};

using StatementRef = std::shared_ptr<const Statement>;

// What an answered Parse of it proves: nothing is left to prove of most.
inline StatementRef to_prove(const StatementRef& statement) {
  return statement->proven.load(std::memory_order_relaxed) ? nullptr : statement;
}

inline constexpr std::string_view kNoParameterTypes("\0\0", 2);  // as on the wire

struct StatementKey {
  std::string_view text;
  std::string_view parameter_types;
  uint64_t scope = 0;  // database, user, settings as above and DDL epoch, hashed
};

// The statement of this key, made if need be. Any thread. nullptr: the bytes held by all statements have
// reached their bound (kMaxStatementBytes).
StatementRef intern_statement(const StatementKey& key, std::shared_ptr<const sql::StatementFacts> facts);

// A statement whose text is not kept; facts say Unknown. Any thread.
StatementRef make_opaque_statement();

inline constexpr size_t kMaxStatementBytes = 512UL << 20;

struct StatementTableCounts {
  size_t statements = 0;
  size_t bytes = 0;
};
StatementTableCounts statement_table_counts();

// The statements that one worker met lately, and how often; in two generations, the older dropped when the
// younger is full. One thread.
class StatementCache {
 public:
  struct Entry {
    StatementRef statement;
    uint64_t scope = 0;
    uint32_t uses = 0;
  };

  // The entry of a key that was put in, or nullptr. Valid until the next call.
  Entry* find(const StatementKey& key);
  Entry* insert(const StatementKey& key, StatementRef statement);

 private:
  static constexpr size_t kEntries = 4096;

  static uint64_t hash(const StatementKey& key);

  std::unordered_map<uint64_t, Entry> young_;
  std::unordered_map<uint64_t, Entry> old_;
};

}  // namespace sportello::proxy
