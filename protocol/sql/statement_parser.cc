#include "protocol/sql/statement_parser.h"

#include <pg_query.h>
#include <pthread.h>

#include <memory>
#include <string>

#include "protocol/sql/facts_from_tree.h"
#include "protocol/sql/lexical_effects.h"

namespace sportello::sql {
namespace {

// Ten times what kMaxDeepening levels were seen to need, and small enough for glibc to keep the stack for the
// next thread.
constexpr size_t kDeepStackBytes = 16 * 1024 * 1024;

struct Parse {
  const std::string& text;
  StatementFacts facts;
  bool refused = false;

  void run() {
    PgQueryParseResult result = pg_query_parse(text.c_str());
    refused = result.error != nullptr;
    if (!refused) facts = facts_from_tree(result.parse_tree, text);
    pg_query_free_parse_result(result);
  }
};

// False if the system has no thread or no stack to give.
bool run_on_deep_stack(Parse& parse) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_t thread;
  const auto body = [](void* argument) -> void* {
    static_cast<Parse*>(argument)->run();
    return nullptr;
  };
  const bool started = pthread_attr_setstacksize(&attributes, kDeepStackBytes) == 0 &&
                       pthread_create(&thread, &attributes, body, &parse) == 0;
  pthread_attr_destroy(&attributes);
  if (started) pthread_join(thread, nullptr);
  return started;
}

// The parser knows standard_conforming_strings = on only.
bool reads_the_same(std::string_view text, bool standard_conforming_strings) {
  return standard_conforming_strings || text.find('\\') == std::string_view::npos;
}

bool within_guard(std::string_view text, const Shape& shape) {
  return text.size() <= kMaxParseBytes && shape.tokens <= kMaxTokens && shape.nesting <= kMaxNesting &&
         shape.deepening <= kMaxDeepening;
}

// Not parsed. Others of its shape may be (a shorter list, a literal of another type), so these facts are the
// text's own.
StatementFacts by_words_alone(std::string_view text, bool standard_conforming_strings) {
  StatementFacts facts = unknown_facts();
  if (looks_harmless_to_session(text, standard_conforming_strings)) facts.effects = Writes | UnknownFunction;
  return facts;
}

}  // namespace

StatementFacts unknown_facts() { return StatementFacts{.literal_dependent = true}; }

StatementFacts parse_statement(std::string_view text, const Shape& shape, bool standard_conforming_strings) {
  StatementFacts facts;
  if (!shape.well_formed) {
    facts = unknown_facts();
  } else if (!within_guard(text, shape) || !reads_the_same(text, standard_conforming_strings)) {
    facts = by_words_alone(text, standard_conforming_strings);
  } else {
    const std::string terminated(text);
    Parse parse{terminated, {}};
    bool ran = true;
    if (shape.nesting + shape.deepening <= kInlineDepth) {
      parse.run();
    } else {
      ran = run_on_deep_stack(parse);
    }
    facts =
        !ran || parse.refused ? by_words_alone(text, standard_conforming_strings) : std::move(parse.facts);
  }
  facts.fingerprint = shape.fingerprint;
  facts.hint = shape.hint;
  if (shape.names_a_moment) {
    facts.stable_functions = true;
    facts.stable_by_settings = false;
    facts.hangs_on_transaction = true;
  }
  return facts;
}

}  // namespace sportello::sql
