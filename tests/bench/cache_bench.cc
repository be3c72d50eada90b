// What the result cache costs: making a key, finding a result (alone and with other threads), keeping one,
// with evictions, invalidations from one thread and from two, a followed log's, and what a read on a replica
// asks the board.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "cache/fence.h"
#include "cache/log_follower.h"
#include "cache/result_store.h"
#include "protocol/backend_messages.h"

namespace sportello::cache {
namespace {

constexpr std::string_view kText =
    "SELECT n.id, n.studio_name, n.city, n.rating, u.email FROM notaries n JOIN users u ON u.id = n.user_id "
    "WHERE n.city = $1 ORDER BY n.rating DESC LIMIT 20";
constexpr size_t kKeys = 10'000;

struct World {
  explicit World(uint64_t max_bytes, size_t row_bytes = 200) : store(max_bytes) {
    for (int i = 0; i < 20; ++i) append_text_data_row(messages, {std::string(row_bytes, 'x')});
    append_command_complete(messages, "SELECT 20");
  }

  static KeyView key(KeyBuilder& keys, size_t number) {
    const std::string value = std::to_string(number);
    const std::optional<std::string_view> parameters[] = {value};
    return *keys.build({.database = 1,
                        .user = "portal",
                        .role = "portal",
                        .settings = 3,
                        .text = kText,
                        .parameters = parameters});
  }
  void put(const KeyView& key) {
    const TableState* const tags[] = {&tables->of(1), &tables->of(2)};
    store.put(CachedResult::make({messages, 0, "", 20}, key,
                                 {Snapshot::take(tables, tags), board.sequence(), now, 1, 1}));
  }
  void fill() {
    KeyBuilder keys;
    for (size_t i = 0; i < kKeys; ++i) put(key(keys, i));
  }

