// The search_path that a session begins with if its client gave none: by its role in this database, by its
// role, by the database, or the server's (sql-alterrole.html; the order is that of process_settings() in
// PostgreSQL). Made by the NodeWatch from the primary's answer, handed to workers like the catalog.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace sportello::proxy {

struct DefaultPaths {
  std::optional<std::string> of_server;
  std::optional<std::string> of_database;
  std::map<std::string, std::string> of_role;              // in all databases
  std::map<std::string, std::string> of_role_in_database;  // in this one
  // Of something else, asked in the same breath: default_transaction_isolation is READ COMMITTED for
  // everybody.
  bool begins_read_committed = false;

  // Nothing: not known.
  std::optional<std::string> of(const std::string& role) const {
    for (const auto* roles : {&of_role_in_database, &of_role}) {
      if (const auto found = roles->find(role); found != roles->end()) {
        return found->second;
      }
    }
    return of_database ? of_database : of_server;
  }
  bool operator==(const DefaultPaths&) const = default;
};
using DefaultPathsRef = std::shared_ptr<const DefaultPaths>;

// Any thread. The generation moves on with every change: one load says that nothing is new.
class DefaultPathsSlot {
 public:
  void publish(DefaultPathsRef paths) {
    const std::lock_guard lock(mutex_);
    paths_ = std::move(paths);
    generation_.fetch_add(1);
  }
  DefaultPathsRef paths() const {
    const std::lock_guard lock(mutex_);
    return paths_;
  }
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

 private:
  mutable std::mutex mutex_;
  DefaultPathsRef paths_;  // guarded by mutex_; nullptr: not known
  std::atomic<uint64_t> generation_{1};
};

}  // namespace sportello::proxy
