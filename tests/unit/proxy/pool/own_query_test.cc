#include "proxy/pool/own_query.h"

#include <gtest/gtest.h>

#include "tests/unit/proxy/support/memory_link.h"
#include "tests/unit/proxy/support/messages.h"

namespace sportello::proxy {
namespace {

// Feeds `answer` in pieces of `cut` bytes, keeping what was not taken.
OwnQuery::Step feed(OwnQuery& query, LinkState& link, std::string_view answer, size_t cut) {
  OwnQuery::Step step;
  std::string pending;
  while (!answer.empty() && !step.done && !step.broken) {
    pending.append(answer.substr(0, cut));
    answer.remove_prefix(std::min(cut, answer.size()));
    step = query.on_server_bytes(link, pending);
    pending.erase(0, step.taken);
  }
  return step;
}

TEST(OwnQuery, IsDoneAtReadyForQueryInAnyCut) {
  const std::string answer = server::notice("n") + server::selected("1");
  for (size_t cut = 1; cut <= answer.size(); cut++) {
    LinkState link = memory_link();
    link.unnamed_id = 5;
    OwnQuery query;
    std::string out;
    query.begin(link, "SELECT 1", out);
    EXPECT_EQ(out, client::query("SELECT 1"));
    EXPECT_EQ(link.unnamed_id, 0U) << "a simple query drops the unnamed statement";
    const OwnQuery::Step step = feed(query, link, answer, cut);
    EXPECT_TRUE(step.done) << cut;
    EXPECT_FALSE(step.broken) << cut;
    EXPECT_FALSE(query.error().has_value());
  }
}

TEST(OwnQuery, IsNotDoneWhileAnythingIsMissing) {
  const std::string answer = server::selected("1");
  for (size_t size = 0; size < answer.size(); size++) {
    LinkState link = memory_link();
    OwnQuery query;
    const OwnQuery::Step step = query.on_server_bytes(link, std::string_view(answer).substr(0, size));
    EXPECT_FALSE(step.done || step.broken) << size;
  }
}

TEST(OwnQuery, KeepsTheFirstErrorAndTheTransactionStatus) {
  LinkState link = memory_link();
  OwnQuery query;
  EXPECT_TRUE(feed(query, link,
                   server::error("42501", "first") + server::error("XX000", "second") + server::ready('E'), 3)
                  .done);
  EXPECT_EQ(query.error()->sqlstate, "42501");
  EXPECT_EQ(query.error()->message, "first");
  EXPECT_EQ(link.status, TransactionStatus::Failed);
}

TEST(OwnQuery, NotesWhatTheServerReports) {
  LinkState link = memory_link();
  OwnQuery query;
  feed(query, link,
       server::parameter("TimeZone", "Asia/Tokyo") + server::parameter("other", "x") + server::ready(), 100);
  EXPECT_EQ((*link.settings)[Tracked::TimeZone], "Asia/Tokyo");
}

TEST(OwnQuery, BreaksOnGoodbyesCopiesAndNonsense) {
  for (const std::string& answer :
       {server::fatal("57P01", "bye"), server::copy_in(), server::message('W', std::string(3, '\0')),
        server::message('Z', "?"), std::string("D\0\0\0\1", 5), std::string("D\x7f\xff\xff\xff", 5)}) {
    LinkState link = memory_link();
    OwnQuery query;
    EXPECT_TRUE(query.on_server_bytes(link, answer).broken) << answer[0];
  }
}

TEST(OwnQuery, DiscardAllLeavesNothingKnownToBeThere) {
  LinkState link = memory_link();
  link.statements.add(1);
  link.statements.make_uncertain();
  link.tainted = true;
  note_reset(link, "discard all;");
  EXPECT_EQ(link.statements.size(), 0U);
  EXPECT_FALSE(link.statements.uncertain());
  EXPECT_FALSE(link.tainted);
}

TEST(OwnQuery, AnyOtherResetLeavesTheStatementsUncertain) {
  LinkState link = memory_link();
  SettingsValues values = plain_settings();
  values.startup = {{"search_path", "x"}};
  link.settings = intern_settings(values);
  link.statements.add(1);
  note_reset(link, "RESET ALL; SELECT pg_advisory_unlock_all()");
  EXPECT_TRUE(link.statements.uncertain());
  EXPECT_TRUE(link.settings->startup.empty());
}

}  // namespace
}  // namespace sportello::proxy
