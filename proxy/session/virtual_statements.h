// A session's own names for prepared statements. What a client prepares under a name is kept here, whichever
// server links hold it; the link's name for it is Statement::server_name.
//
// A client may send Parse and Close far ahead of the answers, and an error makes the server skip some of
// them. So a change is made when it is sent and is *pending* until its answer comes: acknowledge() keeps it,
// undo() takes back all that were skipped, newest first. Answers come in the order of the requests, so
// pending changes are a queue.
//
// The unnamed statement is kept the same way under the empty name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "proxy/ring_queue.h"
#include "proxy/session/statement.h"

namespace sportello::proxy {

class VirtualStatements {
 public:
  // nullptr when the name is not known. Good until the next change.
  const StatementRef& find(std::string_view name) const;

  // Both leave a pending change behind.
  void define(std::string_view name, StatementRef statement);
  void remove(std::string_view name);

  // The oldest pending change has been answered: a server has prepared what it defined.
  void acknowledge();
  // The oldest `count` pending changes did not happen.
  void undo(size_t count);

  // DISCARD ALL, DEALLOCATE ALL have been answered: drops all that no pending change has defined since.
  void clear_settled();
  // A Query is sent, which drops the unnamed statement: no pending change brings it back.
  void clear_unnamed();
  // A Parse of the unnamed statement was refused, and dropped the one before; younger changes stay.
  void drop_settled_unnamed();

  // A name may have been given to a statement that begins or ends a transaction block.
  bool may_hold_block() const { return may_hold_block_; }
  bool empty() const { return named_.empty() && pending_.empty(); }
  size_t size() const { return named_.size(); }
  // The numbers of all statements that have a name, or may have one again.
  std::unordered_set<uint64_t> ids() const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct Change {
    std::string name;
    StatementRef before;  // nullptr: there was none
    StatementRef proves;  // what is proven good when the change is answered
  };

  void change(std::string_view name, StatementRef statement);

  std::unordered_map<std::string, StatementRef, Hash, std::equal_to<>> named_;
  RingQueue<Change> pending_;
  bool may_hold_block_ = false;
  mutable const std::pair<const std::string, StatementRef>* last_ = nullptr;  // found last, in named_
};

}  // namespace sportello::proxy
