#include "proxy/session/connection_state.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace sportello::proxy {
namespace {

// What proxy/README.md shows between its markers.
std::string printed_table() {
  std::ostringstream out;
  out << "| from | event | to |\n|---|---|---|\n";
  for (const ConnectionMove& move : kConnectionMoves) {
    out << "| " << state_name(move.from) << " | " << event_name(move.event) << " | " << state_name(move.to)
        << " |\n";
  }
  out << "| any | Closed | Closed |\n";
  return out.str();
}

TEST(ConnectionState, TheReadmeShowsTheTableAsItIs) {
  std::ifstream file(std::string(SPORTELLO_SOURCE_DIR) + "/proxy/README.md");
  std::stringstream text;
  text << file.rdbuf();
  const std::string readme = text.str();
  const std::string begin = "<!-- connection states -->\n";
  const size_t at = readme.find(begin);
  ASSERT_NE(at, std::string::npos);
  const size_t end = readme.find("<!-- /connection states -->", at);
  EXPECT_EQ(readme.substr(at + begin.size(), end - at - begin.size()), printed_table());
}

TEST(ConnectionState, NoPairLeadsToTwoStates) {
  std::set<std::pair<ConnectionState, ConnectionEvent>> seen;
  for (const ConnectionMove& move : kConnectionMoves) {
    EXPECT_TRUE(seen.emplace(move.from, move.event).second) << state_name(move.from);
  }
}

TEST(ConnectionState, EveryStateCanBeReachedAndLeft) {
  std::set<ConnectionState> reached = {ConnectionState::LoggingIn};
  for (size_t round = 0; round < kConnectionMoves.size(); round++) {
    for (const ConnectionMove& move : kConnectionMoves) {
      if (reached.contains(move.from)) {
        reached.insert(move.to);
      }
    }
  }
  for (int i = 0; i < static_cast<int>(ConnectionState::Closed); i++) {
    const auto state = static_cast<ConnectionState>(i);
    EXPECT_TRUE(reached.contains(state)) << state_name(state);
    EXPECT_EQ(next_state(state, ConnectionEvent::Closed), ConnectionState::Closed);
  }
}

TEST(ConnectionState, WhatIsClosedStaysClosed) {
  for (int i = 0; i <= static_cast<int>(ConnectionEvent::Closed); i++) {
    EXPECT_EQ(next_state(ConnectionState::Closed, static_cast<ConnectionEvent>(i)), std::nullopt);
  }
}

TEST(ConnectionState, NobodyGetsALinkThatDidNotAskForOne) {
  EXPECT_EQ(next_state(ConnectionState::HoldsLink, ConnectionEvent::LinkGranted), std::nullopt);
  EXPECT_EQ(next_state(ConnectionState::Console, ConnectionEvent::LinkGranted), std::nullopt);
}

}  // namespace
}  // namespace sportello::proxy
