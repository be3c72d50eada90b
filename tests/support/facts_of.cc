// Statements, one a line on standard input, to their facts, one JSON object a line: what tests in other
// languages compare with a real server.
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <iostream>
#include <string>

#include "protocol/sql/statement_parser.h"
#include "tests/support/facts_text.h"

namespace {

using namespace sportello;
using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

void put(Writer& out, const char* name, const std::vector<sql::RelationName>& relations) {
  out.Key(name);
  out.StartArray();
  for (const sql::RelationName& relation : relations) {
    const std::string text = testing::name_text(relation);
    out.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  }
  out.EndArray();
}

void put(Writer& out, const char* name, bool set) {
  out.Key(name);
  out.Bool(set);
}

void put(Writer& out, const char* name, std::string_view text) {
  out.Key(name);
  out.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

}  // namespace

int main() {
  std::string text;
  std::string scratch;
  while (std::getline(std::cin, text)) {
    const sql::StatementFacts facts = sql::parse_statement(text, sql::measure_shape(text, true, scratch));
    rapidjson::StringBuffer buffer;
    Writer out(buffer);
    out.StartObject();
    put(out, "text", text);
    put(out, "facts", testing::facts_text(facts));
    put(out, "kind", testing::kind_name(facts.kind));
    put(out, "reads", facts.reads);
    put(out, "writes", facts.writes);
    put(out, "ddl_targets", facts.ddl_targets);
    put(out, "reads_only", facts.reads_only);
    put(out, "reads_unknown", facts.reads_unknown);
    put(out, "writes_unknown", facts.writes_unknown);
    put(out, "cascades", facts.cascades);
    put(out, "replay_safe", facts.replay_safe());
    out.EndObject();
    std::cout << buffer.GetString() << '\n';
  }
}
