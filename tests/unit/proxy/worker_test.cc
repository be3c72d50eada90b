// What one round of a worker's loop still has for an object that another callback of that round has ended:
// it is told to nobody. The rounds are turned by hand; the server is a socket of the test's own.
#include "proxy/worker.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "protocol/backend_messages.h"
#include "protocol/frontend_messages.h"
#include "protocol/startup_messages.h"
#include "protocol/tls/tls_context.h"
#include "proxy/worker_group.h"
#include "tests/support/listening_socket.h"

namespace sportello::proxy {
namespace {

constexpr std::chrono::seconds kPatience{20};

class WorkerTest : public ::testing::Test {
 protected:
  void begin(std::shared_ptr<const tls::TlsContext> server_tls = nullptr) {
    auto config = std::make_shared<RuntimeConfig>();
    config->conf.workers = 1;
    config->conf.auth_type = conf::AuthType::Trust;
    config->conf.max_client_conn = 1000;
    config->conf.default_pool_size = 1;
    conf::Database& app = config->conf.databases["app"];
    app.primary.host = "127.0.0.1";
    app.primary.port = server_.port();
    if (server_tls != nullptr) {
      config->server_tls[conf::SslMode::Prefer] = std::move(server_tls);
    }
    group_ = std::make_unique<WorkerGroup>(std::move(config));
  }
  void TearDown() override {
    for (const int client : clients_) {
      close(client);
    }
  }

  Worker& worker() { return group_->worker(0); }
  void turn() { worker().loop().turn(false); }
  template <typename Condition>
  void turn_until(Condition holds) {
    const auto deadline = Clock::now() + kPatience;
    while (!holds() && Clock::now() < deadline) {
      turn();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ASSERT_TRUE(holds());
  }

  ClientConnection& connect_client() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    clients_.push_back(ends[0]);
    ClientAddress address;
    address.is_local = true;
    group_->entrance().accepted(worker(), ends[1], address);
    return *worker().clients().back();
  }
  void client_sends(const std::string& bytes) const {
    ASSERT_EQ(send(clients_.back(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  static std::string startup() {
    std::string out;
    append_startup_message(out, kProtocol30, {{"user", "alice"}, {"database", "app"}});
    return out;
  }
  // A link that is logged in and idle, or held; its server's end.
  int log_link_in() {
    connect_client();
    client_sends(startup());
    turn_until([&] { return worker().links().size() == 1; });
    return answer_login();
  }
  int answer_login() {
    const int peer = server_.accept_one();
    turn_until([&] { return worker().links().front()->phase() == LinkPhase::LoggingIn; });
    std::string welcome("R\0\0\0\x08\0\0\0\0", 9);
    append_backend_key_data(welcome, 7, "key!");
    append_ready_for_query(welcome, TransactionStatus::Idle);
    EXPECT_EQ(send(peer, welcome.data(), welcome.size(), MSG_NOSIGNAL), static_cast<ssize_t>(welcome.size()));
    turn_until([&] { return worker().links().front()->was_ready; });
    return peer;
  }

  ListeningSocket server_;
  std::unique_ptr<WorkerGroup> group_;
  std::vector<int> clients_;
};

TEST_F(WorkerTest, AClientThatWasEvictedDoesNotLogInWithWhatItHadSent) {
  begin();
  ClientConnection& client = connect_client();
  turn();
  client_sends(startup());
  client.close(CloseReason::TooManyConnections);
  turn();
  EXPECT_EQ(group_->entrance().clients(), 0);
  EXPECT_EQ(group_->entrance().logging_in(), 0);
  EXPECT_TRUE(worker().clients().empty());
  EXPECT_TRUE(worker().pools().empty());
}

TEST_F(WorkerTest, ALinkThatWasClosedDoesNotFailOnceMoreWithItsConnect) {
  begin(tls::TlsContext::for_servers({}).value());
  connect_client();
  client_sends(startup());
  turn_until([&] { return worker().links().size() == 1; });
  const int peer = server_.accept_one();
  char request[8];
  std::thread reader([&] { EXPECT_EQ(recv(peer, request, sizeof request, MSG_WAITALL), 8); });
  turn();
  turn();
  reader.join();
  worker().clients().front()->close(CloseReason::ClientVanished);
  close(peer);
  worker().close_link(*worker().links().front());
  turn();
  EXPECT_TRUE(worker().links().empty());
}

TEST_F(WorkerTest, ACancelRequestThatWasGivenUpDoesNotEndOnceMore) {
  begin();
  const int peer = log_link_in();
  ServerLink& link = *worker().links().front();
  CancelSender sender(worker(), link, worker().server_target(link.pool()), TimePoint::max());
  sender.start();
  turn();
  turn();
  close(server_.accept_one());
  sender.abandon();
  turn();
  EXPECT_EQ(sender.link(), &link);
  close(peer);
}

// Runs `body` on a thread with a small stack.
void run_on_small_stack(size_t bytes, std::function<void()> body) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, bytes), 0);
  pthread_t thread;
  ASSERT_EQ(pthread_create(
                &thread, &attributes,
                [](void* argument) -> void* {
                  (*static_cast<std::function<void()>*>(argument))();
                  return nullptr;
                },
                &body),
            0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST_F(WorkerTest, ManyWhoWaitForTheFirstLinkDoNotNestInEachOther) {
  constexpr size_t kClients = 400;
  constexpr size_t kStackBytes = 192UL << 10;
  run_on_small_stack(kStackBytes, [&] {
    begin();
    for (size_t i = 0; i < kClients; i++) {
      connect_client();
      client_sends(startup());
      turn();
    }
    turn_until([&] { return worker().links().size() == 1; });
    const int peer = answer_login();
    turn_until([&] {
      return std::none_of(worker().clients().begin(), worker().clients().end(),
                          [](const auto& client) { return client->is_waiting(); });
    });
    EXPECT_EQ(worker().clients().size(), kClients);
    group_.reset();
    close(peer);
  });
}

}  // namespace
}  // namespace sportello::proxy
