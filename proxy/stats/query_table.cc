#include "proxy/stats/query_table.h"

#include <algorithm>
#include <tuple>

#include "protocol/sql/shown_text.h"

namespace sportello::proxy {
namespace {

constexpr std::string_view kNotLookedInto = "(too long, or not to be read)";
constexpr size_t kDroppedPart = 4;

}  // namespace

void QueryCounts::add(const QueryCounts& other) {
  calls += other.calls;
  time_us += other.time_us;
  longest_us = std::max(longest_us, other.longest_us);
  rows += other.rows;
  errors += other.errors;
  for (size_t i = 0; i < by.size(); i++) {
    by[i] += other.by[i];
  }
}

QueryRef QueryTable::find(QueryShape shape, std::string_view text, bool standard_conforming_strings) {
  if (last_ && shape == last_shape_) {
    entries_[last_.slot].asked++;
    return last_;
  }
  auto found = index_.find(shape);
  if (found == index_.end()) {
    if (index_.size() >= kMost) {
      make_room();
    }
    if (free_.empty()) {
      free_.push_back(static_cast<uint32_t>(entries_.size()));
      entries_.emplace_back();
    }
    found = index_.emplace(shape, free_.back()).first;
    Entry& entry = entries_[free_.back()];
    free_.pop_back();
    entry.shape = shape;
    entry.text = shape.fingerprint == 0 ? std::string(kNotLookedInto)
                                        : sql::shown_text(text, standard_conforming_strings, kLongestText);
  }
  entries_[found->second].asked++;
  last_shape_ = shape;
  last_ = {.slot = found->second, .generation = entries_[found->second].generation};
  return last_;
}

// Many at once: where every statement is a new shape, that must not cost a look at all of them each time.
void QueryTable::make_room() {
  std::vector<uint32_t> slots;
  slots.reserve(index_.size());
  for (const auto& [shape, slot] : index_) {
    slots.push_back(slot);
  }
  const auto end = slots.begin() + static_cast<std::ptrdiff_t>(slots.size() / kDroppedPart);
  std::nth_element(slots.begin(), end, slots.end(), [&](uint32_t left, uint32_t right) {
    return entries_[left].asked < entries_[right].asked;
  });
  for (auto slot = slots.begin(); slot != end; ++slot) {
    Entry& entry = entries_[*slot];
    dropped_.add(entry.counts);
    dropped_shapes_++;
    index_.erase(entry.shape);
    entry.counts = {};
    entry.asked = 0;
    entry.text.clear();
    entry.generation++;
    free_.push_back(*slot);
  }
  last_ = {};
}

QueryCounts& QueryTable::counts_of(QueryRef query) {
  Entry& entry = entries_[query.slot];
  return entry.generation == query.generation ? entry.counts : dropped_;
}

void QueryTable::answered(QueryRef query, uint64_t rows, bool failed) {
  answers_.push_back({query, rows, failed});
}

void QueryTable::count(AnsweredBy whom, std::chrono::microseconds time) {
  const uint64_t share =
      static_cast<uint64_t>(std::max<int64_t>(time.count(), 0)) / std::max<size_t>(answers_.size(), 1);
  for (const Answer& answer : answers_) {
    QueryCounts& counts = counts_of(answer.query);
    counts.calls++;
    counts.time_us += share;
    counts.longest_us = std::max(counts.longest_us, share);
    counts.rows += answer.rows;
    counts.errors += answer.failed ? 1 : 0;
    counts.by[static_cast<size_t>(whom)]++;
  }
  answers_.clear();
}

void QueryTable::count_cached(QueryRef query, uint64_t rows) {
  QueryCounts& counts = counts_of(query);
  counts.calls++;
  counts.rows += rows;
  counts.by[static_cast<size_t>(AnsweredBy::Cache)]++;
}

QuerySnapshot QueryTable::snapshot() const {
  QuerySnapshot copy{.rows = {}, .dropped = dropped_, .dropped_shapes = dropped_shapes_};
  copy.rows.reserve(index_.size());
  for (const auto& [shape, slot] : index_) {
    copy.rows.push_back({shape, entries_[slot].text, entries_[slot].counts});
  }
  return copy;
}

QuerySnapshot sum_of(std::vector<QuerySnapshot> workers) {
  QuerySnapshot sum;
  std::unordered_map<QueryShape, size_t, QueryShapeHash> places;
  for (QuerySnapshot& worker : workers) {
    sum.dropped.add(worker.dropped);
    sum.dropped_shapes += worker.dropped_shapes;
    for (QuerySnapshot::Row& row : worker.rows) {
      const auto [place, is_new] = places.emplace(row.shape, sum.rows.size());
      if (is_new) {
        sum.rows.push_back(std::move(row));
      } else {
        sum.rows[place->second].counts.add(row.counts);
      }
    }
  }
  std::sort(sum.rows.begin(), sum.rows.end(),
            [](const QuerySnapshot::Row& left, const QuerySnapshot::Row& right) {
              return std::tie(left.counts.time_us, left.counts.calls, left.shape.fingerprint) >
                     std::tie(right.counts.time_us, right.counts.calls, right.shape.fingerprint);
            });
  return sum;
}

}  // namespace sportello::proxy
