// Which worker has a client that was accepted, and who is sent away. The rounds of the loops are turned by
// hand.
#include "proxy/client_entrance.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "proxy/worker_group.h"

namespace sportello::proxy {
namespace {

class ClientEntranceTest : public ::testing::Test {
 protected:
  void begin(int workers, int max_client_conn = 1000) {
    auto config = std::make_shared<RuntimeConfig>();
    config->conf.workers = workers;
    config->conf.auth_type = conf::AuthType::Trust;
    config->conf.max_client_conn = max_client_conn;
    group_ = std::make_unique<WorkerGroup>(std::move(config));
  }
  void TearDown() override {
    for (const int client : clients_) {
      close(client);
    }
  }

  void turn_all() {
    for (size_t i = 0; i < group_->size(); i++) {
      group_->worker(i).loop().turn(false);
    }
  }
  void accept_by(size_t worker, int count = 1) {
    for (int i = 0; i < count; i++) {
      int ends[2];
      ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
      clients_.push_back(ends[0]);
      ClientAddress address;
      address.is_local = true;
      group_->entrance().accepted(group_->worker(worker), ends[1], address);
    }
    turn_all();
  }
  size_t count_of(size_t worker) { return group_->worker(worker).clients().size(); }
  void drop_all_of(size_t worker) {
    while (!group_->worker(worker).clients().empty()) {
      group_->worker(worker).clients().front()->close(CloseReason::ClientVanished);
    }
    turn_all();
  }

  std::unique_ptr<WorkerGroup> group_;
  std::vector<int> clients_;
};

TEST_F(ClientEntranceTest, AFewWhoStayAreDealtOutEvenly) {
  begin(4);
  accept_by(2, 4);
  for (size_t i = 0; i < 4; i++) {
    EXPECT_EQ(count_of(i), 1U) << i;
  }
}

TEST_F(ClientEntranceTest, OfManyWhoStayNoWorkerHasManyMoreThanAnother) {
  begin(2);
  accept_by(1, 200);
  EXPECT_EQ(count_of(0) + count_of(1), 200U);
  EXPECT_GT(count_of(1), count_of(0)) << "those that are about even stay with who accepted them";
  EXPECT_LE(count_of(1) - count_of(0), 17U);
}

TEST_F(ClientEntranceTest, WhereClientsSoonLeaveThoseWhoComeStayWithWhoAcceptedThem) {
  begin(2);
  accept_by(0, 2);
  accept_by(1, 4);
  drop_all_of(0);
  drop_all_of(1);
  accept_by(0, 3);
  EXPECT_EQ(count_of(0), 3U);
  EXPECT_EQ(count_of(1), 0U);
  accept_by(0, 20);
  EXPECT_GE(count_of(1), 8U) << "not without end";
}

TEST_F(ClientEntranceTest, WhoLogsInKeepsNobodyOut) {
  begin(2, 3);
  accept_by(0, 10);
  EXPECT_EQ(group_->entrance().clients(), 10);
  EXPECT_EQ(group_->entrance().logging_in(), 10);
  drop_all_of(0);
  drop_all_of(1);
  EXPECT_EQ(group_->entrance().clients(), 0);
  EXPECT_EQ(group_->entrance().logging_in(), 0);
}

TEST_F(ClientEntranceTest, PlacesAreTakenAndGivenBack) {
  begin(2, 3);
  ClientEntrance& entrance = group_->entrance();
  for (int i = 0; i < 3; i++) {
    EXPECT_FALSE(entrance.is_full(3));
    EXPECT_TRUE(entrance.admit(3));
  }
  EXPECT_TRUE(entrance.is_full(3));
  EXPECT_FALSE(entrance.admit(3));
  entrance.leave();
  EXPECT_TRUE(entrance.admit(3));
}

}  // namespace
}  // namespace sportello::proxy
