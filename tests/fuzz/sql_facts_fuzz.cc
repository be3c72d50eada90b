// The whole way from any bytes to facts. The first byte says standard_conforming_strings. Beyond not
// crashing: what PostgreSQL's grammar takes for a session setting must never come out as harmless.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/invariant.h"
#include "protocol/sql/lexical_effects.h"
#include "protocol/sql/statement_parser.h"

using namespace sportello::sql;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const bool standard_conforming_strings = data[0] % 2 == 0;
  const std::vector<char> bytes(data + 1, data + size);
  const std::string_view text(bytes.data(), bytes.size());

  std::string scratch;
  const Shape shape = measure_shape(text, standard_conforming_strings, scratch);
  const StatementFacts facts = parse_statement(text, shape, standard_conforming_strings);
  sportello::invariant(facts.fingerprint == shape.fingerprint, "facts carry the fingerprint of their text");
  sportello::invariant(!facts.multi || facts.name.empty(), "a name belongs to a lone statement");
  sportello::invariant(!facts.replay_safe() || facts.effects == 0, "what is replayed has no effect");
  if (facts.kind != StatementKind::Unknown && looks_harmless_to_session(text, standard_conforming_strings)) {
    sportello::invariant(!facts.has(kPins & ~Effects{SessionFunction}),
                         "words alone never say harmless where the grammar says pinned");
  }
  return 0;
}
