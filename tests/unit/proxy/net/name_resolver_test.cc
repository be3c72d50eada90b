#include "proxy/net/name_resolver.h"

#include <gtest/gtest.h>

#include <future>

namespace sportello::proxy {
namespace {

// What the resolver's threads ask, and may ask still when their test is over: "hangs" hangs until released,
// any other name has one address.
struct Names {
  NameAnswer look_up(const std::string& host) {
    if (host.starts_with("hangs")) {
      released.wait();
      return {{}, "it hung", false};
    }
    const std::lock_guard lock(mutex);
    return {addresses, addresses.empty() ? "no such host" : "", addresses.empty()};
  }

  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  std::mutex mutex;
  AddressList addresses{"10.0.0.1"};  // guarded by mutex
};

// A resolver in the test's hands.
struct NameResolverTest : testing::Test {
  ~NameResolverTest() override {
    tickets.clear();
    names->release.set_value();
  }

  void ask(const std::string& host) {
    tickets.push_back(resolver.resolve(loop, host, [this, host](const NameAnswer& answer) {
      answers.push_back(host + " " + (answer.addresses.empty() ? answer.why : answer.addresses.front()));
      loop.stop();
    }));
  }

  void say(AddressList list) {
    const std::lock_guard lock(names->mutex);
    names->addresses = std::move(list);
  }

  const std::shared_ptr<Names> names = std::make_shared<Names>();
  EventLoop loop;
  NameResolver resolver{[its_names = names](const std::string& host) { return its_names->look_up(host); }};
  std::vector<NameResolver::Ticket> tickets;
  std::vector<std::string> answers;
};

TEST_F(NameResolverTest, AnswersOnTheLoopThatAsked) {
  ask("db");
  EXPECT_TRUE(answers.empty());
  loop.run();
  EXPECT_EQ(answers, std::vector<std::string>{"db 10.0.0.1"});
}

TEST_F(NameResolverTest, ANameThatHangsHoldsUpNobodyElse) {  // F16
  for (int i = 0; i < 10; i++) {
    ask("hangs" + std::to_string(i));
  }
  ask("db");
  loop.run();
  EXPECT_EQ(answers, std::vector<std::string>{"db 10.0.0.1"});
}

TEST_F(NameResolverTest, ADroppedTicketIsNotAnswered) {
  ask("db");
  tickets.clear();
  ask("other");
  loop.run();
  EXPECT_EQ(answers, std::vector<std::string>{"other 10.0.0.1"});
}

TEST_F(NameResolverTest, TellsWhyThereIsNoAddress) {
  say({});
  ask("db");
  loop.run();
  EXPECT_EQ(answers, std::vector<std::string>{"db no such host"});
}

TEST_F(NameResolverTest, ARefreshTellsOfOtherAddresses) {
  std::promise<AddressList> changed;
  resolver.set_ttls(std::chrono::milliseconds(0), std::chrono::milliseconds(0));
  resolver.set_on_change([&](const std::string&, const AddressList& now) { changed.set_value(now); });
  ask("db");
  loop.run();
  say({"10.0.0.2"});
  resolver.refresh({"db"});
  EXPECT_EQ(changed.get_future().get(), AddressList{"10.0.0.2"});
  resolver.set_on_change(nullptr);
  ask("db");
  loop.run();
  EXPECT_EQ(answers.back(), "db 10.0.0.2");
}

}  // namespace
}  // namespace sportello::proxy
