#include "proxy/admin/admin_show.h"

#include <gtest/gtest.h>

#include "protocol/sqlstate.h"
#include "proxy/pool/pool.h"

namespace sportello::proxy {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

// One configured database "app" with a pool of alice, and one worker that has what a test puts there.
class AdminShow : public testing::Test {
 protected:
  AdminShow() {
    auto config = std::make_shared<RuntimeConfig>();
    conf::Database app;
    app.primary.host = "10.0.0.9";
    app.primary.password = "hidden-secret";
    app.pool_size = 7;
    app.pool_mode = conf::PoolMode::Session;
    config->conf.databases["app"] = app;
    config->conf.users["alice"].max_user_connections = 4;
    config->secrets["alice"] = "hidden-secret";
    config->secrets["bob"] = "hidden-secret";
    view_.config = config;
    PoolStats& stats = stats_of("alice", 0);
    stats.queries = 100;
    stats.query_us = 2400;
    stats.transactions = 60;
    stats.client_bytes = 6000;
    stats_of("alice", 3).queries = 20;
    view_.pools = directory_.pools();
    view_.databases = directory_.databases();
    view_.users = directory_.users();
    view_.sampler = &sampler_;
    view_.now = start_ + seconds(2);
    view_.workers.resize(1);
  }

  SocketSnapshot& client(const char* state) {
    auto& clients = view_.workers[0].clients;
    clients.push_back({.id = 64, .user = "alice", .pool_user = "alice", .database = "app", .state = state});
    return clients.back();
  }
  SocketSnapshot& server(const char* state) {
    auto& servers = view_.workers[0].servers;
    servers.push_back(
        {.id = 0xabc0, .user = "alice", .pool_user = "alice", .database = "app", .state = state});
    return servers.back();
  }

  // What one worker's part of a pool of "app" has counted.
  PoolStats& stats_of(const std::string& user, size_t worker) {
    return Pool(directory_.pool("app", user), worker).stats();
  }

  AdminTable shown(ShowTopic topic) {
    auto answer = show(topic, view_);
    EXPECT_TRUE(answer.ok());
    return answer.ok() && answer->table ? *answer->table : AdminTable();
  }
  // The value of a column in a row.
  static std::string at(const AdminTable& table, size_t row, const std::string& name) {
    for (size_t i = 0; i < table.columns.size(); i++) {
      if (table.columns[i].name == name) {
        return table.rows.at(row).at(i).value_or("NULL");
      }
    }
    ADD_FAILURE() << "no column " << name;
    return "";
  }

