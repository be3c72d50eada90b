// Which of a client's bytes ask for one result, and what is around a result that is kept.
#include "proxy/session/cached_read.h"

#include <gtest/gtest.h>

#include "proxy/session/client_session.h"
#include "tests/unit/proxy/support/memory_link.h"
#include "tests/unit/proxy/support/messages.h"
#include "tests/unit/proxy/support/outbox_text.h"

namespace sportello::proxy {
namespace {

struct CachedReads : ::testing::Test {
  std::shared_ptr<DatabaseScope> scope = std::make_shared<DatabaseScope>();
  MemoryWorker worker;
  LinkState link = memory_link();
  ClientSession session{worker.context, *scope, 1};
  Outbox to_server;
  Outbox to_client;
  CachedRead read;

  CachedReads() {
    static uint64_t ids = 70'000;
    scope->id = ++ids;
    session.begin(intern_settings(plain_settings()));
    session.track_writes(
        std::make_unique<SessionFreshness>(std::make_shared<DatabaseNames>(scope), 1, "alice"));
  }

  // How much of it is such a batch.
  size_t length(std::string_view bytes) { return session.find_cached_read(bytes, read) ? read.bytes : 0; }
  std::string answered(const cache::CachedResult& result) {
    session.answer_cached_read(read, result, to_client);
    return drain(to_client);
  }
};

const std::string kRows = server::row({"1"}) + server::complete("SELECT 1");
const std::string kParameters("t\0\0\0\6\0\0", 7);

cache::CachedResultRef described() {
  const std::string description = server::row_description();
  return cache::CachedResult::make({description + kRows, description.size(), kParameters, 1});
}

TEST_F(CachedReads, AQueryIsOneWithoutWhatFollows) {
  const std::string query = client::query("SELECT 1");
  EXPECT_EQ(length(query + client::query("DELETE FROM t")), query.size());
  EXPECT_EQ(length(query), query.size());
  EXPECT_TRUE(read.form.description);
  EXPECT_EQ(read.text, "SELECT 1");
  EXPECT_EQ(answered(*described()), server::row_description() + kRows + server::ready());
}

TEST_F(CachedReads, ABatchIsOneOnlyWhenAllOfItIsThere) {
  const std::string batch = client::parse("s", "SELECT 1") + client::describe('S', "s") +
                            client::bind("", "s") + client::describe('P', "") + client::execute() +
                            client::close('P', "") + client::sync();
  EXPECT_EQ(length(batch + client::sync()), batch.size());
  EXPECT_TRUE(read.form.parameter_description);
  for (size_t cut = 0; cut < batch.size(); cut++) {
    EXPECT_EQ(length(std::string_view(batch).substr(0, cut)), 0U) << cut;
  }
}

TEST_F(CachedReads, EachMessageHasItsAnswer) {
  const std::string batch = client::parse("s", "SELECT 1") + client::describe('S', "s") +
                            client::bind("", "s") + client::describe('P', "") + client::execute() +
                            client::close('P', "") + client::sync();
  ASSERT_EQ(length(batch), batch.size());
  EXPECT_EQ(answered(*described()), server::parse_complete() + kParameters + server::row_description() +
                                        server::bind_complete() + server::row_description() + kRows +
                                        server::close_complete() + server::ready());
  // The statement is the client's now, though no server was told.
  const std::string again = client::bind("", "s") + client::execute() + client::sync();
  EXPECT_EQ(length(again), again.size());
  EXPECT_EQ(answered(*described()), server::bind_complete() + kRows + server::ready());
  EXPECT_EQ(session.prepared_statements(), 1U);
}

TEST_F(CachedReads, MoreOrOtherThanOneResultIsTheServers) {
  const std::string parse = client::parse("", "SELECT 1");
  const std::string bind = client::bind("", "");
  for (const std::string& batch : {
           parse + bind + client::execute("", 1) + client::sync(),                        // some rows
           parse + bind + client::execute() + client::execute() + client::sync(),         // twice
           parse + bind + client::sync(),                                                 // none
           parse + bind + client::execute() + bind + client::execute() + client::sync(),  // two
           parse + client::bind("p", "") + client::execute("p") + client::sync(),  // a portal that stays
           parse + client::describe('S', "") + client::sync(),                     // only described
           parse + client::describe('S', "other") + bind + client::execute() + client::sync(),
           parse + client::bind("", "other") + client::execute() + client::sync(),
           bind + client::execute() + client::sync(),  // prepared by nobody
           parse + parse + bind + client::execute() + client::sync(),
           parse + bind + client::execute() + client::query("SELECT 1") + client::sync(),
           client::sync(),
       }) {
    EXPECT_EQ(length(batch), 0U);
  }
}

TEST_F(CachedReads, ANameThatIsTakenIsTheServersToRefuse) {
  const std::string batch =
      client::parse("s", "SELECT 1") + client::bind("", "s") + client::execute() + client::sync();
  ASSERT_EQ(length(batch), batch.size());
  answered(*described());
  EXPECT_EQ(length(batch), 0U);
}

TEST_F(CachedReads, NothingIsAnsweredWhileALinkIsHeld) {
  session.take_link(link, to_server);
  EXPECT_EQ(length(client::query("SELECT 1")), 0U);
  session.leave_link();
  EXPECT_NE(length(client::query("SELECT 1")), 0U);
}

TEST_F(CachedReads, ARecorderSeesWhatTheClientIsSent) {
  cache::ResultRecorder recorder(1 << 10, {});
  session.take_link(link, to_server);
  session.on_client_bytes(client::query("SELECT 1"), to_server, to_client);
  session.record_answer(&recorder);
  session.on_server_bytes(server::row_description() + kRows + server::ready(), to_server, to_client);
  ASSERT_NE(recorder.result(), nullptr);
  EXPECT_EQ(recorder.result()->messages(), server::row_description() + kRows);
}

}  // namespace
}  // namespace sportello::proxy
