// A store, a board and two tables, and the words for what a session does with them.
#pragma once

#include <gtest/gtest.h>

#include <random>

#include "cache/fence.h"
#include "cache/flights.h"
#include "cache/result_store.h"
#include "tests/unit/cache/messages.h"

namespace sportello::cache {

struct StoreFixture : testing::Test {
  std::shared_ptr<TableStates> tables = std::make_shared<TableStates>();
  FreshnessBoard board{*tables};
  TableState& notaries = tables->of(1);
  TableState& acts = tables->of(2);
  ResultStore store{1 << 20, 4};
  Clock::time_point now{std::chrono::hours(1)};
  Clock::duration ttl = std::chrono::seconds(60);
  KeyBuilder keys;

  KeyView key(std::string_view text) { return *keys.build({.text = text}); }
  Filling filling(std::vector<const TableState*> reads) {
    return {Snapshot::take(tables, reads), board.sequence(), now, 1, 1};
  }
  bool put(std::string_view text, std::vector<const TableState*> reads, std::string_view value = "v") {
    return store.put(kept_as(key(text), filling(std::move(reads)), result_of(value)));
  }
  LookUp look_up(std::string_view text, SessionFloor floor = {}, AnswerForm form = {}) {
    return store.look_up({key(text), now, ttl, floor, form}).outcome;
  }
  uint64_t write(TableState& table) { return Fence(board, {&table}).settle(); }
};

}  // namespace sportello::cache
