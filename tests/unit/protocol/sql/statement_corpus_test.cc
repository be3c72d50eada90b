// Several hundred statements of every kind with all their facts, one a line, in tests/support/statements.txt.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "protocol/sql/facts_cache.h"
#include "protocol/sql/statement_parser.h"
#include "tests/support/facts_text.h"

namespace sportello::sql {
namespace {

struct Line {
  int number = 0;
  std::string text;
  std::string facts;
};

std::vector<Line> read_corpus() {
  std::vector<Line> lines;
  std::ifstream file(SPORTELLO_STATEMENTS);
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const size_t arrow = line.rfind(" => ");
    if (line.empty() || line[0] == '#' || arrow == std::string::npos) continue;
    lines.push_back({number, line.substr(0, arrow), line.substr(arrow + 4)});
  }
  return lines;
}

StatementFacts facts_of(std::string_view text) {
  std::string scratch;
  return parse_statement(text, measure_shape(text, true, scratch));
}

TEST(StatementCorpus, HasTheFactsThatItSays) {
  const std::vector<Line> corpus = read_corpus();
  ASSERT_GT(corpus.size(), 300u);
  for (const Line& line : corpus) {
    EXPECT_EQ(sportello::testing::facts_text(facts_of(line.text)), line.facts)
        << "line " << line.number << ": " << line.text;
  }
}

TEST(StatementCorpus, HasTheSameFactsInCapitalsAndAmongComments) {
  for (const Line& line : read_corpus()) {
    // A comment of one line would swallow what is behind it, and strings keep their case.
    if (line.text.find("--") != std::string::npos) continue;
    EXPECT_EQ(sportello::testing::facts_text(facts_of("/* a */ " + line.text + " /* b */ ;")), line.facts)
        << line.number;
    if (line.text.find_first_of("'\"$") != std::string::npos) continue;
    std::string capitals = line.text;
    for (char& c : capitals) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    EXPECT_EQ(sportello::testing::facts_text(facts_of(capitals)), line.facts) << line.number;
  }
}

// What one text of a shape says must hold for the others.
TEST(StatementCorpus, GetsTheSameFactsOutOfTheCaches) {
  ShapeCache shapes;
  FactsCache one(shapes, 1);
  FactsCache two(shapes, 2);
  const std::vector<Line> corpus = read_corpus();
  for (const Line& line : corpus)
    EXPECT_EQ(sportello::testing::facts_text(*one.look_up(line.text)), line.facts) << line.number;
  for (const Line& line : corpus)
    EXPECT_EQ(sportello::testing::facts_text(*two.look_up(line.text)), line.facts) << line.number;
  EXPECT_GT(two.counters().shape_hits, 250u);
}

// S68: however a read is dressed up with a statement that writes, it is no read any more.
TEST(StatementCorpus, IsReadOnlyInNoCompanyThatIsNot) {
  for (const Line& line : read_corpus()) {
    const StatementFacts alone = facts_of(line.text);
    if (alone.kind == StatementKind::Unknown || line.text.find("--") != std::string::npos) continue;
    const StatementFacts after = facts_of(line.text + "; delete from z");
    const StatementFacts before = facts_of("select 1; " + line.text);
    EXPECT_FALSE(after.reads_only) << line.text;
    EXPECT_THAT(after.writes, ::testing::Contains(RelationName{"", "z"})) << line.text;
    if (alone.kind != StatementKind::Empty) {
      EXPECT_EQ(before.reads_only, alone.reads_only) << line.text;
    }
    EXPECT_EQ(before.writes_unknown, alone.writes_unknown) << line.text;
    EXPECT_EQ(before.writes, alone.writes) << line.text;
  }
}

TEST(StatementCorpus, IsUnknownWhereverItIsCutOff) {
  for (const Line& line : read_corpus()) {
    if (line.text.size() > 60) continue;
    for (size_t size = 0; size < line.text.size(); ++size) {
      const StatementFacts facts = facts_of(line.text.substr(0, size));
      if (facts.kind != StatementKind::Unknown) continue;
      EXPECT_TRUE(facts.reads_unknown && facts.writes_unknown && !facts.reads_only)
          << line.text.substr(0, size);
    }
  }
}

}  // namespace
}  // namespace sportello::sql