  std::shared_ptr<TableStates> tables = std::make_shared<TableStates>();
  FreshnessBoard board{*tables};
  ResultStore store;
  std::string messages;
  Clock::time_point now{};
};

void MakeKey(benchmark::State& state) {
  KeyBuilder keys;
  for (auto _ : state) benchmark::DoNotOptimize(World::key(keys, 4711));
}
BENCHMARK(MakeKey);

// The key is made in it, as for every request.
void LookUpHit(benchmark::State& state) {
  static World& world = *[] {
    auto* const filled = new World(1ULL << 30);
    filled->fill();
    return filled;
  }();
  KeyBuilder keys;
  size_t number = static_cast<size_t>(state.thread_index()) * 1'237;
  for (auto _ : state) {
    number = (number + 7'919) % kKeys;
    const Found found =
        world.store.look_up({World::key(keys, number), world.now, std::chrono::hours(1), {}, {}});
    if (found.result == nullptr) state.SkipWithError("not a hit");
    benchmark::DoNotOptimize(found.result->messages().data());
  }
}
BENCHMARK(LookUpHit)->Threads(1)->Threads(2)->UseRealTime();

void LookUpHitOfOneKey(benchmark::State& state) {
  static World& world = *[] {
    auto* const filled = new World(1ULL << 30);
    filled->fill();
    return filled;
  }();
  KeyBuilder keys;
  const KeyView key = World::key(keys, 1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(world.store.look_up({key, world.now, std::chrono::hours(1), {}, {}}).outcome);
  }
}
BENCHMARK(LookUpHitOfOneKey)->Threads(1)->Threads(2)->UseRealTime();

void LookUpMiss(benchmark::State& state) {
  World world(1ULL << 30);
  world.fill();
  KeyBuilder keys;
  size_t number = kKeys;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        world.store.look_up({World::key(keys, ++number), world.now, std::chrono::hours(1), {}, {}}).outcome);
  }
}
BENCHMARK(LookUpMiss);

// The store is full, so each result makes others go.
void PutWithEviction(benchmark::State& state) {
  World world(16 << 20);
  KeyBuilder keys;
  size_t number = 0;
  for (auto _ : state) world.put(World::key(keys, ++number));
  state.counters["entries"] = static_cast<double>(world.store.size());
}
BENCHMARK(PutWithEviction);

// The same with so many small results that most of what is touched has to come from memory.
void MissAmongManySmall(benchmark::State& state) {
  World world(64 << 20, 0);
  KeyBuilder keys;
  size_t number = 0;
  while (world.store.evictions() < 100'000) world.put(World::key(keys, ++number));
  for (auto _ : state) {
    const KeyView key = World::key(keys, ++number);
    benchmark::DoNotOptimize(world.store.look_up({key, world.now, std::chrono::hours(1), {}, {}}).outcome);
    world.put(key);
  }
  state.counters["entries"] = static_cast<double>(world.store.size());
}
BENCHMARK(MissAmongManySmall);

// What 100,000 results of 4 kB take beyond their bytes; not a time.
void Overhead(benchmark::State& state) {
  for (auto _ : state) {
    auto world = std::make_unique<World>(1ULL << 30);
    KeyBuilder keys;
    for (size_t i = 0; i < 100'000; ++i) {
      world->put(World::key(keys, i));
    }
    const auto payload = static_cast<double>(world->messages.size() * world->store.size());
    state.counters["overhead_%"] = (static_cast<double>(world->store.used_bytes()) / payload - 1) * 100;
  }
}
BENCHMARK(Overhead)->Iterations(1);

void NeedsOfARead(benchmark::State& state) {
  World world(1 << 20);
  const auto replica = world.board.add_node();
  const TableState* const tags[] = {&world.tables->of(1), &world.tables->of(2), &world.tables->of(3)};
  for (auto _ : state) {
    benchmark::DoNotOptimize(replica->may_answer(needs_of(tags, world.tables->all(), 1)));
  }
}
BENCHMARK(NeedsOfARead);

void RaiseAndSettleAFence(benchmark::State& state) {
  World world(1 << 20);
  for (auto _ : state) {
    Fence fence(world.board, {&world.tables->of(1), &world.tables->of(2)});
    benchmark::DoNotOptimize(fence.settle());
  }
}
BENCHMARK(RaiseAndSettleAFence);

// Writes of several workers: each to two tables of its own.
void Invalidations(benchmark::State& state) {
  static World& world = *new World(1 << 20);
  const auto first = static_cast<Oid>(100 + 2 * state.thread_index());
  TableState* const tables[] = {&world.tables->of(first), &world.tables->of(first + 1)};
  for (auto _ : state) {
    Fence fence(world.board, {tables[0], tables[1]});
    benchmark::DoNotOptimize(fence.settle());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(Invalidations)->Threads(1)->Threads(2)->UseRealTime();

// All of them to the same two.
void InvalidationsOfTheSameTables(benchmark::State& state) {
  static World& world = *new World(1 << 20);
  TableState* const tables[] = {&world.tables->of(1), &world.tables->of(2)};
  for (auto _ : state) {
    Fence fence(world.board, {tables[0], tables[1]});
    benchmark::DoNotOptimize(fence.settle());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(InvalidationsOfTheSameTables)->Threads(1)->Threads(2)->UseRealTime();

// A write, the read that finds its result invalid, and the new result put in: all of it, of one key a thread.
void InvalidateAndFillAgain(benchmark::State& state) {
  static World& world = *new World(1ULL << 30);
  const auto table = static_cast<Oid>(100 + state.thread_index());
  TableState* const written = &world.tables->of(table);
  const TableState* const tags[] = {written};
  KeyBuilder keys;
  const KeyView key = World::key(keys, static_cast<size_t>(state.thread_index()));
  const auto put = [&] {
    world.store.put(
        CachedResult::make({world.messages, 0, "", 20}, key,
                           {Snapshot::take(world.tables, tags), world.board.sequence(), world.now, 1, 1}));
  };
  const auto look_up = [&] {
    return world.store.look_up({key, world.now, std::chrono::hours(1), {}, {}}).outcome;
  };
  put();
  for (auto _ : state) {
    if (look_up() != LookUp::Hit) state.SkipWithError("not a hit");
    Fence(world.board, {written}).settle();
    if (look_up() != LookUp::Invalidated) state.SkipWithError("served though it was written");
    put();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(InvalidateAndFillAgain)->Threads(1)->Threads(2)->UseRealTime();

// Commits read from the log, each of one row in one of ten tables; the primary's snapshot comes with every
// range(0) of them.
void StreamedInvalidations(benchmark::State& state) {
  World world(1 << 20);
  const auto position = world.board.add_node();
  LogFollower follower(*world.tables, world.board, *position);
  constexpr uint32_t kFirst = 100;
  uint32_t xid = kFirst;
  Lsn end{1000};
  const auto seen = [&] {
    const std::string now = std::to_string(xid);
    follower.seen(*XidSnapshot::parse(now + ":" + now + ":"));
  };
  follower.begin(1);
  seen();
  const auto every = static_cast<uint32_t>(state.range(0));
  for (auto _ : state) {
    const Lsn start = end;
    end.value += 200;
    const bool good = follower.take(replication::Begin{xid}).ok() &&
                      follower.take(replication::Change{1 + xid % 10}).ok() &&
                      follower.take(replication::Commit{start, end}).ok();
    if (!good) state.SkipWithError("the log is refused");
    if (++xid % every == 0) {
      seen();
      follower.reached(end);
    }
    if (xid % 1000 == 0) {  // as the watch of the primary does
      world.board.question_answered(world.board.question_begins(), end, 1);
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(StreamedInvalidations)->Arg(1)->Arg(10)->Arg(100);

void FindATablesState(benchmark::State& state) {
  TableStates tables;
  for (Oid oid = 16'384; oid < 26'384; ++oid) tables.of(oid);
  Oid oid = 0;
  for (auto _ : state) benchmark::DoNotOptimize(&tables.of(16'384 + (oid += 7'919) % 10'000));
}
BENCHMARK(FindATablesState);

}  // namespace
}  // namespace sportello::cache

BENCHMARK_MAIN();
