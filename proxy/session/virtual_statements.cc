#include "proxy/session/virtual_statements.h"

#include "protocol/invariant.h"

namespace sportello::proxy {
namespace {

bool is_of_block(sql::StatementKind kind) {
  return kind == sql::StatementKind::Begin || kind == sql::StatementKind::Commit ||
         kind == sql::StatementKind::Rollback;
}

}  // namespace

const StatementRef& VirtualStatements::find(std::string_view name) const {
  static const StatementRef none;
  if (last_ != nullptr && last_->first == name) {
    return last_->second;  // a batch names its statement more than once
  }
  const auto found = named_.find(name);
  if (found == named_.end()) {
    return none;
  }
  last_ = &*found;
  return found->second;
}

void VirtualStatements::change(std::string_view name, StatementRef statement) {
  last_ = nullptr;
  const auto found = named_.find(name);
  pending_.push_back({.name = std::string(name),
                      .before = found == named_.end() ? nullptr : found->second,
                      .proves = statement == nullptr ? nullptr : to_prove(statement)});
  if (statement == nullptr) {
    if (found != named_.end()) {
      named_.erase(found);
    }
  } else if (found != named_.end()) {
    found->second = std::move(statement);
  } else {
    named_.emplace(name, std::move(statement));
  }
}

void VirtualStatements::define(std::string_view name, StatementRef statement) {
  may_hold_block_ = may_hold_block_ || is_of_block(statement->facts->kind);
  change(name, std::move(statement));
}

void VirtualStatements::remove(std::string_view name) { change(name, nullptr); }

void VirtualStatements::acknowledge() {
  invariant(!pending_.empty(), "every acknowledged change was made");
  if (const StatementRef& proven = pending_.front().proves; proven != nullptr) {
    proven->proven.store(true, std::memory_order_relaxed);
  }
  pending_.pop_front();
}

void VirtualStatements::undo(size_t count) {
  invariant(count <= pending_.size(), "every undone change was made");
  // Younger changes stay; what each of the undone ones replaced comes back, the newest first, unless a
  // younger change has already replaced the name again: then that one's `before` is put right instead.
  last_ = nullptr;
  for (size_t i = count; i-- > 0;) {
    Change undone = std::move(pending_[i]);
    Change* younger = nullptr;
    for (size_t j = count; j < pending_.size() && younger == nullptr; j++) {
      younger = pending_[j].name == undone.name ? &pending_[j] : nullptr;
    }
    if (younger != nullptr) {
      younger->before = std::move(undone.before);
    } else if (undone.before == nullptr) {
      named_.erase(undone.name);
    } else {
      named_[undone.name] = std::move(undone.before);
    }
  }
  pending_.pop_front(count);
}

void VirtualStatements::clear_unnamed() {
  for (size_t i = 0; i < pending_.size(); i++) {
    if (pending_[i].name.empty()) {
      pending_[i].before = nullptr;
    }
  }
  last_ = nullptr;
  named_.erase(std::string());
}

void VirtualStatements::drop_settled_unnamed() {
  for (size_t i = 0; i < pending_.size(); i++) {
    if (pending_[i].name.empty()) {
      pending_[i].before = nullptr;
      return;
    }
  }
  last_ = nullptr;
  named_.erase(std::string());
}

void VirtualStatements::clear_settled() {
  std::unordered_map<std::string, StatementRef, Hash, std::equal_to<>> kept;
  for (size_t i = 0; i < pending_.size(); i++) {
    pending_[i].before = nullptr;
    if (const auto found = named_.find(pending_[i].name); found != named_.end()) {
      kept.insert_or_assign(found->first, found->second);
    }
  }
  last_ = nullptr;
  named_ = std::move(kept);
}

std::unordered_set<uint64_t> VirtualStatements::ids() const {
  std::unordered_set<uint64_t> ids;
  for (const auto& [name, statement] : named_) {
    ids.insert(statement->id);
  }
  for (size_t i = 0; i < pending_.size(); i++) {
    if (pending_[i].before != nullptr) {
      ids.insert(pending_[i].before->id);
    }
  }
  return ids;
}

}  // namespace sportello::proxy