  std::chrono::steady_clock::time_point start_{seconds(1000)};
  PoolDirectory directory_;
  StatsSampler sampler_{start_};
  AdminView view_;
};

TEST_F(AdminShow, GivesEveryRowAsManyValuesAsColumns) {
  client("active");
  server("idle");
  for (int topic = 0; topic <= static_cast<int>(ShowTopic::Version); topic++) {
    const auto answer = show(static_cast<ShowTopic>(topic), view_);
    if (!answer.ok() || !answer->table) {
      continue;
    }
    for (const AdminRow& row : answer->table->rows) {
      EXPECT_EQ(row.size(), answer->table->columns.size()) << topic;
    }
    // As it goes to drivers, numbers in binary: a text in a number's column would end the process.
    std::string out;
    for (const AdminRow& row : answer->table->rows) {
      append_data_row(out, answer->table->columns, row, ResultFormats({true}));
    }
  }
}

// S29
TEST_F(AdminShow, NeverShowsASecret) {
  client("active");
  for (int topic = 0; topic <= static_cast<int>(ShowTopic::Version); topic++) {
    const auto answer = show(static_cast<ShowTopic>(topic), view_);
    if (!answer.ok() || !answer->table) {
      continue;
    }
    for (const AdminRow& row : answer->table->rows) {
      for (const AdminValue& value : row) {
        EXPECT_EQ(value.value_or("").find("hidden-secret"), std::string::npos) << topic;
      }
    }
  }
}

TEST_F(AdminShow, CountsClientsAndServersOfAPool) {
  client("active").link_id = 1;
  client("idle");
  client("waiting").wait = microseconds(1'500'000);
  client("waiting").wait = microseconds(2'250'000);
  client("login");
  server("active");
  server("idle");
  server("idle");
  server("new");
  server("tested");
  const AdminTable pools = shown(ShowTopic::Pools);
  ASSERT_EQ(pools.rows.size(), 2U);
  EXPECT_EQ(at(pools, 0, "database"), "app");
  EXPECT_EQ(at(pools, 0, "cl_active"), "2");
  EXPECT_EQ(at(pools, 0, "cl_waiting"), "2");
  EXPECT_EQ(at(pools, 0, "sv_active"), "1");
  EXPECT_EQ(at(pools, 0, "sv_idle"), "2");
  EXPECT_EQ(at(pools, 0, "sv_login"), "1");
  EXPECT_EQ(at(pools, 0, "sv_tested"), "1");
  EXPECT_EQ(at(pools, 0, "maxwait"), "2");
  EXPECT_EQ(at(pools, 0, "maxwait_us"), "250000");
  EXPECT_EQ(at(pools, 0, "pool_mode"), "session");
}

TEST_F(AdminShow, CountsTheMemoryOfBuffers) {  // S61
  client("waiting").buffer_bytes = 1000;
  client("active").buffer_bytes = 500;
  client("idle");
  server("active").buffer_bytes = 70;
  const AdminTable mem = shown(ShowTopic::Mem);
  const size_t at_clients = mem.rows.size() - 2;
  EXPECT_EQ(at(mem, at_clients, "name"), "client_buffers");
  EXPECT_EQ(at(mem, at_clients, "size"), "750");
  EXPECT_EQ(at(mem, at_clients, "used"), "2");
  EXPECT_EQ(at(mem, at_clients, "memtotal"), "1500");
  EXPECT_EQ(at(mem, at_clients + 1, "name"), "server_buffers");
  EXPECT_EQ(at(mem, at_clients + 1, "memtotal"), "70");
}

// As PgBouncer's: a database with one pool, which is there even while nobody is.
TEST_F(AdminShow, ListsTheConsoleWithItsClients) {
  EXPECT_EQ(at(shown(ShowTopic::Pools), 1, "cl_active"), "0");
  for (const char* user : {"bob", "erin"}) {
    SocketSnapshot& at_console = client("active");
    at_console.user = at_console.pool_user = user;
    at_console.database = "sportello";
  }
  client("login").database = "sportello";
  const AdminTable pools = shown(ShowTopic::Pools);
  ASSERT_EQ(pools.rows.size(), 2U);
  EXPECT_EQ(at(pools, 1, "database"), "sportello");
  EXPECT_EQ(at(pools, 1, "user"), "sportello");
  EXPECT_EQ(at(pools, 1, "cl_active"), "2");
  EXPECT_EQ(at(pools, 1, "pool_mode"), "statement");
  EXPECT_EQ(at(shown(ShowTopic::Databases), 1, "current_client_connections"), "2");
  const AdminTable users = shown(ShowTopic::Users);
  ASSERT_EQ(users.rows.size(), 4U);
  EXPECT_EQ(at(users, 1, "name"), "bob");
  EXPECT_EQ(at(users, 1, "current_client_connections"), "1");
  EXPECT_EQ(at(users, 2, "name"), "erin");
  EXPECT_EQ(at(users, 2, "current_client_connections"), "1");
}

TEST_F(AdminShow, ShowsDatabasesWithTheirOverrides) {
  directory_.database("app")->paused = true;
  const AdminTable databases = shown(ShowTopic::Databases);
  ASSERT_EQ(databases.rows.size(), 2U);
  EXPECT_EQ(at(databases, 0, "name"), "app");
  EXPECT_EQ(at(databases, 0, "host"), "10.0.0.9");
  EXPECT_EQ(at(databases, 0, "database"), "app");
  EXPECT_EQ(at(databases, 0, "force_user"), "NULL");
  EXPECT_EQ(at(databases, 0, "pool_size"), "7");
  EXPECT_EQ(at(databases, 0, "server_lifetime"), "3600");
  EXPECT_EQ(at(databases, 0, "paused"), "1");
  EXPECT_EQ(at(databases, 0, "disabled"), "0");
  EXPECT_EQ(at(databases, 1, "name"), "sportello");
}

TEST_F(AdminShow, ShowsUsersOfTheFileTheConfigurationAndThePools) {
  const AdminTable users = shown(ShowTopic::Users);
  ASSERT_EQ(users.rows.size(), 3U);
  EXPECT_EQ(at(users, 0, "name"), "alice");
  EXPECT_EQ(at(users, 0, "max_user_connections"), "4");
  EXPECT_EQ(at(users, 0, "pool_size"), "NULL");
  EXPECT_EQ(at(users, 1, "name"), "bob");
  EXPECT_EQ(at(users, 2, "name"), "sportello");  // whose the console's pool is
}

TEST_F(AdminShow, ShowsClientsThatHaveLoggedIn) {
  SocketSnapshot& shown_client = client("active");
  shown_client.pinned = "temporary table";
  shown_client.remote = {"10.1.1.1", 5555};
  shown_client.link_id = 0xabc0;
  client("login");
  const AdminTable clients = shown(ShowTopic::Clients);
  ASSERT_EQ(clients.rows.size(), 1U);
  EXPECT_EQ(at(clients, 0, "type"), "C");
  EXPECT_EQ(at(clients, 0, "addr"), "10.1.1.1");
  EXPECT_EQ(at(clients, 0, "port"), "5555");
  EXPECT_EQ(at(clients, 0, "id"), "64");
  EXPECT_EQ(at(clients, 0, "link"), "0xabc0");
  EXPECT_EQ(at(clients, 0, "pinned"), "temporary table");
  EXPECT_EQ(shown(ShowTopic::Sockets).rows.size(), 2U);
  EXPECT_EQ(at(shown(ShowTopic::Sockets), 1, "state"), "cl_login");
}

TEST_F(AdminShow, SumsAndAveragesPerDatabase) {
  stats_of("bob", 1).queries = 80;
  view_.pools = directory_.pools();
  const AdminTable stats = shown(ShowTopic::Stats);
  ASSERT_EQ(stats.rows.size(), 1U);
  EXPECT_EQ(at(stats, 0, "total_query_count"), "200");
  EXPECT_EQ(at(stats, 0, "total_received"), "6000");
  EXPECT_EQ(at(stats, 0, "avg_query_count"), "100");  // in two seconds
  EXPECT_EQ(at(stats, 0, "avg_recv"), "3000");
  EXPECT_EQ(at(stats, 0, "avg_query_time"), "12");  // 2400 us of 200 queries
  EXPECT_EQ(at(shown(ShowTopic::StatsTotals), 0, "query_count"), "200");
  EXPECT_EQ(at(shown(ShowTopic::StatsAverages), 0, "query_count"), "100");
  const AdminTable totals = shown(ShowTopic::Totals);
  EXPECT_EQ(totals.rows.size(), 22U);
  EXPECT_EQ(totals.rows[2][0], "total_query_count");
  EXPECT_EQ(totals.rows[2][1], "200");
}

TEST_F(AdminShow, AveragesOverOneToTwoPeriods) {
  EXPECT_FALSE(sampler_.tick(start_ + seconds(59), seconds(60), view_.pools));
  EXPECT_TRUE(sampler_.tick(start_ + seconds(60), seconds(60), view_.pools));  // 120 queries noted
  stats_of("alice", 0).queries = 400;
  EXPECT_TRUE(sampler_.tick(start_ + seconds(120), seconds(60), view_.pools));
  view_.now = start_ + seconds(120);
  EXPECT_EQ(at(shown(ShowTopic::StatsAverages), 0, "query_count"), "5");  // 300 since the first note, 60 s
  view_.now = start_ + seconds(160);
  EXPECT_EQ(at(shown(ShowTopic::StatsAverages), 0, "query_count"), "3");  // still 300, 100 s
}

// F18
TEST_F(AdminShow, HasNoNegativeAverageWhenNoTimeHasPassed) {
  view_.now = start_ - seconds(5);
  EXPECT_EQ(at(shown(ShowTopic::StatsAverages), 0, "query_count"), "0");
}

TEST_F(AdminShow, SaysWhetherAllIsPaused) {
  EXPECT_EQ(shown(ShowTopic::State).rows[0][1], "yes");
  directory_.database("app")->paused = true;
  EXPECT_EQ(shown(ShowTopic::State).rows[0][1], "no");
  EXPECT_EQ(shown(ShowTopic::State).rows[1][1], "yes");
}

TEST_F(AdminShow, RefusesToShowDescriptors) {
  const auto answer = show(ShowTopic::Fds, view_);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().sqlstate, sqlstate::kFeatureNotSupported);
}

}  // namespace
}  // namespace sportello::proxy
