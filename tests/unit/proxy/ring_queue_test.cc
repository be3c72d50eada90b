#include "proxy/ring_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>

namespace sportello::proxy {
namespace {

TEST(RingQueue, DoesWhatADequeDoes) {
  std::mt19937 random(5);
  RingQueue<int> queue;
  std::deque<int> model;
  for (int i = 0; i < 20'000; i++) {
    const auto choice = random() % 7;
    if (choice < 4) {
      queue.push_back(i);
      model.push_back(i);
    } else if (choice < 6 && !model.empty()) {
      queue.pop_front();
      model.pop_front();
    } else if (!model.empty()) {
      const size_t at = random() % model.size();
      queue.erase(at);
      model.erase(model.begin() + static_cast<ptrdiff_t>(at));
    }
    if (random() % 500 == 0) {
      queue.clear();
      model.clear();
    }
    ASSERT_EQ(queue.size(), model.size());
    for (size_t j = 0; j < model.size(); j++) {
      ASSERT_EQ(queue[j], model[j]);
    }
  }
}

TEST(RingQueue, LetsGoOfWhatIsTakenOut) {
  RingQueue<std::shared_ptr<int>> queue;
  const auto held = std::make_shared<int>(1);
  queue.push_back(held);
  queue.push_back(held);
  queue.push_back(held);
  queue.erase(1);
  EXPECT_EQ(held.use_count(), 3);
  queue.pop_front(2);
  EXPECT_EQ(held.use_count(), 1);
}

TEST(RingQueueDeathTest, LookingBeyondItsEndIsOurMistake) {
  RingQueue<int> queue;
  EXPECT_DEATH(queue.front(), "queued");
  EXPECT_DEATH(queue.pop_front(), "queued");
}

}  // namespace
}  // namespace sportello::proxy
