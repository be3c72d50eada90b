// What understanding a statement costs: by exact text (every message of the hot path), by shape (a new text
// of a known form), by the parser (a new form), and the parts.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "protocol/sql/facts_cache.h"
#include "protocol/sql/fingerprint.h"
#include "protocol/sql/statement_parser.h"

namespace sportello::sql {
namespace {

constexpr std::string_view kShort =
    "SELECT id, act_number, status FROM acts WHERE notary_id = $1 AND status = $2 ORDER BY id LIMIT 20 --";
constexpr std::string_view kJoin =
    "SELECT a.id, a.act_number, a.act_type, a.status, a.created_at, n.studio_name, c.first_name, "
    "c.last_name, "
    "COUNT(d.id) AS document_count, COUNT(d.id) FILTER (WHERE d.is_signed) AS signed_count FROM acts a "
    "JOIN notaries n ON n.id = a.notary_id JOIN clients c ON c.id = a.client_id LEFT JOIN documents d ON "
    "d.act_id = a.id WHERE a.notary_id = $1 AND a.status IN ('bozza', 'in_lavorazione') GROUP BY a.id, "
    "n.studio_name, c.first_name, c.last_name ORDER BY a.created_at DESC LIMIT 50 OFFSET 0";

void ExactText(benchmark::State& state, std::string_view text) {
  ShapeCache shapes;
  FactsCache cache(shapes, 1);
  for (auto _ : state) benchmark::DoNotOptimize(cache.look_up(text));
}
BENCHMARK_CAPTURE(ExactText, short_text, kShort);
BENCHMARK_CAPTURE(ExactText, join, kJoin);

// 4,000 texts in turn, as many statements of an application: no luck with the processor's caches.
void ExactTextOfMany(benchmark::State& state) {
  ShapeCache shapes;
  FactsCache cache(shapes, 1);
  std::vector<std::string> texts;
  for (int i = 0; i < 4000; ++i) texts.push_back(std::string(kShort) + std::to_string(i * 7919 % 4000));
  size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(cache.look_up(texts[at]));
    if (++at == texts.size()) at = 0;
  }
}
BENCHMARK(ExactTextOfMany);

// Each text is new, its shape is known; the text is stored, and older ones are thrown out.
void KnownShape(benchmark::State& state, std::string_view before) {
  ShapeCache shapes;
  FactsCache cache(shapes, 1);
  std::string text(before);
  uint64_t number = 0;
  for (auto _ : state) {
    text.resize(before.size());
    text += " ";
    text += std::to_string(++number);
    benchmark::DoNotOptimize(cache.look_up(text));
  }
}
BENCHMARK_CAPTURE(
    KnownShape, short_text,
    "SELECT id, act_number, status FROM acts WHERE notary_id = $1 AND status = 'x' ORDER BY id LIMIT");
BENCHMARK_CAPTURE(KnownShape, join, kJoin.substr(0, kJoin.size() - 2));

void MeasureShape(benchmark::State& state, std::string_view text) {
  std::string scratch;
  for (auto _ : state) benchmark::DoNotOptimize(measure_shape(text, true, scratch));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK_CAPTURE(MeasureShape, short_text, kShort);
BENCHMARK_CAPTURE(MeasureShape, join, kJoin);

void ParseStatement(benchmark::State& state, std::string_view text) {
  std::string scratch;
  const Shape shape = measure_shape(text, true, scratch);
  for (auto _ : state) benchmark::DoNotOptimize(parse_statement(text, shape));
}
BENCHMARK_CAPTURE(ParseStatement, short_text, kShort);
BENCHMARK_CAPTURE(ParseStatement, join, kJoin);

// Beyond what is parsed on the caller's stack: a thread more.
void ParseDeepStatement(benchmark::State& state) {
  std::string text = "select 1";
  for (uint32_t i = 0; i < kInlineDepth; ++i) text += "+1";
  std::string scratch;
  const Shape shape = measure_shape(text, true, scratch);
  for (auto _ : state) benchmark::DoNotOptimize(parse_statement(text, shape));
}
BENCHMARK(ParseDeepStatement);

}  // namespace
}  // namespace sportello::sql

BENCHMARK_MAIN();
