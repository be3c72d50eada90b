#include "proxy/session/virtual_statements.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>

namespace sportello::proxy {
namespace {

StatementRef statement(std::string_view text) {
  return intern_statement({text, std::string_view("\0\0", 2), 99},
                          std::make_shared<const sql::StatementFacts>());
}

TEST(VirtualStatements, FindsWhatWasDefinedBeforeItIsAnswered) {
  VirtualStatements names;
  const auto one = statement("one");
  EXPECT_EQ(names.find("a"), nullptr);
  names.define("a", one);
  EXPECT_EQ(names.find("a"), one);
  names.acknowledge();
  EXPECT_EQ(names.find("a"), one);
}

TEST(VirtualStatements, TakesBackWhatDidNotHappen) {
  VirtualStatements names;
  const auto one = statement("one");
  const auto two = statement("two");
  names.define("a", one);
  names.acknowledge();
  names.remove("a");
  names.define("a", two);
  names.define("b", two);
  names.undo(3);
  EXPECT_EQ(names.find("a"), one);
  EXPECT_EQ(names.find("b"), nullptr);
}

TEST(VirtualStatements, KeepsYoungerChangesWhenOlderOnesAreTakenBack) {
  VirtualStatements names;
  const auto one = statement("one");
  const auto two = statement("two");
  names.define("a", one);
  names.define("a", two);
  names.undo(1);
  EXPECT_EQ(names.find("a"), two);
  names.undo(1);
  EXPECT_EQ(names.find("a"), nullptr) << "what the first one replaced";
}

TEST(VirtualStatements, DropsAllButWhatWasDefinedSince) {
  VirtualStatements names;
  const auto one = statement("one");
  names.define("old", one);
  names.acknowledge();
  names.define("new", one);
  names.clear_settled();
  EXPECT_EQ(names.find("old"), nullptr);
  EXPECT_EQ(names.find("new"), one);
  names.undo(1);
  EXPECT_TRUE(names.empty());
}

TEST(VirtualStatements, TheUnnamedOneIsUnderTheEmptyName) {
  VirtualStatements names;
  names.define("", statement("one"));
  names.acknowledge();
  names.clear_unnamed();
  EXPECT_EQ(names.find(""), nullptr);
}

// Parse, Sync, Parse, Sync: the first is refused when the second was sent long ago.
TEST(VirtualStatements, ARefusedParseOfTheUnnamedOneLeavesALaterOne) {
  VirtualStatements names;
  const StatementRef later = statement("later");
  names.define("", statement("before"));
  names.acknowledge();
  names.define("", statement("refused"));
  names.define("", later);
  names.undo(1);
  names.drop_settled_unnamed();
  EXPECT_EQ(names.find(""), later);
  names.undo(1);
  EXPECT_EQ(names.find(""), nullptr);
}

TEST(VirtualStatements, AQueryDropsTheUnnamedOneForGood) {
  VirtualStatements names;
  names.define("", statement("before"));
  names.acknowledge();
  names.define("", statement("skipped"));
  names.clear_unnamed();
  names.undo(1);
  EXPECT_EQ(names.find(""), nullptr);
}

TEST(VirtualStatementsDeathTest, AcknowledgingMoreThanWasChangedIsOurMistake) {
  VirtualStatements names;
  EXPECT_DEATH(names.acknowledge(), "acknowledged");
  EXPECT_DEATH(names.undo(1), "undone");
}

// The model applies a change only when its answer comes, as the server does.
TEST(VirtualStatements, AgreeWithAServerThatSkipsAtRandom) {
  for (uint32_t seed = 1; seed <= 200; seed++) {
    std::mt19937 random(seed);
    VirtualStatements names;
    std::map<std::string, StatementRef> model;
    std::deque<std::pair<std::string, StatementRef>> pending;
    const auto answer_one = [&] {
      const auto [name, value] = pending.front();
      pending.pop_front();
      if (value == nullptr) {
        model.erase(name);
      } else {
        model[name] = value;
      }
      names.acknowledge();
    };
    for (int step = 0; step < 100; step++) {
      const std::string name(1, static_cast<char>('a' + random() % 3));
      switch (random() % 5) {
        case 0:
        case 1: {
          const auto made = statement("text " + std::to_string(random() % 5));
          names.define(name, made);
          pending.emplace_back(name, made);
          break;
        }
        case 2:
          names.remove(name);
          pending.emplace_back(name, nullptr);
          break;
        case 3:
          if (!pending.empty()) {
            answer_one();
          }
          break;
        default: {
          const size_t skipped = pending.empty() ? 0 : random() % (pending.size() + 1);
          names.undo(skipped);
          pending.erase(pending.begin(), pending.begin() + static_cast<ptrdiff_t>(skipped));
        }
      }
    }
    while (!pending.empty()) {
      answer_one();
    }
    for (const char* name : {"a", "b", "c"}) {
      const auto found = model.find(name);
      ASSERT_EQ(names.find(name), found == model.end() ? nullptr : found->second) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace sportello::proxy
