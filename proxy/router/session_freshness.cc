#include "proxy/router/session_freshness.h"

#include <algorithm>

namespace sportello::proxy {

void Limbo::tick(TimePoint now) {
  for (Kept& kept : kept_) {
    kept.until = kept.until == TimePoint() ? now + kKept : kept.until;
    if (now >= kept.until) {
      kept.scope->lost_fences.add(std::move(kept.fence), kept.process_id);
    }
  }
  std::erase_if(kept_, [&](const Kept& kept) { return now >= kept.until; });
}

SessionFreshness::SessionFreshness(std::shared_ptr<DatabaseNames> names, uint64_t user_id, std::string role)
    : names_(std::move(names)), user_id_(user_id), role_(std::move(role)) {}

void SessionFreshness::wrote(const Meaning* meaning) {
  if (meaning == nullptr) {
    writes_.add_unknown();
  } else {
    writes_.add(meaning->facts);
  }
}

void SessionFreshness::raise(uint32_t process_id) {
  process_id_ = process_id;
  raise_over_written();
}

void SessionFreshness::raise_over_written() {
  if (writes_.is_empty()) {
    return;
  }
  const std::vector<cache::TableState*> states = writes_.states(names_->scope().tables);
  if (!fence_.is_up()) {
    fence_ = cache::Fence(names_->scope().board, states);
    fenced_ = states.size();
    fenced_all_ = writes_.is_unknown();
    return;
  }
  // Of a pipeline that goes on. A table that is fenced twice comes down twice.
  if (states.size() != fenced_ || fenced_all_ != writes_.is_unknown()) {
    for (cache::TableState* state : states) {
      fence_.add(*state);
    }
    fenced_ = states.size();
    fenced_all_ = writes_.is_unknown();
  }
}

// A commit that came without raise() (none is known) is fenced late rather than never.
void SessionFreshness::settle() {
  raise_over_written();
  if (fence_.is_up()) {
    must_see(fence_.settle());
  }
  writes_.clear();
  fenced_ = 0;
  fenced_all_ = false;
}

void SessionFreshness::lose(Limbo& limbo) {
  if (fence_.is_up()) {
    must_see(names_->scope().board.note_write());
    limbo.add(std::move(fence_), std::shared_ptr<DatabaseScope>(names_, &names_->scope()), process_id_);
    fence_ = cache::Fence();
  }
  writes_.clear();
  fenced_ = 0;
  fenced_all_ = false;
}

}  // namespace sportello::proxy
