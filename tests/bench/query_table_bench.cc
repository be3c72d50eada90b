// What counting a statement by its shape costs (SHOW QUERIES): to find the shape and to count its answer, of
// a few that come again and again, of as many as are kept, and of ever new ones.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "proxy/stats/query_table.h"

namespace sportello::proxy {
namespace {

constexpr std::string_view kText =
    "SELECT n.id, n.studio_name, n.city, n.rating, u.email FROM notaries n JOIN users u ON u.id = n.user_id "
    "WHERE n.city = $1 ORDER BY n.rating DESC LIMIT 20";

void count_one(QueryTable& table, uint64_t fingerprint) {
  table.answered(table.find({1, fingerprint}, kText, true), 20, false);
  table.count(AnsweredBy::Primary, std::chrono::microseconds(150));
}

void known_shapes(benchmark::State& state) {
  const auto shapes = static_cast<uint64_t>(state.range(0));
  QueryTable table;
  std::vector<uint64_t> fingerprints;
  for (uint64_t i = 1; i <= shapes; i++) {
    fingerprints.push_back(i * 0x9e3779b97f4a7c15);
    count_one(table, fingerprints.back());
  }
  size_t next = 0;
  for (auto _ : state) {
    count_one(table, fingerprints[next]);
    next = (next + 7) % fingerprints.size();
  }
}
BENCHMARK(known_shapes)->Arg(1)->Arg(10)->Arg(QueryTable::kMost);

void new_shapes(benchmark::State& state) {
  QueryTable table;
  uint64_t fingerprint = 0;
  for (auto _ : state) {
    count_one(table, ++fingerprint * 0x9e3779b97f4a7c15);
  }
}
BENCHMARK(new_shapes);

}  // namespace
}  // namespace sportello::proxy

BENCHMARK_MAIN();
