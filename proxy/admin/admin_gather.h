// Asks every worker something on its own thread and brings all the answers to one of them, without anybody
// waiting.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "proxy/worker_group.h"

namespace sportello::proxy {

// `ask` runs once on each worker; then `done`, with one answer a worker, on the thread of `home`, which lives
// at least until the workers have stopped.
template <typename Answer>
void gather(WorkerGroup& group, EventLoop& home, std::function<Answer(Worker&)> ask,
            std::function<void(std::vector<Answer>)> done) {
  struct Round {
    std::vector<Answer> answers;  // each written by its worker, read when `left` has reached zero
    std::atomic<size_t> left;
    std::function<void(std::vector<Answer>)> done;
  };
  auto round = std::make_shared<Round>();
  round->answers.resize(group.size());
  round->left = group.size();
  round->done = std::move(done);
  group.post_all([round, ask = std::move(ask), &home](Worker& worker) {
    round->answers[worker.index()] = ask(worker);
    if (round->left.fetch_sub(1) == 1) {
      home.post([round] { round->done(std::move(round->answers)); });
    }
  });
}

// The same for one of the workers.
template <typename Answer>
void gather(Worker& home, std::function<Answer(Worker&)> ask, std::function<void(std::vector<Answer>)> done) {
  gather<Answer>(home.group(), home.loop(), std::move(ask), std::move(done));
}

}  // namespace sportello::proxy
